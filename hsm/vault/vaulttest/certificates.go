package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// makeCertificates makes a CA, the server's certificate and a client's.
func (s *Server) makeCertificates() {
	s.tb.Helper()
	caKey, ca := s.certificate("Test CA of Vault", nil, nil)
	s.CAFile = s.write("ca.pem", encode("CERTIFICATE", ca.Raw))
	serverKey, server := s.certificate("vault.test", ca, caKey)
	s.write("server.pem", encode("CERTIFICATE", server.Raw))
	s.write("server.key", encodeKey(s.tb, serverKey))
	clientKey, client := s.certificate("antin key worker", ca, caKey)
	s.ClientCert = s.write("client.pem", encode("CERTIFICATE", client.Raw))
	s.ClientKey = s.write("client.key", encodeKey(s.tb, clientKey))
}

// OtherCA writes the certificate of a CA that did not vouch for the server.
func (s *Server) OtherCA() string {
	s.tb.Helper()
	_, ca := s.certificate("Another CA", nil, nil)
	return s.write("other-ca.pem", encode("CERTIFICATE", ca.Raw))
}

// certificate makes a key and its certificate; a CA when issuer is nil.
func (s *Server) certificate(name string, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	s.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.tb.Fatalf("key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: issuer == nil, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"vault.test"},
	}
	if issuer == nil {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
		template.IPAddresses, template.DNSNames = nil, nil
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		s.tb.Fatalf("certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.tb.Fatalf("certificate: %v", err)
	}
	return key, cert
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(tb testing.TB, key *ecdsa.PrivateKey) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("encode key: %v", err)
	}
	return encode("PRIVATE KEY", der)
}

// freePort finds a port of the loopback address that nobody uses.
func freePort(tb testing.TB) int {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("find a port: %v", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
