package content_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/signer/content"
	"github.com/antin-gov/antin/signer/cos"
)

// fuzzLimits are those under which an outside document's text is read.
func fuzzLimits() cos.Limits { return cos.Limits{Raw: 1 << 20, Decoded: 1 << 20} }

// fuzzTime is what the reading of a small file may take, on a busy machine.
const fuzzTime = 10 * time.Second

// fuzzSheet is a page with a content stream and a font with a ToUnicode map.
func fuzzSheet(stream, toUnicode, font string) []byte {
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X 7 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(stream), stream),
		"<< /Type /Font " + font + " /ToUnicode 6 0 R >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(toUnicode), toUnicode),
		fmt.Sprintf("<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 5 0 R >> /XObject << /X 7 0 R >> >> /Length %d >>\nstream\n%s\nendstream", len(stream), stream),
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

func FuzzLines(f *testing.F) {
	simple, composite := "/Subtype /TrueType /BaseFont /Times /FirstChar 32 /Widths [250 333] /Encoding /WinAnsiEncoding", "/Subtype /Type0 /Encoding /Identity-H /DescendantFonts [<< /Subtype /CIDFontType2 /W [1 [500 600] 3 9 700] /DW 1000 >>]"
	maps := "1 begincodespacerange <0000> <FFFF> endcodespacerange 2 beginbfrange <0000> <0005> <0041> <0006> <0008> [<0061> <0062> <D83DDE00>] endbfrange 1 beginbfchar <0009> <1EAD> endbfchar"
	for _, stream := range []string{
		"BT /F1 12 Tf 72 700 Td (Quyet dinh) Tj 0 -14 TD [(M) -120 (AT)] TJ T* (x) ' 1 2 (y) \" ET", "q 1 0 0 1 5 5 cm /X Do Q", "BT /F1 9 Tf 3 Tr 2 Ts 50 Tz <00010002> Tj ET /Cs cs 1 scn 0 0 0 1 k BI /W 1 /H 1 ID x EI",
		strings.Repeat("q ", 100) + strings.Repeat("/X Do ", 20),
	} {
		f.Add(stream, maps, simple)
		f.Add(stream, maps, composite)
	}
	f.Add("BT /F1 1 Tf (a) Tj ET", "1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange", composite)
	f.Add("BT /F1 1e300 Tf 1e300 0 0 1e300 0 0 Tm (a) Tj ET", "", "/Subtype /Type3 /FontMatrix [0 0 0 0 0 0]")
	f.Fuzz(func(t *testing.T, stream, toUnicode, font string) {
		if len(stream)+len(toUnicode)+len(font) > 100<<10 {
			t.Skip()
		}
		data := fuzzSheet(stream, toUnicode, font)
		file, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{Repair: true, Limits: fuzzLimits()})
		if err != nil {
			return
		}
		pages, err := file.Latest().Pages()
		if err != nil {
			return
		}
		began := time.Now()
		for _, page := range pages[:min(len(pages), 4)] {
			all, _, _ := content.Lines(file.Latest(), file.Latest().Dict(page), content.Options{Annotations: true}) // what is broken is read as far as it goes
			for _, l := range all {
				if l.Text == "" && !l.Unreadable {
					t.Errorf("a line without text: %+v", l)
				}
			}
		}
		if took := time.Since(began); took > fuzzTime {
			t.Errorf("%d bytes took %v", len(data), took)
		}
	})
}
