package nd30

import (
	"github.com/antin-gov/antin/signer/appearance"
)

// Place is where a mark belongs.
type Place struct {
	Page int
	Box  appearance.Box
	// Found says that the document's text told the place; else it is the usual
	// one.
	Found bool
}

// Where a mark stands on a page that does not tell: the signature block of an
// A4 page, in millimetres from the right and the bottom edge to the mark's own
// middle.
const (
	usualRight  = 60.0
	usualBottom = 72.0
	edge        = 3.0 // what printers leave free
	breath      = 0.8 // between a mark and the text above and below it
	leastHeight = 8.0 // of a personal signature
	underText   = 8.0 // from the last line to a mark without a block
)

// Complete gives a mark the page and the place that the form has for it, where
// the caller left both open; name is the signer's, to tell several signers
// apart. A mark of text keeps to its own place at the top of the first page.
func (d *Document) Complete(s appearance.Spec, name string) (appearance.Spec, error) {
	if s.Box != (appearance.Box{}) || s.Preset != appearance.Person && s.Preset != appearance.Seal {
		return s, nil
	}
	width, height, err := s.Natural()
	if err != nil {
		return s, err
	}
	var p Place
	if s.Preset == appearance.Seal {
		p = d.Seal(s.Page, width, height, name)
	} else {
		p = d.Person(s.Page, width, height, name)
	}
	s.Page, s.Box = p.Page, p.Box
	return s, nil
}

// Person is the place of a personal signature of a size in millimetres:
// centred between the title and the full name (NĐ 30/2020, Appendix I, II.7c).
// It is made smaller, in its proportions, where the room is less high. A page
// that is not 0 is kept to.
func (d *Document) Person(page int, width, height float64, name string) Place {
	b := d.Block(name)
	if b == nil || page != 0 && d.number(page) != b.Page {
		return d.usual(page, width, height)
	}
	if room := max(leastHeight, b.Room.Height-2*breath); height > room {
		width, height = width*room/height, room
	}
	box := appearance.Box{X: middle(b.Room) - width/2, Y: b.Room.Y + (b.Room.Height-height)/2, Width: width, Height: height}
	return Place{Page: b.Page, Box: d.inside(b.Page, box), Found: true}
}

// Seal is the place of the agency's seal of its real size: over about a third
// of the personal signature, on its left (II.8). Where the signature is shown
// already its mark is what counts.
func (d *Document) Seal(page int, width, height float64, name string) Place {
	b := d.Block(name)
	if b != nil && page != 0 && d.number(page) != b.Page {
		b = nil
	}
	if b != nil {
		for _, mark := range d.Page(b.Page).Marks {
			if meets(mark, b.Room) {
				return Place{Page: b.Page, Box: d.inside(b.Page, over(mark, width, height)), Found: true}
			}
		}
		const usualWidth, usualHeight = 45, 18 // of a signature that is not shown
		p := d.Person(page, usualWidth, usualHeight, name)
		p.Box = d.inside(b.Page, over(p.Box, width, height))
		return p
	}
	first, last := max(1, len(d.pages)-maxPages+1), len(d.pages)
	if page != 0 {
		first, last = d.number(page), d.number(page)
	}
	for n := last; n >= first; n-- {
		marks := d.Page(n).Marks
		if len(marks) > 0 {
			mark := marks[len(marks)-1]
			return Place{Page: n, Box: d.inside(n, over(mark, width, height)), Found: true}
		}
	}
	p := d.usual(page, 50, 20)
	p.Box = d.inside(p.Page, over(p.Box, width, height))
	return p
}

// over is SealOver for a seal that need not be round.
func over(person appearance.Box, width, height float64) appearance.Box {
	box := appearance.SealOver(person, width)
	box.Y += (box.Height - height) / 2
	box.Height = height
	return box
}

// usual is the place on a page that tells none: under its text at the right,
// else where the signature block of an A4 page is.
func (d *Document) usual(page int, width, height float64) Place {
	if page == 0 {
		page = -1
	}
	n := d.number(page)
	p := d.Page(n)
	w, h := p.Geometry.Size()
	box := appearance.Box{X: w - usualRight - width/2, Y: h - usualBottom - height/2, Width: width, Height: height}
	low := 0.0
	for _, l := range p.Lines {
		if l.Box.X+l.Box.Width > box.X && foot(l.Box) < h-usualBottom/3 {
			low = max(low, foot(l.Box))
		}
	}
	if low+underText > box.Y && low+underText+height < h-edge {
		box.Y = low + underText
	}
	return Place{Page: n, Box: d.inside(n, box)}
}

// number is that of a page as specifications name it: 0 the first, -1 the last.
func (d *Document) number(page int) int {
	switch {
	case page == 0:
		return 1
	case page < 0:
		page += len(d.pages) + 1
	}
	return max(1, min(page, len(d.pages)))
}

// inside moves a box onto its page.
func (d *Document) inside(page int, b appearance.Box) appearance.Box {
	w, h := d.Page(page).Geometry.Size()
	b.X = max(edge, min(b.X, w-edge-b.Width))
	b.Y = max(edge, min(b.Y, h-edge-b.Height))
	return b
}

func meets(a, b appearance.Box) bool {
	return a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height
}
