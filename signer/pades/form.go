package pades

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/antin-gov/antin/signer/cos"
)

const (
	maxFields     = 100_000 // the largest forms known have a few thousand
	maxFieldDepth = 32
)

// field is a terminal field of the form, or one of its nodes.
type field struct {
	ref     cos.Ref
	dict    cos.Dict
	name    string // full name, parts joined by dots
	kind    cos.Name
	value   cos.Object
	top     bool
	widgets []cos.Ref // kids that are only widgets
	locked  bool      // by a signature that is there
}

// form is the interactive form of the document (ISO 32000-2, 12.7).
type form struct {
	doc    *document
	fields []field
}

func (d *document) readForm() (*form, error) {
	f := &form{doc: d}
	acro := d.view.Dict(d.root["AcroForm"])
	needs, err := d.view.Resolve(d.root["NeedsRendering"])
	if err == nil && needs == true {
		return nil, refuse(CodeDynamicForm, "the pages are made from an XFA form by the reader")
	}
	seen := map[cos.Ref]bool{}
	for _, o := range d.view.Array(acro["Fields"]) {
		err := f.walk(o, "", "", nil, seen, 0)
		if err != nil {
			return nil, err
		}
	}
	f.applyLocks()
	return f, nil
}

func (f *form) walk(o cos.Object, prefix string, kind cos.Name, value cos.Object, seen map[cos.Ref]bool, depth int) error {
	ref, _ := o.(cos.Ref)
	if depth > maxFieldDepth || len(f.fields) >= maxFields {
		return refuse(CodeTooLarge, "the form has too many fields")
	}
	if ref.IsZero() {
		return nil // a field must be an indirect object; others cannot be named
	}
	if seen[ref] {
		return refuse(CodeFormDamaged, "the form names field "+ref.String()+" twice")
	}
	seen[ref] = true
	v := f.doc.view
	dict := v.Dict(ref)
	if dict == nil {
		return nil
	}
	name := prefix
	part, named := v.Bytes(dict["T"])
	if named {
		name = strings.TrimPrefix(prefix+"."+decodeText(part), ".")
	}
	if dict["FT"] != nil {
		kind = v.Name(dict["FT"])
	}
	if dict["V"] != nil {
		value = dict["V"]
	}
	this := field{ref: ref, dict: dict, name: name, kind: kind, value: value, top: depth == 0}
	var below cos.Array
	for _, kid := range v.Array(dict["Kids"]) {
		kidDict := v.Dict(kid)
		kidRef, _ := kid.(cos.Ref)
		if kidDict["T"] == nil && v.Name(kidDict["Subtype"]) == "Widget" {
			this.widgets = append(this.widgets, kidRef)
			continue
		}
		below = append(below, kid)
	}
	f.fields = append(f.fields, this)
	for _, kid := range below {
		err := f.walk(kid, name, kind, value, seen, depth+1)
		if err != nil {
			return err
		}
	}
	return nil
}

// signatures gives the fields that hold a signature.
func (f *form) signatures() []field {
	var out []field
	for _, x := range f.fields {
		if x.kind == "Sig" && f.doc.view.Dict(x.value) != nil {
			out = append(out, x)
		}
	}
	return out
}

func (f *form) find(name string) (field, bool) {
	for _, x := range f.fields {
		if x.name == name && len(x.dict) > 0 {
			return x, true
		}
	}
	return field{}, false
}

// freeName gives a name that no field has.
func (f *form) freeName() string {
	for n := 1; ; n++ {
		name := "Signature" + strconv.Itoa(n)
		taken := slices.ContainsFunc(f.fields, func(x field) bool { return x.name == name })
		if !taken {
			return name
		}
	}
}

