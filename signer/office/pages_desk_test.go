package office_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/signer/office"
)

// bring sends the form of a draft with its files.
func (v *visit) bring(t testing.TB, path string, fields map[string]string, files map[string][]byte) (status int, location, page string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range fields {
		must(w.WriteField(name, value))
	}
	for name, content := range files {
		part, err := w.CreateFormFile(name, "du-thao.pdf")
		must(err)
		_, err = part.Write(content)
		must(err)
	}
	must(w.Close())
	return v.send(t, http.MethodPost, path, w.FormDataContentType(), &b)
}

// option is the value of the choice that shows a text.
func option(t testing.TB, page, text string) string {
	t.Helper()
	m := regexp.MustCompile(`<option value="([^"]*)"[^>]*>[^<]*` + regexp.QuoteMeta(text)).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no choice %q", text)
	}
	return m[1]
}

func marked(t testing.TB, parent, agency string) []byte {
	t.Helper()
	d := &paper.Document{
		Parent: parent, Agency: agency, Number: "07/QĐ-S0", Place: "Tân Lập", Date: time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC), Type: "Quyết định", Abstract: "Về việc",
		Body: []paper.Block{paper.Paragraph{Text: "Điều 1."}}, Signer: paper.Signer{Title: "GIÁM ĐỐC", Name: "Nguyễn Văn Bình"},
	}
	p, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	return p.PDF
}

func TestOnTheConsoleADraftIsBroughtReturnedAndBroughtAgain(t *testing.T) {
	c := newConsole(t)
	drafter, head, clerk := c.visitor(t, "drafter", "vi"), c.visitor(t, "head", "vi"), c.visitor(t, "clerk", "en")
	_, _, page := drafter.do(t, "/office/new", nil)
	signer := option(t, page, "Nguyễn Văn H0")
	fields := map[string]string{"kind": "CT", "signer": signer, "abstract": "Về việc <trình>", "place": "Tân Lập"}
	with := func(name, value string) map[string]string {
		changed := map[string]string{}
		for k, v := range fields {
			changed[k] = v
		}
		changed[name] = value
		return changed
	}
	for _, refused := range []struct {
		name   string
		fields map[string]string
		files  map[string][]byte
		says   string
	}{
		{"no file", fields, nil, "Hãy chọn lại tệp PDF"},
		{"no PDF", fields, map[string][]byte{"file": []byte("hello")}, "Dự thảo không dùng được"},
		{"an unknown type", with("kind", "XX"), map[string][]byte{"file": draft(t, 0)}, "Dự thảo không dùng được"},
		{"nobody to sign", with("signer", ""), map[string][]byte{"file": draft(t, 0)}, "Hãy chọn người có thẩm quyền"},
		{"another authority than the draft's", with("signer", option(t, page, "Nguyễn Văn D0")), map[string][]byte{"file": draft(t, 0)}, "thẩm quyền khác"},
		{"a state secret", fields, map[string][]byte{"file": marked(t, "SỞ", "TỐI MẬT")}, "bí mật nhà nước"},
		{"what may be a list of levels", fields, map[string][]byte{"file": marked(t, "MẬT", "TỐI MẬT")}, "antin nd30 declare"},
		{"a secret attachment", fields, map[string][]byte{"file": draft(t, 0), "attachment": marked(t, "SỞ", "MẬT")}, "bí mật nhà nước"},
	} {
		status, _, page := drafter.bring(t, "/office/new", refused.fields, refused.files)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, refused.says) || !strings.Contains(page, `value="Về việc <trình>"`) {
			t.Errorf("%s: HTTP %d; the reason or what was typed is missing", refused.name, status)
		}
	}
	status, location, page := drafter.bring(t, "/office/new", fields, map[string][]byte{"file": draft(t, 0), "attachment": draft(t, 1)})
	if status != http.StatusSeeOther {
		t.Fatalf("brought: HTTP %d, %s", status, page)
	}
	id := strings.TrimPrefix(location, "/office/document/")
	status, _, _ = clerk.do(t, location+"/again", nil)
	if status != http.StatusOK { // shown to read, refused to act
		t.Errorf("HTTP %d", status)
	}
	status, _, _ = head.do(t, location, url.Values{"do": {"return"}, "reason": {"sai thể thức"}})
	if status != http.StatusSeeOther {
		t.Fatalf("returned: HTTP %d", status)
	}
	_, _, page = drafter.do(t, location, nil)
	if !strings.Contains(page, location+"/again") || !strings.Contains(page, "sai thể thức") {
		t.Error("the drafter is not shown why and what next")
	}
	_, _, page = drafter.do(t, location+"/again", nil)
	if !strings.Contains(page, "Về việc <trình>") || !strings.Contains(page, `value="`+signer+`" selected`) {
		t.Error("what was typed is not offered again")
	}
	status, _, _ = drafter.bring(t, location+"/again", fields, map[string][]byte{"file": draft(t, 0), "attachment": draft(t, 1)})
	doc, err := c.Get(as(t, subject("drafter", 0)), id)
	if status != http.StatusSeeOther || err != nil || doc.State != office.StateDraft || doc.Kind != "CT" {
		t.Errorf("brought again: HTTP %d, %+v, %v", status, doc, err)
	}
	status, _, file := head.do(t, location+"/attachment/1", nil)
	if status != http.StatusOK || !strings.HasPrefix(file, "%PDF-") {
		t.Errorf("the attachment: HTTP %d", status)
	}
	status, _, _ = head.do(t, location+"/attachment/2", nil)
	if status != http.StatusNotFound {
		t.Errorf("an attachment that is not there: HTTP %d", status)
	}
	status, page = head.step(t, id, "sign", head.code(t))
	if status != http.StatusSeeOther {
		t.Fatalf("sign: HTTP %d, %s", status, page)
	}
	_, _, page = clerk.do(t, "/office", nil)
	if !strings.Contains(page, "Next number: 01; of copies: 01.") || !strings.Contains(page, "To be issued by") {
		t.Error("the clerk is not shown the next number and the day")
	}
	_, _, page = clerk.do(t, location, nil)
	if !strings.Contains(page, "01/CT-S0") || !strings.Contains(page, "NĐ 30/2020 art. 18") {
		t.Error("the document does not tell its next number and its day")
	}
	c.pki.Clock.Advance(15 * 24 * time.Hour)
	_, _, page = c.visitor(t, "clerk", "en").do(t, "/office", nil)
	if !strings.Contains(page, "Should have been issued by") {
		t.Error("what is late is not told")
	}
}

