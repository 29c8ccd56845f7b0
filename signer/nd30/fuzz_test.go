package nd30_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/nd30"
)

// spoken makes a page that shows lines of text as they are: each letter by its
// own code of a font that names them.
func spoken(lines []string) []byte {
	codes := map[rune]int{}
	var stream, names strings.Builder
	stream.WriteString("BT /F1 13 Tf 85 800 Td ")
	for _, line := range lines {
		stream.WriteString("<")
		for _, r := range line {
			_, ok := codes[r]
			if !ok && len(codes) < 250 {
				codes[r] = len(codes) + 1
				fmt.Fprintf(&names, "<%02X> <", codes[r])
				for _, unit := range utf16.Encode([]rune{r}) {
					fmt.Fprintf(&names, "%04X", unit)
				}
				names.WriteString(">\n")
			}
			fmt.Fprintf(&stream, "%02X", codes[r])
		}
		stream.WriteString("> Tj 0 -16 Td ")
	}
	stream.WriteString("ET")
	cmap := fmt.Sprintf("1 begincodespacerange <00> <FF> endcodespacerange %d beginbfchar\n%sendbfchar", len(codes), names.String())
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", stream.Len(), stream.String()),
		"<< /Type /Font /Subtype /TrueType /BaseFont /TimesNewRoman /FirstChar 0 /LastChar 0 /Widths [500] /ToUnicode 6 0 R >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(cmap), cmap),
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

func FuzzDocument(f *testing.F) {
	f.Add("ỦY BAN NHÂN DÂN\nTỈNH\nCỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\nSố: 05/QĐ-UBND\nTân Lập, ngày 05 tháng 02 năm 2026\nQUYẾT ĐỊNH\nVề việc\nĐiều 1.\nNơi nhận:\n- Lưu: VT\nKT. CHỦ TỊCH\nPHÓ CHỦ TỊCH\n\n\nNguyễn Văn Bình")
	f.Add("MẬT")
	f.Add("Độ mật: TỐI MẬT\nTUYỆT MẬT\nMẬT")
	f.Add("Số:      /QĐ-UBND\nHải Phòng, ngày     tháng     năm 2026\nTM. ỦY BAN\nTUQ. CHỦ TỊCH")
	f.Add("Số:\nngày\nKT.\nNơi nhận:\n\u0301\u0000\ufffd")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20<<10 {
			t.Skip()
		}
		lines := strings.Split(text, "\n")
		data := spoken(lines[:min(len(lines), 60)])
		began := time.Now()
		d, err := nd30.Open(bytes.NewReader(data), int64(len(data)), "")
		if err != nil {
			t.Fatalf("a page of ours is not read: %v", err)
		}
		report := nd30.Check(d)
		for _, found := range report.Findings {
			if found.Message.Vi == "" || found.Message.En == "" || found.Rule == "" {
				t.Errorf("a finding without words: %+v", found)
			}
		}
		err = d.Secret()
		var mark *nd30.SecretError
		if err != nil && (!errors.As(err, &mark) || mark.Level == "" || mark.Page != 1) {
			t.Errorf("refused without a mark: %v", err)
		}
		// Where the first line, alone, is the stamp, the document is refused.
		if first := strings.TrimSpace(lines[0]); err == nil && (first == "MẬT" || first == "TỐI MẬT" || first == "TUYỆT MẬT") {
			t.Errorf("the mark %q passes", first)
		}
		once := d.TextDigest()
		if d.TextDigest() != once {
			t.Error("two digests of one text")
		}
		for _, preset := range []appearance.Preset{appearance.Person, appearance.Seal} {
			_, _ = d.Complete(appearance.Spec{Preset: preset, Name: "Nguyễn Văn Bình"}, "Nguyễn Văn Bình") // a place, or that there is none
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
	})
}
