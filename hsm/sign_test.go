package hsm_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

func digestOf(h crypto.Hash, text string) []byte {
	w := h.New()
	w.Write([]byte(text))
	return w.Sum(nil)
}

func TestEachAlgorithmSignsAndVerifies(t *testing.T) {
	c := hsmtest.New(t)
	for _, alg := range []string{"EC-P256", "EC-P384", "EC-P521", "RSA-2048", "RSA-3072", "RSA-4096"} {
		pub, err := c.Generate(t.Context(), "key-"+alg, alg)
		if err != nil {
			t.Fatalf("generate %s: %v", alg, err)
		}
		if hsm.AlgorithmOf(pub) != alg {
			t.Errorf("generated %s, got %s", alg, hsm.AlgorithmOf(pub))
		}
		s, err := c.Signer(t.Context(), "key-"+alg)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			d := digestOf(h, "tài liệu "+alg)
			switch k := s.Public().(type) {
			case *ecdsa.PublicKey:
				sig, err := s.Sign(rand.Reader, d, h)
				if err != nil {
					t.Fatalf("%s %s: %v", alg, h, err)
				}
				if !ecdsa.VerifyASN1(k, d, sig) {
					t.Errorf("%s %s: the signature does not verify", alg, h)
				}
			case *rsa.PublicKey:
				sig, err := s.Sign(rand.Reader, d, h)
				if err != nil {
					t.Fatalf("%s %s: %v", alg, h, err)
				}
				err = rsa.VerifyPKCS1v15(k, h, d, sig)
				if err != nil {
					t.Errorf("%s %s PKCS #1 v1.5: %v", alg, h, err)
				}
				for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 20} {
					opts := &rsa.PSSOptions{SaltLength: salt, Hash: h}
					sig, err := s.Sign(rand.Reader, d, opts)
					if err != nil {
						t.Fatalf("%s %s PSS salt %d: %v", alg, h, salt, err)
					}
					err = rsa.VerifyPSS(k, h, d, sig, opts)
					if err != nil {
						t.Errorf("%s %s PSS salt %d: %v", alg, h, salt, err)
					}
				}
			}
		}
	}
	keys, err := c.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 6 || keys[0].Label != "key-EC-P256" || keys[0].Algorithm != "EC-P256" || len(keys[0].ID) != 32 {
		t.Errorf("Keys lists %d keys: %+v", len(keys), keys)
	}
}

func TestRefusals(t *testing.T) {
	c := hsmtest.New(t)
	_, err := c.Generate(t.Context(), "lãnh đạo 1", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Signer(t.Context(), "lãnh đạo 1")
	if err != nil {
		t.Fatal(err)
	}
	d := digestOf(crypto.SHA256, "x")
	cases := []struct {
		name string
		do   func() error
		want error
	}{
		{"a label that is taken is refused", func() error { _, err := c.Generate(t.Context(), "lãnh đạo 1", "RSA-2048"); return err }, hsm.ErrExists},
		{"an unknown algorithm is refused", func() error { _, err := c.Generate(t.Context(), "k", "RSA-1024"); return err }, hsm.ErrUnsupported},
		{"an empty label is refused", func() error { _, err := c.Generate(t.Context(), "", "EC-P256"); return err }, hsm.ErrBadRequest},
		{"a label with a line break is refused", func() error { _, err := c.Signer(t.Context(), "a\nb"); return err }, hsm.ErrBadRequest},
		{"an unknown key is not found", func() error { _, err := c.Signer(t.Context(), "nobody"); return err }, hsm.ErrNotFound},
		{"a digest of the wrong length is refused", func() error { _, err := s.Sign(rand.Reader, d[:20], crypto.SHA256); return err }, hsm.ErrBadRequest},
		{"SHA-1 is refused", func() error { _, err := s.Sign(rand.Reader, d[:20], crypto.SHA1); return err }, hsm.ErrUnsupported},
		{"a signature without a hash is refused", func() error { _, err := s.Sign(rand.Reader, d, crypto.Hash(0)); return err }, hsm.ErrUnsupported},
	}
	for _, tc := range cases {
		err := tc.do()
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
}

func TestAPrivateKeyCannotLeaveTheToken(t *testing.T) {
	tok := hsmtest.NewToken(t)
	_, err := tok.Client.Generate(t.Context(), "sealed", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	tool, err := exec.LookPath("pkcs11-tool")
	if err != nil {
		t.Skip("pkcs11-tool (apt install opensc) reads the attributes independently")
	}
	// The PIN of a throw-away token, read by the tool from its environment.
	cmd := exec.Command("sh", "-c", `PIN=$(cat "$PINFILE") exec "$TOOL" --module "$MODULE" --token-label antin-test --login --pin env:PIN --list-objects --type privkey`)
	cmd.Env = []string{"SOFTHSM2_CONF=" + tok.Config.SoftHSMConf, "PINFILE=" + tok.Config.PINFile, "TOOL=" + tool, "MODULE=" + hsm.DefaultModule}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("pkcs11-tool: %v\n%s", err, out)
	}
	for _, want := range []string{"sealed", "sensitive", "always sensitive", "never extractable", "local"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("pkcs11-tool does not show %q:\n%s", want, out)
		}
	}
}
