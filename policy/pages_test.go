package policy_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/policy/engine"
)

// console serves the pages over a real session of each account.
type console struct {
	*house
	server   *httptest.Server
	sessions *auth.Sessions
}

func newConsole(t *testing.T) *console {
	t.Helper()
	h := open(t, storetest.SQLite(t, slices.Concat(directory.Schema, auth.Schema, policy.Schema)...))
	accounts, err := auth.OpenAccounts(h.db, h.clock, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []auth.NewAccount{
		{ID: "tuan.da", PersonID: "p-tuan", AgencyID: "skhcn", Roles: []string{auth.RoleSteward}, Password: "mật khẩu rất dài 1", Demo: true},
		{ID: "yen.ph", PersonID: "p-yen", AgencyID: "stc", Roles: []string{auth.RoleRequester}, Password: "mật khẩu rất dài 2", Demo: true},
	} {
		_, err = accounts.Create(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
	}
	passkeys, err := auth.NewPasskeys(h.db, accounts, "localhost", []string{"https://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	sessions := auth.NewSessions(h.db, h.clock)
	site, err := web.New(web.Deps{
		Accounts: accounts, Sessions: sessions, Passkeys: passkeys, Directory: directory.New(h.db), Clock: h.clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = policy.RegisterPages(site, h.Service)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	c := &console{house: h, server: httptest.NewTLSServer(handler), sessions: sessions}
	t.Cleanup(c.server.Close)
	return c
}

func (c *console) get(t *testing.T, account, lang, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.sessions.Start(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: web.CookieSession, Value: token})
	request.AddCookie(&http.Cookie{Name: "antin-lang", Value: lang})
	answer, err := c.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(page)
}

func TestPagesOfSharingAnswerWhyInBothLanguages(t *testing.T) {
	c := newConsole(t)
	_, _, err := c.Decide(as(t.Context(), "tuan.da", "skhcn", auth.RoleSteward), engine.Query{
		Agency: "xa-tan-lap", Dataset: "enterprises", Purpose: "business-licensing", Operation: "query",
	})
	if err != nil {
		t.Fatal(err)
	}
	missing := regexp.MustCompile(`>[^<]*\b(sharing|nav|error)\.[a-z]+[a-z._]*`)
	for _, page := range []struct {
		name, path string
		vi, en     []string
	}{
		{"the map", "/sharing", []string{"Bản đồ chia sẻ thông tin", "Được chia sẻ", "Sở Tài chính", `"type":"heatmap"`}, []string{"Information-sharing map", "Department of Finance"}},
		{"a cell that is no", "/sharing/cell?agency=xa-tan-lap&dataset=enterprises", []string{"Chưa có thỏa thuận", "NĐ 194/2025", "Sở Tài chính"}, []string{"No agreement", "Propose an agreement"}},
		{"a cell that is yes", "/sharing/cell?agency=thue&dataset=enterprises", []string{"Được khai thác", "tt-enterprises-thue-1/1", "Vốn điều lệ", "Không cung cấp"}, []string{"Access is given", "Charter capital"}},
		{"a suspended cell", "/sharing/cell?agency=sct&dataset=enterprises", []string{"Tạm ngừng"}, []string{"suspended"}},
		{"a database", "/sharing/datasets/enterprises", []string{"Cá nhân nhạy cảm", "Thuế tỉnh", "Sở KH&amp;ĐT"}, []string{"Sensitive personal", "Provincial Tax Office"}},
		{"an agreement", "/sharing/agreements/tt-enterprises-thue-1/1", []string{"Mười hai nội dung", "Xử lý sau khi nhận", "/ledger/"}, []string{"The twelve items", "In force"}},
		{"a suspended agreement", "/sharing/agreements/tt-enterprises-sct-1/1", []string{"ngoài mục đích", "Tạm ngừng"}, []string{"Suspended"}},
		{"the access log", "/sharing/accesses", []string{"xa-tan-lap", "no-agreement", "Từ chối"}, []string{"Refused"}},
	} {
		for lang, wants := range map[string][]string{web.Vietnamese: page.vi, web.English: page.en} {
			status, text := c.get(t, "tuan.da", lang, page.path)
			if status != http.StatusOK {
				t.Errorf("%s, %s: status %d", page.name, lang, status)
				continue
			}
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("%s, %s: %q is missing", page.name, lang, want)
				}
			}
			if key := missing.FindString(text); key != "" {
				t.Errorf("%s, %s: a text is missing: %q", page.name, lang, key)
			}
		}
	}
}

func TestPagesOfSharingRefuseWhatIsNotThereOrNotAllowed(t *testing.T) {
	c := newConsole(t)
	for _, page := range []struct {
		name, account, path string
		want                int
	}{
		{"an agency nobody knows", "tuan.da", "/sharing/cell?agency=x&dataset=enterprises", http.StatusNotFound},
		{"a database nobody knows", "tuan.da", "/sharing/cell?agency=thue&dataset=" + url.QueryEscape("<script>"), http.StatusNotFound},
		{"another database nobody knows", "tuan.da", "/sharing/datasets/none", http.StatusNotFound},
		{"an agreement nobody made", "tuan.da", "/sharing/agreements/none/1", http.StatusNotFound},
		{"a version that is no number", "tuan.da", "/sharing/agreements/tt-enterprises-thue-1/x", http.StatusNotFound},
		{"the access log for a requester", "yen.ph", "/sharing/accesses", http.StatusForbidden},
		{"the map for a requester", "yen.ph", "/sharing", http.StatusOK},
	} {
		status, text := c.get(t, page.account, web.Vietnamese, page.path)
		if status != page.want || strings.Contains(text, "<script>alert") {
			t.Errorf("%s: status %d, want %d", page.name, status, page.want)
		}
	}
}
