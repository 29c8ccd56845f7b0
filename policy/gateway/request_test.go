package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func FuzzRequest(f *testing.F) {
	f.Add("/data/enterprises/0910000000", "purpose=tax-administration&fields=code,name&limit=5", "")
	f.Add("/data/enterprises", "owner_id=079", "tax-administration")
	f.Add("/data/../land", "a=%2e", "x")
	f.Add("/data/a%2fb", "purpose=a&purpose=b", "")
	shape := newForms()
	f.Fuzz(func(t *testing.T, path, query, purpose string) {
		target, err := url.Parse("https://gateway" + path)
		if err != nil {
			return
		}
		target.RawQuery = query
		r := &http.Request{Method: http.MethodGet, URL: target, Header: http.Header{}}
		if purpose != "" {
			r.Header.Set("Antin-Purpose", purpose)
		}
		got, err := shape.read(r)
		if err != nil {
			return
		}
		base := url.URL{Scheme: "http", Host: "owner", Path: "/base"}
		sent := base.JoinPath(got.segments...)
		if sent.Host != "owner" || !strings.HasPrefix(sent.Path, "/base") || strings.Contains(sent.EscapedPath(), "%") || strings.Contains(sent.Path, "..") && !strings.Contains(path, "..") {
			t.Errorf("%q reaches the owner as %s", path, sent)
		}
		if strings.Count(sent.Path, "/") != len(got.segments)+1 {
			t.Errorf("%q has %d segments and reaches the owner as %s", path, len(got.segments), sent)
		}
		for name := range got.params {
			if !slices.Contains(got.query.Filters, name) {
				t.Errorf("parameter %q reaches the owner undecided", name)
			}
		}
		if got.params.Has("purpose") || got.params.Has("fields") || got.params.Has("operation") {
			t.Errorf("a word of the gateway reaches the owner: %v", got.params)
		}
	})
}
