// Package xades makes and reads XML signatures with the XAdES baseline
// attributes (EN 319 132-1): enveloped in the document that they sign,
// enveloping a file, or detached beside one; levels B-B, B-T, B-LT and B-LTA. It raises
// existing signatures to B-LT and B-LTA and renews archive time-stamps.
//
// Reading is strict, because what a signature is over is what attacks on XML
// signatures play with: no DTD, bounded size, depth, references and output; an
// Id that stands twice resolves to nothing; of transforms only the canonical
// forms, enveloped-signature and base64 are known; nothing is fetched. What each
// reference covers is told.
//
// The canonical forms are made here, over the tree that beevik/etree reads and
// without copying it: the obtainable library copies the tree at each level and
// lets an ancestor's namespace override an element's own.
//
// It does not do XPath and XSLT, countersignatures, manifests and Ed25519.
package xades

import (
	"errors"
	"fmt"
)

// What can be wrong with a document or a signature in it.
var (
	// ErrMalformed: not an XML document that is read here.
	ErrMalformed = errors.New("xades: malformed")
	// ErrLimit: more of something than any real document has.
	ErrLimit = errors.New("xades: over a limit")
	// ErrReference: a reference does not resolve to exactly one thing.
	ErrReference = errors.New("xades: reference not resolved")
	// ErrContent: a detached signature's content is not at hand.
	ErrContent = errors.New("xades: signed content not at hand")
	// ErrNoSigner: no certificate of the signer.
	ErrNoSigner = errors.New("xades: no certificate of the signer")
	// ErrOptions: signing options that contradict one another.
	ErrOptions = errors.New("xades: options")
)

// MaxBytes is the largest document, or file signed in or beside one.
const MaxBytes = 32 << 20

const (
	maxDepth      = 256       // of elements
	maxElements   = 1_000_000 // in a document
	maxNamespaces = 256       // in scope at once
	maxSignatures = 32        // in a document
	maxReferences = 64        // in a signature
	maxTransforms = 8         // in a reference
	maxCanonical  = 256 << 20 // bytes of canonical form in all
	maxItems      = 128       // certificates, time-stamps, revocation data
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
