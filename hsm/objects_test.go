package hsm_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

func TestAKeyOfEd25519SignsTheMessage(t *testing.T) {
	c := hsmtest.New(t)
	pub, err := c.Generate(t.Context(), "ed", "Ed25519")
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Signer(t.Context(), "ed")
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range [][]byte{{}, []byte("tài liệu"), bytes.Repeat([]byte{7}, 100_000)} {
		sig, err := s.Sign(rand.Reader, message, crypto.Hash(0))
		if err != nil {
			t.Fatalf("%d bytes: %v", len(message), err)
		}
		if !ed25519.Verify(pub.(ed25519.PublicKey), message, sig) {
			t.Errorf("%d bytes: the signature does not verify", len(message))
		}
	}
	for name, opts := range map[string]crypto.SignerOpts{
		"a hash is refused":      crypto.SHA512,
		"Ed25519ph is refused":   &ed25519.Options{Hash: crypto.SHA512},
		"a context is refused":   &ed25519.Options{Context: "x"},
		"no options are refused": nil,
	} {
		_, err := s.Sign(rand.Reader, make([]byte, 64), opts)
		if !errors.Is(err, hsm.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = s.Sign(rand.Reader, make([]byte, 2<<20), crypto.Hash(0))
	if err == nil {
		t.Error("a message of 2 MiB was signed")
	}
	cert := selfSigned(t, s)
	parsed, err := x509.ParseCertificate(cert)
	if err != nil || parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature) != nil {
		t.Errorf("a certificate signed with it does not verify: %v", err)
	}
}

// selfSigned makes a certificate of a key.
func selfSigned(t *testing.T, s crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{Subject: pkix.Name{CommonName: "x"}}, s.Public(), s)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAKeyMadeForBackupComesBackFromItsWrapping(t *testing.T) {
	tok, empty := hsmtest.NewToken(t), hsmtest.NewToken(t)
	kek := bytes.Repeat([]byte{9}, 32)
	_, err := tok.Client.Generate(t.Context(), "stays", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tok.Client.WrapKey(t.Context(), "", "stays", kek)
	if !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("a key that was not made for backup was wrapped: %v", err)
	}
	for _, alg := range []string{"EC-P256", "RSA-2048"} {
		pub, err := tok.Client.GenerateKey(t.Context(), hsm.NewKey{Label: alg, Algorithm: alg, Backup: true})
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := tok.Client.WrapKey(t.Context(), "", alg, kek)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		w := hsm.WrappedKey{Label: alg, ID: keyID(t, tok.Client, alg), Public: pub, Wrapped: wrapped}
		err = empty.Client.UnwrapKey(t.Context(), w, bytes.Repeat([]byte{8}, 32))
		if err == nil {
			t.Fatalf("%s: another key-encryption key opened it", alg)
		}
		err = empty.Client.UnwrapKey(t.Context(), w, kek)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		err = empty.Client.UnwrapKey(t.Context(), w, kek)
		if !errors.Is(err, hsm.ErrExists) {
			t.Errorf("%s: a second return gave %v", alg, err)
		}
		s, err := empty.Client.Signer(t.Context(), alg)
		if err != nil {
			t.Fatal(err)
		}
		own, ok := s.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !own.Equal(pub) {
			t.Errorf("%s: another public key came back", alg)
		}
		selfSigned(t, s)
	}
	// A wrapping that belongs to another public key must not stay.
	_, err = tok.Client.GenerateKey(t.Context(), hsm.NewKey{Label: "other", Algorithm: "EC-P256", Backup: true})
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := tok.Client.WrapKey(t.Context(), "", "other", kek)
	if err != nil {
		t.Fatal(err)
	}
	stays, err := tok.Client.Signer(t.Context(), "stays")
	if err != nil {
		t.Fatal(err)
	}
	err = empty.Client.UnwrapKey(t.Context(), hsm.WrappedKey{Label: "other", ID: keyID(t, tok.Client, "other"), Public: stays.Public(), Wrapped: wrapped}, kek)
	if !errors.Is(err, hsm.ErrKeyMismatch) {
		t.Errorf("a key under another's public key gave %v", err)
	}
	_, err = empty.Client.Signer(t.Context(), "other")
	if !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("the refused key stayed: %v", err)
	}
}

// keyID finds CKA_ID of a key.
func keyID(t *testing.T, c *hsm.Client, label string) string {
	t.Helper()
	keys, err := c.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Label == label {
			return k.ID
		}
	}
	t.Fatalf("no key %q", label)
	return ""
}

func TestACertificateStandsBesideItsKey(t *testing.T) {
	tok := hsmtest.NewToken(t)
	for _, label := range []string{"k", "other"} {
		_, err := tok.Client.Generate(t.Context(), label, "EC-P256")
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := tok.Client.Signer(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	der := selfSigned(t, s)
	for range 2 { // the second replaces the first
		err = tok.Client.ImportCertificate(t.Context(), "k", der)
		if err != nil {
			t.Fatal(err)
		}
	}
	err = tok.Client.ImportCertificate(t.Context(), "other", der)
	if !errors.Is(err, hsm.ErrKeyMismatch) {
		t.Errorf("a certificate of another key gave %v", err)
	}
	id := keyID(t, tok.Client, "k")
	err = tok.Client.DeleteKey(t.Context(), "antin-test", "other", id)
	if !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("a deletion with the id of another key gave %v", err)
	}
	err = tok.Client.DeleteKey(t.Context(), "antin-test", "k", id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tok.Client.Signer(t.Context(), "k")
	if !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("the key is still there: %v", err)
	}
	_, err = tok.Client.Generate(t.Context(), "k", "EC-P256")
	if err != nil {
		t.Errorf("the label is not free again: %v", err)
	}
}

func TestAProbeTellsWhatSoftHSMDoes(t *testing.T) {
	c := hsmtest.New(t)
	p, err := c.Probe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if p.Means != "session keys" || !p.Wrap || p.Knee == 0 || len(p.Algorithms) != len(hsm.Algorithms()) {
		t.Errorf("means %q, wrap %v, knee %d", p.Means, p.Wrap, p.Knee)
	}
	for _, a := range p.Algorithms {
		for _, s := range a.Signatures {
			if !s.Works {
				t.Errorf("%s %s %s: %s", a.Algorithm, s.Scheme, s.Hash, s.Error)
			}
		}
		if !a.Works {
			t.Errorf("%s: %s", a.Algorithm, a.Error)
		}
	}
	if !p.Supports("Ed25519", "ed25519", "") || p.Supports("RSA-2048", "rsa-pss", "SHA-1") {
		t.Error("Supports does not say what the probe says")
	}
	keys, err := c.Keys(t.Context())
	if err != nil || len(keys) != 0 {
		t.Errorf("the probe left %d keys: %v", len(keys), err)
	}
}
