package pades

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strconv"
	"unicode/utf16"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
)

// What PDF/A (ISO 19005) and PDF/UA (ISO 14289-1) ask of a signature that comes
// into a document which follows them. What a document claims is left as it is.

// maxString is the longest string of PDF/A-2 and -3 (ISO 19005-2, 6.1.13); it
// holds for /Contents too.
const maxString = 32767

// opaque tells that an image may have no soft mask: PDF/A-1 knows none
// (ISO 19005-1, 6.4), and the later parts need a blending colour space, which
// the output intent gives (ISO 19005-2, 6.2.10).
func (d *document) opaque() bool {
	switch d.archivePart() {
	case 0:
		return false
	case 1:
		return true
	}
	for _, o := range d.view.Array(d.root["OutputIntents"]) {
		if d.view.Name(d.view.Dict(o)["S"]) == "GTS_PDFA1" {
			return false
		}
	}
	return true
}

// tagged tells whether the document has a logical structure that readers for
// people who do not see it go by.
func (d *document) tagged() bool {
	marked, err := d.view.Resolve(d.view.Dict(d.root["MarkInfo"])["Marked"])
	return err == nil && marked == true && d.view.Dict(d.root["StructTreeRoot"]) != nil
}

// unseen places a widget that shows nothing. In a tagged document it stands
// outside the page, where it is no content that would have to be described
// (ISO 14289-1, 7.18.1). PDF/A-1 wants an appearance for every field
// (ISO 19005-1, 6.9); the later parts exempt rectangles without area.
func (d *document) unseen(widget, page cos.Dict) {
	zero := int64(0)
	widget["Rect"] = cos.Array{zero, zero, zero, zero}
	if d.tagged() {
		geometry, err := d.geometry(page)
		if err == nil {
			const away = 10 // points left of and below the visible page
			box := geometry.MediaBox
			if geometry.CropBox != ([4]float64{}) {
				box = geometry.CropBox
			}
			x, y := min(box[0], box[2])-away, min(box[1], box[3])-away
			widget["Rect"] = cos.Array{x, y, x, y}
		}
	}
	if d.archivePart() == 1 {
		widget["AP"] = cos.Dict{"N": d.emptyForm(0, 0)}
	}
}

// emptyForm is an appearance that shows nothing.
func (d *document) emptyForm(width, height float64) cos.Ref {
	return d.update.Add(&cos.Stream{Dict: cos.Dict{
		"Type": cos.Name("XObject"), "Subtype": cos.Name("Form"), "Resources": cos.Dict{},
		"BBox": cos.Array{int64(0), int64(0), width, height},
	}, Data: []byte{}})
}

// alternative is what is read aloud for a signature (/TU; ISO 14289-1, 7.18.1),
// in the language of the documents that are signed here.
func alternative(o Options) string {
	name := o.Name
	if name == "" && o.Visible != nil {
		name = o.Visible.Name
	}
	if name == "" && len(o.Chain) > 0 {
		name = o.Chain[0].Subject.CommonName
	}
	if name == "" {
		return "Chữ ký số"
	}
	return "Chữ ký số: " + name
}

// fit makes a signature's new field part of a tagged document. What follows a
// signature may add to the structure what belongs to its own widgets alone. A
// document time-stamp that follows stands on the first page.
func (d *document) fit(widgets []widget, o Options) error {
	if !d.tagged() {
		return nil
	}
	if o.Visible != nil {
		err := d.describe(widgets, alternative(o))
		if err != nil {
			return err
		}
	}
	for _, w := range widgets {
		err := d.order(w.page)
		if err != nil {
			return err
		}
	}
	if o.Level != LevelLTA {
		return nil
	}
	first, _, err := d.page(0)
	if err != nil {
		return err
	}
	return d.order(first)
}

// describe makes new visible widgets part of the logical structure: each has a
// Form element that owns it (ISO 14289-1, 7.18.4).
func (d *document) describe(widgets []widget, text string) error {
	root := d.view.Dict(d.root["StructTreeRoot"]).Clone()
	holder, ok := d.root["StructTreeRoot"].(cos.Ref)
	if !ok { // an element can name only an object as its parent
		holder = d.update.New()
		d.root["StructTreeRoot"], d.dirty = holder, true
	}
	key, err := d.nextStructParent(root, int64(len(widgets)))
	if err != nil {
		return err
	}
	elements := make([]cos.Ref, len(widgets))
	for i := range elements {
		elements[i] = d.update.New()
	}
	parent, err := d.adopt(root, holder, elements)
	if err != nil {
		return err
	}
	for i, w := range widgets {
		d.update.Put(elements[i], cos.Dict{
			"Type": cos.Name("StructElem"), "S": cos.Name("Form"), "P": parent, "Pg": w.page, "Alt": encodeText(text),
			"K": cos.Dict{"Type": cos.Name("OBJR"), "Obj": w.ref, "Pg": w.page},
		})
		w.dict["StructParent"] = key + int64(i)
	}
	d.enterParents(root, key, elements)
	root["ParentTreeNextKey"] = key + int64(len(widgets))
	d.update.Put(holder, root)
	return nil
}

