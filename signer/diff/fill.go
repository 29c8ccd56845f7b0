package diff

import (
	"slices"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
)

// Flags of fields (ISO 32000-2, tables 227, 229 and 231).
const (
	flagReadOnly = 1 << 0
	flagPassword = 1 << 13
	flagButton   = 1 << 16 // a push button: it has no value
)

// fillable tells whether a field is of the kind that people fill in.
func (f *field) fillable() bool {
	switch f.kind {
	case "Tx", "Ch":
		return true
	case "Btn":
		return f.flags&flagButton == 0
	}
	return false
}

// fill judges one entry of a field that may be filled in and tells whether the
// entry is of those that filling in sets; the others stay as they were.
func (c *comparer) fill(ref cos.Ref, f *field, x, y cos.Dict, key cos.Name, at *way) bool {
	was, is := x[key], y[key]
	switch key {
	case "V", "RV", "I":
		if !c.sameValue(was, is) {
			c.filledIn(ref, f, c.proper(f, key, is), at, CodeFilled)
		}
	case "M":
		_, ok := c.new.Bytes(is)
		if !ok {
			return false
		}
	case "AS":
		if f.kind != "Btn" {
			return false
		}
		if c.new.Name(is) != c.old.Name(was) {
			c.filledIn(ref, f, c.known(x, c.new.Name(is)), at, CodeButtonSet)
		}
	case "AP":
		if f.kind == "Btn" {
			return false
		}
		return c.appearance(ref, f, x, y, at)
	default:
		return false
	}
	return true
}

// sameValue compares values that hold no references of weight.
func (c *comparer) sameValue(o, n cos.Object) bool {
	a, err1 := c.old.Resolve(o)
	b, err2 := c.new.Resolve(n)
	return err1 == nil && err2 == nil && cos.Equal(a, b)
}

// filledIn notes a filled field, unless it may not be filled.
func (c *comparer) filledIn(ref cos.Ref, f *field, proper bool, at *way, code Code) {
	switch {
	case c.locked(f.name):
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeFilledLocked})
	case f.flags&flagReadOnly != 0 && !f.computed:
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeFilledReadOnly})
	case !proper:
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeFilledValue})
	default:
		c.note(at, ref, Reason{Page: f.page, Field: f.name, Level: FormFilling, Code: code})
	}
}

// proper tells whether a value is one that the field can have.
func (c *comparer) proper(f *field, key cos.Name, o cos.Object) bool {
	value, err := c.new.Resolve(o)
	if err != nil {
		return false
	}
	list, isList := value.(cos.Array)
	for _, x := range list {
		_, isText := c.new.Bytes(x)
		_, isNumber := c.new.Int(x)
		if !isText && !isNumber {
			return false
		}
	}
	_, isText := value.(cos.String)
	_, isName := value.(cos.Name)
	switch {
	case value == nil:
		return true
	case f.kind == "Btn":
		return isName
	case key == "I" || f.kind == "Ch":
		return isText || isList
	}
	return isText
}

// known tells whether a button had a look of that name when it was signed.
func (c *comparer) known(x cos.Dict, look cos.Name) bool {
	looks := c.old.Dict(c.old.Dict(x["AP"])["N"])
	return look == "Off" || looks[look] != nil
}

