package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

// peerTimeout bounds the judgement of one peer; a handshake waits for it.
const peerTimeout = 5 * time.Second

// ErrNoPeerCertificate is returned when the other side gave no certificate.
var ErrNoPeerCertificate = errors.New("the other side gave no certificate")

// Peers verifies the other side of TLS connections by this package instead of
// crypto/x509: path, purpose, name and revocation.
type Peers struct {
	// Store holds the anchors. On a server it should hold the issuer of the
	// clients alone: below a root everybody's certificates have a path.
	Store *Store
	// Clock tells when peers are judged; nil means the system's.
	Clock clock.Clock
	// Policies and Strength are as in Request.
	Policies Policies
	Strength Strength
	// Revocation says how revocation is asked about; the zero value does not.
	Revocation PeerRevocation
}

// PeerRevocation says where the state of a peer's certificates is known and
// what a state that is not known means.
type PeerRevocation struct {
	// Evidence gets what is known about a path: from a cache, a folder, or
	// the network by Collector.Collect. What came with an error is judged
	// all the same. Nil: not asked.
	Evidence func(ctx context.Context, path *Path) (Evidence, error)
	// AllowUnknown lets a peer in whose state cannot be learned (fail open).
	// False refuses it (fail closed). A revoked one is always refused.
	AllowUnknown bool
	// Check is asked besides, by those who know the certificates otherwise,
	// such as the authority itself by its own register. Its error refuses.
	Check func(ctx context.Context, path *Path) error
}

// Server returns a copy of config that asks every client for a certificate and
// verifies it for clientAuth. config.ClientAuth tls.VerifyClientCertIfGiven or
// tls.RequestClientCert lets clients without one through.
func (p *Peers) Server(config *tls.Config) *tls.Config {
	c := config.Clone()
	optional := c.ClientAuth == tls.VerifyClientCertIfGiven || c.ClientAuth == tls.RequestClientCert
	c.ClientAuth = tls.RequireAnyClientCert
	if optional {
		c.ClientAuth = tls.RequestClientCert
	}
	c.ClientCAs = p.Store.Pool()
	after := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 && !optional {
			return ErrNoPeerCertificate
		}
		if len(state.PeerCertificates) > 0 {
			_, err := p.Verify(context.Background(), state.PeerCertificates, PurposeClient, "")
			if err != nil {
				return err
			}
		}
		if after != nil {
			return after(state)
		}
		return nil
	}
	return c
}

// Client returns a copy of config that verifies the server for serverAuth and
// for the host, a DNS name or an IP address, that is dialled; of several hosts
// it must name one.
func (p *Peers) Client(config *tls.Config, host string, others ...string) *tls.Config {
	c := config.Clone()
	c.ServerName = host
	// The verification of crypto/tls is replaced by the one below, which
	// runs on resumed sessions too.
	c.InsecureSkipVerify = true
	after := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		named := host
		for _, other := range others {
			if len(state.PeerCertificates) > 0 && CheckHost(state.PeerCertificates[0], other) == nil {
				named = other
			}
		}
		_, err := p.Verify(context.Background(), state.PeerCertificates, PurposeServer, named)
		if err != nil {
			return err
		}
		if after != nil {
			return after(state)
		}
		return nil
	}
	return c
}

// DialTLS returns the DialTLSContext of an http.Transport that verifies every
// server it connects to.
func (p *Peers) DialTLS(config *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", address, err)
		}
		dialer := &tls.Dialer{Config: p.Client(config, host)}
		return dialer.DialContext(ctx, network, address)
	}
}

// Verify judges a chain as TLS brings it, leaf first. A host that is not empty
// must be one of the leaf's names. The error is a *PathError.
func (p *Peers) Verify(ctx context.Context, chain []*x509.Certificate, purpose Purpose, host string) (*Path, error) {
	if len(chain) == 0 {
		return nil, ErrNoPeerCertificate
	}
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	leaf := chain[0]
	if host != "" {
		err := CheckHost(leaf, host)
		if err != nil {
			return nil, err
		}
	}
	now := clock.System{}.Now()
	if p.Clock != nil {
		now = p.Clock.Now()
	}
	return p.Store.ValidatePath(ctx, leaf, Request{
		At: now, Purpose: purpose, Intermediates: chain[1:], Policies: p.Policies, Strength: p.Strength,
		Accept: func(ctx context.Context, path *Path) error { return p.unrevoked(ctx, path, now) },
	})
}

// unrevoked applies the rule on revocation to a path.
func (p *Peers) unrevoked(ctx context.Context, path *Path, now time.Time) error {
	rule := p.Revocation
	if rule.Check != nil {
		err := rule.Check(ctx, path)
		if err != nil {
			return &PathError{Reason: PathRevoked, Certificate: path.Leaf(), Err: err}
		}
	}
	if rule.Evidence == nil {
		return nil
	}
	evidence, gathering := rule.Evidence(ctx, path)
	for n, status := range p.Store.CheckPath(ctx, path, RevocationRequest{At: now, Evidence: evidence, Strength: p.Strength}) {
		switch status.Status {
		case RevocationRevoked:
			return &PathError{Reason: PathRevoked, Certificate: path.Certificates[n], Err: errors.New(status.String())}
		case RevocationUnknown:
			if !rule.AllowUnknown {
				return &PathError{Reason: PathNoStatus, Certificate: path.Certificates[n], Err: errors.Join(errors.New(status.String()), gathering)}
			}
		}
	}
	return nil
}

// CheckHost tells whether a certificate names a host: a DNS name or an IP
// address, by subjectAltName alone (RFC 9525). The error is a *PathError.
func CheckHost(cert *x509.Certificate, host string) error {
	err := cert.VerifyHostname(host)
	if err != nil {
		return &PathError{Reason: PathName, Certificate: cert, Err: err}
	}
	return nil
}