// adopt puts elements behind the others, under the document element where
// there is one, and gives the parent.
func (d *document) adopt(root cos.Dict, holder cos.Ref, elements []cos.Ref) (cos.Ref, error) {
	kids, err := d.kidsOf(root)
	if err != nil {
		return cos.Ref{}, err
	}
	for _, kid := range kids {
		ref, ok := kid.(cos.Ref)
		node := d.view.Dict(kid)
		if !ok || d.view.Name(node["S"]) != "Document" {
			continue
		}
		below, err := d.kidsOf(node)
		if err != nil {
			return cos.Ref{}, err
		}
		node = node.Clone()
		node["K"] = appendRefs(below, elements)
		d.update.Put(ref, node)
		return ref, nil
	}
	root["K"] = appendRefs(kids, elements)
	return holder, nil
}

func appendRefs(list cos.Array, refs []cos.Ref) cos.Array {
	for _, ref := range refs {
		list = append(list, ref)
	}
	return list
}

// kidsOf gives /K as an array of its own.
func (d *document) kidsOf(node cos.Dict) (cos.Array, error) {
	k, err := d.view.Resolve(node["K"])
	if err != nil {
		return nil, refusal(err)
	}
	list, ok := k.(cos.Array)
	switch {
	case ok:
		return list.Copy(), nil
	case k == nil:
		return nil, nil
	}
	return cos.Array{node["K"]}, nil
}

const (
	maxParentNodes = 100_000
	maxParentDepth = 32
)

// nextStructParent is the first of so many keys above all of the parent tree.
func (d *document) nextStructParent(root cos.Dict, many int64) (int64, error) {
	next, _ := d.view.Int(root["ParentTreeNextKey"])
	left := maxParentNodes
	var walk func(o cos.Object, depth int) error
	walk = func(o cos.Object, depth int) error {
		left--
		if left < 0 || depth > maxParentDepth {
			return refuse(CodeTooLarge, "the parent tree of the structure is too large")
		}
		node := d.view.Dict(o)
		nums := d.view.Array(node["Nums"])
		for i := 0; i+1 < len(nums); i += 2 {
			key, ok := d.view.Int(nums[i])
			if ok {
				next = max(next, key+1)
			}
		}
		for _, kid := range d.view.Array(node["Kids"]) {
			err := walk(kid, depth+1)
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := walk(root["ParentTree"], 0)
	if next < 0 || next > maxKey-many {
		return 0, refuse(CodeTooLarge, "the parent tree of the structure has no free key")
	}
	return next, err
}

// maxKey is the largest integer of PDF/A (ISO 19005-1, 6.1.12).
const maxKey = 1<<31 - 2

// enterParents adds keys, the highest of all, to the parent tree.
func (d *document) enterParents(root cos.Dict, key int64, elements []cos.Ref) {
	tree := d.view.Dict(root["ParentTree"]).Clone()
	if tree == nil {
		tree = cos.Dict{}
	}
	var nums cos.Array
	for i, element := range elements {
		nums = append(nums, key+int64(i), element)
	}
	kids := d.view.Array(tree["Kids"])
	if kids != nil {
		leaf := d.update.Add(cos.Dict{"Limits": cos.Array{key, key + int64(len(elements)) - 1}, "Nums": nums})
		tree["Kids"] = append(kids.Copy(), leaf)
	} else {
		tree["Nums"] = append(d.view.Array(tree["Nums"]).Copy(), nums...)
	}
	holder, ok := root["ParentTree"].(cos.Ref)
	if ok {
		d.update.Put(holder, tree)
		return
	}
	root["ParentTree"] = d.update.Add(tree)
}

// order says of a page with annotations that they follow the structure
// (ISO 14289-1, 7.18.3), unless it says something else.
func (d *document) order(pageRef cos.Ref) error {
	o, err := d.update.Get(pageRef)
	if err != nil {
		return refusal(err)
	}
	page, ok := o.(cos.Dict)
	if !ok || page["Tabs"] != nil {
		return nil
	}
	page = page.Clone()
	page["Tabs"] = cos.Name("S")
	d.update.Put(pageRef, page)
	return nil
}

// spec completes what the caller asked to be shown.
func (d *document) spec(o Options) appearance.Spec {
	s := *o.Visible
	if s.Preset == appearance.Text && s.Time.IsZero() {
		s.Time = o.Now
	}
	s.Opaque = s.Opaque || d.opaque()
	return s
}

// archivePart reads the part of PDF/A that the document claims, 0 when none
// (ISO 19005-1, 6.7.11).
func (d *document) archivePart() int {
	stm := d.view.Stream(d.root["Metadata"])
	if stm == nil {
		return 0
	}
	data, err := d.view.Decode(stm)
	if err != nil {
		return 0
	}
	const space = "http://www.aiim.org/pdfa/ns/id/"
	dec := xml.NewDecoder(bytes.NewReader(fromUTF16(data)))
	inside := false
	for {
		token, err := dec.Token()
		if err != nil {
			return 0
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = t.Name.Space == space && t.Name.Local == "part"
			for _, a := range t.Attr {
				if a.Name.Space == space && a.Name.Local == "part" {
					return digit(a.Value)
				}
			}
		case xml.CharData:
			if inside {
				return digit(string(t))
			}
		}
	}
}

// fromUTF16 turns a packet in UTF-16 with its mark into UTF-8.
func fromUTF16(data []byte) []byte {
	if len(data) < 2 || !slices.Contains([]string{"\xfe\xff", "\xff\xfe"}, string(data[:2])) {
		return data
	}
	low := 0 // place of the low byte
	if data[0] == 0xfe {
		low = 1
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		units = append(units, uint16(data[i+1-low])<<8|uint16(data[i+low]))
	}
	return []byte(string(utf16.Decode(units)))
}

func digit(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
