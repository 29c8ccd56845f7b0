package trust

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

const (
	// maxChain bounds the chain that is completed by caIssuers.
	maxChain = 8
	// maxAddresses bounds the addresses tried per certificate and kind.
	maxAddresses = 4
	// maxDepth bounds responders that need responders.
	maxDepth = 3
)

// ErrNoRevocation is returned when a certificate names no place that tells
// about its revocation.
var ErrNoRevocation = errors.New("certificate names neither OCSP nor CRL")

// ErrIssuerMissing is returned when the chain cannot be completed.
var ErrIssuerMissing = errors.New("issuer certificate not found")

// RevokedError says that a certificate of the chain is revoked. It comes with
// the evidence, complete or not.
type RevokedError struct {
	Certificate *x509.Certificate
	At          time.Time
	Reason      int
}

// Error implements error.
func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate %s: revoked at %s, reason %d", SerialText(e.Certificate), e.At.UTC().Format(time.RFC3339), e.Reason)
}

// Collector gathers revocation evidence from the addresses that certificates
// name. It reaches no other address, so give it only chains that lead to an
// anchor, or a client that may reach what strangers name.
type Collector struct {
	// HTTP is the client to use; nil means one with time limits.
	HTTP *http.Client
	// Clock tells when evidence is judged; nil means the system's.
	Clock clock.Clock
	// AllowSHA1 takes evidence signed with SHA-1, for old authorities.
	AllowSHA1 bool
	// Recent, when it is there, spares asking again about authorities within a
	// minute.
	Recent *Recent
	// Cache, when it is there, keeps what is collected.
	Cache *Cache
	// Offline answers from Cache alone: no address is asked, whatever happens.
	Offline bool
}

// Collect returns what proves the state of every certificate of a chain (leaf
// first) that is not a root: missing issuers by caIssuers; for each the OCSP
// response, and where there is none the CRL; the responders' certificates and
// their own evidence. With a Cache both are collected, for the list outlives the
// response. Everything was verified.
// When a certificate is revoked the evidence comes with a *RevokedError;
// otherwise errors are *FetchError and name serial and address. Offline, all that
// the cache holds is returned, with ErrOffline when it lacks a certificate.
func (c *Collector) Collect(ctx context.Context, chain []*x509.Certificate) (Evidence, error) {
	if len(chain) == 0 {
		return Evidence{}, errors.New("collect evidence: empty chain")
	}
	run := &collection{Collector: c, done: make(map[string]bool)}
	if c.Offline {
		return run.fromCache(chain)
	}
	chain, err := run.complete(ctx, chain)
	if err != nil {
		return run.evidence, err
	}
	for _, cert := range chain {
		run.evidence.AddCertificate(cert)
	}
	for n := 0; n+1 < len(chain); n++ {
		err = run.collect(ctx, chain[n], chain[n+1], 0)
		if err != nil {
			return run.evidence, err
		}
	}
	if run.revoked != nil {
		return run.evidence, run.revoked
	}
	return run.evidence, nil
}

// CacheErr is what kept something from being kept in the cache; nil otherwise.
func (c *Collector) CacheErr() error {
	if c == nil {
		return nil
	}
	return c.Cache.Err()
}

// fromCache gives what is kept about each certificate of a chain that has an
// issuer in it. How old it is and what it says is judged where it is used.
func (r *collection) fromCache(chain []*x509.Certificate) (Evidence, error) {
	var missing error
	for n := 0; n+1 < len(chain); n++ {
		known, ok := r.Cache.find(chain[n])
		if !ok {
			missing = errors.Join(missing, fmt.Errorf("certificate %s: %w", SerialText(chain[n]), ErrOffline))
			continue
		}
		r.evidence.Add(known)
	}
	return r.evidence, missing
}

func (c *Collector) now() time.Time {
	if c.Clock == nil {
		return clock.System{}.Now()
	}
	return c.Clock.Now()
}

// collection is the state of one Collect.
type collection struct {
	*Collector
	evidence Evidence
	done     map[string]bool // by fingerprint
	revoked  *RevokedError
}

