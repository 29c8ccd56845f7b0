package nd30

import (
	"regexp"
	"strings"

	"github.com/antin-gov/antin/signer/content"
)

// Head are the parts at the top of the first page (boxes 1 to 5); nil where
// the text has none.
type Head struct {
	Country *content.Line // Quốc hiệu [1]
	Motto   *content.Line // tiêu ngữ [1]
	Agency  *content.Line // the last line of the issuing agency's name [2]
	Number  *content.Line // "Số:" [3]
	Date    *content.Line // place and date [4]
	Type    *content.Line // name of the type [5a]
	Subject *content.Line // "V/v" of an official letter [5b]
}

var (
	numberLine = regexp.MustCompile(`^S[ốô\x{FFFD}ß?]\s*:`)
	dateLine   = regexp.MustCompile(`(?i)ngày.*tháng.*năm`)
	aboutLine  = regexp.MustCompile(`(?i)^v/v\b`)
)

// Head finds the parts at the top of the first page.
func (d *Document) Head() Head {
	p := d.Page(1)
	width, height := p.Geometry.Size()
	var h Head
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.Box.Y > height/2 {
			break
		}
		left := middle(l.Box) < width/2
		switch {
		case h.Country == nil && like(l.Text, "CỘNG HÒA XÃ HỘI"):
			h.Country = l
		case h.Motto == nil && like(l.Text, "Độc lập"):
			h.Motto = l
		case h.Number == nil && numberLine.MatchString(l.Text):
			h.Number = l
		case h.Date == nil && !left && dateLine.MatchString(l.Text):
			h.Date = l
		case h.Subject == nil && left && aboutLine.MatchString(l.Text):
			h.Subject = l
		case h.Number == nil && left && isTitle(l.Text) && l.Box.X+l.Box.Width < 0.62*width && !like(l.Text, "VIỆT NAM"):
			h.Agency = l
		case h.Type == nil && isType(l.Text):
			h.Type = l
		}
	}
	return h
}

// isType tells whether a line is the name of a type of document (NĐ 30/2020
// art. 7), as it stands above the abstract.
func isType(s string) bool {
	for _, name := range []string{
		"NGHỊ QUYẾT", "QUYẾT ĐỊNH", "CHỈ THỊ", "QUY CHẾ", "QUY ĐỊNH", "THÔNG CÁO", "THÔNG BÁO", "HƯỚNG DẪN", "CHƯƠNG TRÌNH", "KẾ HOẠCH", "PHƯƠNG ÁN",
		"ĐỀ ÁN", "DỰ ÁN", "BÁO CÁO", "BIÊN BẢN", "TỜ TRÌNH", "HỢP ĐỒNG", "CÔNG ĐIỆN", "BẢN GHI NHỚ", "BẢN THỎA THUẬN", "GIẤY ỦY QUYỀN", "GIẤY MỜI",
		"GIẤY GIỚI THIỆU", "GIẤY NGHỈ PHÉP", "PHIẾU GỬI", "PHIẾU CHUYỂN", "PHIẾU BÁO", "THƯ CÔNG",
	} {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}
