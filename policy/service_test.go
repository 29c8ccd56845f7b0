package policy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/record"
)

var now = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

type house struct {
	*policy.Service
	db    *store.DB
	log   *ledger.Log
	dir   string
	clock *clock.Fake
}

func open(t *testing.T, db *store.DB) *house {
	t.Helper()
	people, err := directory.Demo()
	if err != nil {
		t.Fatal(err)
	}
	err = directory.Load(t.Context(), db, people)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log, err := ledger.Open(t.Context(), ledger.Options{Dir: dir, Origin: "test.antin.example/ledger", Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := log.Close()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close ledger: %v", err)
		}
	})
	h := &house{db: db, log: log, dir: dir, clock: clock.NewFake(now)}
	h.Service, err = policy.New(policy.Deps{
		DB: db, Ledger: log, Clock: h.clock, Directory: directory.New(db), Logger: slog.New(slog.DiscardHandler), Coordinator: "skhcn",
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = h.LoadDemo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func schema() []store.Migration { return slices.Concat(directory.Schema, policy.Schema) }

func as(ctx context.Context, account, agency string, roles ...string) context.Context {
	return auth.WithSubject(ctx, auth.Subject{AccountID: account, AgencyID: agency, Roles: roles})
}

func (h *house) ask(t *testing.T, agency, purpose string) *engine.Decision {
	t.Helper()
	d, err := h.Evaluate(t.Context(), engine.Query{Agency: agency, Dataset: "enterprises", Purpose: purpose, Operation: "query"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func codes(d *engine.Decision) []string {
	var list []string
	for _, r := range d.Reasons {
		list = append(list, r.Code)
	}
	return list
}

func TestDemoAgreementsDecideAsTheySay(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		for _, c := range []struct {
			name, agency, purpose string
			want                  []string
		}{
			{"the tax office has an agreement", "thue", "tax-administration", []string{"agreement"}},
			{"the tax office for another purpose", "thue", "statistics", []string{"purpose"}},
			{"a commune without agreement", "xa-tan-lap", "business-licensing", []string{"no-agreement"}},
			{"an agreement that is proposed only", "phuong-trung-tam", "business-licensing", []string{"agreement-not-begun", "agreement-proposed"}},
			{"an agreement that is suspended", "sct", "market-surveillance", []string{"agreement-suspended"}},
			{"an agreement that has expired", "snv", "labour-inspection", []string{"agreement-expired"}},
			{"an agency dissolved in 2025", "stttt", "statistics", []string{"agency-unknown", "no-agreement"}},
			{"the owner", "stc", "business-registration", []string{"owner"}},
			{"masked fields", "bhxh", "social-insurance-collection", []string{"agreement", "field-masked"}},
		} {
			d := h.ask(t, c.agency, c.purpose)
			if !slices.Equal(codes(d), c.want) || len(d.LegalBasis) == 0 {
				t.Errorf("%s: got %v %v, want %v", c.name, codes(d), d.LegalBasis, c.want)
			}
		}
		d := h.ask(t, "thue", "tax-administration")
		if d.Fields["name"] != engine.Plain || d.Fields["owner_id"] != engine.Drop || d.AgreementID != "tt-enterprises-thue-1/1" {
			t.Errorf("the tax office gets %v under %s", d.Fields, d.AgreementID)
		}
	})
}

func TestAgreementGoesFromProposalToForceBetweenTwoSides(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		tuan := as(t.Context(), "tuan.da", "skhcn", auth.RoleSteward)
		owner := as(t.Context(), "yen.ph", "stc", auth.RoleSteward)
		demo, err := agreement.Demo()
		if err != nil {
			t.Fatal(err)
		}
		draft := policy.Draft{
			DatasetID: "enterprises", ConsumerID: "xa-tan-lap", Items: demo[0].Items, Fields: map[string]string{"code": "plain", "owner_name": "masked"},
			Purposes: []string{"business-licensing"}, Operations: []string{"query"}, ValidFrom: now.Add(-time.Hour), ValidTo: now.AddDate(1, 0, 0),
		}
		_, err = h.Propose(as(t.Context(), "yen.ph", "stc", auth.RoleRequester), draft)
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("a requester proposed: %v", err)
		}
		_, err = h.Propose(as(t.Context(), "x", "syt", auth.RoleSteward), draft)
		if !errors.Is(err, agreement.ErrSide) {
			t.Errorf("a stranger proposed: %v", err)
		}
		a, err := h.Propose(tuan, draft)
		if err != nil {
			t.Fatal(err)
		}
		if a.ID != "tt-enterprises-xa-tan-lap-1" || h.ask(t, "xa-tan-lap", "business-licensing").Allow {
			t.Fatalf("the proposal %s gives data already", a.Key())
		}
		_, err = h.Accept(tuan, a.ID, 1)
		var denied *auth.DeniedError
		if !errors.As(err, &denied) || denied.Code != "same-person" {
			t.Errorf("the proposer accepted: %v", err)
		}
		_, err = h.Accept(as(t.Context(), "other.sk", "skhcn", auth.RoleSteward), a.ID, 1)
		if !errors.Is(err, agreement.ErrSide) {
			t.Errorf("the proposer's side accepted: %v", err)
		}
		_, err = h.Accept(owner, a.ID, 1)
		if err != nil {
			t.Fatal(err)
		}
		d := h.ask(t, "xa-tan-lap", "business-licensing")
		if !d.Allow || d.Fields["code"] != engine.Plain || d.Fields["owner_name"] != engine.Masked || d.Fields["name"] != engine.Drop {
			t.Errorf("after acceptance: %+v", d)
		}
		draft.ID, draft.Fields = a.ID, map[string]string{"name": "plain"}
		second, err := h.Propose(tuan, draft)
		if err != nil || second.Version != 2 {
			t.Fatalf("second version: %+v, %v", second, err)
		}
		_, err = h.Accept(owner, a.ID, 2)
		if err != nil {
			t.Fatal(err)
		}
		d = h.ask(t, "xa-tan-lap", "business-licensing")
		if !d.Allow || d.Fields["code"] != engine.Drop || d.Fields["name"] != engine.Plain || d.AgreementID != a.ID+"/2" {
			t.Errorf("the second version gives %+v", d)
		}
		_, err = h.Suspend(owner, a.ID, true, "")
		if !errors.Is(err, agreement.ErrInvalid) {
			t.Errorf("a suspension without reason: %v", err)
		}
		_, err = h.Suspend(owner, a.ID, true, "Dùng sai mục đích")
		if err != nil {
			t.Fatal(err)
		}
		if got := codes(h.ask(t, "xa-tan-lap", "business-licensing")); !slices.Contains(got, "agreement-suspended") {
			t.Errorf("suspended: %v", got)
		}
		_, err = h.Resume(owner, a.ID, "Đã khắc phục")
		if err != nil || !h.ask(t, "xa-tan-lap", "business-licensing").Allow {
			t.Errorf("resumed: %v", err)
		}
		_, err = h.Suspend(owner, a.ID, false, "Bảo trì hệ thống")
		if err != nil || !h.ask(t, "xa-tan-lap", "business-licensing").Allow {
			t.Errorf("within the notice: %v", err)
		}
		h.clock.Set(now.AddDate(0, 0, 12))
		if h.ask(t, "xa-tan-lap", "business-licensing").Allow {
			t.Error("the notice is over and data is given")
		}
		_, err = h.Terminate(owner, a.ID, "Hết nhu cầu")
		if err != nil || h.ask(t, "xa-tan-lap", "business-licensing").Allow {
			t.Errorf("terminated: %v", err)
		}
		h.eventsStandInTheLedger(t, a.ID, []string{"propose", "accept", "propose", "accept", "suspend", "resume", "suspend", "terminate"})
	})
}

