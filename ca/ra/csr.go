package ra

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strings"
)

// maxCSR holds a request with an RSA-4096 key and many names.
const maxCSR = 32 << 10

// reservedPrefixes are the labels of the system's own keys, which no holder
// may have certified in their name.
func reservedPrefixes() []string { return []string{"ca-", "ledger", "system-"} }

// readCSR reads and checks a PKCS#10 request, DER or PEM.
func readCSR(b []byte) (*x509.CertificateRequest, error) {
	if len(b) > maxCSR {
		return nil, fmt.Errorf("%w: request over %d bytes", ErrForm, maxCSR)
	}
	block, _ := pem.Decode(b)
	if block != nil {
		if block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("%w: PEM of %q", ErrForm, block.Type)
		}
		b = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	err = csr.CheckSignature()
	if err != nil {
		return nil, fmt.Errorf("%w: no proof of possession: %w", ErrForm, err)
	}
	return csr, nil
}

// tokenCSR has the token's key sign a request for itself.
func (d *Desk) tokenCSR(ctx context.Context, label string) ([]byte, error) {
	err := checkLabel(label)
	if err != nil {
		return nil, err
	}
	return d.signCSR(ctx, label)
}

func checkLabel(label string) error {
	for _, prefix := range reservedPrefixes() {
		if strings.HasPrefix(label, prefix) {
			return fmt.Errorf("%w: %q is a key of the system", ErrKeyUsed, label)
		}
	}
	return nil
}

func (d *Desk) signCSR(ctx context.Context, label string) ([]byte, error) {
	signer, err := d.cfg.Keys.Signer(ctx, label)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", label, err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: label}}, signer)
	if err != nil {
		return nil, fmt.Errorf("request by key %s: %w", label, err)
	}
	return der, nil
}
