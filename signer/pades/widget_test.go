package pades_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// everyPage is a signature's mark at one place of all pages.
func everyPage() *appearance.Spec {
	return &appearance.Spec{
		Preset: appearance.Person, Name: "Nguyễn Văn A", Pages: appearance.Pages{{From: 1, To: -1}},
		Box: appearance.Box{X: 170, Y: 278, Width: 30, Height: 12},
	}
}

func TestOneSignatureIsShownOnEveryPageAndIsOneForAllReaders(t *testing.T) {
	need(t, "qpdf", "pdfsig", "mutool", "openssl")
	p := newPKI(t)
	for _, path := range realFiles(t) {
		for _, s := range p.schemes()[:1] {
			name := filepath.Base(path)
			out, r, err := signFile(t, path, pades.Options{
				Signer: s.key, Chain: s.chain, Level: pades.LevelLTA, Visible: everyPage(), Timestamp: p.timestamp, Collect: p.collect,
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			check(t, name, path, out, r, s, p)
			data, f := look(t, out)
			pages, err := f.Latest().Pages()
			if err != nil {
				t.Fatal(err)
			}
			report, err := validate.File(t.Context(), bytes.NewReader(data), int64(len(data)), validate.Options{Clock: clock.System{}})
			if err != nil || len(report.Signatures) != 2 {
				t.Errorf("%s: %d signatures, %v", name, len(report.Signatures), err)
				continue
			}
			first := report.Signatures[0]
			if len(first.Places) != len(pages) || first.Places[len(pages)-1].Page != len(pages) || first.Integrity != validate.Intact || first.Changes == validate.ChangesForbidden {
				t.Errorf("%s: %+v", name, first)
			}
			said, err := exec.Command("pdfsig", "-nocert", out).Output()
			if err != nil || strings.Contains(string(said), "not signed") || strings.Count(string(said), "Signature is Valid") != len(pages) {
				t.Errorf("%s: pdfsig: %v\n%s", name, err, said)
			}
		}
	}
}

func TestASignatureOnSeveralPagesAfterAnotherIsNoForgery(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	path := testkit.Data(t, "pdf/real/chi-thi-libreoffice-pdfa2.pdf")
	first, r, err := signFile(t, path, pades.Options{Signer: s.key, Chain: s.chain, Visible: everyPage(), Certify: 2})
	if err != nil {
		t.Fatal(err)
	}
	again := everyPage()
	again.Box.X = 5
	second, r2, err := signFile(t, first, pades.Options{Signer: s.key, Chain: s.chain, Visible: again})
	if err != nil {
		t.Fatal(err)
	}
	over := everyPage()
	over.Preset, over.Pages = appearance.Seal, appearance.Pages{{From: 1, To: 1}}
	third, _, err := signFile(t, second, pades.Options{Signer: s.key, Chain: s.chain, Visible: over})
	if err != nil {
		t.Fatal(err)
	}
	_, f := look(t, third)
	for n, signed := range []int64{r.Signed, r2.Signed} {
		revision, ok := f.RevisionAt(signed)
		judged, err := diff.Compare(f, revision, diff.Permissions{DocMDP: 2})
		if !ok || err != nil || judged.Level != diff.FormFilling {
			t.Errorf("signature %d: %v %+v", n+1, err, judged)
		}
		if n == 0 && (len(judged.Covers) != 1 || judged.Covers[0].Over == "") {
			t.Errorf("the mark over the first signature is not told: %+v", judged.Covers)
		}
	}
}

func TestPagesThatCannotShowASignatureAreToldBeforeItIsMade(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	path := testkit.Data(t, "pdf/real/chi-thi-chromium.pdf")
	refused := func(path string, spec *appearance.Spec, field, code string) {
		t.Helper()
		_, _, err := signFile(t, path, pades.Options{Signer: s.key, Chain: s.chain, Visible: spec, Field: field, Now: time.Now()})
		var why *cos.RefusedError
		if !errors.As(err, &why) || why.Code != code {
			t.Errorf("%s: got %v", code, err)
		}
	}
	many := everyPage()
	many.Pages = appearance.Pages{{From: 1, To: 4711}}
	refused(path, many, "", pades.CodePages)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(t.TempDir(), "2.0.pdf")
	err = os.WriteFile(newer, append([]byte("%PDF-2.0"), data[8:]...), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	refused(newer, everyPage(), "", pades.CodePlaces)
	form := filepath.Join(t.TempDir(), "form.pdf")
	err = os.WriteFile(form, withSeed(""), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	spec := everyPage()
	spec.Pages = appearance.Pages{{From: 1, To: 1}}
	refused(form, spec, "Ky", pades.CodePlaces)
	spec.Box.X = 5000
	_, _, err = signFile(t, path, pades.Options{Signer: s.key, Chain: s.chain, Visible: spec})
	if !errors.Is(err, appearance.ErrOutside) || !strings.Contains(err.Error(), "page 1") {
		t.Errorf("got %v", err)
	}
}
