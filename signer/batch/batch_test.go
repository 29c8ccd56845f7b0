package batch_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/batch"
)

func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFilesComeFromAFolderByEndingOrFromAList(t *testing.T) {
	dir := folder(t, "a.pdf", "b.PDF", "c.xml", ".hidden.pdf")
	pdf, err := batch.Files(dir, ".pdf")
	if err != nil || len(pdf) != 2 {
		t.Errorf("%v, %v", pdf, err)
	}
	all, err := batch.Files(dir)
	if err != nil || len(all) != 3 {
		t.Errorf("%v, %v", all, err)
	}
	list := filepath.Join(folder(t), "list.txt")
	err = os.WriteFile(list, []byte("# hôm nay\n\n  x y.pdf \r\nz.csv\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	named, err := batch.Files(list, ".pdf")
	if err != nil || !slices.Equal(named, []string{"x y.pdf", "z.csv"}) {
		t.Errorf("%q, %v", named, err)
	}
	_, err = batch.Files(filepath.Join(dir, "none"))
	if !errors.Is(err, batch.ErrList) {
		t.Errorf("%v", err)
	}
}

func TestOneBadFileDoesNotStopTheRestAndASecondRunGoesOn(t *testing.T) {
	in, out := folder(t, "1", "2", "3", "4", "5"), t.TempDir()
	files, err := batch.Files(in)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(t.TempDir(), "3")) // the same name from elsewhere
	var calls atomic.Int32
	bad := "2"
	job := batch.Job{Folder: out, Ending: ".p7s", Workers: 3, Sign: func(_ context.Context, in, out string) (*signer.Act, error) {
		calls.Add(1)
		if filepath.Base(in) == bad {
			return nil, errors.New("không đọc được")
		}
		return &signer.Act{ID: "act-" + filepath.Base(in), Level: "CAdES-B-T"}, os.WriteFile(out, nil, 0o600)
	}}
	told := 0
	job.Done = func(batch.Result) { told++ }
	results, err := job.Run(t.Context(), files)
	if err != nil || told != 6 || calls.Load() != 5 || batch.Count(results, batch.Signed) != 4 || batch.Count(results, batch.Failed) != 2 {
		t.Fatalf("%v %d %d %+v", err, told, calls.Load(), results)
	}
	bad = ""
	results, err = job.Run(t.Context(), files[:5])
	if err != nil || calls.Load() != 6 || batch.Count(results, batch.There) != 4 || batch.Count(results, batch.Signed) != 1 {
		t.Fatalf("%v %d %+v", err, calls.Load(), results)
	}
	var b bytes.Buffer
	err = batch.WriteCSV(&b, results)
	rows, readErr := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || readErr != nil || len(rows) != 6 || rows[2][2] != "signed" || rows[2][4] != "act-2" || rows[1][2] != "there" {
		t.Errorf("%v, %v: %q", err, readErr, rows)
	}
}

func TestAStoppedBatchSaysWhatIsLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	job := batch.Job{Folder: t.TempDir(), Sign: func(context.Context, string, string) (*signer.Act, error) {
		cancel()
		return &signer.Act{}, nil
	}}
	results, err := job.Run(ctx, []string{"a", "b", "c"})
	if !errors.Is(err, context.Canceled) || batch.Count(results, batch.Signed) != 1 || batch.Count(results, batch.Left) != 2 {
		t.Errorf("%v %+v", err, results)
	}
}
