package signer

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/appearance"
)

// chief may declare lists of levels.
var chief = auth.Subject{AccountID: "chief.ub", PersonID: "p-chief", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial, auth.RoleLeader}}

// levels is a document that shows two levels of secrecy, each on a line.
func levels(t *testing.T, text string) []byte {
	t.Helper()
	d := &paper.Document{
		Parent: "MẬT", Agency: "TỐI MẬT", Number: "07/QĐ-SNV", Place: "Tân Lập", Date: time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC), Type: "Quyết định", Abstract: "Về các độ mật",
		Body: []paper.Block{paper.Paragraph{Text: text}}, Signer: paper.Signer{Title: "GIÁM ĐỐC", Name: "Nguyễn Văn Bình"},
	}
	p, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	return p.PDF
}

func TestAListOfLevelsIsSignedOnlyOnAnotherPersonsWord(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.key(t, "ec", "EC-P256", "p-binh")
		w.key(t, "own", "EC-P256", "p-chief")
		w.key(t, "second", "EC-P256", "p-lan")
		list := levels(t, "Điều 1.")
		sign := func(who auth.Subject, key string, pdf []byte) error {
			_, _, err := w.sign(t, who, Request{Key: key, Level: "B-B", In: bytes.NewReader(pdf), Size: int64(len(pdf))})
			return err
		}
		declare := func(who auth.Subject, pdf []byte, why string) error {
			_, err := w.DeclareLevels(as(t, who), bytes.NewReader(pdf), int64(len(pdf)), "", why)
			return err
		}
		err := sign(binh, "ec", list)
		if !errors.Is(err, ErrSecret) || signProblem(err) != "sign.error.levels" {
			t.Errorf("undeclared: %v", err)
		}
		err = declare(binh, list, "danh mục")
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("declared by who may not: %v", err)
		}
		err = errors.Join(declare(chief, list, " "), declare(chief, list, strings.Repeat("a", 501)), declare(chief, order(t, "").PDF, "danh mục"))
		if n := strings.Count(err.Error(), ErrRequest.Error()); n != 3 {
			t.Errorf("%d of three unusable declarations refused: %v", n, err)
		}
		err = declare(chief, order(t, "TỐI MẬT").PDF, "danh mục")
		if !errors.Is(err, ErrSecret) {
			t.Errorf("a mark declared a list: %v", err)
		}
		w.weak.failAt("sign.levels")
		err = declare(chief, list, "danh mục")
		if !errors.Is(err, ErrRecord) {
			t.Errorf("declared without the ledger: %v", err)
		}
		w.weak.failAt("")
		err = sign(binh, "ec", list)
		if !errors.Is(err, ErrSecret) {
			t.Errorf("a declaration that was not recorded holds: %v", err)
		}
		if n := len(w.kinds(t)); n != 0 {
			t.Errorf("%d entries before anything was allowed", n)
		}
		err = declare(chief, list, "danh mục")
		if err != nil || len(w.kinds(t)) != 1 || !strings.HasPrefix(w.kinds(t)[0], "sign.levels ") {
			t.Fatalf("declared: %v, %v", err, w.kinds(t))
		}
		_, path, err := w.sign(t, binh, Request{Key: "ec", Level: "B-B", In: bytes.NewReader(list), Size: int64(len(list)), Visible: &appearance.Spec{Preset: appearance.Person, Name: "Nguyễn Văn Bình"}})
		if err != nil {
			t.Fatalf("declared, by another person: %v", err)
		}
		err = sign(lan, "second", read(t, path))
		if err != nil {
			t.Errorf("the signed document, which has the same text: %v", err)
		}
		err = sign(chief, "own", list)
		if !errors.Is(err, ErrSecret) {
			t.Errorf("by who declared: %v", err)
		}
		err = sign(binh, "ec", levels(t, "Điều 2."))
		if !errors.Is(err, ErrSecret) {
			t.Errorf("another text: %v", err)
		}
	})
}
