package report_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

func TestTheReportAsPDFSaysWhatWasFoundInBothLanguages(t *testing.T) {
	for _, tool := range []string{"qpdf", "mutool"} {
		_, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	for _, c := range []struct {
		lang  validate.Lang
		harm  bool
		words []string
	}{
		{validate.Vietnamese, false, []string{"Báo cáo kiểm tra chữ ký", "Nguyễn Văn Ấn", "HỢP LỆ (TOTAL-PASSED)", "nguyên vẹn", "SHA-256"}},
		{validate.English, true, []string{"Signature validation report", "NOT VALID (TOTAL-FAILED", "broken"}},
	} {
		f := judged(t, "Nguyễn Văn Ấn", c.harm)
		f.Lang = c.lang
		var b bytes.Buffer
		err := report.Write(&b, f, report.PDF)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "report.pdf")
		err = os.WriteFile(path, b.Bytes(), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command("qpdf", "--check", path).CombinedOutput()
		if err != nil {
			t.Errorf("qpdf: %v\n%s", err, said)
		}
		text, err := exec.Command("mutool", "draw", "-F", "txt", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(string(text)), " ")
		for _, word := range c.words {
			if !strings.Contains(flat, word) {
				t.Errorf("%s: no %q in %s", c.lang, word, flat)
			}
		}
	}
}

func TestALongReportGoesOverSeveralPages(t *testing.T) {
	f := judged(t, strings.Repeat("Ủy ban nhân dân tỉnh ", 3), false)
	for range 40 {
		f.Report.Signatures = append(f.Report.Signatures, f.Report.Signatures[0])
	}
	f.Report.Signatures[1].Field = strings.Repeat("x", 500) // a word wider than the sheet
	var b bytes.Buffer
	err := report.Write(&b, f, report.PDF)
	if err != nil || bytes.Count(b.Bytes(), []byte("/Type /Page\n")) < 5 {
		t.Errorf("%v, %d pages", err, bytes.Count(b.Bytes(), []byte("/Type /Page\n")))
	}
}
