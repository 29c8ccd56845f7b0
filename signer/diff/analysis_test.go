package diff_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

// One analysis of a file, asked for each of its revisions, the newest first,
// says what a fresh one says.
func TestAnAnalysisOfManySignaturesSaysWhatOneAloneWould(t *testing.T) {
	asked := 0
	for _, dir := range []string{"pdf/pyhanko", "pdf/dss"} {
		names, err := filepath.Glob(filepath.Join(testkit.Data(t, dir), "*.pdf"))
		if err != nil {
			t.Fatal(err)
		}
		for n, name := range names {
			if testing.Short() && n%4 != 0 {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{Password: "usersecret"})
			if err != nil || len(f.Revisions()) < 3 {
				continue
			}
			for _, p := range []diff.Permissions{{}, {DocMDP: 3}, {DocMDP: 2, Locks: []diff.Lock{{Action: "All"}}}} {
				analysis := diff.NewAnalysis(f)
				for rev := len(f.Revisions()) - 2; rev >= 0; rev-- {
					want, err := diff.Compare(f, rev, p)
					if err != nil {
						t.Fatal(err)
					}
					got, err := analysis.Compare(rev, p)
					if err != nil {
						t.Fatal(err)
					}
					asked++
					if got.Level != want.Level || !reflect.DeepEqual(got.Reasons, want.Reasons) || !reflect.DeepEqual(got.Covers, want.Covers) {
						t.Errorf("%s after revision %d with %+v: %s\nalone: %s", filepath.Base(name), rev, p, explain(got), explain(want))
					}
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("%d comparisons only", asked)
	}
	t.Logf("%d comparisons agree", asked)
}
