package diff_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
)

func TestWhatForgersDoIsFound(t *testing.T) {
	s := newSigner(t)
	page := func(v *cos.View) (cos.Ref, cos.Dict) {
		pages, err := v.Pages()
		if err != nil {
			t.Fatal(err)
		}
		return pages[0], v.Dict(pages[0]).Clone()
	}
	root := func(v *cos.View) (cos.Ref, cos.Dict) {
		d, ref, err := v.Root()
		if err != nil {
			t.Fatal(err)
		}
		return ref, d.Clone()
	}
	firstStream := func(v *cos.View, o cos.Object) cos.Ref {
		for {
			ref, isRef := o.(cos.Ref)
			if isRef && v.Stream(ref) != nil {
				return ref
			}
			a := v.Array(o)
			if len(a) == 0 {
				t.Fatal("no content stream")
			}
			o = a[0]
		}
	}
	attacks := map[string]func(u *cos.Update, v *cos.View){
		"the content stream is replaced": func(u *cos.Update, v *cos.View) {
			_, p := page(v)
			u.Put(firstStream(v, p["Contents"]), &cos.Stream{Dict: cos.Dict{}, Data: []byte("0 0 m")})
		},
		"the page names another content": func(u *cos.Update, v *cos.View) {
			ref, p := page(v)
			p["Contents"] = u.Add(&cos.Stream{Dict: cos.Dict{}, Data: []byte("0 0 m")})
			u.Put(ref, p)
		},
		"a font is replaced": func(u *cos.Update, v *cos.View) {
			_, p := page(v)
			res := v.Dict(v.Inherited(p, "Resources"))
			for _, o := range v.Dict(res["Font"]) {
				ref, ok := o.(cos.Ref)
				if ok {
					font := v.Dict(ref).Clone()
					font["BaseFont"] = cos.Name("Evil")
					u.Put(ref, font)
					return
				}
			}
			t.Fatal("no font")
		},
		"an annotation is added": func(u *cos.Update, v *cos.View) {
			ref, p := page(v)
			p["Annots"] = append(v.Array(p["Annots"]).Copy(), u.Add(cos.Dict{"Type": cos.Name("Annot"), "Subtype": cos.Name("FreeText")}))
			u.Put(ref, p)
		},
		"all annotations are removed": func(u *cos.Update, v *cos.View) {
			ref, p := page(v)
			delete(p, "Annots")
			u.Put(ref, p)
		},
		"the catalog names other pages": func(u *cos.Update, v *cos.View) {
			ref, d := root(v)
			d["Pages"] = u.Add(v.Dict(d["Pages"]).Clone())
			u.Put(ref, d)
		},
		"a page is removed": func(u *cos.Update, v *cos.View) {
			_, d := root(v)
			ref, ok := d["Pages"].(cos.Ref)
			if !ok {
				t.Fatal("pages")
			}
			tree := v.Dict(ref).Clone()
			kids := v.Array(tree["Kids"]).Copy()
			tree["Kids"] = kids[:len(kids)-1]
			u.Put(ref, tree)
		},
		"a page is turned": func(u *cos.Update, v *cos.View) {
			ref, p := page(v)
			p["Rotate"] = int64(180)
			u.Put(ref, p)
		},
		"the page is shown larger": func(u *cos.Update, v *cos.View) {
			ref, p := page(v)
			p["UserUnit"] = int64(2)
			u.Put(ref, p)
		},
		"an action runs on opening": func(u *cos.Update, v *cos.View) {
			ref, d := root(v)
			d["OpenAction"] = u.Add(cos.Dict{"S": cos.Name("JavaScript"), "JS": cos.String("app.alert(1)")})
			u.Put(ref, d)
		},
		"a layer configuration hides content": func(u *cos.Update, v *cos.View) {
			ref, d := root(v)
			d["OCProperties"] = cos.Dict{"OCGs": cos.Array{}, "D": cos.Dict{}}
			u.Put(ref, d)
		},
		"the title changes": func(u *cos.Update, v *cos.View) {
			ref, ok := v.Trailer()["Info"].(cos.Ref)
			if !ok {
				t.Fatal("no information")
			}
			info := v.Dict(ref).Clone()
			info["Title"] = cos.String("Another document")
			u.Put(ref, info)
		},
		"the signature field's value is another": func(u *cos.Update, v *cos.View) {
			_, d := root(v)
			fields := v.Array(v.Dict(d["AcroForm"])["Fields"])
			ref, ok := fields[len(fields)-1].(cos.Ref)
			if !ok {
				t.Fatal("no field")
			}
			f := v.Dict(ref).Clone()
			f["V"] = u.Add(cos.Dict{"Type": cos.Name("Sig")})
			u.Put(ref, f)
		},
		"the reason of the signature changes": func(u *cos.Update, v *cos.View) {
			_, d := root(v)
			fields := v.Array(v.Dict(d["AcroForm"])["Fields"])
			ref, ok := v.Dict(fields[len(fields)-1])["V"].(cos.Ref)
			if !ok {
				t.Fatal("no signature")
			}
			sig := v.Dict(ref).Clone()
			sig["Reason"] = cos.String("Not what I signed")
			u.Put(ref, sig)
		},
		"the widget moves over the text": func(u *cos.Update, v *cos.View) {
			_, d := root(v)
			fields := v.Array(v.Dict(d["AcroForm"])["Fields"])
			ref, ok := fields[len(fields)-1].(cos.Ref)
			if !ok {
				t.Fatal("no field")
			}
			f := v.Dict(ref).Clone()
			f["Rect"] = cos.Array{int64(0), int64(0), int64(500), int64(500)}
			u.Put(ref, f)
		},
		"a text field is added": func(u *cos.Update, v *cos.View) { addField(t, u, v, cos.Dict{"FT": cos.Name("Tx")}) },
		"an unsigned signature field shows a picture over the page": func(u *cos.Update, v *cos.View) {
			addField(t, u, v, cos.Dict{"FT": cos.Name("Sig"), "Type": cos.Name("Annot"), "Subtype": cos.Name("Widget"), "F": int64(4),
				"Rect": cos.Array{int64(0), int64(0), int64(500), int64(500)},
				"AP": cos.Dict{"N": u.Add(&cos.Stream{Dict: cos.Dict{"Type": cos.Name("XObject"), "Subtype": cos.Name("Form"),
					"BBox": cos.Array{int64(0), int64(0), int64(500), int64(500)}}, Data: []byte("1 g 0 0 500 500 re f")})}})
		},
		"a signature field with an action is added": func(u *cos.Update, v *cos.View) {
			addField(t, u, v, cos.Dict{"FT": cos.Name("Sig"), "AA": cos.Dict{}})
		},
		"a signature field reuses the old signature": func(u *cos.Update, v *cos.View) {
			_, d := root(v)
			fields := v.Array(v.Dict(d["AcroForm"])["Fields"])
			addField(t, u, v, cos.Dict{"FT": cos.Name("Sig"), "V": v.Dict(fields[len(fields)-1])["V"]})
		},
		"a signature value covers nothing": func(u *cos.Update, v *cos.View) {
			addField(t, u, v, cos.Dict{"FT": cos.Name("Sig"), "V": u.Add(cos.Dict{
				"Type": cos.Name("Sig"), "ByteRange": cos.Array{int64(0), int64(10), int64(20), int64(10)}, "Contents": cos.String("x"),
			})})
		},
		"a second field takes the name of the first": func(u *cos.Update, v *cos.View) {
			addField(t, u, v, cos.Dict{"FT": cos.Name("Sig"), "T": cos.String("Signature1")})
		},
		"an existing object becomes a signature field": func(u *cos.Update, v *cos.View) {
			_, p := page(v)
			ref := firstStream(v, p["Contents"])
			u.Put(ref, cos.Dict{"FT": cos.Name("Sig"), "T": cos.String("X")})
			addRef(t, u, v, ref)
		},
		"a store that holds a picture": func(u *cos.Update, v *cos.View) {
			ref, d := root(v)
			d["DSS"] = cos.Dict{"Certs": cos.Array{u.Add(&cos.Stream{Dict: cos.Dict{"Subtype": cos.Name("Image")}, Data: []byte{}})}}
			u.Put(ref, d)
		},
		"a certification is claimed afterwards": func(u *cos.Update, v *cos.View) {
			ref, d := root(v)
			d["Perms"] = cos.Dict{"DocMDP": u.Add(cos.Dict{})}
			u.Put(ref, d)
		},
	}
	for name, input := range realFiles(t) {
		signed, _ := s.sign(t, input, s.options())
		revision := len(open(t, signed).Revisions()) - 1
		for what, attack := range attacks {
			got := judge(t, change(t, signed, attack), revision, diff.Permissions{})
			if got.Level != diff.Other {
				t.Errorf("%s: %s: %s", name, what, explain(got))
			}
			// A later harmless revision must not hide it.
			again, _ := s.sign(t, change(t, signed, attack), s.options())
			got = judge(t, again, revision, diff.Permissions{})
			if got.Level != diff.Other {
				t.Errorf("%s: %s, signed over: %s", name, what, explain(got))
			}
		}
		got := judge(t, append(bytes.Clone(signed), "1 0 obj<<>>endobj\n"...), revision, diff.Permissions{})
		if got.Level != diff.Other {
			t.Errorf("%s: bytes behind the end: %s", name, explain(got))
		}
	}
}

