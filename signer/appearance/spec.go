package appearance

import (
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/signer/cos"
)

// Preset names one of the marks of NĐ 30/2020, Appendix I.
type Preset string

// The presets.
const (
	Person Preset = "person" // hand-written signature
	Seal   Preset = "seal"   // the agency's seal
	Text   Preset = "text"   // attachments and copies: words, no image
)

var (
	// ErrSpec says that a specification contradicts itself or misses something.
	ErrSpec = errors.New("appearance: not usable")
	// ErrOutside says that the mark does not lie on the visible page.
	ErrOutside = errors.New("appearance: outside the page")
	// ErrImage says that the image cannot be used.
	ErrImage = errors.New("appearance: image not usable")
)

// vietnam is the zone in which signing times are shown (NĐ 30/2020, Appendix I).
func vietnam() *time.Location { return time.FixedZone("+07", 7*60*60) }

// Spec says what to show and where.
type Spec struct {
	Preset Preset
	Page   int       // from 1; 0 means the first, -1 the last
	Pages  Pages     // several pages that show the mark at the same place; they stand instead of Page
	Box    Box       // zero width or height: the preset's own size; all zero: its own place
	Image  []byte    // PNG; a default is drawn when there is none
	Name   string    // whose signature or seal, for the drawn default
	Lines  []string  // Text: what stands above the time, such as number and symbol
	Time   time.Time // Text: the signing time
	Runs   []Run     // Line: the words
	// Diameter is the seal's real one in millimetres; 0 takes it from the image
	// (pHYs), or the usual one.
	Diameter float64
	// Opaque forbids soft masks, which PDF/A-1 does not know; edges become hard.
	Opaque bool
}

// Adder takes the objects a mark is made of; *cos.Update is one.
type Adder interface {
	Add(o cos.Object) cos.Ref
}

// Mark is a drawn appearance and the annotation rectangle it belongs to.
type Mark struct {
	Form   cos.Ref
	Rect   [4]float64
	Rotate int // /R of the widget's appearance characteristics
}

const (
	sealDiameter = 36.0 // mm, a common size of agencies' round seals
	personWidth  = 45.0 // mm
	personHeight = 18.0
	textSize     = 10.0 // points, NĐ 30/2020 Appendix I
	textLeading  = 12.0
	textRight    = 15.0 // mm from the right edge, the smallest right margin
	textTop      = 8.0  // mm from the top edge, above the quốc hiệu
	textFoot     = 19.0 // mm: where it ends at the latest
	textEdge     = 3.0  // mm: what printers leave free
	// maxPersonWidth keeps a long signature in the column of the signer, mm.
	maxPersonWidth = 60.0
	maxLines       = 6
	maxName        = 200 // runes
)

// Build draws the mark for a page and gives its objects to add.
func (s Spec) Build(page Page, add Adder) (*Mark, error) {
	c := &canvas{add: add, fonts: map[Face]*font{}}
	var box Box
	var err error
	switch s.Preset {
	case Person:
		box, err = s.drawPerson(c, page)
	case Seal:
		box, err = s.drawSeal(c, page)
	case Text:
		box, err = s.drawText(c, page)
	case Line:
		box, err = s.drawLine(c, page)
	default:
		return nil, fmt.Errorf("%w: preset %q", ErrSpec, string(s.Preset))
	}
	if err != nil {
		return nil, err
	}
	rect, err := page.Rect(box)
	if err != nil {
		return nil, err
	}
	form, err := c.form(page, box)
	if err != nil {
		return nil, err
	}
	return &Mark{Form: form, Rect: rect, Rotate: page.turn()}, nil
}

// Place sets the mark into a rectangle that is given, such as that of an
// existing signature field. The drawing is fitted into it by the viewer
// (ISO 32000-2, 12.5.5).
func (s Spec) Place(page Page, rect [4]float64, add Adder) (*Mark, error) {
	s.Box = page.Box(rect)
	m, err := s.Build(page, add)
	if err != nil {
		return nil, err
	}
	m.Rect = rect
	return m, nil
}

func (s Spec) diameter() float64 {
	if s.Diameter > 0 {
		return s.Diameter
	}
	return sealDiameter
}

// size fills in what the box leaves open.
func (s Spec) size(page Page, width, height float64) Box {
	b := s.Box
	if b.Width <= 0 || b.Height <= 0 {
		b.Width, b.Height = width, height
	}
	if s.Box == (Box{}) {
		w, h := page.Size()
		b.X, b.Y = w*0.62, h*0.7
	}
	return b
}
