package ca_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

var (
	registrarUBND = auth.Subject{AccountID: "van.thu", PersonID: "p-hoa", AgencyID: "ubnd", Roles: []string{auth.RoleRegistrar}}
	registrarSTC  = auth.Subject{AccountID: "yen.ph", PersonID: "p-yen", AgencyID: "stc", Roles: []string{auth.RoleRegistrar}}
	holderYen     = auth.Subject{AccountID: "yen.2", PersonID: "p-yen", AgencyID: "stc"}
)

// monday is a working day in an ordinary week.
var monday = time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)

func at(t *testing.T, body func(t *testing.T, w *world, now *clock.Fake)) {
	t.Helper()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		now := clock.NewFake(monday)
		body(t, newWorld(t, db, now), now)
	})
}

func TestManagingAgencyConfirmsBeforeAnOfficerApproves(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, _ *clock.Fake) {
		desk := w.service.Desk()
		for _, c := range []struct {
			name    string
			asker   auth.Subject
			form    ra.Form
			state   ra.State
			confirm []auth.Subject // those who cannot, then one who can
			errs    []error
		}{
			{"the agency's own registrar asks, the one above confirms", registrarSTC, ra.Form{Profile: "agency-seal", AgencyID: "stc"}, ra.StateRequested,
				[]auth.Subject{registrarSTC, thu, registrarUBND}, []error{auth.ErrDenied, auth.ErrDenied, nil}},
			{"a registrar of the managing agency confirms by asking", registrarUBND, ra.Form{Profile: "official", PersonID: "p-yen"}, ra.StateConfirmed, nil, nil},
			{"so does one whom the managing agency has charged", minh, ra.Form{Profile: "official", PersonID: "p-yen"}, ra.StateConfirmed, nil, nil},
			{"at the top an officer confirms", registrarUBND, ra.Form{Profile: "official", PersonID: "p-binh"}, ra.StateRequested,
				[]auth.Subject{registrarUBND, minh}, []error{auth.ErrDenied, nil}},
			{"nobody confirms for themselves as holders", minh, ra.Form{Profile: "official", PersonID: "p-minh"}, ra.StateRequested,
				[]auth.Subject{minh, registrarUBND}, []error{auth.ErrDenied, nil}},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.form.CSR = csr(t, p256(t))
				r, err := w.service.Request(as(t, c.asker), c.form)
				check(t, err)
				if r.State != c.state {
					t.Fatalf("state %s, want %s", r.State, c.state)
				}
				if r.State == ra.StateRequested {
					_, err = w.service.Approve(as(t, thu), r.ID, "")
					if !errors.Is(err, ra.ErrState) {
						t.Errorf("approved before it was confirmed: %v", err)
					}
				}
				for i, who := range c.confirm {
					_, err = desk.Confirm(as(t, who), r.ID, "đồng ý")
					if !errors.Is(err, c.errs[i]) {
						t.Errorf("%s: %v, want %v", who.AccountID, err, c.errs[i])
					}
				}
				r, err = w.service.Approve(as(t, thu), r.ID, "")
				check(t, err)
				if r.State != ra.StateApproved || r.ConfirmedBy == "" || r.DueAt == nil {
					t.Errorf("request %+v", r)
				}
			})
		}
	})
}

func TestNoPersonTakesTwoParts(t *testing.T) {
	t.Parallel()
	w := sqlite(t, clock.NewFake(monday))
	desk := w.service.Desk()
	r, err := w.service.Request(as(t, registrarUBND), ra.Form{Profile: "official", PersonID: "p-binh", CSR: csr(t, p256(t))})
	check(t, err)
	_, err = desk.Confirm(as(t, minh), r.ID, "")
	check(t, err)
	second := minh
	second.AccountID = "minh.2"
	for name, who := range map[string]auth.Subject{"who confirmed": minh, "another account of the same person": second} {
		_, err = w.service.Approve(as(t, who), r.ID, "")
		if !errors.Is(err, ra.ErrSamePerson) {
			t.Errorf("%s approved: %v", name, err)
		}
	}
}

