package signer

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/web/browsertest"
)

type (
	action = browsertest.Action
	css    = browsertest.CSS
)

// browser is a real one with one window.
type browser struct{ *browsertest.Browser }

func newBrowser(t testing.TB, url string) *browser {
	t.Helper()
	return &browser{browsertest.Start(t, url, "/verify")}
}

func script(text string) action { return browsertest.Script(text) }

// see reads something from the page.
func see[T any](b *browser, what string, a chromedp.Action[T]) T {
	b.T.Helper()
	return browsertest.See(b.Browser, what, a)
}

func (b *browser) logIn(c *console, account string) {
	b.T.Helper()
	b.Open("/login?next=/sign")
	b.Run("log in", chromedp.SetValue(css(`[name=account]`), account), chromedp.SetValue(css(`[name=password]`), password),
		chromedp.SendKeys(css(`[name=code]`), c.code(b.T, account)), chromedp.Click(css(`form[action="/login"] button.primary`)),
		chromedp.WaitVisible(css(`form[action="/sign"]`)))
}

// upload brings the directive and waits until its first page is drawn.
func (b *browser) upload(path string) {
	b.T.Helper()
	b.Run("upload", chromedp.SetUploadFiles(css(`form[action="/sign"] input[type=file]`), []string{path}), chromedp.Click(css(`form[action="/sign"] button.primary`)),
		chromedp.WaitReady(css(`[data-sign-form][data-ready]`)), chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
}
