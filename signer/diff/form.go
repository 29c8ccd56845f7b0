package diff

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/antin-gov/antin/signer/cos"
)

// field is a field or widget of the old form.
type field struct {
	name     string
	kind     cos.Name
	value    cos.Object
	flags    int64 // Ff
	page     int   // of the widget, 0 where it does not say
	scripted bool  // actions may show a value in another form
	computed bool  // scripts compute the value
}

// collectForm notes the fields and widgets of the old form.
func (c *comparer) collectForm(root cos.Dict) {
	acro := c.old.Dict(root["AcroForm"])
	for _, o := range c.old.Array(acro["CO"]) {
		ref, isRef := o.(cos.Ref)
		if isRef {
			c.computed[ref] = true
		}
	}
	for _, o := range c.old.Array(acro["Fields"]) {
		c.collectField(o, field{}, 0)
	}
}

func (c *comparer) collectField(o cos.Object, above field, depth int) {
	ref, ok := o.(cos.Ref)
	if !ok || depth > maxTreeDepth || c.fields[ref] != nil || !c.spend() {
		return
	}
	d := c.old.Dict(ref)
	if d == nil {
		return
	}
	f := above
	f.page = c.pageOf(d)
	part, named := c.old.Bytes(d["T"])
	if named {
		f.name = strings.TrimPrefix(above.name+"."+text(part), ".")
	}
	if d["FT"] != nil {
		f.kind = c.old.Name(d["FT"])
	}
	if d["V"] != nil {
		f.value = d["V"]
	}
	flags, ok := c.old.Int(d["Ff"])
	if ok {
		f.flags = flags
	}
	f.scripted = above.scripted || d["AA"] != nil
	f.computed = above.computed || c.computed[ref]
	c.fields[ref] = &f
	c.names[f.name] = true
	for _, kid := range c.old.Array(d["Kids"]) {
		c.collectField(kid, f, depth+1)
	}
}

// form compares the interactive form.
func (c *comparer) form(o, n cos.Object, at *way) {
	x, y := c.old.Dict(o), c.new.Dict(n)
	if y == nil {
		if x != nil {
			c.reject(at, cos.Ref{}, Reason{Code: CodeFormRemoved})
		}
		return
	}
	for _, key := range keys(x, y) {
		was, is, here := x[key], y[key], at.to(string(key))
		switch {
		case key == "Fields":
			c.fieldList(was, is, here)
		case key == "SigFlags":
			_, ok := c.new.Int(is)
			if !ok {
				c.reject(here, cos.Ref{}, Reason{Code: CodeForm})
			}
		case key == "NeedAppearances" && is == nil:
		case key == "CO" && c.sameValue(was, is): // references to fields, which are compared where they stand
		case key == "DA" && was == nil:
			_, ok := c.new.Bytes(is)
			if !ok {
				c.reject(here, cos.Ref{}, Reason{Code: CodeForm})
			}
		case key == "DR":
			c.resources(was, is, here)
		default:
			c.compare(was, is, here, 0)
		}
	}
}

// resources lets the form gain resources under new names; appearances that
// are there do not use them.
func (c *comparer) resources(o, n cos.Object, at *way) {
	x, y := c.old.Dict(o), c.new.Dict(n)
	for _, kind := range keys(x, y) {
		was, is, here := c.old.Dict(x[kind]), c.new.Dict(y[kind]), at.to(string(kind))
		if was == nil || is == nil {
			if x[kind] != nil {
				c.compare(x[kind], y[kind], here, 0)
			}
			continue
		}
		for _, name := range was.Keys() {
			c.compare(was[name], is[name], here.to(string(name)), 0)
		}
	}
}

// fieldList lets the form gain signature fields; what was there stays.
func (c *comparer) fieldList(o, n cos.Object, at *way) {
	before, after := c.old.Array(o), c.new.Array(n)
	i := 0
	for _, x := range after {
		if i < len(before) && same(before[i], x) {
			c.fieldAt(before[i], x, at.to(strconv.Itoa(i)), 0)
			i++
			continue
		}
		ref, isRef := x.(cos.Ref)
		if !isRef && i < len(before) { // a field that is no object of its own
			c.compare(before[i], x, at.to(strconv.Itoa(i)), 0)
			i++
			continue
		}
		if !isRef || lists(before, x) {
			c.reject(at, ref, Reason{Code: CodeFieldList})
			continue
		}
		c.newField(ref, at)
	}
	if i < len(before) {
		c.reject(at, cos.Ref{}, Reason{Code: CodeFieldsRemoved, Count: len(before) - i})
	}
}

