package nd30_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/signer/nd30"
)

func found(r *nd30.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Rule)
	}
	return out
}

func TestADocumentInTheFormHasNoFindings(t *testing.T) {
	chairman := paper.Signer{Authority: []string{"TM. ỦY BAN NHÂN DÂN"}, Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"}
	for name, text := range map[string]string{
		"one page":      "Thực hiện ngay.",
		"several pages": strings.Repeat("Các cơ quan, đơn vị chịu trách nhiệm thực hiện Chỉ thị này và báo cáo kết quả hằng quý về Văn phòng Ủy ban nhân dân tỉnh.\n", 40),
	} {
		r := nd30.Check(document(t, directive(chairman, text)))
		for _, f := range r.Findings {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestWhatADocumentBreaksIsToldWithItsPlace(t *testing.T) {
	d := paper.Document{
		Agency: "Sở Nội vụ", Number: "7/QĐ - SNV", Place: "Tân Lập", Date: day(), Type: "Quyết định", Abstract: "Về việc", Body: []paper.Block{paper.Paragraph{Text: "Điều 1."}},
		Signer: paper.Signer{Authority: []string{"KT. GIÁM ĐỐC"}, Title: "GIÁM ĐỐC", Name: "NGUYỄN VĂN BÌNH"},
	}
	p, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	r := nd30.Check(document(t, p.PDF))
	rules := found(r)
	for _, want := range []string{"number-padding", "authority-deputy", "name-capitals", "recipients-missing"} {
		if !slices.Contains(rules, want) {
			t.Errorf("%s is not found: %v", want, rules)
		}
	}
	for _, f := range r.Findings {
		if f.Rule == "number-padding" && (f.Page != 1 || f.Place == nil || f.Place.X < 30 || f.Place.Y < 30 || f.Place.Y > 50 || f.Text != "Số: 7/QĐ - SNV" || f.Message.Vi == "" || f.Message.En == "" || f.Clause != "PL I, II.3") {
			t.Errorf("%+v", f)
		}
	}
	if r.Conforms() {
		t.Error("it conforms")
	}
	wide := nd30.Check(document(t, sheet("BT /F1 9 Tf 20 830 Td (Bang ke) Tj ET", "/MediaBox [0 0 612 850]")))
	for _, want := range []string{"paper", "margin-left", "margin-top", "body-size", "country-missing", "number-missing", "date-missing", "signer-missing"} {
		if !slices.Contains(found(wide), want) {
			t.Errorf("%s is not found: %v", want, found(wide))
		}
	}
	none := nd30.Check(document(t, sheet("", "")))
	if !slices.Equal(found(none), []string{"no-text"}) {
		t.Errorf("a page without text: %v", found(none))
	}
}
