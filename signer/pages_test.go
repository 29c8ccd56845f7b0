package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
)

func place(key, code string, change ...string) url.Values {
	form := url.Values{"key": {key}, "code": {code}, "page": {"1"}, "x": {"120"}, "y": {"200.5"}, "width": {"50"}, "height": {"20"}, "reason": {"Ban hành <ngay>"}}
	for i := 0; i+1 < len(change); i += 2 {
		form.Set(change[i], change[i+1])
	}
	return form
}

func TestAnOfficialSignsOnTheConsole(t *testing.T) {
	for lang, words := range map[string]map[string]string{
		"vi": {"list": "Chưa có văn bản nào", "bind": "Ký số văn bản này", "wrong": "Mã xác thực sai", "done": "Văn bản đã được ký", "valid": "Hợp lệ", "signed": "Đã ký", "again": "Văn bản đã được ký, hoặc đang được ký"},
		"en": {"list": "No documents yet", "bind": "Sign this document", "wrong": "code is wrong", "done": "The document is signed", "valid": "Valid", "signed": "Signed", "again": "The document is signed already"},
	} {
		t.Run(lang, func(t *testing.T) {
			w := newWorld(t, sqlite(t))
			w.key(t, "binh", "EC-P256", "p-binh")
			w.key(t, "binh-rsa", "RSA-2048", "p-binh")
			c := newConsole(t, w)
			v := c.visitor(t, "binh.nv", lang)
			if page := v.get(t, "/sign"); !strings.Contains(page.body, words["list"]) {
				t.Error("the empty list does not say how to begin")
			}
			pdf := directive(t)
			sum := sha256.Sum256(pdf)
			page := v.upload(t, "/sign", "Chỉ thị 05.pdf", pdf)
			for _, want := range []string{"Chỉ thị 05.pdf", hex.EncodeToString(sum[:]), "Nguyễn Văn Bình", words["bind"], `value="6"`} {
				if page.StatusCode != http.StatusOK || !strings.Contains(page.body, want) {
					t.Errorf("the page of %s (%d) lacks %q", page.path, page.StatusCode, want)
				}
			}
			here := page.path

			page = v.post(t, here, place("binh-rsa", "000000"))
			for _, want := range []string{words["wrong"], "Ban hành &lt;ngay&gt;", `value="120.0"`, `value="200.5"`, `<option value="binh-rsa" selected>`} {
				if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, want) {
					t.Errorf("after a wrong code (%d) the page lacks %q", page.StatusCode, want)
				}
			}
			if len(w.acts(t)) != 0 {
				t.Error("a wrong code made an act")
			}

			code := c.code(t, "binh.nv")
			page = v.post(t, here, place("binh", code))
			for _, want := range []string{words["done"], words["valid"], "Nguyễn Văn Bình", here + "/file?download=1"} {
				if page.path != here || page.StatusCode != http.StatusOK || !strings.Contains(page.body, want) {
					t.Errorf("after signing, %s (%d) lacks %q", page.path, page.StatusCode, want)
				}
			}
			acts := w.acts(t)
			if len(acts) != 1 || acts[0].Factor != FactorTOTP || acts[0].State != StateReleased || acts[0].AccountID != "binh.nv" {
				t.Fatalf("acts %+v", acts)
			}

			file := v.get(t, here+"/file?download=1")
			result := sha256.Sum256([]byte(file.body))
			if hex.EncodeToString(result[:]) != acts[0].ResultSHA256 {
				t.Error("the download is not what the act released")
			}
			for name, want := range map[string]string{"Content-Type": "application/pdf", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
				"Content-Disposition": `attachment; filename*=utf-8''da-ky-Ch%E1%BB%89%20th%E1%BB%8B%2005.pdf`} {
				if got := file.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if got := v.get(t, here+"/file").Header.Get("Content-Disposition"); !strings.HasPrefix(got, "inline") {
				t.Errorf("the preview is %q", got)
			}

			second := v.upload(t, "/sign", "hai.pdf", pdf).path
			page = v.post(t, second, place("binh", code))
			if page.StatusCode != http.StatusUnprocessableEntity || len(w.acts(t)) != 1 {
				t.Errorf("a code used twice: %d, %d acts", page.StatusCode, len(w.acts(t)))
			}
			page = v.post(t, here, place("binh", c.code(t, "binh.nv")))
			if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, words["again"]) || len(w.acts(t)) != 1 {
				t.Errorf("signing twice: %d", page.StatusCode)
			}
			if page = v.get(t, "/sign"); !strings.Contains(page.body, words["signed"]) || !strings.Contains(page.body, "hai.pdf") {
				t.Error("the list does not show the signed and the waiting document")
			}
		})
	}
}

