package profile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// Rehearse makes the content of one certificate of each profile, for a holder
// that does not exist, and lints it, so that a profile that no certificate can
// come of is found before somebody waits for one. A profile whose naming rules
// the example does not meet is passed over.
func (s *Set) Rehearse(linter *Linter, policyArc string, now time.Time) error {
	dummy, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("key for the rehearsal: %w", err)
	}
	id, err := SubjectKeyID(dummy.Public())
	if err != nil {
		return err
	}
	issuer := &x509.Certificate{SubjectKeyId: id}
	issuer.Subject = pkix.Name{Country: []string{"VN"}, CommonName: "Rehearsal"}
	at := Place{OCSP: "http://pki.example/ocsp", IssuerURL: "http://pki.example/aia/x.cer", CRL: "http://pki.example/crl/x.crl",
		PolicyArc: policyArc, NotBefore: now}
	for _, p := range s.All() {
		key, err := p.exampleKey()
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, p.Name, err)
		}
		template, err := p.Template(p.example(), key, at)
		if errors.Is(err, ErrFacts) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, p.Name, err)
		}
		template.SerialNumber = new(big.Int).Lsh(big.NewInt(7), SerialBits-8)
		copied, err := LintCopy(template, issuer, dummy)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, p.Name, err)
		}
		_, err = linter.Check(copied.Raw)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, p.Name, err)
		}
	}
	return nil
}

// example is a holder for the rehearsal.
func (p *Profile) example() Facts {
	f := Facts{Organization: "Ủy ban nhân dân tỉnh", AgencyID: "ubnd", AgencyCode: "H00", AgencyName: "Ủy ban nhân dân tỉnh",
		PersonID: "p-1", PersonName: "Nguyễn Văn A", PositionTitle: "Chuyên viên", MachineName: "machine-1", Email: "a@example.vn"}
	if p.Names.DNS {
		f.DNSNames = []string{"machine-1.example.vn"}
	}
	if p.Names.IP {
		f.IPs = []net.IP{net.IPv4(192, 0, 2, 1)}
	}
	return f
}

// exampleKey is a public key of a kind that the profile takes; an elliptic one
// where it can be, because making RSA keys takes long.
func (p *Profile) exampleKey() (any, error) {
	switch {
	case slices.Contains(p.Keys, "EC-P256"):
		return publicOf(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case slices.Contains(p.Keys, "EC-P384"):
		return publicOf(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	}
	for _, bits := range []int{2048, 3072, 4096} {
		if slices.Contains(p.Keys, fmt.Sprintf("RSA-%d", bits)) {
			key, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				return nil, fmt.Errorf("key for the rehearsal: %w", err)
			}
			return key.Public(), nil
		}
	}
	return nil, ErrKey
}

func publicOf(key *ecdsa.PrivateKey, err error) (any, error) {
	if err != nil {
		return nil, fmt.Errorf("key for the rehearsal: %w", err)
	}
	return key.Public(), nil
}
