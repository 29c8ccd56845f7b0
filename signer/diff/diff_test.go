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
		fmt.Fprintf(&b, "\n    revision %d page %d %s %s: %s", x.Revision, x.Page, x.Level, x.Object, x.Code)
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