func TestOnTheConsoleALeaderEntersAndEndsADelegation(t *testing.T) {
	c := newConsole(t)
	drafter, head := c.visitor(t, "drafter", "vi"), c.visitor(t, "head", "vi")
	_, _, page := drafter.do(t, "/office/delegations", nil)
	if !strings.Contains(page, "Nguyễn Văn D0") || strings.Contains(page, `id="grant"`) || strings.Contains(page, "/revoke") {
		t.Error("the drafter cannot read the register, or is offered to change it")
	}
	today := c.pki.Clock.Now()
	form := func(change ...string) url.Values {
		v := url.Values{"form": {"TUQ"}, "person": {person("drafter", 0)}, "for": {person("head", 0)}, "kind": {"TB", "GM"}, "decision": {"05/QĐ-S0"},
			"from": {today.Format(time.DateOnly)}, "to": {today.AddDate(0, 0, 20).Format(time.DateOnly)}, "code": {head.code(t)}}
		for i := 0; i < len(change); i += 2 {
			v.Set(change[i], change[i+1])
		}
		return v
	}
	for _, refused := range []struct{ name, field, value, says string }{
		{"TUQ without an end", "to", "", "mâu thuẫn"},
		{"no day", "from", "hôm nay", "mâu thuẫn"},
		{"nobody for whom", "for", "", "mâu thuẫn"},
		{"no deciding document", "decision", "", "mâu thuẫn"},
		{"for whom has no authority", "for", person("clerk", 0), "mâu thuẫn"},
		{"a wrong code", "code", "000000", `role="alert"`},
	} {
		status, _, page := head.do(t, "/office/delegations", form(refused.field, refused.value))
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, refused.says) || refused.field != "decision" && !strings.Contains(page, `value="05/QĐ-S0"`) {
			t.Errorf("%s: HTTP %d; the reason or what was typed is missing", refused.name, status)
		}
	}
	status, _, page := head.do(t, "/office/delegations", form())
	if status != http.StatusSeeOther {
		t.Fatalf("entered: HTTP %d, %s", status, page)
	}
	_, _, page = head.do(t, "/office/delegations", nil)
	entry := regexp.MustCompile(`/office/delegations/([A-Z0-9]+)/revoke`).FindStringSubmatch(page)
	if entry == nil || !strings.Contains(page, "TB GM") || !strings.Contains(page, "05/QĐ-S0") {
		t.Fatalf("the entry is not shown")
	}
	_, _, page = drafter.do(t, "/office/expiring", nil)
	if !strings.Contains(page, `data-expiring="delegation"`) {
		t.Error("who is delegated is not told that it ends")
	}
	revoke := "/office/delegations/" + entry[1] + "/revoke"
	status, _, _ = head.do(t, revoke, url.Values{"reason": {""}, "code": {head.code(t)}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("ended without a reason: HTTP %d", status)
	}
	status, _, _ = head.do(t, revoke, url.Values{"reason": {"hết nhiệm kỳ"}, "code": {head.code(t)}})
	if status != http.StatusSeeOther {
		t.Errorf("ended: HTTP %d", status)
	}
	_, _, page = drafter.do(t, "/office/delegations", nil)
	if !strings.Contains(page, "Đã chấm dứt") || !strings.Contains(page, "hết nhiệm kỳ") {
		t.Error("the end and its reason are not shown")
	}
}

