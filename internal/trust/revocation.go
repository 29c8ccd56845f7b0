package trust

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
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
	// Strength is the rule on algorithms; zero is the strict one.
	Strength Strength
	// Anchor is where the path of a list's own signer must end, as the
	// certificate's path does (RFC 5280 §6.3.3 f); nil means any anchor of
	// the store asked.
	Anchor *x509.Certificate

	lists []*CRL // of Evidence, parsed
	depth int    // of signers that have signers
	tries *int   // signatures of lists tried by other keys
	// issuerKey is the issuer's key with inherited parameters; nil: its own.
	issuerKey crypto.PublicKey
	// under are the certificates being judged above this one.
	under []*x509.Certificate
}

func (req RevocationRequest) strength() Strength {
	s := req.Strength
	s.AllowSHA1 = s.AllowSHA1 || req.AllowSHA1
	return s
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
// verified evidence that is fresh for req.At says so; unknown otherwise. Lists
// are taken from the issuer's own key alone; Store.CheckRevocation takes other
// signers as well.
func CheckRevocation(req RevocationRequest) Revocation {
	return check(context.Background(), nil, req)
}

// CheckRevocation is the function of the same name, and believes separate and
// indirect signers of lists that have a path to an anchor of the store.
func (s *Store) CheckRevocation(ctx context.Context, req RevocationRequest) Revocation {
	return check(ctx, s, req)
}

// CheckPath judges every certificate of a path but the anchor, leaf first. Only
// At, Now, Evidence, MaxAge, AllowSHA1 and Strength of req are read.
func (s *Store) CheckPath(ctx context.Context, path *Path, req RevocationRequest) []Revocation {
	req.lists, req.Evidence.CRLs = req.parseLists()
	req.Anchor = path.Anchor()
	list := make([]Revocation, len(path.Certificates)-1)
	req.issuerKey = path.Anchor().PublicKey
	for n := len(list) - 1; n >= 0; n-- {
		req.Certificate, req.Issuer = path.Certificates[n], path.Issuer(n)
		list[n] = check(ctx, s, req)
		req.issuerKey = inherit(req.Certificate.PublicKey, req.issuerKey)
	}
	return list
}

// parseLists returns the parsed lists and what cannot be parsed.
func (req RevocationRequest) parseLists() (lists []*CRL, rest [][]byte) {
	lists = append(slices.Clip(req.lists), req.Evidence.Lists...)
	for _, der := range req.Evidence.CRLs {
		if len(lists)+len(rest) >= maxEvidence {
			break
		}
		c, err := ParseCRL(der)
		if err != nil {
			rest = append(rest, der)
			continue
		}
		lists = append(lists, c)
	}
	return lists, rest
}

func check(ctx context.Context, store *Store, req RevocationRequest) Revocation {
	if req.Now.IsZero() || req.Now.Before(req.At) {
		req.Now = req.At
	}
	if req.MaxAge == 0 {
		req.MaxAge = defaultMaxAge
	}
	var malformed [][]byte
	req.lists, malformed = req.parseLists()
	req.Evidence.Lists, req.Evidence.CRLs = nil, nil
	if req.tries == nil {
		req.tries = new(int)
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
	for _, der := range malformed {
		consider(der, false, finding{why: WhyMalformed, reason: -1})
	}
	if len(req.lists) == 0 {
		return best
	}
	cert, err := newView(req.Certificate)
	if err != nil {
		return best
	}
	issuer, err := newView(req.Issuer)
	if err != nil {
		return best
	}
	if req.issuerKey != nil {
		issuer.key = req.issuerKey
	}
	work := &crlWork{req: req, cert: cert, issuer: issuer, lists: req.lists}
	if store != nil {
		work.signers = func(c *CRL) *view { return store.listSigner(ctx, req, c) }
	}
	work.judgeCRLs(func(c *CRL, f finding) { consider(c.Raw, false, f) })
	return best
}

// betterThan orders answers: revoked over good over unknown, then the newer,
// then the more telling reason. A hold may end (RFC 5280 §5.3.1): against it
// the newer evidence counts.
func betterThan(a, b Revocation) bool {
	held := a.Status == RevocationRevoked && a.Reason == reasonHold && b.Status == RevocationGood ||
		b.Status == RevocationRevoked && b.Reason == reasonHold && a.Status == RevocationGood
	if held && !a.ThisUpdate.Equal(b.ThisUpdate) {
		return a.ThisUpdate.After(b.ThisUpdate)
	}
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
