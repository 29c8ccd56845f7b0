package ca_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/backup"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// TestARestoreOfAnOlderBackupNeverUnrevokes is the whole way: a backup of a
// running system, acts after it, a restore into an empty folder and an empty
// database with the newer ledger, and what verifiers are told then.
func TestARestoreOfAnOlderBackupNeverUnrevokes(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "antin.db") },
		"PostgreSQL": storetest.PostgresDSN,
	} {
		t.Run(name, func(t *testing.T) { restoreOlder(t, dsn) })
	}
}

func restoreOlder(t *testing.T, dsn func(testing.TB) string) {
	from, to := dsn(t), dsn(t)
	open := func(dsn string) *store.DB {
		t.Helper()
		db, err := store.Open(t.Context(), dsn)
		check(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := open(from)
	check(t, db.Migrate(t.Context(), schema()...))
	w := newWorld(t, db, clock.System{})
	first, second := w.device(t), w.device(t)
	check(t, os.MkdirAll(filepath.Join(w.home, "hsm"), 0o700))
	check(t, os.WriteFile(filepath.Join(w.home, "hsm", "worker.json"), []byte(`{"pin_file":"`+w.home+`/hsm/pin"}`), 0o600))
	identity, err := age.GenerateX25519Identity()
	check(t, err)
	var file bytes.Buffer
	_, err = backup.Write(t.Context(), &file, backup.Source{Dir: w.home, DB: db, DSN: from, Time: time.Now(), Recipients: []age.Recipient{identity.Recipient()}})
	check(t, err)
	// The day after.
	_, err = w.service.Revoke(as(t, thu), first.Serial, ca.CauseDeviceLost, "")
	check(t, err)
	_, err = w.service.Hold(as(t, thu), second.Serial, "")
	check(t, err)
	third := w.device(t)
	_, err = w.service.Revoke(as(t, thu), third.Serial, ca.CauseStopped, "")
	check(t, err)
	standby := filepath.Join(t.TempDir(), "ledger")
	head, err := w.ledger.WaitPublished(t.Context(), 20*time.Second)
	check(t, err)
	check(t, ledger.Copy(t.Context(), filepath.Join(w.home, "ledger"), func(path string, _ int64, r io.Reader) error {
		if strings.HasPrefix(path, ".state") {
			return nil // as an outsider's copy has it
		}
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(standby, path)), 0o755))
		b, err := io.ReadAll(r)
		check(t, err)
		return os.WriteFile(filepath.Join(standby, path), b, 0o600)
	}))
	parent := t.TempDir()
	target := backup.Target{Dir: filepath.Join(parent, "restored"), DSN: func(string) (string, error) { return to, nil }, Ledger: standby}
	_, err = backup.Restore(t.Context(), bytes.NewReader(file.Bytes()), target)
	if !errors.Is(err, backup.ErrEncrypted) {
		t.Errorf("without the key: %v", err)
	}
	target.Identities = []age.Identity{identity}
	whole := file.Bytes()
	_, err = backup.Restore(t.Context(), bytes.NewReader(whole[:len(whole)*2/3]), target)
	if !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("cut off: %v", err)
	}
	rest, err := os.ReadDir(parent)
	check(t, err)
	if len(rest) != 0 {
		t.Errorf("a failed restore leaves %v", rest)
	}
	restored, err := backup.Restore(t.Context(), bytes.NewReader(whole), target)
	check(t, err)
	if restored.Ledger.Size < head.Size {
		t.Errorf("the ledger of %d entries was not taken: %d", head.Size, restored.Ledger.Size)
	}
	_, err = backup.Restore(t.Context(), bytes.NewReader(whole), target)
	if !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("over what is there: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(target.Dir, "hsm", "worker.json"))
	check(t, err)
	if !strings.Contains(string(b), target.Dir+"/hsm/pin") {
		t.Errorf("the new folder is not named: %s", b)
	}
	w.startRestored(t, open(to), filepath.Join(target.Dir, "ledger"), head)
	for name, c := range map[string]struct {
		cert *ca.Certificate
		want string
	}{"revoked after the backup": {first, ": revoked"}, "held after the backup": {second, "certificateHold"}, "issued and revoked after it": {third, ": revoked"}} {
		if text := w.ocspOf(t, w.file(t, c.cert), "service"); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if text := w.crlVerdict(t, w.file(t, first), "service", []string{"-crl_check_all"}, w.fetchList(t, "g1"), w.fetchList(t, "service")); !strings.Contains(text, "certificate revoked") {
		t.Errorf("by the list: %s", text)
	}
	c := w.device(t) // it goes on issuing
	if c.Serial == third.Serial {
		t.Error("a serial number was used again")
	}
}

// startRestored starts a service over a restored database and ledger, with the
// same token; the restored ledger alone, without the newer one, is refused.
func (w *world) startRestored(t *testing.T, db *store.DB, dir string, head ledger.Head) {
	t.Helper()
	log, err := ledger.Open(t.Context(), ledger.Options{Dir: dir, Origin: "antin.test/ledger", Signer: w.ledgerKey, Logger: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	found, err := ca.Reconcile(t.Context(), db, log, []ledger.Head{head}, w.deps.Clock, w.deps.Logger)
	check(t, err)
	if found.Revocations != 2 || found.Holds != 1 || found.Certificates != 1 {
		t.Errorf("replayed %+v", found)
	}
	w.ledger = &gate{Log: log}
	w.deps.DB, w.deps.Ledger, w.deps.History = db, w.ledger, w.ledger
	w.service, err = ca.New(t.Context(), w.deps)
	check(t, err)
	w.serveBy(w.service)
}
