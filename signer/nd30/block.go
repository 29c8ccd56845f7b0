package nd30

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/content"
)

// Block is where a person signs (boxes 7a to 7c of the appendix).
type Block struct {
	Page int
	// Title are the lines from "TM.", "KT." and so on to the office held; Name
	// is the full name below.
	Title []content.Line
	Name  content.Line
	// Room is what lies between them: the place of the personal signature.
	Room appearance.Box
	// score tells blocks of one document apart.
	score int
}

// Block finds where the person of a name signs, or with an empty name the
// document's signer; nil when the text has no such place.
func (d *Document) Block(name string) *Block {
	key := plainName(name)
	known, ok := d.block[key]
	if ok {
		return known
	}
	var best *Block
	first := max(1, len(d.pages)-maxPages+1)
	for n := len(d.pages); n >= first; n-- {
		b := d.Page(n).block(key)
		if b != nil && (best == nil || b.score > best.score) {
			best = b
		}
		if best != nil && best.score >= certain {
			break
		}
	}
	d.block[key] = best
	return best
}

// What speaks for a place of signing. At least one of the strong signs is
// needed: a title above a name is found on many a list.
const (
	scoreName       = 8 // the name that is looked for
	scoreRecipients = 5 // "Nơi nhận" beside it
	scoreAuthority  = 4 // TM., KT., TL., TUQ., Q.
	scoreOffice     = 2 // a word of an office held
	scoreBold       = 1
	scoreRight      = 1
	enough          = 4
	certain         = scoreRecipients + scoreAuthority + scoreRight
)

// Distances in millimetres.
const (
	leastRoom   = 6.0  // between title and name
	mostRoom    = 75.0 // the same
	titleGap    = 4.5  // between two lines of a title
	titleOff    = 30.0 // how far the middles of its lines may differ
	nameOff     = 12.0 // how far the middles of name and title may differ
	besideReach = 60.0 // between the heights of "Nơi nhận" and title
)

func middle(b appearance.Box) float64 { return b.X + b.Width/2 }
func foot(b appearance.Box) float64   { return b.Y + b.Height }

// block finds the best place of signing on a page.
func (p *Page) block(key string) *Block {
	width, _ := p.Geometry.Size()
	recipients := p.recipients()
	var best *Block
	for i, name := range p.Lines {
		if !isName(name.Text) || middle(name.Box) < 0.25*width {
			continue
		}
		title := p.titleAbove(i)
		if title == nil {
			continue
		}
		b := &Block{Page: p.Number, Title: title, Name: name}
		last := title[len(title)-1]
		b.score = p.judge(b, key, recipients, width)
		if b.score < enough {
			continue
		}
		centre := (middle(last.Box) + middle(name.Box)) / 2
		half := max(last.Box.Width, name.Box.Width, 2*leastRoom) / 2
		b.Room = appearance.Box{X: centre - half, Y: foot(last.Box), Width: 2 * half, Height: name.Box.Y - foot(last.Box)}
		if best == nil || b.score > best.score {
			best = b
		}
	}
	return best
}

func (p *Page) judge(b *Block, key string, recipients *content.Line, width float64) int {
	score := 0
	if key != "" && plainName(b.Name.Text) == key {
		score += scoreName
	}
	first := b.Title[0]
	if recipients != nil && math.Abs(recipients.Box.Y-first.Box.Y) < besideReach && middle(recipients.Box) < first.Box.X+first.Box.Width/2 {
		score += scoreRecipients
	}
	for _, l := range b.Title {
		if authority(l.Text) != "" {
			score += scoreAuthority
			break
		}
	}
	for _, l := range b.Title {
		if office(l.Text) {
			score += scoreOffice
			break
		}
	}
	if b.Name.Bold {
		score += scoreBold
	}
	if middle(b.Name.Box) > width/2 {
		score += scoreRight
	}
	return score
}

// recipients is the line "Nơi nhận", nil when there is none.
func (p *Page) recipients() *content.Line {
	for i, l := range p.Lines {
		if like(l.Text, "Nơi nhận") {
			return &p.Lines[i]
		}
	}
	return nil
}

