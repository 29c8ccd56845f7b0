package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/antin-gov/antin/policy/catalogue"
	"github.com/antin-gov/antin/policy/registry"
)

func TestSameSeedGivesTheSameRegister(t *testing.T) {
	one, two := registry.Generate(registry.DefaultSeed, registry.DefaultCount), registry.Generate(registry.DefaultSeed, registry.DefaultCount)
	if diff := cmp.Diff(one, two); diff != "" {
		t.Error(diff)
	}
	if len(one) < 200 {
		t.Errorf("%d enterprises", len(one))
	}
	codes := map[string]bool{}
	for _, e := range one {
		if codes[e.Code] || len(e.Code) != 10 || len(e.OwnerID) != 12 || e.Name == "" {
			t.Errorf("implausible: %+v", e)
		}
		codes[e.Code] = true
	}
	if cmp.Equal(one, registry.Generate(1, registry.DefaultCount)) {
		t.Error("another seed gave the same register")
	}
}

func TestRegisterHasTheFieldsOfTheCatalogueAndNoOther(t *testing.T) {
	file, err := catalogue.Demo()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, d := range file.Datasets {
		if d.ID != "enterprises" {
			continue
		}
		for _, f := range d.Fields {
			want = append(want, f.Name)
		}
	}
	var got []string
	for i := range reflect.TypeFor[registry.Enterprise]().NumField() {
		got = append(got, reflect.TypeFor[registry.Enterprise]().Field(i).Tag.Get("json"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListPagesAndFilters(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Generate(1, 250)).Handler())
	defer server.Close()
	get := func(path string) (int, registry.Page) {
		t.Helper()
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		var page registry.Page
		if answer.StatusCode == http.StatusOK {
			err = json.NewDecoder(answer.Body).Decode(&page)
			if err != nil {
				t.Fatal(err)
			}
		}
		return answer.StatusCode, page
	}
	for _, c := range []struct {
		name, path           string
		status, items, total int
	}{
		{"the first page", "/enterprises", 200, 50, 250},
		{"a page further on", "/enterprises?limit=20&offset=240", 200, 10, 250},
		{"beyond the end", "/enterprises?offset=900", 200, 0, 250},
		{"a limit that is no number", "/enterprises?limit=x", 400, 0, 0},
		{"nobody's identification number", "/enterprises?owner_id=none", 200, 0, 0},
		{"an unknown code", "/enterprises/none", 404, 0, 0},
	} {
		status, page := get(c.path)
		if status != c.status || len(page.Items) != c.items || page.Total != c.total {
			t.Errorf("%s: status %d, %d items of %d", c.name, status, len(page.Items), page.Total)
		}
	}
	_, page := get("/enterprises?industry_code=6201&limit=500")
	for _, e := range page.Items {
		if e.IndustryCode != "6201" {
			t.Errorf("filter let %s through", e.IndustryCode)
		}
	}
	if page.Total == 0 {
		t.Error("the filter found nothing")
	}
}

func TestServeListensOnLoopbackOnlyAndEndsWithItsContext(t *testing.T) {
	everywhere, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	register := registry.New(registry.Generate(1, 5))
	err = register.Serve(t.Context(), everywhere)
	if !errors.Is(err, registry.ErrNotLoopback) {
		t.Errorf("got %v", err)
	}
	local, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- register.Serve(ctx, local) }()
	answer, err := http.Get("http://" + local.Addr().String() + "/enterprises")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	cancel()
	err = <-done
	if err != nil {
		t.Errorf("end: %v", err)
	}
}
