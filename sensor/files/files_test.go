package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// held lists what lies in a store.
func held(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAFileIsKeptOnceByItsDigest(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f := s.New([]byte("../../etc/passwd"))
		f.Write([]byte("hel"))
		f.Write([]byte("lo"))
		f.Finish(true)
		f.Settle()
		if !f.Stored {
			t.Error("not stored")
		}
	}
	const path = "2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	got := held(t, dir)
	if len(got) != 1 || got[0] != path {
		t.Fatalf("%q", got)
	}
	content, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil || string(content) != "hello" {
		t.Errorf("%q %v", content, err)
	}
}

func TestWhatIsTooLargeOrBrokenIsNotKeptAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, 10, 15)
	if err != nil {
		t.Fatal(err)
	}
	large := s.New(nil)
	for range 3 {
		large.Write([]byte("12345"))
	}
	large.Finish(true)
	large.Settle()
	torn := s.New(nil)
	torn.Write([]byte("12345"))
	torn.Gap(3)
	torn.Write([]byte("6"))
	torn.Finish(true)
	torn.Settle()
	for i, want := range []bool{true, false} {
		f := s.New(nil)
		f.Write([]byte("abcdefgh9")[i:])
		f.Finish(true)
		f.Settle()
		if f.Stored != want {
			t.Errorf("file %d: stored %v", i, f.Stored)
		}
	}
	if large.Stored || torn.Stored || len(held(t, dir)) != 1 {
		t.Errorf("held %q", held(t, dir))
	}
	if n := s.Stats(); n.Stored != 1 || n.Refused != 3 {
		t.Errorf("%+v", n)
	}
	if s.open.Load() != 0 {
		t.Errorf("%d open", s.open.Load())
	}
}

func TestTheStoreThatIsNoneKeepsNothing(t *testing.T) {
	var s *Store
	f := s.New([]byte("a"))
	f.Write([]byte("x"))
	f.Finish(true)
	f.Settle()
	if f.Stored || s.Stats() != (StoreStats{}) {
		t.Error("stored")
	}
}
