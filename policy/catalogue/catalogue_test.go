package catalogue_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/policy/catalogue"
)

func demo(t *testing.T) *catalogue.File {
	t.Helper()
	f, err := catalogue.Demo()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDemoCatalogueHas24DatabasesEachOwnedByOneAgencyOfTheProvince(t *testing.T) {
	people, err := directory.Demo()
	if err != nil {
		t.Fatal(err)
	}
	alive := map[string]bool{}
	for _, a := range people.Agencies {
		alive[a.ID] = a.ValidTo == nil
	}
	f := demo(t)
	if len(f.Datasets) != 24 {
		t.Errorf("%d databases, want 24", len(f.Datasets))
	}
	for _, d := range f.Datasets {
		if !alive[d.OwnerID] {
			t.Errorf("database %s belongs to %q, which is no agency of today", d.ID, d.OwnerID)
		}
		if d.NameEN == "" {
			t.Errorf("database %s has no English name", d.ID)
		}
	}
}

func TestDemoCatalogueIsTheNamedDatabasesOfTheProvinceWithTheirOwners(t *testing.T) {
	want := map[string]string{
		"user-authentication": "skhcn", "population": "cat", "enterprises": "stc", "land": "snnmt",
		"environment": "snnmt", "officials": "snv", "civil-status": "stp", "public-finance": "stc",
		"public-assets": "stc", "budget": "stc", "document-archive": "vpub", "complaints": "ttt",
		"education": "sgddt", "judicial-records": "stp", "investment-projects": "stc",
		"socio-economic-statistics": "ctk", "household-businesses": "stc", "people-of-merit": "snv",
		"public-administration": "vpub", "construction-planning": "sxd", "agriculture": "snnmt",
		"culture-licences": "svhttdl", "ict-licences": "skhcn", "industrial-parks": "bqlkcn",
	}
	got := map[string]string{}
	for _, d := range demo(t).Datasets {
		got[d.ID] = d.OwnerID
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("databases and owners differ:\n%s", diff)
	}
}

func TestCatalogueIsKeptWithItsFieldsInOrder(t *testing.T) {
	storetest.Each(t, slices.Concat(directory.Schema, catalogue.Schema), func(t *testing.T, db *store.DB) {
		people, err := directory.Demo()
		if err != nil {
			t.Fatal(err)
		}
		err = directory.Load(t.Context(), db, people)
		if err != nil {
			t.Fatal(err)
		}
		f := demo(t)
		for _, want := range []int{24, 0} {
			n, err := catalogue.Load(t.Context(), db, f)
			if err != nil || n != want {
				t.Fatalf("loaded %d, %v, want %d", n, err, want)
			}
		}
		got, err := catalogue.List(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.SortedFunc(slices.Values(f.Datasets), func(a, b catalogue.Dataset) int { return strings.Compare(a.ID, b.ID) })
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(catalogue.Field{}, "DatasetID", "Place")); diff != "" {
			t.Errorf("kept differently:\n%s", diff)
		}
		one, err := catalogue.Get(t.Context(), db, "enterprises")
		if err != nil || one.OwnerID != "stc" || len(one.Fields) != 18 || one.Fields[0].Name != "code" {
			t.Errorf("got %+v, %v", one, err)
		}
		_, err = catalogue.Get(t.Context(), db, "nothing")
		if !errors.Is(err, catalogue.ErrNotFound) {
			t.Errorf("a missing database gave %v", err)
		}
	})
}

func TestDatabaseWithoutAKnownOwnerIsRefusedByTheTables(t *testing.T) {
	storetest.Each(t, slices.Concat(directory.Schema, catalogue.Schema), func(t *testing.T, db *store.DB) {
		_, err := catalogue.Load(t.Context(), db, demo(t))
		if err == nil {
			t.Error("databases of agencies that do not exist were kept")
		}
	})
}

func TestReadFileRefusesWhatDoesNotHoldTogether(t *testing.T) {
	field := "{name: a, title: A, sharing: open, importance: other, personal: none}"
	for name, text := range map[string]string{
		"text that is not YAML":       "datasets: [",
		"no owner":                    "datasets: [{id: ab, name: A, fields: [" + field + "]}]",
		"two owners":                  "datasets: [{id: ab, name: A, owner: [x, y], fields: [" + field + "]}]",
		"no fields":                   "datasets: [{id: ab, name: A, owner: x}]",
		"a field twice":               "datasets: [{id: ab, name: A, owner: x, fields: [" + field + ", " + field + "]}]",
		"a field that is a parameter": "datasets: [{id: ab, name: A, owner: x, parameters: [a], fields: [" + field + "]}]",
		"a database twice":            "datasets: [{id: ab, name: A, owner: x, fields: [" + field + "]}, {id: ab, name: A, owner: x, fields: [" + field + "]}]",
		"an id with a slash":          "datasets: [{id: a/b, name: A, owner: x, fields: [" + field + "]}]",
		"an unclassified field":       "datasets: [{id: ab, name: A, owner: x, fields: [{name: a, title: A}]}]",
		"open personal data":          "datasets: [{id: ab, name: A, owner: x, fields: [{name: a, title: A, sharing: open, importance: other, personal: personal}]}]",
	} {
		_, err := catalogue.ReadFile(strings.NewReader(text))
		if !errors.Is(err, catalogue.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
