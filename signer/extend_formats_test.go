package signer

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer/validate"
)

func TestSignaturesOfEveryFormatAreExtendedRecordedAndReleased(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	ctx := auth.WithSubject(t.Context(), binh)
	xml := []byte("<bang><dong/></bang>")
	for _, c := range []struct {
		name     string
		q        Request
		content  []byte
		beside   bool
		recorded string
		level    string
	}{
		{"CAdES detached", Request{Format: FormatCAdES}, table, true, "CAdES-B-LTA", "CAdES-B-LTA"},
		{"CAdES attached", Request{Format: FormatCAdES, Packaging: PackagingAttached}, table, false, "CAdES-B-LTA", "CAdES-B-LTA"},
		{"XAdES enveloped", Request{Format: FormatXAdES}, xml, false, "XAdES-B-LTA", "XAdES-B-LTA"},
		{"XAdES detached", Request{Format: FormatXAdES, Packaging: PackagingDetached}, table, true, "XAdES-B-LTA", "XAdES-B-LTA"},
		{"ASiC-E", Request{Format: FormatASiC}, table, false, "ASiC-CAdES-B-LTA", "CAdES-B-LTA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.q.Key, c.q.Level, c.q.Name = "ec", "B-T", "bang.csv"
			c.q.In, c.q.Size = bytes.NewReader(c.content), int64(len(c.content))
			_, path, err := w.sign(t, binh, c.q)
			if err != nil {
				t.Fatal(err)
			}
			in := read(t, path)
			q := ExtendRequest{In: bytes.NewReader(in), Size: int64(len(in)), Name: "bang.csv.sig", Factor: FactorLocal}
			out := filepath.Join(t.TempDir(), "extended")
			if c.beside {
				_, err = w.Extend(ctx, q, out)
				if !errors.Is(err, ErrNotExtendable) {
					t.Errorf("without the content: %v", err)
				}
				q.Content, q.ContentSize = bytes.NewReader(c.content), int64(len(c.content))
			}
			result, err := w.Extend(ctx, q, out)
			if err != nil {
				t.Fatal(err)
			}
			data := read(t, out)
			o := validate.Options{Store: w.pki.Store(t), Collector: w.pki.Collector(), Clock: w.pki.Clock}
			if c.beside {
				o.Content = bytes.NewReader(c.content)
			}
			report, err := validate.File(t.Context(), bytes.NewReader(data), int64(len(data)), o)
			if err != nil || report.Verdict != validate.Passed || report.Signatures[0].Level != c.level {
				t.Errorf("verification says %+v, %v", report, err)
			}
			release, err := w.ledger.Entry(t.Context(), uint64(result.Act.ReleaseIndex))
			if err != nil || release.Detail["stamped_by"] != w.pki.TSAURL() {
				t.Errorf("the ledger does not tell who stamped: %+v, %v", release, err)
			}
			kept, err := w.Act(t.Context(), result.Act.ID)
			if err != nil || kept.State != StateReleased || kept.Level != c.recorded || result.Signatures != 1 || result.OCSPs == 0 {
				t.Errorf("recorded %+v, %v", kept, err)
			}
		})
	}
}
