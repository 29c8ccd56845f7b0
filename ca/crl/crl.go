// Package crl makes certificate revocation lists (RFC 5280 §5): one complete
// list for each authority, its number taken from the clock so that it only
// ever grows, made anew at each revocation and before it grows old.
//
// Certificates that have expired stay on the list (expiredCertsOnCRL, X.509
// §9.5.2.8), so that an old signature can be judged at its signing time. Delta
// and partitioned lists are not made.
package crl

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

// Errors of the lists.
var (
	// ErrNotNewer is what a Store returns for a list whose number does not grow.
	ErrNotNewer = errors.New("crl: number is not newer than the stored one")
	// ErrNone says that no list is stored yet.
	ErrNone = errors.New("crl: none stored")
	// ErrConfig says that the publisher must not work as configured.
	ErrConfig = errors.New("crl: publisher refused")
)

// maxAttempts is how often a list is made again when another process stored a
// newer one meanwhile.
const maxAttempts = 5

// Revoked is an entry.
type Revoked struct {
	Serial *big.Int
	At     time.Time
	// Reason is the CRLReason of RFC 5280 §5.3.1; 0 is left out.
	Reason int
}

// List is a signed list.
type List struct {
	Issuer     string
	Number     int64
	Revision   int64
	ThisUpdate time.Time
	NextUpdate time.Time
	DER        []byte
}

// Store keeps lists and knows what is revoked.
type Store interface {
	// Revision counts the revocations of the issuer, and the highest number of
	// a list stored.
	Revision(ctx context.Context, issuer string) (revision, number int64, err error)
	// Revoked lists what is revoked, in order of serial number.
	Revoked(ctx context.Context, issuer string) ([]Revoked, error)
	// Latest returns the newest list, or ErrNone.
	Latest(ctx context.Context, issuer string) (*List, error)
	// Put stores a list, or refuses it with ErrNotNewer.
	Put(ctx context.Context, list *List) error
}

// Issuer is an authority that signs its list.
type Issuer struct {
	Name        string
	Certificate *x509.Certificate
	Signer      crypto.Signer
}

// Config is what a publisher needs.
type Config struct {
	Issuers []Issuer
	Store   Store
	Clock   clock.Clock
	Logger  *slog.Logger
	// Validity is nextUpdate − thisUpdate; a list is made anew at half of it.
	Validity time.Duration
}

// Publisher makes and finds lists. It is safe for concurrent use, also with
// publishers in other processes.
type Publisher struct {
	cfg    Config
	byName map[string]Issuer
}

// New returns a publisher.
func New(cfg Config) (*Publisher, error) {
	if len(cfg.Issuers) == 0 || cfg.Store == nil || cfg.Clock == nil || cfg.Logger == nil || cfg.Validity < time.Hour {
		return nil, fmt.Errorf("%w: a part is missing, or a validity under an hour", ErrConfig)
	}
	p := &Publisher{cfg: cfg, byName: make(map[string]Issuer)}
	for _, i := range cfg.Issuers {
		if i.Name == "" || i.Certificate == nil || i.Signer == nil || i.Certificate.KeyUsage&x509.KeyUsageCRLSign == 0 {
			return nil, fmt.Errorf("%w: issuer %q cannot sign lists", ErrConfig, i.Name)
		}
		p.byName[i.Name] = i
	}
	return p, nil
}

// Current returns the list in force. A list that misses a revocation or is
// past half its life is made anew first; when that fails, the stored one
// serves until its nextUpdate.
func (p *Publisher) Current(ctx context.Context, issuer string) (*List, error) {
	_, known := p.byName[issuer]
	if !known {
		return nil, fmt.Errorf("%w: issuer %q", ErrNone, issuer)
	}
	latest, err := p.cfg.Store.Latest(ctx, issuer)
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, fmt.Errorf("read list: %w", err)
	}
	revision, _, err := p.cfg.Store.Revision(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("read revision: %w", err)
	}
	now := p.cfg.Clock.Now()
	if latest != nil && latest.Revision >= revision && now.Before(latest.ThisUpdate.Add(p.cfg.Validity/2)) {
		return latest, nil
	}
	fresh, err := p.Publish(ctx, issuer)
	if err == nil {
		return fresh, nil
	}
	if latest != nil && now.Before(latest.NextUpdate) {
		p.cfg.Logger.ErrorContext(ctx, "CRL not renewed, the stored one serves", "issuer", issuer, "error", err)
		return latest, nil
	}
	return nil, err
}

// Publish makes, signs and stores a list. When another process stored a newer
// one meanwhile, it starts over.
func (p *Publisher) Publish(ctx context.Context, issuer string) (*List, error) {
	i, known := p.byName[issuer]
	if !known {
		return nil, fmt.Errorf("%w: issuer %q", ErrNone, issuer)
	}
	for attempt := 1; ; attempt++ {
		list, err := p.make(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("make list of %s: %w", issuer, err)
		}
		err = p.cfg.Store.Put(ctx, list)
		if err == nil {
			return list, nil
		}
		if !errors.Is(err, ErrNotNewer) || attempt == maxAttempts {
			return nil, fmt.Errorf("store list of %s: %w", issuer, err)
		}
	}
}

func (p *Publisher) make(ctx context.Context, i Issuer) (*List, error) {
	// Number and revision come before the entries: a list with a higher number
	// then never misses a revocation that a lower one has.
	revision, last, err := p.cfg.Store.Revision(ctx, i.Name)
	if err != nil {
		return nil, fmt.Errorf("read revision: %w", err)
	}
	now := p.cfg.Clock.Now().UTC()
	number := max(now.UnixNano(), last+1)
	entries, err := p.cfg.Store.Revoked(ctx, i.Name)
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	this := now.Truncate(time.Second)
	next := this.Add(p.cfg.Validity)
	der, err := build(i, number, this, next, entries)
	if err != nil {
		return nil, err
	}
	return &List{Issuer: i.Name, Number: number, Revision: revision, ThisUpdate: this, NextUpdate: next, DER: der}, nil
}

func build(i Issuer, number int64, this, next time.Time, entries []Revoked) ([]byte, error) {
	since, err := asn1.MarshalWithParams(i.Certificate.NotBefore.UTC(), "generalized")
	if err != nil {
		return nil, fmt.Errorf("write expiredCertsOnCRL: %w", err)
	}
	template := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: this, NextUpdate: next,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 60}, Value: since}},
	}
	for _, e := range entries {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: e.Serial, RevocationTime: e.At.UTC().Truncate(time.Second), ReasonCode: e.Reason})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, i.Certificate, i.Signer)
	if err != nil {
		return nil, fmt.Errorf("sign list: %w", err)
	}
	return der, nil
}
