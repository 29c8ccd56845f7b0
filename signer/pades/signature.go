package pades

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/antin-gov/antin/signer/cos"
)

const (
	subFilterCAdES = cos.Name("ETSI.CAdES.detached")
	// byteRangeWidth is room for "[0 a b c]" with numbers of up to 18 digits.
	byteRangeWidth = 60
	reservedRange  = "ByteRange"
	reservedSig    = "Contents"
	flagPrint      = 1 << 2
	flagLocked     = 1 << 7
)

// place puts signature, field and widget into the update and gives the name of
// the field.
func (d *document) place(o Options) (string, error) {
	f, err := d.readForm()
	if err != nil {
		return "", err
	}
	signed := f.signatures()
	if f.permission() == 1 {
		return "", refuse(CodeCertified, "the document is certified and forbids all changes")
	}
	if o.Certify > 0 && (len(signed) > 0 || f.permission() != 0) {
		return "", refuse(CodeNotFirst, "a certification must be the first signature")
	}
	name := o.Field
	if name == "" {
		name = f.freeName()
	}
	target, exists := f.find(name)
	if !exists {
		return name, d.newField(f, name, o)
	}
	return name, d.fillField(f, target, o)
}

// mayAddField refuses where an encrypted document forbids new fields.
func (d *document) mayAddField() error {
	if !d.file.Permits(cos.PermitModify) || !d.file.Permits(cos.PermitAnnotate) {
		return refuse(cos.CodePermission, "the document's permissions forbid new signature fields")
	}
	return nil
}

// fillField signs in an empty signature field that is there.
func (d *document) fillField(f *form, x field, o Options) error {
	switch {
	case x.kind != "Sig":
		return refuse(CodeFieldKind, "the field is not a signature field")
	case x.value != nil:
		return refuse(CodeFieldSigned, "the field is signed already")
	case x.locked:
		return refuse(CodeFieldLocked, "an earlier signature locks the field")
	case !d.file.Permits(cos.PermitFill) && !d.file.Permits(cos.PermitAnnotate):
		return refuse(cos.CodePermission, "the document's permissions forbid signing")
	}
	err := f.seedValues(x, o)
	if err != nil {
		return err
	}
	dict := x.dict.Clone()
	sig := d.update.Add(d.signature(o, x))
	dict["V"] = sig
	if o.Visible != nil && len(o.Visible.Pages) > 0 {
		return refuse(CodePlaces, "the field has its places already; sign in a new one to choose pages")
	}
	if len(x.widgets) == 0 {
		err = d.dress(dict, x.ref, o)
	}
	for _, ref := range x.widgets { // each shows the signature
		widget := d.view.Dict(ref).Clone()
		err = errors.Join(err, d.dress(widget, ref, o))
		if len(x.widgets) > 1 {
			widget["V"] = sig // some readers do not know that it is inherited
		}
		d.update.Put(ref, widget)
	}
	if err != nil {
		return err
	}
	d.update.Put(x.ref, dict)
	d.certify(o, sig)
	return f.register(cos.Ref{})
}

// dress gives the widget of an existing field its appearance, in the rectangle
// that the form's author chose.
func (d *document) dress(widget cos.Dict, ref cos.Ref, o Options) error {
	flags, _ := d.view.Int(widget["F"])
	widget["F"] = flags | flagPrint | flagLocked
	rect, visible := d.rectangle(widget["Rect"])
	if !visible || o.Visible == nil {
		if visible {
			return d.dressEmpty(widget, rect)
		}
		return nil
	}
	page, err := d.pageOf(widget, ref)
	if err != nil {
		return err
	}
	geometry, err := d.geometry(page)
	if err != nil {
		return err
	}
	mark, err := d.spec(o).Place(geometry, rect, d.update)
	if err != nil {
		return err
	}
	show(widget, mark)
	return nil
}

// dressEmpty gives a visible widget an appearance that shows nothing, because
// PDF/A asks for one (ISO 19005-2, 6.3.3).
func (d *document) dressEmpty(widget cos.Dict, rect [4]float64) error {
	form := d.emptyForm(max(rect[0], rect[2])-min(rect[0], rect[2]), max(rect[1], rect[3])-min(rect[1], rect[3]))
	widget["AP"] = cos.Dict{"N": form}
	return nil
}

// pageOf finds the page that shows a widget.
func (d *document) pageOf(widget cos.Dict, ref cos.Ref) (cos.Dict, error) {
	pages, err := d.pages()
	if err != nil {
		return nil, err
	}
	at, ok := widget["P"].(cos.Ref)
	if ok && slices.Contains(pages, at) {
		return d.view.Dict(at), nil
	}
	for _, p := range pages {
		page := d.view.Dict(p)
		if slices.Contains(d.view.Array(page["Annots"]), cos.Object(ref)) {
			return page, nil
		}
	}
	return nil, refuse(CodePages, "no page shows the field")
}

// signature makes the signature dictionary (ISO 32000-2, table 255, and
// EN 319 142-1, 6.3: /M, and no /Cert).
func (d *document) signature(o Options, x field) cos.Dict {
	sig := cos.Dict{
		"Type": cos.Name("Sig"), "Filter": cos.Name("Adobe.PPKLite"), "SubFilter": subFilterCAdES,
		"ByteRange": cos.Reserved{ID: reservedRange, Width: byteRangeWidth},
		"Contents":  cos.Reserved{ID: reservedSig, Width: 2*o.room() + 2},
		"M":         cos.String(pdfTime(o.Now)),
	}
	for key, text := range map[cos.Name]string{"Reason": o.Reason, "Location": o.Location, "Name": o.Name} {
		if text != "" {
			sig[key] = encodeText(text)
		}
	}
	var references cos.Array
	if o.Certify > 0 {
		references = append(references, cos.Dict{
			"Type": cos.Name("SigRef"), "TransformMethod": cos.Name("DocMDP"),
			"TransformParams": cos.Dict{"Type": cos.Name("TransformParams"), "V": cos.Name("1.2"), "P": int64(o.Certify)},
		})
	}
	lock := d.view.Dict(x.dict["Lock"])
	if lock != nil {
		params := cos.Dict{"Type": cos.Name("TransformParams"), "V": cos.Name("1.2"), "Action": d.view.Name(lock["Action"])}
		fields := d.view.Array(lock["Fields"])
		if fields != nil {
			params["Fields"] = cos.Clone(fields)
		}
		references = append(references, cos.Dict{
			"Type": cos.Name("SigRef"), "TransformMethod": cos.Name("FieldMDP"), "TransformParams": params, "Data": d.ref,
		})
	}
	if len(references) > 0 {
		sig["Reference"] = references
	}
	return sig
}

// certify names the signature in the catalog (ISO 32000-2, 12.8.6).
func (d *document) certify(o Options, sig cos.Ref) {
	if o.Certify == 0 {
		return
	}
	perms := d.view.Dict(d.root["Perms"]).Clone()
	perms["DocMDP"] = sig
	holder, indirect := d.root["Perms"].(cos.Ref)
	if indirect {
		d.update.Put(holder, perms)
		return
	}
	d.root["Perms"] = perms
	d.dirty = true
}

// pdfTime writes a date (ISO 32000-2, 7.9.4) in the time of Vietnam.
func pdfTime(t time.Time) string {
	return fmt.Sprintf("D:%s+07'00'", t.In(time.FixedZone("+07", 7*60*60)).Format("20060102150405"))
}
