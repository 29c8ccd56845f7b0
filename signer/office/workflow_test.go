package office_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/nd30"
	"github.com/antin-gov/antin/signer/office"
	"github.com/antin-gov/antin/signer/validate"
)

// content reads the current file of a document.
func (w *world) content(t testing.TB, id string) []byte {
	t.Helper()
	f, _, err := w.Open(as(t, local()), id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// whole verifies that a document has n signatures, all passed.
func (w *world) whole(t testing.TB, pdf []byte, n int) {
	t.Helper()
	report, err := w.signer.Verify(t.Context(), bytes.NewReader(pdf), int64(len(pdf)), "x.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != validate.Passed || len(report.Signatures) != n {
		t.Errorf("verdict %s with %d signatures, want %d: %+v", report.Verdict, len(report.Signatures), n, report.Signatures)
	}
}

func TestADocumentGoesFromPersonToNumberToSeal(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.equip(t, 0)
		doc, err := w.submit(t, 0, func(d *office.Draft) {
			d.Attachments = []office.File{{Name: "phu-luc.pdf", Content: bytes.NewReader(draft(t, 0))}}
		})
		if err != nil {
			t.Fatal(err)
		}
		head, clerk := as(t, subject("head", 0)), as(t, subject("clerk", 0))
		waiting := func(ctx context.Context, want int) {
			t.Helper()
			list, err := w.List(ctx, office.Filter{Waiting: true})
			if err != nil || len(list) != want {
				t.Errorf("%d documents wait, want %d, %v", len(list), want, err)
			}
		}
		waiting(head, 1)
		waiting(clerk, 0)
		for _, move := range []func() (*office.Document, error){
			func() (*office.Document, error) { return w.Number(clerk, doc.ID, use()) },
			func() (*office.Document, error) { return w.Seal(clerk, doc.ID, use()) },
			func() (*office.Document, error) { return w.Issue(clerk, doc.ID) },
		} {
			_, err = move()
			if !errors.Is(err, office.ErrOrder) && !errors.Is(err, auth.ErrDenied) {
				t.Errorf("a draft moved on: %v", err)
			}
		}
		steps := []struct {
			do    func() (*office.Document, error)
			state office.State
		}{
			{func() (*office.Document, error) { return w.Sign(head, doc.ID, use()) }, office.StateSigned},
			{func() (*office.Document, error) { return w.Number(clerk, doc.ID, use()) }, office.StateNumbered},
			{func() (*office.Document, error) { return w.Seal(clerk, doc.ID, use()) }, office.StateSealed},
			{func() (*office.Document, error) { return w.Issue(clerk, doc.ID) }, office.StateIssued},
		}
		for i, step := range steps {
			got, err := step.do()
			if err != nil || got.State != step.state {
				t.Fatalf("step %d: %+v, %v", i, got, err)
			}
			again, err := step.do()
			if !errors.Is(err, office.ErrOrder) {
				t.Errorf("step %d took place twice: %+v, %v", i, again, err)
			}
		}
		waiting(head, 0)
		waiting(clerk, 0)
		got, err := w.Get(head, doc.ID)
		if err != nil || got.Number != 1 || got.Symbol != "01/CT-S0" || got.SignedBy != "head0" || got.Revision != 4 {
			t.Errorf("%+v, %v", got, err)
		}
		w.whole(t, w.content(t, doc.ID), 3)
		f, a, err := w.OpenAttachment(head, doc.ID, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		attached, err := io.ReadAll(f)
		if err != nil || a.SealedSHA256 == "" {
			t.Fatalf("%+v, %v", a, err)
		}
		w.whole(t, attached, 1)
		want := []string{"office.draft", "office.sign", "office.number", "office.seal", "office.issue"}
		if kinds := w.kinds(t, doc.ID); !slices.Equal(kinds, want) {
			t.Errorf("ledger: %v", kinds)
		}
		trail, err := w.Steps(head, doc.ID)
		if err != nil || len(trail) != 5 || trail[4].State != office.StateIssued {
			t.Errorf("trail %+v, %v", trail, err)
		}
	})
}

func TestWhoMaySignIsWhatTheRegisterSays(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.equip(t, 0)
	now := w.pki.Clock.Now()
	day := func(n int) *time.Time { d := now.AddDate(0, 0, n); return &d }
	w.key(t, person("drafter", 0), "D", person("drafter", 0), agency(0))
	sign := func(form office.Form, kind string) error {
		t.Helper()
		doc, err := w.submit(t, 0, func(d *office.Draft) { d.SignerID, d.Form, d.Kind = person("drafter", 0), form, kind })
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Sign(as(t, subject("drafter", 0)), doc.ID, use())
		return err
	}
	says := func(err error, code string) {
		t.Helper()
		var missing *office.AuthorityError
		if !errors.As(err, &missing) || missing.Code != code || !errors.Is(err, office.ErrAuthority) {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	says(sign(office.FormKT, "CT"), "none")
	entry := office.Delegation{AgencyID: agency(0), Form: office.FormTUQ, PersonID: person("drafter", 0), GrantorID: person("head", 0), Kinds: "TB", Decision: "03/QD", ValidFrom: *day(-9), ValidTo: day(9)}
	early, late := entry, entry
	early.ValidFrom = *day(1)
	late.ValidTo = day(-1)
	w.delegate(t, early)
	says(sign(office.FormTUQ, "TB"), "early")
	w.pki.Clock.Advance(time.Second)
	w.delegate(t, late)
	says(sign(office.FormTUQ, "TB"), "expired")
	w.pki.Clock.Advance(time.Second)
	good := w.delegate(t, entry)
	says(sign(office.FormTUQ, "CT"), "kind")
	err := sign(office.FormTUQ, "TB")
	if err != nil {
		t.Error(err)
	}
	_, err = w.Revoke(as(t, local()), good.ID, "hết nhiệm vụ")
	if err != nil {
		t.Fatal(err)
	}
	w.pki.Clock.Advance(time.Second)
	says(sign(office.FormTUQ, "TB"), "revoked")
	for _, c := range []struct {
		name   string
		change func(*office.Delegation)
	}{
		{"an authorisation without an end", func(d *office.Delegation) { d.ValidTo = nil }},
		{"an authorisation for everything", func(d *office.Delegation) { d.Kinds = "" }},
		{"an unknown type", func(d *office.Delegation) { d.Kinds = "XX" }},
		{"no deciding document", func(d *office.Delegation) { d.Decision = "" }},
		{"for oneself", func(d *office.Delegation) { d.GrantorID = d.PersonID }},
		{"by somebody without authority", func(d *office.Delegation) { d.GrantorID = person("clerk", 0) }},
		{"given on by who is authorised", func(d *office.Delegation) { d.GrantorID = person("deputy", 0) }},
		{"an unknown form", func(d *office.Delegation) { d.Form = "X" }},
		{"an unknown person", func(d *office.Delegation) { d.PersonID = "p-none" }},
	} {
		d := entry
		c.change(&d)
		_, err := w.Delegate(as(t, local()), d)
		if !errors.Is(err, office.ErrDelegation) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNumbersOfManyUsersAtOnceHaveNoGapAndNoDouble(t *testing.T) {
	const each = 4 // documents of an agency
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var ids [agencies][]string
		for i := range agencies {
			w.equip(t, i)
			for range each {
				doc, err := w.submit(t, i)
				if err != nil {
					t.Fatal(err)
				}
				ids[i] = append(ids[i], doc.ID)
			}
		}
		// Two work on every document at the same time: exactly one wins each move.
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := map[string]int{}
		for i := range agencies {
			for range 2 {
				wg.Go(func() {
					for _, id := range ids[i] {
						for _, move := range []struct {
							name string
							do   func() (*office.Document, error)
						}{
							{"sign", func() (*office.Document, error) { return w.Sign(as(t, subject("head", i)), id, use()) }},
							{"number", func() (*office.Document, error) { return w.Number(as(t, subject("clerk", i)), id, use()) }},
						} {
							for {
								_, err := move.do()
								if errors.Is(err, office.ErrBusy) {
									time.Sleep(time.Millisecond)
									continue
								}
								if err == nil {
									mu.Lock()
									won[move.name+id]++
									mu.Unlock()
								} else if !errors.Is(err, office.ErrOrder) {
									t.Errorf("%s: %v", move.name, err)
								}
								break
							}
						}
					}
				})
			}
		}
		wg.Wait()
		for i := range agencies {
			seen := map[int64]bool{}
			for _, id := range ids[i] {
				doc, err := w.Get(as(t, local()), id)
				if err != nil || doc.State != office.StateNumbered || won["sign"+id] != 1 || won["number"+id] != 1 {
					t.Errorf("%+v, %v", doc, err)
				}
				seen[doc.Number] = true
			}
			for n := range int64(each) {
				if !seen[n+1] {
					t.Errorf("agency %d has no number %d", i, n+1)
				}
			}
		}
	})
}

func TestReturnedAndWithdrawnDocumentsKeepTheirReasonAndNumber(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.equip(t, 0)
	head, clerk, drafter := as(t, subject("head", 0)), as(t, subject("clerk", 0)), as(t, subject("drafter", 0))
	doc, err := w.submit(t, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Return(head, doc.ID, "  ")
	if !errors.Is(err, office.ErrRequest) {
		t.Errorf("returned without a reason: %v", err)
	}
	must := func(doc *office.Document, err error) *office.Document {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	must(w.Sign(head, doc.ID, use()))
	must(w.Number(clerk, doc.ID, use()))
	back := must(w.Return(clerk, doc.ID, "sai thể thức"))
	if back.State != office.StateReturned || back.Reason != "sai thể thức" || back.Number != 1 {
		t.Errorf("%+v", back)
	}
	_, err = w.Sign(head, doc.ID, use())
	if !errors.Is(err, office.ErrOrder) {
		t.Errorf("a returned document was signed: %v", err)
	}
	d := office.Draft{File: office.File{Name: "lai.pdf", Content: bytes.NewReader(draftFor(t, 0, office.FormKT))}, Kind: "CT", SignerID: person("deputy", 0), Form: office.FormKT}
	again := must(w.Resubmit(drafter, doc.ID, d))
	if again.State != office.StateDraft || again.SignerID != person("deputy", 0) || again.SignedBy != "" {
		t.Errorf("%+v", again)
	}
	must(w.Sign(as(t, subject("deputy", 0)), doc.ID, use()))
	next := must(w.submit(t, 0))
	must(w.Sign(head, next.ID, use()))
	must(w.Number(clerk, next.ID, use()))
	kept := must(w.Number(clerk, doc.ID, use()))
	if kept.Number != 1 {
		t.Errorf("the number changed to %d", kept.Number)
	}
	must(w.Seal(clerk, doc.ID, use()))
	w.whole(t, w.content(t, doc.ID), 3)
	gone := must(w.Withdraw(drafter, next.ID, "không còn cần"))
	if gone.State != office.StateWithdrawn || gone.Number != 2 {
		t.Errorf("%+v", gone)
	}
	third := must(w.submit(t, 0))
	must(w.Sign(head, third.ID, use()))
	if n := must(w.Number(clerk, third.ID, use())).Number; n != 3 {
		t.Errorf("the number of a withdrawn document was given again: %d", n)
	}
}

func TestACopyCarriesTheAgencysSignatureAlone(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.equip(t, 0)
	doc, err := w.submit(t, 0, func(d *office.Draft) { d.Kind = "SY" })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() (*office.Document, error){
		func() (*office.Document, error) { return w.Sign(as(t, subject("head", 0)), doc.ID, use()) },
		func() (*office.Document, error) { return w.Number(as(t, subject("clerk", 0)), doc.ID, use()) },
		func() (*office.Document, error) { return w.Seal(as(t, subject("clerk", 0)), doc.ID, use()) },
	} {
		_, err = step()
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.Get(as(t, local()), doc.ID)
	if err != nil || got.Symbol != "01/SY-S0" {
		t.Errorf("%+v, %v", got, err)
	}
	w.whole(t, w.content(t, doc.ID), 1)
}

func TestWhatIsNoDocumentIsNotTaken(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for name, change := range map[string]func(*office.Draft){
		"no PDF":            func(d *office.Draft) { d.Content = strings.NewReader("xin chào") },
		"an unknown type":   func(d *office.Draft) { d.Kind = "XX" },
		"an unknown form":   func(d *office.Draft) { d.Form = "" },
		"an unknown signer": func(d *office.Draft) { d.SignerID = "p-none" },
		"too large": func(d *office.Draft) {
			d.Content = io.MultiReader(bytes.NewReader(draft(t, 0)), strings.NewReader(strings.Repeat(" ", 3<<20)))
		},
		"a bad attachment":                  func(d *office.Draft) { d.Attachments = []office.File{{Name: "x.pdf", Content: strings.NewReader("x")}} },
		"a long abstract":                   func(d *office.Draft) { d.Abstract = strings.Repeat("ă", 501) },
		"another authority than is printed": func(d *office.Draft) { d.Content, d.Form = bytes.NewReader(draft(t, 0)), office.FormKT },
		"a unit with spaces":                func(d *office.Draft) { d.Unit = "a b" },
	} {
		_, err := w.submit(t, 0, change)
		if !errors.Is(err, office.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	secret := directive(0)
	secret.Agency = "MẬT"
	p, err := secret.Document().Render()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.submit(t, 0, func(d *office.Draft) { d.Content = bytes.NewReader(p.PDF) })
	if !errors.Is(err, nd30.ErrSecret) {
		t.Errorf("a document marked MẬT: %v", err)
	}
	list, err := w.List(as(t, local()), office.Filter{AgencyID: agency(0)})
	if err != nil || len(list) != 0 {
		t.Errorf("%d documents stand, %v", len(list), err)
	}
	for _, id := range []string{"", "..", "none", fmt.Sprintf("..%c..", '/')} {
		_, err = w.Issue(as(t, subject("clerk", 0)), id)
		if !errors.Is(err, office.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
