package content_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/content"
	"github.com/antin-gov/antin/signer/cos"
)

func open(t *testing.T, data []byte) (*cos.View, []cos.Ref) {
	t.Helper()
	f, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := f.Latest().Pages()
	if err != nil {
		t.Fatal(err)
	}
	return f.Latest(), pages
}

func lines(t *testing.T, data []byte, page int) []content.Line {
	t.Helper()
	v, pages := open(t, data)
	out, _, err := content.Lines(v, v.Dict(pages[page]), content.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func find(t *testing.T, all []content.Line, text string) content.Line {
	t.Helper()
	at := slices.IndexFunc(all, func(l content.Line) bool { return l.Text == text })
	if at < 0 {
		var have []string
		for _, l := range all {
			have = append(have, l.Text)
		}
		t.Fatalf("no line %q in:\n%s", text, strings.Join(have, "\n"))
	}
	return all[at]
}

func TestADocumentOfOursIsReadLineByLineWithItsColumns(t *testing.T) {
	d := paper.Directive{
		Agency: "Ủy ban nhân dân tỉnh", Number: 5, Symbol: "CT-UBND", Place: "Tân Lập", Date: time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC),
		Abstract: "Về tăng cường bảo đảm an toàn", Text: "Thực hiện ngay.", Recipients: []string{"Lưu: VT"},
		Signer: paper.Signer{Title: "Chủ tịch", Name: "Nguyễn Văn Bình"},
	}
	p, err := d.Document().Render()
	if err != nil {
		t.Fatal(err)
	}
	all := lines(t, p.PDF, p.Signature.Page-1)
	number := find(t, all, "Số: 05/CT-UBND")
	date := find(t, all, "Tân Lập, ngày 05 tháng 02 năm 2026")
	if !date.Italic || date.Bold || number.Italic || number.Size < 12.9 || number.Size > 13.1 {
		t.Errorf("number %+v, date %+v", number, date)
	}
	title, name := find(t, all, "CHỦ TỊCH"), find(t, all, "Nguyễn Văn Bình")
	room := p.Signature.Rect
	if title.Box.Y+title.Box.Height > room.Y+1 || name.Box.Y < room.Y+room.Height-1 || !name.Bold {
		t.Errorf("the room %+v does not lie between %+v and %+v", room, title.Box, name.Box)
	}
}

func TestTextOfSeveralProducersIsReadAtTheSamePlace(t *testing.T) {
	for _, c := range []struct {
		file string
		page int
		size float64
	}{
		{"chi-thi-chromium.pdf", 4, 14}, {"chi-thi-libreoffice.pdf", 5, 14}, {"chi-thi-libreoffice-pdfa2.pdf", 5, 14},
		{"chi-thi-linearized-objstm.pdf", 4, 14}, {"chi-thi-owner-aes256.pdf", 4, 14},
	} {
		data, err := os.ReadFile(filepath.Join(testkit.Data(t, "pdf/real"), c.file))
		if err != nil {
			t.Fatal(err)
		}
		all := lines(t, data, c.page)
		title, name := find(t, all, "TM. ỦY BAN NHÂN DÂN"), find(t, all, "Nguyễn Văn A")
		post := find(t, all, "CHỦ TỊCH")
		if !title.Bold || title.Size < c.size-0.2 || title.Size > c.size+0.6 || !strings.HasPrefix(title.Font, "LiberationSerif") {
			t.Errorf("%s: %+v", c.file, title)
		}
		centre := post.Box.X + post.Box.Width/2 - name.Box.X - name.Box.Width/2
		if centre < -1 || centre > 1 || post.Box.X < 90 {
			t.Errorf("%s: title at %+v, name at %+v", c.file, post.Box, name.Box)
		}
	}
}

// page makes a file of one page with the given content and page entries.
func page(content, entries string) []byte {
	font := "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Bold /Encoding << /Type /Encoding /Differences [ 1 /uni1EA4 /Acircumflexacute /dcroat ] >> >>"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> " + entries + " >>",
		"<< /Length " + itoa(len(content)) + " >>\nstream\n" + content + "\nendstream", font,
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		b.WriteString(itoa(i+1) + " 0 obj\n" + o + "\nendobj\n")
	}
	start := b.Len()
	b.WriteString("xref\n0 " + itoa(len(objects)+1) + "\n0000000000 65535 f \n")
	for _, at := range offsets {
		digits := itoa(at)
		b.WriteString(strings.Repeat("0", 10-len(digits)) + digits + " 00000 n \n")
	}
	b.WriteString("trailer\n<< /Size " + itoa(len(objects)+1) + " /Root 1 0 R >>\nstartxref\n" + itoa(start) + "\n%%EOF\n")
	return b.Bytes()
}