// applyLocks marks fields that an existing signature locks (FieldMDP,
// ISO 32000-2, 12.8.2.4).
func (f *form) applyLocks() {
	v := f.doc.view
	for _, s := range f.signatures() {
		for _, o := range v.Array(v.Dict(s.value)["Reference"]) {
			ref := v.Dict(o)
			if v.Name(ref["TransformMethod"]) != "FieldMDP" {
				continue
			}
			params := v.Dict(ref["TransformParams"])
			action := v.Name(params["Action"])
			named := map[string]bool{}
			for _, n := range v.Array(params["Fields"]) {
				s, _ := v.Bytes(n)
				named[decodeText(s)] = true
			}
			for i, x := range f.fields {
				hit := coveredBy(x.name, named)
				if action == "All" || action == "Include" && hit || action == "Exclude" && !hit {
					f.fields[i].locked = true
				}
			}
		}
	}
}

// coveredBy tells whether a name or one of the names above it is in a set.
func coveredBy(name string, set map[string]bool) bool {
	for {
		if set[name] {
			return true
		}
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}

// permission is what a certification allows: P of its DocMDP, 0 when the
// document is not certified.
func (f *form) permission() int64 {
	v := f.doc.view
	sig := v.Dict(v.Dict(f.doc.root["Perms"])["DocMDP"])
	for _, o := range v.Array(sig["Reference"]) {
		ref := v.Dict(o)
		if v.Name(ref["TransformMethod"]) != "DocMDP" {
			continue
		}
		p, ok := v.Int(v.Dict(ref["TransformParams"])["P"])
		if !ok {
			return 2 // the default, table 257
		}
		return p
	}
	return 0
}

// register enters a new field, or nothing when ref is zero, and sets what a
// signed form must say: SigFlags 3, no NeedAppearances (which would let a
// reader change the document). All else in the form stays.
func (f *form) register(ref cos.Ref) error {
	d := f.doc
	holder, indirect := d.root["AcroForm"].(cos.Ref)
	old, err := d.view.Resolve(d.root["AcroForm"])
	if err != nil {
		return refusal(err)
	}
	acro, ok := old.(cos.Dict)
	if !ok && old != nil {
		return refuse(CodeFormDamaged, "the form is not a dictionary")
	}
	acro = acro.Clone()
	changed := acro["NeedAppearances"] != nil || acro["SigFlags"] != cos.Object(int64(3))
	acro["SigFlags"] = int64(3)
	delete(acro, "NeedAppearances")
	if !ref.IsZero() {
		list, err := d.view.Resolve(acro["Fields"])
		if err != nil {
			return refusal(err)
		}
		fields, ok := list.(cos.Array)
		if !ok && list != nil {
			return refuse(CodeFormDamaged, "the fields of the form are not an array")
		}
		fields = append(fields.Copy(), ref)
		at, apart := acro["Fields"].(cos.Ref)
		if apart && list != nil {
			d.update.Put(at, fields)
		} else {
			acro["Fields"] = fields
			changed = true
		}
	}
	switch {
	case !changed:
	case indirect && old != nil:
		d.update.Put(holder, acro)
	case old != nil:
		d.root["AcroForm"] = acro
		d.dirty = true
	default:
		d.root["AcroForm"] = d.update.Add(acro)
		d.dirty = true
	}
	return nil
}

// decodeText reads a text string (ISO 32000-2, 7.9.2.2): UTF-16 with its mark,
// UTF-8 with its mark, else bytes as Latin-1, which is what PDFDocEncoding is
// for the letters of field names.
func decodeText(s cos.String) string {
	switch {
	case len(s) >= 2 && s[0] == 0xfe && s[1] == 0xff:
		units := make([]uint16, 0, len(s)/2)
		for i := 2; i+1 < len(s); i += 2 {
			units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
		}
		return string(utf16.Decode(units))
	case len(s) >= 3 && s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf:
		return string(s[3:])
	}
	runes := make([]rune, len(s))
	for i, b := range s {
		runes[i] = rune(b)
	}
	return string(runes)
}

// encodeText writes a text string: ASCII as it is, else UTF-16 with its mark.
func encodeText(s string) cos.String {
	ascii := true
	for _, r := range s {
		if r < 0x20 || r > 0x7e {
			ascii = false
		}
	}
	if ascii {
		return cos.String(s)
	}
	out := cos.String{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}
