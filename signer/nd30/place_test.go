package nd30_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/testkit/ink"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/nd30"
	"github.com/antin-gov/antin/signer/pades"
)

func document(t *testing.T, data []byte) *nd30.Document {
	t.Helper()
	d, err := nd30.Open(bytes.NewReader(data), int64(len(data)), "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func real(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Data(t, "pdf/real"), name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func directive(signer paper.Signer, text string) []byte {
	d := paper.Directive{
		Agency: "Ủy ban nhân dân tỉnh", Number: 5, Symbol: "CT-UBND", Place: "Tân Lập", Date: time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC),
		Abstract: "Về tăng cường bảo đảm an toàn thông tin mạng", Text: text, Recipients: []string{"Các sở, ban, ngành", "Lưu: VT"}, Signer: signer,
	}
	p, err := d.Document().Render()
	if err != nil {
		return nil
	}
	return p.PDF
}

func near(a, b, slack float64) bool { return math.Abs(a-b) <= slack }

func TestTheSignerIsFoundWhereverTheBlockStands(t *testing.T) {
	chairman := paper.Signer{Authority: []string{"TM. ỦY BAN NHÂN DÂN"}, Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"}
	deputy := paper.Signer{Authority: []string{"KT. GIÁM ĐỐC"}, Title: "PHÓ GIÁM ĐỐC", Name: "TS. Trần Thị Thu Hà"}
	long := strings.Repeat("Các cơ quan, đơn vị chịu trách nhiệm thực hiện Chỉ thị này và báo cáo kết quả hằng quý.\n", 60)
	cases := []struct {
		name, signer  string
		data          []byte
		page          int
		title, person string
	}{
		{"one page", "", directive(chairman, "Thực hiện ngay."), 1, "CHỦ TỊCH", "Nguyễn Văn Bình"},
		{"a deputy with a degree", "Trần Thị Thu Hà", directive(deputy, "Thực hiện ngay."), 1, "PHÓ GIÁM ĐỐC", "TS. Trần Thị Thu Hà"},
		{"the last of several pages", "", directive(chairman, long), 4, "CHỦ TỊCH", "Nguyễn Văn Bình"},
		{"from a browser", "", real(t, "chi-thi-chromium.pdf"), 5, "CHỦ TỊCH", "Nguyễn Văn A"},
		{"from LibreOffice", "Nguyễn Văn A", real(t, "chi-thi-libreoffice.pdf"), 6, "CHỦ TỊCH", "Nguyễn Văn A"},
		{"encrypted for its owner", "", real(t, "chi-thi-owner-aes256.pdf"), 5, "CHỦ TỊCH", "Nguyễn Văn A"},
		{"with garbled tables of letters", "", real(t, "chi-thi-ghostscript14.pdf"), 5, "CHỦ TỊCH", "Nguyßn Văn A"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := document(t, c.data)
			b := d.Block(c.signer)
			if b == nil {
				t.Fatal("not found")
			}
			last := b.Title[len(b.Title)-1].Text
			if b.Page != c.page || last != c.title || b.Name.Text != c.person {
				t.Errorf("page %d, %q, %q", b.Page, last, b.Name.Text)
			}
			p := d.Person(0, 45, 18, c.signer)
			box, room := p.Box, b.Room
			if !p.Found || box.Y < room.Y || box.Y+box.Height > room.Y+room.Height || !near(box.X+box.Width/2, b.Name.Box.X+b.Name.Box.Width/2, 0.6) {
				t.Errorf("signature %+v in room %+v", box, room)
			}
		})
	}
}

