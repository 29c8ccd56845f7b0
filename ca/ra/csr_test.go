package ra

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"testing"
)

// request is a PKCS#10 request of a new key, in DER.
func request(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "máy chủ"}, DNSNames: []string{"a.example"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func asPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestRequestsAreReadInBothFormsAndOnlyWithProofOfPossession(t *testing.T) {
	der := request(t)
	forged := bytes.Clone(der)
	forged[len(forged)-1] ^= 1
	for _, c := range []struct {
		name string
		in   []byte
		ok   bool
	}{
		{"DER", der, true},
		{"PEM", asPEM("CERTIFICATE REQUEST", der), true},
		{"PEM of the older name", asPEM("NEW CERTIFICATE REQUEST", der), true},
		{"PEM of something else", asPEM("CERTIFICATE", der), false},
		{"a signature that does not fit", forged, false},
		{"bytes after the request", append(bytes.Clone(der), 0), false},
		{"half of it", der[:len(der)/2], false},
		{"nothing", nil, false},
		{"more than the limit", make([]byte, maxCSR+1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			csr, err := readCSR(c.in)
			if c.ok != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if !c.ok && !errors.Is(err, ErrForm) {
				t.Errorf("error %v is not of the form", err)
			}
			if c.ok && csr.Subject.CommonName != "máy chủ" {
				t.Errorf("read %s", csr.Subject)
			}
		})
	}
}

func FuzzReadCSR(f *testing.F) {
	der := request(f)
	f.Add(der)
	f.Add(asPEM("CERTIFICATE REQUEST", der))
	f.Fuzz(func(t *testing.T, b []byte) {
		csr, err := readCSR(b)
		if err == nil && csr.CheckSignature() != nil {
			t.Error("a request without proof of possession was read")
		}
	})
}
