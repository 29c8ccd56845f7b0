package paper_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/paper"
)

// envKeep names a folder to keep the composed documents in, to look at them.
const envKeep = "ANTIN_TEST_KEEP"

func directive() paper.Directive {
	return paper.Directive{
		Agency: "Ủy ban nhân dân tỉnh", Number: 5, Symbol: "CT-UBND", Place: "Tân Lập",
		Date:     time.Date(2026, 2, 5, 20, 0, 0, 0, time.UTC),
		Abstract: "Về tăng cường bảo đảm an toàn thông tin mạng và sử dụng chữ ký số trong các cơ quan nhà nước trên địa bàn tỉnh",
		Text: `Thời gian qua, việc ứng dụng công nghệ thông tin và chữ ký số chuyên dùng công vụ trong các cơ quan nhà nước trên địa bàn tỉnh đã có nhiều chuyển biến tích cực. Tuy nhiên, nguy cơ mất an toàn thông tin vẫn diễn biến phức tạp, đặc biệt là mã độc tống tiền.
Để khắc phục tình trạng trên, Chủ tịch Ủy ban nhân dân tỉnh yêu cầu:
1. Các sở, ban, ngành, Ủy ban nhân dân các xã, phường, đặc khu thực hiện ký số toàn bộ văn bản điện tử, trừ văn bản mật theo quy định của pháp luật; người đứng đầu cơ quan chịu trách nhiệm trước Chủ tịch Ủy ban nhân dân tỉnh về kết quả thực hiện.
2. Trung tâm Giám sát an toàn thông tin trực giám sát 24/7, thông báo sự cố nghiêm trọng chậm nhất 24 giờ, báo cáo chậm nhất 72 giờ kể từ khi phát hiện.
3. Văn phòng Ủy ban nhân dân tỉnh theo dõi, đôn đốc việc thực hiện Chỉ thị này.`,
		Signer:     paper.Signer{Title: "Chủ tịch", Name: "Nguyễn Văn Bình"},
		Recipients: []string{"Các sở, ban, ngành", "UBND các xã, phường, đặc khu", "Lưu: VT, KHCN"},
	}
}

func render(t *testing.T, d *paper.Document, name string) (*paper.Paper, string) {
	t.Helper()
	p, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	dir := os.Getenv(envKeep)
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, name)
	err = os.WriteFile(path, p.PDF, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return p, path
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	_, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s absent", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestADirectiveHasThePartsOfTheFormAndCopiesAsText(t *testing.T) {
	p, path := render(t, directive().Document(), "directive.pdf")
	if p.Pages != 1 {
		t.Errorf("%d pages", p.Pages)
	}
	text := regexp.MustCompile(`\s+`).ReplaceAllString(tool(t, "pdftotext", "-layout", path, "-"), " ")
	for _, want := range []string{
		"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", "ỦY BAN NHÂN DÂN TỈNH", "Số: 05/CT-UBND",
		"Tân Lập, ngày 06 tháng 02 năm 2026", "CHỈ THỊ", "đặc biệt là mã độc tống tiền.", "Chỉ thị này./.",
		"CHỦ TỊCH", "Nguyễn Văn Bình", "Nơi nhận:", "- Các sở, ban, ngành;", "- Lưu: VT, KHCN.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	fonts := tool(t, "pdffonts", path)
	if !strings.Contains(fonts, "LiberationSerif-Bold") || strings.Contains(fonts, " no  ") {
		t.Errorf("fonts:\n%s", fonts)
	}
	if !strings.Contains(tool(t, "pdfinfo", path), "A4") {
		t.Error("the page is not A4")
	}
	tool(t, "qpdf", "--check", path)
}

func TestTheSignatureBlockStandsBetweenTitleAndName(t *testing.T) {
	p, path := render(t, directive().Document(), "place.pdf")
	top := wordAt(t, path, "CHỦ", "TỊCH")
	name := wordAt(t, path, "Bình</word>", "")
	box := p.Signature.Rect.Points()
	const height = 297 * 72 / 25.4
	if p.Signature.Page != 1 || height-box[3] < top || height-box[1] > name {
		t.Errorf("block %v between the title ending at %.1f and the name at %.1f", box, top, name)
	}
	if box[2]-box[0] < 150 || box[3]-box[1] < 70 {
		t.Errorf("block %v is too small for a mark", box)
	}
}

// wordAt returns the lower edge of the last pair of words, or the upper edge
// of the last single word, from the page's top in points.
func wordAt(t *testing.T, path, first, second string) float64 {
	t.Helper()
	out := tool(t, "pdftotext", "-bbox", path, "-")
	edge := regexp.MustCompile(`yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)"`)
	at := -1.0
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		if !strings.Contains(line, first) || second != "" && (i+1 == len(lines) || !strings.Contains(lines[i+1], second)) {
			continue
		}
		m := edge.FindStringSubmatch(line)
		which := m[2]
		if second == "" {
			which = m[1]
		}
		v, err := time.ParseDuration(which + "s")
		if err != nil {
			t.Fatal(err)
		}
		at = v.Seconds()
	}
	if at < 0 {
		t.Fatalf("%q not found in\n%s", first, out)
	}
	return at
}

