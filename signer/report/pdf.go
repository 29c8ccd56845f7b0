package report

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-fonts/liberation/liberationserifbold"
	"github.com/go-fonts/liberation/liberationserifregular"
	"github.com/signintech/gopdf"
	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/signer/validate"
)

// Measures of the sheet in points, A4.
const (
	sheetMargin  = 56.0
	sheetBottom  = 842 - sheetMargin
	sheetWidth   = 595 - 2*sheetMargin
	labelWidth   = 130.0
	textSize     = 11.0
	headingSize  = 13.0
	titleSize    = 17.0
	leading      = 1.35
	maxSheetLine = 4000 // runes of one text; names in certificates are shorter
)

// sheet draws lines of text from the top of a page down.
type sheet struct {
	pdf gopdf.GoPdf
	y   float64
	err error
}

// pen is how a text looks.
type pen struct {
	bold bool
	size float64
	rgb  [3]uint8
}

var (
	ink  = [3]uint8{0x1b, 0x1b, 0x1f}
	grey = [3]uint8{0x55, 0x5f, 0x6b}
)

// tone is the colour of a verdict.
func tone(v validate.Verdict) [3]uint8 {
	switch v {
	case validate.Passed:
		return [3]uint8{0x1f, 0x7a, 0x3d}
	case validate.Failed:
		return [3]uint8{0xb3, 0x26, 0x1e}
	}
	return [3]uint8{0x80, 0x56, 0x00}
}

func newSheet(title string, at time.Time) (*sheet, error) {
	s := &sheet{}
	s.pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	for name, data := range map[string][]byte{"regular": liberationserifregular.TTF, "bold": liberationserifbold.TTF} {
		err := s.pdf.AddTTFFontByReader(name, bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("report: font: %w", err)
		}
	}
	s.pdf.SetInfo(gopdf.PdfInfo{Title: title, Creator: "Ấn Tín", Producer: "Ấn Tín", CreationDate: at})
	s.page()
	return s, nil
}

func (s *sheet) page() {
	s.pdf.AddPage()
	s.y = sheetMargin
}

// text draws text broken into lines from x on and moves below it.
func (s *sheet) text(p pen, x, width float64, text string) {
	text = norm.NFC.String(strings.Join(strings.Fields(text), " "))
	r := []rune(text)
	if len(r) > maxSheetLine {
		text = string(r[:maxSheetLine]) + "…"
	}
	if s.err != nil || text == "" {
		return
	}
	name := "regular"
	if p.bold {
		name = "bold"
	}
	s.err = s.pdf.SetFont(name, "", p.size)
	if s.err != nil {
		return
	}
	lines, err := s.pdf.SplitTextWithOption(text, width, &gopdf.BreakOption{Mode: gopdf.BreakModeIndicatorSensitive, BreakIndicator: ' '})
	if err != nil {
		// A word wider than the line, such as a digest.
		lines, err = s.pdf.SplitText(text, width)
	}
	if err != nil {
		s.err = err
		return
	}
	for _, line := range lines {
		if s.y+p.size*leading > sheetBottom {
			s.page()
			s.err = s.pdf.SetFont(name, "", p.size)
			if s.err != nil {
				return
			}
		}
		s.pdf.SetTextColor(p.rgb[0], p.rgb[1], p.rgb[2])
		s.pdf.SetXY(x, s.y+p.size)
		s.err = s.pdf.Text(strings.TrimSpace(line))
		if s.err != nil {
			return
		}
		s.y += p.size * leading
	}
}

// row draws a label and what it says beside it.
func (s *sheet) row(label, value string) {
	if value == "" {
		value = "–"
	}
	if s.y+textSize*leading > sheetBottom {
		s.page()
	}
	top := s.y
	s.text(pen{size: textSize, rgb: grey}, sheetMargin, labelWidth-8, label)
	below := s.y
	if below < top { // the label ended on a new page
		top = sheetMargin
	}
	s.y = top
	s.text(pen{size: textSize, rgb: ink}, sheetMargin+labelWidth, sheetWidth-labelWidth, value)
	s.y = max(s.y, below)
}

