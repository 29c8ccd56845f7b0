package incident_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

// envScreenshots names a folder for pictures of the pages, taken with Chromium
// for people to look at.
const envScreenshots = "ANTIN_SCREENSHOTS"

func TestPicturesOfThePages(t *testing.T) {
	dir := os.Getenv(envScreenshots)
	if dir == "" {
		t.Skip("pictures are taken only when " + envScreenshots + " names a folder")
	}
	c := newConsole(t)
	empty := c.picture(t, dir, "mai.dn")
	empty("empty", "/incidents", 1280, 900)
	fill(t, c)
	lead := analystAs(t.Context(), "mai.dn", auth.RoleIncidentLead)
	for _, act := range []func() error{
		func() error {
			_, err := c.Comment(lead, "SC-2026-0001", "Đã cô lập máy 10.3.9.23, chờ xã xác nhận.")
			return err
		},
		func() error { _, err := c.Assign(lead, "SC-2026-0001", "dung.ht"); return err },
		func() error { _, err := c.Fulfil(lead, "SC-2026-0001", "first-notice", "12/TB-TTGSATTT"); return err },
	} {
		err := act()
		if err != nil {
			t.Fatal(err)
		}
	}
	take(t, c.bench, attack(t, "r4", "", 30*time.Hour))
	c.clock.Advance(25 * time.Hour)
	take(t, c.bench, attack(t, "r5", "", 80*time.Hour))
	_, err := c.Close(lead, "SC-2026-0003", incident.ReasonFalsePositive, "")
	if err != nil {
		t.Fatal(err)
	}
	take(t, c.bench, attack(t, "r6", "dt-1", 80*time.Hour))
	shoot := c.picture(t, dir, "mai.dn")
	for _, lang := range []string{"vi", "en"} {
		shoot("list-"+lang, "/incidents?state=all&lang="+lang, 1280, 900)
		shoot("list-phone-"+lang, "/incidents?state=all&lang="+lang, 390, 1700)
		shoot("case-"+lang, "/incidents/SC-2026-0002?lang="+lang, 1280, 2200)
		shoot("case-phone-"+lang, "/incidents/SC-2026-0001?lang="+lang, 390, 5200)
	}
	shoot("drills", "/incidents?exercise=any", 1280, 900)
	shoot("drill", "/incidents/DT-2026-0001", 1280, 1600)
	c.picture(t, dir, "kiem.tv")("case-auditor", "/incidents/SC-2026-0001", 1280, 2600)
}

// picture returns what takes a picture of a page as the account sees it. A
// frame of the wanted width stands for a phone: Chromium's own window has a
// least width.
func (c *console) picture(t *testing.T, dir, account string) func(name, path string, width, height int) {
	t.Helper()
	token, err := c.sessions.Start(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/incidents/events" {
			http.NotFound(w, r) // an open stream would keep the page from being done
			return
		}
		if r.URL.Path == "/frame" {
			_, _ = fmt.Fprintf(w, `<!doctype html><body style="margin:0"><iframe src="%s" style="border:0;width:%spx;height:100vh">`, r.FormValue("src"), r.FormValue("width"))
			return
		}
		r.AddCookie(&http.Cookie{Name: web.CookieSession, Value: token})
		c.handler.ServeHTTP(unframed{w}, r)
	}))
	t.Cleanup(srv.Close)
	return func(name, path string, width, height int) {
		t.Helper()
		page := srv.URL + path
		if width < 600 {
			page = srv.URL + "/frame?width=" + fmt.Sprint(width) + "&src=" + url.QueryEscape(path)
		}
		out, err := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
			"--disable-background-networking", "--hide-scrollbars", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=3000",
			"--screenshot="+filepath.Join(dir, name+".png"), fmt.Sprintf("--window-size=%d,%d", width, height), page).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// unframed lets the picture's frame hold the page, which the console forbids.
type unframed struct{ http.ResponseWriter }

func (u unframed) WriteHeader(status int) {
	u.Header().Del("Content-Security-Policy")
	u.ResponseWriter.WriteHeader(status)
}

func (u unframed) Write(b []byte) (int, error) {
	u.Header().Del("Content-Security-Policy")
	return u.ResponseWriter.Write(b)
}
