package cms_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
)

func digestOf(h crypto.Hash, data []byte) []byte {
	sum := h.New()
	sum.Write(data)
	return sum.Sum(nil)
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestOpenSSLAcceptsEverySignature(t *testing.T) {
	_, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not on this machine")
	}
	p := trusttest.New(t, time.Time{})
	rsa2048, rsa3072 := rsaKey(t, 2048), rsaKey(t, 3072)
	cases := []struct {
		key  crypto.Signer
		hash crypto.Hash
		pss  bool
	}{
		{rsa2048, crypto.SHA256, false}, {rsa2048, crypto.SHA256, true},
		{rsa3072, crypto.SHA256, false}, {rsa3072, crypto.SHA384, false}, {rsa3072, crypto.SHA512, false},
		{rsa3072, crypto.SHA256, true}, {rsa3072, crypto.SHA384, true}, {rsa3072, crypto.SHA512, true},
		{ecKey(t, elliptic.P256()), crypto.SHA256, false}, {ecKey(t, elliptic.P384()), crypto.SHA384, false},
		{ecKey(t, elliptic.P521()), crypto.SHA512, false}, {ecKey(t, elliptic.P256()), crypto.SHA512, false},
		{edKey(t), crypto.SHA512, false},
	}
	dir := t.TempDir()
	content := []byte("Chỉ thị số 01/CT-UBND\r\n%PDF\x00\x01")
	write(t, filepath.Join(dir, "content"), content)
	write(t, filepath.Join(dir, "root.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Raw}))
	client := &tsp.Client{URL: p.TSAURL()}
	for _, c := range cases {
		for _, stamped := range []bool{false, true} {
			name := fmt.Sprintf("%T %v pss=%v stamped=%v", c.key.Public(), c.hash, c.pss, stamped)
			t.Run(name, func(t *testing.T) {
				params := cms.Params{Signer: c.key, Chain: p.Issue(t, "Người ký", c.key.Public()), Hash: c.hash, PSS: c.pss}
				if stamped {
					params.Timestamp = client.Timestamp
				}
				der, err := cms.Sign(context.Background(), digestOf(c.hash, content), params)
				if err != nil {
					t.Fatal(err)
				}
				signed, err := cms.Parse(der)
				if err != nil {
					t.Fatal(err)
				}
				if (len(signed.Signer.Timestamps) == 1) != stamped {
					t.Errorf("%d time-stamps", len(signed.Signer.Timestamps))
				}
				if !signed.Signer.ClaimedTime.IsZero() {
					t.Error("a signing-time attribute is there")
				}
				tokenSize := 0
				for _, token := range signed.Signer.Timestamps {
					tokenSize += len(token)
				}
				if limit := cms.MaxSize(params, tokenSize); len(der) > limit || len(der)+1024 < limit {
					t.Errorf("%d bytes, foretold at most %d", len(der), limit)
				}
				if _, ed := c.key.(ed25519.PrivateKey); ed {
					return // openssl cms 3.0 does not know Ed25519 (RFC 8419)
				}
				write(t, filepath.Join(dir, "sig"), der)
				out, err := exec.Command("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", filepath.Join(dir, "sig"),
					"-content", filepath.Join(dir, "content"), "-CAfile", filepath.Join(dir, "root.pem"),
					"-purpose", "any", "-cades", "-out", os.DevNull).CombinedOutput()
				if err != nil {
					t.Errorf("openssl: %v\n%s", err, out)
				}
			})
		}
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	err := os.WriteFile(path, data, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenSSLSignaturesAreAccepted(t *testing.T) {
	_, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not on this machine")
	}
	p := trusttest.New(t, time.Time{})
	dir := t.TempDir()
	content := []byte("nội dung")
	write(t, filepath.Join(dir, "content"), content)
	rsaSigner, ec := rsaKey(t, 2048), ecKey(t, elliptic.P256())
	cases := []struct {
		name string
		key  crypto.Signer
		args []string
		hash crypto.Hash
	}{
		{"RSA with SHA-256", rsaSigner, []string{"-md", "sha256"}, crypto.SHA256},
		{"RSA-PSS with a full salt", rsaSigner, []string{"-md", "sha384", "-keyopt", "rsa_padding_mode:pss"}, crypto.SHA384},
		{"RSA-PSS with the longest salt", rsaSigner, []string{"-md", "sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"}, crypto.SHA256},
		{"ECDSA with SHA-512", ec, []string{"-md", "sha512"}, crypto.SHA512},
		{"ECDSA with the signer named by key identifier", ec, []string{"-md", "sha256", "-keyid"}, crypto.SHA256},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := p.Issue(t, "Người ký", c.key.Public(), func(cert *x509.Certificate) { cert.SubjectKeyId = []byte{1, 2, 3, 4} })
			keyDER, err := x509.MarshalPKCS8PrivateKey(c.key)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[0].Raw}))
			write(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
			args := append([]string{"cms", "-sign", "-binary", "-in", filepath.Join(dir, "content"), "-signer", filepath.Join(dir, "cert.pem"),
				"-inkey", filepath.Join(dir, "key.pem"), "-outform", "DER", "-cades"}, c.args...)
			der, err := exec.Command("openssl", args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			signed, err := cms.Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := signed.SignerCertificate()
			if err != nil || !cert.Equal(chain[0]) {
				t.Fatalf("signer: %v", err)
			}
			err = signed.Verify(cert, digestOf(c.hash, content))
			if err != nil {
				t.Error(err)
			}
			err = signed.Verify(cert, digestOf(c.hash, []byte("khác")))
			if !errors.Is(err, cms.ErrDigest) {
				t.Errorf("other content: %v", err)
			}
		})
	}
}

func TestSignRefusesWhatItMust(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	ec, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	short := rsaKey(t, 1024)
	ed := edKey(t)
	small := ecKey(t, elliptic.P224())
	cases := []struct {
		name   string
		params cms.Params
		length int
	}{
		{"SHA-1", cms.Params{Signer: ec, Chain: p.Issue(t, "A", ec.Public()), Hash: crypto.SHA1}, 20},
		{"SHA-224", cms.Params{Signer: ec, Chain: p.Issue(t, "A", ec.Public()), Hash: crypto.SHA224}, 28},
		{"a short RSA key", cms.Params{Signer: short, Chain: p.Issue(t, "A", short.Public()), Hash: crypto.SHA256}, 32},
		{"a small curve", cms.Params{Signer: small, Chain: p.Issue(t, "A", small.Public()), Hash: crypto.SHA256}, 32},
		{"a certificate for another key", cms.Params{Signer: ec, Chain: p.Issue(t, "A", other.Public()), Hash: crypto.SHA256}, 32},
		{"PSS with an elliptic curve", cms.Params{Signer: ec, Chain: p.Issue(t, "A", ec.Public()), Hash: crypto.SHA256, PSS: true}, 32},
		{"Ed25519 with SHA-256", cms.Params{Signer: ed, Chain: p.Issue(t, "A", ed.Public()), Hash: crypto.SHA256}, 32},
		{"a digest of the wrong length", cms.Params{Signer: ec, Chain: p.Issue(t, "A", ec.Public()), Hash: crypto.SHA256}, 20},
		{"no certificate", cms.Params{Signer: ec, Hash: crypto.SHA256}, 32},
		{"no key", cms.Params{Chain: p.Issue(t, "A", ec.Public()), Hash: crypto.SHA256}, 32},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := cms.Sign(context.Background(), make([]byte, c.length), c.params)
			if !errors.Is(err, cms.ErrRefused) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// liar is a token that returns signatures of something else.
type liar struct{ crypto.Signer }

func (l liar) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	flipped := append([]byte(nil), digest...)
	flipped[0] ^= 1
	return l.Signer.Sign(rand.Reader, flipped, opts)
}

func TestAFaultySignatureDoesNotLeave(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	key := ecKey(t, elliptic.P256())
	_, err := cms.Sign(context.Background(), make([]byte, 32), cms.Params{Signer: liar{key}, Chain: p.Issue(t, "A", key.Public()), Hash: crypto.SHA256})
	if !errors.Is(err, cms.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

func TestAFailingTimestampFailsTheSignature(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	key := ecKey(t, elliptic.P256())
	cause := errors.New("no authority")
	params := cms.Params{Signer: key, Chain: p.Issue(t, "A", key.Public()), Hash: crypto.SHA256}
	params.Timestamp = func(context.Context, crypto.Hash, []byte) ([]byte, error) { return nil, cause }
	_, err := cms.Sign(context.Background(), make([]byte, 32), params)
	if !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	params.Timestamp = func(context.Context, crypto.Hash, []byte) ([]byte, error) { return []byte{0x30, 0}, nil }
	_, err = cms.Sign(context.Background(), make([]byte, 32), params)
	if !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("rubbish token: %v", err)
	}
}

func sample(tb testing.TB) ([]byte, []byte, *trusttest.PKI) {
	tb.Helper()
	p := trusttest.New(tb, time.Time{})
	key := trusttest.ECKey(tb)
	digest := digestOf(crypto.SHA256, []byte("x"))
	der, err := cms.Sign(context.Background(), digest, cms.Params{Signer: key, Chain: p.Issue(tb, "A", key.Public()), Hash: crypto.SHA256})
	if err != nil {
		tb.Fatal(err)
	}
	return der, digest, p
}

// Whatever single bit is changed in the parts that are signed, nothing
// verifies; certificates and unsigned parts may change without harm.
func TestNoBitOfAttributesOrSignatureMayChange(t *testing.T) {
	der, digest, _ := sample(t)
	original, err := cms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := original.SignerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	start := strings.LastIndex(string(der), string(original.Signer.MessageDigest)) - 120
	for n := start; n < len(der); n++ {
		changed := append([]byte(nil), der...)
		changed[n] ^= 1
		signed, err := cms.Parse(changed)
		if err != nil {
			continue
		}
		err = signed.Verify(cert, digest)
		if err == nil && (string(signed.Signer.MessageDigest) != string(original.Signer.MessageDigest) ||
			string(signed.Signer.Signature) != string(original.Signer.Signature)) {
			t.Fatalf("byte %d changed and still verified", n)
		}
	}
}

func TestStrangeContainersAreRefusedByName(t *testing.T) {
	der, _, p := sample(t)
	stamp, err := p.Stamp(crypto.SHA256, make([]byte, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		Status asn1.RawValue
		Token  asn1.RawValue
	}
	_, err = asn1.Unmarshal(stamp, &response)
	if err != nil {
		t.Fatal(err)
	}
	indefinite := append([]byte{0x30, 0x80}, der[4:]...)
	cases := []struct {
		name string
		der  []byte
		want error
	}{
		{"nothing", nil, cms.ErrMalformed},
		{"rubbish", []byte("rubbish"), cms.ErrMalformed},
		{"trailing data", append(append([]byte(nil), der...), 0), cms.ErrMalformed},
		{"BER with indefinite length", append(indefinite, 0, 0), cms.ErrMalformed},
		{"a time-stamp token as a document's signature", response.Token.FullBytes, cms.ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := cms.Parse(c.der)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err = cms.ParseToken(der)
	if !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("a document's signature as a token: %v", err)
	}
}

func TestPaddingIsTrimmedAndNothingElse(t *testing.T) {
	der, _, _ := sample(t)
	padded := append(append([]byte(nil), der...), make([]byte, 100)...)
	got, err := cms.TrimPadding(padded)
	if err != nil || string(got) != string(der) {
		t.Fatalf("zeros: %v", err)
	}
	padded[len(padded)-1] = 1
	_, err = cms.TrimPadding(padded)
	if !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("hidden data: %v", err)
	}
}

// indefinite re-encodes all constructed elements with indefinite lengths, as
// streaming software does, and cuts long octet strings into pieces.
func indefinite(t *testing.T, der []byte) []byte {
	t.Helper()
	var out []byte
	for len(der) > 0 {
		var raw asn1.RawValue
		rest, err := asn1.Unmarshal(der, &raw)
		if err != nil {
			t.Fatal(err)
		}
		der = rest
		switch {
		case raw.IsCompound:
			out = append(append(append(out, raw.FullBytes[0], 0x80), indefinite(t, raw.Bytes)...), 0, 0)
		case raw.Tag == asn1.TagOctetString && raw.Class == asn1.ClassUniversal && len(raw.Bytes) == 32:
			out = append(append(out, 0x24, 0x80, 4, 10), raw.Bytes[:10]...)
			out = append(append(append(out, 4, 22), raw.Bytes[10:]...), 0, 0)
		default:
			out = append(out, raw.FullBytes...)
		}
	}
	return out
}

func TestBERIsReencodedWithoutChangingAValue(t *testing.T) {
	der, digest, _ := sample(t)
	same, changed, err := cms.Normalize(append(bytes.Clone(der), 0, 0, 0))
	if err != nil || changed || !bytes.Equal(same, der) {
		t.Errorf("DER: changed %v, %v", changed, err)
	}
	ber := indefinite(t, der)
	_, err = cms.Parse(ber)
	if !errors.Is(err, cms.ErrMalformed) {
		t.Fatalf("BER passed as DER: %v", err)
	}
	again, changed, err := cms.Normalize(append(bytes.Clone(ber), 0, 0))
	if err != nil || !changed || !bytes.Equal(again, der) {
		t.Fatalf("changed %v, %v, equal %v", changed, err, bytes.Equal(again, der))
	}
	signed, err := cms.Parse(again)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := signed.SignerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	err = signed.Verify(cert, digest)
	if err != nil {
		t.Error(err)
	}
	_, _, err = cms.Normalize(append(bytes.Clone(ber), 1))
	if !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("hidden data: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	der, digest, p := sample(f)
	f.Add(der)
	stamp, err := p.Stamp(crypto.SHA256, make([]byte, 32), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stamp)
	f.Add(stamp[9:])
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, parse := range []func([]byte) (*cms.SignedData, error){cms.Parse, cms.ParseLegacy, cms.ParseSHA1, cms.ParseToken} {
			signed, err := parse(der)
			if err != nil {
				continue
			}
			cert, err := signed.SignerCertificate()
			if err == nil {
				_ = signed.Verify(cert, digest)
			}
		}
		normal, _, err := cms.Normalize(der)
		if err != nil {
			return
		}
		again, changed, err := cms.Normalize(normal)
		if err != nil || changed || !bytes.Equal(again, normal) {
			t.Fatalf("normalised twice differs: %v, %v", changed, err)
		}
	})
}