// fieldAt compares an old field and what is below it.
func (c *comparer) fieldAt(o, n cos.Object, at *way, depth int) {
	ref, isRef := o.(cos.Ref)
	f := c.fields[ref]
	if !isRef || f == nil || depth > maxTreeDepth {
		c.compare(o, n, at, 0)
		return
	}
	x, y := c.old.Dict(ref), c.new.Dict(ref)
	if y == nil {
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeFieldVanished})
		return
	}
	open := f.kind == "Sig" && f.value == nil
	filled := open && y["V"] != nil
	if filled {
		c.filled(ref, f, y, at)
	}
	for _, key := range keys(x, y) {
		here := at.to(string(key))
		switch {
		case key == "Kids":
			c.kids(x[key], y[key], here, depth)
		case open && (key == "V" || key == "AP" || key == "MK" || key == "F"):
			// What signing may set. An appearance without a signature is not
			// cleared: it would be a picture somebody else placed.
			if !filled && !c.signedAbove(ref, y) {
				c.compare(x[key], y[key], here, 0)
			}
		case f.fillable() && c.fill(ref, f, x, y, key, here):
		default:
			c.compare(x[key], y[key], here, 0)
		}
	}
}

// signedAbove tells whether a widget's field got its signature in this revision.
func (c *comparer) signedAbove(ref cos.Ref, widget cos.Dict) bool {
	up, ok := widget["Parent"].(cos.Ref)
	if !ok || c.fields[up] == nil || widget["T"] != nil {
		return false
	}
	return c.fields[up].kind == "Sig" && c.fields[up].value == nil && c.new.Dict(up)["V"] != nil
}

func (c *comparer) kids(o, n cos.Object, at *way, depth int) {
	before, after := c.old.Array(o), c.new.Array(n)
	if len(before) != len(after) {
		c.reject(at, cos.Ref{}, Reason{Code: CodeFieldKids})
		return
	}
	for i := range before {
		here := at.to(strconv.Itoa(i))
		if !same(before[i], after[i]) {
			c.compare(before[i], after[i], here, 0)
			continue
		}
		c.fieldAt(before[i], after[i], here, depth+1)
	}
}

// filled judges the signature put into an empty field.
func (c *comparer) filled(ref cos.Ref, f *field, y cos.Dict, at *way) {
	if c.locked(f.name) {
		c.reject(at, ref, Reason{Page: f.page, Field: f.name, Code: CodeSignedLocked})
		return
	}
	level, code := c.signature(y["V"])
	page := 0
	if visible(c.new, y) {
		page = f.page
		if level < Other {
			level, code = FormFilling, shown(code)
		}
	}
	c.note(at, ref, Reason{Page: page, Field: f.name, Level: level, Code: code})
}

// allowedKeys are what a new signature field with its widget may consist of;
// actions are not among them (ISO 32000-2, tables 166, 191, 226, 233).
func allowedKeys() []cos.Name {
	return []cos.Name{
		"Type", "Subtype", "FT", "T", "TU", "TM", "V", "F", "Ff", "P", "Rect", "AP", "AS", "MK", "DA", "Q",
		"Lock", "SV", "Border", "BS", "M", "NM", "Kids", "Parent", "DR", "H", "StructParent",
	}
}

