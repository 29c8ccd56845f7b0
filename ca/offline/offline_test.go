package offline_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca/offline"
	"github.com/antin-gov/antin/ca/profile"
)

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	out := make(map[string]crypto.Signer)
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = k
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	out["RSA"] = k
	return out
}

func request() *offline.Request {
	return &offline.Request{Format: offline.FormatRequest, CreatedAt: time.Unix(1, 0).UTC(), CreatedBy: "minh.pq", BaseURL: "http://pki.example",
		Certificates: []offline.Order{{Authority: "official", Profile: "issuer", CSR: []byte{1}, Facts: profile.Facts{MachineName: "X"}}}, ListDays: 180}
}

func TestARequestIsReadAsItWasSealed(t *testing.T) {
	for name, key := range keys(t) {
		file, digest, err := offline.Seal(request(), key)
		if err != nil {
			t.Fatal(err)
		}
		r, pub, told, err := offline.OpenRequest(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		k, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !k.Equal(pub) || told != digest || r.Certificates[0].Facts.MachineName != "X" {
			t.Errorf("%s: read as %+v, digest %s, want %s", name, r, told, digest)
		}
		_, _, _, err = offline.OpenAnswer(file)
		if !errors.Is(err, offline.ErrRefused) {
			t.Errorf("%s: a request taken as an answer: %v", name, err)
		}
	}
}

func TestAChangedFileIsRefused(t *testing.T) {
	file, _, err := offline.Seal(request(), keys(t)["P-256"])
	if err != nil {
		t.Fatal(err)
	}
	var jws map[string]string
	err = json.Unmarshal(file, &jws)
	if err != nil {
		t.Fatal(err)
	}
	change := func(member string, f func([]byte) []byte) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(jws[member])
		if err != nil {
			t.Fatal(err)
		}
		other := make(map[string]string)
		for k, v := range jws {
			other[k] = v
		}
		other[member] = base64.RawURLEncoding.EncodeToString(f(raw))
		text, err := json.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, text := range map[string][]byte{
		"another name":       change("payload", func(b []byte) []byte { return bytes.Replace(b, []byte("official"), []byte("0fficial"), 1) }),
		"a signature bit":    change("signature", func(b []byte) []byte { b[3] ^= 1; return b }),
		"no signature":       change("signature", func([]byte) []byte { return nil }),
		"algorithm none":     change("protected", func([]byte) []byte { return []byte(`{"alg":"none"}`) }),
		"nothing":            nil,
		"too large":          bytes.Repeat([]byte(" "), offline.MaxFile+1),
		"a text that is not": []byte("hello"),
	} {
		_, _, _, err = offline.OpenRequest(text)
		if !errors.Is(err, offline.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, key := range keys(f) {
		file, _, err := offline.Seal(request(), key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
		file, _, err = offline.Seal(&offline.Answer{Format: offline.FormatAnswer, Root: []byte{1}, List: []byte{2}}, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _, _, err := offline.OpenRequest(file)
		if err != nil && !errors.Is(err, offline.ErrRefused) {
			t.Error(err)
		}
		_, _, _, err = offline.OpenAnswer(file)
		if err != nil && !errors.Is(err, offline.ErrRefused) {
			t.Error(err)
		}
	})
}