func TestTermsRunFromTheConfirmationInWorkingDays(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, now *clock.Fake) {
		now.Set(time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)) // a Friday; 24/11 is a holiday
		r, err := w.service.Request(as(t, minh), ra.Form{Profile: "agency-seal", AgencyID: "stc", CSR: csr(t, p256(t))})
		check(t, err)
		want := time.Date(2026, 11, 26, 16, 59, 59, 0, time.UTC)
		if r.DueAt == nil || !r.DueAt.Equal(want) {
			t.Fatalf("due %v, want %v", r.DueAt, want)
		}
		for _, c := range []struct {
			at   time.Time
			late int
		}{{want, 0}, {want.Add(time.Second), 1}} {
			now.Set(c.at)
			page, err := w.service.Desk().List(as(t, thu), ra.Filter{Overdue: true})
			check(t, err)
			if len(page.Requests) != c.late || c.late == 1 && !page.Requests[0].Overdue {
				t.Errorf("at %s: %d overdue, want %d", c.at, len(page.Requests), c.late)
			}
		}
	})
}

func TestReturnedRequestIsCorrectedAndConfirmedAnew(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, _ *clock.Fake) {
		desk := w.service.Desk()
		r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
		check(t, err)
		_, err = desk.Return(as(t, thu), r.ID, "")
		if !errors.Is(err, ra.ErrForm) {
			t.Errorf("returned without a word: %v", err)
		}
		r, err = desk.Return(as(t, thu), r.ID, "thiếu quyết định bổ nhiệm")
		check(t, err)
		if r.State != ra.StateReturned || r.DueAt != nil {
			t.Errorf("returned: %+v", r)
		}
		_, err = desk.Resubmit(as(t, thu), r.ID, ra.Form{})
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("another person filed it again: %v", err)
		}
		doc, err := desk.Attach(as(t, minh), r.ID, "../quyet định.pdf", []byte("%PDF-1.7 quyết định"))
		check(t, err)
		r, err = desk.Resubmit(as(t, minh), r.ID, ra.Form{CSR: csr(t, p256(t)), Note: "đã bổ sung"})
		check(t, err)
		if r.State != ra.StateRequested || r.Revision != 2 || r.ConfirmedBy != "" {
			t.Errorf("filed again: %+v", r)
		}
		_, err = desk.Confirm(as(t, registrarUBND), r.ID, "")
		check(t, err)
		_, err = w.service.Approve(as(t, thu), r.ID, "")
		check(t, err)
		_, err = w.service.Issue(as(t, thu), r.ID)
		check(t, err)
		handed, err := desk.HandOver(as(t, thu), r.ID, "", "TOKEN-0001")
		check(t, err)
		if handed.HandedTo != "p-yen" || handed.HandedDevice != "TOKEN-0001" {
			t.Errorf("hand-over: %+v", handed)
		}
		history, err := desk.History(as(t, thu), r.ID)
		check(t, err)
		var acts []string
		for _, e := range history {
			acts = append(acts, strings.TrimPrefix(e.Act, "ca.request."))
		}
		if got := strings.Join(acts, " "); got != "create return attach resubmit confirm approve ca.certificate.issue hand-over" {
			t.Errorf("history: %s", got)
		}
		back, err := desk.Document(as(t, minh), r.ID, doc.ID)
		check(t, err)
		if back.Name != "quyet định.pdf" || back.MIME != "application/pdf" {
			t.Errorf("document: %+v", back)
		}
		answer := httptest.NewRecorder()
		ra.ServeDocument(answer, back)
		if h := answer.Result().Header; !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("served with %v", h)
		}
	})
}