// appearance judges the look of a text or choice field. It may change with the
// value; it stays in the rectangle of the field, which may not. It tells
// whether the change is judged.
func (c *comparer) appearance(ref cos.Ref, f *field, x, y cos.Dict, at *way) bool {
	was, is := c.old.Dict(x["AP"]), c.new.Dict(y["AP"])
	if was == nil && is == nil {
		return false
	}
	before, after := c.old.Stream(was["N"]), c.new.Stream(is["N"])
	if before != nil && after != nil && c.sameData(before, after) {
		return false // only what it refers to may differ: compared in full
	}
	if after == nil && is != nil || is["D"] != nil || is["R"] != nil {
		return false
	}
	if c.locked(f.name) || f.flags&flagReadOnly != 0 && !f.computed {
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeLookLocked})
		return true
	}
	if after == nil {
		c.note(at, ref, Reason{Page: f.page, Field: f.name, Level: FormFilling, Code: CodeLookRemoved})
		return true
	}
	wrong := c.plainLook(after)
	if wrong != "" {
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: wrong})
		return true
	}
	shown, readable := c.shown(after)
	value, isText := c.new.Bytes(c.effective(c.new, y))
	known := readable && f.kind == "Tx" && !f.scripted && f.flags&flagPassword == 0 && (isText || value == nil)
	changed := !c.sameValue(c.effective(c.old, x), c.effective(c.new, y))
	agrees := compact(shown) == compact(text(value))
	switch {
	case known && !agrees && ascii(shown) && ascii(text(value)):
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeLookDiffers})
	case !changed && !(known && agrees && c.oldFonts(after)):
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeLookChanged})
	default:
		c.note(at, ref, Reason{Page: f.page, Field: f.name, Level: FormFilling, Code: CodeLook})
	}
	return true
}

func (c *comparer) sameData(x, y *cos.Stream) bool {
	if x.SameBytes(y) {
		return true
	}
	a, ok1 := c.decoded(c.old, x)
	b, ok2 := c.decoded(c.new, y)
	return ok1 && ok2 && string(a) == string(b)
}

// plainLook says what does not belong into the look of a text field.
func (c *comparer) plainLook(stm *cos.Stream) Code {
	allowed := []cos.Name{
		"Type", "Subtype", "FormType", "BBox", "Matrix", "Resources", "Length", "Filter", "DecodeParms", "Group", "LastModified", "StructParent", "StructParents", "Name",
	}
	for _, key := range stm.Dict.Keys() {
		if !slices.Contains(allowed, key) {
			return CodeLookForeign
		}
	}
	for _, m := range c.look(c.new, stm) {
		switch m.kind {
		case markImage, markShading:
			return CodeLookPicture
		case markUnknown:
			return CodeLookUnreadable
		}
	}
	return ""
}

// look interprets a form XObject by itself.
func (c *comparer) look(v *cos.View, stm *cos.Stream) []mark {
	p := newPainter(v, c.budget, identity(), everywhere())
	p.form(stm)
	if p.incomplete {
		p.marks = append(p.marks, mark{kind: markUnknown})
	}
	return p.marks
}

// shown gives the text of a look, when its fonts write codes as characters.
func (c *comparer) shown(stm *cos.Stream) (string, bool) {
	var b strings.Builder
	for _, m := range c.look(c.new, stm) {
		if m.kind != markText {
			continue
		}
		if !m.plain {
			return "", false
		}
		b.WriteString(m.text)
	}
	return b.String(), true
}

// oldFonts tells whether a look writes with fonts of the document as it was,
// or with fonts that are not embedded: a new one could draw other letters.
func (c *comparer) oldFonts(stm *cos.Stream) bool {
	fonts := c.new.Dict(c.new.Dict(stm.Dict["Resources"])["Font"])
	for _, o := range fonts {
		ref, isRef := o.(cos.Ref)
		if isRef && c.old.Defined(ref.Num) && c.unmoved(pair{ref, ref}) {
			continue
		}
		font := c.new.Dict(o)
		if font["FontDescriptor"] != nil || font["DescendantFonts"] != nil || c.new.Name(font["Subtype"]) == "Type3" {
			return false
		}
	}
	return true
}

// effective is the value of a field or of the field above a widget.
func (c *comparer) effective(v *cos.View, d cos.Dict) cos.Object {
	for range maxTreeDepth {
		if d == nil || d["V"] != nil {
			return d["V"]
		}
		d = v.Dict(d["Parent"])
	}
	return nil
}

// compact leaves out what lines and combs separate.
func compact(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, s)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] > '~' {
			return false
		}
	}
	return true
}
