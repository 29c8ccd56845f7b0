package validate_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/validate"
)

type x509Certificate = x509.Certificate

func tokenDER(tb testing.TB, response []byte) []byte {
	tb.Helper()
	var parts struct{ Status, Token asn1.RawValue }
	_, err := asn1.Unmarshal(response, &parts)
	if err != nil {
		tb.Fatal(err)
	}
	return parts.Token.FullBytes
}

// The attack classes of pdf-insecurity.org on a file of a trusted signer: none
// is passed, and each is told by its code.
func TestAttacksOnAGoodSignatureFail(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	base := newPDF()
	field, signature := base.pades(t, params, nil)
	options := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	br := run(t, base.data, options).Signatures[0].ByteRange
	object := func(d *pdf, n int) string {
		at := d.offsets[n]
		text := d.data[at : at+bytes.Index(d.data[at:], []byte("\nendobj"))]
		return string(text[bytes.IndexByte(text, '\n')+1:])
	}
	replace := func(old, new string) func(*pdf) {
		return func(d *pdf) {
			if len(old) != len(new) || !bytes.Contains(d.data, []byte(old)) {
				t.Fatalf("cannot replace %q", old)
			}
			d.data = bytes.Replace(d.data, []byte(old), []byte(new), 1)
		}
	}
	rangeText := fmt.Sprintf("/ByteRange [0 %d %d %d]", br[1], br[2], br[3])
	cases := []struct {
		name string
		edit func(d *pdf)
		code validate.Code
	}{
		{"USF: the byte range is gone", replace("/ByteRange", "/ByteRangX"), validate.CodeByteRange},
		{"USF: the contents are gone", replace("/Contents <", "/ContentX <"), validate.CodeNoContents},
		{"USF: the type is unknown", replace("/ETSI.CAdES.detached", "/ETSI.CAdES.detacheX"), validate.CodeSubFilter},
		{"USF: the byte range does not begin at the beginning", replace(rangeText, strings.Replace(rangeText, "[0 ", "[9 ", 1)), validate.CodeByteRange},
		{"SWA: the gap is wider than the value", func(d *pdf) {
			wide := fmt.Sprintf("/ByteRange [0 %d %d %d]", br[1], br[2]+2, br[3]-2)
			replace(rangeText, wide)(d)
		}, validate.CodeGap},
		{"SWA: an entry stands in the gap", func(d *pdf) {
			copy(d.data[br[2]-21:], "> /X (hidden) /Y <00")
		}, validate.CodeGap},
		{"SWA: an object stands in the gap", func(d *pdf) {
			copy(d.data[br[2]-40:], "> >> endobj 9 0 obj << /X (hidden) /Y <0")
		}, validate.CodeGap},
		{"hidden data behind the container", func(d *pdf) { d.data[br[2]-2] = '1' }, validate.CodeContainer},
		{"the signature is used again in a new field", func(d *pdf) {
			n := d.next()
			d.fields = append(d.fields, n)
			d.update(map[int]string{
				n:       fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (Again) /F 132 /Rect [0 0 300 300] /P 3 0 R /V %d 0 R >>", signature),
				objForm: d.form(), objPage: d.page(),
			})
		}, validate.CodeRecycled},
		{"the signature dictionary is copied into a new object", func(d *pdf) {
			n := d.next()
			copied := object(d, signature)
			d.update(map[int]string{n: copied, field: strings.Replace(object(d, field), fmt.Sprintf("/V %d 0 R", signature), fmt.Sprintf("/V %d 0 R", n), 1)})
		}, validate.CodePlace},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			doc := base.clone()
			c.edit(doc)
			report := run(t, doc.data, options)
			told := false
			for _, s := range report.Signatures {
				told = told || has(s, c.code)
			}
			if report.Verdict != validate.Failed || !told {
				t.Errorf("want %s, got %s", c.code, explain(report))
			}
		})
	}
}
