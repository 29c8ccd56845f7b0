package diff_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

// signedRevisions gives the revisions that signatures of a file end at,
// without the last one.
func signedRevisions(f *cos.File) []int {
	v := f.Latest()
	root, _, err := v.Root()
	if err != nil {
		return nil
	}
	seen := map[int]bool{}
	var out []int
	var walk func(o cos.Object, depth int)
	walk = func(o cos.Object, depth int) {
		d := v.Dict(o)
		if depth > 5 || d == nil {
			return
		}
		br := v.Array(v.Dict(d["V"])["ByteRange"])
		if len(br) == 4 {
			from, _ := v.Int(br[2])
			length, _ := v.Int(br[3])
			rev, ok := f.RevisionAt(from + length)
			if ok && rev < len(f.Revisions())-1 && !seen[rev] {
				seen[rev] = true
				out = append(out, rev)
			}
		}
		for _, kid := range v.Array(d["Kids"]) {
			walk(kid, depth+1)
		}
	}
	for _, x := range v.Array(v.Dict(root["AcroForm"])["Fields"]) {
		walk(x, 0)
	}
	return out
}

func TestRealSignedDocumentsAreJudgedAsTheirMakersMeant(t *testing.T) {
	// What came after the first signature, by the name's end.
	want := map[string]diff.Level{
		"pades-lta-dss-indirect-arrs-test.pdf":                 diff.LTAUpdates,
		"pades-lta-dss-indirect-arrs-test-2.pdf":               diff.FormFilling,
		"extensions-update-indirect.pdf":                       diff.FormFilling,
		"form-update-override-appearance-stream.pdf":           diff.FormFilling,
		"validation__belgian_pki_multiple_ocsps.pdf":           diff.LTAUpdates,
		"validation__belgian_pki_multiple_ocsps_lt.pdf":        diff.LTAUpdates,
		"validation__doc-firmado-LT.pdf":                       diff.LTAUpdates,
		"Test.signed_Certipost-2048-SHA512.extended.pdf":       diff.LTAUpdates,
		"validation__pades-ltv.pdf":                            diff.LTAUpdates,
		"validation__pades-lt-extended-dss.pdf":                diff.FormFilling,
		"validation__muestra-firmado-firmado.pdf":              diff.FormFilling,
		"validation__hello_signed_INCSAVE_signed.pdf":          diff.FormFilling,
		"validation__AD-RB.pdf":                                diff.FormFilling,
		"validation__Signature-P-HU_MIC-3.pdf":                 diff.LTAUpdates,
		"validation__Signature-P-HU_POL-3.pdf":                 diff.LTAUpdates,
		"resources__sample_document_mra.pdf":                   diff.FormFilling,
		"validation__pades3_Baseline_B.pdf":                    diff.FormFilling,
		"dss-2554__fieldmdp-exclude-signed.pdf":                diff.LTAUpdates,
		"validation__pdf-with-vri-timestamp.pdf":               diff.LTAUpdates,
		"extensions-indirect-not-all-paths.pdf":                diff.Other,
		"form-update-override-appearance-stream-sneaky.pdf":    diff.Other,
		"dss-2236__replace.pdf":                                diff.Other,
		"validation__pades-signed-annot-added.pdf":             diff.Other,
		"validation__pades-spoofing-replaced-reason.pdf":       diff.Other,
		"validation__pdf-spoofing-attack.pdf":                  diff.Other,
		"validation__dss-1376__DSS1376-rev_n-3.pdf":            diff.FormFilling,
		"validation__pdf-structtreeroot-changes.pdf":           diff.FormFilling, // tags were added for the widget
		"validation__Signature-P-HU_POL-7.pdf":                 diff.FormFilling, // evidence was left out later
		"validation__Signature-P-FR_CS-5.pdf":                  diff.LTAUpdates,
		"validation__dss-1959__pades-tst-with-orphan-refs.pdf": diff.FormFilling, // evidence was left out later
		"form-update-ap-indirect-sneaky-trailer.pdf":           diff.FormFilling,
		"validation__pades_with_orphan_ocsp_cert_refs.pdf":     diff.LTAUpdates,
		"validation__pades-tst-with-null-type.pdf":             diff.LTAUpdates,
	}
	judged, listed := 0, 0
	for _, dir := range []string{"pdf/pyhanko", "pdf/dss"} {
		names, err := filepath.Glob(filepath.Join(testkit.Data(t, dir), "*.pdf"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{Password: "usersecret"})
			if err != nil {
				continue
			}
			revisions := signedRevisions(f)
			if len(revisions) == 0 {
				continue
			}
			first := revisions[0]
			for _, rev := range revisions {
				first = min(first, rev)
			}
			got, err := diff.Compare(f, first, diff.Permissions{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			judged++
			for end, level := range want {
				if !strings.HasSuffix(name, end) {
					continue
				}
				listed++
				if got.Level != level {
					t.Errorf("%s: want %s, got %s", filepath.Base(name), level, explain(got))
				}
			}
			t.Logf("%-13s %s", got.Level, filepath.Base(name))
		}
	}
	t.Logf("%d files judged, %d of them with a known answer", judged, listed)
	if listed < len(want)-1 {
		t.Errorf("only %d of %d known files were met", listed, len(want))
	}
}
