package cades_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cades"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

var content = []byte("Kính gửi: các sở, ban, ngành\r\nNội dung\n\x00\x01")

type keys struct{ ec, rsa, ed crypto.Signer }

func newKeys(t *testing.T) keys {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys{trusttest.ECKey(t), r, ed}
}

func options(t *testing.T, p *trusttest.PKI, key crypto.Signer, level cades.Level) cades.Options {
	client := &tsp.Client{URL: p.TSAURL()}
	return cades.Options{
		Signer: key, Chain: p.Issue(t, "Nguyễn Văn A", key.Public()), Level: level, Timestamp: client.Timestamp,
		Collect: p.Collector().Collect, Now: p.Clock.Now(),
	}
}

func judge(t *testing.T, der, content []byte, o validate.Options) *validate.Report {
	t.Helper()
	report, err := validate.Container(context.Background(), bytes.NewReader(der), bytes.NewReader(content), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.WriteFile(path, data, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func openssl(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Errorf("openssl %v: %v: %s", args, err, out)
	}
}

func TestEveryLevelIsAcceptedByOpenSSLAndByOurVerifierOffline(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	k := newKeys(t)
	dir := t.TempDir()
	root := write(t, dir, "root.pem", pemOf("CERTIFICATE", p.Root.Raw))
	file := write(t, dir, "content", content)
	for _, c := range []struct {
		name     string
		key      crypto.Signer
		hash     crypto.Hash
		pss      bool
		level    cades.Level
		attached bool
	}{
		{"ECDSA B-B detached", k.ec, 0, false, cades.LevelB, false},
		{"ECDSA B-B attached", k.ec, 0, false, cades.LevelB, true},
		{"RSA-PSS B-T detached", k.rsa, crypto.SHA384, true, cades.LevelT, false},
		{"RSA PKCS#1 B-LT attached", k.rsa, crypto.SHA512, false, cades.LevelLT, true},
		{"Ed25519 B-LT detached", k.ed, crypto.SHA512, false, cades.LevelLT, false},
		{"ECDSA with SHA3-256 B-LT detached", k.ec, crypto.SHA3_256, false, cades.LevelLT, false},
		{"ECDSA B-LTA detached", k.ec, 0, false, cades.LevelLTA, false},
		{"RSA-PSS B-LTA attached", k.rsa, 0, true, cades.LevelLTA, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t, p, c.key, c.level)
			o.Hash, o.PSS, o.Attached = c.hash, c.pss, c.attached
			result, err := cades.Sign(t.Context(), bytes.NewReader(content), o)
			if c.hash == crypto.SHA3_256 && err != nil {
				t.Skip("the test's time-stamp authority does not know SHA-3")
			}
			if err != nil {
				t.Fatal(err)
			}
			store := validate.Options{Store: p.Store(t), Clock: p.Clock}
			given := content
			if c.attached {
				given = nil
			}
			if c.level == cades.LevelB || c.level == cades.LevelT {
				store.Collector = p.Collector()
			}
			report := judge(t, result.CMS, given, store)
			s := report.Signatures[0]
			if report.Verdict != validate.Passed || s.Level != "CAdES-"+string(c.level) || s.SignedAt == nil || !s.SignedAt.Equal(o.Now) || s.Stamped != (c.level != cades.LevelB) {
				t.Errorf("judged %+v", s)
			}
			if !c.attached {
				report = judge(t, result.CMS, append(bytes.Clone(content), '!'), store)
				if report.Verdict != validate.Failed || report.Signatures[0].SubIndication != validate.SubHash {
					t.Errorf("other content: %+v", report.Signatures[0])
				}
			}
			if c.hash == crypto.SHA3_256 || c.name[:2] == "Ed" {
				return // OpenSSL 3.0 does not do these in CMS
			}
			sig := write(t, dir, "sig.p7s", result.CMS)
			args := []string{"cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", sig, "-CAfile", root, "-purpose", "any", "-out", filepath.Join(dir, "out")}
			if !c.attached {
				args = append(args, "-content", file)
			}
			openssl(t, args...)
			out, err := os.ReadFile(filepath.Join(dir, "out"))
			if err != nil || !bytes.Equal(out, content) {
				t.Errorf("OpenSSL gives back %q, %v", out, err)
			}
		})
	}
}

