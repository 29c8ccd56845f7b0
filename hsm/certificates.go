package hsm

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/miekg/pkcs11"
)

const (
	// maxCertificates and maxCertificate bound what is read of a token: a
	// person's has a few certificates of about 2 kB.
	maxCertificates = 200
	maxCertificate  = 16 << 10
)

// certificateReader is a backend that shows the certificates it keeps.
type certificateReader interface {
	// certificates lists them in the order of the token.
	certificates(ctx context.Context) ([]wireCertificate, error)
}

// wireCertificate is a certificate in a response.
type wireCertificate struct {
	Label string `json:"label"`
	ID    []byte `json:"id"`
	DER   []byte `json:"der"`
}

// TokenCertificate is a certificate that a token keeps.
type TokenCertificate struct {
	Label string
	// ID is CKA_ID in hex: that of the private key where it has one there.
	ID          string
	Certificate *x509.Certificate
}

// Certificates lists what the tokens of the worker keep of certificates, those
// of authorities too. What cannot be read as X.509 is left out.
func (c *Client) Certificates(ctx context.Context) ([]TokenCertificate, error) {
	resp, _, err := c.do(ctx, request{Op: opCertificates}, max(c.maxWait, objectWait))
	if err != nil {
		return nil, fmt.Errorf("certificates of the token: %w", err)
	}
	var out []TokenCertificate
	for _, w := range resp.Certificates {
		cert, err := x509.ParseCertificate(w.DER)
		if err == nil {
			out = append(out, TokenCertificate{Label: w.Label, ID: hex.EncodeToString(w.ID), Certificate: cert})
		}
	}
	return out, nil
}

// certificates lists the certificates of all active tokens.
func (s *tokenSet) certificates(ctx context.Context) ([]wireCertificate, error) {
	s.objects.Lock()
	defer s.objects.Unlock()
	var out []wireCertificate
	for _, m := range s.members {
		reader, ok := m.active().(certificateReader)
		if !ok {
			continue
		}
		list, err := reader.certificates(ctx)
		if err != nil {
			s.failed(m, err)
			return nil, fmt.Errorf("token %q: %w", m.cfg.name, err)
		}
		out = append(out, list...)
	}
	return out[:min(len(out), maxCertificates)], nil
}

func (t *token) certificates(ctx context.Context) ([]wireCertificate, error) {
	t.objects.Lock()
	defer t.objects.Unlock()
	var out []wireCertificate
	err := t.attempt(ctx, func() error {
		out = nil
		handles, err := t.findAll([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE)})
		if err != nil {
			return err
		}
		for _, h := range handles[:min(len(handles), maxCertificates)] {
			attrs := t.attributes(h, pkcs11.CKA_LABEL, pkcs11.CKA_ID, pkcs11.CKA_VALUE)
			if attrs != nil && len(attrs[2]) <= maxCertificate {
				out = append(out, wireCertificate{Label: string(attrs[0]), ID: attrs[1], DER: attrs[2]})
			}
		}
		return nil
	})
	return out, err
}
