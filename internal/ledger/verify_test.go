package ledger

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flip changes one bit of a file.
func flip(t testing.TB, path string, at int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[(at%len(raw)+len(raw))%len(raw)] ^= 1
	err = os.WriteFile(path, raw, 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

// copyPublic copies what an outsider gets: all but .state.
func copyPublic(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	err := os.CopyFS(to, os.DirFS(from))
	if err != nil {
		t.Fatal(err)
	}
	err = os.RemoveAll(filepath.Join(to, stateDir))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestVerifyNamesEachFileOfWhichOneByteWasChanged(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	fill(t, dir, key, 600)
	fill(t, dir, key, 20)
	vkey, err := VerifierKey(testOrigin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	copied := copyPublic(t, dir)
	report, err := Verify(t.Context(), copied, VerifyOptions{VKey: vkey})
	if err != nil || !report.OK() || report.Entries != 620 || report.OwnKey || len(report.Strangers) != 0 || report.Beyond != 0 {
		t.Fatalf("an unchanged copy gave %+v, %v", report, err)
	}
	t.Logf("%d tiles, %d bundles", report.Tiles, report.Bundles)
	kinds := map[string]int{}
	err = filepath.WalkDir(copied, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(copied, path)
		if err != nil {
			return err
		}
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, at := range []int{0, 1, 40, len(before) / 2, -1} {
			flip(t, path, at)
			report, err := Verify(t.Context(), copied, VerifyOptions{VKey: vkey})
			if err != nil {
				t.Fatalf("%s: %v", rel, err)
			}
			named := false
			for _, p := range report.Problems {
				named = named || p.File == rel
				if strings.HasPrefix(rel, "tile/entries/") && p.File == rel && p.Entry == nil {
					t.Errorf("%s byte %d: the entry is not named: %s", rel, at, p.What)
				}
				if p.File != rel {
					t.Errorf("%s byte %d: %s is blamed: %s", rel, at, p.File, p.What)
				}
			}
			if !named {
				t.Errorf("%s byte %d was changed and nothing noticed: %+v", rel, at, report.Problems)
			}
			err = os.WriteFile(path, before, 0o644)
			if err != nil {
				return err
			}
		}
		kinds[strings.SplitN(rel, "/", 3)[0]]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("files changed: %v", kinds)
}

func TestVerifyNoticesWhatIsMissingAddedOrReplaced(t *testing.T) {
	dir := t.TempDir()
	key, _ := newTestKey(t)
	fill(t, dir, key, 300)
	vkey, err := VerifierKey(testOrigin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	otherDir := t.TempDir()
	other, _ := newTestKey(t)
	fill(t, otherDir, other, 300)
	cases := []struct {
		name string
		harm func(dir string) error
		file string
	}{
		{"a missing bundle is named", func(d string) error { return os.Remove(filepath.Join(d, "tile/entries/000")) }, "tile/entries/000"},
		{"a missing tile of level 0 is named", func(d string) error { return os.Remove(filepath.Join(d, "tile/0/000")) }, "tile/0/000"},
		{"a missing tile of level 1 is named", func(d string) error { return os.RemoveAll(filepath.Join(d, "tile/1")) }, "tile/1/000.p/1"},
		{"a missing checkpoint is named", func(d string) error { return os.Remove(filepath.Join(d, "checkpoint")) }, "checkpoint"},
		{"an empty bundle is named", func(d string) error { return os.Truncate(filepath.Join(d, "tile/entries/000"), 0) }, "tile/entries/000"},
		{"a lengthened tile is named", func(d string) error { return appendTo(filepath.Join(d, "tile/0/000"), make([]byte, 32)) }, "tile/0/000"},
		{"a lengthened partial bundle is named", func(d string) error { return appendTo(filepath.Join(d, "tile/entries/001.p/44"), []byte{0, 1, 'x'}) }, "tile/entries/001.p/44"},
		{"a log of another key is named", func(d string) error {
			err := os.RemoveAll(d)
			if err != nil {
				return err
			}
			return os.CopyFS(d, os.DirFS(otherDir))
		}, "checkpoint"},
	}
	for _, tc := range cases {
		copied := copyPublic(t, dir)
		err := tc.harm(copied)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		report, err := Verify(t.Context(), copied, VerifyOptions{VKey: vkey})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		named := false
		for _, p := range report.Problems {
			named = named || p.File == tc.file
		}
		if !named {
			t.Errorf("%s: %+v", tc.name, report.Problems)
		}
	}
}

func appendTo(path string, data []byte) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, data...), 0o644)
}

func BenchmarkVerify(b *testing.B) {
	const entries = 20_000
	dir := b.TempDir()
	key, _ := newTestKey(b)
	fill(b, dir, key, entries)
	b.ResetTimer()
	for range b.N {
		report, err := Verify(b.Context(), dir, VerifyOptions{})
		if err != nil || !report.OK() {
			b.Fatalf("%+v, %v", report, err)
		}
	}
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "entries/s")
}