func TestALongDocumentNumbersItsPagesAndKeepsTheSignatureWithText(t *testing.T) {
	for lines := 10; lines < 60; lines += 7 {
		d := directive()
		d.Text = strings.Repeat("Các cơ quan, đơn vị tổ chức thực hiện nghiêm túc nội dung này và báo cáo kết quả về Ủy ban nhân dân tỉnh theo quy định.\n", lines)
		p, path := render(t, d.Document(), "long.pdf")
		if p.Signature.Page != p.Pages || p.Pages < 1 {
			t.Fatalf("%d lines: signature on page %d of %d", lines, p.Signature.Page, p.Pages)
		}
		if p.Pages == 1 {
			continue
		}
		last := tool(t, "pdftotext", "-f", "2", "-layout", path, "-")
		if !strings.HasPrefix(strings.TrimSpace(last), "2\n") {
			t.Errorf("page 2 begins %.40q", last)
		}
		pages := strings.Split(strings.TrimRight(last, "\f\n"), "\f")
		if !strings.Contains(pages[len(pages)-1], "báo cáo") || !strings.Contains(pages[len(pages)-1], "Nguyễn Văn Bình") {
			t.Errorf("%d lines: the signature stands alone:\n%s", lines, pages[len(pages)-1])
		}
	}
}

func TestAnExerciseReportCarriesItsMarkOnEveryPage(t *testing.T) {
	d := directive().Document()
	d.Type, d.Abstract, d.Exercise = "Báo cáo", "Kết quả diễn tập ứng cứu mã độc tống tiền", true
	table := paper.Table{Columns: []paper.Column{{Title: "Nội dung", Share: 3}, {Title: "Thời gian", Share: 1, Right: true}}}
	for range 40 {
		table.Rows = append(table.Rows, []string{"Thời gian phát hiện tình huống từ khi gói tin được phát tới khi hệ thống mở sự cố", "00:00:12"})
	}
	d.Body = []paper.Block{paper.Heading{Text: "I. KẾT QUẢ"}, paper.Paragraph{Text: "Kết quả theo hồ sơ sự cố."}, table, paper.Paragraph{Text: "Trên đây là kết quả diễn tập"}}
	p, path := render(t, d, "report.pdf")
	text := tool(t, "pdftotext", "-layout", path, "-")
	if p.Pages < 2 || strings.Count(text, "DIỄN TẬP – EXERCISE") != 2*p.Pages || strings.Count(text, "Thời gian\n") < p.Pages-1 {
		t.Errorf("%d pages:\n%s", p.Pages, text)
	}
}

func TestDocumentsThatLackAPartAreRefused(t *testing.T) {
	cases := map[string]func(d *paper.Document){
		"no agency":             func(d *paper.Document) { d.Agency = "" },
		"no date":               func(d *paper.Document) { d.Date = time.Time{} },
		"no signer":             func(d *paper.Document) { d.Signer.Name = "" },
		"no text":               func(d *paper.Document) { d.Body = nil },
		"a row without columns": func(d *paper.Document) { d.Body = []paper.Block{paper.Table{Rows: [][]string{{"x"}}}} },
		"a row too short": func(d *paper.Document) {
			d.Body = []paper.Block{paper.Table{Columns: []paper.Column{{Title: "a", Share: 1}}, Rows: [][]string{{}}}}
		},
		"far too much text": func(d *paper.Document) { d.Body = []paper.Block{paper.Paragraph{Text: strings.Repeat("x", 2<<20)}} },
	}
	for name, breakIt := range cases {
		t.Run(name, func(t *testing.T) {
			d := directive().Document()
			breakIt(d)
			_, err := d.Render()
			if !errors.Is(err, paper.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNumbersAndDatesAreWrittenAsTheFormDemands(t *testing.T) {
	if got := paper.Number(7, "QĐ-UBND"); got != "07/QĐ-UBND" {
		t.Error(got)
	}
	if got := paper.Number(123, "BC-TTGSATTT"); got != "123/BC-TTGSATTT" {
		t.Error(got)
	}
	for want, date := range map[string]time.Time{
		"X, ngày 09 tháng 01 năm 2026": time.Date(2026, 1, 9, 3, 0, 0, 0, time.UTC),
		"X, ngày 22 tháng 11 năm 2026": time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC),
		"X, ngày 31 tháng 3 năm 2026":  time.Date(2026, 3, 31, 3, 0, 0, 0, time.UTC),
	} {
		if got := paper.DateLine("X", date); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
