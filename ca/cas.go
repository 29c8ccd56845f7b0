package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"

	casapi "github.com/smallstep/certificates/cas/apiv1"
)

// signingService is the signing service under smallstep's authority. It signs
// only what this process prepared: each order waits under the very request
// that is given to smallstep, and is redeemed once.
type signingService struct {
	engine *engine

	mu      sync.Mutex
	waiting map[*x509.CertificateRequest]*pending // guarded by mu
	made    map[string]string                     // digest by serial number; guarded by mu
}

// pending is an order on its way through smallstep's pipeline, and what became
// of it. The interface of the signing service carries no context, so the
// order carries it.
type pending struct {
	ctx    context.Context
	order  order
	result *Certificate
	err    error
}

func newSigningService(e *engine) *signingService {
	return &signingService{engine: e, waiting: make(map[*x509.CertificateRequest]*pending), made: make(map[string]string)}
}

func (s *signingService) prepare(csr *x509.CertificateRequest, p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[csr] = p
}

// redeem takes the order out; a second try finds nothing.
func (s *signingService) redeem(csr *x509.CertificateRequest) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.waiting[csr]
	delete(s.waiting, csr)
	return p
}

// remember keeps what was recorded as issued until smallstep lets it go.
func (s *signingService) remember(c *Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[c.Serial] = c.SHA256
}

// recorded says, once, whether the certificate was made here and recorded.
func (s *signingService) recorded(serial, digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	made, known := s.made[serial]
	delete(s.made, serial)
	return known && made == digest
}

// CreateCertificate makes the prepared certificate. Serial number, issuer,
// extensions and dates are ours; what came through the pipeline must be the
// prepared content, otherwise nothing is signed.
func (s *signingService) CreateCertificate(req *casapi.CreateCertificateRequest) (*casapi.CreateCertificateResponse, error) {
	p := s.redeem(req.CSR)
	if p == nil {
		return nil, ErrNotPrepared
	}
	if !sameContent(req.Template, p.order.template) {
		p.err = fmt.Errorf("%w: the pipeline changed the content", ErrNotPrepared)
		return nil, p.err
	}
	p.result, p.err = s.engine.certify(p.ctx, p.order)
	if p.err != nil {
		return nil, p.err
	}
	cert, err := p.result.X509()
	if err != nil {
		p.err = err
		return nil, err
	}
	s.remember(p.result)
	return &casapi.CreateCertificateResponse{Certificate: cert, CertificateChain: []*x509.Certificate{p.order.issuer.cert}}, nil
}

// RenewCertificate refuses: a renewal is a new request with its own approval.
func (s *signingService) RenewCertificate(*casapi.RenewCertificateRequest) (*casapi.RenewCertificateResponse, error) {
	return nil, fmt.Errorf("%w: renewal goes through registration", ErrNotPrepared)
}

// RevokeCertificate refuses: a revocation needs its cause and its actor, which
// this call does not carry. See Service.Revoke.
func (s *signingService) RevokeCertificate(*casapi.RevokeCertificateRequest) (*casapi.RevokeCertificateResponse, error) {
	return nil, fmt.Errorf("%w: revocation goes through the register", ErrNotPrepared)
}

// sameContent compares what the pipeline could have changed.
func sameContent(got, want *x509.Certificate) bool {
	if !samePublicKey(got.PublicKey, want.PublicKey) || len(got.ExtraExtensions) != len(want.ExtraExtensions) || len(got.Extensions) != 0 {
		return false
	}
	for i, e := range want.ExtraExtensions {
		g := got.ExtraExtensions[i]
		if !g.Id.Equal(e.Id) || g.Critical != e.Critical || !slices.Equal(g.Value, e.Value) {
			return false
		}
	}
	return slices.Equal(got.RawSubject, want.RawSubject) && slices.Equal(got.SubjectKeyId, want.SubjectKeyId) &&
		got.NotBefore.Equal(want.NotBefore) && got.NotAfter.Equal(want.NotAfter) &&
		got.KeyUsage == want.KeyUsage && got.IsCA == want.IsCA && got.BasicConstraintsValid == want.BasicConstraintsValid &&
		slices.Equal(got.DNSNames, want.DNSNames) && slices.Equal(got.EmailAddresses, want.EmailAddresses) &&
		slices.EqualFunc(got.IPAddresses, want.IPAddresses, net.IP.Equal) &&
		slices.EqualFunc(got.URIs, want.URIs, func(a, b *url.URL) bool { return a.String() == b.String() }) &&
		slices.Equal(got.CRLDistributionPoints, want.CRLDistributionPoints) && slices.Equal(got.OCSPServer, want.OCSPServer) &&
		slices.Equal(got.IssuingCertificateURL, want.IssuingCertificateURL) && slices.EqualFunc(got.Policies, want.Policies, x509.OID.Equal) &&
		len(got.ExtKeyUsage) == len(want.ExtKeyUsage) && len(got.UnknownExtKeyUsage) == len(want.UnknownExtKeyUsage)
}
