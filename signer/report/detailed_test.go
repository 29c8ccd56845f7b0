package report_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

func TestTheDetailedReportHasTheSameBlocksInEveryForm(t *testing.T) {
	f := judged(t, "Nguyễn Văn <b>A</b>", false)
	for lang, want := range map[validate.Lang][]string{
		validate.Vietnamese: {"Kiểm tra định dạng", "Kiểm tra mật mã", "Kiểm tra độ mới của dữ liệu thu hồi", "Bằng chứng tồn tại"},
		validate.English:    {"Format checking", "Cryptographic verification", "Revocation freshness checker", "Proofs of existence", "SHA-256"},
	} {
		f.Lang = lang
		for _, format := range []report.Format{report.DetailText, report.DetailHTML} {
			var b bytes.Buffer
			err := report.Write(&b, f, format)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range want {
				if !strings.Contains(b.String(), text) {
					t.Errorf("%s, %s: no %q", format, lang, text)
				}
			}
			if format == report.DetailHTML && strings.Contains(b.String(), "<b>A</b>") {
				t.Error("what a stranger wrote stands in the page as it is")
			}
			// Every key has its word: none is left with an underscore.
			raw := regexp.MustCompile(`\b[a-z0-9]+_[a-z_0-9]+\b`).FindString(regexp.MustCompile(`<style>(?s:.*?)</style>`).ReplaceAllString(b.String(), ""))
			if raw != "" {
				t.Errorf("%s, %s: %q has no word", format, lang, raw)
			}
		}
	}
	var b bytes.Buffer
	err := report.Write(&b, f, report.DetailJSON)
	if err != nil {
		t.Fatal(err)
	}
	var back report.DetailedReport
	err = json.Unmarshal(b.Bytes(), &struct {
		Signatures *[]struct {
			Blocks *[]struct {
				Block string `json:"block"`
			} `json:"blocks"`
		} `json:"signatures"`
		File *string `json:"file"`
	}{File: &back.File})
	if err != nil || back.File == "" || !strings.Contains(b.String(), `"block": "revocation_freshness_checker"`) {
		t.Errorf("JSON: %v\n%.300s", err, b.String())
	}
}
