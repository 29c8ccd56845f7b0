package paper

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-fonts/liberation/liberationserifbold"
	"github.com/go-fonts/liberation/liberationserifbolditalic"
	"github.com/go-fonts/liberation/liberationserifitalic"
	"github.com/go-fonts/liberation/liberationserifregular"
	"github.com/signintech/gopdf"
	"golang.org/x/text/unicode/norm"
)

// Measures of the page in mm (NĐ 30/2020 PL I, Phần I, Mục I).
const (
	pageWidth, pageHeight = 210.0, 297.0
	marginTop             = 20.0
	marginBottom          = 20.0
	marginLeft            = 30.0
	marginRight           = 18.0
	textWidth             = pageWidth - marginLeft - marginRight
)

const pointsPerMM = 72 / 25.4

// style of a text. The words are the names of the embedded fonts; six letters
// and a plus mark a subset (ISO 32000-2 §9.9.2).
type style string

const (
	upright    style = "ANTINA+LiberationSerif"
	bold       style = "ANTINB+LiberationSerif-Bold"
	italic     style = "ANTINC+LiberationSerif-Italic"
	boldItalic style = "ANTIND+LiberationSerif-BoldItalic"
)

// font is a style at a size in points.
type font struct {
	style style
	size  float64
}

// lineHeight is single line spacing of Times in mm; NĐ 30 allows single to 1.5.
func (f font) lineHeight(spacing float64) float64 { return f.size * 1.15 * spacing / pointsPerMM }

// canvas draws in mm from the upper left corner.
type canvas struct {
	pdf  gopdf.GoPdf
	page int
}

func newCanvas(d *Document) (*canvas, error) {
	c := &canvas{}
	c.pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	for _, f := range []struct {
		data  []byte
		style style
	}{
		{liberationserifregular.TTF, upright}, {liberationserifbold.TTF, bold},
		{liberationserifitalic.TTF, italic}, {liberationserifbolditalic.TTF, boldItalic},
	} {
		err := c.pdf.AddTTFFontByReader(string(f.style), bytes.NewReader(f.data))
		if err != nil {
			return nil, fmt.Errorf("load font: %w", err)
		}
	}
	c.pdf.SetInfo(gopdf.PdfInfo{
		Title: strings.TrimSpace(d.Number + " " + d.Abstract), Author: d.Agency, Creator: "Ấn Tín", Producer: "Ấn Tín",
		CreationDate: d.Date,
	})
	return c, nil
}

func (c *canvas) newPage() {
	c.pdf.AddPage()
	c.page++
}

// set chooses the font; the text is made NFC because the font's glyphs are.
func (c *canvas) set(f font) error {
	err := c.pdf.SetFont(string(f.style), "", f.size)
	if err != nil {
		return fmt.Errorf("set font: %w", err)
	}
	return nil
}

func (c *canvas) width(f font, text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	err := c.set(f)
	if err != nil {
		return 0, err
	}
	w, err := c.pdf.MeasureTextWidth(norm.NFC.String(text))
	if err != nil {
		return 0, fmt.Errorf("measure text: %w", err)
	}
	return w / pointsPerMM, nil
}

// text draws with its baseline at y.
func (c *canvas) text(f font, x, y float64, s string) error {
	if s == "" {
		return nil
	}
	err := c.set(f)
	if err != nil {
		return err
	}
	c.pdf.SetXY(x*pointsPerMM, y*pointsPerMM)
	err = c.pdf.Text(norm.NFC.String(s))
	if err != nil {
		return fmt.Errorf("draw text: %w", err)
	}
	return nil
}

// centred draws the text centred in a box from x of the width.
func (c *canvas) centred(f font, x, w, y float64, s string) error {
	tw, err := c.width(f, s)
	if err != nil {
		return err
	}
	return c.text(f, x+(w-tw)/2, y, s)
}

func (c *canvas) line(x1, y1, x2, y2, points float64) {
	c.pdf.SetLineWidth(points)
	c.pdf.Line(x1*pointsPerMM, y1*pointsPerMM, x2*pointsPerMM, y2*pointsPerMM)
}

// wrap breaks the text into lines of the width; the first is shorter by indent.
// A word wider than a line is cut.
func (c *canvas) wrap(f font, text string, width, indent float64) ([][]string, error) {
	space, err := c.width(f, " ")
	if err != nil {
		return nil, err
	}
	var lines [][]string
	var line []string
	used := indent
	for _, word := range strings.Fields(text) {
		for {
			w, err := c.width(f, word)
			if err != nil {
				return nil, err
			}
			gap := 0.0
			if len(line) > 0 {
				gap = space
			}
			if used+gap+w <= width {
				line, used = append(line, word), used+gap+w
				break
			}
			if len(line) > 0 {
				lines, line, used = append(lines, line), nil, 0
				continue
			}
			part, rest, err := c.cut(f, word, width-used)
			if err != nil {
				return nil, err
			}
			lines, word, used = append(lines, []string{part}), rest, 0
		}
	}
	if len(line) > 0 {
		lines = append(lines, line)
	}
	return lines, nil
}

// cut splits a word so that the first part fits; the part has at least one
// character, so that wrap comes to an end.
func (c *canvas) cut(f font, word string, width float64) (string, string, error) {
	r := []rune(word)
	n := 1
	for n < len(r) {
		w, err := c.width(f, string(r[:n+1]))
		if err != nil {
			return "", "", err
		}
		if w > width {
			break
		}
		n++
	}
	return string(r[:n]), string(r[n:]), nil
}

// justified draws the words over the whole width.
func (c *canvas) justified(f font, x, y, width float64, words []string) error {
	total := 0.0
	widths := make([]float64, len(words))
	for i, w := range words {
		var err error
		widths[i], err = c.width(f, w)
		if err != nil {
			return err
		}
		total += widths[i]
	}
	gap := 0.0
	if len(words) > 1 {
		gap = (width - total) / float64(len(words)-1)
	}
	for i, w := range words {
		// The space is drawn too, so that copied text has it.
		if i < len(words)-1 {
			w += " "
		}
		err := c.text(f, x, y, w)
		if err != nil {
			return err
		}
		x += widths[i] + gap
	}
	return nil
}
