package diff

import (
	"slices"

	"github.com/antin-gov/antin/signer/cos"
)

// commentKinds are the annotations that a certification with P=3 lets people
// add: those that comment on the page and do not replace it. Links, files,
// media, redactions and watermarks are not among them (ISO 32000-2, 12.5.6).
func commentKinds() []cos.Name {
	return []cos.Name{
		"Text", "Popup", "Highlight", "Underline", "StrikeOut", "Squiggly", "Caret", "Ink", "Line", "Square", "Circle", "Polygon", "PolyLine",
		"FreeText", "Stamp",
	}
}

// commentKeys are what they may consist of: no actions, no files, no layers.
func commentKeys() []cos.Name {
	return []cos.Name{
		"Type", "Subtype", "Rect", "Contents", "P", "NM", "M", "F", "AP", "AS", "Border", "BS", "BE", "C", "IC", "StructParent", "Lang",
		"T", "Popup", "Parent", "CA", "ca", "BM", "RC", "CreationDate", "IRT", "RT", "Subj", "IT", "Open", "Name", "State", "StateModel",
		"QuadPoints", "InkList", "L", "LE", "LL", "LLE", "LLO", "Cap", "CP", "Vertices", "RD", "Sy", "DA", "Q", "DS", "CL", "Rotate",
	}
}

// Limits of what a comment may look like over content of the page.
const (
	maxNote  = 40 // points, either side of the sign of a note
	maxTrace = 4  // points, width of a line over content
)

// collectComments notes the annotations of an old page that came after the
// signature; they may be edited and removed as they may be added.
func (c *comparer) collectComments(page cos.Dict) {
	for _, o := range c.old.Array(page["Annots"]) {
		ref, isRef := o.(cos.Ref)
		if isRef && !c.signed.Defined(ref.Num) && slices.Contains(commentKinds(), c.old.Name(c.old.Dict(ref)["Subtype"])) {
			c.comments[ref] = true
		}
	}
}

// gone tells whether an annotation is a comment that may be removed, and is.
func (c *comparer) gone(o cos.Object, after cos.Array) bool {
	ref, isRef := o.(cos.Ref)
	return isRef && c.comments[ref] && !lists(after, o)
}

// newAnnotation judges an annotation that was not there.
func (c *comparer) newAnnotation(ref, page cos.Ref, at *way, number int) {
	d := c.new.Dict(ref)
	kind := c.new.Name(d["Subtype"])
	wrong := c.comment(d, kind, page)
	if wrong.Code != "" {
		wrong.Page = number
		c.reject(at, ref, wrong)
		return
	}
	c.noted[ref] = true
	c.note(at, ref, Reason{Page: number, Level: Annotations, Code: CodeComment, Kind: string(kind)})
}

// editedComment judges a comment that came after the signature and changed.
func (c *comparer) editedComment(ref, page cos.Ref, at *way, number int) {
	if c.unmoved(pair{ref, ref}) {
		p := pair{ref, ref}
		if !c.seen[p] && c.spend() {
			c.seen[p] = true
			c.queue = append(c.queue, task{p, at, number}) // what it refers to
		}
		return
	}
	d := c.new.Dict(ref)
	kind := c.new.Name(d["Subtype"])
	if kind != c.old.Name(c.old.Dict(ref)["Subtype"]) {
		c.reject(at, ref, Reason{Page: number, Code: CodeCommentKind})
		return
	}
	wrong := c.comment(d, kind, page)
	if wrong.Code != "" {
		wrong.Page = number
		c.reject(at, ref, wrong)
		return
	}
	c.note(at, ref, Reason{Page: number, Level: Annotations, Code: CodeCommentEdited, Kind: string(kind)})
}

// comment says what keeps an annotation from being a comment, with an empty code
// when nothing does. The Evil Annotation Attack lives on annotations that look like the
// page: they hide what is below or add what seems to belong to it.
func (c *comparer) comment(d cos.Dict, kind cos.Name, page cos.Ref) Reason {
	if d == nil || !slices.Contains(commentKinds(), kind) {
		return Reason{Code: CodeNotComment, Kind: string(kind)}
	}
	allowed := commentKeys()
	for _, key := range d.Keys() {
		if !slices.Contains(allowed, key) {
			return Reason{Code: CodeCommentForeign, Kind: string(key)}
		}
	}
	named, ok := d["P"].(cos.Ref)
	if ok && named != page {
		return Reason{Code: CodeCommentPage}
	}
	area, ok := rectangle(c.new, d["Rect"])
	if !ok {
		return Reason{Code: CodeCommentPlace}
	}
	if kind == "Popup" {
		if d["AP"] != nil {
			return Reason{Code: CodePopupLook}
		}
		return Reason{}
	}
	marks, readable := c.paints(c.new, d)
	if !readable {
		return Reason{Code: CodeCommentUnreadable}
	}
	below := c.shows(page)
	if kind == "FreeText" || kind == "Stamp" {
		if below.touches(area) {
			return Reason{Code: CodeCommentCovers, Kind: string(kind)}
		}
		return Reason{}
	}
	if kind == "Text" && (area.width() > maxNote || area.height() > maxNote) {
		return Reason{Code: CodeNoteSize}
	}
	return Reason{Code: c.lines(d, kind, marks, below), Kind: string(kind)}
}

// lines judges comments that consist of lines and tints: they may lie over
// content when it can still be seen.
func (c *comparer) lines(d cos.Dict, kind cos.Name, marks []mark, below *ink) Code {
	for _, m := range marks {
		switch {
		case m.kind == markText && kind != "Text", m.kind == markImage, m.kind == markShading:
			return CodeCommentShows
		case kind == "Text" && !m.light, m.seeThrough:
		case m.kind == markStroke && m.line <= maxTrace, min(m.width(), m.height()) <= maxTrace:
		case below.touches(m.box):
			return CodeCommentCovers
		}
	}
	if len(marks) > 0 || d["AP"] != nil {
		return ""
	}
	// The viewer draws it.
	area, _ := rectangle(c.new, d["Rect"])
	style := c.new.Dict(d["BS"])
	width, _ := cos.Number(style["W"])
	if kind != "Text" && kind != "Highlight" && (width > maxTrace || len(c.new.Array(d["IC"])) > 0) && below.touches(area) {
		return CodeCommentCovers
	}
	return ""
}
