package signer

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/validate"
)

// official is a person in front of a browser who signs documents.
type official struct {
	*browser
	c   *console
	pdf string
}

// centre brings the mark to the middle of the window.
func centre() action {
	return script(`document.querySelector(".mark").scrollIntoView({block: "center", behavior: "instant"})`)
}

func top() action { return script(`scrollTo(0, 0)`) }

// bring uploads the document and tells its address.
func (o *official) bring() string {
	o.T.Helper()
	o.Open("/sign")
	o.Shot("list")
	o.upload(o.pdf)
	o.Shot("document", top())
	return strings.TrimPrefix(see(o.browser, "where", chromedp.Evaluate[string](`location.pathname`)), "/sign/")
}

// place types another page and drags the mark there; it tells where the form
// says it stands, in millimetres.
func (o *official) place() (x, y float64) {
	o.T.Helper()
	o.Run("choose the page", chromedp.SetValue(css(`[name=page]`), "2"), script(`document.querySelector("[name=page]").dispatchEvent(new Event("input", {bubbles: true}))`),
		chromedp.WaitReady(css(`.page[data-page="2"] .mark`)), centre(), chromedp.WaitReady(css(`.page[data-page="2"][data-drawn]`)), centre())
	x, y = o.Number("x"), o.Number("y")
	mark, page := o.Box(".mark"), o.Box(`.page[data-page="2"]`)
	mm := 210 / page.Width
	dx, dy := -page.Width/5, -page.Width/10
	o.Drag(mark.X+mark.Width/2, mark.Y+mark.Height/2, dx, dy)
	moved := o.Box(".mark")
	if math.Abs(moved.X-mark.X-dx) > 2 || math.Abs(moved.Y-mark.Y-dy) > 2 {
		o.T.Errorf("the mark went from %+v to %+v", mark, moved)
	}
	if math.Abs(o.Number("x")-(x+dx*mm)) > 1 || math.Abs(o.Number("y")-(y+dy*mm)) > 1 || o.Number("page") != 2 {
		o.T.Errorf("the form says page %v, %v, %v mm; it was %v, %v", o.Number("page"), o.Number("x"), o.Number("y"), x, y)
	}
	o.Shot("placed", centre())
	return o.Number("x"), o.Number("y")
}

