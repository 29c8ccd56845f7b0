package pades

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
)

// widget is a new annotation that stands for a signature field on a page.
type widget struct {
	ref, page cos.Ref
	dict      cos.Dict
}

// newField makes a field with its widgets. One widget and its field are one
// dictionary; several are the field's kids (ISO 32000-1, 12.7.3.1).
func (d *document) newField(f *form, name string, o Options) error {
	err := d.mayAddField()
	if err != nil {
		return err
	}
	if strings.ContainsRune(name, '.') {
		return refuse(CodeFieldName, "the name of a new field has no dots")
	}
	numbers, err := d.shownOn(o.Visible)
	if err != nil {
		return err
	}
	widgets, err := d.widgets(numbers, o)
	if err != nil {
		return err
	}
	sig := d.update.Add(d.signature(o, field{}))
	ref, dict := widgets[0].ref, widgets[0].dict
	if len(widgets) > 1 {
		ref, dict = d.update.New(), cos.Dict{}
		kids := cos.Array{}
		for _, w := range widgets {
			// Some readers do not know that a widget inherits the value.
			w.dict["Parent"], w.dict["V"], w.dict["TU"] = ref, sig, encodeText(alternative(o))
			kids = append(kids, w.ref)
		}
		dict["Kids"] = kids
	}
	dict["FT"], dict["T"], dict["TU"], dict["V"] = cos.Name("Sig"), encodeText(name), encodeText(alternative(o)), sig
	err = d.fit(widgets, o)
	if err != nil {
		return err
	}
	for _, w := range widgets {
		d.update.Put(w.ref, w.dict)
	}
	d.update.Put(ref, dict)
	d.certify(o, sig)
	return f.register(ref)
}

// shownOn lists the numbers of the pages that show a mark, or stand for one
// that is not shown.
func (d *document) shownOn(spec *appearance.Spec) ([]int, error) {
	if spec == nil {
		return []int{0}, nil
	}
	if len(spec.Pages) == 0 {
		return []int{spec.Page}, nil
	}
	pages, err := d.pages()
	if err != nil {
		return nil, err
	}
	numbers, err := spec.Pages.Numbers(len(pages))
	if errors.Is(err, appearance.ErrOutside) {
		return nil, refuse(CodePages, err.Error())
	}
	if err != nil {
		return nil, err
	}
	if len(numbers) > 1 && d.secondEdition() {
		return nil, refuse(CodePlaces, "a document of PDF 2.0 shows a signature in one place only (ISO 32000-2, 12.7.5.5)")
	}
	return numbers, nil
}

// secondEdition tells whether the document follows ISO 32000-2, which forbids
// what the first edition and the standards above it allow.
func (d *document) secondEdition() bool {
	return d.file.Version() >= "2" || d.view.Name(d.root["Version"]) >= "2" || d.archivePart() >= 4
}

// widgets makes the annotations of a new field and puts them on their pages.
func (d *document) widgets(numbers []int, o Options) ([]widget, error) {
	pages, err := d.pages()
	if err != nil {
		return nil, err
	}
	made := make([]widget, 0, len(numbers))
	marks := map[appearance.Page]*appearance.Mark{} // pages alike share one drawing
	for _, number := range numbers {
		pageRef, page, err := d.pageIn(pages, number)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(made, func(w widget) bool { return w.page == pageRef }) {
			continue // one object that stands for two pages
		}
		w := widget{ref: d.update.New(), page: pageRef, dict: cos.Dict{
			"Type": cos.Name("Annot"), "Subtype": cos.Name("Widget"), "F": int64(flagPrint | flagLocked), "P": pageRef,
		}}
		if o.Visible == nil {
			d.unseen(w.dict, page)
		} else {
			geometry, err := d.geometry(page)
			if err != nil {
				return nil, err
			}
			if marks[geometry] == nil {
				marks[geometry], err = d.spec(o).Build(geometry, d.update)
				if err != nil {
					return nil, fmt.Errorf("page %d: %w", max(number, 1), err)
				}
			}
			show(w.dict, marks[geometry])
		}
		err = d.addAnnotation(pageRef, page, w.ref)
		if err != nil {
			return nil, err
		}
		made = append(made, w)
	}
	return made, nil
}

// pageIn picks a page by number: from 1, 0 for the first, -1 for the last.
func (d *document) pageIn(pages []cos.Ref, number int) (cos.Ref, cos.Dict, error) {
	switch {
	case number == 0:
		number = 1
	case number < 0:
		number += len(pages) + 1
	}
	if number < 1 || number > len(pages) {
		return cos.Ref{}, nil, refuse(CodePages, "the document has no page "+strconv.Itoa(number))
	}
	ref := pages[number-1]
	page := d.view.Dict(ref)
	if ref.IsZero() || page == nil {
		return cos.Ref{}, nil, refuse(CodePages, "page "+strconv.Itoa(number)+" is not an object of its own")
	}
	return ref, page, nil
}

// show gives a widget its appearance.
func show(widget cos.Dict, m *appearance.Mark) {
	widget["Rect"] = cos.Array{m.Rect[0], m.Rect[1], m.Rect[2], m.Rect[3]}
	widget["AP"] = cos.Dict{"N": m.Form}
	if m.Rotate != 0 {
		widget["MK"] = cos.Dict{"R": int64(m.Rotate)}
	}
}