func TestWhatIsTypedWrongIsSaidAndKept(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	w.key(t, "lan", "EC-P256", "p-lan")
	w.key(t, "seal", "EC-P256", "")
	c := newConsole(t, w)
	v := c.visitor(t, "binh.nv", "")
	here := v.upload(t, "/sign", "x.pdf", directive(t)).path
	const outside, key = "Vị trí chữ ký nằm ngoài trang", "Không dùng được khóa ký"
	for _, tc := range []struct {
		name string
		form url.Values
		want string
	}{
		{"a place that is no number", place("binh", "", "x", "NaN"), outside},
		{"a place without end", place("binh", "", "y", "+Inf"), outside},
		{"a place before the page", place("binh", "", "x", "-3"), outside},
		{"a place beyond the page", place("binh", "", "x", "209"), outside},
		{"a page that does not exist", place("binh", "", "page", "7"), outside},
		{"no place at all", url.Values{"key": {"binh"}}, outside},
		{"another person's key", place("lan", ""), key},
		{"the seal in an official's hands", place("seal", "", "preset", "seal"), key},
		{"a key that nobody knows", place("none", ""), key},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.form.Set("code", c.code(t, "binh.nv"))
			page := v.post(t, here, tc.form)
			if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, tc.want) {
				t.Errorf("%d: %s", page.StatusCode, excerpt(page.body))
			}
		})
	}
	for _, a := range w.acts(t) {
		if a.State == StateReleased {
			t.Errorf("signed nevertheless: %+v", a)
		}
	}
	page := v.post(t, here, place("binh", c.code(t, "binh.nv")))
	if page.StatusCode != http.StatusOK {
		t.Errorf("after all that: %d %s", page.StatusCode, excerpt(page.body))
	}
}

func TestACertificateIsCheckedBeforeAPersonChoosesIt(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "good", "EC-P256", "p-binh")
	revoked := w.key(t, "a-revoked", "EC-P256", "p-binh")
	w.pki.Revoke(revoked, w.pki.Clock.Now(), 1)
	c := newConsole(t, w)
	v := c.visitor(t, "binh.nv", "")
	const notice = "không còn hợp lệ hoặc chưa kiểm tra được"
	page := v.upload(t, "/sign", "x.pdf", directive(t))
	if !strings.Contains(page.body, `<option value="a-revoked" disabled>`) || !strings.Contains(page.body, `<option value="good">`) || strings.Contains(page.body, notice) {
		t.Errorf("with one good key: %s", excerpt(page.body))
	}
	w.pki.Down("/ocsp", true)
	w.pki.Down("/crl/", true)
	page = v.get(t, page.path)
	if !strings.Contains(page.body, `<option value="good" disabled>`) || !strings.Contains(page.body, notice) {
		t.Errorf("with no status to be had: %s", excerpt(page.body))
	}
	page = v.post(t, page.path, place("good", c.code(t, "binh.nv")))
	if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, notice) || len(w.acts(t)) != 0 {
		t.Errorf("signing nevertheless: %d %s", page.StatusCode, excerpt(page.body))
	}
}

// excerpt is what a page says in its notice.
func excerpt(body string) string {
	_, after, ok := strings.Cut(body, `role="alert">`)
	if !ok {
		return "no notice"
	}
	text, _, _ := strings.Cut(after, "<")
	return text
}

func TestUploadsThatCannotBeSignedAreExplained(t *testing.T) {
	w := newWorld(t, sqlite(t))
	c := newConsole(t, w)
	v := c.visitor(t, "binh.nv", "")
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"no PDF":    {[]byte("hello"), "Đây không phải tệp PDF"},
		"too large": {make([]byte, 3<<20), "Tệp quá lớn"},
		"far larger than the limit of the request": {make([]byte, 5<<20), "Tệp quá lớn"},
	} {
		page := v.upload(t, "/sign", "x.pdf", tc.content)
		if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, tc.want) {
			t.Errorf("%s: %d %s", name, page.StatusCode, excerpt(page.body))
		}
	}
	page := v.post(t, "/sign", url.Values{})
	if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, "Chưa chọn tệp") {
		t.Errorf("no file: %d %s", page.StatusCode, excerpt(page.body))
	}
}

func TestAnotherPersonsDocumentDoesNotExist(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	w.key(t, "lan", "EC-P256", "p-lan")
	c := newConsole(t, w)
	here := c.visitor(t, "binh.nv", "").upload(t, "/sign", "x.pdf", directive(t)).path
	stranger := c.visitor(t, "lan.tt", "en")
	for name, a := range map[string]answer{
		"page": stranger.get(t, here), "file": stranger.get(t, here+"/file"), "download": stranger.get(t, here+"/file?download=1"),
		"signing": stranger.post(t, here, place("lan", c.code(t, "lan.tt"))), "passkey": stranger.post(t, here+"/passkey", nil),
		"a document that never was": stranger.get(t, "/sign/ABC"),
	} {
		if a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	nobody := c.visitor(t, "", "")
	if a := nobody.get(t, here); a.path != "/login" {
		t.Errorf("without a log-in: %s %d", a.path, a.StatusCode)
	}
	if a := nobody.post(t, here, place("binh", "123456")); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("signing without a log-in: %d", a.StatusCode)
	}
}

