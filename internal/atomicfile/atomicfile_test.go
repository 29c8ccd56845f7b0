package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/internal/atomicfile"
)

func TestAFileIsReplacedWholeOrStaysAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Errorf("left beside it: %v, %v", left, err)
		}
	}
	err := atomicfile.WriteBytes(path, 0o640, []byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	check("first")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	broken := errors.New("broken")
	err = atomicfile.Write(path, 0o640, func(f *os.File) error {
		_, err := f.WriteString("half of the sec")
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	check("first")
	err = atomicfile.WriteBytes(path, 0o600, []byte("second"))
	if err != nil {
		t.Fatal(err)
	}
	check("second")
	err = atomicfile.WriteBytes(filepath.Join(dir, "nowhere", "x"), 0o600, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