func addField(t *testing.T, u *cos.Update, v *cos.View, d cos.Dict) {
	t.Helper()
	if d["T"] == nil {
		d["T"] = cos.String("New")
	}
	addRef(t, u, v, u.Add(d))
}

func addRef(t *testing.T, u *cos.Update, v *cos.View, field cos.Ref) {
	t.Helper()
	root, ref, err := v.Root()
	if err != nil {
		t.Fatal(err)
	}
	root = root.Clone()
	acro := v.Dict(root["AcroForm"]).Clone()
	acro["Fields"] = append(v.Array(acro["Fields"]).Copy(), field)
	root["AcroForm"] = acro
	u.Put(ref, root)
}

func TestASectionThatReadersMayReadDifferentlyIsAForgery(t *testing.T) {
	s := newSigner(t)
	input := realFiles(t)["chi-thi-chromium.pdf"]
	signed, _ := s.sign(t, input, s.options())
	f := open(t, signed)
	revisions := f.Revisions()
	root, ok := f.Latest().Trailer()["Root"].(cos.Ref)
	if !ok {
		t.Fatal("no catalog")
	}
	at, _, ok := f.Latest().Location(root)
	if !ok {
		t.Fatal("catalog not found")
	}
	entry := fmt.Sprintf("%d 1\n%010d %05d n \n", root.Num, at, root.Gen)
	last := revisions[len(revisions)-1]
	tail := fmt.Sprintf("trailer\n<</Size %v/Root %s/Info %s/Prev %d>>\nstartxref\n%d\n%%%%EOF\n", f.Latest().Trailer()["Size"], root, f.Latest().Trailer()["Info"], last.XrefOffset, len(signed))
	cases := map[string]struct {
		section string
		want    diff.Level
	}{
		"the catalog once, unchanged": {"xref\n" + entry + tail, diff.LTAUpdates}, // the identifier is gone
		"the catalog twice":           {"xref\n" + entry + entry + tail, diff.Other},
		"junk before startxref":       {"xref\n" + entry + strings.Replace(tail, "startxref", "5 0 obj<<>>endobj\nstartxref", 1), diff.Other},
		"a second startxref behind":   {"xref\n" + entry + tail + "startxref\n" + fmt.Sprint(len(signed)) + "\n%%EOF\n", diff.Other},
	}
	for name, c := range cases {
		got := judge(t, append(bytes.Clone(signed), c.section...), len(revisions)-1, diff.Permissions{})
		if got.Level != c.want {
			t.Errorf("%s: %s", name, explain(got))
		}
	}
}
