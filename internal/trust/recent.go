package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"sync"
	"time"
)

const (
	// recentAge is how long the state of an authority is believed without
	// asking again. Nothing it revokes is concerned, only its own certificate.
	recentAge = time.Minute
	// maxRecent bounds what is remembered; beyond it all is forgotten.
	maxRecent = 1000
)

// Recent remembers for a Collector what it need not ask or verify anew with
// every document: for a minute the evidence about authorities (issuers,
// time-stamping units, OCSP responders) and the issuers that were fetched, and
// who issued whom. The state of signers is never remembered, but those who ask
// about the same signer while a question is under way share the next one. The
// zero value is ready; it is safe for concurrent use.
type Recent struct {
	mu      sync.Mutex
	states  map[[2]fingerprint]recentState
	issued  map[[2]fingerprint]bool
	issuers map[fingerprint]recentIssuer
	// asking are the questions under way, next those that take in newcomers.
	asking, next map[[2]fingerprint]*question
}

type fingerprint = [sha256.Size]byte

// recentState is what was collected about one certificate.
type recentState struct {
	evidence Evidence
	at       time.Time
}

// recentIssuer is the issuer that was fetched for a certificate.
type recentIssuer struct {
	cert *x509.Certificate
	at   time.Time
}

// question is one collection about a certificate for all who wait for it.
type question struct {
	before *question // the one under way when this one was formed
	done   chan struct{}
	own    *collection
	err    error
}

// authority tells whether a certificate is that of somebody who vouches for
// others.
func authority(cert *x509.Certificate) bool {
	return cert.IsCA || CheckPurpose(cert, PurposeTimestamp) == nil || CheckPurpose(cert, PurposeOCSP) == nil
}

// together asks about a certificate once for all who came before the question
// leaves, so that the answer is no older than what each wants to prove. One
// question about a certificate is under way at a time; newcomers share the next.
// Authorities are remembered instead, and asked about within a question.
func (r *Recent) together(ctx context.Context, cert, issuer *x509.Certificate, ask func() (*collection, error)) (*collection, error) {
	if r == nil || authority(cert) {
		return ask()
	}
	pair := pairOf(cert, issuer)
	for {
		q, first := r.join(pair)
		if first {
			r.lead(ctx, pair, q, ask)
			return q.own, q.err
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !errors.Is(q.err, errLeft) {
			return q.own, q.err
		}
	}
}

// errLeft says that whoever asked for all went away.
var errLeft = errors.New("the question was given up")

// join gives the question that takes in newcomers, and whether the caller is the
// first, who must lead it.
func (r *Recent) join(pair [2]fingerprint) (*question, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.next[pair]
	if q != nil {
		return q, false
	}
	q = &question{before: r.asking[pair], done: make(chan struct{})}
	if r.next == nil {
		r.next, r.asking = make(map[[2]fingerprint]*question), make(map[[2]fingerprint]*question)
	}
	r.next[pair] = q
	return q, true
}

// lead waits for the question under way, takes in nobody more, and asks.
func (r *Recent) lead(ctx context.Context, pair [2]fingerprint, q *question, ask func() (*collection, error)) {
	defer close(q.done)
	if q.before != nil {
		select {
		case <-q.before.done:
		case <-ctx.Done():
		}
	}
	q.before = nil
	r.mu.Lock()
	delete(r.next, pair)
	if ctx.Err() != nil {
		r.mu.Unlock()
		q.err = errors.Join(errLeft, ctx.Err())
		return
	}
	r.asking[pair] = q
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.asking, pair)
	}()
	q.err = errLeft // what stays if asking ends in a panic
	q.own, q.err = ask()
	if q.err != nil && ctx.Err() != nil {
		q.err = errors.Join(errLeft, q.err)
	}
}

func pairOf(cert, issuer *x509.Certificate) [2]fingerprint {
	return [2]fingerprint{sha256.Sum256(cert.Raw), sha256.Sum256(issuer.Raw)}
}

// state gives what was collected about an authority within the last minute.
func (r *Recent) state(cert, issuer *x509.Certificate, now time.Time) (Evidence, bool) {
	if r == nil || !authority(cert) {
		return Evidence{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.states[pairOf(cert, issuer)]
	age := now.Sub(known.at)
	return known.evidence, ok && age >= 0 && age < recentAge
}

// issuer gives the issuer that was fetched for a certificate within the last
// minute.
func (r *Recent) issuer(cert *x509.Certificate, now time.Time) *x509.Certificate {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.issuers[sha256.Sum256(cert.Raw)]
	age := now.Sub(known.at)
	if age < 0 || age >= recentAge {
		return nil
	}
	return known.cert
}

// keepIssuer remembers an issuer whose signature was verified.
func (r *Recent) keepIssuer(cert, issuer *x509.Certificate, now time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.issuers == nil || len(r.issuers) >= maxRecent {
		r.issuers = make(map[fingerprint]recentIssuer)
	}
	r.issuers[sha256.Sum256(cert.Raw)] = recentIssuer{issuer, now}
}

// keep remembers what was collected about an authority that is not revoked.
func (r *Recent) keep(cert, issuer *x509.Certificate, e Evidence, now time.Time) {
	if r == nil || !authority(cert) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states == nil || len(r.states) >= maxRecent {
		r.states = make(map[[2]fingerprint]recentState)
	}
	r.states[pairOf(cert, issuer)] = recentState{e, now}
}

// check verifies that the issuer's key signed the certificate, once.
func (r *Recent) check(cert, issuer *x509.Certificate) error {
	if r == nil {
		return issued(cert, issuer)
	}
	pair := pairOf(cert, issuer)
	r.mu.Lock()
	known := r.issued[pair]
	r.mu.Unlock()
	if known {
		return nil
	}
	err := issued(cert, issuer)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.issued == nil || len(r.issued) >= maxRecent {
		r.issued = make(map[[2]fingerprint]bool)
	}
	r.issued[pair] = true
	return nil
}
