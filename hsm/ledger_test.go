package hsm_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/ledger"
)

func TestTheLedgerIsSignedByTheTokenAlsoAfterTheWorkerDied(t *testing.T) {
	tok := hsmtest.NewToken(t)
	_, err := tok.Client.Generate(t.Context(), "ledger", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := tok.Client.Signer(t.Context(), "ledger")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir, Origin: "antin.test/ledger", Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := syscall.Kill(tok.Supervisor.PID(), syscall.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		// Durable without the token; the checkpoint follows when it is healed.
		r, err := l.Append(t.Context(), ledger.Entry{Kind: "hsm.test", Actor: "system:test", Object: "worker"})
		if err != nil {
			t.Fatal(err)
		}
		p, err := l.Proof(t.Context(), r.Index)
		if err != nil {
			t.Fatal(err)
		}
		vkey, err := os.ReadFile(filepath.Join(dir, "ledger.vkey"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ledger.VerifyProof(p, string(vkey))
		if err != nil {
			t.Error(err)
		}
	}
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Verify(t.Context(), dir, ledger.VerifyOptions{})
	if err != nil || !report.OK() || report.Entries != 3 {
		t.Errorf("verify: %+v, %v", report, err)
	}
}
