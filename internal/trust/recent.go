package trust

import (
	"crypto/sha256"
	"crypto/x509"
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
// time-stamping units, OCSP responders), and who issued whom. The state of
// signers is never remembered. The zero value is ready; it is safe for
// concurrent use.
type Recent struct {
	mu     sync.Mutex
	states map[[2]fingerprint]recentState
	issued map[[2]fingerprint]bool
}

type fingerprint = [sha256.Size]byte

// recentState is what was collected about one certificate.
type recentState struct {
	evidence Evidence
	at       time.Time
}

// authority tells whether a certificate is that of somebody who vouches for
// others.
func authority(cert *x509.Certificate) bool {
	return cert.IsCA || CheckPurpose(cert, PurposeTimestamp) == nil || CheckPurpose(cert, PurposeOCSP) == nil
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
