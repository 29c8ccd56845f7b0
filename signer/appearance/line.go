package appearance

import (
	"fmt"
	"unicode/utf8"
)

// Line is the preset that writes words into the gaps of a line, such as number
// and date into the head of a document (NĐ 30/2020, Appendix I, 3 and 4). It
// needs a box and Runs.
const Line Preset = "line"

// maxRuns bounds the words of a line.
const maxRuns = 16

// Run is a word of a Line: its left end and baseline in millimetres from the
// top left of the box, and its size in points. Where it has a width, it stands
// in the middle of it.
type Run struct {
	Text        string
	X, Y, Width float64
	Size        float64
	Italic      bool
}

// drawLine shows the runs in black.
func (s Spec) drawLine(c *canvas, page Page) (Box, error) {
	if len(s.Runs) == 0 || len(s.Runs) > maxRuns || s.Box.Width <= 0 || s.Box.Height <= 0 {
		return s.Box, fmt.Errorf("%w: a line of %d words in a box of %.1f×%.1f mm", ErrSpec, len(s.Runs), s.Box.Width, s.Box.Height)
	}
	c.fill(black)
	scale := page.unit() / pointsPerMM
	for _, r := range s.Runs {
		if utf8.RuneCountInString(r.Text) > maxName || r.Size <= 0 {
			return s.Box, fmt.Errorf("%w: a word of more than %d letters or without a size", ErrSpec, maxName)
		}
		face := Regular
		if r.Italic {
			face = Italic
		}
		f, err := c.font(face)
		if err != nil {
			return s.Box, err
		}
		length, err := f.width(r.Text)
		if err != nil {
			return s.Box, err
		}
		x, size := r.X*page.unit(), r.Size*scale
		room := r.Width * page.unit()
		if room > 0 {
			// Three digits in a gap for two are set smaller, not over the next word.
			size = min(size, room/length)
			x += (room - length*size) / 2
		}
		err = c.text(face, size, [6]float64{1, 0, 0, 1, x, (s.Box.Height - r.Y) * page.unit()}, r.Text)
		if err != nil {
			return s.Box, err
		}
	}
	return s.Box, nil
}

// Measure tells how wide a text is in millimetres at a size in points, in the
// face of documents.
func Measure(text string, size float64, italic bool) (float64, error) {
	face := Regular
	if italic {
		face = Italic
	}
	f, err := loadFont(face)
	if err != nil {
		return 0, err
	}
	w, err := f.width(text)
	return w * size / pointsPerMM, err
}
