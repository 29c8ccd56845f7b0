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
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/material"
	"github.com/antin-gov/antin/signer/nd30"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
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
	// ErrChanged means that the document is not the one that was shown, or
	// changed while it was being signed.
	ErrChanged = errors.New("document changed")
	// ErrSecret means that the document is marked as a state secret (R21); it is
	// a *nd30.SecretError, which says what was found and where.
	ErrSecret = nd30.ErrSecret
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
	// SchemeEd25519 goes with SHA-512 (RFC 8419 §3).
	SchemeEd25519 Scheme = "ed25519"
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
	// SecondReader is the command of the independent reader, which must call
	// ReaderMain, and SecondReaderEnv its environment. Without a command it reads
	// in this process, without limits: for known documents only.
	SecondReader    []string
	SecondReaderEnv []string
	MaxUpload       int64
	Logger          *slog.Logger
}

// signLimit bounds one act: four chains of revocation data and a time-stamp
// with its repetitions take seconds, a hanging authority must not hold a
// document for ever.
const signLimit = 2 * time.Minute

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
		err = sweep(d.Documents, time.Now().Add(-staleAfter))
		if err != nil {
			return nil, fmt.Errorf("folder of documents: %w", err)
		}
	}
	d.Timestamp = stamping(d.Timestamp)
	return &Service{d: d}, nil
}

// Request is one signature on one document.
type Request struct {
	In   io.ReaderAt
	Size int64
	// Name is the document's file name, for the record.
	Name string
	// Digest is the hex SHA-256 of what the person was shown; another document
	// is refused. Empty when nothing was shown.
	Digest string
	// Key names the key in the register.
	Key string
	// Scheme is empty for the key's default.
	Scheme Scheme
	// Hash is the digest algorithm of the signature; 0 means SHA-256.
	Hash crypto.Hash
	// Format is empty for a signature in a PDF, Packaging for the format's own.
	Format    Format
	Packaging Packaging
	// Level is "B-B", "B-T", "B-LT" or "B-LTA"; empty means B-LT.
	Level  string
	Field  string
	Reason string
	// Location and SignerName are claimed in a PDF signature beside the reason
	// (ISO 32000-2 table 255).
	Location, SignerName string
	Certify              int
	// Visible is what is shown; with no box it stands where the document's form
	// has its place (NĐ 30/2020, Appendix I).
	Visible *appearance.Spec
	// Seal asks for the rules of the agency's seal (R20).
	Seal bool
	// Basis names the record by which the agency signs a file that carries no
	// person's signature itself: an attachment of a document that is signed, or
	// a copy that was decided (R18). The ledger keeps it. It goes with Seal; who
	// sets it has made sure of it.
	Basis string
	// Factor names the second factor that was given for this very document.
	Factor string
	// Authorization names the record of an authorization that was given
	// elsewhere (remote signing); the ledger keeps it.
	Authorization string
	ExerciseID    string
	Password      string
	// Evidence asks for Act.Evidence, whatever the level.
	Evidence bool
}

// Sign signs the document as the context's subject and writes the result to
// the file path, whole or not at all.
func (s *Service) Sign(ctx context.Context, q Request, path string) (*Act, error) {
	return s.SignAs(ctx, rand.Text(), q, path)
}

// SignAs is Sign under the id of an act that the caller chose, and wrote down,
// beforehand: whoever is cut off finds out by it what became of the act. The id
// must be new, see rand.Text.
func (s *Service) SignAs(ctx context.Context, id string, q Request, path string) (*Act, error) {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	ctx, stamps := tsp.WithAnswers(ctx)
	ctx, tokens := withTokens(ctx)
	q, err := q.checked()
	if err != nil {
		return nil, err
	}
	key, private, scheme, err := s.opened(ctx, q)
	if err != nil {
		return nil, err
	}
	q.Digest, err = digestOf(q)
	if err != nil {
		return nil, err
	}
	q.Visible, err = s.readForm(ctx, q)
	if err != nil {
		return nil, err
	}
	err = s.checkCertificate(ctx, key.Chain)
	if err != nil {
		return nil, err
	}
	if q.Seal && q.Basis == "" {
		err = s.checkSigned(ctx, q)
		if err != nil {
			return nil, err
		}
	}
	act, err := s.begin(ctx, id, key, q, scheme)
	if err != nil {
		return nil, err
	}
	err = s.signTo(ctx, act, stamps, tokens, key, private, q, scheme, path)
	if err != nil {
		return nil, s.failed(ctx, act, err)
	}
	return act, nil
}

// newAct is the record of an act that begins.
func (s *Service) newAct(ctx context.Context, id string, key *Key, q Request, scheme Scheme) *Act {
	return &Act{
		ID: id, AccountID: auth.SubjectFrom(ctx).AccountID, AgencyID: key.AgencyID, KeyName: key.Name,
		CertificateSerial: trust.SerialText(key.Chain[0]), DocumentName: q.Name, DocumentSHA256: q.Digest,
		Factor: q.Factor, Level: q.recordedLevel(), Scheme: string(scheme), State: StateBegun, ExerciseID: q.ExerciseID,
		IntentIndex: -1, ReleaseIndex: -1, BegunAt: s.d.Clock.Now(),
	}
}

func (s *Service) begin(ctx context.Context, id string, key *Key, q Request, scheme Scheme) (*Act, error) {
	act := s.newAct(ctx, id, key, q, scheme)
	err := s.record(ctx, act, map[string]string{"authorization": q.Authorization, "basis": q.Basis})
	if err != nil {
		return nil, err
	}
	return act, nil
}

