// Package cades makes CAdES baseline signatures (EN 319 122-1): a CMS
// container beside a file of any kind, or around it. B-B has the signed
// attributes of the baseline with the signing time, B-T adds a
// signature-time-stamp, B-LT certificates and revocation data in the
// SignedData itself, B-LTA an archive-time-stamp-v3 over all of that.
//
// A detached content is read once, as a stream of any length; attached content
// is held in memory and therefore bounded (cms.MaxAttached).
//
// It makes no countersignatures and no signature policies, and it does not
// judge signatures: that is package validate.
package cades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/material"
)

// Level is a baseline level of EN 319 122-1 §6.
type Level string

// Levels.
const (
	LevelB   Level = "B-B"
	LevelT   Level = "B-T"
	LevelLT  Level = "B-LT"
	LevelLTA Level = "B-LTA"
)

// ErrOptions says that the options contradict one another or miss something.
var ErrOptions = errors.New("cades: options")

// Options say who signs and how.
type Options struct {
	Signer crypto.Signer
	Chain  []*x509.Certificate // the signer's first, up to the root
	Hash   crypto.Hash         // SHA-256 when zero; SHA-512 for Ed25519
	PSS    bool
	Level  Level // B-B when empty
	// Attached puts the content into the container.
	Attached bool
	// Timestamp returns an RFC 3161 token over a digest; B-T and above need it.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	// Collect fetches certificates and revocation data; B-LT and above need it.
	Collect material.Collect
	// Now is the signing time that is claimed.
	Now time.Time
}

// Result is a finished signature.
type Result struct {
	CMS      []byte // DER
	Core     []byte // the same without the material of B-LT and B-LTA
	Digest   []byte // of the content, by Options.Hash
	Evidence trust.Evidence
}

func (o Options) checked() (Options, error) {
	if o.Level == "" {
		o.Level = LevelB
	}
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	switch o.Level {
	case LevelB:
		o.Timestamp, o.Collect = nil, nil
	case LevelT:
		o.Collect = nil
	case LevelLT, LevelLTA:
		if o.Collect == nil {
			return o, fmt.Errorf("%w: level %s needs a source of revocation data", ErrOptions, o.Level)
		}
	default:
		return o, fmt.Errorf("%w: level %q", ErrOptions, string(o.Level))
	}
	if o.Level != LevelB && o.Timestamp == nil {
		return o, fmt.Errorf("%w: level %s needs a time-stamp authority", ErrOptions, o.Level)
	}
	if o.Now.IsZero() {
		return o, fmt.Errorf("%w: no signing time", ErrOptions)
	}
	if !o.Hash.Available() {
		return o, fmt.Errorf("%w: hash %d", ErrOptions, uint(o.Hash))
	}
	return o, nil
}

// Sign signs what the reader gives.
func Sign(ctx context.Context, content io.Reader, o Options) (*Result, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	params := o.params()
	digest := o.Hash.New()
	if o.Attached {
		params.Content, err = io.ReadAll(io.LimitReader(content, cms.MaxAttached+1))
		content = bytes.NewReader(params.Content)
		if err != nil {
			return nil, fmt.Errorf("cades: read content: %w", err)
		}
	}
	imprint := cms.ImprintHash(o.Hash)
	second := digest // of the archive time-stamp
	to := io.Writer(digest)
	if imprint != o.Hash {
		second = imprint.New()
		to = io.MultiWriter(digest, second)
	}
	_, err = io.Copy(to, content)
	if err != nil {
		return nil, fmt.Errorf("cades: read content: %w", err)
	}
	return o.seal(ctx, digest.Sum(nil), archived{imprint, second.Sum(nil)}, params)
}

// SignDigest makes a detached signature over a content of which only the
// digest, by Options.Hash, is at hand.
func SignDigest(ctx context.Context, digest []byte, o Options) (*Result, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	if o.Attached {
		return nil, fmt.Errorf("%w: a digest has no content to attach", ErrOptions)
	}
	return o.seal(ctx, digest, archived{o.Hash, digest}, o.params())
}

func (o Options) params() cms.Params {
	return cms.Params{
		Signer: o.Signer, Chain: o.Chain, Hash: o.Hash, PSS: o.PSS, SigningTime: o.Now, Attached: o.Attached, Timestamp: o.Timestamp,
	}
}

// archived is the content's digest with the algorithm of the archive time-stamp.
type archived struct {
	hash   crypto.Hash
	digest []byte
}

// seal makes the container over a digest and raises it to the level.
func (o Options) seal(ctx context.Context, digest []byte, a archived, params cms.Params) (*Result, error) {
	r := &Result{Digest: digest}
	var err error
	r.CMS, err = cms.Sign(ctx, r.Digest, params)
	if err != nil {
		return nil, fmt.Errorf("cades: %w", err)
	}
	r.Core = r.CMS
	if o.Level != LevelLT && o.Level != LevelLTA {
		return r, nil
	}
	err = r.addMaterial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("cades: %w", err)
	}
	if o.Level == LevelLTA {
		err = r.addArchive(ctx, o, a)
		if err != nil {
			return nil, fmt.Errorf("cades: archive time-stamp: %w", err)
		}
	}
	return r, nil
}

// parse reads the container that was just made.
func (r *Result) parse() (*cms.SignedData, error) {
	all, err := cms.ParseAll(r.CMS)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (r *Result) addMaterial(ctx context.Context, o Options) error {
	signed, err := r.parse()
	if err != nil {
		return err
	}
	r.Evidence, err = material.Gather(ctx, o.Collect, o.Chain, signed.Signer.Timestamps...)
	if err != nil {
		return err
	}
	r.CMS, err = signed.Extend(cms.Addition{Certificates: r.Evidence.Certificates, OCSPs: r.Evidence.OCSPs, CRLs: r.Evidence.CRLs})
	return err
}

// addArchive puts an archive-time-stamp-v3 over everything that is there
// (EN 319 122-1 §5.5.3).
func (r *Result) addArchive(ctx context.Context, o Options, a archived) error {
	signed, err := r.parse()
	if err != nil {
		return err
	}
	attribute, err := archiveAttribute(signed, a.hash, a.digest, func(imprint []byte) ([]byte, error) { return o.Timestamp(ctx, a.hash, imprint) })
	if err != nil {
		return err
	}
	r.CMS, err = signed.Extend(cms.Addition{Attributes: [][]byte{attribute}})
	return err
}
