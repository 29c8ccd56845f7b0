package trusttest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/digitorus/timestamp"
	"golang.org/x/crypto/ocsp"
)

// validity of responses and lists.
const validity = 24 * time.Hour

func (p *PKI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+OCSP, p.serveOCSP)
	mux.HandleFunc("GET "+CRL+"{name}", p.serveCRL)
	mux.HandleFunc("GET "+AIA+"{name}", p.serveAIA)
	mux.HandleFunc("POST "+TSA, p.serveTSA)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := false
		for _, service := range []string{OCSP, CRL, AIA, TSA} {
			if strings.HasPrefix(r.URL.Path, service) {
				p.hits[service]++
				down = p.down[service]
			}
		}
		p.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (p *PKI) serveOCSP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := ocsp.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// The root answers for the issuer itself, the delegated responder for
	// everything the issuer made.
	issuer, responder, signer := p.Issuer, p.Responder, p.ResponderKey
	if bytes.Equal(request.IssuerNameHash, digest(request.HashAlgorithm, p.Root.RawSubject)) {
		issuer, responder, signer = p.Root, p.Root, p.RootKey
	}
	der, err := p.OCSPResponse(request.SerialNumber, issuer, responder, signer, request.HashAlgorithm)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(der)
}

// OCSPResponse makes a response for a serial number as of the clock.
func (p *PKI) OCSPResponse(serial *big.Int, issuer, responder *x509.Certificate, signer crypto.Signer, h crypto.Hash) ([]byte, error) {
	now := p.Clock.Now()
	template := ocsp.Response{
		Status: ocsp.Good, SerialNumber: serial, ThisUpdate: now, NextUpdate: now.Add(validity),
		IssuerHash: h,
	}
	p.mu.Lock()
	revoked, ok := p.revoked[key(issuer.RawSubject, serial)]
	p.mu.Unlock()
	if ok && !revoked.at.After(now) {
		template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, revoked.at, revoked.reason
	}
	if responder != issuer {
		template.Certificate = responder
	}
	return ocsp.CreateResponse(issuer, responder, template, signer)
}

func (p *PKI) serveCRL(w http.ResponseWriter, r *http.Request) {
	var issuer *x509.Certificate
	var signer *ecdsa.PrivateKey
	switch r.PathValue("name") {
	case "root.crl":
		issuer, signer = p.Root, p.RootKey
	case "issuer.crl":
		issuer, signer = p.Issuer, p.IssuerKey
	default:
		http.NotFound(w, r)
		return
	}
	der, err := p.CRLFor(issuer, signer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, _ = w.Write(der)
}

// CRLFor makes the issuer's CRL as of the clock.
func (p *PKI) CRLFor(issuer *x509.Certificate, signer crypto.Signer) ([]byte, error) {
	now := p.Clock.Now()
	list := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now, NextUpdate: now.Add(validity)}
	p.mu.Lock()
	for _, revoked := range p.revoked {
		if revoked.issuer != string(issuer.RawSubject) || revoked.at.After(now) {
			continue
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: revoked.serial, RevocationTime: revoked.at, ReasonCode: revoked.reason,
		})
	}
	p.mu.Unlock()
	return x509.CreateRevocationList(rand.Reader, list, issuer, signer)
}

func (p *PKI) serveAIA(w http.ResponseWriter, r *http.Request) {
	switch r.PathValue("name") {
	case "root.cer":
		_, _ = w.Write(p.Root.Raw)
	case "issuer.cer":
		_, _ = w.Write(p.Issuer.Raw)
	default:
		http.NotFound(w, r)
	}
}

func (p *PKI) serveTSA(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := timestamp.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	der, err := p.Stamp(request.HashAlgorithm, request.HashedMessage, request.Nonce)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(der)
}

// Stamp makes a TimeStampResp over a digest as of the clock.
func (p *PKI) Stamp(h crypto.Hash, digest []byte, nonce *big.Int) ([]byte, error) {
	stamp := timestamp.Timestamp{
		HashAlgorithm: h, HashedMessage: digest, Time: p.Clock.Now(), Accuracy: time.Second, Nonce: nonce,
		Policy: p.Policy, AddTSACertificate: true, Certificates: []*x509.Certificate{p.Issuer},
	}
	return stamp.CreateResponseWithOpts(p.TSA, p.TSAKey, crypto.SHA256)
}

func digest(h crypto.Hash, data []byte) []byte {
	sum := h.New()
	sum.Write(data)
	return sum.Sum(nil)
}
