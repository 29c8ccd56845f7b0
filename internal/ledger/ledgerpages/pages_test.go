package ledgerpages_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/ledger/ledgerpages"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
)

// console serves the pages over a real ledger of three records and returns its
// address, a client who is signed in, and the ledger's folder.
func console(t *testing.T) (base string, client *http.Client, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	dir = t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir, Origin: "antin/test", Signer: key, Clock: clock.System{}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for _, e := range []ledger.Entry{
		{Kind: "sign.begin", Actor: "binh.nv", Object: "A1"},
		{Kind: "sign.release", Actor: "binh.nv", Agency: "ubnd", Object: "A1", Digest: strings.Repeat("ab", 32)},
		{Kind: "drill.score", Actor: "son.bh", Object: "dt-1", ExerciseID: "dt-1"},
	} {
		_, err = l.Append(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
	}
	db := storetest.SQLite(t, slices.Concat(directory.Schema, auth.Schema)...)
	accounts, err := auth.OpenAccounts(db, clock.System{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Create(t.Context(), auth.NewAccount{ID: "kiem.tv", Roles: []string{auth.RoleAuditor}, Password: "a long password", Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	passkeys, err := auth.NewPasskeys(db, accounts, "localhost", []string{"https://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	sessions := auth.NewSessions(db, clock.System{})
	site, err := web.New(web.Deps{Accounts: accounts, Sessions: sessions, Passkeys: passkeys, Directory: directory.New(db), Clock: clock.System{}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	err = ledgerpages.Register(site, l, dir)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	token, err := sessions.Start(t.Context(), "kiem.tv")
	if err != nil {
		t.Fatal(err)
	}
	client = server.Client()
	client.Jar, err = cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar.SetCookies(u, []*http.Cookie{{Name: web.CookieSession, Value: token, Path: "/", Secure: true}})
	return server.URL, client, dir
}

func get(t *testing.T, client *http.Client, address string) (int, string) {
	t.Helper()
	res, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestARecordIsShownWithItsProofVerified(t *testing.T) {
	base, client, dir := console(t)
	for _, lang := range []string{"vi", "en"} {
		status, page := get(t, client, base+"/ledger/1?lang="+lang)
		want := map[string]string{"vi": "Đã kiểm tra.", "en": "Verified."}[lang]
		if status != http.StatusOK || !strings.Contains(page, want) || !strings.Contains(page, strings.Repeat("ab", 32)) {
			t.Errorf("%s: status %d", lang, status)
		}
		if strings.Contains(page, ">ledger.") {
			t.Errorf("%s: a text is not translated", lang)
		}
	}
	status, text := get(t, client, base+"/ledger/1/proof.json")
	var proof ledger.Proof
	err := json.Unmarshal([]byte(text), &proof)
	if status != http.StatusOK || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	vkey, err := os.ReadFile(filepath.Join(dir, "ledger.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := ledger.VerifyProof(&proof, strings.TrimSpace(string(vkey)))
	if err != nil || entry.Kind != "sign.release" {
		t.Errorf("the downloaded proof: %+v, %v", entry, err)
	}
}

func TestTheListNamesTheActsAndMarksTheDrill(t *testing.T) {
	base, client, _ := console(t)
	status, page := get(t, client, base+"/ledger")
	for _, want := range []string{"Ký xong văn bản", "DIỄN TẬP", `href="/ledger/2"`} {
		if status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("status %d, the page lacks %q", status, want)
		}
	}
	_, page = get(t, client, base+"/ledger/2")
	if !strings.Contains(page, "exercise-banner") {
		t.Error("the record of a drill lacks the exercise frame")
	}
}

func TestWhatIsNotThereIsMissing(t *testing.T) {
	base, client, _ := console(t)
	for _, path := range []string{"/ledger/99", "/ledger/x", "/ledger/-1", "/ledger/99/proof.json"} {
		status, _ := get(t, client, base+path)
		if status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

func TestAnOutsiderCopiesTheTilesAndNothingElse(t *testing.T) {
	base, client, _ := console(t)
	client.Jar = nil
	get200 := func(path string) {
		status, _ := get(t, client, base+path)
		if status != http.StatusOK {
			t.Errorf("%s: status %d", path, status)
		}
	}
	get200("/tlog/checkpoint")
	get200("/tlog/ledger.vkey")
	for _, path := range []string{"/tlog/.state/treeState", "/tlog/tile/../.state/treeState", "/tlog/%2e%2e/"} {
		status, _ := get(t, client, base+path)
		if status == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
	_, page := get(t, client, base+"/ledger")
	if !strings.Contains(page, "/login") || strings.Contains(page, "sign.release") {
		t.Error("the list is open to anybody")
	}
}
