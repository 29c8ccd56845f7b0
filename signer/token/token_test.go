package token_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/token"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

// stick is a person's token with keys and certificates, of which no worker runs.
type stick struct {
	pki     *trusttest.PKI
	options token.Options
	certs   []*x509.Certificate // beside those on the token
}

func newStick(t *testing.T) *stick {
	t.Helper()
	made := hsmtest.Init(t)
	how := hsmtest.Options(t, made)
	worker, err := hsm.StartWorker(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	client, err := hsm.Dial(t.Context(), made.SocketPath, hsm.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stick{pki: trusttest.New(t, time.Time{})}
	for label, algorithm := range map[string]string{"ec": "EC-P256", "rsa": "RSA-3072", "ed": "Ed25519", "bare": "EC-P384"} {
		public, err := client.Generate(t.Context(), label, algorithm)
		if err != nil {
			t.Fatal(err)
		}
		if label == "bare" {
			continue
		}
		err = client.ImportCertificate(t.Context(), label, s.pki.Issue(t, "Nguyễn Văn Bình", public)[0].Raw)
		if err != nil {
			t.Fatal(err)
		}
	}
	err = errors.Join(client.Close(), worker.Close())
	if err != nil {
		t.Fatal(err)
	}
	pin, err := os.ReadFile(made.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	s.options = token.Options{
		Module: hsm.DefaultModule, PIN: bytes.TrimSpace(pin), Worker: how.Command, WorkerEnv: how.Env, SoftHSMConf: made.SoftHSMConf, Logger: how.Logger,
	}
	return s
}

func (s *stick) open(t *testing.T) *token.Token {
	t.Helper()
	own, err := token.Open(t.Context(), s.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := own.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return own
}

func TestWhatATokenRefusesIsToldInWords(t *testing.T) {
	s := newStick(t)
	refused := func(change func(o *token.Options), want error, words ...string) {
		t.Helper()
		o := s.options
		change(&o)
		own, err := token.Open(t.Context(), o)
		if err == nil {
			_ = own.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("got %v", err)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q is not in: %v", w, err)
			}
		}
	}
	refused(func(o *token.Options) { o.PIN = []byte("000000") }, hsm.ErrPIN, "antin-test", "tries are left")
	refused(func(o *token.Options) { o.PIN = nil }, hsm.ErrPIN)
	refused(func(o *token.Options) { o.Label = "another" }, hsm.ErrTokenNotFound, `"antin-test"`, "serial number")
	refused(func(o *token.Options) { o.Serial = "4711" }, hsm.ErrTokenNotFound, "4711")
	_, err := token.Open(t.Context(), token.Options{Module: "/nowhere/module.so", PIN: s.options.PIN, Worker: s.options.Worker, WorkerEnv: s.options.WorkerEnv})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/module.so") {
		t.Errorf("got %v", err)
	}
	own := s.open(t) // the right PIN still opens it
	_, err = own.Choose("")
	if !errors.Is(err, token.ErrChoose) || !strings.Contains(err.Error(), `"ed" (Ed25519`) || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("got %v", err)
	}
	_, err = own.Choose("none")
	if !errors.Is(err, token.ErrChoose) {
		t.Errorf("got %v", err)
	}
	bare, err := own.Choose("bare")
	if err != nil {
		t.Fatal(err)
	}
	byID, err := own.Choose(bare.ID)
	if err != nil || byID.Label != "bare" {
		t.Errorf("by id: %v, %v", byID, err)
	}
	_, err = own.Chain(bare, nil)
	if !errors.Is(err, token.ErrNoCertificate) {
		t.Errorf("got %v", err)
	}
}

// local signs with a key of the token.
func (s *stick) local(t *testing.T, own *token.Token, label string) signer.Local {
	t.Helper()
	key, err := own.Choose(label)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := own.Chain(key, append([]*x509.Certificate{s.pki.Issuer, s.pki.Root}, s.certs...))
	if err != nil || len(chain) != 3 {
		t.Fatalf("chain of %d, %v", len(chain), err)
	}
	private, err := own.Signer(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return signer.Local{
		Key: &signer.Key{Name: label, Label: label, Chain: chain}, Private: private, Clock: s.pki.Clock, Anchors: s.pki.Store(t), Collector: s.pki.Collector(),
		Timestamp: func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
			return (&tsp.Client{URL: s.pki.TSAURL()}).Timestamp(ctx, h, digest)
		},
		SecondOpinionMax: 16 << 20, Logger: slog.New(slog.DiscardHandler),
	}
}

func TestAPersonsTokenSignsEveryFormatAndTheResultPasses(t *testing.T) {
	s := newStick(t)
	own := s.open(t)
	pdf, err := os.ReadFile(testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	xml := []byte("<hoSo><ten>Sở Nội vụ</ten></hoSo>")
	anchors := filepath.Join(t.TempDir(), "root.pem")
	err = os.WriteFile(anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.pki.Root.Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, key string
		format    signer.Format
		scheme    signer.Scheme
		hash      crypto.Hash
		level     string
		content   []byte
	}{
		{"PDF by ECDSA", "ec", signer.FormatPAdES, "", 0, "B-LTA", pdf},
		{"PDF by RSA-PSS", "rsa", signer.FormatPAdES, "", 0, "B-B", pdf},
		{"PDF by Ed25519", "ed", signer.FormatPAdES, "", 0, "B-LT", pdf},
		{"PDF by ECDSA with SHA3-256", "ec", signer.FormatPAdES, "", crypto.SHA3_256, "B-T", pdf},
		{"PDF by RSA with SHA3-512", "rsa", signer.FormatPAdES, signer.SchemePKCS1, crypto.SHA3_512, "B-B", pdf},
		{"CMS by ECDSA", "ec", signer.FormatCAdES, "", crypto.SHA384, "B-LT", xml},
		{"CMS by Ed25519", "ed", signer.FormatCAdES, "", 0, "B-T", xml},
		{"CMS by ECDSA with SHA3-384", "ec", signer.FormatCAdES, "", crypto.SHA3_384, "B-B", xml},
		{"CMS by RSA with SHA3-256", "rsa", signer.FormatCAdES, signer.SchemePKCS1, crypto.SHA3_256, "B-B", xml},
		{"XML by ECDSA", "ec", signer.FormatXAdES, "", 0, "B-LT", xml},
		{"XML by ECDSA with SHA3-256", "ec", signer.FormatXAdES, "", crypto.SHA3_256, "B-LT", xml},
		{"a CMS archive by ECDSA with SHA3-256", "ec", signer.FormatCAdES, "", crypto.SHA3_256, "B-LTA", xml},
		{"a PDF archive by ECDSA with SHA3-384", "ec", signer.FormatPAdES, "", crypto.SHA3_384, "B-LTA", pdf},
		{"a container by RSA-PSS", "rsa", signer.FormatASiC, "", 0, "B-B", xml},
	} {
		l := s.local(t, own, c.key)
		out := filepath.Join(t.TempDir(), "out")
		q := signer.Request{In: bytes.NewReader(c.content), Size: int64(len(c.content)), Name: "vao.xml", Format: c.format, Scheme: c.scheme, Hash: c.hash, Level: c.level}
		act, err := l.Sign(t.Context(), q, out)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		signed, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		report, err := validate.File(t.Context(), bytes.NewReader(signed), int64(len(signed)), validate.Options{
			Clock: s.pki.Clock, Store: s.pki.Store(t), Collector: s.pki.Collector(), Content: bytes.NewReader(c.content),
		})
		if err != nil || report.Verdict != validate.Passed {
			t.Errorf("%s (%s): %v %+v", c.name, act.Opinion, err, report)
		}
		// OpenSSL before 3.2 does not verify Ed25519 in CMS.
		if c.format == signer.FormatCAdES && c.key != "ed" {
			opensslAccepts(t, c.name, out, c.content, anchors)
		}
	}
}

func opensslAccepts(t *testing.T, name, signature string, content []byte, anchors string) {
	t.Helper()
	_, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	file := filepath.Join(t.TempDir(), "content")
	err = os.WriteFile(file, content, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", signature, "-content", file, "-CAfile", anchors,
		"-purpose", "any", "-out", os.DevNull, "-no_check_time").CombinedOutput()
	if err != nil {
		t.Errorf("%s: openssl: %v\n%s", name, err, said)
	}
}

func TestAPersonsTokenDoesNotSignWhatWouldNotStand(t *testing.T) {
	s := newStick(t)
	own := s.open(t)
	content := []byte("nội dung")
	refused := func(name string, l signer.Local, q signer.Request, want error) {
		t.Helper()
		q.In, q.Size, q.Name, q.Format = bytes.NewReader(content), int64(len(content)), "vao.txt", signer.FormatCAdES
		out := filepath.Join(t.TempDir(), "out")
		_, err := l.Sign(t.Context(), q, out)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v", name, err)
		}
		_, missing := os.Stat(out)
		if !errors.Is(missing, os.ErrNotExist) {
			t.Errorf("%s: there is a result", name)
		}
	}
	late := s.local(t, own, "ec")
	late.Clock = clock.NewFake(late.Key.Chain[0].NotAfter.Add(time.Hour))
	refused("an expired certificate", late, signer.Request{Level: "B-B"}, signer.ErrCertificate)
	alone := s.local(t, own, "ec")
	alone.Timestamp = nil
	refused("B-T without an authority", alone, signer.Request{Level: "B-T"}, signer.ErrRequest)
	refused("SHA-1", s.local(t, own, "ec"), signer.Request{Level: "B-B", Hash: crypto.SHA1}, signer.ErrRequest)
	refused("what the token cannot do", s.local(t, own, "rsa"), signer.Request{Level: "B-B", Hash: crypto.SHA3_256}, hsm.ErrUnsupported)
	gone := s.local(t, own, "ec")
	s.pki.Revoke(gone.Key.Chain[0], s.pki.Clock.Now(), 1)
	refused("a revoked certificate", gone, signer.Request{Level: "B-B"}, signer.ErrCertificate)
}
