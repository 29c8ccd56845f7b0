package signer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

func resultOf(s validate.Signature, size int64) *pades.Result {
	return &pades.Result{Field: s.Field, ByteRange: s.ByteRange, Signed: s.ByteRange[2] + s.ByteRange[3], Size: size}
}

func as(t testing.TB, s auth.Subject) context.Context {
	t.Helper()
	return auth.WithSubject(t.Context(), s)
}

// files are the names in the folder of documents.
func files(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

type broken struct{ after io.Reader }

var errBroken = errors.New("connection lost")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.after.Read(p)
	if errors.Is(err, io.EOF) {
		return n, errBroken
	}
	return n, err
}

func TestWhatIsNoPDFThatCanBeSignedIsRefusedAndNotKept(t *testing.T) {
	w := newWorld(t, sqlite(t))
	locked := filepath.Join(t.TempDir(), "locked.pdf")
	out, err := exec.Command("qpdf", "--encrypt", "mo", "chu", "256", "--", testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"), locked).CombinedOutput()
	if err != nil {
		t.Skipf("qpdf absent: %v %s", err, out)
	}
	pdf := directive(t)
	for _, c := range []struct {
		name    string
		content io.Reader
		want    error
	}{
		{"an image is no PDF", strings.NewReader("\x89PNG\r\n\x1a\n0000000000"), ErrNotPDF},
		{"an empty file is no PDF", strings.NewReader(""), ErrNotPDF},
		{"a head alone is no PDF", strings.NewReader("%PDF-1.7\n%%EOF\n"), ErrNotPDF},
		{"a PDF cut in the middle is refused", bytes.NewReader(pdf[:len(pdf)/2]), ErrNotPDF},
		{"a file over the limit is refused", io.LimitReader(zeros{}, 3<<20), ErrTooLarge},
		{"a PDF that needs a password is refused", bytes.NewReader(read(t, locked)), ErrProtected},
		{"an upload that breaks off is refused", broken{bytes.NewReader(pdf)}, errBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.AddDocument(as(t, binh), "x.pdf", c.content)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			if left := files(t, w.dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	docs, err := w.Documents(as(t, binh))
	if err != nil || len(docs) != 0 {
		t.Errorf("%d documents, %v", len(docs), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestADocumentBelongsToItsOwnerAndTheirClerk(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		doc, err := w.AddDocument(as(t, binh), "Chỉ thị.pdf", bytes.NewReader(directive(t)))
		if err != nil {
			t.Fatal(err)
		}
		if doc.Pages != 6 || doc.Name != "Chỉ thị.pdf" || doc.Size != int64(len(directive(t))) {
			t.Errorf("got %+v", doc)
		}
		otherClerk := hoa
		otherClerk.AgencyID = "stc"
		for name, c := range map[string]struct {
			who  auth.Subject
			want error
		}{"the owner": {binh, nil}, "the agency's clerk": {hoa, nil}, "a colleague": {lan, ErrNotFound}, "another agency's clerk": {otherClerk, ErrNotFound}, "nobody": {auth.Subject{}, ErrNotFound}} {
			_, err := w.Document(as(t, c.who), doc.ID)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		docs, err := w.Documents(as(t, lan))
		if err != nil || len(docs) != 0 {
			t.Errorf("a colleague lists %v, %v", docs, err)
		}
	})
}

func TestADocumentIsSignedOnceHoweverManyAsk(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		const asking = 6
		w := newWorld(t, db)
		w.key(t, "binh", "EC-P256", "p-binh")
		doc, err := w.AddDocument(as(t, binh), "x.pdf", bytes.NewReader(directive(t)))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		results := make(chan error, asking)
		for range asking {
			wg.Go(func() {
				mine := *doc
				_, err := w.SignDocument(as(t, binh), &mine, Request{Key: "binh", Factor: FactorTOTP})
				results <- err
			})
		}
		wg.Wait()
		close(results)
		signed := 0
		for err := range results {
			if err == nil {
				signed++
			} else if !errors.Is(err, ErrSigned) {
				t.Errorf("refused with %v", err)
			}
		}
		acts := w.acts(t)
		if signed != 1 || len(acts) != 1 || len(w.kinds(t)) != 2 {
			t.Errorf("%d signed, %d acts, ledger %v", signed, len(acts), w.kinds(t))
		}
		doc, err = w.Document(as(t, binh), doc.ID)
		if err != nil || doc.ActID != acts[0].ID || doc.Claim != "" {
			t.Errorf("document %+v, %v", doc, err)
		}
		_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
		if !errors.Is(err, ErrSigned) {
			t.Errorf("a second time: %v", err)
		}
		if left := leftovers(t, w.dir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestAFailedActFreesItsDocument(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	doc, err := w.AddDocument(as(t, binh), "x.pdf", bytes.NewReader(directive(t)))
	if err != nil {
		t.Fatal(err)
	}
	w.weak.failAt("sign.release")
	_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	if !errors.Is(err, ErrRecord) {
		t.Fatalf("got %v", err)
	}
	if names := files(t, w.dir); len(names) != 1 {
		t.Errorf("files %v", names)
	}
	w.weak.failAt("")
	cancelled, cancel := context.WithCancel(as(t, binh))
	cancel()
	_, err = w.SignDocument(cancelled, doc, Request{Key: "binh", Factor: FactorTOTP})
	if err == nil {
		t.Fatal("signed for who has gone")
	}
	_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	if err != nil {
		t.Errorf("after the failures: %v", err)
	}
}

func TestAFileChangedOnDiskIsNotSigned(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	doc, err := w.AddDocument(as(t, binh), "x.pdf", bytes.NewReader(directive(t)))
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(w.original(doc.ID), spoilPage(directive(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	if !errors.Is(err, ErrChanged) || len(w.acts(t)) != 0 {
		t.Errorf("got %v", err)
	}
}

// TestTheWorkOfADeadProcessIsFoundAgain sets the row as a process leaves it
// that dies after its result is in place and before it is noted.
func TestTheWorkOfADeadProcessIsFoundAgain(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	doc, err := w.AddDocument(as(t, binh), "x.pdf", bytes.NewReader(directive(t)))
	if err != nil {
		t.Fatal(err)
	}
	act, err := w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	if err != nil {
		t.Fatal(err)
	}
	unnoted := func(claim string) {
		_, err := w.db.NewUpdate().Model((*Document)(nil)).Set("act_id = ''").Set("claim = ?", claim).Set("claimed_at = ?", w.pki.Clock.Now()).Where("id = ?", doc.ID).Exec(t.Context())
		if err != nil {
			t.Fatal(err)
		}
	}
	unnoted(act.ID)
	_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	if !errors.Is(err, ErrSigned) || len(w.acts(t)) != 1 {
		t.Errorf("while the claim holds: %v", err)
	}
	w.pki.Clock.Advance(claimFor + time.Second)
	_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	got, readErr := w.Document(as(t, binh), doc.ID)
	if !errors.Is(err, ErrSigned) || readErr != nil || got.ActID != act.ID || len(w.acts(t)) != 1 {
		t.Errorf("after the claim: %v, %+v, %v", err, got, readErr)
	}
	// Without the result the claim is nobody's, and the document is signed anew.
	err = os.Remove(w.signed(doc.ID))
	if err != nil {
		t.Fatal(err)
	}
	unnoted("GONE")
	w.pki.Clock.Advance(claimFor + time.Second)
	_, err = w.SignDocument(as(t, binh), doc, Request{Key: "binh", Factor: FactorTOTP})
	if err != nil {
		t.Errorf("after a claim that came to nothing: %v", err)
	}
}

func TestHalfMadeFilesAreSweptAtTheStart(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * staleAfter)
	for _, name := range []string{".upload-1", ".signing-1.pdf", "A.pdf", "A.signed.pdf"} {
		err := errors.Join(os.WriteFile(filepath.Join(dir, name), nil, 0o600), os.Chtimes(filepath.Join(dir, name), old, old))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.Mkdir(filepath.Join(dir, ".report-1"), 0o700), os.WriteFile(filepath.Join(dir, ".report-1", "report.pdf"), nil, 0o600),
		os.Chtimes(filepath.Join(dir, ".report-1"), old, old), os.WriteFile(filepath.Join(dir, ".upload-young"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	newWorld(t, sqlite(t), func(d *Deps) { d.Documents = dir })
	if got := strings.Join(files(t, dir), " "); got != ".upload-young A.pdf A.signed.pdf" {
		t.Errorf("left: %s", got)
	}
}

func TestAReportInMemoryIsSigned(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "seal", "EC-P256", "")
	out, act, err := w.SignBytes(as(t, own), directive(t), Request{Key: "seal", Factor: FactorLocal, Name: "report.pdf"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := w.Verify(t.Context(), bytes.NewReader(out), int64(len(out)), "x")
	if err != nil || report.Verdict != validate.Passed || act.State != StateReleased {
		t.Errorf("got %+v, %v", report, err)
	}
	if left := files(t, w.dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestANameOfAFileIsMadeReadableAndHarmless(t *testing.T) {
	long := strings.Repeat("ế", 100) + ".pdf"
	for _, c := range []struct{ name, in, want string }{
		{"a Vietnamese name stays", "Chỉ thị số 05/CT-UBND.pdf", "CT-UBND.pdf"},
		{"spaces and dots inside stay", "Báo cáo quý 3.bản 2.pdf", "Báo cáo quý 3.bản 2.pdf"},
		{"a path loses its folders", "../../etc/passwd", "passwd"},
		{"a Windows path loses its separators", `C:\Users\a\x.pdf`, "CUsersax.pdf"},
		{"quotes, angle brackets and line breaks go", "a\"b<c>\r\nSet-Cookie: x.pdf", "abcSet-Cookie x.pdf"},
		{"direction marks that disguise an ending go", "hoadon\u202efdp.exe", "hoadonfdp.exe"},
		{"wrong UTF-8 goes", "a\xff\xfeb.pdf", "ab.pdf"},
		{"nothing becomes a name", "", "van-ban.pdf"},
		{"dots alone become a name", "...", "van-ban.pdf"},
		{"a folder alone becomes a name", "/", "van-ban.pdf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cleanName(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	got := cleanName(long)
	if len(got) > maxName || !utf8.ValidString(got) || !strings.HasSuffix(got, ".pdf") {
		t.Errorf("a long name becomes %q of %d bytes", got, len(got))
	}
}

func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"Chỉ thị số 05.pdf", "../../etc/passwd", "a\r\nb", "\u202efdp.exe", strings.Repeat("ế", 100) + ".pdf", "...", "a\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := cleanName(in)
		if got == "" || len(got) > maxName || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\"<>|:*?\r\n\x00") || strings.Trim(got, ". ") == "" {
			t.Errorf("%q becomes %q", in, got)
		}
		if again := cleanName(got); again != got {
			t.Errorf("%q becomes %q and then %q", in, got, again)
		}
	})
}
