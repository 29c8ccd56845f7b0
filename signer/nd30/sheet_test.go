package nd30_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

func day() time.Time { return time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC) }

func itoa(n int) string { return strconv.Itoa(n) }

// sheet makes a file of one page with the given content and page entries.
func sheet(content, entries string) []byte {
	if !strings.Contains(entries, "/MediaBox") {
		entries += " /MediaBox [0 0 595 842]"
	}
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> " + entries + " >>",
		"<< /Length " + itoa(len(content)) + " >>\nstream\n" + content + "\nendstream",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /FirstChar 32 /LastChar 126 /Widths [" + timesWidths + "] /Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [1 /uni1EAC /uni1ED0 /uni1EC6 /abreve] >> >>",
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

// timesWidths are those of Times-Roman from the blank to the tilde.
const timesWidths = "250 333 408 500 500 833 778 180 333 333 500 564 250 333 250 278 500 500 500 500 500 500 500 500 500 500 278 278 564 564 564 444 " +
	"921 722 667 667 722 611 556 722 722 333 389 722 611 889 722 722 556 722 667 556 611 722 722 944 722 722 611 333 278 333 469 500 " +
	"333 444 500 444 500 444 333 500 500 278 278 500 278 778 500 500 500 500 333 389 278 500 500 722 500 500 444 480 200 480 541"

// signed is the content of a page with a signature block, on a page that is
// turned, cropped or in another unit.
func signed(kind string) string {
	lines := []struct {
		x, y float64 // points from the visible top left corner
		text string
	}{{320, 500, "TM. UY BAN"}, {325, 516, "CHU TICH"}, {315, 600, "Nguyen Van Hai"}}
	var b strings.Builder
	for _, l := range lines {
		switch kind {
		case "turned by 90":
			fmt.Fprintf(&b, "BT /F1 14 Tf 0 1 -1 0 %g %g Tm (%s) Tj ET\n", l.y, l.x, l.text)
		case "cropped":
			fmt.Fprintf(&b, "BT /F1 14 Tf %g %g Td (%s) Tj ET\n", 20+l.x, 872-l.y, l.text)
		default:
			fmt.Fprintf(&b, "BT /F1 7 Tf %g %g Td (%s) Tj ET\n", l.x/2, 421-l.y/2, l.text)
		}
	}
	return b.String()
}

// physical puts a pHYs chunk into a PNG (PNG specification, 11.3.5.3).
func physical(data []byte, dpi float64) []byte {
	perMetre := uint32(dpi/0.0254 + 0.5)
	chunk := []byte("pHYs")
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = append(chunk, 1)
	sum := crc32.ChecksumIEEE(chunk)
	const head = 8 + 25 // signature and IHDR
	out := append([]byte(nil), data[:head]...)
	out = binary.BigEndian.AppendUint32(out, 9)
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, sum)
	return append(out, data[head:]...)
}