func TestTheClerkSealsOnTheConsole(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	w.key(t, "seal", "EC-P256", "")
	c := newConsole(t, w)
	v := c.visitor(t, "hoa.lt", "")
	page := v.upload(t, "/sign", "chua-ky.pdf", directive(t))
	if !strings.Contains(page.body, "Ủy ban nhân dân tỉnh") || !strings.Contains(page.body, ">Đóng dấu") {
		t.Error("the page does not offer the seal")
	}
	page = v.post(t, page.path, place("seal", c.code(t, "hoa.lt"), "width", "36", "height", "36"))
	if page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, "chưa có chữ ký hợp lệ") {
		t.Errorf("an unsigned document: %d %s", page.StatusCode, excerpt(page.body))
	}
	_, path, err := w.sign(t, binh, Request{Key: "binh"})
	if err != nil {
		t.Fatal(err)
	}
	here := v.upload(t, "/sign", "da-ky.pdf", read(t, path)).path
	page = v.post(t, here, place("seal", c.code(t, "hoa.lt"), "width", "36", "height", "36"))
	if page.StatusCode != http.StatusOK || strings.Count(page.body, "Hợp lệ") < 3 {
		t.Errorf("a signed document: %d %s", page.StatusCode, excerpt(page.body))
	}
}

func TestAnybodyVerifiesADocument(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	_, path, err := w.sign(t, binh, Request{Key: "binh"})
	if err != nil {
		t.Fatal(err)
	}
	signed := read(t, path)
	c := newConsole(t, w)
	for lang, words := range map[string][4]string{
		"vi": {"Hợp lệ", "Không hợp lệ", "không có chữ ký số", "không đọc được"},
		"en": {"Valid", "Invalid", "no digital signature", "cannot be read"},
	} {
		v := c.visitor(t, "", lang)
		if page := v.get(t, "/verify"); page.StatusCode != http.StatusOK {
			t.Errorf("%s: the form: %d", lang, page.StatusCode)
		}
		for _, tc := range []struct {
			name    string
			content []byte
			status  int
			want    string
		}{
			{"a signed file is valid", signed, http.StatusOK, words[0]},
			{"a tampered file is invalid", spoilPage(signed), http.StatusOK, words[1]},
			{"an unsigned file says so", directive(t), http.StatusOK, words[2]},
			{"no PDF says so", []byte("hello"), http.StatusUnprocessableEntity, words[3]},
		} {
			t.Run(lang+": "+tc.name, func(t *testing.T) {
				page := v.upload(t, "/verify", "x.pdf", tc.content)
				_, result, _ := strings.Cut(page.body, `id="verify-result"`)
				if page.StatusCode != tc.status || !strings.Contains(strings.ToLower(result), strings.ToLower(tc.want)) {
					t.Errorf("%d: %s", page.StatusCode, tags.ReplaceAllString(result, " "))
				}
			})
		}
	}
	if docs, err := w.Documents(auth.WithSubject(t.Context(), auth.Subject{})); err != nil || len(docs) != 0 {
		t.Errorf("kept: %v, %v", docs, err)
	}
}

func TestStrangersWhoVerifyAtOnceAreBounded(t *testing.T) {
	w := newWorld(t, sqlite(t))
	c := newConsole(t, w)
	v := c.visitor(t, "", "")
	held := make([]*io.PipeWriter, maxStrangers)
	var wg sync.WaitGroup
	for i := range held {
		body, writer := io.Pipe()
		held[i] = writer
		wg.Go(func() {
			res, err := v.client.Post(c.url+"/verify", "multipart/form-data; boundary=x", body)
			if err == nil {
				_ = res.Body.Close()
			}
		})
		_, err := io.WriteString(writer, "--x\r\n")
		if err != nil {
			t.Fatal(err)
		}
	}
	// A request is inside once it reads its body; the last bytes may be on their way.
	var page answer
	for range 50 {
		page = v.upload(t, "/verify", "x.pdf", []byte("hello"))
		if page.StatusCode == http.StatusServiceUnavailable {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if page.StatusCode != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" || !strings.Contains(page.body, "Hãy thử lại sau ít giây.") {
		t.Errorf("one more: %d", page.StatusCode)
	}
	for _, writer := range held {
		_ = writer.Close()
	}
	wg.Wait()
	page = v.upload(t, "/verify", "x.pdf", []byte("hello"))
	if page.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("when the others have gone: %d", page.StatusCode)
	}
}

// TestAnUploadLeavesNothingInTheTemporaryFolder sends more than net/http keeps
// in memory.
func TestAnUploadLeavesNothingInTheTemporaryFolder(t *testing.T) {
	w := newWorld(t, sqlite(t), func(d *Deps) { d.MaxUpload = 64 << 20 })
	c := newConsole(t, w)
	v := c.visitor(t, "binh.nv", "")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	large := append(bytes.Clone(directive(t)), make([]byte, 45<<20)...)
	v.upload(t, "/verify", "x.pdf", large)
	v.upload(t, "/sign", "x.pdf", large)
	v.upload(t, "/login", "x.pdf", large)
	left, err := filepath.Glob(filepath.Join(dir, "multipart-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	_, err = os.Stat(dir)
	if err != nil {
		t.Error(err)
	}
}
