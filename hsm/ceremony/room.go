package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/backup"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/trust"
)

// Errors that a caller can act on.
var (
	// ErrQuorum says that fewer custodians than the quorum authenticated;
	// nothing was made.
	ErrQuorum = errors.New("ceremony: too few custodians present")
	// ErrOverwrite says that a key or a file of the ceremony is there already.
	ErrOverwrite = errors.New("ceremony: refuses to overwrite")
	// ErrUnfinished says that the ceremony was begun before and not ended: it
	// can be resumed.
	ErrUnfinished = errors.New("ceremony: begun before and not ended")
	// ErrDone says that the ceremony was held already.
	ErrDone = errors.New("ceremony: held already")
	// ErrChanged says that the file of an unfinished ceremony was changed.
	ErrChanged = errors.New("ceremony: not the file with which it began")
	// ErrStopped says that somebody did not confirm a step.
	ErrStopped = errors.New("ceremony: stopped")
	// ErrCheck says that something that was made is not what it must be, or that
	// an input does not fit.
	ErrCheck = errors.New("ceremony: check failed")
	// ErrRecord says that the ceremony could not be recorded, so it stopped.
	ErrRecord = errors.New("ceremony: cannot be recorded")
)

// Token is what a ceremony needs of the token; *hsm.Client has it.
type Token interface {
	GenerateKey(ctx context.Context, k hsm.NewKey) (crypto.PublicKey, error)
	backup.Token
}

// CertificateOrder asks for the content of a certificate.
type CertificateOrder struct {
	Profile string
	Facts   Certificate
	Public  crypto.PublicKey
	// Issuer is nil for a certificate that signs itself.
	Issuer    *x509.Certificate
	NotBefore time.Time
}

// Certificates knows what certificates look like.
type Certificates interface {
	// Template is the content of a certificate without serial number.
	Template(o CertificateOrder) (*x509.Certificate, error)
	// Lint judges a content before the real key signs it: it makes a copy signed
	// with a throw-away key of the kind of issuerKey. issuer is nil for a
	// certificate that signs itself.
	Lint(template, issuer *x509.Certificate, issuerKey crypto.PublicKey) (warnings []string, err error)
	// Check judges a certificate that was signed.
	Check(der []byte) (warnings []string, err error)
}

// Signature is one signature of a transcript.
type Signature struct {
	Signer crypto.Signer
	Chain  []*x509.Certificate // the signer's first, the anchor last
	Reason string
}

// Documents signs PDFs and judges them.
type Documents interface {
	// Sign makes the signatures one after the other (PAdES) and puts the
	// evidence into the document.
	Sign(ctx context.Context, pdf []byte, by []Signature, evidence trust.Evidence, now time.Time) ([]byte, error)
	// Verify tells how many signatures the document has and refuses it unless
	// each is TOTAL-PASSED with those anchors and without a network.
	Verify(ctx context.Context, pdf []byte, anchors []*x509.Certificate, at time.Time) (int, error)
}

// Presence brings the custodians before the ceremony.
type Presence interface {
	// Present names the members who are there.
	Present(ctx context.Context, members []Member) ([]string, error)
	// Open opens a member's key file with the member's passphrase.
	Open(ctx context.Context, m Member) (*custodian.Custodian, error)
	// Account checks password and second factor of the member's account.
	Account(ctx context.Context, m Member) error
	// Accounts says whether accounts can be checked here: on a machine without
	// the system they cannot, and the transcript says so.
	Accounts() bool
}

// Console tells what happens and asks to go on.
type Console interface {
	// Say prints a line.
	Say(text string)
	// Confirm asks to go on; ErrStopped says no.
	Confirm(ctx context.Context, what string) error
}

// Room is where a ceremony takes place.
type Room struct {
	Token Token
	// TokenName and TokenSerial name the token, for the transcript.
	TokenName, TokenSerial string
	Certificates           Certificates
	Documents              Documents
	Presence               Presence
	Console                Console
	Ledger                 ledger.Appender
	// LedgerName tells which ledger the positions in the transcript are of.
	LedgerName string
	Authorizer auth.Authorizer
	// Records keeps ceremonies in the database; nil on a machine without one.
	Records *Records
	Clock   clock.Clock
	Logger  *slog.Logger
	// Version is the version of this program.
	Version string
	// Rehearsal marks everything: nothing of it is to be trusted.
	Rehearsal bool
}

func (r Room) check() error {
	if r.Token == nil || r.Certificates == nil || r.Documents == nil || r.Presence == nil || r.Console == nil || r.Ledger == nil ||
		r.Authorizer == nil || r.Clock == nil || r.Logger == nil {
		return errors.New("ceremony: a part of the room is missing")
	}
	return nil
}

// Output is a file that a ceremony made.
type Output struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Ledger int64  `json:"ledger"`
}

// Attendance is a custodian who was present.
type Attendance struct {
	Name    string `json:"name"`
	Person  string `json:"person"`
	Title   string `json:"title"`
	Account string `json:"account,omitempty"`
	// Factors are "key file" and "account".
	Factors []string `json:"factors"`
	Key     string   `json:"key"`
}

// StepRecord is a step that was done.
type StepRecord struct {
	Name   string    `json:"name"`
	Title  Text      `json:"-"`
	At     time.Time `json:"at"`
	Ledger int64     `json:"ledger"`
}

// Fact is a line of the transcript.
type Fact struct {
	VI    string `json:"-"`
	EN    string `json:"what"`
	Value string `json:"value"`
}

// Result is a ceremony that was held.
type Result struct {
	ID         string       `json:"id"`
	Kind       Kind         `json:"kind"`
	Rehearsal  bool         `json:"rehearsal"`
	Resumed    bool         `json:"resumed"`
	Script     string       `json:"script_sha256"`
	Folder     string       `json:"folder"`
	Transcript string       `json:"transcript"`
	Custodians []Attendance `json:"custodians"`
	Quorum     int          `json:"quorum"`
	Steps      []StepRecord `json:"steps"`
	Outputs    []Output     `json:"outputs"`
	Facts      []Fact       `json:"facts"`
	Signatures int          `json:"signatures"`
	BegunAt    time.Time    `json:"begun_at"`
	EndedAt    time.Time    `json:"ended_at"`
	EndLedger  int64        `json:"end_ledger"`
}
