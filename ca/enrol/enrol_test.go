package enrol_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca/catest"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

var check = catest.Check

func form() enrol.Form {
	return enrol.Form{Kind: enrol.KindACME, AgencyID: "thue", Profiles: []string{"service"}, Domains: []string{"*.Thue.example", "thue.example"}, Networks: []string{"10.2.19.0/24", "10.9.9.9"}}
}

func TestCredentialIsMadeByOneOfficerAndApprovedByAnother(t *testing.T) {
	storetest.Each(t, catest.Schema(), func(t *testing.T, db *store.DB) {
		now := clock.NewFake(time.Now())
		w := catest.New(t, db, now)
		c, secret, err := w.Desk.Create(catest.As(t, catest.Minh), form())
		check(t, err)
		if c.State != enrol.StateWaiting || len(secret) != 43 {
			t.Errorf("made: %+v", c)
		}
		use := func() error { return w.Desk.Use(t.Context(), db, c.ID) }
		if err = use(); !errors.Is(err, enrol.ErrState) {
			t.Errorf("a waiting credential was used: %v", err)
		}
		other := catest.Minh
		other.AccountID = "minh.second"
		for _, who := range []auth.Subject{catest.Minh, other, catest.Lan} {
			_, err = w.Desk.Approve(catest.As(t, who), enrol.KindACME, c.ID)
			if !errors.Is(err, auth.ErrDenied) && !errors.Is(err, enrol.ErrSamePerson) {
				t.Errorf("%s approved: %v", who.AccountID, err)
			}
		}
		_, err = w.Desk.Approve(catest.As(t, catest.Thu), enrol.KindEST, c.ID)
		if !errors.Is(err, enrol.ErrNotFound) {
			t.Errorf("a key was approved as a secret: %v", err)
		}
		c, err = w.Desk.Approve(catest.As(t, catest.Thu), enrol.KindACME, c.ID)
		check(t, err)
		key, err := w.Desk.Key(c)
		if err != nil || len(key) != 32 || c.State != enrol.StateActive {
			t.Errorf("approved: %+v, key of %d bytes, %v", c, len(key), err)
		}
		_, err = w.Desk.Approve(catest.As(t, catest.Thu), enrol.KindACME, c.ID)
		if !errors.Is(err, enrol.ErrState) {
			t.Errorf("approved twice: %v", err)
		}
		check(t, use())
		if err = use(); !errors.Is(err, enrol.ErrState) {
			t.Errorf("used twice: %v", err)
		}
		now.Advance(time.Second)
		d, _ := w.Credential(t, form())
		now.Advance(31 * 24 * time.Hour)
		list, err := w.Desk.List(catest.As(t, catest.Thu), enrol.KindACME)
		check(t, err)
		if len(list) != 2 || list[0].State != enrol.StateExpired || list[1].State != enrol.StateUsed {
			t.Errorf("list %+v", list)
		}
		d, err = w.Desk.Revoke(catest.As(t, catest.Thu), enrol.KindACME, d.ID)
		if err != nil || d.State != enrol.StateRevoked || d.RevokedBy != "thu.vt" {
			t.Errorf("revoked %+v, %v", d, err)
		}
		_, err = w.Desk.List(catest.As(t, catest.Lan), enrol.KindACME)
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("an official read the list: %v", err)
		}
	})
}

func TestOneOfficerIsEnoughWhereThePolicySaysSo(t *testing.T) {
	w := catest.New(t, storetest.SQLite(t, catest.Schema()...), clock.System{})
	w.Roles.OneOfficer.Store(true)
	c, _, err := w.Desk.Create(catest.As(t, catest.Minh), form())
	check(t, err)
	if c.State != enrol.StateActive || c.ApprovedBy != "minh.pq" {
		t.Errorf("made: %+v", c)
	}
}

