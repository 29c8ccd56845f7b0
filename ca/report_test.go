package ca_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/report"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
)

// reading lets officers read and make reports.
type reading struct{}

func (reading) Authorize(_ context.Context, s auth.Subject, action string, _ auth.Resource) error {
	if s.Has(auth.RoleCAOfficer) {
		return nil
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

func TestReportsCountWhatStandsInTheRegisters(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, now *clock.Fake) {
		profiles, err := profile.Builtin()
		check(t, err)
		r, err := report.New(report.Config{DB: w.deps.DB, Directory: w.deps.Directory, Profiles: profiles, Clock: now, Ledger: w.ledger, Authorizer: reading{},
			Sign: func(_ context.Context, pdf []byte, _ string) ([]byte, error) { return pdf, nil }, AgencyID: "ttgsattt", Place: "Trung Tâm"})
		check(t, err)
		_, seal := w.whole(t, ra.Form{Profile: "agency-seal", AgencyID: "stc", CSR: csr(t, p256(t))})
		_, person := w.whole(t, ra.Form{Profile: "official", PersonID: "p-yen", CSR: csr(t, p256(t))})
		w.whole(t, ra.Form{Profile: "agency-seal", AgencyID: "skhcn", CSR: csr(t, p256(t))})
		coverage, err := r.Coverage(as(t, thu), now.Now())
		check(t, err)
		if coverage.Covered != 1 || coverage.Agencies < 50 || coverage.Percent <= 0 {
			t.Errorf("coverage: %d of %d", coverage.Covered, coverage.Agencies)
		}
		before, err := r.Coverage(as(t, thu), now.Now().Add(-24*time.Hour))
		check(t, err)
		if before.Covered != 0 {
			t.Errorf("a day before: %d", before.Covered)
		}
		_, err = r.Coverage(as(t, lan), now.Now())
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("without the right: %v", err)
		}

		_, err = w.service.Revoke(as(t, thu), person.Serial, ca.CauseRetired, "")
		check(t, err)
		coverage, err = r.Coverage(as(t, thu), now.Now().Add(time.Second))
		check(t, err)
		if coverage.Covered != 0 {
			t.Errorf("after the revocation: %d", coverage.Covered)
		}

		year, err := report.Year(2026)
		check(t, err)
		a, err := r.Activity(as(t, thu), year, "")
		check(t, err)
		if a.Issued["agency-seal"] != 2 || a.Issued["official"] != 1 || a.Revoked["retired"] != 1 || a.Requests["new"] != 3 || a.InTime != 3 || a.Late != 0 || a.Valid["official"] != 0 {
			t.Errorf("year: %+v", a)
		}
		half, err := report.Half(2026, 2)
		check(t, err)
		own, err := r.Activity(as(t, thu), half, "stc")
		check(t, err)
		if own.Issued["agency-seal"] != 1 || own.AgencyName == "" || own.Acts["ca.request.create"] != 2 {
			t.Errorf("half a year of an agency: %+v", own)
		}
		acts, err := r.Acts(as(t, thu), year, 0, 0)
		check(t, err)
		kinds := map[string]int{}
		for i, act := range acts {
			kinds[act.Act]++
			if i > 0 && act.Index < acts[i-1].Index {
				t.Errorf("acts out of order: %+v", act)
			}
		}
		if kinds["ca.certificate.issue"] < 3 || kinds["ca.certificate.revoke"] != 1 || kinds["ca.request.approve"] != 3 {
			t.Errorf("acts: %v", kinds)
		}
		for name, call := range map[string]func() ([]byte, error){
			"coverage": func() ([]byte, error) { return r.Paper(as(t, thu), "coverage", coverage) },
			"yearly":   func() ([]byte, error) { return r.Paper(as(t, thu), "yearly", a) },
		} {
			pdf, err := call()
			if err != nil || string(pdf[:5]) != "%PDF-" {
				t.Errorf("%s: %v", name, err)
			}
		}

		now.Set(seal.NotAfter.AddDate(0, 0, -45))
		soon, err := r.Expiry(as(t, thu))
		check(t, err)
		if soon.Windows[0].Total != 0 || soon.Windows[1].Total != 2 || len(soon.List) != 2 {
			t.Errorf("expiry: %+v", soon)
		}
		w.whole(t, ra.Form{Kind: ra.KindRenew, Serial: seal.Serial})
		soon, err = r.Expiry(as(t, thu))
		check(t, err)
		if soon.Windows[1].Total != 1 {
			t.Errorf("what was renewed still expires: %+v", soon)
		}
		_, err = r.Paper(as(t, thu), "expiry", soon)
		check(t, err)
		_, err = report.Half(2026, 3)
		if !errors.Is(err, report.ErrPeriod) {
			t.Errorf("a third half: %v", err)
		}
	})
}