func TestWhatExpiresIsShownAndAnIssuedDocumentIsExtended(t *testing.T) {
	c := newConsole(t)
	head, clerk := c.visitor(t, "head", "vi"), c.visitor(t, "clerk", "en")
	doc, err := c.submit(t, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, move := range []struct {
		who *visit
		do  string
	}{{head, "sign"}, {clerk, "number"}, {clerk, "seal"}} {
		status, page := move.who.step(t, doc.ID, move.do, move.who.code(t))
		if status != http.StatusSeeOther {
			t.Fatalf("%s: HTTP %d, %s", move.do, status, page)
		}
	}
	here := "/office/document/" + doc.ID
	status, _, _ := clerk.do(t, here, url.Values{"do": {"extend"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("extended before it was issued: HTTP %d", status)
	}
	status, _, _ = clerk.do(t, here, url.Values{"do": {"issue"}})
	issued, err := c.Get(as(t, subject("clerk", 0)), doc.ID)
	if status != http.StatusSeeOther || err != nil || issued.ProtectedUntil == nil {
		t.Fatalf("issued: HTTP %d, %+v, %v", status, issued, err)
	}
	list, err := c.Expiring(as(t, subject("clerk", 0)), issued.ProtectedUntil.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	what := map[string]int{}
	for _, e := range list {
		what[e.What]++
	}
	if what[office.ExpiryDocument] != 1 || what[office.ExpiryCertificate] != 1 {
		t.Errorf("the clerk is shown %v", what)
	}
	list, err = c.Expiring(as(t, subject("clerk", 0)), c.pki.Clock.Now().Add(time.Minute))
	if err != nil || len(list) != 0 {
		t.Errorf("nothing ends within a minute: %v, %v", list, err)
	}
	status, _, page := clerk.do(t, here, url.Values{"do": {"extend"}})
	extended, err := c.Get(as(t, subject("clerk", 0)), doc.ID)
	if status != http.StatusSeeOther || err != nil || extended.Revision != issued.Revision+1 || extended.State != office.StateIssued || extended.ProtectedUntil == nil {
		t.Fatalf("extended: HTTP %d, %+v, %v, %s", status, extended, err, page)
	}
	_, _, page = clerk.do(t, here, nil)
	if !strings.Contains(page, "Extended") {
		t.Error("the trail does not tell of the extension")
	}
	status, _, _ = head.do(t, here, url.Values{"do": {"extend"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("extended by who is no clerk: HTTP %d", status)
	}
	if kinds := c.kinds(t, doc.ID); kinds[len(kinds)-1] != "office.extend" {
		t.Errorf("the ledger has %v", kinds)
	}
}
