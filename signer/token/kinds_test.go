package token_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/token"
	"github.com/antin-gov/antin/signer/validate"
)

// anotherKind is a person's token of a kind, with an RSA key and certificate
// where it stores them.
func anotherKind(t *testing.T, kind hsmtest.Backend) (*stick, bool) {
	t.Helper()
	running := kind.Start(t)
	how := hsmtest.Options(t, running.Config)
	worker, err := hsm.StartWorker(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	client, err := hsm.Dial(t.Context(), running.Config.SocketPath, hsm.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stick{pki: trusttest.New(t, time.Time{})}
	public, err := client.Generate(t.Context(), "rsa", "RSA-2048")
	if err != nil {
		t.Fatal(err)
	}
	cert := s.pki.Issue(t, "Nguyễn Văn Bình", public)[0]
	stored := client.ImportCertificate(t.Context(), "rsa", cert.Raw) // not every kind takes one
	s.certs = append(s.certs, cert)
	err = errors.Join(client.Close(), worker.Close())
	if err != nil {
		t.Fatal(err)
	}
	uri, err := hsm.ParseURI(running.Config.Tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	s.options = token.Options{
		Module: uri.Query["module-path"], PINFile: uri.Query["pin-source"][len("file:"):], Environment: running.Config.Environment,
		Worker: how.Command, WorkerEnv: how.Env, Logger: how.Logger,
	}
	return s, stored == nil
}

func TestTokensOfOtherMakesSign(t *testing.T) {
	pdf, err := os.ReadFile(testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	withoutPSS := map[string]bool{"swtpm": true}
	for _, kind := range hsmtest.Backends()[1:] { // SoftHSM is that of the other tests
		t.Run(kind.Name, func(t *testing.T) {
			s, stored := anotherKind(t, kind)
			own := s.open(t)
			key, err := own.Choose("rsa")
			if err != nil {
				t.Fatal(err)
			}
			if stored != (key.Certificate != nil) {
				t.Errorf("the certificate was stored: %t; it is read: %t", stored, key.Certificate != nil)
			}
			for _, scheme := range []signer.Scheme{signer.SchemePKCS1, signer.SchemePSS} {
				out := filepath.Join(t.TempDir(), "out.pdf")
				q := signer.Request{In: bytes.NewReader(pdf), Size: int64(len(pdf)), Name: "vao.pdf", Scheme: scheme, Level: "B-T"}
				l := s.local(t, own, "rsa")
				_, err = l.Sign(t.Context(), q, out)
				if scheme == signer.SchemePSS && withoutPSS[kind.Name] {
					if !errors.Is(err, hsm.ErrUnsupported) {
						t.Errorf("%s: got %v", scheme, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", scheme, err)
					continue
				}
				signed, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				report, err := validate.File(t.Context(), bytes.NewReader(signed), int64(len(signed)), validate.Options{Clock: s.pki.Clock, Store: s.pki.Store(t), Collector: s.pki.Collector()})
				if err != nil || report.Verdict != validate.Passed {
					t.Errorf("%s: %v %+v", scheme, err, report)
				}
			}
		})
	}
}
