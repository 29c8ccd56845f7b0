package pades

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/material"
)

// Sign signs the input and writes the signed file to out. At B-LTA a document
// time-stamp follows the security store (EN 319 142-1, 5.4.3). When it fails the
// output is incomplete and must be thrown away. A document that cannot be
// signed gives a *cos.RefusedError.
func Sign(ctx context.Context, in io.ReaderAt, size int64, out Output, o Options) (*Result, error) {
	o = o.withDefaults()
	p, err := Prepare(ctx, in, size, out, o)
	if err != nil {
		return nil, err
	}
	der, err := cms.Sign(ctx, p.Digest, o.params())
	if err != nil {
		return nil, fmt.Errorf("pades: %w", err)
	}
	err = p.Complete(out, der)
	if err != nil {
		return nil, err
	}
	r := &Result{Level: o.Level, Field: p.Field, Size: p.Size, Signed: p.Size, ByteRange: p.ByteRange, Digest: p.Digest, CMS: der}
	if !o.Level.long() {
		return r, nil
	}
	r.Evidence, err = gatherSignature(ctx, der, o)
	if err != nil {
		return nil, err
	}
	r.Size, err = AddEvidence(out, p.Size, o, p, r.Evidence)
	if err != nil || o.Level != LevelLTA {
		return r, err
	}
	stamp, err := addTimestamp(ctx, out, r.Size, o)
	if err != nil {
		return nil, err
	}
	r.Size, r.Archive = stamp.end, stamp.token.GenTime
	return r, nil
}

// gatherSignature collects evidence for the signer's chain, the chains of the
// time-stamp tokens and those of OCSP responders (EN 319 142-1, 5.4.2).
func gatherSignature(ctx context.Context, der []byte, o Options) (trust.Evidence, error) {
	signed, err := cms.Parse(der)
	if err != nil {
		return trust.Evidence{}, fmt.Errorf("pades: signature: %w", err)
	}
	return gather(material.Gather(ctx, o.Collect, o.Chain, signed.Signer.Timestamps...))
}

// gather gives an error of gathering its place.
func gather(e trust.Evidence, err error) (trust.Evidence, error) {
	if errors.Is(err, material.ErrTooMany) {
		return e, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	if err != nil {
		return e, fmt.Errorf("pades: %w", err)
	}
	return e, nil
}
