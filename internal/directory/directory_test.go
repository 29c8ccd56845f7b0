package directory_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

var now = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func load(t *testing.T, db *store.DB) *directory.Directory {
	t.Helper()
	f, err := directory.Demo()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = directory.Load(t.Context(), db, f)
		if err != nil {
			t.Fatal(err)
		}
	}
	return directory.New(db)
}

func TestDemoProvinceHasTheReferenceSize(t *testing.T) {
	storetest.Each(t, directory.Schema, func(t *testing.T, db *store.DB) {
		d := load(t, db)
		agencies, err := d.Agencies(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		if len(agencies) != 57 {
			t.Errorf("%d agencies, want 57", len(agencies))
		}
		for _, a := range agencies {
			if a.ID == "stttt" {
				t.Error("an agency dissolved in 2025 is listed in 2026")
			}
		}
		before, err := d.Agencies(t.Context(), time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil || len(before) != 1 || before[0].SuccessorID != "skhcn" {
			t.Errorf("in 2024: %+v, %v", before, err)
		}
	})
}

func TestAgencyIsFoundByTheLongestPrefixOfItsNetworks(t *testing.T) {
	storetest.Each(t, directory.Schema, func(t *testing.T, db *store.DB) {
		d := load(t, db)
		extra := []directory.Network{
			{ID: "x1", AgencyID: "syt", Site: "", CIDR: "10.1.7.0/24"},
			{ID: "x2", AgencyID: "sct", Site: "wan-2", CIDR: "10.1.7.0/24"},
		}
		_, err := db.NewInsert().Model(&extra).Exec(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, site, addr, want string
		}{
			{"a commune's address", "", "10.3.9.20", "xa-tan-lap"},
			{"a mapped IPv4 address", "", "::ffff:10.3.9.20", "xa-tan-lap"},
			{"the longer prefix wins", "dc", "10.1.7.1", "syt"},
			{"the site's own range wins", "wan-2", "10.1.7.1", "sct"},
			{"the wide range holds the rest", "wan-2", "10.1.8.1", "ttcds"},
		} {
			a, err := d.AgencyAt(t.Context(), c.site, netip.MustParseAddr(c.addr))
			if err != nil || a.ID != c.want {
				t.Errorf("%s: got %v, %v, want %s", c.name, a, err, c.want)
			}
		}
		_, err = d.AgencyAt(t.Context(), "", netip.MustParseAddr("192.0.2.1"))
		if !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("nobody's address gave %v", err)
		}
	})
}

func TestPositionHoldsInItsTimeOnly(t *testing.T) {
	db := storetest.SQLite(t, directory.Schema...)
	d := load(t, db)
	p, err := d.Position(t.Context(), "p-binh", now)
	if err != nil || p.AgencyID != "ubnd" {
		t.Fatalf("got %+v, %v", p, err)
	}
	_, err = d.Position(t.Context(), "p-binh", time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	if !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("before its time: %v", err)
	}
}

func TestReadFileRefusesWhatDoesNotHoldTogether(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown parent":       "agencies: [{id: a, code: A, name: A, parent: b}]",
		"a code over 35":          "agencies: [{id: a, code: " + strings.Repeat("x", 36) + ", name: A}]",
		"an agency twice":         "agencies: [{id: a, code: A, name: A}, {id: a, code: A, name: A}]",
		"a network of nobody":     "networks: [{id: n, agency: a, cidr: 10.0.0.0/8}]",
		"a position of nobody":    "positions: [{id: p, person: x, agency: a}]",
		"text that is not YAML":   "agencies: [",
		"an end before its start": "agencies: [{id: a, code: A, name: A, valid_from: 2025-01-01T00:00:00Z, valid_to: 2024-01-01T00:00:00Z}]",
	} {
		_, err := directory.ReadFile(strings.NewReader(text))
		if !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestManagingAgencyIsTheOneAboveAndWhomItHasCharged(t *testing.T) {
	db := storetest.SQLite(t, directory.Schema...)
	d := load(t, db)
	for _, c := range []struct {
		name, agency string
		want         directory.Managing
	}{
		{"a department", "stc", directory.Managing{AgencyID: "ubnd", RegistrarID: "ttcds"}},
		{"the top", "ubnd", directory.Managing{}},
		{"one that has ended is managed as its successor", "stttt", directory.Managing{AgencyID: "ubnd", RegistrarID: "ttcds"}},
	} {
		got, err := d.Managing(t.Context(), c.agency, now)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
	}
	_, err := d.Managing(t.Context(), "nobody", now)
	if !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("an unknown agency gave %v", err)
	}
}
