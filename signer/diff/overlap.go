package diff

import (
	"bytes"
	"slices"

	"github.com/antin-gov/antin/signer/cos"
)

// Cover says that the widget of a later signature lies over something that was
// on the page. Who judges must know whether that signature can be believed: an
// agency's seal lies over a third of its leader's signature by law (NĐ
// 30/2020, Phụ lục I, mục II, phần I, 8), a forger's over the sum of money.
type Cover struct {
	Revision int
	Page     int
	Field    string  // of the later signature
	Over     string  // of the earlier signature; "" for what the page shows
	Hidden   float64 // points of text that can no longer be read
	Touched  float64 // points of text that something was put on
}

// newWidget is the widget of a signature field that was added.
type newWidget struct {
	field string
}

// ink is what stands on a page.
type ink struct {
	marks      []mark
	incomplete bool
}

// maxMarks bounds what is remembered of one page: ten times a page of small
// print that is set letter by letter.
const maxMarks = 50_000

// maxOver bounds the marks of a later look; one with more counts as its box.
const maxOver = 2000

// touches tells whether text or a picture of the page lies in a box, more than
// by a hair's breadth. A page that could not be read whole is full.
func (i *ink) touches(b box) bool {
	const hair = 0.5
	for _, m := range i.marks {
		if m.kind != markText && m.kind != markImage || m.light {
			continue
		}
		o := m.meet(b)
		if o.width() > hair && o.height() > hair {
			return true
		}
	}
	return i.incomplete
}

// shows gives what an old page shows: its content, and the annotations on it.
func (c *comparer) shows(ref cos.Ref) *ink {
	known := c.written(ref)
	all := &ink{marks: known.marks, incomplete: known.incomplete}
	for _, o := range c.old.Array(c.old.Dict(ref)["Annots"]) {
		d := c.old.Dict(o)
		if d["AP"] == nil || c.old.Name(d["Subtype"]) == "Popup" {
			continue
		}
		marks, readable := c.paints(c.old, d)
		if !readable {
			area, _ := rectangle(c.old, d["Rect"])
			marks = []mark{{box: area, kind: markImage}}
		}
		all.marks = append(all.marks[:len(all.marks):len(all.marks)], marks...)
	}
	return all
}

// written gives what the content of an old page shows, read once.
func (c *comparer) written(ref cos.Ref) *ink {
	known := c.ink[ref]
	if known == nil {
		known = c.readPage(ref)
		c.ink[ref] = known
	}
	return known
}

func (c *comparer) readPage(ref cos.Ref) *ink {
	page := c.old.Dict(ref)
	out := &ink{}
	area, ok := rectangle(c.old, c.old.Inherited(page, "CropBox"))
	if !ok {
		area, _ = rectangle(c.old, c.old.Inherited(page, "MediaBox"))
	}
	var data bytes.Buffer
	parts := c.old.Array(page["Contents"])
	if parts == nil {
		parts = cos.Array{page["Contents"]}
	}
	for _, o := range parts {
		stm := c.old.Stream(o)
		if stm == nil {
			continue
		}
		text, ok := c.decoded(c.old, stm)
		if !ok {
			out.incomplete = true
			continue
		}
		data.Write(text)
		data.WriteByte('\n')
	}
	p := newPainter(c.old, c.budget, identity(), area)
	p.run(data.Bytes(), c.old.Dict(c.old.Inherited(page, "Resources")))
	out.marks, out.incomplete = p.marks, out.incomplete || p.incomplete
	return out
}

// paints gives what the normal look of an annotation puts on the page; false
// when it cannot be read. An annotation without one paints nothing of its own.
func (c *comparer) paints(v *cos.View, d cos.Dict) ([]mark, bool) {
	look := v.Dict(d["AP"])["N"]
	stm := v.Stream(look)
	if stm == nil {
		state, isName := d["AS"].(cos.Name)
		if isName {
			stm = v.Stream(v.Dict(look)[state])
		}
	}
	area, ok := rectangle(v, d["Rect"])
	if stm == nil || !ok {
		return nil, ok
	}
	bbox, ok := rectangle(v, stm.Dict["BBox"])
	if !ok {
		return nil, false
	}
	// ISO 32000-2, 12.5.5: the transformed box is fitted into the rectangle.
	seen := transformation(v, stm.Dict["Matrix"]).box(bbox)
	if seen.width() <= 0 || seen.height() <= 0 {
		return nil, true
	}
	sx, sy := area.width()/seen.width(), area.height()/seen.height()
	fit := matrix{sx, 0, 0, sy, area.x0 - seen.x0*sx, area.y0 - seen.y0*sy}
	p := newPainter(v, c.budget, fit, area)
	p.form(stm)
	return p.marks, !p.incomplete
}

// covering notes what the widget of a new signature lies over.
func (c *comparer) covering(ref cos.Ref, w *newWidget, pageRef cos.Ref, page int) {
	d := c.new.Dict(ref)
	if !visible(c.new, d) {
		return
	}
	area, _ := rectangle(c.new, d["Rect"])
	for _, o := range c.old.Array(c.old.Dict(pageRef)["Annots"]) {
		old, isRef := o.(cos.Ref)
		f := c.fields[old]
		if !isRef || f == nil || f.kind != "Sig" || f.value == nil || !visible(c.old, c.old.Dict(old)) {
			continue
		}
		there, _ := rectangle(c.old, c.old.Dict(old)["Rect"])
		if there.meet(area).area() > 0 && there.meet(area).width() > 0 {
			c.result.Covers = append(c.result.Covers, Cover{Revision: c.revision, Page: page, Field: w.field, Over: f.name})
		}
	}
	cover := Cover{Revision: c.revision, Page: page, Field: w.field}
	below := c.written(pageRef)
	if below.incomplete {
		cover.Touched = area.width()
	}
	marks, readable := c.paints(c.new, d)
	if !readable || len(marks) > maxOver {
		marks = []mark{{box: area, kind: markFill, solid: true}}
	}
	texts := below.marks
	if below.incomplete { // what could not be read may stand anywhere
		texts = append(slices.Clip(texts), mark{box: area, kind: markText})
	}
	for _, t := range texts {
		if t.kind != markText || t.light || t.meet(area).area() <= 0 || t.meet(area).width() <= 0 {
			continue
		}
		hidden, touched := laidOver(t, marks)
		cover.Hidden += hidden
		cover.Touched += touched
	}
	if cover.Touched > 0 {
		c.result.Covers = append(c.result.Covers, cover)
	}
}

// laidOver tells how much of a line of text the marks hide and touch, in
// points along it.
func laidOver(t mark, marks []mark) (hidden, touched float64) {
	const enough = 0.5 // of the height
	for _, m := range marks {
		o := t.meet(m.box)
		if o.width() <= 0 || o.height() < enough*t.height() {
			continue
		}
		touched = max(touched, o.width())
		if m.solid && (m.kind == markFill || m.kind == markImage || m.kind == markShading) {
			hidden = max(hidden, o.width())
		}
	}
	return hidden, touched
}
