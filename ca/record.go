package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// State is how far a certificate has come.
type State string

// The states. Only StateIssued has left the authority.
const (
	StateReserved  State = "reserved"  // serial number taken
	StateRefused   State = "refused"   // lint or ledger refused; nothing was signed
	StateIntent    State = "intent"    // recorded, about to be signed
	StateSigned    State = "signed"    // signed, ledger entry outstanding
	StateIssued    State = "issued"    // recorded and released
	StateAbandoned State = "abandoned" // an intent given up after a crash
	// StateReplayed is a certificate that the ledger knows as issued and whose
	// bytes an older copy of the database does not have.
	StateReplayed State = "replayed"
)

// Certificate is a row of the register of certificates.
type Certificate struct {
	bun.BaseModel `bun:"table:ca_certificate"`

	Serial           string     `bun:"serial,pk" json:"serial"`
	Issuer           string     `bun:"issuer" json:"issuer"`
	Profile          string     `bun:"profile" json:"profile"`
	State            State      `bun:"state" json:"state"`
	RequestID        string     `bun:"request_id" json:"request_id,omitempty"`
	AgencyID         string     `bun:"agency_id" json:"agency_id,omitempty"`
	PersonID         string     `bun:"person_id" json:"person_id,omitempty"`
	Machine          string     `bun:"machine" json:"machine,omitempty"`
	KeyLabel         string     `bun:"key_label" json:"key_label,omitempty"`
	Subject          string     `bun:"subject" json:"subject"`
	SPKI             string     `bun:"spki_sha256" json:"spki_sha256,omitempty"`
	TBS              string     `bun:"tbs_sha256" json:"tbs_sha256,omitempty"`
	SHA256           string     `bun:"sha256" json:"sha256,omitempty"`
	DER              []byte     `bun:"der" json:"der,omitempty"`
	NotBefore        *time.Time `bun:"not_before" json:"not_before,omitempty"`
	NotAfter         *time.Time `bun:"not_after" json:"not_after,omitempty"`
	Actor            string     `bun:"actor" json:"actor"`
	CreatedAt        time.Time  `bun:"created_at" json:"created_at"`
	IssuedAt         *time.Time `bun:"issued_at" json:"issued_at,omitempty"`
	IntentIndex      *int64     `bun:"intent_index" json:"intent_index,omitempty"`
	IssueIndex       *int64     `bun:"issue_index" json:"issue_index,omitempty"`
	RevokedAt        *time.Time `bun:"revoked_at" json:"revoked_at,omitempty"`
	RevocationCause  Cause      `bun:"revocation_cause" json:"revocation_cause,omitempty"`
	RevocationReason int        `bun:"revocation_reason" json:"revocation_reason,omitempty"`
	RevocationNote   string     `bun:"revocation_note" json:"-"`
	RevokedBy        string     `bun:"revoked_by" json:"revoked_by,omitempty"`
	RevokeIndex      *int64     `bun:"revoke_index" json:"revoke_index,omitempty"`
	// CRLPartition is the partition of the issuer's lists that the certificate
	// names; 0 when it names the complete list.
	CRLPartition int64 `bun:"crl_partition" json:"crl_partition,omitempty"`
}

// X509 is the certificate itself.
func (c *Certificate) X509() (*x509.Certificate, error) {
	if len(c.DER) == 0 {
		return nil, fmt.Errorf("%w: %s is %s", ErrState, c.Serial, c.State)
	}
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", c.Serial, err)
	}
	return cert, nil
}

// authorityRow is an authority as stored.
type authorityRow struct {
	bun.BaseModel `bun:"table:ca_authority"`

	Name       string         `bun:"name,pk"`
	Kind       string         `bun:"kind"`
	Line       string         `bun:"line"`
	Generation int64          `bun:"generation"`
	State      AuthorityState `bun:"state"`
	Custody    Custody        `bun:"custody"`
	// Parent is the authority of this register that certified it; empty for a
	// root and for one that an outside authority certified.
	Parent   string `bun:"parent"`
	KeyLabel string `bun:"key_label"`
	// Serial finds the certificate in the register; empty when others made it:
	// then it is the certificate of kind "own" in ca_authority_certificate.
	Serial    string `bun:"serial"`
	Revision  int64  `bun:"revision"`
	CRLNumber int64  `bun:"crl_number"`
}

// Kinds of certificates that others made, or that were made for others.
const (
	certOwn    = "own"    // of an authority here, by an outside authority
	certCross  = "cross"  // a further one for the key of an authority
	certChain  = "chain"  // between an outside root and an authority here
	certAnchor = "anchor" // an outside root
)

// authorityCertificate is such a certificate as stored.
type authorityCertificate struct {
	bun.BaseModel `bun:"table:ca_authority_certificate"`

	SHA256      string    `bun:"sha256,pk"`
	Authority   string    `bun:"authority"` // whom it belongs to
	Kind        string    `bun:"kind"`
	DER         []byte    `bun:"der"`
	AddedBy     string    `bun:"added_by"`
	AddedAt     time.Time `bun:"added_at"`
	LedgerIndex int64     `bun:"ledger_index"`
}

// unitRow is a responder or a time-stamping unit as stored.
type unitRow struct {
	bun.BaseModel `bun:"table:ca_unit"`

	Kind     string `bun:"kind,pk"`
	Name     string `bun:"name,pk"`
	KeyLabel string `bun:"key_label"`
	Serial   string `bun:"serial"`
}

// records reads and writes the register of certificates. Its writes share
// transactions with those of other callers.
type records struct {
	db    *store.DB
	group *store.Group
}

func (r records) get(ctx context.Context, serial string) (*Certificate, error) {
	var c Certificate
	err := r.db.NewSelect().Model(&c).Where("serial = ?", serial).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: certificate %s", ErrNotFound, serial)
	}
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", serial, err)
	}
	return &c, nil
}

// reserve takes the serial number of c: false when it was used before.
func (r records) reserve(ctx context.Context, c *Certificate) (bool, error) {
	n, err := r.group.Exec(ctx, "reserve serial", func(tx bun.Tx) store.Executor {
		return tx.NewInsert().Model(c).On("CONFLICT (serial) DO NOTHING")
	})
	return n == 1, err
}

// advance moves a certificate from one state to the next; ErrState when it is
// in another one. set adds what the step learned.
func (r records) advance(ctx context.Context, serial string, from, to State, set func(*bun.UpdateQuery) *bun.UpdateQuery) error {
	n, err := r.group.Exec(ctx, fmt.Sprintf("record certificate %s as %s", serial, to), func(tx bun.Tx) store.Executor {
		q := tx.NewUpdate().Model((*Certificate)(nil)).Set("state = ?", to).Where("serial = ?", serial).Where("state = ?", from)
		if set != nil {
			q = set(q)
		}
		return q
	})
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: %s is not %s", ErrState, serial, from)
	}
	return nil
}

// parseSerial reads a serial number as the database has it.
func parseSerial(text string) (*big.Int, error) {
	n, ok := new(big.Int).SetString(text, 16)
	if !ok || n.Sign() < 0 {
		return nil, fmt.Errorf("%w: serial number %q", ErrNotFound, text)
	}
	return n, nil
}
