// Package crl makes certificate revocation lists (RFC 5280 §5) from one table
// of revocations: complete lists, lists of partitions of an issuer's
// certificates, and delta lists for both.
//
// A list is known by its name: "official" is the complete list of the issuer
// official, "official-p3" that of its third partition, "official-delta" and
// "official-p3-delta" what changed since a complete list that is still in
// force. A certificate names its list for good, so a list is served for as
// long as certificates name it.
//
// Numbers are taken from the clock and only ever grow; a complete and a delta
// list made together share one (RFC 5280 §5.2.3). A lease in the store keeps
// two processes from making the same list at once. Certificates that have
// expired stay on the list (expiredCertsOnCRL, X.509 §9.5.2.8), so that an old
// signature can be judged at its signing time.
//
// Indirect lists and lists of some reasons only are not made.
package crl

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"github.com/antin-gov/antin/ca/internal/sigalg"
	"github.com/antin-gov/antin/internal/clock"
)

// Errors of the lists.
var (
	// ErrNotNewer is what a Store returns for a list whose number does not grow.
	ErrNotNewer = errors.New("crl: number is not newer than the stored one")
	// ErrLease is what a Store returns to who no longer holds the lease.
	ErrLease = errors.New("crl: another process makes the list")
	// ErrNone says that there is no such list, or none yet.
	ErrNone = errors.New("crl: no such list")
	// ErrConfig says that the publisher must not work as configured.
	ErrConfig = errors.New("crl: publisher refused")
	// ErrAway says that the issuer's key is elsewhere: its list is made there and
	// brought here by Import.
	ErrAway = errors.New("crl: the key of the issuer is not here")
	// ErrImport says that a list brought from elsewhere is not taken.
	ErrImport = errors.New("crl: list refused")
)

// MaxPartitions bounds the partitions of an issuer.
const MaxPartitions = 1024

// Reason codes of RFC 5280 §5.3.1 that mean something to the lists.
const (
	ReasonHold   = 6
	ReasonRemove = 8
)

// Entry is a certificate whose state the list tells.
type Entry struct {
	Serial *big.Int
	At     time.Time
	// Reason is the CRLReason of RFC 5280 §5.3.1; 0 is left out.
	Reason int
	// Removed says that the certificate was taken off hold: it stands on no
	// complete list, and on a delta list as removeFromCRL.
	Removed bool
}

// List is a signed list.
type List struct {
	Scope Scope
	Delta bool
	// Number is the CRLNumber; Base that of the complete list which a delta list
	// is relative to.
	Number, Base int64
	// Revision is the count of the issuer's changes that the list knows of.
	Revision   int64
	ThisUpdate time.Time
	NextUpdate time.Time
	Entries    int
	DER        []byte
}

// Name is the name by which the list is served.
func (l *List) Name() string { return l.Scope.Name(l.Delta) }

// Head is what is newest of a scope.
type Head struct {
	// Revision counts the changes of the issuer.
	Revision int64
	// Number is the highest number given to a list of the scope; Complete and
	// Delta those of the newest lists of each kind, 0 for none.
	Number, Complete, Delta int64
}

// Store keeps lists and knows what is revoked.
type Store interface {
	// Head reads what is newest.
	Head(ctx context.Context, s Scope) (Head, error)
	// Revoked reads what is revoked now.
	Revoked(ctx context.Context, s Scope) ([]Entry, error)
	// Changes reads the present state of all certificates that were revoked,
	// held or released after the issuer's change of that number.
	Changes(ctx context.Context, s Scope, since int64) ([]Entry, error)
	// Latest returns the newest list of the kind, or ErrNone.
	Latest(ctx context.Context, s Scope, delta bool) (*List, error)
	// Oldest returns the oldest complete list, without its bytes, that is in
	// force at the time, or ErrNone.
	Oldest(ctx context.Context, s Scope, at time.Time) (*List, error)
	// Partitions is the highest partition that a certificate of the issuer names.
	Partitions(ctx context.Context, issuer string) (int, error)
	// Lease gives owner the right to make lists of the scope until the time, or
	// says that another one has it.
	Lease(ctx context.Context, s Scope, owner string, now, until time.Time) (bool, error)
	// Put stores lists of one scope and one number, and gives the lease back;
	// ErrNotNewer when the number does not grow, ErrLease when owner has lost
	// the lease. An empty owner needs none; no lists only give the lease back.
	Put(ctx context.Context, owner string, lists []*List, s Scope) error
}