func (h *house) eventsStandInTheLedger(t *testing.T, id string, want []string) {
	t.Helper()
	events, err := agreement.Events(t.Context(), h.db, id)
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, e := range events {
		acts = append(acts, e.Act)
		entry, err := h.log.Entry(t.Context(), e.LedgerIndex)
		if err != nil || entry.Kind != "policy.agreement."+e.Act || entry.Actor != e.Actor {
			t.Errorf("act %s stands in the ledger as %+v, %v", e.Act, entry, err)
		}
	}
	if !slices.Equal(acts, want) {
		t.Errorf("acts %v, want %v", acts, want)
	}
}

func TestChangeByAnotherProcessIsSeenAtOnce(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		if !h.ask(t, "thue", "tax-administration").Allow {
			t.Fatal("no agreement to suspend")
		}
		other, err := policy.New(h.Deps)
		if err != nil {
			t.Fatal(err)
		}
		_, err = other.Suspend(as(t.Context(), "yen.ph", "stc", auth.RoleSteward), "tt-enterprises-thue-1", true, "Vi phạm")
		if err != nil {
			t.Fatal(err)
		}
		if h.ask(t, "thue", "tax-administration").Allow {
			t.Error("the suspension is not seen")
		}
	})
}

type brokenLedger struct{}

