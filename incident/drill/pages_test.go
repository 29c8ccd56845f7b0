package drill_test

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
)

const password = "đúng mật khẩu"

// console serves the drill pages to real sessions.
type console struct {
	*rig
	server   *httptest.Server
	accounts *auth.Accounts
}

func newConsole(t *testing.T) *console {
	t.Helper()
	db := storetest.SQLite(t, append(schema(), auth.Schema...)...)
	c := &console{rig: newRig(t, db, clock.NewFake(start), noPackets{})}
	var err error
	c.accounts, err = auth.OpenAccounts(db, clock.System{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []auth.NewAccount{
		{ID: "son.bh", PersonID: "p-son", AgencyID: "ttgsattt", Roles: []string{auth.RoleDrillPlanner}},
		{ID: "hang.nt", PersonID: "p-hang", AgencyID: "ttgsattt", Roles: []string{auth.RoleDrillLead}},
		{ID: "long.cd", PersonID: "p-long", AgencyID: "xa-tan-lap", Roles: []string{auth.RoleOfficial}},
	} {
		a.Password, a.Demo = password, true
		_, err = c.accounts.Create(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
	}
	passkeys, err := auth.NewPasskeys(db, c.accounts, "localhost", []string{"https://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	dir := directory.New(db)
	site, err := web.New(web.Deps{
		Accounts: c.accounts, Sessions: auth.NewSessions(db, clock.System{}), Passkeys: passkeys, Directory: dir,
		Clock: clock.System{}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = drill.RegisterPages(site, c.Service, drill.PageDeps{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	c.server = httptest.NewTLSServer(handler)
	t.Cleanup(c.server.Close)
	return c
}

// browser is one person's signed-in browser.
type browser struct {
	t    *testing.T
	c    *console
	http *http.Client
}

func (c *console) signIn(t *testing.T, account string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, c: c, http: &http.Client{Transport: c.server.Client().Transport, Jar: jar}}
	code, err := c.accounts.DemoCode(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := b.post("/login", "account", account, "password", password, "code", code)
	if status != http.StatusOK {
		t.Fatalf("signing in gave %d", status)
	}
	return b
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	res, err := b.http.Get(b.c.server.URL + path)
	return b.read(res, err)
}

func (b *browser) post(path string, pairs ...string) (int, string) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	res, err := b.http.PostForm(b.c.server.URL+path, form)
	return b.read(res, err)
}

func (b *browser) read(res *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

var bareKey = regexp.MustCompile(`drills\.[a-z.]+`)

// look checks what every page of a drill must have in both languages.
func (b *browser) look(name, path string) string {
	b.t.Helper()
	var vietnamese string
	for _, lang := range []string{"en", "vi"} {
		status, page := b.get(path + "?lang=" + lang)
		if status != http.StatusOK || !strings.Contains(page, `<html lang="`+lang+`">`) || !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
			b.t.Fatalf("%s in %s: status %d", path, lang, status)
		}
		if !strings.Contains(page, "exercise-banner") || !strings.Contains(page, map[string]string{"vi": "DIỄN TẬP", "en": "EXERCISE"}[lang]) {
			b.t.Errorf("%s in %s has no exercise frame", path, lang)
		}
		if key := bareKey.FindString(page); key != "" {
			b.t.Errorf("%s in %s shows the key %s", path, lang, key)
		}
		if dir := os.Getenv("ANTIN_TEST_KEEP"); dir != "" {
			err := os.WriteFile(filepath.Join(dir, name+"-"+lang+".html"), []byte(page), 0o600)
			if err != nil {
				b.t.Fatal(err)
			}
		}
		vietnamese = page
	}
	return vietnamese
}

func TestADrillIsRunFromItsPages(t *testing.T) {
	c := newConsole(t)
	planner, approver, player := c.signIn(t, "son.bh"), c.signIn(t, "hang.nt"), c.signIn(t, "long.cd")
	planner.look("drills-empty", "/drills")
	status, page := planner.post("/drills", "scenario", "ransomware-commune")
	if status != http.StatusOK || !strings.Contains(page, "Chờ phê duyệt") || !strings.Contains(page, "dt-") {
		t.Fatalf("planning gave %d", status)
	}
	id := regexp.MustCompile(`dt-\d{8}-[0-9a-f]{8}`).FindString(page)
	status, page = planner.post("/drills/" + id + "/approve")
	if status != http.StatusForbidden || !strings.Contains(page, "Người lập không được tự phê duyệt") {
		t.Errorf("the planner's approval gave %d", status)
	}
	status, _ = approver.post("/drills/" + id + "/approve")
	if status != http.StatusOK {
		t.Errorf("approving gave %d", status)
	}
	status, page = planner.post("/drills/" + id + "/start")
	if status != http.StatusOK || !strings.Contains(page, "DỪNG") || !strings.Contains(page, "Tạm dừng") {
		t.Errorf("starting gave %d", status)
	}
	c.clock.Advance(20 * time.Second)
	tick(t, c.rig)
	c.Wait()
	page = planner.look("drill-running", "/drills/"+id)
	for _, want := range []string{"00:00:20", "Không phát được:", "long.cd@demo.antin.example", `data-live="/drills/` + id + `/events"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the board lacks %q", want)
		}
	}
	status, page = player.get("/drills/" + id)
	if status != http.StatusForbidden || strings.Contains(page, "Gói tin của cuộc tấn công") {
		t.Errorf("a player opened the board: %d", status)
	}
	page = player.look("drill-player", "/drills")
	if !strings.Contains(page, "Đơn vị đã cô lập những máy nào") || strings.Contains(page, "Lập diễn tập") {
		t.Error("the player does not see the question alone")
	}
	status, page = player.post("/drills/"+id+"/answer/question", "answer", "Đã cô lập <máy> 10.3.9.23")
	if status != http.StatusOK || !strings.Contains(page, "Đã cô lập &lt;máy&gt; 10.3.9.23") {
		t.Errorf("answering gave %d", status)
	}
	for _, step := range []struct{ act, want string }{{"pause", "Đồng hồ diễn tập đang dừng"}, {"resume", "Đang chạy"}, {"stop", "Đã dừng"}, {"score", "10/10"}, {"report", "Tải báo cáo đã ký, lần 1"}} {
		status, page = planner.post("/drills/" + id + "/" + step.act)
		if status != http.StatusOK || !strings.Contains(page, step.want) {
			t.Errorf("%s gave %d, or lacks %q", step.act, status, step.want)
		}
	}
	status, page = planner.post("/drills/" + id + "/pause")
	if status != http.StatusConflict || !strings.Contains(page, "trạng thái khác") {
		t.Errorf("pausing what is over gave %d", status)
	}
	planner.look("drill-scored", "/drills/"+id)
	planner.look("drills", "/drills")
	status, pdf := planner.get("/drills/" + id + "/report.pdf")
	if status != http.StatusOK || !strings.HasPrefix(pdf, "%PDF-") {
		t.Errorf("the report gave %d", status)
	}
	for path, want := range map[string]int{"/drills/none": 404, "/drills/" + id + "/report.pdf?seq=x": 422, "/drills/" + id + "/report.pdf?seq=9": 404} {
		status, _ = planner.get(path)
		if status != want {
			t.Errorf("%s gave %d, want %d", path, status, want)
		}
	}
	status, _ = planner.post("/drills", "scenario", "../../x")
	if status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown scenario gave %d", status)
	}
}

func TestALiveBoardHearsOfAChange(t *testing.T) {
	c := newConsole(t)
	d := running(t, c.rig, paperDrill)
	planner := c.signIn(t, "son.bh")
	res, err := planner.http.Get(c.server.URL + "/drills/" + d.ID + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("content type %q", res.Header.Get("Content-Type"))
	}
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		scan := bufio.NewScanner(res.Body)
		for scan.Scan() {
			lines <- scan.Text()
		}
	}()
	tick(t, c.rig)
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line := <-lines:
			if line == "data: changed" {
				return
			}
		case <-deadline:
			t.Fatal("the board heard nothing within 10 s")
		}
	}
}
