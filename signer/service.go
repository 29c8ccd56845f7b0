// Package signer signs documents with keys of the token and keeps the record
// of every act (R15, R16, R22). The order of an act is fixed: the certificate is
// judged, the act is recorded in the database and the ledger, the key is used,
// an independent reader looks at the result, the result is recorded, and only
// then does it leave. If a record cannot be written, nothing is signed or
// nothing leaves.
//
// The parts are below: cos (PDF objects), cms (signatures), pades (PDF
// signatures), appearance (what is seen), tsp (time-stamps), diff and validate
// (verification). This package ties them to keys, people and the ledger.
package signer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// Errors that a caller can act on.
var (
	// ErrKey means that the key is unknown, has no certificate, or is not the
	// person's to use.
	ErrKey = errors.New("signing key not usable")
	// ErrCertificate means that the signer's own certificate is not good now:
	// out of its time, revoked, without a known status, or not for signing.
	ErrCertificate = errors.New("signer's certificate not good")
	// ErrRecord means that the act could not be recorded; nothing was signed,
	// or what was signed has not left.
	ErrRecord = errors.New("the act could not be recorded")
	// ErrDisagreement means that the independent reader finds the new signature
	// wrong; the result was destroyed.
	ErrDisagreement = errors.New("independent reader disagrees")
	// ErrUnsigned means that a seal was asked for a document that no competent
	// person has validly signed (R20).
	ErrUnsigned = errors.New("document carries no valid signature of a person")
	// ErrRequest means that the request contradicts itself.
	ErrRequest = errors.New("signing request not usable")
)

// Scheme is how a key signs.
type Scheme string

// Schemes. For an RSA key RSA-PSS is the default, as TT 15/2025/TT-BKHCN has it.
const (
	SchemeECDSA Scheme = "ecdsa"
	SchemePSS   Scheme = "rsa-pss"
	SchemePKCS1 Scheme = "rsa-pkcs1"
)

// Key is a key of the token with its certificate and holder.
type Key struct {
	Name     string
	Label    string
	Chain    []*x509.Certificate // the signer's first, the root's last
	PersonID string              // empty for an agency's seal
	AgencyID string
}

// Keys finds keys and opens them.
type Keys interface {
	Key(ctx context.Context, name string) (*Key, error)
	List(ctx context.Context) ([]Key, error)
	Signer(ctx context.Context, label string) (crypto.Signer, error)
}

// Deps are what the service needs.
type Deps struct {
	DB         *store.DB
	Keys       Keys
	Ledger     ledger.Appender
	Clock      clock.Clock
	Authorizer auth.Authorizer
	// Anchors are the trust anchors and issuing certificates for the signer's
	// own certificate and for verification.
	Anchors func(ctx context.Context) (*trust.Store, error)
	// Collector fetches revocation data, Timestamp a time-stamp token.
	Collector *trust.Collector
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	// Documents is the folder of the console's documents.
	Documents string
	// SecondOpinionMax is the size in bytes up to which a signed file is read
	// by the independent reader.
	SecondOpinionMax int64
	MaxUpload        int64
	Logger           *slog.Logger
}

// Service signs.
type Service struct{ d Deps }

// New checks the dependencies and returns the service.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Keys == nil || d.Ledger == nil || d.Clock == nil || d.Authorizer == nil || d.Anchors == nil || d.Collector == nil || d.Timestamp == nil || d.Logger == nil {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrRequest)
	}
	if d.Documents != "" {
		err := os.MkdirAll(d.Documents, 0o700)
		if err != nil {
			return nil, fmt.Errorf("folder of documents: %w", err)
		}
	}
	return &Service{d: d}, nil
}

// Request is one signature on one PDF.
type Request struct {
	In   io.ReaderAt
	Size int64
	// Name is the document's file name, for the record.
	Name string
	// Key names the key in the register.
	Key string
	// Scheme is empty for the key's default.
	Scheme Scheme
	// Level is "B-B", "B-T" or "B-LT"; empty means B-LT.
	Level   string
	Field   string
	Reason  string
	Certify int
	Visible *appearance.Spec
	// Seal asks for the rules of the agency's seal (R20).
	Seal bool
	// Factor names the second factor that was given for this very document.
	Factor     string
	ExerciseID string
	Password   string
}