// complete follows caIssuers until the chain ends in a self-signed
// certificate.
func (r *collection) complete(ctx context.Context, chain []*x509.Certificate) ([]*x509.Certificate, error) {
	chain = append([]*x509.Certificate(nil), chain...)
	for n := 0; n+1 < len(chain); n++ {
		err := r.Recent.check(chain[n], chain[n+1])
		if err != nil {
			return nil, fmt.Errorf("certificate %s: chain out of order: %w", SerialText(chain[n]), err)
		}
	}
	for {
		last := chain[len(chain)-1]
		if bytes.Equal(last.RawSubject, last.RawIssuer) && r.Recent.check(last, last) == nil {
			return chain, nil
		}
		if len(chain) == maxChain {
			return nil, fmt.Errorf("certificate %s: %w: chain longer than %d", SerialText(last), ErrIssuerMissing, maxChain)
		}
		issuer, err := r.issuer(ctx, last)
		if err != nil {
			return nil, err
		}
		chain = append(chain, issuer)
	}
}

func issued(cert, issuer *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("%w: names differ", ErrIssuerMissing)
	}
	err := issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIssuerMissing, err)
	}
	return nil
}

// issuer is the issuer of a certificate, from where it points to.
func (r *collection) issuer(ctx context.Context, cert *x509.Certificate) (*x509.Certificate, error) {
	known := r.Recent.issuer(cert, r.now())
	if known != nil {
		return known, nil
	}
	failure := fmt.Errorf("certificate %s: %w", SerialText(cert), ErrIssuerMissing)
	for n, address := range cert.IssuingCertificateURL {
		if n == maxAddresses {
			break
		}
		data, err := r.fetch(ctx, address, nil, "", maxIssuerFile)
		if err != nil {
			failure = &FetchError{Serial: SerialText(cert), URL: address, Err: fmt.Errorf("%w: %w", ErrIssuerMissing, err)}
			continue
		}
		issuer, err := ParseCertificate(derOf(data, "CERTIFICATE"))
		if err == nil {
			err = issued(cert, issuer)
		}
		if err == nil {
			r.Recent.keepIssuer(cert, issuer, r.now())
			return issuer, nil
		}
		failure = &FetchError{Serial: SerialText(cert), URL: address, Err: fmt.Errorf("%w: %w", ErrIssuerMissing, err)}
	}
	return nil, failure
}

// derOf takes DER as it is and PEM, which some repositories serve, unpacked.
func derOf(data []byte, kind string) []byte {
	block, _ := pem.Decode(data)
	if block != nil && block.Type == kind {
		return block.Bytes
	}
	return data
}

func (r *collection) collect(ctx context.Context, cert, issuer *x509.Certificate, depth int) error {
	if r.done[string(cert.Raw)] {
		return nil
	}
	r.done[string(cert.Raw)] = true
	if len(cert.OCSPServer) == 0 && len(cert.CRLDistributionPoints) == 0 {
		return fmt.Errorf("certificate %s: %w", SerialText(cert), ErrNoRevocation)
	}
	known, ok := r.Recent.state(cert, issuer, r.now())
	if ok {
		r.evidence.Add(known)
		return nil
	}
	own, err := r.Recent.together(ctx, cert, issuer, func() (*collection, error) {
		own := &collection{Collector: r.Collector, done: r.done}
		if r.Recent != nil || r.Cache != nil {
			// What others get must be whole without the rest of this collection.
			own.done = map[string]bool{string(cert.Raw): true}
		}
		return own, own.ask(ctx, cert, issuer, depth)
	})
	if own != nil {
		r.evidence.Add(own.evidence)
		if own.revoked != nil && r.revoked == nil {
			r.revoked = own.revoked
		}
	}
	if err != nil {
		return err
	}
	r.Cache.keep(cert, own.evidence, r.now())
	if own.revoked == nil {
		r.Recent.keep(cert, issuer, own.evidence, r.now())
	}
	return nil
}

// ask collects about one certificate from where it points to. Its responder is
// asked first: the list of a large authority takes megabytes, which every signed
// document would carry.
func (r *collection) ask(ctx context.Context, cert, issuer *x509.Certificate, depth int) error {
	ocspErr := r.collectOCSP(ctx, cert, issuer, depth)
	if ocspErr == nil && r.Cache == nil {
		return nil
	}
	crlErr := r.collectCRL(ctx, cert, issuer)
	if crlErr != nil && ocspErr != nil {
		if len(cert.OCSPServer) == 0 {
			return crlErr
		}
		return ocspErr
	}
	return nil
}