// signed waits for the result and gives the file, whose mark must stand where
// the form said.
func (o *official) signed(id string, x, y float64) string {
	o.T.Helper()
	o.Run("see the result", chromedp.WaitVisible(css(`[data-verdict="TOTAL-PASSED"]`)), chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
	o.Shot("signed", top())
	path := o.c.signed(id)
	pdf := read(o.T, path)
	report, err := o.c.Verify(o.T.Context(), bytes.NewReader(pdf), int64(len(pdf)), "x")
	if err != nil || report.Verdict != validate.Passed {
		o.T.Fatalf("got %+v, %v", report, err)
	}
	place := report.Signatures[0].Places[0]
	rect := place.Rect
	if math.Abs(rect[0]*25.4/72-x) > 0.2 || math.Abs((841.9-rect[3])*25.4/72-y) > 0.4 || place.Page != 2 {
		o.T.Errorf("the mark stands on page %d at %v; the form said %v, %v mm", place.Page, rect, x, y)
	}
	return path
}

// verify lets anyone check a file.
func (o *official) verify(path, verdict string) {
	o.T.Helper()
	o.Open("/verify") // so that no earlier verdict is taken for this one
	o.Run("choose the file", chromedp.SetUploadFiles(css(`[data-verify-form] input[type=file]`), []string{path}),
		chromedp.WaitVisible(css(`#verify-result [data-verdict="`+verdict+`"]`)), chromedp.WaitReady(css(`#verify-pages .page[data-page="1"]`)),
		script(`document.querySelector("#verify-pages .page").scrollIntoView({block: "start", behavior: "instant"})`), // pages out of sight are not drawn
		chromedp.WaitReady(css(`#verify-pages .page[data-page="1"][data-drawn]`)))
}

// onPage waits for the mark of a tone on the second page and compares its place.
func (o *official) onPage(tone string, x, y float64) {
	o.T.Helper()
	o.Run("see the mark", chromedp.WaitReady(css(`.page[data-page="2"] .mark.`+tone)), centre(), chromedp.WaitReady(css(`.page[data-page="2"][data-drawn]`)))
	mark, page := o.Box(".mark."+tone), o.Box(`.page[data-page="2"]`)
	at := 210 / page.Width
	if math.Abs((mark.X-page.X)*at-x) > 1.5 || math.Abs((mark.Y-page.Y)*at-y) > 1.5 {
		o.T.Errorf("the mark stands at %v, %v mm; signed at %v, %v", (mark.X-page.X)*at, (mark.Y-page.Y)*at, x, y)
	}
}

func TestInABrowserADocumentIsUploadedPlacedSignedAndVerifiedAndATamperedOneFails(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	c := newConsole(t, w)
	b := newBrowser(t, c.url)
	b.Authenticator()
	b.logIn(c, "binh.nv")
	b.Open("/account")
	b.Run("register a passkey", chromedp.SendKeys(css(`input[name=code]`), c.code(t, "binh.nv")), chromedp.Click(css(`[data-passkey=register]`)), chromedp.WaitVisible(css(`.notice.ok`)))
	o := &official{browser: b, c: c, pdf: testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf")}
	for _, lang := range []string{"vi", "en"} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("%s at %d pixels", lang, width), func(t *testing.T) {
				b.T = t
				b.As(lang, width)
				// A wrong code signs nothing and keeps what was placed.
				id := o.bring()
				x, y := o.place()
				b.Run("sign with a wrong code", chromedp.SendKeys(css(`[name=code]`), "000000"), chromedp.Click(css(`button.bind`)), chromedp.WaitVisible(css(`.notice.bad`)), chromedp.WaitReady(css(`[data-sign-form][data-ready]`)))
				if b.Number("x") != x || b.Number("y") != y || b.Number("page") != 2 {
					t.Errorf("the place was lost: page %v, %v, %v", b.Number("page"), b.Number("x"), b.Number("y"))
				}
				b.Shot("wrong-code", top())
				b.Run("sign with a code", chromedp.SendKeys(css(`[name=code]`), c.code(t, "binh.nv")), chromedp.Click(css(`button.bind`)))
				byCode := o.signed(id, x, y)
				o.extend(t, id)

				id = o.bring()
				x, y = o.place()
				b.Run("sign with the passkey", chromedp.SetValue(css(`[name=level]`), "B-LTA"), chromedp.Click(css(`[data-passkey=assert]`)))
				byPasskey := o.signed(id, x, y)
				doc, err := w.Document(as(t, binh), id)
				if err != nil {
					t.Fatal(err)
				}
				act, err := w.Act(t.Context(), doc.ActID)
				if err != nil || act.Factor != FactorPasskey || act.Level != "B-LTA" || act.State != StateReleased {
					t.Errorf("act %+v, %v", act, err)
				}
				b.Open("/verify")
				b.Shot("verify-empty")
				o.verify(byCode, "TOTAL-PASSED")
				o.verify(byPasskey, "TOTAL-PASSED")
				o.onPage("ok", x, y)
				b.Shot("verify-mark", centre())
				b.Shot("verify", top())
				o.tampered(t, byPasskey, x, y)
			})
		}
	}
	b.T = t
}

// extend raises what was signed, and reads in the record that it was.
func (o *official) extend(t *testing.T, id string) {
	t.Helper()
	o.Run("extend", chromedp.Click(css(`[data-extend] button`)), chromedp.WaitReady(css(`#signature-1`)), chromedp.WaitReady(css(`.page[data-page="1"][data-drawn]`)))
	o.Shot("extended", top())
	doc, err := o.c.Document(as(t, binh), id)
	if err != nil || doc.ExtendID == "" {
		t.Fatalf("document %+v, %v", doc, err)
	}
	act, err := o.c.Act(t.Context(), doc.ExtendID)
	if err != nil || act.State != StateReleased || !sameFile(o.c.signed(id), act.ResultSHA256) {
		t.Errorf("act %+v, %v", act, err)
	}
}

