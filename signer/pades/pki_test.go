package pades_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/internal/trust"
)

// pki is a small authority with everything a B-LT signature needs. Its
// time-stamp authority is OpenSSL's, so tokens come from another hand.
type pki struct {
	dir                    string
	root, ec, rsa, tsa     *x509.Certificate
	responder              *x509.Certificate
	rootKey, ecKey, ocspKy *ecdsa.PrivateKey
	rsaKey                 *rsa.PrivateKey
	collected              int
}

func newPKI(tb testing.TB) *pki {
	tb.Helper()
	p := &pki{dir: tb.TempDir()}
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	var err error
	p.rootKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.ecKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.ocspKy, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.rsaKey, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	tsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	serial := int64(0)
	issue := func(name string, public any, change func(*x509.Certificate)) *x509.Certificate {
		serial++
		t := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Ủy ban nhân dân tỉnh"}},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(3, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		}
		change(t)
		parent := p.root
		if parent == nil {
			parent = t
		}
		der, err := x509.CreateCertificate(rand.Reader, t, parent, public, p.rootKey)
		must(err)
		cert, err := x509.ParseCertificate(der)
		must(err)
		return cert
	}
	p.root = issue("Gốc thử", p.rootKey.Public(), func(t *x509.Certificate) {
		t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	})
	p.ec = issue("Nguyễn Văn A", p.ecKey.Public(), func(*x509.Certificate) {})
	p.rsa = issue("Trần Thị B", p.rsaKey.Public(), func(*x509.Certificate) {})
	p.responder = issue("OCSP", p.ocspKy.Public(), func(t *x509.Certificate) {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	})
	p.tsa = issue("TSA", tsaKey.Public(), func(t *x509.Certificate) {
		t.KeyUsage = x509.KeyUsageDigitalSignature
		t.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 8}}}
	})
	write := func(name, kind string, der []byte) {
		must(os.WriteFile(filepath.Join(p.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	key, err := x509.MarshalPKCS8PrivateKey(tsaKey)
	must(err)
	write("tsa.key", "PRIVATE KEY", key)
	write("tsa.pem", "CERTIFICATE", p.tsa.Raw)
	write("root.pem", "CERTIFICATE", p.root.Raw)
	must(os.WriteFile(filepath.Join(p.dir, "serial"), []byte("01\n"), 0o600))
	must(os.WriteFile(filepath.Join(p.dir, "ts.cnf"), []byte("[tsa]\ndefault_tsa=t\n[t]\nserial="+p.dir+"/serial\nsigner_cert="+p.dir+"/tsa.pem\nsigner_key="+p.dir+"/tsa.key\ncerts="+p.dir+"/root.pem\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha384,sha512\ness_cert_id_alg=sha256\n"), 0o600))
	return p
}

// timestamp asks OpenSSL for a token.
func (p *pki) timestamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	name := map[crypto.Hash]string{crypto.SHA256: "-sha256", crypto.SHA384: "-sha384", crypto.SHA512: "-sha512"}[h]
	query, token := filepath.Join(p.dir, "q.tsq"), filepath.Join(p.dir, "token.der")
	out, err := exec.CommandContext(ctx, "openssl", "ts", "-query", "-digest", hex.EncodeToString(digest), name, "-cert", "-out", query).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("openssl ts -query: %w: %s", err, out)
	}
	out, err = exec.CommandContext(ctx, "openssl", "ts", "-reply", "-config", filepath.Join(p.dir, "ts.cnf"), "-queryfile", query, "-token_out", "-out", token).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("openssl ts -reply: %w: %s", err, out)
	}
	return os.ReadFile(token)
}

// collect answers with OCSP for signers and a CRL for all others.
func (p *pki) collect(_ context.Context, chain []*x509.Certificate) (trust.Evidence, error) {
	p.collected++
	e := trust.Evidence{Certificates: []*x509.Certificate{p.root}}
	now := time.Now()
	if chain[0].Equal(p.ec) || chain[0].Equal(p.rsa) {
		der, err := ocsp.CreateResponse(p.root, p.responder, ocsp.Response{
			Status: ocsp.Good, SerialNumber: chain[0].SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Certificate: p.responder,
		}, p.ocspKy)
		if err != nil {
			return e, err
		}
		e.AddOCSP(der)
		return e, nil
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, p.root, p.rootKey)
	if err != nil {
		return e, err
	}
	e.AddCRL(der)
	return e, nil
}
