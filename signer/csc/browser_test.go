package csc_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/internal/web/browsertest"
	"github.com/antin-gov/antin/signer/csc"
	"github.com/antin-gov/antin/signer/csc/client"
	"github.com/antin-gov/antin/signer/pades"
)

// desktop is a person's browser between a program and the console.
type desktop struct {
	*world
	*browsertest.Browser
	program  string      // its address of return
	answered chan string // the queries that came back to it
}

// desktop starts a console that speaks TLS, as passkeys want it, and a program.
func (w *world) desktop(t *testing.T) *desktop {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := &desktop{world: w, answered: make(chan string, 1)}
	program := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			return
		}
		d.answered <- r.URL.RawQuery
		_, _ = io.WriteString(rw, `<!doctype html><html lang="vi"><title>Soạn thảo</title><main id="main"><h1>Đã nhận</h1></main></html>`)
	}))
	t.Cleanup(program.Close)
	d.program = program.URL + "/callback"
	address := "https://localhost:" + port
	w.passkeys, err = auth.NewPasskeys(w.db, w.accounts, "localhost", []string{address})
	if err != nil {
		t.Fatal(err)
	}
	w.start(t, map[string][]string{"soan-thao": {d.program}})
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	site, err := web.New(web.Deps{Accounts: w.accounts, Sessions: w.sessions, Passkeys: w.passkeys, Directory: directory.New(w.db), Clock: w.pki.Clock, Logger: quiet})
	if err == nil {
		err = csc.RegisterPages(site, w.server)
	}
	if err != nil {
		t.Fatal(err)
	}
	handler, err := site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(handler)
	_ = srv.Listener.Close()
	srv.Listener, srv.TLS = listener, &tls.Config{MinVersion: tls.VersionTLS12}
	srv.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	d.Browser = browsertest.Start(t, address, "/login")
	return d
}

// ask opens what a program leads its user to.
func (d *desktop) ask(change map[string]string) {
	d.T.Helper()
	with := map[string]string{"redirect_uri": d.program}
	for name, value := range change {
		with[name] = value
	}
	d.Open(query(with))
}

// hashes are digests as the address of an authorization has them.
func hashes(list [][]byte) map[string]string {
	var text []string
	for _, d := range list {
		text = append(text, base64url(d))
	}
	return map[string]string{"scope": "credential", "credentialID": "binh-rsa", "numSignatures": fmt.Sprint(len(list)), "hashes": strings.Join(text, ","), "description": "Chỉ thị về chuyển đổi số"}
}

// back is what the program was answered.
func (d *desktop) back() url.Values {
	d.T.Helper()
	select {
	case text := <-d.answered:
		q, err := url.ParseQuery(text)
		if err != nil {
			d.T.Fatal(err)
		}
		return q
	case <-time.After(30 * time.Second):
		d.T.Fatal("the program was not answered")
		return nil
	}
}

func (d *desktop) logIn(account, next string) {
	d.T.Helper()
	d.Run("log in", chromedp.SetValue(browsertest.CSS(`[name=account]`), account), chromedp.SetValue(browsertest.CSS(`[name=password]`), password),
		chromedp.SendKeys(browsertest.CSS(`[name=code]`), d.code(d.T, account)), chromedp.Click(browsertest.CSS(`form[action="/login"] button.primary`)), chromedp.WaitVisible(browsertest.CSS(next)))
}

// consent is the form that allows.
const consent = `form:has([value=allow])`

func (d *desktop) allow(code, see string) {
	d.T.Helper()
	// What is waited for stands on the next page, not on this one.
	d.Run("allow", browsertest.Script(`document.documentElement.dataset.before = "1"`), chromedp.SetValue(browsertest.CSS(`[name=code]`), code),
		chromedp.Click(browsertest.CSS(consent+` button.primary`)), chromedp.WaitVisible(browsertest.CSS(`html:not([data-before]) `+see)))
}

func TestInABrowserAPersonAnswersAProgramAndAPDFIsSigned(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	d := w.desktop(t)
	d.Authenticator()
	info, err := w.as("binh.nv", "v2").Info(t.Context(), "binh-rsa")
	if err != nil {
		t.Fatal(err)
	}
	// Somebody who is not signed in comes to the log-in first and then goes on.
	p := d.prepare(info)
	d.ask(hashes([][]byte{p.Digest}))
	d.Shot("login")
	d.logIn("binh.nv", consent)
	d.allow(w.code(t, "binh.nv"), "h1")
	d.sign(p, d.back().Get("code"))
	d.Open("/account")
	d.Run("register a passkey", chromedp.SendKeys(browsertest.CSS(`input[name=code]`), w.code(t, "binh.nv")), chromedp.Click(browsertest.CSS(`[data-passkey=register]`)), chromedp.WaitVisible(browsertest.CSS(`.notice.ok`)))
	p = d.prepare(info)
	d.ask(hashes([][]byte{p.Digest}))
	d.Run("allow with a passkey", chromedp.Click(browsertest.CSS(`[data-passkey=assert]`)))
	d.sign(p, d.back().Get("code"))
	for _, lang := range []string{"vi", "en"} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("%s at %d pixels", lang, width), func(t *testing.T) {
				d.T = t
				d.As(lang, width)
				d.answers()
			})
		}
	}
	d.T = t
	d.locked()
}