// tampered checks files that were changed after signing: a byte of what was
// signed, and something laid over the page, which is shown beside what was
// signed.
func (o *official) tampered(t *testing.T, signed string, x, y float64) {
	t.Helper()
	pdf := read(t, signed)
	write := func(name string, pdf []byte) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		err := os.WriteFile(path, pdf, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	o.verify(write("da-sua.pdf", spoilReasonless(pdf)), "TOTAL-FAILED")
	o.onPage("bad", x, y)
	o.Shot("tampered-mark", centre())
	o.Shot("tampered", top())

	o.verify(write("da-che.pdf", overlaid(t, pdf)), "TOTAL-FAILED")
	o.Shot("overlaid", top())
	o.Run("compare", chromedp.Click(css(`[data-compare]`)), chromedp.WaitReady(css(`.compare[data-compared]`)), chromedp.WaitReady(css(`.compare .mark.added`)))
	pages := see(o.browser, "which page differs", chromedp.Evaluate[string](`[...document.querySelectorAll(".compare .mark.added")].map((e) => e.parentElement.dataset.page).join()`))
	if pages != "1" {
		t.Errorf("the pages that differ are %q", pages)
	}
	o.Shot("compared")

	o.verify(write("da-doi-nhieu.pdf", reworked(t, pdf)), "TOTAL-FAILED")
	for _, text := range map[string][]string{
		"vi": {"nội dung của trang thay đổi (trang 1)", "thêm nhận xét: tô sáng (trang 2)", "nhận xét che nội dung của trang: hình dấu (trang 2)", "số trang được thêm: 1", "thông tin tài liệu (tiêu đề, tác giả…) thay đổi", "hành động hoặc mã lệnh tự chạy thay đổi"},
		"en": {"the content of the page changed (page 1)", "a comment was added: highlight (page 2)", "a comment covers what the page shows: stamp (page 2)", "pages added: 1", "the document information (title, author …) changed", "actions or scripts changed"},
	}[o.Lang] {
		found := see(o.browser, "look for what changed", chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector("#verify-result").innerText.includes(%q)`, text)))
		if !found {
			t.Errorf("the page does not say %q", text)
		}
	}
	o.Shot("reworked", top())
	o.Shot("reworked-reasons", script(`document.querySelector("#signature-0 [data-later]")?.scrollIntoView({block: "center", behavior: "instant"})`))
}

// spoilReasonless changes one byte of the signature's dictionary that no page
// shows: the signing time.
func spoilReasonless(pdf []byte) []byte { return flip(pdf, []byte("/M (D:2"), 10) }

// reworked changes many things in a later revision: what a page shows, comments,
// a page more, title and an action.
func reworked(t *testing.T, pdf []byte) []byte {
	t.Helper()
	return revised(t, pdf, func(u *cos.Update, pages []cos.Ref) {
		draw(t, u, pages[0])
		highlight := u.Add(cos.Dict{"Type": cos.Name("Annot"), "Subtype": cos.Name("Highlight"), "F": int64(4), "P": pages[1], "Rect": cos.Array{int64(80), int64(700), int64(200), int64(720)},
			"QuadPoints": cos.Array{int64(80), int64(720), int64(200), int64(720), int64(80), int64(700), int64(200), int64(700)}, "C": cos.Array{int64(1), int64(1), int64(0)}})
		stamp := u.Add(cos.Dict{"Type": cos.Name("Annot"), "Subtype": cos.Name("Stamp"), "F": int64(4), "P": pages[1], "Rect": cos.Array{int64(80), int64(300), int64(520), int64(780)}, "Name": cos.Name("Approved")})
		page := dictionary(t, u, pages[1])
		page["Annots"] = append(slices.Clone(u.View().Array(page["Annots"])), highlight, stamp)
		u.Put(pages[1], page)
		root, ref, err := u.View().Root()
		if err != nil {
			t.Fatal(err)
		}
		tree := dictionary(t, u, root["Pages"].(cos.Ref))
		extra := u.Add(cos.Dict{"Type": cos.Name("Page"), "Parent": root["Pages"], "MediaBox": cos.Array{int64(0), int64(0), int64(595), int64(842)}})
		tree["Kids"], tree["Count"] = append(slices.Clone(u.View().Array(tree["Kids"])), extra), int64(len(pages)+1)
		u.Put(root["Pages"].(cos.Ref), tree)
		root = maps.Clone(root)
		root["OpenAction"] = cos.Dict{"S": cos.Name("JavaScript"), "JS": cos.String("app.alert(1)")}
		u.Put(ref, root)
		info := u.View().Trailer()["Info"].(cos.Ref)
		about := dictionary(t, u, info)
		about["Title"] = cos.String("Another title")
		u.Put(info, about)
	})
}

// dictionary is a copy of one, to be changed.
func dictionary(t *testing.T, u *cos.Update, ref cos.Ref) cos.Dict {
	t.Helper()
	o, err := u.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	return maps.Clone(o.(cos.Dict))
}

// draw lays a dark bar over a page.
func draw(t *testing.T, u *cos.Update, ref cos.Ref) {
	t.Helper()
	page := dictionary(t, u, ref)
	page["Contents"] = cos.Array{page["Contents"], u.Add(&cos.Stream{Dict: cos.Dict{}, Data: []byte("q 0.6 0.1 0.1 rg 180 500 220 60 re f Q")})}
	u.Put(ref, page)
}

// overlaid lays a dark bar over the text of the first page in a later revision,
// as forgers do who do not touch the signed bytes.
func overlaid(t *testing.T, pdf []byte) []byte {
	t.Helper()
	return revised(t, pdf, func(u *cos.Update, pages []cos.Ref) { draw(t, u, pages[0]) })
}

// revised adds a revision to a file.
func revised(t *testing.T, pdf []byte, change func(u *cos.Update, pages []cos.Ref)) []byte {
	t.Helper()
	f, err := cos.Open(bytes.NewReader(pdf), int64(len(pdf)), cos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := f.NewUpdate()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := u.View().Pages()
	if err != nil {
		t.Fatal(err)
	}
	change(u, pages)
	out := bytes.NewBuffer(bytes.Clone(pdf))
	_, err = u.Write(out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
