package office_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/office"
)

func TestTheGapsForNumberAndDateAreFoundInTheDraft(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.equip(t, 0)
	for _, c := range []struct {
		name   string
		change func(*paper.Document)
		want   string
		err    error
	}{
		{"a gap before the symbol, and gaps for day and month", func(*paper.Document) {}, "number day month", nil},
		{"room behind Số: alone", func(d *paper.Document) { d.Symbol = "" }, "rest day month", nil},
		{"a date that is written already", func(d *paper.Document) { d.Undated = false }, "number", nil},
		{"a number that is written already is refused", func(d *paper.Document) { d.Number = "07/CT-S0" }, "", office.ErrNumbered},
	} {
		d := directive(0)
		doc := d.Document()
		c.change(doc)
		p, err := doc.Render()
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.submit(t, 0, func(d *office.Draft) { d.Content = bytes.NewReader(p.PDF) })
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		fills := ""
		for _, b := range got.Places.Blanks {
			fills += " " + b.Fill
			if b.Width < 4 || b.Width > 41 || b.X < 30 || b.X+b.Width > 195 || b.Y < 30 || b.Y > 50 {
				t.Errorf("%s: %+v", c.name, b)
			}
		}
		if fills != " "+c.want {
			t.Errorf("%s: %s", c.name, fills)
		}
	}
	for _, name := range []string{"chi-thi-libreoffice.pdf", "chi-thi-chromium.pdf"} {
		content, err := os.ReadFile(testkit.Data(t, "pdf/real/"+name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.submit(t, 0, func(d *office.Draft) { d.Content = bytes.NewReader(content) })
		if !errors.Is(err, office.ErrNumbered) || !errors.Is(err, office.ErrRequest) {
			t.Errorf("%s has number 07: %v", name, err)
		}
	}
}
