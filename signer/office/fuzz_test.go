package office_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/office"
)

// Limits of one answer in the fuzzer; a busy machine is far from the first.
const (
	fuzzTime   = 30 * time.Second
	fuzzAnswer = 4 << 20
)

// desk is what the fuzzer sends forms to: three people of one agency who are
// logged in, a draft and a signed document. "@" in what is sent stands for the
// draft, "#" for the digest of its file.
type desk struct {
	*console
	visits []*visit
	draft  *office.Document
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{console: newConsole(t)}
	for _, role := range []string{"head", "drafter", "clerk"} {
		d.visits = append(d.visits, d.visitor(t, role, "vi"))
	}
	d.refresh(t)
	return d
}

// refresh brings a new draft when the last one is no more to be worked on.
func (d *desk) refresh(t testing.TB) {
	t.Helper()
	var err error
	if d.draft != nil {
		d.draft, err = d.Get(as(t, subject("head", 0)), d.draft.ID)
	}
	if err == nil && (d.draft == nil || d.draft.State != office.StateDraft) {
		d.draft, err = d.submit(t, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends a request as a browser would and looks at the answer.
func (d *desk) ask(t testing.TB, who *visit, method, path, contentType string, body []byte) {
	t.Helper()
	known := strings.NewReplacer("@", d.draft.ID, "#", d.draft.SHA256)
	r, err := http.NewRequestWithContext(t.Context(), method, known.Replace(path), strings.NewReader(known.Replace(string(body))))
	if err != nil {
		return // no browser can ask that
	}
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.AddCookie(&http.Cookie{Name: web.CookieSession, Value: who.cookie})
	answer := httptest.NewRecorder()
	began := time.Now()
	d.handler.ServeHTTP(answer, r)
	took := time.Since(began)
	if answer.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %s: status %d", method, path, answer.Code)
	}
	if took > fuzzTime || answer.Body.Len() > fuzzAnswer {
		t.Fatalf("%s %s: %v, %d bytes of answer", method, path, took, answer.Body.Len())
	}
	key := untranslated.FindString(answer.Body.String())
	if key != "" && !strings.Contains(string(body)+path, key) {
		t.Fatalf("%s %s shows the key %q", method, path, key)
	}
}

// bound says what may be done with a second factor alone: which documents were
// signed, which numbers given, who may sign.
func (d *desk) bound(t testing.TB) string {
	t.Helper()
	ctx := as(t, subject("clerk", 0))
	var b strings.Builder
	for _, copies := range []bool{false, true} {
		next, err := d.Next(ctx, "so0", copies)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "next %d; ", next)
	}
	entries, err := d.Delegations(as(t, subject("head", 0)), "so0")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s %v; ", e.ID, e.PersonID, e.RevokedAt)
	}
	for _, state := range []office.State{office.StateSigned, office.StateNumbered, office.StateSealed, office.StateIssued} {
		docs, err := d.List(ctx, office.Filter{State: state, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			fmt.Fprintf(&b, "%s %s %s; ", doc.ID, doc.State, doc.SHA256)
		}
	}
	return b.String()
}

// FuzzWhatABrowserPostsIsAnsweredAndBindsNothing sends forms and addresses to
// the pages of the office without a second factor that counts.
func FuzzWhatABrowserPostsIsAnsweredAndBindsNothing(f *testing.F) {
	d := newDesk(f)
	const urlencoded = "application/x-www-form-urlencoded"
	entry := "so0-entry"
	entries, err := d.Delegations(as(f, subject("head", 0)), "so0")
	if err != nil {
		f.Fatal(err)
	}
	if len(entries) > 0 {
		entry = entries[0].ID
	}
	for path, forms := range map[string][]string{
		"/office/document/@": {
			"do=sign&digest=#&code=000000&key=head0&level=B-B&page=1&x=10&y=20&width=50&height=20", "do=sign&digest=#&code=123456&page=1e9&x=NaN&y=-1&width=Inf&height=0",
			"do=number&digest=#&code=000000", "do=seal&digest=#", "do=issue", "do=return&reason=Sai", "do=withdraw&reason=%00", "do=recall&reason=x", "do=extend", "do=x", "",
			"do=sign&digest=#&assertion=%7B%22id%22%3A%22x%22%7D",
		},
		"/office/document/@/passkey": {"", "x=1"}, "/office/document/x/passkey": {""},
		"/office/many": {"id=@&code=000000&shown=office%2Fmany%3A00", "id=@&id=@&id=x", strings.Repeat("id=x&", 200)}, "/office/many/passkey": {"id=@"},
		"/office/delegations": {
			"form=TM&person=p-head0&decision=1&from=2026-01-01&to=2027-01-01&kind=CT&kind=QD&code=000000", "form=KT&person=p-deputy0&for=p-head0&decision=x&from=0000-00-00", "form=TUQ&from=9999-12-31&to=9999-12-31&decision=1&person=p",
		},
		"/office/delegations/" + entry + "/revoke": {"reason=x&code=000000", "reason="},
	} {
		for _, form := range forms {
			f.Add(uint8(0), true, path, urlencoded, []byte(form))
		}
	}
	for _, path := range []string{
		"/office", "/office?view=archive&q=%25_%27&state=draft", "/office?view=archive&q=" + strings.Repeat("a", 300), "/office/new", "/office/document/@", "/office/document/@/again", "/office/document/@/file",
		"/office/document/@/attachment/0", "/office/document/@/attachment/-1", "/office/many?id=@", "/office/delegations", "/office/expiring", "/office/document/%00",
	} {
		f.Add(uint8(1), false, path, "", []byte{})
	}
	for _, fields := range []map[string]string{
		{"kind": "CT", "signer": entry, "unit": "", "abstract": "Về việc", "place": "Tân Lập"}, {"kind": "XX", "signer": "nobody"}, {"kind": "CT", "signer": entry, "unit": "a/b\x00c"},
	} {
		for _, content := range [][]byte{[]byte("%PDF-1.7"), draft(f, 0), {}} {
			var b bytes.Buffer
			w := multipart.NewWriter(&b)
			_ = w.SetBoundary("x") // a bytes.Buffer takes everything
			for name, value := range fields {
				_ = w.WriteField(name, value)
			}
			for _, name := range []string{"file", "attachment"} {
				part, _ := w.CreateFormFile(name, "../du-thao.pdf")
				_, _ = part.Write(content)
			}
			_ = w.Close()
			f.Add(uint8(1), true, "/office/new", w.FormDataContentType(), b.Bytes())
			f.Add(uint8(1), true, "/office/document/@/again", w.FormDataContentType(), b.Bytes())
		}
	}
	was := d.bound(f)
	f.Fuzz(func(t *testing.T, who uint8, post bool, path, contentType string, body []byte) {
		if !strings.HasPrefix(path, "/office") || strings.ContainsAny(contentType, "\r\n") {
			t.Skip()
		}
		method := http.MethodGet
		if post {
			method = http.MethodPost
		}
		d.ask(t, d.visits[int(who)%len(d.visits)], method, path, contentType, body)
		now := d.bound(t)
		if now != was {
			t.Fatalf("%s %s bound something:\nwas %s\nis  %s", method, path, was, now)
		}
		d.refresh(t)
	})
}
