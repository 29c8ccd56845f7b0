package signer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// envShots names a folder into which the browser tests put pictures of the
// pages, in both languages and on a desk and a phone.
const envShots = "ANTIN_SCREENSHOTS"

// stepTime bounds one step in the browser; two busy cores draw a page of a PDF
// in seconds.
const stepTime = 60 * time.Second

type (
	action = chromedp.Action[chromedp.Void]
	css    = chromedp.CSS
)

// script runs a script in the page.
func script(text string) action { return chromedp.Evaluate[chromedp.Void](text) }

// see reads something from the page.
func see[T any](b *browser, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// browser is a real one with one window.
type browser struct {
	t   testing.TB
	ctx context.Context
	url string
	// lang and width are what the page is looked at in.
	lang  string
	width int64
}

func newBrowser(t testing.TB, url string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (apt install chromium): the test needs a real browser")
	}
	_, err = os.Stat(filepath.Join("..", "internal", "web", "assets", "dist", "app.js"))
	if err != nil {
		t.Skip("the console's assets are not built (make assets): the test needs them")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("ignore-certificate-errors", true), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(stepTime))
	alloc, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	b := &browser{t: t, ctx: ctx, url: url, lang: "vi", width: 1280}
	// The first run starts the browser; its context must outlive a step.
	err = chromedp.Do(ctx)
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	err = chromedp.Listen(ctx, func(event any) {
		switch fault := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("script failed: %s %+v", fault.ExceptionDetails.Text, fault.ExceptionDetails.Exception)
		case *log.EventEntryAdded:
			// What was refused on purpose is told by its status as well.
			if fault.Entry.Level == log.EntryLevelError && !strings.Contains(fault.Entry.Text, "422") {
				t.Errorf("the browser's console: %s %s", fault.Entry.Text, fault.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatalf("listen to the page: %v", err)
	}
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	if err != nil {
		t.Fatalf("listen to the console: %v", err)
	}
	return b
}

// authenticator gives the browser one that always agrees.
func (b *browser) authenticator() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{})
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		b.t.Fatal(err)
	}
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

func (b *browser) open(path string) {
	b.t.Helper()
	b.run("open "+path, chromedp.Navigate(b.url+path), chromedp.WaitReady(css("#main")))
}

func (b *browser) logIn(c *console, account string) {
	b.t.Helper()
	b.open("/login?next=/sign")
	b.run("log in", chromedp.SetValue(css(`[name=account]`), account), chromedp.SetValue(css(`[name=password]`), password),
		chromedp.SendKeys(css(`[name=code]`), c.code(b.t, account)), chromedp.Click(css(`form[action="/login"] button.primary`)),
		chromedp.WaitVisible(css(`form[action="/sign"]`)))
}

// upload brings the directive and waits until its first page is drawn.
func (b *browser) upload(path string) {
	b.t.Helper()
	b.run("upload", chromedp.SetUploadFiles(css(`form[action="/sign"] input[type=file]`), []string{path}), chromedp.Click(css(`form[action="/sign"] button.primary`)),
		chromedp.WaitReady(css(`[data-sign-form][data-ready]`)), chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
}

type box struct{ X, Y, Width, Height float64 }

func (b *browser) box(selector string) box {
	b.t.Helper()
	return see(b, "measure "+selector, chromedp.Evaluate[box](fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return {X: r.x, Y: r.y, Width: r.width, Height: r.height}; })()`, selector)))
}

func (b *browser) number(name string) float64 {
	b.t.Helper()
	text := see(b, "read "+name, chromedp.Value(css(`[name=`+name+`]`)))
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.t.Fatalf("field %s: %v", name, err)
	}
	return v
}

// drag moves what is at a place by a distance, as a hand does.
func (b *browser) drag(x, y, dx, dy float64) {
	b.t.Helper()
	const steps = 12
	actions := []action{chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseEvent(chromedp.MousePressed, x, y, chromedp.ButtonLeft)}
	for i := 1; i <= steps; i++ {
		part := float64(i) / steps
		actions = append(actions, chromedp.MouseEvent(chromedp.MouseMoved, x+dx*part, y+dy*part, chromedp.ButtonLeft))
	}
	b.run("drag", append(actions, chromedp.MouseEvent(chromedp.MouseReleased, x+dx, y+dy, chromedp.ButtonLeft))...)
}

// shot looks at the present page and takes a picture of it when somebody asked
// for one.
func (b *browser) shot(name string, settle ...action) {
	b.t.Helper()
	b.run("settle", settle...)
	b.basics(name)
	dir := os.Getenv(envShots)
	if dir == "" {
		return
	}
	// A picture is taken of what stands still.
	b.run("stand still", script(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`))
	picture := see(b, "picture", chromedp.CaptureScreenshot())
	err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, b.lang, b.width)), picture, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
}

// as gives the browser a language and a width, as another person's would have.
func (b *browser) as(lang string, width int64) {
	b.t.Helper()
	b.lang, b.width = lang, width
	b.run("resize", chromedp.EmulateViewport(width, 900))
	b.open("/verify")
	b.run("switch the language", script(fmt.Sprintf(`document.cookie = "antin-lang=%s; path=/; secure"`, lang)))
}

// basics is what is wrong with the page for whoever reads it with other means
// than eyes and a mouse, or on a phone (WCAG 2.2: 1.3.1, 1.4.3, 1.4.10, 2.4.3,
// 3.1.1, 4.1.2).
const basics = `(() => {
	const wrong = [];
	const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && e.getBoundingClientRect().width > 1;
	const say = (what, e) => wrong.push(what + ": " + e.outerHTML.slice(0, 120));
	if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window: " + document.documentElement.scrollWidth);
	if (!document.documentElement.lang) wrong.push("no language");
	if (document.querySelectorAll("h1").length !== 1) wrong.push("headings of the first order: " + document.querySelectorAll("h1").length);
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("id twice: " + id);
	for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) say("order of focus", e);
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) if (seen(e) && !e.labels.length && !e.ariaLabel) say("no label", e);
	for (const e of document.querySelectorAll("a[href], button, [role=img]")) if (seen(e) && !(e.textContent.trim() || e.ariaLabel)) say("no name", e);
	for (const e of document.querySelectorAll("img:not([alt])")) say("no alternative text", e);
	const colour = (text) => { const n = text.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
	const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const ground = (e) => { for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (const done = new Set(); walk.nextNode();) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || done.has(e) || e.closest(".page, script, option, :disabled") || !seen(e)) continue;
		done.add(e);
		const style = getComputedStyle(e), size = parseFloat(style.fontSize);
		const [a, b] = [light(colour(style.color).slice(0, 3)), light(ground(e).slice(0, 3))].sort((x, y) => y - x);
		if ((a + .05) / (b + .05) < (size >= 24 || size >= 18.7 && style.fontWeight >= 700 ? 3 : 4.5)) say("contrast " + ((a + .05) / (b + .05)).toFixed(1), e);
	}
	return wrong;
})()`

// basics looks at the present page.
func (b *browser) basics(name string) {
	b.t.Helper()
	for _, wrong := range see(b, "look at the basics", chromedp.Evaluate[[]string](basics)) {
		b.t.Errorf("%s in %s at %d pixels: %s", name, b.lang, b.width, wrong)
	}
}
