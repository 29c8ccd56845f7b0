package tsp_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/tsp"
)

func digest(text string) []byte {
	h := crypto.SHA256.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// opensslTSA serves `openssl ts -reply`: somebody else's authority.
func opensslTSA(t *testing.T, p *trusttest.PKI) *httptest.Server {
	t.Helper()
	_, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not on this machine")
	}
	dir := t.TempDir()
	keyDER, err := x509.MarshalPKCS8PrivateKey(p.TSAKey)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"tsa.key":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		"tsa.pem":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.TSA.Raw}),
		"chain.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Issuer.Raw}),
		"serial":    []byte("01\n"),
		"ts.cnf": []byte("[tsa]\ndefault_tsa=here\n[here]\ndir=" + dir + "\nserial=$dir/serial\ncrypto_device=builtin\n" +
			"signer_cert=$dir/tsa.pem\ncerts=$dir/chain.pem\nsigner_key=$dir/tsa.key\nsigner_digest=sha256\n" +
			"default_policy=1.3.6.1.4.1.99999.1\nother_policies=1.3.6.1.4.1.99999.2\ndigests=sha256,sha384,sha512\n" +
			"accuracy=secs:1,millisecs:500,microsecs:100\nclock_precision_digits=3\nordering=yes\ntsa_name=yes\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n"),
	}
	for name, data := range files {
		err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/timestamp-query" {
			http.Error(w, "query expected", http.StatusBadRequest)
			return
		}
		query := filepath.Join(dir, "query")
		err = os.WriteFile(query, body, 0o600)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		out := filepath.Join(dir, "reply")
		text, err := exec.Command("openssl", "ts", "-reply", "-config", filepath.Join(dir, "ts.cnf"), "-queryfile", query, "-out", out).CombinedOutput()
		if err != nil {
			t.Logf("openssl ts: %s", text)
		}
		reply, err := os.ReadFile(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write(reply)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestOpenSSLStampsAndWeVerify(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	server := opensslTSA(t, p)
	policy := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2}
	client := &tsp.Client{URL: server.URL, Policy: policy}
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		sum := h.New()
		sum.Write([]byte("giá trị chữ ký"))
		der, err := client.Timestamp(context.Background(), h, sum.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		token, err := tsp.ParseToken(der)
		if err != nil {
			t.Fatal(err)
		}
		if !token.Policy.Equal(policy) || token.Nonce == nil || !token.Ordering || token.Serial.Sign() <= 0 {
			t.Errorf("token: %+v", token)
		}
		if token.Accuracy != time.Second+500*time.Millisecond+100*time.Microsecond {
			t.Errorf("accuracy %v", token.Accuracy)
		}
		if age := time.Since(token.GenTime); age < -time.Second || age > time.Minute {
			t.Errorf("genTime %v", token.GenTime)
		}
		err = token.Verify(tsp.VerifyOptions{Hash: h, Digest: sum.Sum(nil), Policy: policy})
		if err != nil {
			t.Error(err)
		}
		path, err := token.VerifyTrust(context.Background(), p.Store(t), token.GenTime, trust.Evidence{})
		if err != nil || !path.Anchor().Equal(p.Root) {
			t.Errorf("trust: %v", err)
		}
		err = token.Verify(tsp.VerifyOptions{Hash: h, Digest: make([]byte, h.Size())})
		if !errors.Is(err, tsp.ErrImprint) {
			t.Errorf("a token over something else: %v", err)
		}
	}
}

func TestAPolicyTheAuthorityDoesNotHaveIsRefused(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	client := &tsp.Client{URL: opensslTSA(t, p).URL, Policy: asn1.ObjectIdentifier{1, 2, 3}}
	_, err := client.Timestamp(context.Background(), crypto.SHA256, digest("x"))
	var rejected *tsp.RejectedError
	if !errors.As(err, &rejected) || rejected.Failure != 15 {
		t.Errorf("got %v, want unacceptedPolicy (15)", err)
	}
}

