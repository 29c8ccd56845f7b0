package appearance_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
)

var a4 = appearance.Page{MediaBox: [4]float64{0, 0, 595.28, 841.89}}

func TestABoxInMillimetresFindsItsRectangleOnEveryRotation(t *testing.T) {
	box := appearance.Box{X: 25.4, Y: 50.8, Width: 25.4, Height: 12.7}
	media := [4]float64{0, 0, 600, 800}
	cases := map[string]struct {
		page appearance.Page
		want [4]float64
	}{
		"upright":                            {appearance.Page{MediaBox: media}, [4]float64{72, 800 - 144 - 36, 144, 800 - 144}},
		"turned by 90":                       {appearance.Page{MediaBox: media, Rotate: 90}, [4]float64{144, 72, 180, 144}},
		"turned by 180":                      {appearance.Page{MediaBox: media, Rotate: 180}, [4]float64{600 - 144, 144, 600 - 72, 180}},
		"turned by 270":                      {appearance.Page{MediaBox: media, Rotate: 270}, [4]float64{600 - 180, 800 - 144, 600 - 144, 800 - 72}},
		"turned by -90 is 270":               {appearance.Page{MediaBox: media, Rotate: -90}, [4]float64{600 - 180, 800 - 144, 600 - 144, 800 - 72}},
		"counted from the crop box":          {appearance.Page{MediaBox: media, CropBox: [4]float64{10, 20, 500, 700}}, [4]float64{82, 700 - 144 - 36, 154, 700 - 144}},
		"a user unit of 2 halves the points": {appearance.Page{MediaBox: media, UserUnit: 2}, [4]float64{36, 800 - 72 - 18, 72, 800 - 72}},
	}
	for name, c := range cases {
		got, err := c.page.Rect(box)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 0.01 {
				t.Errorf("%s: %v, want %v", name, got, c.want)
				break
			}
		}
	}
	_, err := appearance.Page{MediaBox: media}.Rect(appearance.Box{X: 200, Y: 10, Width: 30, Height: 10})
	if !errors.Is(err, appearance.ErrOutside) {
		t.Errorf("a box over the edge: %v", err)
	}
}