func (r *collection) collectCRL(ctx context.Context, cert, issuer *x509.Certificate) error {
	failure := error(&FetchError{Serial: SerialText(cert), Err: ErrNoRevocation})
	for n, address := range cert.CRLDistributionPoints {
		if n == maxAddresses {
			break
		}
		data, err := r.fetch(ctx, address, nil, "", maxCRL)
		if err != nil {
			failure = &FetchError{Serial: SerialText(cert), URL: address, Err: err}
			continue
		}
		data = derOf(data, "X509 CRL")
		status := r.judge(cert, issuer, Evidence{CRLs: [][]byte{data}}, r.now())
		if status.Status == RevocationUnknown {
			failure = &FetchError{Serial: SerialText(cert), URL: address, Err: &UnusableError{Why: status.Why}}
			continue
		}
		r.evidence.AddCRL(data)
		r.note(cert, status)
		return nil
	}
	return failure
}

func (r *collection) collectOCSP(ctx context.Context, cert, issuer *x509.Certificate, depth int) error {
	failure := error(&FetchError{Serial: SerialText(cert), Err: ErrNoRevocation})
	for n, address := range cert.OCSPServer {
		if n == maxAddresses {
			break
		}
		status, err := r.askOCSP(ctx, cert, issuer, address)
		if err != nil {
			failure = &FetchError{Serial: SerialText(cert), URL: address, Err: err}
			continue
		}
		err = r.collectResponder(ctx, status.Responder, issuer, depth)
		if err != nil {
			failure = err
			continue
		}
		r.evidence.AddOCSP(status.DER)
		r.note(cert, status)
		return nil
	}
	return failure
}

func (r *collection) askOCSP(ctx context.Context, cert, issuer *x509.Certificate, address string) (Revocation, error) {
	nonce := make([]byte, nonceSize)
	_, err := rand.Read(nonce)
	if err != nil {
		return Revocation{}, fmt.Errorf("nonce: %w", err)
	}
	request, err := NewOCSPRequest(cert, issuer, crypto.SHA1, nonce)
	if err != nil {
		return Revocation{}, err
	}
	data, err := r.fetch(ctx, address, request, "application/ocsp-request", maxOCSP)
	if err != nil {
		return Revocation{}, err
	}
	response, err := ParseOCSP(data)
	if err != nil {
		return Revocation{}, err
	}
	// A responder may leave the nonce out (pre-produced answers, RFC 9654
	// §3); what it sends must be ours.
	if response.Nonce != nil && !bytes.Equal(response.Nonce, nonce) {
		return Revocation{}, &UnusableError{Why: WhyNotOurs}
	}
	status := r.judge(cert, issuer, Evidence{OCSPs: [][]byte{data}}, r.now())
	if status.Status == RevocationUnknown {
		return Revocation{}, &UnusableError{Why: status.Why}
	}
	return status, nil
}

// collectResponder adds a delegated responder and, unless its certificate says
// nocheck, its own evidence.
func (r *collection) collectResponder(ctx context.Context, responder, issuer *x509.Certificate, depth int) error {
	if responder == nil {
		return nil
	}
	r.evidence.AddCertificate(responder)
	if HasNoCheck(responder) || depth == maxDepth {
		return nil
	}
	if len(responder.OCSPServer) == 0 && len(responder.CRLDistributionPoints) == 0 {
		// RFC 6960 §4.2.2.2.1 leaves a responder that names nothing to
		// local policy; its short life is the usual answer.
		return nil
	}
	own := &collection{Collector: r.Collector, done: r.done}
	err := own.collect(ctx, responder, issuer, depth+1)
	if err == nil && own.revoked != nil {
		err = &FetchError{Serial: SerialText(responder), Err: &UnusableError{Why: WhyResponder}}
	}
	if err != nil {
		return err
	}
	r.evidence.Add(own.evidence)
	return nil
}

func (r *collection) judge(cert, issuer *x509.Certificate, evidence Evidence, at time.Time) Revocation {
	return CheckRevocation(RevocationRequest{
		Certificate: cert, Issuer: issuer, At: at, Evidence: evidence, AllowSHA1: r.AllowSHA1,
	})
}

func (r *collection) note(cert *x509.Certificate, status Revocation) {
	if status.Status == RevocationRevoked && r.revoked == nil {
		r.revoked = &RevokedError{Certificate: cert, At: status.RevokedAt, Reason: status.Reason}
	}
}

// UnusableError says why an answer was not taken.
type UnusableError struct{ Why RevocationWhy }

// Error implements error.
func (e *UnusableError) Error() string { return "answer not usable: " + string(e.Why) }