// record puts the beginning of an act into the database and the ledger, with
// what it rests on where that is a record of its own.
func (s *Service) record(ctx context.Context, act *Act, grounds map[string]string) error {
	_, err := s.d.DB.NewInsert().Model(act).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	entry := s.entry(act, act.kind("begin"), act.DocumentSHA256)
	for name, value := range grounds {
		if value != "" {
			entry.Detail[name] = value
		}
	}
	receipt, err := s.d.Ledger.Append(ctx, entry)
	if err != nil {
		return s.failed(ctx, act, fmt.Errorf("%w: %w", ErrRecord, err))
	}
	act.IntentIndex = int64(receipt.Index)
	return nil
}

func (s *Service) entry(act *Act, kind, digest string) ledger.Entry {
	detail := map[string]string{"certificate": act.CertificateSerial, "factor": act.Factor, "level": act.Level, "scheme": act.Scheme}
	if len(act.StampedBy) > 0 {
		detail["stamped_by"] = strings.Join(act.StampedBy, " ")
	}
	return ledger.Entry{
		Time: s.d.Clock.Now(), Kind: kind, Actor: act.AccountID, Agency: act.AgencyID, Object: act.ID, Digest: digest, ExerciseID: act.ExerciseID,
		Detail: detail,
	}
}

// signTo signs into a file beside path and renames it when everything holds.
func (s *Service) signTo(ctx context.Context, act *Act, stamps *tsp.Answers, tokens *tokens, key *Key, private crypto.Signer, q Request, scheme Scheme, path string) error {
	out, err := os.CreateTemp(filepath.Dir(path), ".signing-*"+filepath.Ext(path))
	if err != nil {
		return fmt.Errorf("write beside %s: %w", path, err)
	}
	defer func() { _ = os.Remove(out.Name()) }()
	defer func() { _ = out.Close() }()
	err = s.produce(ctx, act, key, private, q, scheme, out)
	if err != nil {
		return err
	}
	if q.Evidence {
		act.Evidence, err = material.Gather(ctx, s.d.Collector.Collect, key.Chain, tokens.list()...)
		if err != nil {
			return fmt.Errorf("validation data: %w", err)
		}
	}
	act.StampedBy = stamps.URLs()
	return s.release(ctx, act, out, path)
}

// produce signs in the format of the request and examines the result.
func (s *Service) produce(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, out *os.File) error {
	if scheme == SchemeEd25519 && q.Hash == 0 {
		q.Hash = crypto.SHA512
	}
	if q.Format == FormatPAdES {
		return s.producePDF(ctx, act, key, private, q, scheme, out)
	}
	return s.produceObject(ctx, act, key, private, q, scheme, out)
}

// release records that the result leaves and puts it in place.
func (s *Service) release(ctx context.Context, act *Act, out *os.File, path string) error {
	err := errors.Join(out.Chmod(0o644), out.Sync())
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	receipt, err := s.d.Ledger.Append(ctx, s.entry(act, act.kind("release"), act.ResultSHA256))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	now := s.d.Clock.Now()
	act.ReleaseIndex, act.State, act.EndedAt = int64(receipt.Index), StateReleased, &now
	_, err = s.d.DB.NewUpdate().Model(act).WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return putInPlace(out.Name(), path)
}

// putInPlace gives a result that is written whole its name.
func putInPlace(made, path string) error {
	err := os.Rename(made, path)
	if err != nil {
		return fmt.Errorf("put the result in place: %w", err)
	}
	err = syncFolder(filepath.Dir(path))
	if err != nil {
		return errors.Join(fmt.Errorf("put the result in place: %w", err), os.Remove(path))
	}
	return nil
}

// producePDF signs inside a PDF and examines the result.
func (s *Service) producePDF(ctx context.Context, act *Act, key *Key, private crypto.Signer, q Request, scheme Scheme, out *os.File) error {
	before := count{}
	if q.Size <= s.d.SecondOpinionMax {
		// A file that the reader cannot read before is judged as such after.
		before, _ = s.reader()(ctx, q.In, q.Size)
	}
	options := pades.Options{
		Signer: private, Chain: key.Chain, Hash: q.Hash, PSS: scheme == SchemePSS, Level: pades.Level(act.Level), Field: q.Field,
		Reason: q.Reason, Location: q.Location, Name: q.SignerName, Certify: q.Certify, Visible: q.Visible, Timestamp: s.d.Timestamp, Collect: s.d.Collector.Collect, Now: act.BegunAt,
		Password: q.Password,
	}
	signed, err := pades.Sign(ctx, q.In, q.Size, out, options)
	if err != nil {
		return err
	}
	return s.examine(ctx, act, q, before, out, signed)
}

// syncFolder makes a rename last through a loss of power.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// failed completes the record of an act that came to nothing and returns why.
// Where the ledger says already that the result left, it is told that it did
// not.
func (s *Service) failed(ctx context.Context, act *Act, why error) error {
	// The record of the failure is worth writing even when the caller has gone.
	ctx = context.WithoutCancel(ctx)
	if act.ReleaseIndex >= 0 {
		_, err := s.d.Ledger.Append(ctx, s.entry(act, act.kind("withdraw"), act.ResultSHA256))
		if err != nil {
			why = errors.Join(why, fmt.Errorf("%w: withdrawal: %w", ErrRecord, err))
		}
	}
	now := s.d.Clock.Now()
	act.State, act.Failure, act.EndedAt = StateFailed, failureCode(why), &now
	_, err := s.d.DB.NewUpdate().Model(act).WherePK().Exec(ctx)
	return errors.Join(why, err)
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