func TestWhatOpenSSLSignsIsJudged(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	k := newKeys(t)
	dir := t.TempDir()
	file := write(t, dir, "content", content)
	signer := func(name string, key crypto.Signer) []string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		chain := p.Issue(t, name, key.Public())
		return []string{"-certfile", write(t, dir, "issuer.pem", pemOf("CERTIFICATE", chain[1].Raw)), "-signer", write(t, dir, name+".pem", pemOf("CERTIFICATE", chain[0].Raw)), "-inkey", write(t, dir, name+".key", pemOf("PRIVATE KEY", der))}
	}
	ec, r := signer("ec", k.ec), signer("rsa", k.rsa)
	for _, c := range []struct {
		name    string
		args    []string
		verdict validate.Verdict
		level   string
		signers int
	}{
		{"a detached CAdES signature", append([]string{"-cades", "-outform", "DER"}, ec...), validate.Passed, "CAdES-B-B", 1},
		{"a plain CMS signature", append([]string{"-outform", "DER"}, r...), validate.Passed, "CMS", 1},
		{"attached in PEM", append([]string{"-cades", "-nodetach", "-outform", "PEM"}, ec...), validate.Passed, "CAdES-B-B", 1},
		{"BER as streaming writes it", append([]string{"-cades", "-nodetach", "-stream", "-outform", "DER"}, ec...), validate.Passed, "CAdES-B-B", 1},
		{"RSA-PSS", append(append([]string{"-cades", "-outform", "DER"}, r...), "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"), validate.Passed, "CAdES-B-B", 1},
		{"a signer by key identifier", append([]string{"-cades", "-keyid", "-outform", "DER"}, r...), validate.Passed, "CAdES-B-B", 1},
		{"two signers", append(append([]string{"-cades", "-outform", "DER"}, ec...), r...), validate.Passed, "CAdES-B-B", 2},
		{"without attributes nothing binds the certificate", append([]string{"-noattr", "-outform", "DER"}, r...), validate.Indeterminate, "CMS", 1},
		{"without certificates the signer is unknown", append([]string{"-nocerts", "-outform", "DER"}, r...), validate.Indeterminate, "CMS", 1},
		{"SHA-1 is weak", append([]string{"-md", "sha1", "-outform", "DER"}, r...), validate.Indeterminate, "CMS", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "a signer by key identifier" && len(p.Issue(t, "x", k.rsa.Public())[0].SubjectKeyId) == 0 {
				t.Skip("the test's certificates carry no key identifier")
			}
			out := filepath.Join(dir, "out")
			openssl(t, append([]string{"cms", "-sign", "-binary", "-in", file, "-out", out}, c.args...)...)
			der, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			report := judge(t, der, content, validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()})
			if report.Verdict != c.verdict || len(report.Signatures) != c.signers || report.Signatures[0].Level != c.level {
				t.Errorf("judged %s %+v", report.Verdict, report.Signatures)
			}
		})
	}
}

func TestContentThatIsNotAtHandIsSaidSo(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	result, err := cades.Sign(t.Context(), bytes.NewReader(content), options(t, p, trusttest.ECKey(t), cades.LevelB))
	if err != nil {
		t.Fatal(err)
	}
	report, err := validate.Container(t.Context(), bytes.NewReader(result.CMS), nil, validate.Options{Store: p.Store(t), Clock: p.Clock})
	if err != nil || report.Verdict != validate.Indeterminate || report.Signatures[0].SubIndication != validate.SubNoData {
		t.Errorf("%+v, %v", report, err)
	}
}

// An archived signature still passes when its signer's certificate has expired
// and was revoked after the time-stamp; one without material does not.
func TestAnArchivedSignatureOutlivesItsCertificate(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	o := options(t, p, trusttest.ECKey(t), cades.LevelLTA)
	long, err := cades.Sign(t.Context(), bytes.NewReader(content), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Level = cades.LevelB
	short, err := cades.Sign(t.Context(), bytes.NewReader(content), o)
	if err != nil {
		t.Fatal(err)
	}
	p.Clock.Advance(3 * 365 * 24 * time.Hour)
	offline := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()}
	report := judge(t, long.CMS, content, offline)
	if report.Verdict != validate.Passed || report.Signatures[0].Level != "CAdES-B-LTA" {
		t.Errorf("archived: %+v", report.Signatures[0])
	}
	report = judge(t, short.CMS, content, offline)
	if report.Verdict != validate.Indeterminate || report.Signatures[0].SubIndication != validate.SubOutOfBounds {
		t.Errorf("short: %+v", report.Signatures[0])
	}
	// Something under the archive time-stamp is taken away or changed.
	signed, err := cms.ParseAll(long.CMS)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(long.CMS, signed[0].OCSPs[0])
	changed := bytes.Clone(long.CMS)
	changed[at+len(signed[0].OCSPs[0])-1] ^= 1
	report = judge(t, changed, content, offline)
	if report.Verdict == validate.Passed {
		t.Errorf("changed material: %+v", report.Signatures[0])
	}
}

func TestWhatCannotBeSignedIsRefused(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	good := options(t, p, trusttest.ECKey(t), cades.LevelLT)
	for name, change := range map[string]func(*cades.Options){
		"an unknown level":           func(o *cades.Options) { o.Level = "B-X" },
		"a level without authority":  func(o *cades.Options) { o.Timestamp = nil },
		"long term without material": func(o *cades.Options) { o.Collect = nil },
		"no signing time":            func(o *cades.Options) { o.Now = time.Time{} },
	} {
		o := good
		change(&o)
		_, err := cades.Sign(t.Context(), bytes.NewReader(content), o)
		if !errors.Is(err, cades.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.Hash = crypto.SHA1
	_, err := cades.Sign(t.Context(), bytes.NewReader(content), good)
	if !errors.Is(err, cms.ErrRefused) {
		t.Errorf("SHA-1: %v", err)
	}
}

func FuzzContainer(f *testing.F) {
	p := trusttest.New(f, time.Time{})
	key := trusttest.ECKey(f)
	client := &tsp.Client{URL: p.TSAURL()}
	result, err := cades.Sign(context.Background(), bytes.NewReader(content), cades.Options{
		Signer: key, Chain: p.Issue(f, "A", key.Public()), Level: cades.LevelLTA, Timestamp: client.Timestamp, Collect: p.Collector().Collect,
		Now: p.Clock.Now(), Attached: true,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(result.CMS)
	store := p.Store(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		report, err := validate.Container(context.Background(), bytes.NewReader(der), nil, validate.Options{Store: store, Clock: p.Clock})
		if err != nil || report.Verdict != validate.Passed {
			return
		}
		signed, err := cms.ParseAll(der)
		if err == nil && len(signed) == 1 && signed[0].Content != nil && !bytes.Equal(signed[0].Content, content) {
			t.Fatal("other content passes")
		}
	})
}
