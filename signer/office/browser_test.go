package office_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/office"
)

// envShots names a folder into which the browser test puts pictures of the
// pages, in both languages and on a desk and a phone.
const envShots = "ANTIN_SCREENSHOTS"

// stepTime bounds one step in the browser; two busy cores draw a page of a PDF
// in seconds.
const stepTime = 60 * time.Second

type (
	action = chromedp.Action[chromedp.Void]
	css    = chromedp.CSS
)

// browser is a real one with one window, in front of the pages of the office.
type browser struct {
	*console
	t   testing.TB
	ctx context.Context
	url string
}

func newBrowser(t testing.TB, c *console) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (apt install chromium): the test needs a real browser")
	}
	_, err = os.Stat(filepath.Join("..", "..", "internal", "web", "assets", "dist", "app.js"))
	if err != nil {
		t.Skip("the console's assets are not built (make assets): the test needs them")
	}
	srv := httptest.NewTLSServer(c.handler)
	t.Cleanup(srv.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("ignore-certificate-errors", true), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(stepTime))
	alloc, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	err = chromedp.Do(ctx)
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	err = chromedp.Listen(ctx, func(event any) {
		fault, ok := event.(*runtime.EventExceptionThrown)
		if ok {
			t.Errorf("script failed: %s %+v", fault.ExceptionDetails.Text, fault.ExceptionDetails.Exception)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &browser{console: c, t: t, ctx: ctx, url: srv.URL}
}

func (b *browser) run(what string, actions ...action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	if err != nil {
		body, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`)) // only helps the message
		b.t.Fatalf("%s: %v\n%s", what, err, body)
	}
}

// open opens a page, or one by the address that the browser is at with more
// behind it.
func (b *browser) open(path string) {
	b.t.Helper()
	b.run("open "+path, chromedp.Navigate(b.url+path), chromedp.WaitReady(css("#main")))
}

func (b *browser) here() string {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.pathname`))
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// become puts another person before the browser.
func (b *browser) become(role string) *visit {
	b.t.Helper()
	v := b.visitor(b.t, role, "vi")
	b.cookie(web.CookieSession, v.cookie)
	return v
}

func (b *browser) cookie(name, value string) {
	b.t.Helper()
	secure := true // __Host- cookies must be
	_, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.url, Path: "/", Secure: &secure})
	if err != nil {
		b.t.Fatal(err)
	}
}

// shots takes pictures of the present page in both languages and widths when
// somebody asked for them, and finds what does not fit.
func (b *browser) shots(name string, ready ...action) {
	b.t.Helper()
	dir, at := os.Getenv(envShots), b.here()
	for _, lang := range []string{"en", "vi"} {
		for _, width := range []int64{1280, 390} {
			if dir == "" && (lang == "en") != (width == 1280) {
				continue
			}
			b.cookie("antin-lang", lang)
			b.run("resize", chromedp.EmulateViewport(width, 900))
			b.open(at)
			b.run("ready", ready...)
			wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`))
			if err != nil || wide > 0 {
				b.t.Errorf("%s in %s at %d: %d pixels wider than the window, %v", name, lang, width, wide, err)
			}
			text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
			if key := untranslated.FindString(text); err != nil || key != "" {
				b.t.Errorf("%s in %s shows the key %q, %v", name, lang, key, err)
			}
			if dir == "" {
				continue
			}
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, lang, width)), picture, 0o600)
			}
			if err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.run("resize", chromedp.EmulateViewport(1280, 900))
}

func TestInABrowserADocumentGoesFromDraftToIssueByClicks(t *testing.T) {
	c := newConsole(t)
	file := filepath.Join(t.TempDir(), "chi-thi.pdf")
	err := os.WriteFile(file, draft(t, 0), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, c)
	b.become("drafter")
	b.cookie("antin-lang", "vi")
	b.open("/office")
	b.run("begin a draft", chromedp.Click(css(`a[href="/office/new"]`)), chromedp.WaitVisible(css(`input[name=file]`)))
	b.shots("draft")
	b.run("fill in the draft", chromedp.SetUploadFiles(css(`input[name=file]`), []string{file}), chromedp.SetUploadFiles(css(`input[name=attachment]`), []string{file}),
		chromedp.SetValue(css(`[name=kind]`), "CT"), chromedp.Evaluate[chromedp.Void](`document.querySelector("[name=signer]").selectedIndex = [...document.querySelectorAll("[name=signer] option")].findIndex((o) => o.text.includes("H0"))`),
		chromedp.SendKeys(css(`[name=abstract]`), "Về việc tăng cường ký số"), chromedp.Click(css(`form[enctype] button.primary`)), chromedp.WaitVisible(css(`.timeline`)))
	here := b.here()
	drawn := chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`))
	for _, step := range []struct{ role, do string }{{"head", "sign"}, {"clerk", "number"}, {"clerk", "seal"}} {
		who := b.become(step.role)
		b.open("/office")
		if step.do != "sign" {
			b.shots("list-" + step.do)
		}
		b.run("find the document", chromedp.Click(css(`a[href="`+here+`"]`)), drawn, chromedp.WaitVisible(css(`[name=code]`)))
		b.shots("document-"+step.do, drawn)
		b.run(step.do, chromedp.SendKeys(css(`[name=code]`), who.code(t)), chromedp.Click(css(`button.bind`)), chromedp.WaitNotPresent(css(`input[name=do][value=`+step.do+`]`)))
	}
	b.run("issue", chromedp.Click(css(`button[value=issue]`)), chromedp.WaitVisible(css(`button[value=extend]`)))
	b.shots("document-issued", drawn)
	doc, err := c.Get(as(t, subject("clerk", 0)), strings.TrimPrefix(here, "/office/document/"))
	if err != nil || doc.State != office.StateIssued || doc.Symbol != "01/CT-S0" {
		t.Errorf("the document is %+v, %v", doc, err)
	}
	end := c.pki.Clock.Now().AddDate(0, 0, 20)
	c.delegate(t, office.Delegation{AgencyID: agency(0), Form: office.FormTUQ, PersonID: person("drafter", 0), GrantorID: person("head", 0), Kinds: "TB GM", Decision: "05/QĐ-S0", ValidTo: &end})
	b.become("head")
	b.open("/office/delegations")
	b.shots("delegations")
	b.open("/office/expiring")
	b.shots("expiring")
}