func TestWhatNamesNoSignerGetsTheUsualPlaceInsideThePage(t *testing.T) {
	plain := document(t, sheet("BT /F1 12 Tf 72 700 Td (Bang ke hang hoa) Tj ET", "/MediaBox [0 0 841.89 595.28]"))
	for _, preset := range []appearance.Preset{appearance.Person, appearance.Seal} {
		s, err := plain.Complete(appearance.Spec{Preset: preset, Name: "Nguyễn Văn A"}, "Nguyễn Văn A")
		if err != nil {
			t.Fatal(err)
		}
		if s.Page != 1 || s.Box.X < 3 || s.Box.X+s.Box.Width > 297-3+0.01 || s.Box.Y < 3 || s.Box.Y+s.Box.Height > 210-3+0.01 {
			t.Errorf("%s: page %d, %+v", preset, s.Page, s.Box)
		}
	}
	// Two names under two titles in capitals are a list, not a block, unless
	// something says that it is one.
	list := document(t, sheet("BT /F1 12 Tf 300 700 Td (DANH SACH) Tj 0 -60 Td (Nguyen Van A) Tj ET", ""))
	if list.Block("") != nil {
		t.Errorf("%+v", list.Block(""))
	}
	if list.Block("Nguyen Van A") == nil {
		t.Error("the name that was asked for is not found")
	}
}

