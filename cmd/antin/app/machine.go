package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/trust"
)

// renewMachine is how long before its end a machine's certificate is renewed.
const renewMachine = 30 * 24 * time.Hour

// Machine is a certificate of a machine of the system's own: its key lies in a
// file of mode 0600, because a TLS server needs it at every start.
type Machine struct {
	Name     string // file name in the folder tls
	Profile  string // "service", "client" or "sensor"
	AgencyID string
	DNSNames []string
	IPs      []net.IP
}

// Files returns the paths of the certificate chain and of the key.
func (s *System) Files(m Machine) (chain, key string) {
	return s.Path(dirTLS, m.Name+".crt"), s.Path(dirTLS, m.Name+".key")
}

// Certify makes the machine's key and certificate, or renews the certificate
// when it is about to end, and returns both for TLS.
func (s *System) Certify(ctx context.Context, m Machine) (tls.Certificate, error) {
	chainPath, keyPath := s.Files(m)
	pair, err := tls.LoadX509KeyPair(chainPath, keyPath)
	if err == nil && s.Clock.Now().Add(renewMachine).Before(pair.Leaf.NotAfter) && carries(pair.Leaf, m) {
		return pair, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return tls.Certificate{}, fmt.Errorf("certificate of %s: %w", m.Name, err)
	}
	// A pair that is missing, or of two halves because its writer died between
	// them, is made anew; so is one that lacks a name of today's configuration.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: m.Name}, DNSNames: m.DNSNames, IPAddresses: m.IPs}, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("request of %s: %w", m.Name, err)
	}
	issued, err := s.CA.IssueService(ctx, ca.ServiceForm{
		Profile: m.Profile, Machine: m.Name, AgencyID: m.AgencyID, DNSNames: m.DNSNames, IPs: m.IPs, CSR: csr, Actor: "system:up",
	})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certify %s: %w", m.Name, err)
	}
	leaf, err := issued.X509()
	if err != nil {
		return tls.Certificate{}, err
	}
	chain, err := s.chainPEM(leaf)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	err = errors.Join(atomicfile.WriteBytes(keyPath, 0o600, keyPEM), atomicfile.WriteBytes(chainPath, 0o644, chain))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, keyPEM)
}

// carries says whether the certificate is for every name of the machine.
func carries(leaf *x509.Certificate, m Machine) bool {
	for _, name := range m.DNSNames {
		if leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return !slices.ContainsFunc(m.IPs, func(ip net.IP) bool { return leaf.VerifyHostname(ip.String()) != nil })
}

// chainPEM is the certificate and its issuers, the root last.
func (s *System) chainPEM(leaf *x509.Certificate) ([]byte, error) {
	chain, err := s.CA.Chain(leaf)
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, cert := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return text, nil
}

// machines verifies the clients of our TLS servers: below the issuer of
// machines alone, so that an official's certificate opens nothing. Revocation
// is asked of the register of certificates (checkMachine), which knows it
// before any list does: by the bus when a connection is made, by the gateway at
// every request, where a refusal can be recorded.
func (s *System) machines() (*trust.Peers, error) {
	store, err := trust.NewStore(s.CA.IssuersOf(ca.ServiceName), nil)
	if err != nil {
		return nil, fmt.Errorf("certificates of the authority %s: %w", ca.ServiceName, err)
	}
	return &trust.Peers{Store: store, Clock: s.Clock}, nil
}

// errRevoked means that a machine's certificate no longer stands.
var errRevoked = errors.New("certificate revoked or unknown")

// checkMachine asks the register of certificates whether a machine's
// certificate stands; it is our own, so no OCSP is needed. A register that does
// not answer lets nobody in.
func (s *System) checkMachine(ctx context.Context, cert *x509.Certificate) error {
	ctx = auth.WithSubject(ctx, auth.Subject{AccountID: "system:gateway"})
	row, err := s.CA.Get(ctx, profile.FormatSerial(cert.SerialNumber))
	if err != nil {
		return err
	}
	if row.State != ca.StateIssued || row.RevokedAt != nil {
		return errRevoked
	}
	return nil
}

// IssueRequest issues an approved request and binds the certificate to its key
// in the register, when the key is in the token.
func (s *System) IssueRequest(ctx context.Context, id string) (*ca.Certificate, error) {
	request, err := s.CA.GetRequest(ctx, id)
	if err != nil {
		return nil, err
	}
	if request.Kind.Certifies() && request.KeyLabel != "" && request.Serial != "" {
		// Issued before: what may be missing is the binding, when a process
		// ended between the two.
		_, err = s.Register.Get(ctx, request.KeyLabel)
		if errors.Is(err, hsm.ErrNotFound) {
			return s.bindIssued(ctx, request)
		}
		if err != nil {
			return nil, err
		}
	}
	cert, err := s.CA.Issue(ctx, id)
	if err != nil {
		return nil, err
	}
	if request.KeyLabel == "" || !request.Kind.Certifies() {
		return cert, nil
	}
	return cert, s.bind(ctx, request, cert)
}

// RunBulk carries out an approved file of requests; certificates of keys in the
// token are bound to them.
func (s *System) RunBulk(ctx context.Context, id string, run ra.Run) (*ra.Job, error) {
	return s.CA.RunBulk(ctx, id, run, func(ctx context.Context, r *ra.Request, c *ca.Certificate) error {
		if r.KeyLabel == "" {
			return nil
		}
		return s.bind(ctx, r, c)
	})
}

func (s *System) bindIssued(ctx context.Context, request *ra.Request) (*ca.Certificate, error) {
	cert, err := s.CA.Get(ctx, request.Serial)
	if err != nil {
		return nil, err
	}
	return cert, s.bind(ctx, request, cert)
}

func (s *System) bind(ctx context.Context, request *ra.Request, cert *ca.Certificate) error {
	leaf, err := cert.X509()
	if err != nil {
		return err
	}
	chain, err := s.chainPEM(leaf)
	if err != nil {
		return err
	}
	err = s.Register.Bind(ctx, hsm.Entry{Name: request.KeyLabel, Label: request.KeyLabel, Chain: string(chain), PersonID: request.PersonID, AgencyID: request.AgencyID})
	if err != nil {
		return fmt.Errorf("bind certificate %s to its key: %w", cert.Serial, err)
	}
	return nil
}

// KeyLine is a key of the token with what the register knows of it.
type KeyLine struct {
	Label     string `json:"label"`
	Algorithm string `json:"algorithm"`
	Name      string `json:"name,omitempty"`
	Holder    string `json:"holder,omitempty"`
	Until     string `json:"certificate_until,omitempty"`
}

// ListKeys lists the keys of the token.
func (s *System) ListKeys(ctx context.Context) ([]KeyLine, error) {
	keys, err := s.Keys.Keys(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := s.Register.List(ctx)
	if err != nil {
		return nil, err
	}
	lines := make([]KeyLine, 0, len(keys))
	for _, key := range keys {
		line := KeyLine{Label: key.Label, Algorithm: key.Algorithm}
		for _, entry := range entries {
			if entry.Label != key.Label || entry.Chain == "" {
				continue
			}
			chain, err := entry.Certificates()
			if err != nil {
				return nil, err
			}
			line.Name, line.Holder, line.Until = entry.Name, chain[0].Subject.CommonName, chain[0].NotAfter.Format("2006-01-02")
		}
		lines = append(lines, line)
	}
	return lines, nil
}
