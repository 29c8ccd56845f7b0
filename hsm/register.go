package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/uptrace/bun"
)

// Schema is the key register's part of the database.
var Schema = []store.Migration{{ID: "hsm/0001", SQL: `
CREATE TABLE hsm_key (
	name TEXT PRIMARY KEY,
	label TEXT NOT NULL UNIQUE,
	algorithm TEXT NOT NULL,
	chain_pem TEXT NOT NULL DEFAULT '',
	person_id TEXT NOT NULL DEFAULT '',
	agency_id TEXT NOT NULL DEFAULT '',
	bound_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX hsm_key_person ON hsm_key (person_id);
CREATE INDEX hsm_key_agency ON hsm_key (agency_id);
`}}

// maxChain bounds a chain in PEM; maxChainCerts its certificates.
const (
	maxChain      = 64 << 10
	maxChainCerts = 8
)

// Errors of the register.
var (
	// ErrNameTaken says that the name belongs to another key or the key to
	// another name.
	ErrNameTaken = errors.New("name or label bound otherwise")
	// ErrChain says that a certificate chain does not fit the key.
	ErrChain = errors.New("certificate chain does not fit")
)

// Entry binds the name by which people call a key to the key in the token, to
// its certificate chain and to its holder.
type Entry struct {
	Name      string `bun:"name,pk"`
	Label     string `bun:"label"`
	Algorithm string `bun:"algorithm"`
	// Chain is PEM, the certificate of the key first, each signed by the next;
	// empty until a certificate was issued.
	Chain string `bun:"chain_pem"`
	// PersonID and AgencyID name the holder in the directory: both for the key
	// of an official, the agency alone for its seal.
	PersonID string    `bun:"person_id"`
	AgencyID string    `bun:"agency_id"`
	BoundAt  time.Time `bun:"bound_at"`

	bun.BaseModel `bun:"table:hsm_key"`
}

// Certificates reads the chain.
func (e Entry) Certificates() ([]*x509.Certificate, error) {
	return parseChain(e.Chain)
}

// Keys is what the register needs of the key worker; *Client has it.
type Keys interface {
	Signer(ctx context.Context, label string) (crypto.Signer, error)
}

// Register is the table of keys. It holds no secret.
type Register struct {
	DB *store.DB
	// Keys, when set, lets Bind compare the chain with the key in the token.
	Keys Keys
	// Clock is the machine's when nil.
	Clock clock.Clock
}

// Bind writes an entry. For a name that is bound already it replaces chain and
// holder, as at a renewal; the label of a name never changes (ErrNameTaken).
func (r *Register) Bind(ctx context.Context, e Entry) error {
	err := checkLabel(e.Name)
	if err != nil {
		return fmt.Errorf("key name: %w", err)
	}
	err = checkLabel(e.Label)
	if err != nil {
		return fmt.Errorf("key label: %w", err)
	}
	err = r.checkKey(ctx, &e)
	if err != nil {
		return fmt.Errorf("bind key %q: %w", e.Name, err)
	}
	now := clock.Clock(clock.System{})
	if r.Clock != nil {
		now = r.Clock
	}
	e.BoundAt = now.Now()
	return r.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		taken, err := tx.NewSelect().Model((*Entry)(nil)).
			Where("(name = ? AND label <> ?) OR (label = ? AND name <> ?)", e.Name, e.Label, e.Label, e.Name).Exists(ctx)
		if err != nil {
			return fmt.Errorf("bind key %q: %w", e.Name, err)
		}
		if taken {
			return fmt.Errorf("%w: %q and %q", ErrNameTaken, e.Name, e.Label)
		}
		_, err = tx.NewInsert().Model(&e).On("CONFLICT (name) DO UPDATE").
			Set("algorithm = EXCLUDED.algorithm, chain_pem = EXCLUDED.chain_pem, person_id = EXCLUDED.person_id, agency_id = EXCLUDED.agency_id, bound_at = EXCLUDED.bound_at").
			Exec(ctx)
		if err != nil {
			return fmt.Errorf("bind key %q: %w", e.Name, err)
		}
		return nil
	})
}

// checkKey compares chain, algorithm and the key in the token.
func (r *Register) checkKey(ctx context.Context, e *Entry) error {
	var pub crypto.PublicKey
	if e.Chain != "" {
		chain, err := parseChain(e.Chain)
		if err != nil {
			return err
		}
		pub = chain[0].PublicKey
	}
	if r.Keys != nil {
		s, err := r.Keys.Signer(ctx, e.Label)
		if err != nil {
			return err
		}
		own, ok := s.Public().(interface{ Equal(crypto.PublicKey) bool })
		if pub != nil && (!ok || !own.Equal(pub)) {
			return fmt.Errorf("%w: the first certificate is of another key", ErrChain)
		}
		pub = s.Public()
	}
	if pub == nil {
		if e.Algorithm == "" {
			return fmt.Errorf("%w: no algorithm given", ErrUnsupported)
		}
		return nil
	}
	algorithm := AlgorithmOf(pub)
	if algorithm == "" || (e.Algorithm != "" && e.Algorithm != algorithm) {
		return fmt.Errorf("%w: the key is %q, not %q", ErrUnsupported, algorithm, e.Algorithm)
	}
	e.Algorithm = algorithm
	return nil
}

// parseChain reads a PEM chain and checks that each certificate is signed by
// the next. Trust and validity are judged where the chain is used.
func parseChain(text string) ([]*x509.Certificate, error) {
	if len(text) > maxChain {
		return nil, fmt.Errorf("%w: %d bytes", ErrChain, len(text))
	}
	var chain []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" || len(chain) == maxChainCerts {
			return nil, fmt.Errorf("%w: more than %d certificates or a PEM block %.40q", ErrChain, maxChainCerts, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrChain, err)
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("%w: not certificates in PEM", ErrChain)
	}
	for i := range len(chain) - 1 {
		err := chain[i].CheckSignatureFrom(chain[i+1])
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %d is not signed by the next: %w", ErrChain, i, err)
		}
	}
	return chain, nil
}

// Get finds a key by its name; ErrNotFound when there is none.
func (r *Register) Get(ctx context.Context, name string) (Entry, error) {
	var e Entry
	err := r.DB.NewSelect().Model(&e).Where("name = ?", name).Scan(ctx)
	if store.IsNotFound(err) {
		return Entry{}, fmt.Errorf("%w: no key is called %q", ErrNotFound, name)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("key %q: %w", name, err)
	}
	e.BoundAt = e.BoundAt.UTC()
	return e, nil
}

// List gives all keys by name.
func (r *Register) List(ctx context.Context) ([]Entry, error) {
	return r.list(ctx, "1 = 1")
}

// ListFor gives the keys of a person, or of an agency, by name.
func (r *Register) ListFor(ctx context.Context, personID, agencyID string) ([]Entry, error) {
	if personID != "" {
		return r.list(ctx, "person_id = ?", personID)
	}
	return r.list(ctx, "agency_id = ? AND person_id = ''", agencyID)
}

func (r *Register) list(ctx context.Context, where string, args ...any) ([]Entry, error) {
	out := []Entry{}
	err := r.DB.NewSelect().Model(&out).Where(where, args...).Order("name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	for i := range out {
		out[i].BoundAt = out[i].BoundAt.UTC()
	}
	return out, nil
}