// titleAbove gives the lines of the title that stands over a name: the nearest
// text above it in its column, with room between.
func (p *Page) titleAbove(name int) []content.Line {
	below := p.Lines[name]
	var title []content.Line
	for i := name - 1; i >= 0; i-- {
		l := p.Lines[i]
		if l.Box.X > below.Box.X+below.Box.Width+titleOff || l.Box.X+l.Box.Width < below.Box.X-titleOff {
			continue // another column
		}
		top := below
		if len(title) > 0 {
			top = title[0]
		}
		gap := top.Box.Y - foot(l.Box)
		if gap < -1 {
			continue // beside it
		}
		if len(title) == 0 {
			if strings.HasPrefix(l.Text, "(") || strings.HasPrefix(l.Text, "[") {
				continue // "(Đã ký)" and the like
			}
			if gap < leastRoom || gap > mostRoom || !isTitle(l.Text) || math.Abs(middle(l.Box)-middle(below.Box)) > nameOff {
				return nil
			}
			title = []content.Line{l}
			continue
		}
		if gap > titleGap || !isTitle(l.Text) || math.Abs(middle(l.Box)-middle(title[0].Box)) > titleOff || len(title) == 6 {
			break
		}
		title = append([]content.Line{l}, title...)
	}
	return title
}

// isTitle tells whether a line is written as a title is: in capitals.
func isTitle(s string) bool {
	letters := 0
	for _, r := range s {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsLetter(r) {
			letters++
		}
	}
	const longest = 90
	return letters >= 3 && utf8.RuneCountInString(s) <= longest && !like(s, "NƠI NHẬN")
}

// authority is the sign of the authority that a title begins with
// (NĐ 30/2020 art. 13), "" for none.
func authority(s string) string {
	for _, sign := range []string{"TUQ.", "TM.", "KT.", "TL.", "Q."} {
		if strings.HasPrefix(s, sign) {
			return sign
		}
	}
	return ""
}

// office tells whether a title names an office held.
func office(s string) bool {
	s = norm.NFC.String(s)
	for _, word := range []string{
		"CHỦ TỊCH", "GIÁM ĐỐC", "TRƯỞNG", "CHÁNH", "BÍ THƯ", "THỦ TƯỚNG", "CHỦ NHIỆM", "VIỆN TRƯỞNG", "TỔNG THƯ KÝ", "HIỆU PHÓ", "PHÓ",
		"KẾ TOÁN", "CHỈ HUY", "CHỦ TRÌ", "THƯ KÝ", "TỔNG",
	} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// isName tells whether a line is written as a full name is: two to seven words
// with a capital in front, or all in capitals, after a degree or a rank.
func isName(s string) bool {
	words := nameWords(s)
	if len(words) < 2 || len(words) > 7 {
		return false
	}
	capitals := 0
	for _, w := range words {
		for i, r := range w {
			if !unicode.IsLetter(r) && r != '\'' && r != '\uFFFD' && r != '-' {
				return false
			}
			if i == 0 && unicode.IsLower(r) {
				return false
			}
		}
		if w == strings.ToUpper(w) && utf8.RuneCountInString(w) > 1 {
			capitals++
		}
	}
	return capitals == 0 || capitals == len(words) && !office(s)
}

// nameWords are the words of a name without degrees and ranks before it.
func nameWords(s string) []string {
	words := strings.Fields(norm.NFC.String(s))
	for len(words) > 0 && strings.Contains(words[0], ".") {
		at := strings.LastIndexByte(words[0], '.')
		rest := words[0][at+1:]
		words = words[1:]
		if rest != "" {
			words = append([]string{rest}, words...)
		}
	}
	ranks := []string{"Thiếu tướng", "Trung tướng", "Thượng tướng", "Đại tướng", "Đại tá", "Thượng tá", "Trung tá", "Thiếu tá", "Đại úy", "Thượng úy", "Trung úy", "Thiếu úy"}
	for _, rank := range ranks {
		parts := strings.Fields(rank)
		if len(words) > len(parts) && strings.EqualFold(strings.Join(words[:len(parts)], " "), rank) {
			return words[len(parts):]
		}
	}
	return words
}

// plainName is a name as it is compared.
func plainName(s string) string {
	return strings.ToLower(strings.Join(nameWords(s), " "))
}

// like tells whether a text begins with words, where letters with marks are not
// looked at: some producers write wrong tables for these, and their text is
// garbled whoever reads it.
func like(s, words string) bool {
	want := []rune(words)
	have := []rune(s)
	if len(have) < len(want) {
		return false
	}
	for i, r := range want {
		if r < 0x80 && unicode.ToLower(r) != unicode.ToLower(have[i]) || r >= 0x80 && have[i] < 0x80 {
			return false
		}
	}
	return true
}