func (s *sheet) gap(points float64) { s.y += points }

// writePDF writes the simple report as a PDF for printing and filing.
func writePDF(w io.Writer, f File) error {
	pick := func(vi, en string) string {
		if f.Lang == validate.English {
			return en
		}
		return vi
	}
	label := func(key string) string { return validate.Label(f.Lang, key) }
	title := pick("Báo cáo kiểm tra chữ ký", "Signature validation report")
	s, err := newSheet(title+": "+filepath.Base(f.Report.File), f.At)
	if err != nil {
		return err
	}
	s.text(pen{bold: true, size: titleSize, rgb: ink}, sheetMargin, sheetWidth, title)
	s.gap(6)
	s.row(pick("Tệp", "File"), filepath.Base(f.Report.File))
	s.row(pick("Xét tại", "Judged at"), when(&f.At))
	if len(f.SHA256) > 0 {
		s.row("SHA-256", hex.EncodeToString(f.SHA256[:len(f.SHA256)/2])+" "+hex.EncodeToString(f.SHA256[len(f.SHA256)/2:]))
	}
	s.gap(8)
	s.text(pen{bold: true, size: headingSize, rgb: tone(f.Report.Verdict)}, sheetMargin, sheetWidth,
		pick("Kết luận", "Conclusion")+": "+label(string(f.Report.Verdict))+" ("+string(f.Report.Verdict)+")")
	for _, r := range f.Report.Reasons {
		s.text(pen{size: textSize, rgb: ink}, sheetMargin, sheetWidth, "• "+r.Text(f.Lang))
	}
	for n := range f.Report.Signatures {
		s.signature(n+1, &f.Report.Signatures[n], f.Lang, pick)
	}
	if s.err != nil {
		return fmt.Errorf("report: PDF: %w", s.err)
	}
	_, err = s.pdf.WriteTo(w)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// signature draws what is said about one signature.
func (s *sheet) signature(number int, one *validate.Signature, lang validate.Lang, pick func(vi, en string) string) {
	label := func(key string) string { return validate.Label(lang, key) }
	s.gap(12)
	if s.y > sheetBottom-6*textSize*leading { // not a heading alone at the end
		s.page()
	}
	verdict := label(string(one.Verdict)) + " (" + string(one.Verdict)
	if one.SubIndication != validate.SubNone {
		verdict += ", " + string(one.SubIndication)
	}
	s.text(pen{bold: true, size: headingSize, rgb: tone(one.Verdict)}, sheetMargin, sheetWidth, fmt.Sprintf("%d. %s: %s)", number, label(string(one.Kind)), verdict))
	s.gap(2)
	s.row(label("signer"), one.Signer)
	field := one.Field
	if one.Level != "" {
		field = strings.TrimSpace(field + " [" + one.Level + "]")
	}
	s.row(label("field"), field)
	s.row(label("integrity"), label(string(one.Integrity)))
	coverage := string(one.Coverage)
	if one.Coverage == validate.CoversRevision {
		coverage = "coverage-revision"
	}
	s.row(label("coverage"), label(coverage))
	s.row(label("changes"), strings.Join(append([]string{label(string(one.Changes))}, one.AllowedChanges(lang)...), " · "))
	s.row(label("claimed"), when(one.SignedAt))
	best := when(one.BestTime)
	if one.Stamped {
		best += " (" + label("stamped") + ")"
	}
	s.row(label("best"), best)
	if one.Path != nil {
		for n, cert := range one.Path.Certificates {
			what := ""
			if n == 0 {
				what = pick("Đường dẫn chứng thực", "Certification path")
			}
			if what == "" {
				what = "←"
			}
			s.row(what, fmt.Sprintf("%s (%s – %s)", cert.Subject.CommonName, when(&cert.NotBefore), when(&cert.NotAfter)))
		}
	}
	for _, r := range one.Reasons {
		s.text(pen{size: textSize, rgb: ink}, sheetMargin, sheetWidth, "• "+r.Text(lang))
	}
}

// when writes a time as people here read it.
func when(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return t.In(vietnam).Format("02/01/2006 15:04:05 -07:00")
}
