package nd30

import (
	"fmt"
	"io"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/content"
	"github.com/antin-gov/antin/signer/cos"
)

// Document is a file whose pages are read as they are asked for. It is not safe
// for use by several goroutines.
type Document struct {
	view  *cos.View
	pages []cos.Ref
	read  map[int]*Page
	block map[string]*Block
}

// Page is what stands on a page.
type Page struct {
	Number   int // from 1
	Geometry appearance.Page
	Lines    []content.Line
	// Marks are the visible signatures, in the order of the page.
	Marks []appearance.Box
	// Err says why the page could not be read whole.
	Err error
}

// Open reads a file. Its limits are those of an office document's text: what
// holds more is read as far as they go.
func Open(r io.ReaderAt, size int64, password string) (*Document, error) {
	const text = 32 << 20 // bytes of one stream that a page's text is read from
	f, err := cos.Open(r, size, cos.Options{Password: password, Repair: true, Limits: cos.Limits{Raw: text, Decoded: text}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return New(f.Latest())
}

// New reads a file that is open already.
func New(v *cos.View) (*Document, error) {
	pages, err := v.Pages()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if len(pages) == 0 {
		return nil, fmt.Errorf("%w: it has no page", ErrUnreadable)
	}
	return &Document{view: v, pages: pages, read: map[int]*Page{}, block: map[string]*Block{}}, nil
}

// Pages is the number of pages.
func (d *Document) Pages() int { return len(d.pages) }

// Page reads a page, from 1.
func (d *Document) Page(number int) *Page {
	p := d.read[number]
	if p != nil || number < 1 || number > len(d.pages) {
		return p
	}
	p = &Page{Number: number}
	page := d.view.Dict(d.pages[number-1])
	p.Lines, p.Geometry, p.Err = content.Lines(d.view, page, content.Options{Annotations: true})
	for _, o := range d.view.Array(page["Annots"]) {
		box, ok := d.signature(p.Geometry, d.view.Dict(o))
		if ok {
			p.Marks = append(p.Marks, box)
		}
	}
	d.read[number] = p
	return p
}

// signature is the place of the visible mark of a signature.
func (d *Document) signature(g appearance.Page, widget cos.Dict) (appearance.Box, bool) {
	field := widget
	for range 8 { // fields are nested once, at most a few times
		if field == nil || field["FT"] != nil {
			break
		}
		field = d.view.Dict(field["Parent"])
	}
	if d.view.Name(field["FT"]) != "Sig" || field["V"] == nil || widget["AP"] == nil {
		return appearance.Box{}, false
	}
	rect, ok := content.Rectangle(d.view, widget["Rect"])
	box := g.Box(rect)
	return box, ok && box.Width > 1 && box.Height > 1
}
