// Package browsertest drives a real browser (headless Chromium) over the
// console's pages in tests: in both languages, on a desk and a phone, with a
// passkey, and with a look at what makes a page hard to use.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/testkit"
)

// EnvShots names a folder into which the browser tests put pictures of the
// pages, in both languages and on a desk and a phone.
const EnvShots = "ANTIN_SCREENSHOTS"

// stepTime bounds one step in the browser; two busy cores draw a page of a PDF
// in seconds.
const stepTime = 60 * time.Second

type (
	// Action is a step that gives nothing back.
	Action = chromedp.Action[chromedp.Void]
	// CSS is a selector.
	CSS = chromedp.CSS
)

// Script runs a script in the page.
func Script(text string) Action { return chromedp.Evaluate[chromedp.Void](text) }

// See reads something from the page.
func See[T any](b *Browser, what string, a chromedp.Action[T]) T {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.T.Fatalf("%s: %v", what, err)
	}
	return v
}

// Browser is a real one with one window.
type Browser struct {
	// T is the test that a fault belongs to.
	T   testing.TB
	ctx context.Context
	// URL is the console's address, Home a page for everybody.
	URL, Home string
	// Lang and Width are what the page is looked at in.
	Lang  string
	Width int64
}

// Start starts a browser, or skips the test where there is none. home is a page
// for everybody.
func Start(t testing.TB, url, home string) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (apt install chromium): the test needs a real browser")
	}
	_, err = os.Stat(filepath.Join(testkit.Root(t), "internal", "web", "assets", "dist", "app.js"))
	if err != nil {
		t.Skip("the console's assets are not built (make assets): the test needs them")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("ignore-certificate-errors", true), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(stepTime))
	alloc, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	b := &Browser{T: t, ctx: ctx, URL: url, Home: home, Lang: "vi", Width: 1280}
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
			// A page that was refused on purpose is told by its status as well.
			page := !strings.HasSuffix(fault.Entry.URL, ".js") && !strings.HasSuffix(fault.Entry.URL, ".css")
			refused := page && slices.ContainsFunc([]string{"400", "404", "422"}, func(status string) bool { return strings.Contains(fault.Entry.Text, "status of "+status) })
			if fault.Entry.Level == log.EntryLevelError && !refused {
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

// Authenticator gives the browser one that always agrees.
func (b *Browser) Authenticator() {
	b.T.Helper()
	_, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{})
	if err != nil {
		b.T.Fatal(err)
	}
	_, err = chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		b.T.Fatal(err)
	}
}

// Run takes steps; what they are for stands in the message when one fails.
func (b *Browser) Run(what string, actions ...Action) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	if err != nil {
		body, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`)) // only helps the message
		b.T.Fatalf("%s: %v\n%s", what, err, body)
	}
}

// Open opens a page and waits for it.
func (b *Browser) Open(path string) {
	b.T.Helper()
	b.Run("open "+path, chromedp.Navigate(b.URL+path), chromedp.WaitReady(CSS("#main")))
}

// Box is where an element stands, in pixels of the window.
type Box struct{ X, Y, Width, Height float64 }

// Box measures the first element of a selector.
func (b *Browser) Box(selector string) Box {
	b.T.Helper()
	return See(b, "measure "+selector, chromedp.Evaluate[Box](fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return {X: r.x, Y: r.y, Width: r.width, Height: r.height}; })()`, selector)))
}

// Number reads a field with a number in it.
func (b *Browser) Number(name string) float64 {
	b.T.Helper()
	text := See(b, "read "+name, chromedp.Value(CSS(`[name=`+name+`]`)))
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.T.Fatalf("field %s: %v", name, err)
	}
	return v
}

// Drag moves what is at a place by a distance, as a hand does.
func (b *Browser) Drag(x, y, dx, dy float64) {
	b.T.Helper()
	const steps = 12
	actions := []Action{chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseEvent(chromedp.MousePressed, x, y, chromedp.ButtonLeft)}
	for i := 1; i <= steps; i++ {
		part := float64(i) / steps
		actions = append(actions, chromedp.MouseEvent(chromedp.MouseMoved, x+dx*part, y+dy*part, chromedp.ButtonLeft))
	}
	b.Run("drag", append(actions, chromedp.MouseEvent(chromedp.MouseReleased, x+dx, y+dy, chromedp.ButtonLeft))...)
}

// Shot looks at the present page and takes a picture of it when somebody asked
// for one.
func (b *Browser) Shot(name string, settle ...Action) {
	b.T.Helper()
	b.Run("settle", settle...)
	b.Basics(name)
	dir := os.Getenv(EnvShots)
	if dir == "" {
		return
	}
	// A picture is taken of what stands still.
	b.Run("stand still", Script(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`))
	picture := See(b, "picture", chromedp.CaptureScreenshot())
	err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, b.Lang, b.Width)), picture, 0o600)
	if err != nil {
		b.T.Fatal(err)
	}
}

// As gives the browser a language and a width, as another person's would have.
func (b *Browser) As(lang string, width int64) {
	b.T.Helper()
	b.Lang, b.Width = lang, width
	b.Run("resize", chromedp.EmulateViewport(width, 900))
	b.Open(b.Home)
	b.Run("switch the language", Script(fmt.Sprintf(`document.cookie = "antin-lang=%s; path=/; secure"`, lang)))
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

// Basics looks at the present page.
func (b *Browser) Basics(name string) {
	b.T.Helper()
	for _, wrong := range See(b, "look at the basics", chromedp.Evaluate[[]string](basics)) {
		b.T.Errorf("%s in %s at %d pixels: %s", name, b.Lang, b.Width, wrong)
	}
}
