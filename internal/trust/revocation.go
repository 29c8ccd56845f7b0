package trust

import (
	"crypto/x509"
	"fmt"
	"time"
)

const (
	// defaultMaxAge is how old an OCSP answer without nextUpdate may be
	// (RFC 6960 §4.2.2.1: newer information is then always available).
	defaultMaxAge = 7 * 24 * time.Hour
	// clockSkew is allowed between a responder's clock and ours.
	clockSkew = 5 * time.Minute
	// maxEvidence bounds the responses and lists looked at for one
	// certificate: a hostile document may carry thousands.
	maxEvidence = 512
)

// RevocationStatus is the answer about one certificate.
type RevocationStatus int

// The answers.
const (
	RevocationUnknown RevocationStatus = iota
	RevocationGood
	RevocationRevoked
)

// String names the status.
func (s RevocationStatus) String() string {
	switch s {
	case RevocationGood:
		return "good"
	case RevocationRevoked:
		return "revoked"
	}
	return "unknown"
}

// RevocationWhy says why the status is unknown.
type RevocationWhy string

// Why nothing is known. When several pieces of evidence fail, the reason of
// the one that came nearest is kept.
const (
	WhyNone       RevocationWhy = ""
	WhyNoEvidence RevocationWhy = "no_evidence"   // nothing about this certificate
	WhyMalformed  RevocationWhy = "malformed"     // cannot be read
	WhyRefused    RevocationWhy = "refused"       // the responder gave no answer
	WhyNotOurs    RevocationWhy = "other"         // about other certificates
	WhySignature  RevocationWhy = "signature"     // does not verify
	WhyResponder  RevocationWhy = "responder"     // signed by somebody without the right
	WhyCritical   RevocationWhy = "critical"      // critical extension not understood
	WhyTime       RevocationWhy = "time"          // not fresh, from the future, or after expiry
	WhyWeak       RevocationWhy = "weak"          // weak signature algorithm
	WhyScope      RevocationWhy = "scope"         // CRL does not cover this certificate
	WhyUnknown    RevocationWhy = "says_unknown"  // the responder does not know it
	WhyConflict   RevocationWhy = "contradictory" // several answers in one response
)

// RevocationRequest asks about one certificate at one time.
type RevocationRequest struct {
	Certificate *x509.Certificate
	Issuer      *x509.Certificate
	// At is the time for which the answer is needed.
	At time.Time
	// Now is the latest time at which evidence may have been made; zero
	// means At. For a signature made in the past it is the time of
	// validation: evidence made after the signature is the best there is.
	Now      time.Time
	Evidence Evidence
	// MaxAge bounds OCSP answers without nextUpdate; zero means seven days.
	MaxAge time.Duration
	// AllowSHA1 takes evidence signed with SHA-1.
	AllowSHA1 bool
}

// Revocation is the answer.
type Revocation struct {
	Status RevocationStatus
	// RevokedAt and Reason (CRLReason, -1 when not given) come with
	// RevocationRevoked, and with RevocationGood when the certificate was
	// revoked after the time asked about.
	RevokedAt time.Time
	Reason    int
	// Why comes with RevocationUnknown.
	Why RevocationWhy
	// ThisUpdate is that of the evidence used, DER the evidence itself,
	// Responder its signer when that is not the issuer.
	ThisUpdate time.Time
	DER        []byte
	OCSP       bool
	Responder  *x509.Certificate
}

// String writes the answer for logs.
func (r Revocation) String() string {
	switch r.Status {
	case RevocationRevoked:
		return fmt.Sprintf("revoked at %s, reason %d", r.RevokedAt.Format(time.RFC3339), r.Reason)
	case RevocationGood:
		return "good"
	}
	return "unknown: " + string(r.Why)
}

// finding is what one piece of evidence says.
type finding struct {
	status     RevocationStatus
	revokedAt  time.Time
	reason     int
	why        RevocationWhy
	thisUpdate time.Time
	responder  *x509.Certificate
}

// CheckRevocation judges a certificate over the evidence: revoked when any
// verified evidence says that it was revoked at or before req.At; good when
// verified evidence that is fresh for req.At says so; unknown otherwise.
func CheckRevocation(req RevocationRequest) Revocation {
	if req.Now.IsZero() || req.Now.Before(req.At) {
		req.Now = req.At
	}
	if req.MaxAge == 0 {
		req.MaxAge = defaultMaxAge
	}
	best := Revocation{Status: RevocationUnknown, Why: WhyNoEvidence, Reason: -1}
	consider := func(der []byte, ocsp bool, f finding) {
		candidate := Revocation{
			Status: f.status, RevokedAt: f.revokedAt, Reason: f.reason, Why: f.why,
			ThisUpdate: f.thisUpdate, DER: der, OCSP: ocsp, Responder: f.responder,
		}
		// Revoked later than asked about: good then, with the fact kept.
		if candidate.Status == RevocationRevoked && candidate.RevokedAt.After(req.At) {
			candidate.Status = RevocationGood
		}
		if betterThan(candidate, best) {
			best = candidate
		}
	}
	for n, der := range req.Evidence.OCSPs {
		if n == maxEvidence {
			break
		}
		consider(der, true, req.judgeOCSP(der))
	}
	for n, der := range req.Evidence.CRLs {
		if n == maxEvidence {
			break
		}
		consider(der, false, req.judgeCRL(der))
	}
	return best
}

// betterThan orders answers: revoked over good over unknown, then the newer,
// then the more telling reason.
func betterThan(a, b Revocation) bool {
	if a.Status != b.Status {
		rank := map[RevocationStatus]int{RevocationRevoked: 2, RevocationGood: 1, RevocationUnknown: 0}
		return rank[a.Status] > rank[b.Status]
	}
	if a.Status != RevocationUnknown {
		return a.ThisUpdate.After(b.ThisUpdate)
	}
	return whyRank(a.Why) > whyRank(b.Why)
}

func whyRank(why RevocationWhy) int {
	order := []RevocationWhy{
		WhyNoEvidence, WhyNotOurs, WhyMalformed, WhyRefused, WhyScope, WhyCritical,
		WhySignature, WhyResponder, WhyWeak, WhyTime, WhyConflict, WhyUnknown,
	}
	for n, known := range order {
		if known == why {
			return n
		}
	}
	return -1
}

// fresh says whether evidence with these times speaks for the time asked.
// Evidence is taken when its validity covers req.At, or when it was made after
// req.At: it then still knows of every earlier revocation, unless the
// certificate had expired meanwhile and the issuer drops such ones.
func (req RevocationRequest) fresh(thisUpdate, nextUpdate time.Time, keepsExpired bool) bool {
	if thisUpdate.After(req.Now.Add(clockSkew)) {
		return false
	}
	if thisUpdate.After(req.Certificate.NotAfter) && !keepsExpired {
		return false
	}
	if !thisUpdate.Before(req.At) {
		return true
	}
	if nextUpdate.IsZero() {
		return req.At.Sub(thisUpdate) <= req.MaxAge
	}
	return !req.At.After(nextUpdate)
}
