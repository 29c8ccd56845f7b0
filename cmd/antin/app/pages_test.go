package app_test

import (
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

// testPages opens every page that the navigation offers, as each kind of
// person, in both languages.
func (p *platform) testPages(t *testing.T) {
	sessions := auth.NewSessions(p.sys.DB, p.sys.Clock)
	client := p.client(t)
	links := regexp.MustCompile(`<a href="(/[^"]*)"`)
	for _, account := range []string{"binh.nv", "hoa.lt", "lan.tt", "minh.pq", "thu.vt", "mai.dn", "son.bh", "tuan.da", "kiem.tv"} {
		token, err := sessions.Start(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		open := func(path, lang string) (int, []byte) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.addr.Console+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.AddCookie(&http.Cookie{Name: web.CookieSession, Value: token})
			request.AddCookie(&http.Cookie{Name: "antin-lang", Value: lang})
			return do(t, client, request)
		}
		_, home := open("/", "vi")
		var paths []string
		for _, m := range links.FindAllSubmatch(home, -1) {
			paths = append(paths, string(m[1]))
		}
		slices.Sort(paths)
		paths = slices.Compact(paths)
		if len(paths) < 3 {
			t.Errorf("%s is offered %d pages", account, len(paths))
		}
		for _, path := range paths {
			for _, lang := range []string{"vi", "en"} {
				status, _ := open(path, lang)
				if status != http.StatusOK {
					t.Errorf("%s opens %s (%s): %d", account, path, lang, status)
				}
			}
		}
	}
}