func itoa(n int) string {
	if n == 0 {
		return "0"
	}
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return s
}

func TestPlacesAreThoseOfTheVisiblePageHoweverItIsTurned(t *testing.T) {
	cases := []struct {
		name, content, entries string
		x, foot, size          float64
	}{
		{"upright", "BT /F1 12 Tf 72 728 Td (TEXT) Tj ET", "", 25.4, 25.4, 12},
		{"counted from the crop box", "BT /F1 12 Tf 82 728 Td (TEXT) Tj ET", "/CropBox [10 0 600 790]", 25.4, (790 - 728) * 25.4 / 72, 12},
		{"turned by 90", "BT /F1 12 Tf 0 1 -1 0 72 72 Tm (TEXT) Tj ET", "/Rotate 90", 25.4, 25.4, 12},
		{"turned by 180", "BT /F1 12 Tf -1 0 0 -1 528 72 Tm (TEXT) Tj ET", "/Rotate 180", 25.4, 25.4, 12},
		{"turned by 270", "BT /F1 12 Tf 0 -1 1 0 528 728 Tm (TEXT) Tj ET", "/Rotate 270", 25.4, 25.4, 12},
		{"a user unit of 2", "BT /F1 6 Tf 36 764 Td (TEXT) Tj ET", "/UserUnit 2", 25.4, 25.4, 12},
		{"scaled by its matrices", "q 2 0 0 2 0 0 cm BT /F1 3 Tf 2 0 0 2 36 364 Tm (TEXT) Tj ET Q", "", 25.4, 25.4, 12},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := find(t, lines(t, page(c.content, c.entries), 0), "TEXT")
			near := func(a, b float64) bool { return a-b < 0.1 && b-a < 0.1 }
			if !near(l.Box.X, c.x) || !near(l.Foot, c.foot) || !near(l.Size, c.size) {
				t.Errorf("at %.2f, %.2f in size %.2f", l.Box.X, l.Foot, l.Size)
			}
		})
	}
}

func TestLettersComeFromGlyphNamesAndTextThatIsTurnedAwayIsLeftOut(t *testing.T) {
	all := lines(t, page("BT /F1 12 Tf 72 700 Td <014D02033334> Tj ET BT 0 1 -1 0 300 300 Tm (SIDE) Tj ET", ""), 0)
	find(t, all, "ẤMẤđ34")
	if len(all) != 1 {
		t.Errorf("%d lines", len(all))
	}
}

func TestAPageThatCallsItselfForEverEnds(t *testing.T) {
	v, pages := open(t, page("/X Do", ""))
	form := &cos.Stream{Dict: cos.Dict{"Subtype": cos.Name("Form")}, Data: []byte("q /X Do Q")}
	form.Dict["Resources"] = cos.Dict{"XObject": cos.Dict{"X": form}}
	d := v.Dict(pages[0]).Clone()
	d["Resources"] = form.Dict["Resources"]
	_, err := content.Read(v, d, content.Options{})
	if err == nil {
		t.Error("no limit was met")
	}
}
