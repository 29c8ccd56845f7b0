package office

import (
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/internal/workdays"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/nd30"
)

// Place is where a mark goes: a page, from 1, -1 for the last, and a box in
// millimetres from its visible top left corner.
type Place struct {
	Page int            `json:"page"`
	Box  appearance.Box `json:"box"`
}

// Words that fill a blank.
const (
	FillNumber = "number" // 05
	FillRest   = "rest"   // 05/QĐ-UBND
	FillSymbol = "symbol" // Số: 05/QĐ-UBND
	FillDay    = "day"    // 03
	FillMonth  = "month"  // 02
	FillDate   = "date"   // Hải Phòng, ngày 03 tháng 02 năm 2026
)

// Blank is a gap that number and date are written into: on the first page, its
// left end and baseline in millimetres from the visible top left corner, its
// width, within which the words stand in the middle (but for FillRest, which
// begins at the left), and the size in points.
type Blank struct {
	Fill   string  `json:"fill"`
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Size   float64 `json:"size"`
	Italic bool    `json:"italic,omitempty"`
}

// Places are where the marks of a document go. A place without a box is found
// in the document's text when it is signed.
type Places struct {
	Person Place   `json:"person"`
	Seal   Place   `json:"seal"`
	Blanks []Blank `json:"blanks"`
}

func (p *Places) check() error {
	for _, b := range p.Blanks {
		switch b.Fill {
		case FillNumber, FillRest, FillSymbol, FillDay, FillMonth, FillDate:
		default:
			return fmt.Errorf("%w: a blank for %q", ErrRequest, b.Fill)
		}
		if b.Width <= 0 || b.Size <= 0 || b.Size > 72 || b.X < 0 || b.Y < 0 {
			return fmt.Errorf("%w: a blank without room at %.1f,%.1f mm", ErrRequest, b.X, b.Y)
		}
	}
	return nil
}

// The usual places of number and date on a page of NĐ 30/2020 PL I, in mm:
// where a draft leaves the head open.
const (
	numberLine     = 39.5 // from the top
	leftColumn     = 30.0
	leftWidth      = 66.0
	rightColumn    = 96.0
	rightWidth     = 96.0
	lineSize       = 13.0 // points
	restWidth      = 40.0 // of number and symbol behind "Số:"
	heightOverLine = 5.0  // of a mark above its foot line
	depthUnderLine = 1.8
	pointMM        = 25.4 / 72
)

func usual() []Blank {
	return []Blank{
		{Fill: FillSymbol, X: leftColumn, Y: numberLine, Width: leftWidth, Size: lineSize},
		{Fill: FillDate, X: rightColumn, Y: numberLine, Width: rightWidth, Size: lineSize, Italic: true},
	}
}

// places finds where the marks of a draft go. Those of person and seal are left
// open where nobody says: the signer finds them in the document's text.
func places(doc *nd30.Document, d Draft, kind Kind) (Places, error) {
	if d.Places != nil {
		return *d.Places, d.Places.check()
	}
	if kind.Copy {
		return Places{Blanks: []Blank{}}, nil // its number stands in the words of the seal
	}
	blanks, err := blanksOf(doc)
	if err != nil {
		return Places{}, errors.Join(ErrRequest, err)
	}
	return Places{Blanks: blanks}, nil
}

// words are what a blank is filled with.
func (b Blank) words(doc *Document) string {
	date := doc.Dated.In(workdays.Zone())
	month := fmt.Sprint(int(date.Month()))
	if date.Month() <= time.February {
		month = "0" + month
	}
	switch b.Fill {
	case FillNumber:
		return fmt.Sprintf("%02d", doc.Number)
	case FillRest:
		return doc.Symbol
	case FillSymbol:
		return "Số: " + doc.Symbol
	case FillDay:
		return fmt.Sprintf("%02d", date.Day())
	case FillMonth:
		return month
	}
	text := fmt.Sprintf("ngày %02d tháng %s năm %d", date.Day(), month, date.Year())
	if doc.Place != "" {
		text = doc.Place + ", " + text
	}
	return text
}

// line is the mark that writes number and date into the blanks.
func (p *Places) line(doc *Document) *appearance.Spec {
	if len(p.Blanks) == 0 {
		return nil
	}
	first := p.Blanks[0]
	left, right, top, bottom := first.X, first.X+first.Width, first.Y-heightOverLine, first.Y+depthUnderLine
	for _, b := range p.Blanks[1:] {
		left, right = min(left, b.X), max(right, b.X+b.Width)
		top, bottom = min(top, b.Y-heightOverLine), max(bottom, b.Y+depthUnderLine)
	}
	spec := &appearance.Spec{Preset: appearance.Line, Page: 1, Box: appearance.Box{X: left, Y: top, Width: right - left, Height: bottom - top}}
	for _, b := range p.Blanks {
		width := b.Width
		if b.Fill == FillRest {
			width = 0
		}
		spec.Runs = append(spec.Runs, appearance.Run{Text: b.words(doc), X: b.X - left, Y: b.Y - top, Width: width, Size: b.Size, Italic: b.Italic})
	}
	return spec
}
