package cades

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/material"
	"github.com/antin-gov/antin/signer/tsp"
)

// ErrNotExtendable means that a container is not one with a single signer, or
// that its signature does not hold.
var ErrNotExtendable = errors.New("cades: not extendable")

// ExtendOptions say how far a signature is raised and by whom.
type ExtendOptions struct {
	Level Level       // LevelLT or LevelLTA; LevelLTA when empty
	Hash  crypto.Hash // of the time-stamps; SHA-256 when zero
	// Digest computes the digest of what a detached signature is over.
	Digest func(h crypto.Hash) ([]byte, error)
	// Timestamp and Collect are those of Options.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	Collect   material.Collect
	// Path finds the chain of a certificate in a pool; nothing is collected for
	// one without. Nil orders by signatures alone.
	Path func(ctx context.Context, leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate
}

// Extended tells what Extend made.
type Extended struct {
	CMS      []byte      // DER
	Stamps   []time.Time // of the time-stamps that were added
	Evidence trust.Evidence
}

// Extend raises a signature in DER, BER or PEM to B-LT or B-LTA, or renews its
// archive time-stamp (EN 319 122-1 §5.5.3 and §6.3): a signature time-stamp
// where there is none, the validation data of the signer and of all
// time-stamps, and for B-LTA an archive-time-stamp-v3 over it all. Whether the
// signature is to be trusted is the caller's question.
func Extend(ctx context.Context, container []byte, o ExtendOptions) (*Extended, error) {
	if o.Level == "" {
		o.Level = LevelLTA
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	if o.Level != LevelLT && o.Level != LevelLTA || o.Timestamp == nil || o.Collect == nil || !o.Hash.Available() {
		return nil, fmt.Errorf("%w: extension to %q", ErrOptions, string(o.Level))
	}
	block, _ := pem.Decode(container)
	if block != nil {
		container = block.Bytes
	}
	der, _, err := cms.Normalize(container)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotExtendable, err)
	}
	e := &extension{o: o, out: &Extended{CMS: der}}
	signed, err := e.read()
	if err != nil {
		return nil, err
	}
	err = e.verify(signed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotExtendable, err)
	}
	err = e.raise(ctx, signed)
	if err != nil {
		return nil, fmt.Errorf("cades: %w", err)
	}
	return e.out, nil
}

// extension is the state of one Extend.
type extension struct {
	o   ExtendOptions
	out *Extended
}

func (e *extension) read() (*cms.SignedData, error) {
	all, err := cms.ParseAll(e.out.CMS)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotExtendable, err)
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("%w: %d signers", ErrNotExtendable, len(all))
	}
	return all[0], nil
}

// digest is that of the content, inside or beside.
func (e *extension) digest(signed *cms.SignedData, h crypto.Hash) ([]byte, error) {
	if signed.Content != nil {
		d := h.New()
		d.Write(signed.Content)
		return d.Sum(nil), nil
	}
	if e.o.Digest == nil {
		return nil, fmt.Errorf("%w: the signed content is not at hand", ErrOptions)
	}
	return e.o.Digest(h)
}

func (e *extension) verify(signed *cms.SignedData) error {
	cert, err := signed.SignerCertificate()
	if err != nil {
		return err
	}
	if signed.Signer.AlgorithmErr != nil {
		return signed.Signer.AlgorithmErr
	}
	digest, err := e.digest(signed, signed.Signer.Digest)
	if err != nil {
		return err
	}
	return signed.Verify(cert, digest)
}

func (e *extension) add(signed *cms.SignedData, a cms.Addition) (*cms.SignedData, error) {
	der, err := signed.Extend(a)
	if err != nil {
		return nil, err
	}
	e.out.CMS = der
	return e.read()
}

func (e *extension) raise(ctx context.Context, signed *cms.SignedData) error {
	if len(signed.Signer.Timestamps) == 0 {
		h := e.o.Hash.New()
		h.Write(signed.Signer.Signature)
		token, err := e.stamp(ctx, h.Sum(nil))
		if err != nil {
			return fmt.Errorf("signature time-stamp: %w", err)
		}
		attribute, err := cms.TimestampAttribute(token)
		if err != nil {
			return err
		}
		signed, err = e.add(signed, cms.Addition{Attributes: [][]byte{attribute}})
		if err != nil {
			return err
		}
	}
	var err error
	e.out.Evidence, err = e.gather(ctx, signed)
	if err != nil {
		return err
	}
	signed, err = e.add(signed, cms.Addition{Certificates: e.out.Evidence.Certificates, OCSPs: e.out.Evidence.OCSPs, CRLs: e.out.Evidence.CRLs})
	if err != nil || e.o.Level != LevelLTA {
		return err
	}
	content, err := e.digest(signed, e.o.Hash)
	if err != nil {
		return err
	}
	attribute, err := archiveAttribute(signed, e.o.Hash, content, func(imprint []byte) ([]byte, error) { return e.stamp(ctx, imprint) })
	if err != nil {
		return fmt.Errorf("archive time-stamp: %w", err)
	}
	_, err = e.add(signed, cms.Addition{Attributes: [][]byte{attribute}})
	return err
}

// archiveAttribute makes an archive-time-stamp-v3 over everything that is
// there (EN 319 122-1 §5.5.3); content is the digest of the content.
func archiveAttribute(signed *cms.SignedData, h crypto.Hash, content []byte, stamp func(imprint []byte) ([]byte, error)) ([]byte, error) {
	index, err := signed.HashIndex(h)
	if err != nil {
		return nil, err
	}
	imprint, err := signed.ArchiveImprint(h, content, index)
	if err != nil {
		return nil, err
	}
	token, err := stamp(imprint)
	if err != nil {
		return nil, err
	}
	token, err = cms.AddHashIndex(token, index)
	if err != nil {
		return nil, err
	}
	return cms.ArchiveAttribute(token)
}

// stamp fetches a token and looks whether it is over the digest.
func (e *extension) stamp(ctx context.Context, digest []byte) ([]byte, error) {
	der, err := e.o.Timestamp(ctx, e.o.Hash, digest)
	if err != nil {
		return nil, err
	}
	token, err := tsp.ParseToken(der)
	if err == nil {
		err = token.Verify(tsp.VerifyOptions{Hash: e.o.Hash, Digest: digest})
	}
	if err != nil {
		return nil, err
	}
	e.out.Stamps = append(e.out.Stamps, token.GenTime)
	return der, nil
}

// gather collects for the signer and for every time-stamp.
func (e *extension) gather(ctx context.Context, signed *cms.SignedData) (trust.Evidence, error) {
	cert, err := signed.SignerCertificate()
	if err != nil {
		return trust.Evidence{}, err
	}
	leaves, pool := []*x509.Certificate{cert}, append([]*x509.Certificate(nil), signed.Certificates...)
	for _, list := range [][][]byte{signed.Signer.Timestamps, signed.Signer.Archive} {
		for _, der := range list {
			token, err := tsp.ParseToken(der)
			if err != nil {
				return trust.Evidence{}, err
			}
			pool = append(pool, token.Signed.Certificates...)
			if token.Signer != nil {
				leaves = append(leaves, token.Signer)
			}
		}
	}
	return material.GatherLeaves(ctx, e.o.Collect, e.o.Path, leaves, pool)
}
