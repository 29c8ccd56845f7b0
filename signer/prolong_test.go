package signer

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// An extension whose process died between its result and the document's row is
// found again, and nothing is stamped twice.
func TestAnExtensionKilledBeforeItWasNotedIsAdopted(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	ctx := as(t, binh)
	doc, err := w.AddDocument(ctx, "x.pdf", bytes.NewReader(directive(t)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.SignDocument(ctx, doc, Request{Key: "ec", Level: "B-T"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.ExtendDocument(ctx, doc)
	if err != nil {
		t.Fatal(err)
	}
	made := read(t, w.signed(doc.ID))
	// As the row was when the process died.
	_, err = w.db.NewUpdate().Model((*Document)(nil)).Set("extend_id = ''").Set("claim = ?", first.Act.ID).Set("claimed_at = ?", w.pki.Clock.Now()).Where("id = ?", doc.ID).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	doc.ExtendID = ""
	_, err = w.ExtendDocument(ctx, doc)
	if !errors.Is(err, ErrNotExtendable) {
		t.Errorf("while the claim holds: %v", err)
	}
	w.pki.Clock.Advance(claimFor + time.Second)
	again, err := w.ExtendDocument(ctx, doc)
	if err != nil || again.Act.ID != first.Act.ID || doc.ExtendID != first.Act.ID || string(read(t, w.signed(doc.ID))) != string(made) {
		t.Errorf("after the claim: %+v, %v", again, err)
	}
	var row Document
	err = w.db.NewSelect().Model(&row).Where("id = ?", doc.ID).Scan(t.Context())
	if err != nil || row.ExtendID != first.Act.ID || row.ActID == "" || row.Claim != "" {
		t.Errorf("the row: %+v, %v", row, err)
	}
}