func TestTheSealCoversAThirdOfTheSignatureOnItsLeft(t *testing.T) {
	person := appearance.Box{X: 100, Y: 200, Width: 45, Height: 18}
	seal := appearance.SealOver(person, 36)
	covered := seal.X + seal.Width - person.X
	if math.Abs(covered-15) > 0.001 {
		t.Errorf("covers %.2f mm of 45", covered)
	}
	if middle := seal.Y + seal.Height/2; math.Abs(middle-209) > 0.001 {
		t.Errorf("middle at %.2f", middle)
	}
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	cases := map[string]struct {
		spec appearance.Spec
		want error
	}{
		"an unknown preset":               {appearance.Spec{Preset: "stamp"}, appearance.ErrSpec},
		"a signature without image, name": {appearance.Spec{Preset: appearance.Person}, appearance.ErrSpec},
		"a seal without image and name":   {appearance.Spec{Preset: appearance.Seal}, appearance.ErrSpec},
		"text without a line":             {appearance.Spec{Preset: appearance.Text}, appearance.ErrSpec},
		"a letter the font lacks":         {appearance.Spec{Preset: appearance.Person, Name: "漢"}, appearance.ErrSpec},
		"an image that is no PNG":         {appearance.Spec{Preset: appearance.Seal, Image: []byte("GIF89a")}, appearance.ErrImage},
		"a place off the page":            {appearance.Spec{Preset: appearance.Seal, Name: "A", Box: appearance.Box{X: 190, Y: 10, Width: 36, Height: 36}}, appearance.ErrOutside},
	}
	for name, c := range cases {
		_, err := c.spec.Build(a4, &collector{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type collector struct{ objects []cos.Object }

func (c *collector) Add(o cos.Object) cos.Ref {
	c.objects = append(c.objects, o)
	return cos.Ref{Num: uint32(len(c.objects))}
}

func TestAMarkWithAllVietnameseLettersStaysBelow60KB(t *testing.T) {
	letters := "aàảãáạăằẳẵắặâầẩẫấậđeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵ"
	spec := appearance.Spec{Preset: appearance.Text, Lines: []string{"Số: 0123456789/QĐ-UBND", letters, strings.ToUpper(letters)}, Time: time.Now(), Box: appearance.Box{X: 10, Y: 10, Width: 180, Height: 30}}
	c := &collector{}
	_, err := spec.Build(a4, c)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, o := range c.objects {
		s, ok := o.(*cos.Stream)
		if ok {
			size += len(s.Data)
		}
	}
	t.Logf("%d bytes of streams", size)
	if size > 60_000 {
		t.Errorf("%d bytes", size)
	}
}

// handwriting draws a blue wave on transparent ground.
func handwriting() []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 400, 160))
	for x := range 400 {
		y := 80 + 50*math.Sin(float64(x)/22)*math.Cos(float64(x)/90)
		for d := -4; d <= 4; d++ {
			img.SetNRGBA(x, int(y)+d, color.NRGBA{20, 40, 170, uint8(255 - 40*abs(d))})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if err != nil {
		return nil
	}
	return b.Bytes()
}

func abs(n int) int { return max(n, -n) }

// stamp appends marks as form annotations to a file and returns it.
func stamp(t *testing.T, path string, specs ...appearance.Spec) []byte {
	t.Helper()
	input, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := cos.Open(bytes.NewReader(input), int64(len(input)), cos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := f.NewUpdate()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := f.Latest().Pages()
	if err != nil {
		t.Fatal(err)
	}
	page := f.Latest().Dict(pages[0]).Clone()
	var annots cos.Array
	for _, s := range specs {
		m, err := s.Build(a4, u)
		if err != nil {
			t.Fatal(err)
		}
		annots = append(annots, u.Add(cos.Dict{
			"Type": cos.Name("Annot"), "Subtype": cos.Name("Stamp"), "F": int64(4),
			"Rect": cos.Array{m.Rect[0], m.Rect[1], m.Rect[2], m.Rect[3]}, "AP": cos.Dict{"N": m.Form},
		}))
	}
	page["Annots"] = annots
	u.Put(pages[0], page)
	out := bytes.NewBuffer(bytes.Clone(input))
	_, err = u.Write(out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestThePresetsAreShownAndTheirTextIsReadable(t *testing.T) {
	_, err := exec.LookPath("mutool")
	if err != nil {
		t.Skip("mutool is not installed")
	}
	person := appearance.Box{X: 125, Y: 225, Width: 45, Height: 18}
	at := time.Date(2026, 9, 18, 2, 5, 0, 0, time.UTC)
	sheets := map[string][]appearance.Spec{
		"drawn": {
			{Preset: appearance.Person, Name: "Nguyễn Thị Phượng", Box: person},
			{Preset: appearance.Seal, Name: "Ủy ban nhân dân tỉnh Thái Bình", Box: appearance.SealOver(person, 0)},
			{Preset: appearance.Text, Lines: []string{"Số: 07/CT-UBND"}, Time: at},
		},
		"images": {
			{Preset: appearance.Person, Image: handwriting(), Box: person},
			{Preset: appearance.Seal, Name: "Sở Thông tin và Truyền thông thành phố Hồ Chí Minh", Box: appearance.SealOver(person, 40)},
			{Preset: appearance.Text, Lines: []string{"SAO Y", "Ủy ban nhân dân quận Đống Đa"}, Time: at},
		},
		"hard edges": {{Preset: appearance.Person, Image: handwriting(), Box: person, Opaque: true}},
	}
	keep := os.Getenv("ANTIN_KEEP_RENDERED") // a folder in which to look at the pages
	for name, specs := range sheets {
		dir := t.TempDir()
		if keep != "" {
			dir = keep
		}
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pdf")
		err = os.WriteFile(file, stamp(t, filepath.Join(testkit.Data(t, "pdf/real"), "chi-thi-chromium.pdf"), specs...), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command("mutool", "draw", "-r", "110", "-o", strings.TrimSuffix(file, "pdf")+"png", file, "1").CombinedOutput()
		said = bytes.ReplaceAll(said, []byte("warning: ICC support is not available"), nil) // of this mutool, for any file
		if err != nil || bytes.Contains(said, []byte("error")) || bytes.Contains(said, []byte("warning")) {
			t.Errorf("%s: mutool: %v %s", name, err, said)
		}
		text, err := exec.Command("pdftotext", "-raw", "-l", "1", file, "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		if name == "drawn" && !bytes.Contains(text, []byte("2026-09-18T09:05:00+07:00")) {
			t.Errorf("%s: text is not found again", name)
		}
	}
}