// newField judges a field that was not there.
func (c *comparer) newField(ref cos.Ref, at *way) {
	d := c.new.Dict(ref)
	name, _ := c.new.Bytes(d["T"])
	about := Reason{Page: c.pageOf(d), Field: text(name)}
	switch {
	case c.old.Defined(ref.Num):
		c.reject(at, ref, about.as(CodeFieldReused))
		return
	case d == nil || c.new.Name(d["FT"]) != "Sig":
		c.reject(at, ref, about.as(CodeFieldAdded))
		return
	case len(name) == 0 || c.names[text(name)]:
		c.reject(at, ref, about.as(CodeFieldName))
		return
	}
	w := &newWidget{field: text(name)}
	c.names[text(name)] = true
	if !c.plainWidget(ref, d, at) {
		return
	}
	seen := visible(c.new, d)
	kids := c.new.Array(d["Kids"])
	if len(kids) == 0 {
		c.added[ref] = w
	}
	for _, o := range kids {
		kid, isRef := o.(cos.Ref)
		k := c.new.Dict(kid)
		if !isRef || c.old.Defined(kid.Num) || k == nil || k["T"] != nil || k["Kids"] != nil || k["V"] != nil && !same(k["V"], d["V"]) || !c.plainWidget(kid, k, at) {
			c.reject(at, kid, about.as(CodeFieldWidgets))
			return
		}
		seen = seen || visible(c.new, k)
		c.added[kid] = w
	}
	if d["V"] == nil {
		if seen { // a picture that nobody answers for
			c.reject(at, ref, about.as(CodeFieldPicture))
			return
		}
		c.note(at, ref, Reason{Page: about.Page, Field: about.Field, Level: FormFilling, Code: CodeEmptyField})
		return
	}
	level, code := c.signature(d["V"])
	if level == FormFilling && c.locked(w.field) {
		level, code = Other, CodeSignedLocked
	}
	if !seen {
		about.Page = 0
	}
	if seen && level < Other {
		level, code = FormFilling, shown(code)
	}
	c.note(at, ref, Reason{Page: about.Page, Field: about.Field, Level: level, Code: code})
}

func (c *comparer) plainWidget(ref cos.Ref, d cos.Dict, at *way) bool {
	allowed := allowedKeys()
	for _, key := range d.Keys() {
		if !slices.Contains(allowed, key) {
			c.reject(at.to(string(key)), ref, Reason{Page: c.pageOf(d), Code: CodeFieldForeign, Kind: string(key)})
			return false
		}
	}
	return true
}

// signature judges a signature value that appeared: it must be new, and must
// cover the revision it came with, or it was copied from elsewhere.
func (c *comparer) signature(o cos.Object) (Level, Code) {
	ref, isRef := o.(cos.Ref)
	if isRef && c.old.Defined(ref.Num) {
		return Other, CodeSignatureReused
	}
	d := c.new.Dict(o)
	br := c.new.Array(d["ByteRange"])
	_, hasContents := c.new.Bytes(d["Contents"])
	if d == nil || len(br) != 4 || !hasContents {
		return Other, CodeNoSignature
	}
	var r [4]int64
	for i := range r {
		v, ok := c.new.Int(br[i])
		if !ok {
			return Other, CodeByteRange
		}
		r[i] = v
	}
	revision := c.new.File().Revisions()[c.revision]
	covered, ok := c.new.File().RevisionAt(r[2] + r[3])
	if r[0] != 0 || r[1] < revision.Start || r[2] <= r[1] || r[3] <= 0 || r[2] > revision.End || !ok || covered != c.revision {
		return Other, CodeSignatureCoverage
	}
	for _, x := range c.new.Array(d["Reference"]) {
		if c.new.Name(c.new.Dict(x)["TransformMethod"]) == "DocMDP" {
			return Other, CodeCertification
		}
	}
	if c.new.Name(d["SubFilter"]) == "ETSI.RFC3161" {
		return LTAUpdates, CodeTimestamp
	}
	return FormFilling, CodeSignature
}

// locked tells whether the signature in question locks a field.
func (c *comparer) locked(name string) bool {
	for _, l := range c.permissions.Locks {
		hit := slices.ContainsFunc(l.Fields, func(f string) bool { return name == f || strings.HasPrefix(name, f+".") })
		if l.Action == "All" || l.Action == "Include" && hit || l.Action == "Exclude" && !hit {
			return true
		}
	}
	return false
}

// visible tells whether a widget takes up room on the page.
func visible(v *cos.View, d cos.Dict) bool {
	a := v.Array(d["Rect"])
	if len(a) != 4 || d["AP"] == nil {
		return false
	}
	var r [4]float64
	for i := range r {
		value, err := v.Resolve(a[i])
		if err != nil {
			return true
		}
		r[i], _ = cos.Number(value)
	}
	return r[0] != r[2] && r[1] != r[3]
}

// text reads a text string (ISO 32000-2, 7.9.2.2).
func text(s cos.String) string {
	if len(s) < 2 || s[0] != 0xfe || s[1] != 0xff {
		return string(s)
	}
	var units []uint16
	for i := 2; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
	}
	return string(utf16.Decode(units))
}
