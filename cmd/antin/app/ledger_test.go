package app_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (p *platform) testLedger(t *testing.T) {
	good := p.antin(t, "ledger", "verify").want(t, 0)
	wantText(t, good.out, "entries")
	var report struct {
		Entries uint64 `json:"entries"`
	}
	p.antin(t, "ledger", "verify", "--json").want(t, 0).decode(t, &report)
	if report.Entries < 20 {
		t.Errorf("%d entries after all that was done", report.Entries)
	}
	source := filepath.Join(p.dir, "ledger")
	for _, part := range []string{"tile/0", "tile/entries"} {
		dir := filepath.Join(t.TempDir(), "ledger")
		copyLedger(t, dir, source)
		file := firstFile(t, filepath.Join(dir, part))
		content := readFile(t, file)
		content[len(content)/2] ^= 1
		writeOver(t, file, content)
		name, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		bad := p.antin(t, "ledger", "verify", dir).want(t, 1)
		wantText(t, bad.out, "NOT VERIFIED")
		wantText(t, bad.out, name)
		t.Logf("%s", strings.TrimSpace(bad.out))
	}
	p.antin(t, "ledger", "verify", filepath.Join(t.TempDir(), "nothing")).want(t, 3)
	shown := p.antin(t, "ledger", "show", "0").want(t, 0)
	wantText(t, shown.out, `"checkpoint"`)
	p.antin(t, "ledger", "show", "first").want(t, 2)
}

// copyLedger copies a log that is being written to: its checkpoint first,
// then the tiles, without files that are gone by the time or not yet under
// their own name (tiles have names of at most three digits).
func copyLedger(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || strings.HasPrefix(rel, "tile") && len(d.Name()) > 3 || strings.HasPrefix(rel, ".state") {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		err = os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o750)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func firstFile(t *testing.T, dir string) string {
	t.Helper()
	var found string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found = path
			return fs.SkipAll
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no file in %s: %v", dir, err)
	}
	return found
}

// writeOver changes a file that stands already.
func writeOver(t *testing.T, path string, content []byte) {
	t.Helper()
	err := os.Chmod(path, 0o600)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