// answers goes through what a person sees and may answer.
func (d *desktop) answers() {
	d.T.Helper()
	d.ask(nil)
	d.Shot("service")
	d.Run("refuse", chromedp.Click(browsertest.CSS(`button[form=refuse]`)), chromedp.WaitVisible(browsertest.CSS("h1")))
	if q := d.back(); q.Get("error") != "access_denied" || q.Get("state") != "abc" {
		d.T.Errorf("refused, and the program was told %v", q)
	}
	d.ask(hashes(digests(25, "browser")))
	d.Shot("hashes")
	d.allow("000000", ".notice.bad")
	d.Shot("wrong-code")
	list := digests(2, "console")
	for _, description := range []string{"Tờ trình số 12/TTr-STC", "Báo cáo tuần"} {
		_, err := d.as("binh.nv", "v2").Call(d.T.Context(), "credentials/authorize", map[string]any{"credentialID": "binh-ec", "numSignatures": 2, "hashes": list, "description": description}, nil)
		if err != nil {
			d.T.Fatal(err)
		}
	}
	d.Open("/remote-signing")
	d.Shot("waiting")
	d.Run("look at a request", chromedp.Click(browsertest.CSS(`a[href^="/remote-signing/"]`)), chromedp.WaitVisible(browsertest.CSS(consent)))
	where := browsertest.See(d.Browser, "where", chromedp.Evaluate[string](`location.pathname`))
	d.allow(d.code(d.T, "binh.nv"), ".notice.ok")
	d.Shot("allowed")
	d.Open("/remote-signing")
	d.Run("refuse another", chromedp.Click(browsertest.CSS(`a[href^="/remote-signing/"]`)), chromedp.WaitVisible(browsertest.CSS(consent)),
		chromedp.Click(browsertest.CSS(`button[form=refuse]`)), chromedp.WaitVisible(browsertest.CSS(".notice.ok")))
	d.Shot("refused")
	d.Open(where)
	d.Shot("answered")
	d.Open(query(map[string]string{"client_id": "khac"}))
	d.Shot("unknown-program")
	d.Open("/csc/oauth2/authorize?client_id=soan-thao&request_uri=urn:ietf:params:oauth:request_uri:A")
	d.Shot("pushed-expired")
	// The requests that no one answered run out.
	d.ask(nil)
	d.pki.Clock.Advance(11 * time.Minute)
	d.Run("allow too late", browsertest.Script(`document.documentElement.dataset.before = "1"`), chromedp.Click(browsertest.CSS(consent+` button.primary`)),
		chromedp.WaitVisible(browsertest.CSS(`html:not([data-before]) h1`)))
	d.Shot("expired")
}

// locked gives wrong codes until the account is locked.
func (d *desktop) locked() {
	d.T.Helper()
	d.ask(hashes(digests(1, "locked")))
	code := d.code(d.T, "binh.nv")
	for range 6 {
		d.allow("000000", ".notice.bad")
	}
	d.Shot("locked")
	before, _ := d.signatures(d.T)
	d.allow(code, ".notice.bad")
	after, _ := d.signatures(d.T)
	if after != before {
		d.T.Error("a locked account signed")
	}
}

// prepared is a PDF that waits for its signature.
type preparedPDF struct {
	*pades.Prepared
	out *os.File
}

func (d *desktop) prepare(info *client.Credential) preparedPDF {
	d.T.Helper()
	out, err := os.Create(filepath.Join(d.T.(*testing.T).TempDir(), "out.pdf"))
	if err != nil {
		d.T.Fatal(err)
	}
	d.T.Cleanup(func() { _ = out.Close() })
	pdf := document(d.T)
	p, err := pades.Prepare(d.T.Context(), bytes.NewReader(pdf), int64(len(pdf)), out, pades.Options{
		Chain: info.Chain, Level: pades.LevelT, Now: d.pki.Clock.Now(),
		Timestamp: func(context.Context, crypto.Hash, []byte) ([]byte, error) { return nil, errors.ErrUnsupported }, // it comes with the answer
	})
	if err != nil {
		d.T.Fatal(err)
	}
	return preparedPDF{p, out}
}

// sign changes the code for a token, has the digest signed with it and asks
// pdfsig about the document.
func (d *desktop) sign(p preparedPDF, code string) {
	d.T.Helper()
	status, token := d.exchange(d.T, code, map[string]string{"redirect_uri": d.program})
	if status != http.StatusOK {
		d.T.Fatalf("HTTP %d, %v", status, token)
	}
	c := client.Client{Base: d.world.url + "/v2", Token: token["access_token"].(string), HTTP: http.DefaultClient}
	var out signedDocs
	_, err := c.Call(d.T.Context(), "signatures/signDoc", map[string]any{"credentialID": "binh-rsa", "documentDigests": []any{map[string]any{
		"hashes": [][]byte{p.Digest}, "hashAlgorithmOID": "2.16.840.1.101.3.4.2.1", "signature_format": "P", "conformance_level": "AdES-B-T", "signAlgo": "1.2.840.113549.1.1.1"}}}, &out)
	if err != nil {
		d.T.Fatal(err)
	}
	err = p.Complete(p.out, out.SignatureObject[0])
	if err != nil {
		d.T.Fatal(err)
	}
	said, err := exec.CommandContext(d.T.Context(), "pdfsig", "-nocert", p.out.Name()).CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte("Signature is Valid")) {
		d.T.Errorf("pdfsig: %v: %s", err, said)
	}
}
