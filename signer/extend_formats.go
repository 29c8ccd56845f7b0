package signer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/asic"
	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
	"github.com/antin-gov/antin/signer/xades"
)

// maxExtendable bounds a file outside PDF that is extended in memory; XML ones
// have a narrower bound of their own.
const maxExtendable = 128 << 20

// raised is what an extension of any format made.
type raised struct {
	signatures int
	stamps     []time.Time
	evidence   trust.Evidence
	size       int64
}

// extender raises the signatures of one file and writes the result.
type extender func(ctx context.Context, q ExtendRequest, anchors *trust.Store, out *os.File) (*raised, error)

// extenderOf picks by the first bytes, and tells the format as the record
// names it.
func (s *Service) extenderOf(q ExtendRequest) (extender, string, error) {
	kind, err := validate.KindOf(q.In, q.Size)
	if err != nil {
		return nil, "", err
	}
	switch kind {
	case validate.KindCMS:
		return s.extendCMS, "CAdES-", nil
	case validate.KindASiC:
		return s.extendASiC, "ASiC-CAdES-", nil
	case validate.KindXML:
		return s.extendXML, "XAdES-", nil
	}
	return s.extendPDF, "", nil
}

func (s *Service) extendPDF(ctx context.Context, q ExtendRequest, anchors *trust.Store, out *os.File) (*raised, error) {
	e, err := pades.Extend(ctx, q.In, q.Size, out, pades.ExtendOptions{
		Level: pades.Level(q.Level), Password: q.Password, Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Now: s.d.Clock.Now(),
		Path: s.pathTo(anchors),
	})
	if err != nil {
		return nil, err
	}
	// A PDF grows behind its bytes.
	digest := sha256.New()
	_, err = io.CopyN(digest, io.NewSectionReader(out, 0, e.Size), q.Size)
	if err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	if hex.EncodeToString(digest.Sum(nil)) != q.digest {
		return nil, fmt.Errorf("%w: while it was being extended", ErrChanged)
	}
	return &raised{e.Signatures, e.Stamps, e.Evidence, e.Size}, nil
}

func (s *Service) pathTo(anchors *trust.Store) func(context.Context, *x509.Certificate, []*x509.Certificate) []*x509.Certificate {
	return func(ctx context.Context, leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate {
		return trustedPath(ctx, anchors, leaf, pool, s.d.Clock.Now())
	}
}

// readWhole reads the file that was recorded.
func (q ExtendRequest) readWhole() ([]byte, error) {
	if q.Size > maxExtendable {
		return nil, fmt.Errorf("%w: signatures outside PDF of over %d MiB are not extended", ErrRequest, maxExtendable>>20)
	}
	data := make([]byte, q.Size)
	_, err := q.In.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read document: %w", err)
	}
	sum := sha256.Sum256(data)
	if hex.EncodeToString(sum[:]) != q.digest {
		return nil, fmt.Errorf("%w: while it was being extended", ErrChanged)
	}
	return data, nil
}

func (s *Service) cadesExtension(q ExtendRequest, anchors *trust.Store) cades.ExtendOptions {
	return cades.ExtendOptions{
		Level: cades.Level(q.Level), Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Path: s.pathTo(anchors),
		Digest: func(h crypto.Hash) ([]byte, error) {
			if q.Content == nil {
				return nil, fmt.Errorf("%w: the file that the signature is over is not at hand", ErrRequest)
			}
			d := h.New()
			_, err := io.Copy(d, io.NewSectionReader(q.Content, 0, q.ContentSize))
			if err != nil {
				return nil, fmt.Errorf("read content: %w", err)
			}
			return d.Sum(nil), nil
		},
	}
}

func (s *Service) extendCMS(ctx context.Context, q ExtendRequest, anchors *trust.Store, out *os.File) (*raised, error) {
	data, err := q.readWhole()
	if err != nil {
		return nil, err
	}
	e, err := cades.Extend(ctx, data, s.cadesExtension(q, anchors))
	if err != nil {
		return nil, extendable(err)
	}
	n, err := out.Write(e.CMS)
	return &raised{1, e.Stamps, e.Evidence, int64(n)}, err
}

func (s *Service) extendASiC(ctx context.Context, q ExtendRequest, anchors *trust.Store, out *os.File) (*raised, error) {
	data, err := q.readWhole()
	if err != nil {
		return nil, err
	}
	e, err := asic.Extend(ctx, out, bytes.NewReader(data), q.Size, s.cadesExtension(q, anchors))
	if err != nil {
		return nil, extendable(err)
	}
	info, err := out.Stat()
	if err != nil {
		return nil, fmt.Errorf("write the result: %w", err)
	}
	return &raised{e.Signatures, e.Stamps, e.Evidence, info.Size()}, nil
}

func (s *Service) extendXML(ctx context.Context, q ExtendRequest, anchors *trust.Store, out *os.File) (*raised, error) {
	data, err := q.readWhole()
	if err != nil {
		return nil, err
	}
	o := xades.ExtendOptions{
		Level: xades.Level(q.Level), Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Path: s.pathTo(anchors), Detached: q.Content != nil,
	}
	if o.Detached {
		o.Content, err = io.ReadAll(io.LimitReader(io.NewSectionReader(q.Content, 0, q.ContentSize), xades.MaxBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read content: %w", err)
		}
	}
	e, err := xades.Extend(ctx, data, o)
	if err != nil {
		return nil, extendable(err)
	}
	n, err := out.Write(e.XML)
	return &raised{e.Signatures, e.Stamps, e.Evidence, int64(n)}, err
}

// extendable gives what a format refuses the meaning it has for the caller.
func extendable(err error) error {
	if errors.Is(err, cades.ErrNotExtendable) || errors.Is(err, xades.ErrNotExtendable) || errors.Is(err, asic.ErrMalformed) {
		return fmt.Errorf("%w: %w", ErrNotExtendable, err)
	}
	return err
}