// Issuer is an authority that has lists.
type Issuer struct {
	Name        string
	Certificate *x509.Certificate
	// Signer is nil when the key is elsewhere; then lists come by Import.
	Signer crypto.Signer
	// Partitions is over how many lists new certificates are spread; 0 is none.
	Partitions int
}

// Config is what a publisher needs.
type Config struct {
	Issuers []Issuer
	Store   Store
	Clock   clock.Clock
	Logger  *slog.Logger
	// Address is where a list of that name is served; it stands in the lists.
	Address func(name string) string
	// Owner names this process in leases; no two may share it.
	Owner string
	// Validity is nextUpdate − thisUpdate; a list is made anew at half of it.
	Validity time.Duration
	// DeltaValidity is that of delta lists; 0 makes none.
	DeltaValidity time.Duration
	// Large is the number of entries from which on a complete list is not made
	// at each change but after LargeEvery, as long as there is a delta list.
	Large      int
	LargeEvery time.Duration
}

// Defaults of Config.
const (
	defaultLarge      = 50_000
	defaultLargeEvery = 10 * time.Minute
)

// Publisher makes and finds lists. It is safe for concurrent use, also with
// publishers in other processes.
type Publisher struct {
	cfg Config

	mu      sync.Mutex
	issuers map[string]issuer // guarded by mu
	scopes  map[Scope]*scope  // guarded by mu
}

// issuer is an Issuer with what is derived from it.
type issuer struct {
	Issuer
	algorithm sigalg.Algorithm
}

// New returns a publisher.
func New(cfg Config) (*Publisher, error) {
	if cfg.Store == nil || cfg.Clock == nil || cfg.Logger == nil || cfg.Address == nil || cfg.Owner == "" {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	if cfg.Validity < time.Hour || cfg.DeltaValidity < 0 || cfg.DeltaValidity > cfg.Validity || cfg.DeltaValidity > 0 && cfg.DeltaValidity < time.Minute {
		return nil, fmt.Errorf("%w: validity %s, of deltas %s", ErrConfig, cfg.Validity, cfg.DeltaValidity)
	}
	if cfg.Large == 0 {
		cfg.Large = defaultLarge
	}
	if cfg.LargeEvery == 0 {
		cfg.LargeEvery = defaultLargeEvery
	}
	p := &Publisher{cfg: cfg, scopes: make(map[Scope]*scope)}
	return p, p.SetIssuers(cfg.Issuers)
}

// SetIssuers replaces the issuers: a new generation comes, a renewed
// certificate takes the place of the old one.
func (p *Publisher) SetIssuers(list []Issuer) error {
	byName := make(map[string]issuer)
	for _, i := range list {
		one := issuer{Issuer: i}
		switch {
		case i.Name == "" || i.Certificate == nil || i.Certificate.KeyUsage&x509.KeyUsageCRLSign == 0:
			return fmt.Errorf("%w: issuer %q cannot sign lists", ErrConfig, i.Name)
		case i.Partitions < 0 || i.Partitions > MaxPartitions:
			return fmt.Errorf("%w: %d partitions of issuer %q, the limit is %d", ErrConfig, i.Partitions, i.Name, MaxPartitions)
		case i.Signer != nil:
			var err error
			one.algorithm, err = sigalg.For(i.Certificate.PublicKey)
			if err != nil {
				return fmt.Errorf("%w: issuer %q: %w", ErrConfig, i.Name, err)
			}
		}
		byName[i.Name] = one
	}
	if len(byName) == 0 {
		return fmt.Errorf("%w: no issuer", ErrConfig)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.issuers = byName
	return nil
}

// issuer finds an issuer by its name.
func (p *Publisher) issuer(name string) (issuer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, known := p.issuers[name]
	return i, known
}

// scope is what this process has in memory of a scope.
type scope struct {
	Scope
	// making is held by who makes lists of the scope in this process.
	making sync.Mutex
	// known are the entries as of their revision; guarded by making.
	known *entries

	mu sync.Mutex
	// lists are the newest lists, by kind: complete, delta; guarded by mu.
	lists [2]*List
	// seen is the highest revision known to change nothing since the newest
	// lists; guarded by mu.
	seen int64
	// made and cost say when the newest list was made here and how long it took;
	// guarded by mu.
	made time.Time
	cost time.Duration
}

func kind(delta bool) int {
	if delta {
		return 1
	}
	return 0
}

func (p *Publisher) scope(s Scope) *scope {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.scopes[s]
	if found == nil {
		found = &scope{Scope: s}
		p.scopes[s] = found
	}
	return found
}
