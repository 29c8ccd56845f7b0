package app_test

import (
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
		err := os.CopyFS(dir, os.DirFS(source))
		if err != nil {
			t.Fatal(err)
		}
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
