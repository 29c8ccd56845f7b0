package diff_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
	"github.com/antin-gov/antin/signer/pades"
)

type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	crl  []byte
}

func newSigner(tb testing.TB) *signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Người ký"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, cert, key)
	if err != nil {
		tb.Fatal(err)
	}
	return &signer{key, cert, crl}
}

func (s *signer) options() pades.Options {
	return pades.Options{Signer: s.key, Chain: []*x509.Certificate{s.cert}, Now: time.Now()}
}

// sign signs bytes and gives the signed bytes with what is needed to go on.
func (s *signer) sign(tb testing.TB, input []byte, o pades.Options) ([]byte, *pades.Result) {
	tb.Helper()
	out, err := os.CreateTemp(tb.TempDir(), "out")
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	r, err := pades.Sign(context.Background(), bytes.NewReader(input), int64(len(input)), out, o)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(out.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return data, r
}

// store appends a document security store.
func (s *signer) store(tb testing.TB, input []byte, r *pades.Result, e trust.Evidence) []byte {
	tb.Helper()
	out, err := os.CreateTemp(tb.TempDir(), "out")
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	_, err = out.Write(input)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = pades.AddEvidence(out, int64(len(input)), s.options(), &pades.Prepared{ByteRange: r.ByteRange}, e)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(out.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func open(tb testing.TB, data []byte) *cos.File {
	tb.Helper()
	f, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// change appends an update that a function makes.
func change(tb testing.TB, input []byte, do func(u *cos.Update, v *cos.View)) []byte {
	tb.Helper()
	f := open(tb, input)
	u, err := f.NewUpdate()
	if err != nil {
		tb.Fatal(err)
	}
	do(u, f.Latest())
	out := bytes.NewBuffer(bytes.Clone(input))
	_, err = u.Write(out)
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func judge(tb testing.TB, data []byte, revision int, p diff.Permissions) *diff.Result {
	tb.Helper()
	r, err := diff.Compare(open(tb, data), revision, p)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func explain(r *diff.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Level)
	for _, x := range r.Reasons {
		fmt.Fprintf(&b, "\n    revision %d page %d %s %s: %s", x.Revision, x.Page, x.Level, x.Object, x.Why)
	}
	return b.String()
}

func realFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(testkit.Data(tb, "pdf/real"), "*.pdf"))
	if err != nil || len(names) == 0 {
		tb.Fatal("no real files", err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		out[filepath.Base(name)] = data
	}
	return out
}

// timestampField appends what a document time-stamp looks like.
func timestampField(tb testing.TB, input []byte) []byte {
	tb.Helper()
	f := open(tb, input)
	u, err := f.NewUpdate()
	if err != nil {
		tb.Fatal(err)
	}
	v := f.Latest()
	root, ref, err := v.Root()
	if err != nil {
		tb.Fatal(err)
	}
	root = root.Clone()
	pages, err := v.Pages()
	if err != nil {
		tb.Fatal(err)
	}
	field := u.Add(cos.Dict{
		"Type": cos.Name("Annot"), "Subtype": cos.Name("Widget"), "FT": cos.Name("Sig"), "T": cos.String("Stamp"), "F": int64(132), "P": pages[0],
		"Rect": cos.Array{int64(0), int64(0), int64(0), int64(0)},
		"V": u.Add(cos.Dict{
			"Type": cos.Name("DocTimeStamp"), "Filter": cos.Name("Adobe.PPKLite"), "SubFilter": cos.Name("ETSI.RFC3161"),
			"ByteRange": cos.Reserved{ID: "r", Width: 60}, "Contents": cos.Reserved{ID: "c", Width: 42},
		}),
	})
	acro := v.Dict(root["AcroForm"]).Clone()
	acro["Fields"] = append(v.Array(acro["Fields"]).Copy(), field)
	acro["SigFlags"] = int64(3)
	root["AcroForm"] = acro
	u.Put(ref, root)
	page := v.Dict(pages[0]).Clone()
	page["Annots"] = append(v.Array(page["Annots"]).Copy(), field)
	u.Put(pages[0], page)
	out := bytes.NewBuffer(bytes.Clone(input))
	w, err := u.Write(out)
	if err != nil {
		tb.Fatal(err)
	}
	data := out.Bytes()
	c := w.Reserved["c"]
	after := c.Offset + int64(c.Width)
	copy(data[w.Reserved["r"].Offset:], fmt.Sprintf("[0 %d %d %d]", c.Offset, after, w.End-after))
	copy(data[c.Offset:], "<"+strings.Repeat("00", 20)+">")
	return data
}

func TestWhatSigningDoesIsNoForgery(t *testing.T) {
	s := newSigner(t)
	evidence := trust.Evidence{Certificates: []*x509.Certificate{s.cert}, CRLs: [][]byte{s.crl}}
	for name, input := range realFiles(t) {
		first, r := s.sign(t, input, s.options())
		signed := len(open(t, first).Revisions()) - 1
		stored := s.store(t, first, r, evidence)
		visible := s.options()
		visible.Visible = &appearance.Spec{Preset: appearance.Person, Name: "Trần Thị B", Page: -1}
		second, r2 := s.sign(t, stored, visible)
		cases := []struct {
			what string
			data []byte
			want diff.Level
		}{
			{"nothing after the signature", first, diff.None},
			{"a document security store", stored, diff.LTAUpdates},
			{"a document time-stamp", timestampField(t, first), diff.LTAUpdates},
			{"a store and a time-stamp", timestampField(t, stored), diff.LTAUpdates},
			{"a second, visible signature", second, diff.FormFilling},
			{"a second store", s.store(t, second, r2, evidence), diff.FormFilling},
			{"a catalog written again unchanged", change(t, first, func(u *cos.Update, v *cos.View) {
				root, ref, err := v.Root()
				if err != nil {
					t.Fatal(err)
				}
				u.Put(ref, root)
			}), diff.None},
			{"an object that nobody reaches", change(t, first, func(u *cos.Update, _ *cos.View) { u.Add(cos.Dict{"A": int64(1)}) }), diff.None},
			{"a new date in the document information", change(t, first, func(u *cos.Update, v *cos.View) {
				ref, ok := v.Trailer()["Info"].(cos.Ref)
				if !ok {
					return
				}
				info := v.Dict(ref).Clone()
				info["ModDate"] = cos.String("D:20300101000000Z")
				u.Put(ref, info)
			}), diff.LTAUpdates},
		}
		for _, c := range cases {
			got := judge(t, c.data, signed, diff.Permissions{})
			if got.Level != c.want && !(got.Level == diff.None && strings.HasPrefix(c.what, "a new date")) {
				t.Errorf("%s: %s: want %s, got %s", name, c.what, c.want, explain(got))
			}
		}
	}
}

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

func TestASignatureInAFieldThatIsLockedIsAForgery(t *testing.T) {
	s := newSigner(t)
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "pdf/pyhanko"), "*data__pdf__minimal-two-fields.pdf"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	input, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	o := s.options()
	o.Field = "Sig1"
	first, _ := s.sign(t, input, o)
	revision := len(open(t, first).Revisions()) - 1
	o.Field = "Sig2"
	second, _ := s.sign(t, first, o)
	cases := map[string]struct {
		locks []diff.Lock
		want  diff.Level
	}{
		"no lock":                 {nil, diff.FormFilling},
		"all fields":              {[]diff.Lock{{Action: "All"}}, diff.Other},
		"this field":              {[]diff.Lock{{Action: "Include", Fields: []string{"Sig2"}}}, diff.Other},
		"another field":           {[]diff.Lock{{Action: "Include", Fields: []string{"Sig1"}}}, diff.FormFilling},
		"all but this field":      {[]diff.Lock{{Action: "Exclude", Fields: []string{"Sig2"}}}, diff.FormFilling},
		"all but another's field": {[]diff.Lock{{Action: "Exclude", Fields: []string{"Sig1"}}}, diff.Other},
	}
	for name, c := range cases {
		got := judge(t, second, revision, diff.Permissions{Locks: c.locks})
		if got.Level != c.want {
			t.Errorf("%s: %s", name, explain(got))
		}
	}
}

func FuzzCompare(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(testkit.Data(f, "pdf/pyhanko"), "*.pdf"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err == nil && len(data) < 16<<10 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := cos.Open(bytes.NewReader(data), int64(len(data)), cos.Options{Limits: cos.Limits{Decoded: 1 << 20, Entries: 1 << 16}})
		if err != nil {
			return
		}
		r, err := diff.Compare(file, 0, diff.Permissions{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Level > diff.None && len(r.Reasons) == 0 {
			t.Fatal("a judgement without a reason")
		}
		_, err = io.WriteString(io.Discard, explain(r))
		if err != nil {
			t.Fatal(err)
		}
	})
}