func TestAnswersThatAreNotOursAreRefused(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	otherNonce, err := p.Stamp(crypto.SHA256, digest("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := trusttest.ECKey(t)
	// A certificate for signing documents must not stamp.
	original, originalKey := p.TSA, p.TSAKey
	p.TSA, p.TSAKey = p.Issue(t, "A", key.Public())[0], key
	wrongPurpose, err := p.Stamp(crypto.SHA256, digest("x"), nil)
	p.TSA, p.TSAKey = original, originalKey
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, contentType string
		body              []byte
		want              error
	}{
		{"an answer without our nonce", "application/timestamp-reply", otherNonce, tsp.ErrNonce},
		{"an answer by a signer's key", "application/timestamp-reply", wrongPurpose, tsp.ErrNonce},
		{"a web page", "text/html", []byte("<html>"), tsp.ErrMalformed},
		{"rubbish", "application/timestamp-reply", []byte{1, 2, 3}, tsp.ErrMalformed},
		{"an endless answer", "application/timestamp-reply", make([]byte, 4<<20), tsp.ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				_, _ = w.Write(c.body)
			}))
			defer server.Close()
			_, err := (&tsp.Client{URL: server.URL}).Timestamp(context.Background(), crypto.SHA256, digest("x"))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	token := tokenOf(t, wrongPurpose)
	err = token.Verify(tsp.VerifyOptions{Hash: crypto.SHA256, Digest: digest("x")})
	var path *trust.PathError
	if !errors.As(err, &path) || path.Reason != trust.PathKeyUsage {
		t.Errorf("a token by a signer's key: %v", err)
	}
}

func tokenOf(tb testing.TB, response []byte) *tsp.Token {
	tb.Helper()
	var parts struct{ Status, Token asn1.RawValue }
	_, err := asn1.Unmarshal(response, &parts)
	if err != nil {
		tb.Fatal(err)
	}
	token, err := tsp.ParseToken(parts.Token.FullBytes)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestABusyAuthorityIsAskedAgainUntilTheContextEnds(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	p.Down(trusttest.TSA, true)
	time.AfterFunc(400*time.Millisecond, func() { p.Down(trusttest.TSA, false) })
	_, err := (&tsp.Client{URL: p.TSAURL()}).Timestamp(context.Background(), crypto.SHA256, digest("x"))
	if err != nil {
		t.Errorf("it came back: %v", err)
	}
	if hits := p.Hits(trusttest.TSA); hits < 2 {
		t.Errorf("asked %d times", hits)
	}
	p.Down(trusttest.TSA, true)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = (&tsp.Client{URL: p.TSAURL()}).Timestamp(ctx, crypto.SHA256, digest("x"))
	var status *tsp.HTTPError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &status) {
		t.Errorf("got %v", err)
	}
	if time.Since(start) > 2*time.Second {
		t.Error("waited beyond the context")
	}
}

func TestATamperedTokenDoesNotVerify(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	response, err := p.Stamp(crypto.SHA256, digest("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	token := tokenOf(t, response)
	// genTime one second later, in the DER itself.
	changed := append([]byte(nil), token.Raw...)
	text := []byte(token.GenTime.Format("20060102150405Z"))
	at := -1
	for n := range changed {
		if n+len(text) <= len(changed) && string(changed[n:n+len(text)]) == string(text) {
			at = n
			break
		}
	}
	if at < 0 {
		t.Fatal("genTime not found")
	}
	changed[at+3] ^= 1 // the year
	forged, err := tsp.ParseToken(changed)
	if err != nil {
		t.Fatal(err)
	}
	if forged.GenTime.Equal(token.GenTime) {
		t.Fatal("time unchanged")
	}
	err = forged.Verify(tsp.VerifyOptions{Hash: crypto.SHA256, Digest: digest("x")})
	if err == nil {
		t.Error("a forged time verified")
	}
}

func FuzzParseToken(f *testing.F) {
	p := trusttest.New(f, time.Time{})
	response, err := p.Stamp(crypto.SHA256, digest("x"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tokenOf(f, response).Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		token, err := tsp.ParseToken(der)
		if err != nil {
			return
		}
		if token.GenTime.IsZero() || len(token.Imprint) != token.Hash.Size() {
			t.Fatal("a token without time or imprint")
		}
		_ = token.Verify(tsp.VerifyOptions{Hash: token.Hash, Digest: token.Imprint})
	})
}
