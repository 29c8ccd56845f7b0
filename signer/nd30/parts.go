package nd30

import (
	"regexp"
	"strings"
	"time"

	"github.com/antin-gov/antin/signer/content"
)

var (
	// number/symbol: a stroke between, hyphens inside the symbol, no blanks (II.3).
	numberForm   = regexp.MustCompile(`^Số: \d{2,}/[\p{Lu}\d]+([-.&]*[\p{Lu}\d]+)*$`)
	numberOpen   = regexp.MustCompile(`^Số:\s*(/.*)?$`)
	numberSingle = regexp.MustCompile(`^Số:\s*[1-9]\s*/`)
	dateForm     = regexp.MustCompile(`^(.+), ngày (\d{1,2}) tháng (\d{1,2}) năm (\d{4})$`)
	wrongSign    = regexp.MustCompile(`^(K/T|T/M|T/L|T/UQ|KT[ :]|TM[ :]|TL[ :]|TUQ[ :]|Q/)`)
)

// checkHead looks at boxes 1 to 5.
func (c *checker) checkHead() {
	h := c.head
	c.styled(h.Country, "country", true, false, 12, 13)
	c.styled(h.Motto, "motto", true, false, 13, 14)
	if h.Motto != nil && h.Motto.Text != "Độc lập - Tự do - Hạnh phúc" {
		c.add(1, h.Motto, "motto-words", nil)
	}
	c.styled(h.Agency, "agency", true, false, 12, 13)
	c.styled(h.Number, "number", false, false, 13, 13)
	if h.Number != nil {
		c.numberWords(h.Number)
	}
	c.styled(h.Date, "date", false, true, 13, 14)
	if h.Date != nil {
		c.dateWords(h.Date)
	}
	switch {
	case h.Type != nil:
		c.styled(h.Type, "type", true, false, 13, 14)
		if h.Type.Text != strings.ToUpper(h.Type.Text) {
			c.add(1, h.Type, "type-capitals", nil)
		}
	case h.Subject != nil:
		c.styled(h.Subject, "subject", false, false, 12, 13)
	default:
		c.add(1, nil, "type-missing", nil)
	}
}

// styled looks at a part: whether it is there, bold, italic, and its size.
func (c *checker) styled(l *content.Line, name string, bold, italic bool, low, high float64) {
	if l == nil {
		c.add(1, nil, name+"-missing", nil)
		return
	}
	if l.Bold != bold || l.Italic != italic {
		c.add(1, l, name+"-style", nil)
	}
	if !between(l.Size, low, high, slackPoint) {
		c.add(1, l, name+"-size", []any{l.Size})
	}
}

func (c *checker) numberWords(l *content.Line) {
	switch {
	case numberOpen.MatchString(l.Text):
		c.add(1, l, "number-open", nil)
	case numberSingle.MatchString(l.Text):
		c.add(1, l, "number-padding", nil)
	case !numberForm.MatchString(l.Text):
		c.add(1, l, "number-form", nil)
	}
}

// dateWords: the place, a comma, and a day of the calendar, with a zero before
// days under 10 and the months 1 and 2 (II.4).
func (c *checker) dateWords(l *content.Line) {
	m := dateForm.FindStringSubmatch(l.Text)
	if m == nil {
		c.add(1, l, "date-form", nil)
		return
	}
	if len(m[2]) == 1 || m[3] == "1" || m[3] == "2" {
		c.add(1, l, "date-padding", nil)
		return
	}
	_, err := time.Parse("02-01-2006", m[2]+"-"+strings.Repeat("0", 2-len(m[3]))+m[3]+"-"+m[4])
	if err != nil {
		c.add(1, l, "date-calendar", nil)
	}
}

// checkFoot looks at boxes 7 and 9.
func (c *checker) checkFoot() {
	b := c.d.Block("")
	if b == nil {
		c.add(0, nil, "signer-missing", nil)
	} else {
		c.signer(b)
	}
	for n := c.d.Pages(); n >= max(1, c.d.Pages()-maxPages+1); n-- {
		l := c.d.Page(n).recipients()
		if l == nil {
			continue
		}
		if !l.Bold || !l.Italic {
			c.add(n, l, "recipients-style", nil)
		}
		if !between(l.Size, 12, 12, slackPoint) {
			c.add(n, l, "recipients-size", []any{l.Size})
		}
		return
	}
	c.add(0, nil, "recipients-missing", nil)
}

// signer looks at the title, the forms of authority (art. 13) and the name.
func (c *checker) signer(b *Block) {
	for i := range b.Title {
		l := &b.Title[i]
		if !l.Bold {
			c.add(b.Page, l, "title-style", nil)
		}
		if !between(l.Size, 13, 14, slackPoint) {
			c.add(b.Page, l, "title-size", []any{l.Size})
		}
		if wrongSign.MatchString(l.Text) {
			c.add(b.Page, l, "authority-form", nil)
		}
	}
	last := &b.Title[len(b.Title)-1]
	sign := authority(b.Title[0].Text)
	switch {
	case sign != "" && sign != "Q." && len(b.Title) == 1:
		c.add(b.Page, last, "authority-title", []any{sign})
	case sign == "KT." && !strings.Contains(last.Text, "PHÓ") && !strings.Contains(last.Text, "THỨ TRƯỞNG"):
		c.add(b.Page, last, "authority-deputy", nil)
	}
	name := &b.Name
	if !name.Bold {
		c.add(b.Page, name, "name-style", nil)
	}
	if !between(name.Size, 13, 14, slackPoint) {
		c.add(b.Page, name, "name-size", []any{name.Size})
	}
	if isTitle(name.Text) {
		c.add(b.Page, name, "name-capitals", nil)
	}
	const stamp = 15.0 // mm: less does not hold a signature
	if b.Room.Height < stamp {
		c.add(b.Page, name, "room", []any{b.Room.Height})
	}
}