func TestFormsThatDoNotHoldTogetherAreRefused(t *testing.T) {
	db := storetest.SQLite(t, catest.Schema()...)
	w := catest.New(t, db, clock.System{})
	for name, change := range map[string]func(*enrol.Form){
		"no kind":                  func(f *enrol.Form) { f.Kind = "" },
		"no profile":               func(f *enrol.Form) { f.Profiles = nil },
		"an official's profile":    func(f *enrol.Form) { f.Profiles = []string{"official"} },
		"no names":                 func(f *enrol.Form) { f.Domains, f.Networks = nil, nil },
		"every name":               func(f *enrol.Form) { f.Domains = []string{"*"} },
		"a name with accents":      func(f *enrol.Form) { f.Domains = []string{"thuế.example"} },
		"an address as a name":     func(f *enrol.Form) { f.Domains = []string{"10.0.0.1"} },
		"a star in the middle":     func(f *enrol.Form) { f.Domains = []string{"a.*.example"} },
		"the whole Internet":       func(f *enrol.Form) { f.Networks = []string{"0.0.0.0/0"} },
		"a network that is none":   func(f *enrol.Form) { f.Networks = []string{"x"} },
		"years":                    func(f *enrol.Form) { f.Valid = 3 * 366 * 24 * time.Hour },
		"thousands of uses":        func(f *enrol.Form) { f.Uses = 5000 },
		"a machine for ACME":       func(f *enrol.Form) { f.Machine = "m" },
		"a secret of two profiles": func(f *enrol.Form) { f.Kind, f.Machine, f.Profiles = enrol.KindEST, "m", []string{"device", "client"} },
		"a secret for no machine":  func(f *enrol.Form) { f.Kind = enrol.KindEST },
		"a secret for many":        func(f *enrol.Form) { f.Kind, f.Machine, f.Uses = enrol.KindEST, "m", 2 },
	} {
		f := form()
		change(&f)
		_, _, err := w.Desk.Create(catest.As(t, catest.Minh), f)
		if !errors.Is(err, enrol.ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := form()
	f.AgencyID = "nobody"
	_, _, err := w.Desk.Create(catest.As(t, catest.Minh), f)
	if !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("an agency that is none: %v", err)
	}
	_, _, err = w.Desk.Create(t.Context(), form())
	if !errors.Is(err, enrol.ErrActor) {
		t.Errorf("nobody: %v", err)
	}
	_, _, err = w.Desk.Create(catest.As(t, catest.Lan), form())
	if !errors.Is(err, auth.ErrDenied) {
		t.Errorf("an official: %v", err)
	}
	w.Ledger.Shut.Store(func(ledger.Entry) bool { return true })
	_, _, err = w.Desk.Create(catest.As(t, catest.Minh), form())
	if !errors.Is(err, enrol.ErrLedger) {
		t.Errorf("no ledger: %v", err)
	}
	n, err := db.NewSelect().TableExpr("ca_enrolment").Count(t.Context())
	if err != nil || n != 0 {
		t.Errorf("%d credentials were recorded, %v", n, err)
	}
}

func TestNamesAreThoseAgreedAndNoOthers(t *testing.T) {
	c := &enrol.Credential{Profiles: []string{"service"}, Domains: []string{"*.thue.example", "web.so.example"}, Networks: []string{"10.2.19.0/24"}}
	for name, allowed := range map[string]bool{"a.thue.example": true, "a.b.thue.example": true, "A.Thue.example": true, "web.so.example": true,
		"thue.example": false, ".thue.example": false, "xthue.example": false, "a.web.so.example": false, "thue.example.bank": false, "": false} {
		if err := c.Allows("service", []string{name}, nil); (err == nil) != allowed {
			t.Errorf("%q: %v", name, err)
		}
	}
	for ip, allowed := range map[string]bool{"10.2.19.7": true, "::ffff:10.2.19.7": true, "10.2.20.7": false, "fe80::1": false} {
		if err := c.Allows("service", nil, []net.IP{net.ParseIP(ip)}); (err == nil) != allowed {
			t.Errorf("%s: %v", ip, err)
		}
	}
	if c.Allows("client", nil, nil) == nil {
		t.Error("a profile that was not agreed")
	}
}
