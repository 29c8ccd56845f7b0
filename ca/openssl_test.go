package ca_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/ca"
)

func get(t *testing.T, address string) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Get(address)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp, body
}

// fetchList gets a list over HTTP and keeps it as PEM for openssl.
func (w *world) fetchList(t *testing.T, name string) string {
	t.Helper()
	resp, der := get(t, w.url+"/crl/"+name+".crl")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/pkix-crl" {
		t.Fatalf("list of %s: %s %s", name, resp.Status, resp.Header.Get("Content-Type"))
	}
	in, out := filepath.Join(w.dir, name+".crl"), filepath.Join(w.dir, name+".crl.txt")
	check(t, os.WriteFile(in, der, 0o600))
	text, err := openssl(t, "crl", "-inform", "DER", "-in", in, "-out", out)
	if err != nil {
		t.Fatalf("openssl crl: %s", text)
	}
	return out
}

func (w *world) ocspText(t *testing.T, leaf string, more ...string) string {
	t.Helper()
	// openssl wants the digest of the CertID before the certificate
	args := append([]string{"ocsp"}, more...)
	args = append(args, "-issuer", w.path("issuer-official.pem"), "-cert", leaf, "-url", w.url+"/ocsp",
		"-CAfile", w.path("root-g1.pem"), "-verify_other", w.path("issuer-official.pem"))
	text, err := openssl(t, args...)
	if err != nil {
		t.Fatalf("openssl ocsp: %v: %s", err, text)
	}
	return text
}

func TestOpenSSLSeesARevocationAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		c := w.official(t, "binh-ec", "EC-P256")
		leaf := w.file(t, c)
		verify := func(flag string) (string, error) {
			return openssl(t, "verify", flag, "-CAfile", w.path("root-g1.pem"), "-untrusted", w.path("issuer-official.pem"),
				"-CRLfile", w.fetchList(t, "g1"), "-CRLfile", w.fetchList(t, "official"), leaf)
		}
		for _, flag := range []string{"-crl_check", "-crl_check_all"} {
			text, err := verify(flag)
			if err != nil {
				t.Errorf("before: %s: %s", flag, text)
			}
		}
		for _, digest := range []string{"-sha1", "-sha256"} {
			text := w.ocspText(t, leaf, digest, "-nonce")
			if !strings.Contains(text, "Response verify OK") || !strings.Contains(text, ": good") || strings.Contains(text, "WARNING") {
				t.Fatalf("before, %s: %s", digest, text)
			}
		}
		revoked, err := w.service.Revoke(as(t, thu), c.Serial, ca.CauseDeviceLost, "")
		check(t, err)
		begin := time.Now()
		text := w.ocspText(t, leaf, "-nonce")
		if !strings.Contains(text, "Response verify OK") || !strings.Contains(text, ": revoked") || !strings.Contains(text, "keyCompromise") {
			t.Fatalf("after: %s", text)
		}
		t.Logf("openssl ocsp says revoked %s after Revoke returned", time.Since(begin).Round(time.Millisecond))
		for _, flag := range []string{"-crl_check", "-crl_check_all"} {
			text, err := verify(flag)
			if err == nil || !strings.Contains(text, "certificate revoked") {
				t.Errorf("after: %s: %v: %s", flag, err, text)
			}
		}
		if revoked.RevokeIndex == nil || revoked.RevocationReason != 1 || revoked.RevokedBy != "thu.vt" {
			t.Errorf("recorded as %+v", revoked)
		}
		report, err := w.service.Audit(t.Context())
		check(t, err)
		if len(report.Findings) != 0 || report.Lists != 8 {
			t.Errorf("audit: %+v", report)
		}
	})
}

