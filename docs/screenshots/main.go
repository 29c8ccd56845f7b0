// Command screenshots takes the pictures of the console that stand in
// docs/images: nine pages in two languages, on a desk and on a phone, from a
// running demonstration on which `antin demo` has run.
//
//	go run ./docs/screenshots --data data --out docs/images
//	go run ./docs/screenshots --data data --out /tmp/look --as thu.vt --visit /ca,/ca/reorg
//
// The second form takes pictures of any pages, as one person sees them.
//
// It signs in as the people of the demonstration with the first credentials
// and the codes of `antin account code`, and drives Chromium as they would. It
// is no test: it does not judge what it sees.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/config"
)

// stepTime bounds one page; a busy machine draws a page of a PDF in seconds.
const stepTime = 60 * time.Second

// maxPages is how far back in the ledger a record is looked for.
const maxPages = 20

// settle lets fonts, charts and transitions come to rest.
const settle = 1500 * time.Millisecond

// sizes are the widths that the console is made for, with a window's height.
var sizes = []struct{ width, height int64 }{{1280, 900}, {390, 844}}

var errNothing = errors.New("the page has no such link; has `antin demo` run?")

type (
	action = chromedp.Action[chromedp.Void]
	css    = chromedp.CSS
)

// camera drives one browser against one system.
type camera struct {
	url, data, antin, out string
	directive, sealed     string
}

// picture is one page as one person sees it.
type picture struct {
	name, account string
	// open leads to the page; it runs for each size and language.
	open func(ctx context.Context) error
}

func main() {
	data := flag.String("data", config.DefaultDataDir(), "data folder of the running demonstration")
	out := flag.String("out", "docs/images", "folder for the pictures")
	antin := flag.String("antin", "bin/antin", "the program, for the codes of the second factor")
	only := flag.String("only", "", "take the pictures of this page alone")
	as := flag.String("as", "", "account for --visit")
	visit := flag.String("visit", "", "take pictures of these paths instead, separated by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *data, *out, *antin, *only, *as, *visit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data, out, antin, only, as, visit string) error {
	cfg, err := config.Load(data, os.Environ())
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(cfg.Console.Listen)
	if err != nil {
		return err
	}
	c := &camera{url: "https://localhost:" + port, data: data, antin: antin, out: out}
	if visit != "" {
		return c.visitAll(ctx, as, strings.Split(visit, ","))
	}
	c.directive, err = newest(data, "chi-thi.pdf")
	if err != nil {
		return err
	}
	c.sealed, err = newest(data, "chi-thi.sealed.pdf")
	if err != nil {
		return err
	}
	err = os.MkdirAll(out, 0o755)
	if err != nil {
		return err
	}
	for _, p := range c.pictures() {
		if only != "" && only != p.name {
			continue
		}
		err = c.take(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// visitAll takes pictures of pages, named by their paths.
func (c *camera) visitAll(ctx context.Context, account string, paths []string) error {
	err := os.MkdirAll(c.out, 0o755)
	if err != nil {
		return err
	}
	var all []picture
	for _, path := range paths {
		name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path), "-")
		all = append(all, picture{name, account, func(ctx context.Context) error { return c.visit(ctx, path) }})
	}
	return c.take(ctx, all...)
}

// newest is the file of the last run of `antin demo`.
func newest(data, name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(data, "demo-*", name))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("no %s in %s: run `antin demo` first", name, data)
	}
	return filepath.Abs(found[len(found)-1])
}

func (c *camera) pictures() []picture {
	return []picture{
		{"sign", "binh.nv", c.openSign},
		{"verify", "", c.openVerify},
		{"office-document", "binh.nv", c.openOffice},
		{"office", "binh.nv", func(ctx context.Context) error { return c.visit(ctx, "/office") }},
		{"office-delegations", "binh.nv", func(ctx context.Context) error { return c.visit(ctx, "/office/delegations") }},
		{"incidents", "mai.dn", c.follow("/incidents", `#main a[href^="/incidents/SC-"]`)},
		{"drill", "son.bh", c.follow("/drills", `#main a[href^="/drills/dt-"]`)},
		{"sharing", "tuan.da", func(ctx context.Context) error { return c.visit(ctx, "/sharing") }},
		{"ledger", "kiem.tv", c.openRecord},
	}
}

