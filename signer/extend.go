package signer

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

// ErrNotExtendable means that a signature of the document is not valid now, so
// that a time-stamp over it would prove nothing worth keeping.
var ErrNotExtendable = errors.New("a signature of the document is not valid")

// ExtendRequest asks to raise the signatures of one PDF, CMS signature, XML
// document or ASiC container.
type ExtendRequest struct {
	In   io.ReaderAt
	Size int64
	// Content is what a detached signature is over; nil for the others.
	Content     io.ReaderAt
	ContentSize int64
	// Name is the document's file name, for the record.
	Name string
	// Level is "B-LT" or "B-LTA"; empty means B-LTA.
	Level      string
	Password   string
	Factor     string
	ExerciseID string
	// ID is that of the act, new, where the caller wrote it down beforehand.
	ID string

	digest string // of the document as recorded
}

// ExtendResult is the record of an extension and what it added.
type ExtendResult struct {
	Act *Act `json:"act"`
	// Signatures that the document carries, document time-stamps not counted.
	Signatures int `json:"signatures"`
	// Stamps are the times of the time-stamps that were added.
	Stamps []time.Time `json:"time_stamps"`
	// Certificates, OCSPs and CRLs count the validation data.
	Certificates int `json:"certificates"`
	OCSPs        int `json:"ocsp_responses"`
	CRLs         int `json:"crls"`
}

// Extend raises a signed document, whoever signed it, to B-LT or B-LTA, or
// renews its archive time-stamps, and writes the result to the file path, whole
// or not at all. Every signature must be valid. The order of the act is that of
// Sign: recorded, done, verified, recorded, released.
func (s *Service) Extend(ctx context.Context, q ExtendRequest, path string) (*ExtendResult, error) {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	ctx, stamps := tsp.WithAnswers(ctx)
	if q.Level == "" {
		q.Level = string(pades.LevelLTA)
	}
	if q.In == nil || q.Size <= 0 {
		return nil, fmt.Errorf("%w: no document", ErrRequest)
	}
	if q.Level != string(pades.LevelLT) && q.Level != string(pades.LevelLTA) {
		return nil, fmt.Errorf("%w: a document is extended to B-LT or B-LTA, not %q", ErrRequest, q.Level)
	}
	subject := auth.SubjectFrom(ctx)
	err := s.d.Authorizer.Authorize(ctx, subject, "sign.extend", auth.Resource{Kind: "document", AgencyID: subject.AgencyID})
	if err != nil {
		return nil, err
	}
	sum, err := digestOf(Request{In: q.In, Size: q.Size})
	if err != nil {
		return nil, err
	}
	anchors, err := s.d.Anchors(ctx)
	if err != nil {
		return nil, fmt.Errorf("read trust anchors: %w", err)
	}
	raise, prefix, err := s.extenderOf(q)
	if err != nil {
		return nil, err
	}
	if q.Password != "" && prefix != "" {
		return nil, fmt.Errorf("%w: passwords belong to PDF documents", ErrRequest)
	}
	err = s.allValid(ctx, anchors, q.In, q.Size, q)
	if err != nil {
		return nil, err
	}
	q.digest = sum
	q.ID = cmp.Or(q.ID, rand.Text())
	act := &Act{
		ID: q.ID, AccountID: subject.AccountID, AgencyID: subject.AgencyID, DocumentName: q.Name, DocumentSHA256: sum,
		Factor: q.Factor, Level: prefix + q.Level, State: StateBegun, ExerciseID: q.ExerciseID, IntentIndex: -1, ReleaseIndex: -1, BegunAt: s.d.Clock.Now(),
	}
	err = s.record(ctx, act, nil)
	if err != nil {
		return nil, err
	}
	extended, err := s.extendTo(ctx, act, stamps, anchors, q, raise, path)
	if err != nil {
		return nil, s.failed(ctx, act, err)
	}
	return &ExtendResult{
		Act: act, Signatures: extended.signatures, Stamps: extended.stamps, Certificates: len(extended.evidence.Certificates),
		OCSPs: len(extended.evidence.OCSPs), CRLs: len(extended.evidence.CRLs),
	}, nil
}

func (s *Service) extendTo(ctx context.Context, act *Act, stamps *tsp.Answers, anchors *trust.Store, q ExtendRequest, raise extender, path string) (*raised, error) {
	out, err := os.CreateTemp(filepath.Dir(path), ".extending-*"+filepath.Ext(path))
	if err != nil {
		return nil, fmt.Errorf("write beside %s: %w", path, err)
	}
	defer func() { _ = os.Remove(out.Name()) }()
	defer func() { _ = out.Close() }()
	extended, err := raise(ctx, q, anchors, out)
	if err != nil {
		return nil, err
	}
	err = s.allValid(ctx, anchors, out, extended.size, q)
	if err != nil {
		return nil, fmt.Errorf("%w: after the extension: %w", ErrDisagreement, err)
	}
	digest := sha256.New()
	_, err = io.Copy(digest, io.NewSectionReader(out, 0, extended.size))
	if err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	act.ResultSHA256, act.ResultSize = hex.EncodeToString(digest.Sum(nil)), extended.size
	act.StampedBy = stamps.URLs()
	return extended, s.release(ctx, act, out, path)
}

// allValid refuses a document one of whose signatures or time-stamps is not
// passed, and one without signatures.
func (s *Service) allValid(ctx context.Context, anchors *trust.Store, in io.ReaderAt, size int64, q ExtendRequest) error {
	o := validate.Options{Store: anchors, Collector: s.d.Collector, Clock: s.d.Clock, Password: q.Password}
	if q.Content != nil {
		o.Content = io.NewSectionReader(q.Content, 0, q.ContentSize)
	}
	report, err := validate.File(ctx, in, size, o)
	if err != nil {
		return err
	}
	for _, signature := range report.Signatures {
		if signature.Verdict != validate.Passed {
			why := ""
			if len(signature.Reasons) > 0 {
				why = ": " + signature.Reasons[0].Text(validate.English)
			}
			return fmt.Errorf("%w: field %q is %s %s%s", ErrNotExtendable, signature.Field, signature.Verdict, signature.SubIndication, why)
		}
	}
	if len(report.Signatures) == 0 {
		return fmt.Errorf("%w: it carries none", ErrNotExtendable)
	}
	return nil
}

// trustedPath is the chain of a signer or time-stamping authority up to an
// anchor, also after its time; nothing when there is none.
func trustedPath(ctx context.Context, anchors *trust.Store, leaf *x509.Certificate, pool []*x509.Certificate, now time.Time) []*x509.Certificate {
	for _, purpose := range []trust.Purpose{trust.PurposeSignature, trust.PurposeTimestamp} {
		path, err := anchors.ValidatePath(ctx, leaf, trust.Request{At: now, Purpose: purpose, Intermediates: pool})
		var failure *trust.PathError
		switch {
		case err == nil:
			return path.Certificates
		case errors.As(err, &failure) && failure.Otherwise != nil:
			return failure.Otherwise.Certificates
		}
	}
	return nil
}