func TestStatusOfAuthoritiesIsAnsweredByTheRoot(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	text, err := openssl(t, "ocsp", "-issuer", w.path("root-g1.pem"), "-cert", w.path("issuer-official.pem"), "-cert", w.path("issuer-tsa.pem"),
		"-url", w.url+"/ocsp", "-CAfile", w.path("root-g1.pem"), "-nonce")
	if err != nil || strings.Count(text, ": good") != 2 || !strings.Contains(text, "Response verify OK") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestOpenSSLVerifiesTimeStamps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		data, query, reply := filepath.Join(w.dir, "t.txt"), filepath.Join(w.dir, "t.tsq"), filepath.Join(w.dir, "t.tsr")
		check(t, os.WriteFile(data, []byte("Quyết định\n"), 0o600))
		all := filepath.Join(w.dir, "all.pem")
		var certs bytes.Buffer
		for _, text := range w.service.Export() {
			certs.Write(text)
		}
		check(t, os.WriteFile(all, certs.Bytes(), 0o600))
		for _, c := range []struct{ name, digest, cert string }{
			{"SHA-256 with certificate", "-sha256", "-cert"},
			{"SHA-384 with certificate", "-sha384", "-cert"},
			{"SHA-512 with certificate", "-sha512", "-cert"},
			{"SHA-256 without certificate", "-sha256", ""},
			{"SHA-256 without nonce", "-sha256", "-no_nonce"},
		} {
			args := []string{"ts", "-query", "-data", data, c.digest, "-out", query}
			if c.cert != "" {
				args = append(args, c.cert)
			}
			text, err := openssl(t, args...)
			if err != nil {
				t.Fatalf("%s: %s", c.name, text)
			}
			body, err := os.ReadFile(query)
			check(t, err)
			resp, err := http.Post(w.url+"/tsa", "application/timestamp-query", bytes.NewReader(body))
			check(t, err)
			token, err := io.ReadAll(resp.Body)
			check(t, err)
			check(t, resp.Body.Close())
			if resp.Header.Get("Content-Type") != "application/timestamp-reply" {
				t.Errorf("%s: %s", c.name, resp.Header.Get("Content-Type"))
			}
			check(t, os.WriteFile(reply, token, 0o600))
			text, err = openssl(t, "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", w.path("root-g1.pem"), "-untrusted", all)
			if err != nil || !strings.Contains(text, "Verification: OK") {
				t.Errorf("%s: %v: %s", c.name, err, text)
			}
			text, err = openssl(t, "ts", "-verify", "-data", data, "-in", reply, "-CAfile", w.path("root-g1.pem"), "-untrusted", all)
			if err != nil || !strings.Contains(text, "Verification: OK") {
				t.Errorf("%s by data: %v: %s", c.name, err, text)
			}
		}
		if n := w.count(t, "ca_timestamp", "token_sha256 <> '' AND ledger_index IS NOT NULL"); n != 5 {
			t.Errorf("%d stamps recorded, want 5", n)
		}
		text, err := openssl(t, "ts", "-query", "-data", data, "-sha1", "-out", query)
		if err != nil {
			t.Fatal(text)
		}
		body, err := os.ReadFile(query)
		check(t, err)
		resp, err := http.Post(w.url+"/tsa", "application/timestamp-query", bytes.NewReader(body))
		check(t, err)
		refusal, err := io.ReadAll(resp.Body)
		check(t, err)
		check(t, resp.Body.Close())
		check(t, os.WriteFile(reply, refusal, 0o600))
		text, err = openssl(t, "ts", "-reply", "-in", reply, "-text")
		if err != nil || !strings.Contains(text, "Rejected") || !strings.Contains(text, "unrecognized or unsupported algorithm") {
			t.Errorf("SHA-1: %v: %s", err, text)
		}
	})
}

func TestFilesAndStatusByGETComeWithTheirHeaders(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	c := w.official(t, "binh", "RSA-2048")
	leaf, err := c.X509()
	check(t, err)
	if got := leaf.CRLDistributionPoints; len(got) != 1 || got[0] != w.url+"/crl/official.crl" {
		t.Errorf("CRLDP %v", got)
	}
	resp, der := get(t, leaf.IssuingCertificateURL[0])
	chain, err := w.service.Chain(leaf)
	check(t, err)
	if resp.Header.Get("Content-Type") != "application/pkix-cert" || !bytes.Equal(der, chain[1].Raw) || len(chain) != 3 {
		t.Errorf("AIA: %s, %d bytes", resp.Header.Get("Content-Type"), len(der))
	}
	for name, hash := range map[string]crypto.Hash{"SHA-1": crypto.SHA1, "SHA-256": crypto.SHA256} {
		request, err := xocsp.CreateRequest(leaf, chain[1], &xocsp.RequestOptions{Hash: hash})
		check(t, err)
		for form, text := range map[string]string{
			"escaped base64": url.PathEscape(base64.StdEncoding.EncodeToString(request)),
			"plain base64":   base64.StdEncoding.EncodeToString(request),
			"base64url":      base64.RawURLEncoding.EncodeToString(request),
		} {
			resp, der := get(t, leaf.OCSPServer[0]+"/"+text)
			answer, err := xocsp.ParseResponseForCert(der, leaf, chain[1])
			if err != nil || answer.Status != xocsp.Good || answer.Certificate == nil {
				t.Errorf("%s by %s: %v", name, form, err)
				continue
			}
			if !strings.HasPrefix(resp.Header.Get("Cache-Control"), "max-age=10, public") || resp.Header.Get("ETag") == "" ||
				resp.Header.Get("Content-Type") != "application/ocsp-response" {
				t.Errorf("%s by %s: headers %v", name, form, resp.Header)
			}
		}
	}
	for path, want := range map[string]int{
		"/crl/none.crl": 404, "/aia/../official.cer": 404, "/aia/official": 404, "/tsa": 405, "/": 404, "/ocsp/": 200,
	} {
		resp, _ := get(t, w.url+path)
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
	resp, body := get(t, w.url+"/ocsp/AAAA")
	if !bytes.Equal(body, []byte{0x30, 3, 0x0a, 1, 1}) || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("malformed request: %x", body)
	}
	big, err := http.Post(w.url+"/ocsp", "application/ocsp-request", bytes.NewReader(make([]byte, 1<<20)))
	check(t, err)
	check(t, big.Body.Close())
	if big.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("large request: %s", big.Status)
	}
}
