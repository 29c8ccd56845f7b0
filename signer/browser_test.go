package signer

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/validate"
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
}

func newBrowser(t testing.TB, c *console) *browser {
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
	b := &browser{t: t, ctx: ctx, url: c.url}
	// The first run starts the browser; its context must outlive a step.
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
		t.Fatalf("listen to the page: %v", err)
	}
	return b
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

// shots takes pictures of the present page when somebody asked for them.
func (b *browser) shots(name string, settle ...action) {
	b.t.Helper()
	dir := os.Getenv(envShots)
	if dir == "" {
		return
	}
	for _, width := range []int64{1280, 390} {
		b.resize(width)
		b.run("settle", append([]action{chromedp.Sleep(300 * time.Millisecond)}, settle...)...)
		if see(b, "measure", chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`)) {
			b.t.Errorf("%s is wider than a window of %d", name, width)
		}
		picture := see(b, "picture", chromedp.CaptureScreenshot())
		err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width)), picture, 0o600)
		if err != nil {
			b.t.Fatal(err)
		}
	}
	b.resize(1280)
}

func (b *browser) resize(width int64) {
	b.t.Helper()
	b.run("resize", chromedp.EmulateViewport(width, 900))
}

func (b *browser) language(lang string) {
	b.t.Helper()
	b.run("switch the language", script(fmt.Sprintf(`document.cookie = "antin-lang=%s; path=/; secure"`, lang)))
}

func TestInABrowserTheMarkIsDraggedTheDocumentSignedAndVerified(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	c := newConsole(t, w)
	b := newBrowser(t, c)
	pdf := testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf")
	b.logIn(c, "binh.nv")
	b.shots("list-empty-vi")
	b.upload(pdf)
	here := see(b, "where", chromedp.Evaluate[string](`location.pathname`))
	b.shots("document-vi")

	// The mark waits on the last page; typing another page moves it there.
	if page := b.number("page"); page != 6 {
		t.Errorf("the mark waits on page %v", page)
	}
	b.run("choose the page", chromedp.SetValue(css(`[name=page]`), "2"), script(`document.querySelector("[name=page]").dispatchEvent(new Event("input", {bubbles: true}))`),
		chromedp.WaitReady(css(`.page[data-page="2"] .mark`)), script(`document.querySelector(".mark").scrollIntoView({block: "center", behavior: "instant"})`),
		chromedp.WaitReady(css(`.page[data-page="2"][data-drawn]`)))
	x, y := b.number("x"), b.number("y")
	mark, page := b.box(".mark"), b.box(`.page[data-page="2"]`)
	mm := 210 / page.Width
	const dx, dy = -160, -90
	b.drag(mark.X+mark.Width/2, mark.Y+mark.Height/2, dx, dy)
	moved := b.box(".mark")
	if math.Abs(moved.X-mark.X-dx) > 2 || math.Abs(moved.Y-mark.Y-dy) > 2 {
		t.Errorf("the mark went from %+v to %+v", mark, moved)
	}
	if math.Abs(b.number("x")-(x+dx*mm)) > 0.5 || math.Abs(b.number("y")-(y+dy*mm)) > 0.5 || b.number("page") != 2 {
		t.Errorf("the form says page %v, %v, %v mm; it was %v, %v", b.number("page"), b.number("x"), b.number("y"), x, y)
	}
	b.shots("document-dragged-vi", script(`document.querySelector(".mark").scrollIntoView({block: "center", behavior: "instant"})`))
	wantX, wantY := b.number("x"), b.number("y")

	b.run("sign", chromedp.SendKeys(css(`[name=code]`), c.code(t, "binh.nv")), chromedp.Click(css(`button.bind`)),
		chromedp.WaitVisible(css(`[data-verdict="TOTAL-PASSED"]`)), chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
	b.shots("result-vi")
	doc, err := w.Document(as(t, binh), strings.TrimPrefix(here, "/sign/"))
	if err != nil || doc.ActID == "" {
		t.Fatalf("document %+v, %v", doc, err)
	}
	signed := read(t, w.signed(doc.ID))
	report, err := w.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), "x")
	if err != nil || report.Verdict != validate.Passed {
		t.Fatalf("got %+v, %v", report, err)
	}
	rect := report.Signatures[0].Rect
	if math.Abs(rect[0]*25.4/72-wantX) > 0.2 || math.Abs((841.9-rect[3])*25.4/72-wantY) > 0.4 || report.Signatures[0].Page != 1 {
		t.Errorf("the mark stands on page index %d at %v; the form said %v, %v mm", report.Signatures[0].Page, rect, wantX, wantY)
	}

	b.open("/verify")
	b.shots("verify-empty-vi")
	choose := func(path, verdict string) {
		b.run("choose the file", chromedp.SetUploadFiles(css(`[data-verify-form] input[type=file]`), []string{path}),
			chromedp.WaitVisible(css(`#verify-result [data-verdict="`+verdict+`"]`)), chromedp.WaitReady(css(`#verify-pages .page[data-page="1"][data-drawn]`)))
	}
	choose(w.signed(doc.ID), "TOTAL-PASSED")
	b.run("see the mark", chromedp.WaitReady(css(`.page[data-page="2"] .mark.ok`)),
		script(`document.querySelector(".mark").scrollIntoView({block: "center", behavior: "instant"})`), chromedp.WaitReady(css(`.page[data-page="2"][data-drawn]`)))
	mark, page = b.box(".mark.ok"), b.box(`.page[data-page="2"]`)
	if math.Abs((mark.X-page.X)*mm-wantX) > 1.5 || math.Abs((mark.Y-page.Y)*mm-wantY) > 1.5 {
		// The column of the page is as wide here as there only by chance.
		at := 210 / page.Width
		if math.Abs((mark.X-page.X)*at-wantX) > 1.5 || math.Abs((mark.Y-page.Y)*at-wantY) > 1.5 {
			t.Errorf("the green mark stands at %v, %v mm; signed at %v, %v", (mark.X-page.X)*at, (mark.Y-page.Y)*at, wantX, wantY)
		}
	}
	b.shots("verify-mark-vi", script(`document.querySelector(".mark").scrollIntoView({block: "center", behavior: "instant"})`))
	b.shots("verify-vi", script(`scrollTo(0, 0)`))

	tampered := filepath.Join(t.TempDir(), "da-sua.pdf")
	err = os.WriteFile(tampered, spoilReasonless(signed), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	choose(tampered, "TOTAL-FAILED")
	b.run("see the red mark", chromedp.WaitReady(css(`.page[data-page="2"] .mark.bad`)))
	b.shots("verify-tampered-vi", script(`scrollTo(0, 0)`))

	b.language("en")
	b.open("/verify")
	choose(w.signed(doc.ID), "TOTAL-PASSED")
	b.shots("verify-en", script(`scrollTo(0, 0)`))
	b.open("/sign")
	b.shots("list-en")
	b.upload(pdf)
	b.shots("document-en")
	b.open(here)
	b.run("wait", chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
	b.shots("result-en")
	b.language("vi")
	b.open("/sign")
	b.shots("list-vi")
}

// spoilReasonless changes one byte of the signature's dictionary that no page
// shows: the signing time.
func spoilReasonless(pdf []byte) []byte { return flip(pdf, []byte("/M (D:2"), 10) }

func TestInABrowserAPasskeyIsRegisteredAndSigns(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	c := newConsole(t, w)
	b := newBrowser(t, c)
	b.logIn(c, "binh.nv")
	_, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.open("/account")
	code, err := c.accounts.DemoCode(t.Context(), "binh.nv")
	if err != nil {
		t.Fatal(err)
	}
	b.run("register", chromedp.SendKeys(css(`input[name=code]`), code), chromedp.Click(css(`[data-passkey=register]`)), chromedp.WaitVisible(css(`.notice.ok`)))
	b.open("/sign")
	b.upload(testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"))
	b.run("sign with the passkey", chromedp.Click(css(`[data-passkey=assert]`)), chromedp.WaitVisible(css(`[data-verdict="TOTAL-PASSED"]`)))
	acts := w.acts(t)
	if len(acts) != 1 || acts[0].Factor != FactorPasskey || acts[0].State != StateReleased {
		t.Errorf("acts %+v", acts)
	}
}
