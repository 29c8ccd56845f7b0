package cos_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/cos"
)

// corpus lists every PDF of the real inputs.
func corpus(tb testing.TB) []string {
	tb.Helper()
	var files []string
	err := filepath.WalkDir(testkit.Data(tb, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".pdf") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

func open(tb testing.TB, path string, o cos.Options) (*cos.File, error) {
	tb.Helper()
	r, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	info, err := r.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return cos.Open(r, info.Size(), o)
}

func TestEveryRealFileIsReadOrRefusedWithAReason(t *testing.T) {
	count := map[string]int{}
	for _, path := range corpus(t) {
		f, err := open(t, path, cos.Options{Password: "usersecret"})
		var syntax *cos.SyntaxError
		switch {
		case err == nil && f.Irregular() != "":
			count["irregular"]++
			t.Logf("irregular: %s: %s", filepath.Base(path), f.Irregular())
		case err == nil:
			count["read"]++
			_, err = f.Latest().Pages()
			if err != nil {
				count["pages broken"]++
				t.Logf("pages: %s: %v", filepath.Base(path), err)
			}
		case errors.Is(err, cos.ErrPassword), errors.Is(err, cos.ErrHandler):
			count["encrypted"]++
			t.Logf("encrypted: %s: %v", filepath.Base(path), err)
		case errors.Is(err, cos.ErrNotPDF), errors.Is(err, cos.ErrNoXref), errors.As(err, &syntax):
			count["damaged"]++
			t.Logf("damaged: %s: %v", filepath.Base(path), err)
		default:
			t.Errorf("%s: untyped error %v", path, err)
		}
	}
	t.Logf("%v", count)
	if count["read"] < 400 {
		t.Errorf("only %d files can be read", count["read"])
	}
}