// Sign signs the document as the context's subject and writes the result to
// the file path, whole or not at all.
func (s *Service) Sign(ctx context.Context, q Request, path string) (*Act, error) {
	key, err := s.d.Keys.Key(ctx, q.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if len(key.Chain) < 2 {
		return nil, fmt.Errorf("%w: %s has no certificate chain", ErrKey, q.Key)
	}
	private, err := s.d.Keys.Signer(ctx, key.Label)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKey, q.Key, err)
	}
	scheme, err := schemeFor(private.Public(), q.Scheme)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, key, q)
	if err != nil {
		return nil, err
	}
	err = s.checkCertificate(ctx, key.Chain)
	if err != nil {
		return nil, err
	}
	if q.Seal {
		err = s.checkSigned(ctx, q)
		if err != nil {
			return nil, err
		}
	}
	act, err := s.begin(ctx, key, q, scheme)
	if err != nil {
		return nil, err
	}
	err = s.signTo(ctx, act, key, private, q, scheme, path)
	if err != nil {
		return nil, s.failed(ctx, act, err)
	}
	return act, nil
}

func schemeFor(public crypto.PublicKey, asked Scheme) (Scheme, error) {
	switch public.(type) {
	case *ecdsa.PublicKey:
		if asked == "" || asked == SchemeECDSA {
			return SchemeECDSA, nil
		}
	case *rsa.PublicKey:
		if asked == "" {
			return SchemePSS, nil
		}
		if asked == SchemePSS || asked == SchemePKCS1 {
			return asked, nil
		}
	}
	return "", fmt.Errorf("%w: a key of type %T does not sign as %q", ErrRequest, public, asked)
}

// authorize asks the policy whether the subject may sign with this key: one's
// own key, or, for a seal, the agency's.
func (s *Service) authorize(ctx context.Context, key *Key, q Request) error {
	action := "sign.document"
	if q.Seal {
		action = "sign.seal"
	}
	subject := auth.SubjectFrom(ctx)
	if !q.Seal && key.PersonID == "" && q.Factor != FactorLocal {
		return fmt.Errorf("%w: %s is an agency's key", ErrKey, key.Name)
	}
	if !q.Seal && q.Factor != FactorLocal && key.PersonID != subject.PersonID {
		return fmt.Errorf("%w: %s is another person's key", ErrKey, key.Name)
	}
	return s.d.Authorizer.Authorize(ctx, subject, action, auth.Resource{Kind: "key", ID: key.Name, AgencyID: key.AgencyID})
}

// Factors of an act.
const (
	FactorTOTP    = "totp"
	FactorPasskey = "passkey"
	// FactorLocal is a person with access to the server's own files.
	FactorLocal = "local"
)

// checkCertificate refuses to sign with a certificate that a verifier would
// refuse (R22; NĐ 68/2024/NĐ-CP art. 29 and 31).
func (s *Service) checkCertificate(ctx context.Context, chain []*x509.Certificate) error {
	now := s.d.Clock.Now()
	anchors, err := s.d.Anchors(ctx)
	if err != nil {
		return fmt.Errorf("read trust anchors: %w", err)
	}
	_, err = anchors.ValidatePath(ctx, chain[0], trust.Request{At: now, Purpose: trust.PurposeSignature, Intermediates: chain[1:]})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	evidence, err := s.d.Collector.Collect(ctx, chain[:2])
	if err != nil {
		return fmt.Errorf("%w: no revocation status: %w", ErrCertificate, err)
	}
	status := trust.CheckRevocation(trust.RevocationRequest{Certificate: chain[0], Issuer: chain[1], At: now, Evidence: evidence})
	if status.Status != trust.RevocationGood {
		return fmt.Errorf("%w: status %v", ErrCertificate, status.Status)
	}
	return nil
}