var errLedger = errors.New("ledger is full")

func (brokenLedger) Append(context.Context, ledger.Entry) (ledger.Receipt, error) {
	return ledger.Receipt{}, errLedger
}

func TestNothingIsInForceThatTheLedgerRefused(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		deps := h.Deps
		deps.Ledger = brokenLedger{}
		broken, err := policy.New(deps)
		if err != nil {
			t.Fatal(err)
		}
		_, err = broken.Terminate(as(t.Context(), "yen.ph", "stc", auth.RoleSteward), "tt-enterprises-thue-1", "x")
		if !errors.Is(err, errLedger) || !h.ask(t, "thue", "tax-administration").Allow {
			t.Errorf("got %v", err)
		}
		d, _, err := broken.Decide(as(t.Context(), "tuan.da", "skhcn", auth.RoleSteward), engine.Query{Agency: "thue", Dataset: "enterprises"})
		if !errors.Is(err, errLedger) || d != nil {
			t.Errorf("a decision left without a record: %+v, %v", d, err)
		}
	})
}

func TestDecideRecordsWhoAskedAndBindsTheRowInTheLedger(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		ctx := as(t.Context(), "tuan.da", "skhcn", auth.RoleSteward)
		_, access, err := h.Decide(ctx, engine.Query{
			Agency: "thue", Dataset: "enterprises", Purpose: "tax-administration", Operation: "query", Fields: []string{"code", "owner_id"},
		})
		if err != nil || access.Status != record.StatusDecided || !slices.Equal(access.Given, []string{"code"}) {
			t.Fatalf("got %+v, %v", access, err)
		}
		kept, err := record.Get(t.Context(), db, access.ID)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := kept.Digest()
		if err != nil {
			t.Fatal(err)
		}
		entry, err := h.log.Entry(t.Context(), kept.LedgerIndex)
		if err != nil || entry.Digest != digest || entry.Object != access.ID || entry.Actor != "tuan.da" || entry.Kind != "policy.decide" {
			t.Errorf("row %s, ledger %+v, %v", digest, entry, err)
		}
		_, access, err = h.Decide(ctx, engine.Query{Agency: "Nguyễn Văn A", Dataset: "a b", Purpose: "Tra cứu ông A", Operation: "?"})
		if err != nil || access.Status != record.StatusRefused {
			t.Fatalf("free text gave %+v, %v", access, err)
		}
		entry, err = h.log.Entry(t.Context(), access.LedgerIndex)
		if err != nil || entry.Kind != "policy.refuse" || entry.Detail["purpose"] != "not-a-code" {
			t.Errorf("free text stands in the ledger: %+v, %v", entry, err)
		}
		_, _, err = h.Decide(as(t.Context(), "dung.ht", "ttgsattt", auth.RoleAnalyst), engine.Query{Agency: "thue", Dataset: "enterprises"})
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("an analyst asked: %v", err)
		}
	})
}

