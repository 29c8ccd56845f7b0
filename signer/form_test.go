package signer

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/nd30"
)

// order is a document of a state agency with its parts, and optionally a mark
// of secrecy under the agency's name.
func order(t *testing.T, mark string) *paper.Paper {
	t.Helper()
	d := &paper.Document{
		Parent: "Ủy ban nhân dân tỉnh", Agency: "Sở Nội vụ", Number: "07/QĐ-SNV", Place: "Tân Lập", Date: time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC),
		Type: "Quyết định", Abstract: "Về việc ban hành quy chế bảo mật",
		Body:   []paper.Block{paper.Paragraph{Text: "Điều 1. Ban hành quy chế bảo vệ bí mật nhà nước."}},
		Signer: paper.Signer{Authority: []string{"KT. GIÁM ĐỐC"}, Title: "PHÓ GIÁM ĐỐC", Name: "Nguyễn Văn Bình"}, Recipients: []string{"Lưu: VT"},
	}
	if mark != "" {
		d.Parent, d.Agency = d.Agency, mark
	}
	p, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAStateSecretIsNeitherSignedNorKept(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	secret := order(t, "TỐI MẬT").PDF
	for _, format := range []Format{FormatPAdES, FormatCAdES} {
		_, _, err := w.sign(t, binh, Request{Key: "ec", Level: "B-B", Format: format, In: bytes.NewReader(secret), Size: int64(len(secret))})
		var why *nd30.SecretError
		if !errors.Is(err, ErrSecret) || !errors.As(err, &why) || why.Level != "TỐI MẬT" || why.Page != 1 {
			t.Errorf("%s: %v", format, err)
		}
	}
	if n := len(w.kinds(t)); n != 0 || len(w.acts(t)) != 0 {
		t.Errorf("%d entries, %d acts", n, len(w.acts(t)))
	}
	_, err := w.AddDocument(as(t, binh), "mat.pdf", bytes.NewReader(secret))
	if !errors.Is(err, ErrSecret) || uploadProblem(err) != "sign.error.secret" || signProblem(err) != "sign.error.secret" {
		t.Errorf("upload: %v", err)
	}
}

func TestAMarkWithoutAPlaceStandsWhereTheFormHasIt(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	p := order(t, "")
	_, path, err := w.sign(t, binh, Request{
		Key: "ec", Level: "B-B", In: bytes.NewReader(p.PDF), Size: int64(len(p.PDF)),
		Visible: &appearance.Spec{Preset: appearance.Person, Name: "Nguyễn Văn Bình"},
	})
	if err != nil {
		t.Fatal(err)
	}
	signed := read(t, path)
	d, err := nd30.Open(bytes.NewReader(signed), int64(len(signed)), "")
	if err != nil {
		t.Fatal(err)
	}
	marks := d.Page(1).Marks
	if len(marks) != 1 {
		t.Fatalf("%d marks", len(marks))
	}
	room, box := p.Signature.Rect, marks[0]
	off := box.X + box.Width/2 - room.X - room.Width/2
	if box.Y < room.Y-1 || box.Y+box.Height > room.Y+room.Height+1 || off < -1 || off > 1 {
		t.Errorf("the mark is at %+v, the room at %+v", box, room)
	}
	doc, err := w.AddDocument(as(t, binh), "quyet-dinh.pdf", bytes.NewReader(p.PDF))
	if err != nil {
		t.Fatal(err)
	}
	page, suggested := w.Suggest(doc, appearance.Person, "Nguyễn Văn Bình")
	if page != 1 || suggested.X-box.X > 0.1 || box.X-suggested.X > 0.1 {
		t.Errorf("the console suggests page %d, %+v", page, suggested)
	}
}
