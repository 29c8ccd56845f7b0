package cos_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/cos"
)

func TestRevisionsAndStylesAreToldApart(t *testing.T) {
	cases := map[string][]cos.Style{
		"real/chi-thi-chromium.pdf":                       {cos.StyleTable},
		"real/chi-thi-linearized-objstm.pdf":              {cos.StyleStream},
		"real/chi-thi-owner-aes256.pdf":                   {cos.StyleTable},
		"data__pdf__minimal-xref.pdf":                     {cos.StyleStream},
		"data__pdf__minimal-hybrid-xref.pdf":              {cos.StyleTable, cos.StyleHybrid},
		"validation__Signature-P-BG_BOR-1.pdf":            {cos.StyleTable, cos.StyleHybrid, cos.StyleTable},
		"data__pdf__pades-lta-dss-indirect-arrs-test.pdf": {cos.StyleTable, cos.StyleTable, cos.StyleTable, cos.StyleTable, cos.StyleTable},
		"dss-pades__src__test__resources__pdfa2a-rgb.pdf": {cos.StyleStream},
	}
	met := 0
	for _, path := range corpus(t) {
		for end, want := range cases {
			if !strings.HasSuffix(filepath.ToSlash(path), end) {
				continue
			}
			met++
			f, err := open(t, path, cos.Options{})
			if err != nil {
				t.Errorf("%s: %v", end, err)
				continue
			}
			var got []cos.Style
			from := int64(0)
			for i, r := range f.Revisions() {
				got = append(got, r.Style)
				if r.Start != from || r.End <= r.Start || r.EOF <= 0 || r.EOF > r.End {
					t.Errorf("%s: revision %d is %+v", end, i, r)
				}
				from = r.End
				at, ok := f.RevisionAt(r.EOF)
				if !ok || at != i {
					t.Errorf("%s: revision %d is not found by its end", end, i)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %v, want %v", end, got, want)
				continue
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s: %v, want %v", end, got, want)
				}
			}
		}
	}
	if met < 8 {
		t.Errorf("only %d of the files were met", met)
	}
}

func TestAnObjectBehindTheEndOfItsRevisionIsNotSeen(t *testing.T) {
	// The signed part already points to object 3 at a place that only a later
	// revision fills: the picture of the signed revision must not show it.
	head := "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Late 3 0 R>>\nendobj\n"
	table := "xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n3 1\n0000000212 00000 n \ntrailer\n<</Size 4/Root 1 0 R>>\nstartxref\n53\n%%EOF\n"
	first := head + table
	first += strings.Repeat("\n", 212-len(first))
	late := "3 0 obj\n(planted)\nendobj\n"
	second := first + late + "xref\n3 1\n0000000212 00000 n \ntrailer\n<</Size 4/Root 1 0 R/Prev 53>>\nstartxref\n236\n%%EOF\n"
	f := openBytes(t, []byte(second), cos.Options{})
	old, err := f.View(0)
	if err != nil {
		t.Fatal(err)
	}
	o, err := old.Get(cos.Ref{Num: 3})
	if err == nil {
		t.Errorf("the old revision shows %v", o)
	}
	o, err = f.Latest().Get(cos.Ref{Num: 3})
	if err != nil || string(o.(cos.String)) != "planted" {
		t.Errorf("the new revision shows %v (%v)", o, err)
	}
	o, err = old.Get(cos.Ref{Num: 3})
	if err == nil {
		t.Errorf("after a look at the new revision the old one shows %v", o)
	}
}
