package pades

import (
	"io"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
)

// document is an input on its way to an update.
type document struct {
	file   *cos.File
	view   *cos.View
	update *cos.Update
	root   cos.Dict // a copy that may be changed
	ref    cos.Ref
	dirty  bool // the catalog itself must be written
}

func openDocument(in io.ReaderAt, size int64, password string, limits cos.Limits) (*document, error) {
	f, err := cos.Open(in, size, cos.Options{Password: password, Limits: limits})
	if err != nil {
		return nil, refusal(err)
	}
	u, err := f.NewUpdate()
	if err != nil {
		return nil, refusal(err)
	}
	if f.Trailing() > 0 {
		return nil, refuse(CodeTrailingBytes, "there are bytes behind the end of the last revision")
	}
	d := &document{file: f, view: f.Latest(), update: u}
	root, ref, err := d.view.Root()
	if err != nil {
		return nil, refusal(err)
	}
	d.root, d.ref = root.Clone(), ref
	return d, nil
}

// finish puts the catalog into the update if it changed.
func (d *document) finish() {
	if d.dirty {
		d.update.Put(d.ref, d.root)
	}
}

// pages lists the pages.
func (d *document) pages() ([]cos.Ref, error) {
	pages, err := d.view.Pages()
	if err != nil {
		return nil, refuse(CodePages, err.Error())
	}
	if len(pages) == 0 {
		return nil, refuse(CodePages, "the document has no page")
	}
	return pages, nil
}

// page picks a page by number: from 1, 0 for the first, -1 for the last.
func (d *document) page(number int) (cos.Ref, cos.Dict, error) {
	pages, err := d.pages()
	if err != nil {
		return cos.Ref{}, nil, err
	}
	return d.pageIn(pages, number)
}

// addAnnotation puts an annotation on a page: into the page's array where it
// is, or into a copy of its own when pages share one array.
func (d *document) addAnnotation(pageRef cos.Ref, page cos.Dict, annot cos.Ref) error {
	old, err := d.view.Resolve(page["Annots"])
	if err != nil {
		return refusal(err)
	}
	list, ok := old.(cos.Array)
	if !ok && old != nil {
		return refuse(CodePages, "the annotations of the page are not an array")
	}
	list = append(list.Copy(), annot)
	holder, indirect := page["Annots"].(cos.Ref)
	if indirect && old != nil && !d.shared(holder, pageRef) {
		d.update.Put(holder, list)
		return nil
	}
	page = page.Clone()
	page["Annots"] = list
	d.update.Put(pageRef, page)
	return nil
}

// shared tells whether another page uses the same array of annotations.
func (d *document) shared(holder, self cos.Ref) bool {
	pages, err := d.view.Pages()
	if err != nil {
		return true
	}
	for _, ref := range pages {
		if ref != self && d.view.Dict(ref)["Annots"] == cos.Object(holder) {
			return true
		}
	}
	return false
}

// geometry reads what a mark on the page must know.
func (d *document) geometry(page cos.Dict) (appearance.Page, error) {
	g := appearance.Page{}
	var ok bool
	g.MediaBox, ok = d.rectangle(d.view.Inherited(page, "MediaBox"))
	if !ok {
		return g, refuse(CodePages, "the page has no usable media box")
	}
	g.CropBox, _ = d.rectangle(d.view.Inherited(page, "CropBox"))
	rotate, _ := d.view.Inherited(page, "Rotate").(int64)
	g.Rotate = int(rotate % 360)
	unit, err := d.view.Resolve(page["UserUnit"])
	if err != nil {
		return g, refusal(err)
	}
	value, ok := cos.Number(unit)
	if ok && value > 0 {
		g.UserUnit = value
	}
	return g, nil
}

func (d *document) rectangle(o cos.Object) ([4]float64, bool) {
	var r [4]float64
	a := d.view.Array(o)
	if len(a) != 4 {
		return r, false
	}
	for i := range r {
		v, err := d.view.Resolve(a[i])
		if err != nil {
			return r, false
		}
		n, ok := cos.Number(v)
		if !ok {
			return r, false
		}
		r[i] = n
	}
	return r, r[0] != r[2] && r[1] != r[3]
}