func TestThePlaceThatWasGivenIsKept(t *testing.T) {
	d := document(t, directive(paper.Signer{Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"}, "Thực hiện."))
	given := appearance.Spec{Preset: appearance.Person, Page: 1, Box: appearance.Box{X: 1, Y: 2, Width: 30, Height: 10}}
	got, err := d.Complete(given, "")
	if err != nil || got.Box != given.Box {
		t.Errorf("%+v %v", got.Box, err)
	}
}

// hand is a signature as a scan gives it: blue on white, with wide margins.
func hand(t *testing.T, transparent bool) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 600, 400))
	for i := range img.Pix {
		if !transparent {
			img.Pix[i] = 0xff
		}
	}
	for x := 150; x < 450; x++ {
		y := 200 + 50*math.Sin(float64(x)/22)*math.Cos(float64(x)/90)
		for d := -4; d <= 4; d++ {
			img.SetNRGBA(x, int(y)+d, color.NRGBA{20, 40, 170, 255})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// round is a seal's image with margins, 300 dots an inch by its pHYs.
func round(t *testing.T, diameter float64) []byte {
	t.Helper()
	const dpi = 300
	r := diameter / 25.4 * dpi / 2
	side := int(2*r) + 80
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			d := math.Hypot(float64(x)+0.5-float64(side)/2, float64(y)+0.5-float64(side)/2)
			if d <= r && d > r-6 || d < r/3 {
				img.SetNRGBA(x, y, color.NRGBA{200, 16, 30, 255})
			}
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if err != nil {
		t.Fatal(err)
	}
	return physical(b.Bytes(), dpi)
}

// mark signs a document visibly, at the place that the form has for the mark.
func mark(t *testing.T, input []byte, s appearance.Spec, name string) []byte {
	t.Helper()
	s, err := document(t, input).Complete(s, name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 9, 18, 2, 5, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Thử"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "signed.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	_, err = pades.Sign(t.Context(), bytes.NewReader(input), int64(len(input)), out, pades.Options{
		Signer: key, Chain: []*x509.Certificate{cert}, Level: pades.LevelB, Visible: &s, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func draw(t *testing.T, data []byte, page string, dpi float64, name string) image.Image {
	t.Helper()
	_, err := exec.LookPath("mutool")
	if err != nil {
		t.Skip("mutool is not installed")
	}
	dir := os.Getenv("ANTIN_KEEP_RENDERED") // a folder in which to look at the pages
	if dir == "" {
		dir = t.TempDir()
	}
	file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pdf")
	err = os.WriteFile(file, data, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	picture := strings.TrimSuffix(file, "pdf") + "png"
	said, err := exec.Command("mutool", "draw", "-r", itoa(int(dpi)), "-o", picture, file, page).CombinedOutput()
	if err != nil {
		t.Fatalf("mutool: %v %s", err, said)
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestOnTheRenderedPageTheSealHasItsRealSizeAndCoversAThird(t *testing.T) {
	const dpi = 200.0
	const slack = 0.35 // mm: two pixels and the soft edge of a line
	chairman := paper.Signer{Authority: []string{"TM. ỦY BAN NHÂN DÂN"}, Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"}
	cases := []struct {
		name, page string
		input      []byte
		person     appearance.Spec
		seal       appearance.Spec
		diameter   float64
	}{
		{"drawn", "1", directive(chairman, "Thực hiện ngay."),
			appearance.Spec{Name: "Nguyễn Văn Bình"}, appearance.Spec{Name: "Ủy ban nhân dân tỉnh"}, 36},
		{"from images", "1", directive(chairman, "Thực hiện ngay."),
			appearance.Spec{Image: hand(t, true)}, appearance.Spec{Image: round(t, 38)}, 38},
		{"a scan without transparency", "5", real(t, "chi-thi-chromium.pdf"),
			appearance.Spec{Image: hand(t, false)}, appearance.Spec{Image: round(t, 36)}, 36},
		{"from LibreOffice", "6", real(t, "chi-thi-libreoffice-pdfa2.pdf"),
			appearance.Spec{Image: hand(t, true)}, appearance.Spec{Image: round(t, 36)}, 36},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.person.Preset, c.seal.Preset = appearance.Person, appearance.Seal
			b := document(t, c.input).Block("")
			signed := mark(t, c.input, c.person, "")
			alone := ink.Measure(draw(t, signed, c.page, dpi, c.name+" signed"), dpi)
			img := draw(t, mark(t, signed, c.seal, ""), c.page, dpi, c.name+" sealed")
			both := ink.Measure(img, dpi)
			if !near(both.Red.Width, c.diameter, slack) || !near(both.Red.Height, c.diameter, slack) {
				t.Errorf("the seal is %.2f × %.2f mm, not %.0f", both.Red.Width, both.Red.Height, c.diameter)
			}
			overlap := (both.Red.Right() - alone.Blue.X) / alone.Blue.Width
			if both.Red.X > alone.Blue.X || overlap < 0.28 || overlap > 0.40 {
				t.Errorf("the seal covers %.2f of the signature", overlap)
			}
			centre := alone.Blue.X + alone.Blue.Width/2
			name := b.Name.Box.X + b.Name.Box.Width/2
			above, below := alone.Blue.Y-b.Room.Y, b.Room.Y+b.Room.Height-alone.Blue.Bottom()
			if !near(centre, name, 1.5) || above < 0 || below < 0 || !near(above, below, 4) {
				t.Errorf("the signature's middle is at %.1f, the name's at %.1f; %.1f mm above it, %.1f below", centre, name, above, below)
			}
			t.Logf("seal %.2f × %.2f mm; covers %.3f; signature %.1f × %.1f mm, %.2f mm off the middle", both.Red.Width, both.Red.Height, overlap, alone.Blue.Width, alone.Blue.Height, centre-name)
		})
	}
}

func TestMarksStandUprightAndInPlaceOnTurnedAndCroppedPages(t *testing.T) {
	const dpi = 150.0
	for _, c := range []struct{ name, entries, matrix string }{
		{"turned by 90", "/Rotate 90 /MediaBox [0 0 842 595]", "0 1 -1 0 %X %Y Tm"},
		{"cropped", "/CropBox [20 30 615 872] /MediaBox [0 0 700 900]", ""},
		{"a unit of 2", "/UserUnit 2 /MediaBox [0 0 297.5 421]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			input := signed(c.name)
			page := sheet(input, c.entries)
			d := document(t, page)
			b := d.Block("")
			if b == nil {
				t.Fatal("no block")
			}
			img := draw(t, mark(t, page, appearance.Spec{Preset: appearance.Person, Image: hand(t, true)}, ""), "1", dpi, c.name)
			blue := ink.Measure(img, dpi).Blue
			if blue.Y < b.Room.Y || blue.Bottom() > b.Room.Y+b.Room.Height || !near(blue.X+blue.Width/2, b.Name.Box.X+b.Name.Box.Width/2, 1) {
				t.Errorf("signature %+v, room %+v", blue, b.Room)
			}
			text := ink.Text(img, dpi, ink.Box{X: b.Name.Box.X - 5, Y: b.Name.Box.Y - 1, Width: b.Name.Box.Width + 10, Height: b.Name.Box.Height + 2})
			if !near(text.X, b.Name.Box.X, 1.2) || !near(text.Width, b.Name.Box.Width, 2) {
				t.Errorf("the name is drawn at %+v and was found at %+v", text, b.Name.Box)
			}
		})
	}
}
