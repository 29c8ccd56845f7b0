package cms

import (
	"errors"
	"fmt"
)

// What can be wrong with a signature container. Callers judge by these, never
// by text.
var (
	// ErrMalformed: not the DER of one SignedData.
	ErrMalformed = errors.New("cms: malformed")
	// ErrContent: a detached signature carries content, or an attached one
	// carries none.
	ErrContent = errors.New("cms: content where none belongs, or none where it belongs")
	// ErrSignerCount: not exactly one SignerInfo.
	ErrSignerCount = errors.New("cms: not exactly one signer")
	// ErrNoSignedAttributes: signedAttrs are missing.
	ErrNoSignedAttributes = errors.New("cms: no signed attributes")
	// ErrNoMessageDigest: the message-digest attribute is missing.
	ErrNoMessageDigest = errors.New("cms: no message-digest attribute")
	// ErrContentType: the content-type attribute is missing or disagrees.
	ErrContentType = errors.New("cms: content-type attribute missing or wrong")
	// ErrAlgorithm: an algorithm that is not known or not allowed here.
	ErrAlgorithm = errors.New("cms: algorithm not supported")
	// ErrDigest: the message digest is not that of the content.
	ErrDigest = errors.New("cms: message digest differs")
	// ErrSignature: the signature value does not verify.
	ErrSignature = errors.New("cms: signature value does not verify")
	// ErrNoSigningCertificate: the signer's certificate was not found.
	ErrNoSigningCertificate = errors.New("cms: signing certificate not found")
	// ErrSigningCertificate: the signing-certificate attribute names another
	// certificate.
	ErrSigningCertificate = errors.New("cms: signing-certificate attribute names another certificate")
	// ErrRefused: Sign will not sign with these parameters.
	ErrRefused = errors.New("cms: refused")
)

func malformed(where string) error { return fmt.Errorf("%w: %s", ErrMalformed, where) }