func TestMapShowsEveryCellWithItsReason(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		started := time.Now()
		m, err := h.Map(as(t.Context(), "tuan.da", "skhcn", auth.RoleSteward))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d cells, %d evaluations in %s", len(m.Cells), m.Counts.Evaluations, time.Since(started).Round(time.Millisecond))
		if len(m.Cells) != 57*24 {
			t.Errorf("%d cells, want 57 × 24", len(m.Cells))
		}
		for _, c := range []struct{ agency, dataset, state string }{
			{"stc", "enterprises", policy.CellOwner},
			{"thue", "enterprises", policy.CellShared},
			{"xa-tan-lap", "enterprises", policy.CellNone},
			{"sct", "enterprises", policy.CellSuspended},
			{"snv", "enterprises", policy.CellExpired},
			{"phuong-trung-tam", "enterprises", policy.CellProposed},
			{"thue", "complaints", policy.CellNone},
		} {
			cell := m.Cell(c.agency, c.dataset)
			if cell == nil || cell.State != c.state || len(cell.Grants) == 0 || len(cell.Grants[0].Decision.Reasons) == 0 {
				t.Errorf("%s × %s: got %+v, want %s", c.agency, c.dataset, cell, c.state)
			}
		}
		if cell := m.Cell("thue", "land"); !slices.Equal(cell.Masked, []string{"holder_id"}) || !slices.Contains(cell.Fields, "holder_id") {
			t.Errorf("thue × land: %+v", cell)
		}
		if !slices.Contains(m.Unshared, "complaints") || slices.Contains(m.Unshared, "enterprises") {
			t.Errorf("unshared: %v", m.Unshared)
		}
		if !slices.Contains(m.Outside, "xa-tan-lap") || slices.Contains(m.Outside, "thue") {
			t.Errorf("outside: %v", m.Outside)
		}
		if !slices.ContainsFunc(m.Unused, func(u policy.Unused) bool { return u.Agreement == "tt-land-stp-1/1" }) {
			t.Errorf("unused: %v", m.Unused)
		}
		_, err = h.Map(t.Context())
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("nobody read the map: %v", err)
		}
	})
}

func TestUsedAgreementLeavesTheListOfUnused(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		for i, at := range []time.Time{now.AddDate(0, 0, -100), now.AddDate(0, 0, -2)} {
			err := h.Record(t.Context(), &record.Access{
				ID: "qd-" + string(rune('a'+i)), At: at, Actor: "system:gateway", AgencyID: "stp", DatasetID: "land", Purpose: "notary-check",
				Operation: "query", Status: record.StatusReleased, AgreementID: "tt-land-stp-1/1", Revision: "r",
			})
			if err != nil {
				t.Fatal(err)
			}
			h.clock.Advance(2 * time.Minute) // a map is shown for a minute
			m, err := h.Map(as(t.Context(), "a", "stc"))
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(m.Unused, func(u policy.Unused) bool { return u.Agreement == "tt-land-stp-1/1" })
			if i == 0 && (at < 0 || m.Unused[at].LastUse == nil) || i == 1 && at >= 0 {
				t.Errorf("use %d: %v", i, m.Unused)
			}
		}
	})
}

func TestCheckFindsNothingInTheDemoAndNamesAnOwnerThatIsGone(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		findings, err := h.Check(t.Context())
		if err != nil || len(findings) != 0 {
			t.Errorf("got %v, %v", findings, err)
		}
		_, err = db.ExecContext(t.Context(), "UPDATE shared_dataset SET owner_id = 'stttt' WHERE id = 'ict-licences'")
		if err != nil {
			t.Fatal(err)
		}
		findings, err = h.Check(t.Context())
		if err != nil || len(findings) != 1 || findings[0].Object != "dataset ict-licences" {
			t.Errorf("got %v, %v", findings, err)
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	db := storetest.SQLite(b, schema()...)
	people, err := directory.Demo()
	if err != nil {
		b.Fatal(err)
	}
	err = directory.Load(b.Context(), db, people)
	if err != nil {
		b.Fatal(err)
	}
	s, err := policy.New(policy.Deps{
		DB: db, Ledger: acceptingLedger{}, Clock: clock.NewFake(now), Directory: directory.New(db), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	err = s.LoadDemo(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	q := engine.Query{Agency: "thue", Dataset: "enterprises", Purpose: "tax-administration", Operation: "query"}
	for b.Loop() {
		d, err := s.Evaluate(b.Context(), q)
		if err != nil || !d.Allow {
			b.Fatal(d, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}

type acceptingLedger struct{}

func (acceptingLedger) Append(context.Context, ledger.Entry) (ledger.Receipt, error) {
	return ledger.Receipt{}, nil
}