// take opens a browser of its own for the pictures of one account, so that
// nothing of another person's session is in them.
func (c *camera) take(ctx context.Context, pictures ...picture) error {
	profile, err := os.MkdirTemp("", "antin-screenshots-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(profile) }()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(stepTime))
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	defer end()
	ctx, closing := chromedp.NewContext(ctx)
	defer closing()
	err = chromedp.Do(ctx)
	if err != nil {
		return fmt.Errorf("start the browser: %w", err)
	}
	account := pictures[0].account
	if account != "" {
		err = c.signIn(ctx, account)
		if err != nil {
			return fmt.Errorf("sign in as %s: %w", account, err)
		}
	}
	for _, p := range pictures {
		err = c.shootAll(ctx, p)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *camera) shootAll(ctx context.Context, p picture) error {
	for _, lang := range []string{"vi", "en"} {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%s-%d.png", p.name, lang, size.width)
			err := c.shoot(ctx, p, lang, size.width, size.height, filepath.Join(c.out, name))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (c *camera) shoot(ctx context.Context, p picture, lang string, width, height int64, path string) error {
	err := do(ctx, chromedp.EmulateViewport(width, height))
	if err != nil {
		return err
	}
	err = c.language(ctx, lang)
	if err != nil {
		return err
	}
	err = p.open(ctx)
	if err != nil {
		return err
	}
	err = do(ctx, chromedp.Sleep(settle))
	if err != nil {
		return err
	}
	content, err := read(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	content, err = shrink(content)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d KB\n", path, len(content)/1024)
	return os.WriteFile(path, content, 0o644)
}

// language sets the console's cookie, as its switch does.
func (c *camera) language(ctx context.Context, lang string) error {
	_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: "antin-lang", Value: lang, URL: c.url})
	return err
}

func (c *camera) visit(ctx context.Context, path string) error {
	return do(ctx, chromedp.Navigate(c.url+path), chromedp.WaitReady(css("#main")))
}

// follow opens a list and then the first of its entries.
func (c *camera) follow(list, link string) func(context.Context) error {
	return func(ctx context.Context) error {
		err := c.visit(ctx, list)
		if err != nil {
			return err
		}
		path, err := read(ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.getAttribute("href") ?? ""`, link)))
		if err != nil {
			return err
		}
		if path == "" {
			return fmt.Errorf("%s: %w", list, errNothing)
		}
		return c.visit(ctx, path)
	}
}

// openRecord opens the record of the newest signature: the one that the
// document's list of acts would lead to.
func (c *camera) openRecord(ctx context.Context) error {
	err := c.visit(ctx, "/ledger")
	for page := 0; err == nil && page < maxPages; page++ {
		var path string
		path, err = read(ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("#main tr")].filter(r => /Ký xong văn bản|Document signed/.test(r.textContent)).map(r => r.querySelector('a[href^="/ledger/"]').getAttribute("href"))[0] ?? ""`))
		if err != nil {
			return err
		}
		if path != "" {
			return c.visit(ctx, path)
		}
		path, err = read(ctx, chromedp.Evaluate[string](`document.querySelector('#main a[href^="/ledger?"]')?.getAttribute("href") ?? ""`))
		if err == nil && path == "" {
			return errNothing
		}
		if err == nil {
			err = c.visit(ctx, path)
		}
	}
	if err == nil {
		return errNothing
	}
	return err
}

func (c *camera) openSign(ctx context.Context) error {
	err := c.visit(ctx, "/sign")
	if err != nil {
		return err
	}
	return do(ctx, chromedp.SetUploadFiles(css(`form[action="/sign"] input[type=file]`), []string{c.directive}), chromedp.Click(css(`form[action="/sign"] button.primary`)),
		chromedp.WaitReady(css(`[data-sign-form][data-ready]`)), chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
}

// drawn waits until the first page of the document is drawn.
func (c *camera) drawn(ctx context.Context) error {
	return do(ctx, chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
}

func (c *camera) openVerify(ctx context.Context) error {
	err := c.visit(ctx, "/verify")
	if err != nil {
		return err
	}
	// Choosing a file is enough: the page sends it by itself.
	return do(ctx, chromedp.SetUploadFiles(css(`form[action="/verify"] input[type=file]`), []string{c.sealed}), chromedp.WaitVisible(css(`#verify-result :not(:empty)`)),
		chromedp.WaitReady(css(`#verify-pages .page[data-drawn]`)))
}

func (c *camera) signIn(ctx context.Context, account string) error {
	password, err := c.password(account)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, c.antin, "account", "code", account, "--data", c.data).Output()
	if err != nil {
		return fmt.Errorf("code of %s: %w", account, err)
	}
	err = c.visit(ctx, "/login?next=/account")
	if err != nil {
		return err
	}
	return do(ctx, chromedp.SetValue(css(`[name=account]`), account), chromedp.SetValue(css(`[name=password]`), password),
		chromedp.SendKeys(css(`[name=code]`), strings.TrimSpace(string(out))), chromedp.Click(css(`form[action="/login"] button.primary`)),
		chromedp.WaitReady(css(`form[action="/logout"]`)))
}

func (c *camera) password(account string) (string, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "first-credentials.txt"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == account {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("no first credentials of %s", account)
}

func do(ctx context.Context, actions ...action) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

func read[T any](ctx context.Context, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return chromedp.Run(ctx, a)
}