func TestDocumentsAreBoundedAndOfKnownKinds(t *testing.T) {
	t.Parallel()
	w := sqlite(t, clock.NewFake(monday))
	desk := w.service.Desk()
	r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
	check(t, err)
	for name, c := range map[string]struct {
		file    string
		content string
	}{
		"a page that would run in a browser": {"a.pdf", "<html><script>alert(1)</script>"},
		"nothing":                            {"a.pdf", ""},
		"too much":                           {"a.pdf", "%PDF-1.7" + strings.Repeat("x", ra.MaxDocument)},
		"no name":                            {"/", "%PDF-1.7"},
		"a name with a line break":           {"a\r\nb.pdf", "%PDF-1.7"},
	} {
		_, err = desk.Attach(as(t, minh), r.ID, c.file, []byte(c.content))
		if !errors.Is(err, ra.ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = desk.Attach(as(t, lan), r.ID, "a.pdf", []byte("%PDF-1.7"))
	if !errors.Is(err, auth.ErrDenied) {
		t.Errorf("a stranger attached: %v", err)
	}
	_, err = desk.Documents(as(t, lan), r.ID)
	if !errors.Is(err, auth.ErrDenied) {
		t.Errorf("a stranger read: %v", err)
	}
}

func TestWithdrawnRequestIsNotIssued(t *testing.T) {
	t.Parallel()
	w := sqlite(t, clock.NewFake(monday))
	r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
	check(t, err)
	_, err = w.service.Approve(as(t, thu), r.ID, "")
	check(t, err)
	_, err = w.service.Desk().Withdraw(as(t, thu), r.ID, "")
	if !errors.Is(err, auth.ErrDenied) {
		t.Errorf("withdrawn by another: %v", err)
	}
	_, err = w.service.Desk().Withdraw(as(t, minh), r.ID, "nhầm người")
	check(t, err)
	_, err = w.service.Issue(as(t, thu), r.ID)
	if !errors.Is(err, ra.ErrState) {
		t.Errorf("issued: %v", err)
	}
}

// whole takes a request the whole way.
func (w *world) whole(t *testing.T, f ra.Form) (*ra.Request, *ca.Certificate) {
	t.Helper()
	r, err := w.service.Request(as(t, minh), f)
	check(t, err)
	_, err = w.service.Approve(as(t, thu), r.ID, "")
	check(t, err)
	c, err := w.service.Issue(as(t, thu), r.ID)
	check(t, err)
	r, err = w.service.GetRequest(as(t, thu), r.ID)
	check(t, err)
	return r, c
}

func TestEachKindOfRequestDoesWhatItSays(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, now *clock.Fake) {
		ctx := context.Background()
		_, first := w.whole(t, ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
		now.Advance(4 * 365 * 24 * time.Hour)

		r, renewed := w.whole(t, ra.Form{Kind: ra.KindRenew, Serial: first.Serial})
		if days := renewed.NotAfter.Sub(now.Now()).Hours() / 24; renewed.SPKI != first.SPKI || days > 1096 || days < 1090 || r.State != ra.StateIssued {
			t.Errorf("renewal: %.0f days, same key %v", days, renewed.SPKI == first.SPKI)
		}

		_, err := w.deps.DB.NewUpdate().TableExpr("position").Set("title = ?", "Trưởng phòng").Where("person_id = ?", "p-yen").Exec(ctx)
		check(t, err)
		_, err = w.service.Request(as(t, minh), ra.Form{Kind: ra.KindChange, Serial: renewed.Serial, CSR: csr(t, p256(t))})
		if !errors.Is(err, ra.ErrForm) {
			t.Errorf("a change took another key: %v", err)
		}
		_, changed := w.whole(t, ra.Form{Kind: ra.KindChange, Serial: renewed.Serial, Cause: string(ca.CausePostChanged)})
		if changed.Subject == renewed.Subject || !changed.NotAfter.Equal(*renewed.NotAfter) || changed.SPKI != first.SPKI {
			t.Errorf("change: %s until %s, want until %s", changed.Subject, changed.NotAfter, renewed.NotAfter)
		}
		old, err := w.service.Get(as(t, thu), renewed.Serial)
		check(t, err)
		if old.RevokedAt == nil || old.RevocationCause != ca.CausePostChanged {
			t.Errorf("the old certificate: %+v", old)
		}

		_, err = w.service.Request(as(t, minh), ra.Form{Kind: ra.KindRenew, Serial: renewed.Serial})
		if !errors.Is(err, ra.ErrForm) {
			t.Errorf("a revoked certificate is renewed: %v", err)
		}
		_, rekeyed := w.whole(t, ra.Form{Kind: ra.KindRekey, Serial: changed.Serial, MakeKey: "EC-P256"})
		if rekeyed.SPKI == first.SPKI || rekeyed.KeyLabel == "" {
			t.Errorf("rekey: %+v", rekeyed)
		}

		r, _ = w.whole(t, ra.Form{Kind: ra.KindRecover, Serial: rekeyed.Serial, Device: "TOKEN-7"})
		if r.State != ra.StateDone || w.service.Desk() == nil {
			t.Errorf("recovery: %+v", r)
		}

		mine, err := w.service.Request(as(t, holderYen), ra.Form{Kind: ra.KindRevoke, Serial: rekeyed.Serial, Cause: string(ca.CauseDeviceLost)})
		check(t, err)
		if mine.State != ra.StateRequested {
			t.Errorf("the holder's own request is %s", mine.State)
		}
		_, err = w.service.Desk().Confirm(as(t, registrarUBND), mine.ID, "")
		check(t, err)
		_, err = w.service.Approve(as(t, thu), mine.ID, "")
		check(t, err)
		ended, err := w.service.Issue(as(t, thu), mine.ID)
		check(t, err)
		if ended.RevokedAt == nil || ended.RevocationCause != ca.CauseDeviceLost {
			t.Errorf("revocation: %+v", ended)
		}
		_, err = w.service.Request(as(t, holderYen), ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("a holder asked for a first certificate: %v", err)
		}
		report, err := w.service.Audit(ctx)
		check(t, err)
		// The clock went years on, and nobody renewed the responders meanwhile.
		others := slices.DeleteFunc(report.Findings, func(f ca.Finding) bool { return f.Kind == ca.FindingOCSP })
		if len(others) != 0 {
			t.Errorf("audit: %+v", others)
		}
	})
}

func TestBrokenOffChangeRevokesTheOldOneAtTheNextTry(t *testing.T) {
	t.Parallel()
	w := sqlite(t, clock.NewFake(monday))
	_, first := w.whole(t, ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
	r, err := w.service.Request(as(t, minh), ra.Form{Kind: ra.KindRekey, Serial: first.Serial, Cause: string(ca.CauseDeviceDamaged), CSR: csr(t, p256(t))})
	check(t, err)
	_, err = w.service.Approve(as(t, thu), r.ID, "")
	check(t, err)
	w.ledger.close(func(e ledger.Entry) bool { return e.Kind == ca.ActionRevoke })
	_, err = w.service.Issue(as(t, thu), r.ID)
	if !errors.Is(err, errShut) {
		t.Fatalf("got %v", err)
	}
	w.ledger.close(nil)
	issued := w.count(t, "ca_certificate", "state = 'issued'")
	_, err = w.service.Issue(as(t, thu), r.ID)
	check(t, err)
	old, err := w.service.Get(as(t, thu), first.Serial)
	check(t, err)
	if old.RevokedAt == nil || w.count(t, "ca_certificate", "state = 'issued'") != issued {
		t.Errorf("the old one is revoked %v, certificates %d and %d", old.RevokedAt != nil, issued, w.count(t, "ca_certificate", "state = 'issued'"))
	}
}

func TestListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, _ *clock.Fake) {
		want := map[string]bool{}
		for range 5 {
			r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
			check(t, err)
			want[r.ID] = true
		}
		after := ""
		for pages := 0; ; pages++ {
			page, err := w.service.Desk().List(as(t, thu), ra.Filter{Limit: 2, After: after, PersonID: "p-yen"})
			check(t, err)
			for _, r := range page.Requests {
				if !want[r.ID] {
					t.Errorf("%s stands twice, or is another's", r.ID)
				}
				delete(want, r.ID)
			}
			after = page.Next
			if after == "" {
				if pages != 2 {
					t.Errorf("%d more pages", pages)
				}
				break
			}
		}
		if len(want) != 0 {
			t.Errorf("missing: %v", want)
		}
		_, err := w.service.Desk().List(as(t, thu), ra.Filter{After: "x"})
		if !errors.Is(err, ra.ErrForm) {
			t.Errorf("a place that is none: %v", err)
		}
		page, err := w.service.Desk().List(as(t, lan), ra.Filter{})
		check(t, err)
		if len(page.Requests) != 0 {
			t.Errorf("a stranger sees %d requests", len(page.Requests))
		}
	})
}
