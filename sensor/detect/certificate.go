package detect

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// roots are whom certificates may come from.
type roots struct {
	// ours is nil when no authority is configured; system are the machine's.
	ours, system *x509.CertPool
}

// maxCA bounds a file of authorities.
const maxCA = 4 << 20

func readRoots(files []string) (*roots, error) {
	r := &roots{}
	if len(files) == 0 {
		return r, nil
	}
	r.ours = x509.NewCertPool()
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("detect.certificates.ca: %w", err)
		}
		if info.Size() > maxCA {
			return nil, fmt.Errorf("%w: detect.certificates.ca: %s is longer than %d bytes", ErrConfig, name, maxCA)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("detect.certificates.ca: %w", err)
		}
		n := 0
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("detect.certificates.ca: %s: %w", name, err)
			}
			r.ours.AddCert(cert)
			n++
		}
		if n == 0 {
			return nil, fmt.Errorf("%w: detect.certificates.ca: no certificate in %s", ErrConfig, name)
		}
	}
	// Without the machine's list every public certificate is foreign.
	system, err := x509.SystemCertPool()
	if err == nil {
		r.system = system
	}
	return r, nil
}

// Certificate is what a server showed.
type Certificate struct {
	Flow *Flow
	// Chain is DER, the server's own first.
	Chain               [][]byte
	Subject, Issuer     string
	NotBefore, NotAfter time.Time
	SNI                 string
}

// certificateRepeat: a server's certificate is told once a day.
const certificateRepeat = 24 * time.Hour

// Certificate takes the certificate of a server inside.
func (e *Engine) Certificate(c *Certificate) []Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := c.Flow
	e.begin(f.Last)
	if !e.home.has(f.Server.Addr()) || len(c.Chain) == 0 {
		return e.out
	}
	say := func(k Kind, vi, en string) {
		found := f.finding(k)
		found.Vi, found.En = fmt.Sprintf(vi, f.Server), fmt.Sprintf(en, f.Server)
		found.Fields = []Field{
			{"subject", c.Subject}, {"issuer", c.Issuer}, {"not_before", c.NotBefore}, {"not_after", c.NotAfter}, {"sni", c.SNI},
			{"threshold", 1}, {"window", certificateRepeat}, {"examples", []string{f.Client.Addr().String()}},
		}
		e.tell(f.Server.String(), certificateRepeat, found)
	}
	if !c.NotAfter.IsZero() && (f.Last.After(c.NotAfter) || f.Last.Before(c.NotBefore)) {
		say(certificateExpired(), "Chứng thư của %s không trong thời hạn", "The certificate of %s is not within its time")
	}
	if e.roots.ours == nil {
		return e.out
	}
	ours := c.leadsTo(e.roots.ours)
	switch {
	case ours:
	case e.must.has(f.Server.Addr()):
		say(certificateNotOurs(), "%s phải dùng chứng thư do CA của tỉnh cấp", "%s must have a certificate of the province's authority")
	case e.roots.system == nil || !c.leadsTo(e.roots.system):
		say(certificateForeign(), "Chứng thư của %s không do CA được biết cấp", "The certificate of %s is of no known authority")
	}
	return e.out
}

// leadsTo reports whether the chain ends in one of the pool (RFC 5280 §6);
// the time is another detector's matter.
func (c *Certificate) leadsTo(pool *x509.CertPool) bool {
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return false
	}
	between := x509.NewCertPool()
	for _, der := range c.Chain[1:] {
		cert, err := x509.ParseCertificate(der)
		if err == nil {
			between.AddCert(cert)
		}
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CurrentTime: leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2),
	})
	return err == nil
}
