package app_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca/ra"
)

// issue enrols a person with a new key and returns the certificate, its issuer
// and both as PEM files.
func (p *platform) issue(t *testing.T, label string) (leaf, issuer *x509.Certificate, leafFile, issuerFile string) {
	t.Helper()
	_, err := p.sys.Keys.Generate(t.Context(), label, "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := p.sys.Enrol(t.Context(), "minh.pq", "thu.vt", ra.Form{Profile: "official", PersonID: "p-lan", KeyLabel: label})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err = cert.X509()
	if err != nil {
		t.Fatal(err)
	}
	chain, err := p.sys.CA.Chain(leaf)
	if err != nil || len(chain) != 3 {
		t.Fatalf("chain of %d: %v", len(chain), err)
	}
	dir := t.TempDir()
	leafFile = writeFile(t, filepath.Join(dir, "leaf.pem"), pemOf(leaf))
	issuerFile = writeFile(t, filepath.Join(dir, "issuer.pem"), pemOf(chain[1]))
	return leaf, chain[1], leafFile, issuerFile
}

func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// revocationLimit is how soon after the act every answer must tell it.
const revocationLimit = time.Second

func (p *platform) testRevocation(t *testing.T) {
	leaf, _, leafFile, issuerFile := p.issue(t, "test-revocation")
	_, root := p.authorities(t)
	ask := func() string {
		got := tool(t, "openssl", "ocsp", "-issuer", issuerFile, "-cert", leafFile, "-url", leaf.OCSPServer[0], "-CAfile", root, "-verify_other", issuerFile)
		wantText(t, got.err, "Response verify OK")
		return got.out
	}
	wantText(t, ask(), leafFile+": good")
	revoked := p.antinWith(t, p.as(t, "thu.vt"), "ca", "revoke", leaf.SerialNumber.Text(16), "--cause", "key-exposed", "--as", "thu.vt", "--json").want(t, 0)
	since := time.Now()
	for {
		answer := ask()
		if strings.Contains(answer, leafFile+": revoked") {
			wantText(t, answer, "Reason: keyCompromise")
			break
		}
		if time.Since(since) > revocationLimit {
			t.Fatalf("%s after the revocation: %s", time.Since(since), answer)
		}
	}
	t.Logf("openssl ocsp says revoked %s after antin ca revoke ended", time.Since(since).Round(time.Millisecond))
	var row struct {
		RevokeIndex *uint64 `json:"revoke_index"`
	}
	revoked.decode(t, &row)
	if row.RevokeIndex == nil {
		t.Fatal("the revocation has no place in the ledger")
	}
	entry, err := p.sys.Ledger.Entry(t.Context(), *row.RevokeIndex)
	if err != nil || !strings.HasPrefix(entry.Kind, "ca.") || entry.Actor != "thu.vt" {
		t.Errorf("ledger entry of the revocation: %+v, %v", entry, err)
	}
	p.listed(t, leaf, leafFile, issuerFile, root)
}

// listed checks that openssl finds the certificate in the list that it names.
func (p *platform) listed(t *testing.T, leaf *x509.Certificate, leafFile, issuerFile, root string) {
	t.Helper()
	got := p.verifyByList(t, leaf, leafFile, issuerFile, root)
	if got.status == 0 || !strings.Contains(got.out+got.err, "certificate revoked") {
		t.Errorf("openssl verify -crl_check of a revoked certificate: %d %s%s", got.status, got.out, got.err)
	}
}

func (p *platform) verifyByList(t *testing.T, leaf *x509.Certificate, leafFile, issuerFile, root string) outcome {
	t.Helper()
	status, der, _ := fetch(t, http.DefaultClient, leaf.CRLDistributionPoints[0])
	if status != http.StatusOK {
		t.Fatalf("CRL: %d", status)
	}
	list := writeFile(t, filepath.Join(t.TempDir(), "list.pem"), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
	return tool(t, "openssl", "verify", "-crl_check", "-CAfile", root, "-untrusted", issuerFile, "-CRLfile", list, leafFile)
}

func (p *platform) testOpenSSL(t *testing.T) {
	leaf, issuer, leafFile, issuerFile := p.issue(t, "test-openssl")
	dir, root := p.authorities(t)
	got := p.verifyByList(t, leaf, leafFile, issuerFile, root)
	if got.status != 0 {
		t.Errorf("openssl verify -crl_check: %s%s", got.out, got.err)
	}
	status, der, _ := fetch(t, http.DefaultClient, leaf.IssuingCertificateURL[0])
	if status != http.StatusOK || !bytes.Equal(der, issuer.Raw) {
		t.Errorf("AIA %s: %d, %d bytes", leaf.IssuingCertificateURL[0], status, len(der))
	}
	p.stamp(t, dir, root)
}

// stamp has openssl ask for a time-stamp and verify it (RFC 3161).
func (p *platform) stamp(t *testing.T, authorities, root string) {
	t.Helper()
	dir := t.TempDir()
	data := writeFile(t, filepath.Join(dir, "data"), []byte("văn bản"))
	query, answer, others := filepath.Join(dir, "q"), filepath.Join(dir, "a"), filepath.Join(dir, "others.pem")
	tool(t, "openssl", "ts", "-query", "-data", data, "-sha256", "-cert", "-out", query).want(t, 0)
	response, err := http.Post("http://"+p.addr.PKI+"/tsa", "application/timestamp-query", bytes.NewReader(readFile(t, query)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("TSA: %d %v", response.StatusCode, err)
	}
	writeFile(t, answer, body.Bytes())
	names, err := filepath.Glob(filepath.Join(authorities, "*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range names {
		all = append(all, readFile(t, name)...)
	}
	writeFile(t, others, all)
	got := tool(t, "openssl", "ts", "-verify", "-data", data, "-in", answer, "-CAfile", root, "-untrusted", others).want(t, 0)
	wantText(t, got.out+got.err, "Verification: OK")
	err = os.WriteFile(data, []byte("văn bản khác"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	changed := tool(t, "openssl", "ts", "-verify", "-data", data, "-in", answer, "-CAfile", root, "-untrusted", others)
	if changed.status == 0 {
		t.Error("the time-stamp of one document holds for another")
	}
}

func (p *platform) testTwoPeople(t *testing.T) {
	p.antin(t, "hsm", "key", "generate", "test-two-people").want(t, 0)
	minh, thu := p.as(t, "minh.pq"), p.as(t, "thu.vt")
	var request struct{ ID, State string }
	p.antinWith(t, minh, "ca", "request", "--as", "minh.pq", "--profile", "official", "--person", "p-lan", "--key", "test-two-people", "--json").want(t, 0).decode(t, &request)
	own := p.antinWith(t, minh, "ca", "approve", "--as", "minh.pq", request.ID).want(t, 3)
	wantText(t, own.err, "same-person")
	early := p.antinWith(t, thu, "ca", "issue", "--as", "thu.vt", request.ID)
	if early.status == 0 {
		t.Error("a request was issued before its approval")
	}
	impostor := p.antinWith(t, minh, "ca", "approve", "--as", "thu.vt", request.ID)
	if impostor.status == 0 {
		t.Error("one person's password opened another's account")
	}
	p.antinWith(t, thu, "ca", "approve", "--as", "thu.vt", request.ID).want(t, 0)
	file := filepath.Join(t.TempDir(), "cert.pem")
	var cert struct{ Serial, Actor string }
	p.antinWith(t, thu, "ca", "issue", "--as", "thu.vt", request.ID, "-o", file, "--json").want(t, 0).decode(t, &cert)
	if cert.Serial == "" || cert.Actor != "thu.vt" {
		t.Errorf("issued %+v", cert)
	}
	text := tool(t, "openssl", "x509", "-in", file, "-noout", "-serial").want(t, 0)
	wantText(t, strings.ToLower(text.out), strings.ToLower(strings.TrimLeft(cert.Serial, "0")))
	refused := p.antinWith(t, p.as(t, "binh.nv"), "ca", "revoke", cert.Serial, "--cause", "resigned", "--as", "binh.nv")
	if refused.status != 3 {
		t.Errorf("an official revoked a certificate: %d %s", refused.status, refused.err)
	}
	p.antinWith(t, minh, "ca", "revoke", cert.Serial, "--cause", "resigned", "--as", "minh.pq").want(t, 0)
}
