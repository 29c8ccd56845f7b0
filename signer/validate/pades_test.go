package validate_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

// What signer/pades makes of the real documents at B-LT is passed offline, and
// no byte that it signed may change.
func TestRealDocumentsSignedHerePassOfflineAndResistEveryChange(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "pdf/real"), "*.pdf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	p := trusttest.New(t, time.Time{})
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	ec := trusttest.ECKey(t)
	cases := []struct {
		name   string
		signer crypto.Signer
		pss    bool
	}{{"ECDSA", ec, false}, {"RSA", key, false}, {"RSA-PSS", key, true}}
	offline := validate.Options{Store: p.Store(t), Clock: p.Clock}
	flips := 0
	for n, path := range files {
		for m, c := range cases {
			t.Run(fmt.Sprintf("%s %s", shortName(path), c.name), func(t *testing.T) {
				in, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				info, err := in.Stat()
				if err != nil {
					t.Fatal(err)
				}
				out, err := os.Create(filepath.Join(t.TempDir(), "out.pdf"))
				if err != nil {
					t.Fatal(err)
				}
				defer out.Close()
				_, err = pades.Sign(context.Background(), in, info.Size(), out, pades.Options{
					Signer: c.signer, Chain: p.Issue(t, "Nguyễn Văn A", c.signer.Public()), Hash: crypto.SHA256, PSS: c.pss, Level: pades.LevelLT,
					Timestamp: (&tsp.Client{URL: p.TSAURL()}).Timestamp, Collect: p.Collector().Collect, Now: p.Clock.Now(),
				})
				if err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(out.Name())
				if err != nil {
					t.Fatal(err)
				}
				report := run(t, data, offline)
				if report.Verdict != validate.Passed || report.Signatures[0].Level != "B-LT" || report.ExitCode() != validate.ExitPassed {
					t.Fatalf("got %s", explain(report))
				}
				br := report.Signatures[0].ByteRange
				// Some twenty places a file, others in each case, always
				// with the tail where the structure lies thick.
				step := max(1, (br[1]-1)/15)
				for at := int64(n + 7*m); at < br[1]; at += step {
					flips += flip(t, data, at, offline)
				}
				for at := br[2] + int64(m); at < br[2]+br[3]; at += max(1, br[3]/6) {
					flips += flip(t, data, at, offline)
				}
				if at := bytes.LastIndex(data[:br[1]], []byte("/AESV3")); at >= 0 {
					// The file looks closed then, and is told nevertheless.
					flips += flip(t, data, int64(at)+2, offline)
				}
			})
		}
	}
	t.Logf("%d single-byte changes, all told", flips)
}

// flip changes one byte, judges, and puts it back.
func flip(t *testing.T, data []byte, at int64, o validate.Options) int {
	t.Helper()
	data[at] ^= 1
	defer func() { data[at] ^= 1 }()
	report := run(t, data, o)
	if report.Verdict != validate.Failed || report.ExitCode() != validate.ExitFailed {
		t.Errorf("byte %d changed: %s", at, explain(report))
	}
	return 1
}