// checkSigned finds a valid signature of a person on the document: the clerk
// seals only what a competent person has signed (R20; NĐ 30/2020 art. 33).
func (s *Service) checkSigned(ctx context.Context, q Request) error {
	report, err := s.Verify(ctx, q.In, q.Size, q.Name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	for _, signature := range report.Signatures {
		if signature.Kind != validate.KindTimestamp && signature.Verdict == validate.Passed {
			return nil
		}
	}
	return ErrUnsigned
}

func (s *Service) begin(ctx context.Context, key *Key, q Request, scheme Scheme) (*Act, error) {
	digest := sha256.New()
	_, err := io.Copy(digest, io.NewSectionReader(q.In, 0, q.Size))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if q.Level == "" {
		q.Level = "B-LT"
	}
	subject := auth.SubjectFrom(ctx)
	act := &Act{
		ID: rand.Text(), AccountID: subject.AccountID, AgencyID: key.AgencyID, KeyName: key.Name,
		CertificateSerial: trust.SerialText(key.Chain[0]), DocumentName: q.Name, DocumentSHA256: hex.EncodeToString(digest.Sum(nil)),
		Factor: q.Factor, Level: q.Level, Scheme: string(scheme), State: StateBegun, ExerciseID: q.ExerciseID,
		IntentIndex: -1, ReleaseIndex: -1, BegunAt: s.d.Clock.Now(),
	}
	_, err = s.d.DB.NewInsert().Model(act).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	receipt, err := s.d.Ledger.Append(ctx, s.entry(act, "sign.begin", act.DocumentSHA256))
	if err != nil {
		return nil, s.failed(ctx, act, fmt.Errorf("%w: %w", ErrRecord, err))
	}
	act.IntentIndex = int64(receipt.Index)
	return act, nil
}

func (s *Service) entry(act *Act, kind, digest string) ledger.Entry {
	return ledger.Entry{
		Time: s.d.Clock.Now(), Kind: kind, Actor: act.AccountID, Agency: act.AgencyID, Object: act.ID, Digest: digest, ExerciseID: act.ExerciseID,
		Detail: map[string]string{"certificate": act.CertificateSerial, "factor": act.Factor, "level": act.Level, "scheme": act.Scheme},
	}
}

// signTo signs into a file beside path and renames it when everything holds.
func (s *Service) signTo(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, path string) error {
	before := count{}
	if q.Size <= s.d.SecondOpinionMax {
		// A file that the reader cannot read before is judged as such after.
		before, _ = readByOther(q.In, q.Size)
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".signing-*.pdf")
	if err != nil {
		return fmt.Errorf("write beside %s: %w", path, err)
	}
	defer func() { _ = os.Remove(out.Name()) }()
	defer func() { _ = out.Close() }()
	options := pades.Options{
		Signer: private, Chain: key.Chain, Hash: crypto.SHA256, PSS: scheme == SchemePSS, Level: pades.Level(act.Level), Field: q.Field,
		Reason: q.Reason, Certify: q.Certify, Visible: q.Visible, Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Now: act.BegunAt,
		Password: q.Password,
	}
	_, err = pades.Sign(ctx, q.In, q.Size, out, options)
	if err != nil {
		return err
	}
	digest := sha256.New()
	size, err := io.Copy(digest, io.NewSectionReader(out, 0, 1<<62))
	if err != nil {
		return fmt.Errorf("read the result: %w", err)
	}
	opinion := OpinionTooLarge
	if size <= s.d.SecondOpinionMax {
		opinion = secondOpinion(before, out, size, scheme)
	}
	act.Opinion = string(opinion)
	if opinion == OpinionDisagrees {
		s.d.Logger.ErrorContext(ctx, "independent reader disagrees with a new signature", slog.String("act", act.ID))
		return ErrDisagreement
	}
	err = errors.Join(out.Sync(), out.Chmod(0o644))
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	act.ResultSHA256, act.ResultSize = hex.EncodeToString(digest.Sum(nil)), size
	receipt, err := s.d.Ledger.Append(ctx, s.entry(act, "sign.release", act.ResultSHA256))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	now := s.d.Clock.Now()
	act.ReleaseIndex, act.State, act.EndedAt = int64(receipt.Index), StateReleased, &now
	_, err = s.d.DB.NewUpdate().Model(act).WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	err = os.Rename(out.Name(), path)
	if err != nil {
		return fmt.Errorf("put the result in place: %w", err)
	}
	return nil
}

// failed completes the record of an act that came to nothing and returns why.
func (s *Service) failed(ctx context.Context, act *Act, why error) error {
	now := s.d.Clock.Now()
	act.State, act.Failure, act.EndedAt = StateFailed, failureCode(why), &now
	// The record of the failure is worth writing even when the caller has gone.
	_, err := s.d.DB.NewUpdate().Model(act).WherePK().Exec(context.WithoutCancel(ctx))
	return errors.Join(why, err)
}

// failureCode is what the record keeps of an error: a word, never content.
func failureCode(err error) string {
	var refused *cos.RefusedError
	switch {
	case errors.As(err, &refused):
		return "refused:" + refused.Code
	case errors.Is(err, ErrDisagreement):
		return "disagreement"
	case errors.Is(err, ErrRecord):
		return "record"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cancelled"
	default:
		return "error"
	}
}

// Act returns the record of an act.
func (s *Service) Act(ctx context.Context, id string) (*Act, error) {
	var act Act
	err := s.d.DB.NewSelect().Model(&act).Where("id = ?", id).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read act %s: %w", id, err)
	}
	return &act, nil
}
