package validate

import (
	"fmt"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

const (
	// maxFieldNodes bounds the form fields visited over all revisions.
	maxFieldNodes = 500_000
	// maxFieldDepth bounds the nesting of the field tree.
	maxFieldDepth = 64
	// maxSignatures bounds the signatures judged in one file; each costs a
	// pass over the signed bytes.
	maxSignatures = 256
)

// found is a signature dictionary met in the form of some revision.
type found struct {
	field    string
	dict     cos.Dict
	offset   int64 // where the object that holds it stands; -1 in an object stream
	inline   bool  // the dictionary stands directly in its field
	revision int   // oldest revision whose form leads to it
	latest   bool  // the latest revision's form leads to it
	recycled bool  // two fields lead to it
	orphan   bool  // no form leads to it; found by its bytes
	places   []Place
	locks    []diff.Lock
	fieldRef cos.Ref
}

// finder walks the form of every revision.
type finder struct {
	file     *cos.File
	nodes    int
	byOffset map[int64]*found
	list     []*found
}

// findSignatures lists the signatures of all revisions, those of the latest
// marked. A signature that a later revision replaced in its own field is
// left to the difference analysis of the others.
func findSignatures(file *cos.File) ([]*found, error) {
	f := &finder{file: file, byOffset: make(map[int64]*found)}
	for n := range file.Revisions() {
		view, err := file.View(n)
		if err != nil {
			return nil, err
		}
		err = f.visitRevision(view, n == len(file.Revisions())-1)
		if err != nil {
			return nil, err
		}
	}
	return f.list, nil
}

func (f *finder) visitRevision(view *cos.View, latest bool) error {
	root, _, err := view.Root()
	if err != nil {
		// A revision without a catalog has no form; what it held is found
		// by its bytes.
		return nil
	}
	form := view.Dict(root["AcroForm"])
	w := &fieldWalk{finder: f, view: view, latest: latest, seen: make(map[cos.Ref]bool), owner: make(map[int64]cos.Ref)}
	for _, kid := range view.Array(form["Fields"]) {
		err = w.walk(kid, "", "", nil, 0)
		if err != nil {
			return err
		}
	}
	return nil
}

type fieldWalk struct {
	*finder
	view   *cos.View
	latest bool
	seen   map[cos.Ref]bool
	owner  map[int64]cos.Ref // signature object → field that led to it
	pages  map[cos.Ref]int
}

func (w *fieldWalk) walk(o cos.Object, parent string, inherited cos.Name, value cos.Object, depth int) error {
	w.nodes++
	if w.nodes > maxFieldNodes || depth > maxFieldDepth {
		return fmt.Errorf("form fields: %w", cos.ErrLimit)
	}
	ref, indirect := o.(cos.Ref)
	if indirect {
		if w.seen[ref] {
			return nil
		}
		w.seen[ref] = true
	}
	node := w.view.Dict(o)
	if node == nil {
		return nil
	}
	name := parent
	title, ok := w.view.Bytes(node["T"])
	if ok {
		name = strings.TrimPrefix(parent+"."+textString(title), ".")
	}
	kind := inherited
	if own := w.view.Name(node["FT"]); own != "" {
		kind = own
	}
	// A widget may repeat the value of the field that it shows.
	own, isRef := node["V"].(cos.Ref)
	repeats := isRef && !ok && value == cos.Object(own)
	if kind == "Sig" && node["V"] != nil && !repeats {
		w.take(node, ref, name)
	}
	if node["V"] != nil {
		value = node["V"]
	}
	for _, kid := range w.view.Array(node["Kids"]) {
		err := w.walk(kid, name, kind, value, depth+1)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *fieldWalk) take(field cos.Dict, fieldRef cos.Ref, name string) {
	dict := w.view.Dict(field["V"])
	if dict == nil {
		return
	}
	ref, indirect := field["V"].(cos.Ref)
	if !indirect {
		ref = fieldRef
	}
	offset, index, ok := w.view.Location(ref)
	if !ok {
		return
	}
	// A signature dictionary in an object stream cannot have its value in a
	// gap of plain bytes; it is kept, and fails for its place.
	key := offset
	if index >= 0 {
		key = -int64(ref.Num) - 2
		offset = -1
	}
	known := w.byOffset[key]
	if known == nil {
		if len(w.list) >= maxSignatures {
			return
		}
		known = &found{field: name, dict: dict, offset: offset, inline: !indirect, revision: w.view.Revision(), fieldRef: fieldRef}
		w.byOffset[key] = known
		w.list = append(w.list, known)
	}
	// Two fields of one revision, or another field of a later one, with the
	// same signature: it was recycled.
	other, taken := w.owner[key]
	if (taken && other != fieldRef) || known.fieldRef != fieldRef {
		known.recycled = true
	}
	w.owner[key] = fieldRef
	known.latest = known.latest || w.latest
	known.places = w.places(field)
	known.locks = w.locks(field, dict)
}

// maxPlaces bounds the places of one signature that are told.
const maxPlaces = 5000

// places finds where a field's widgets show it: its own dictionary, or its kids.
func (w *fieldWalk) places(field cos.Dict) []Place {
	widgets := cos.Array{field}
	if field["Rect"] == nil {
		widgets = w.view.Array(field["Kids"])
	}
	var out []Place
	for _, o := range widgets[:min(len(widgets), maxPlaces)] {
		place, ok := w.place(w.view.Dict(o))
		if ok {
			out = append(out, place)
		}
	}
	return out
}

// place finds the page and rectangle of a widget; false when it shows nowhere.
func (w *fieldWalk) place(widget cos.Dict) (Place, bool) {
	var rect [4]float64
	values := w.view.Array(widget["Rect"])
	if len(values) != 4 {
		return Place{}, false
	}
	for n, v := range values {
		resolved, err := w.view.Resolve(v)
		number, ok := cos.Number(resolved)
		if err != nil || !ok {
			return Place{}, false
		}
		rect[n] = number
	}
	pageRef, ok := widget["P"].(cos.Ref)
	if !ok || rect[0] == rect[2] || rect[1] == rect[3] {
		return Place{}, false
	}
	if w.pages == nil {
		w.pages = make(map[cos.Ref]int)
		pages, err := w.view.Pages()
		if err != nil {
			return Place{}, false
		}
		for n, page := range pages {
			w.pages[page] = n + 1
		}
	}
	page, ok := w.pages[pageRef]
	return Place{Page: page, Rect: rect}, ok
}

// locks collects what the signature forbids to change: the FieldMDP of its
// references and the Lock of its field (ISO 32000-2 §12.8.2.4, §12.7.5.5).
func (w *fieldWalk) locks(field, dict cos.Dict) []diff.Lock {
	var locks []diff.Lock
	add := func(d cos.Dict) {
		action := w.view.Name(d["Action"])
		if action == "" {
			return
		}
		lock := diff.Lock{Action: string(action)}
		for _, o := range w.view.Array(d["Fields"]) {
			name, ok := w.view.Bytes(o)
			if ok {
				lock.Fields = append(lock.Fields, textString(name))
			}
		}
		locks = append(locks, lock)
	}
	for _, o := range w.view.Array(dict["Reference"]) {
		reference := w.view.Dict(o)
		if w.view.Name(reference["TransformMethod"]) == "FieldMDP" {
			add(w.view.Dict(reference["TransformParams"]))
		}
	}
	add(w.view.Dict(field["Lock"]))
	return locks
}

// docMDP returns the P of a certification, 0 when there is none (ISO 32000-2
// §12.8.2.2); absent P means 2.
func docMDP(view *cos.View, dict cos.Dict) int {
	for _, o := range view.Array(dict["Reference"]) {
		reference := view.Dict(o)
		if view.Name(reference["TransformMethod"]) != "DocMDP" {
			continue
		}
		p, ok := view.Int(view.Dict(reference["TransformParams"])["P"])
		if !ok || p < 1 || p > 3 {
			return 2
		}
		return int(p)
	}
	return 0
}
