package nd30

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/content"
)

// Severity is how much a finding matters.
type Severity string

// Severities.
const (
	Breach  Severity = "error"   // the form is broken
	Warning Severity = "warning" // it may be meant so
)

// Finding is one thing in which a document differs from the form.
type Finding struct {
	Rule     string          `json:"rule"`
	Severity Severity        `json:"severity"`
	Clause   string          `json:"clause"` // of NĐ 30/2020/NĐ-CP
	Page     int             `json:"page,omitempty"`
	Place    *appearance.Box `json:"place,omitempty"` // millimetres
	Text     string          `json:"text,omitempty"`  // what stands there
	Message  Message         `json:"message"`
}

// Message is a sentence in both languages.
type Message struct {
	Vi string `json:"vi"`
	En string `json:"en"`
}

// Report is what a check found.
type Report struct {
	File     string    `json:"file,omitempty"`
	Pages    int       `json:"pages"`
	Findings []Finding `json:"findings"`
}

// Conforms tells whether no finding breaks the form.
func (r *Report) Conforms() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Breach })
}

// tolerances of measuring, in millimetres and points.
const (
	slackMM    = 1.0
	slackPoint = 0.6 // browsers and printers round sizes
)

// checker collects findings.
type checker struct {
	d    *Document
	head Head
	out  []Finding
}

// Check tells what a document breaks of NĐ 30/2020/NĐ-CP, Appendix I, part I
// (the form of text) and II (its parts), as far as its text shows it. At most
// maxPages pages are read.
func Check(d *Document) *Report {
	c := &checker{d: d}
	pages := c.pages()
	if !slices.ContainsFunc(pages, func(p *Page) bool { return len(p.Lines) > 0 }) {
		c.add(0, nil, "no-text", nil)
	} else {
		c.head = d.Head()
		for _, p := range pages {
			c.paper(p)
			c.margins(p)
			c.fonts(p)
			c.number(p)
		}
		c.body(pages)
		c.checkHead()
		c.checkFoot()
	}
	return &Report{Pages: d.Pages(), Findings: append([]Finding{}, c.out...)}
}

func (c *checker) pages() []*Page {
	var out []*Page
	for n := 1; n <= min(c.d.Pages(), maxPages); n++ {
		out = append(out, c.d.Page(n))
	}
	return out
}

// add notes a finding of a rule at a line.
func (c *checker) add(page int, l *content.Line, rule string, args []any) {
	r := rules()[rule]
	f := Finding{Rule: rule, Severity: r.severity, Clause: r.clause, Page: page, Message: Message{r.vi, r.en}}
	if len(args) > 0 {
		f.Message = Message{fmt.Sprintf(r.vi, args...), fmt.Sprintf(r.en, args...)}
	}
	if l != nil {
		box := l.Box
		for _, v := range []*float64{&box.X, &box.Y, &box.Width, &box.Height} {
			*v = math.Round(*v*10) / 10
		}
		f.Place, f.Text = &box, short(l.Text)
	}
	c.out = append(c.out, f)
}

func short(s string) string {
	const most = 80
	r := []rune(s)
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func between(v, low, high, slack float64) bool { return v >= low-slack && v <= high+slack }

// paper: A4, upright, or across for tables (I.1, I.2).
func (c *checker) paper(p *Page) {
	w, h := p.Geometry.Size()
	upright := between(w, 210, 210, slackMM) && between(h, 297, 297, slackMM)
	across := between(w, 297, 297, slackMM) && between(h, 210, 210, slackMM)
	if !upright && !across {
		c.add(p.Number, nil, "paper", []any{w, h})
	}
}

// margins: top and bottom 20-25 mm, left 30-35, right 15-20 (I.3). What may
// stand in the top margin is the page's number alone. Wider margins are told
// only where a page is full of text.
func (c *checker) margins(p *Page) {
	w, h := p.Geometry.Size()
	var left, right, top, bottom *content.Line
	lines := 0
	for i := range p.Lines {
		l := &p.Lines[i]
		if isPageNumber(l.Text) && l.Box.Y < 20 {
			continue
		}
		lines++
		if left == nil || l.Box.X < left.Box.X {
			left = l
		}
		if right == nil || l.Box.X+l.Box.Width > right.Box.X+right.Box.Width {
			right = l
		}
		if top == nil || l.Box.Y < top.Box.Y {
			top = l
		}
		if bottom == nil || foot(l.Box) > foot(bottom.Box) {
			bottom = l
		}
	}
	if lines == 0 {
		return
	}
	const full = 15 // lines
	side := func(name string, l *content.Line, got, low, high float64) {
		if got < low-slackMM || lines >= full && got > high+slackMM && name != "margin-bottom" {
			c.add(p.Number, l, name, []any{got})
		}
	}
	side("margin-left", left, left.Box.X, 30, 35)
	side("margin-right", right, w-right.Box.X-right.Box.Width, 15, 20)
	// Margins end where a line of text begins, which is over its letters.
	leading := top.Size * pointMM * 0.45
	side("margin-top", top, top.Box.Y-leading+slackMM, 20, 25+leading)
	side("margin-bottom", bottom, h-foot(bottom.Box), 20, 25)
}

const pointMM = 25.4 / 72

// fonts: Times New Roman, black (I.4). One finding a page and font.
func (c *checker) fonts(p *Page) {
	told := map[string]bool{}
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.Hidden {
			continue
		}
		old := oldEncoding(l.Font)
		if (old || !isTimes(l.Font)) && !told[l.Font] {
			told[l.Font] = true
			rule := "font"
			if old {
				rule = "encoding"
			}
			c.add(p.Number, l, rule, []any{l.Font})
		}
		if slices.Max(l.Colour[:]) > 0.35 && !told[""] {
			told[""] = true
			c.add(p.Number, l, "colour", nil)
		}
		if l.Unreadable && !told["\uFFFD"] {
			told["\uFFFD"] = true
			c.add(p.Number, l, "unreadable", nil)
		}
	}
}

// isTimes tells whether a font is Times New Roman or has its metrics; a font
// without a name is one of single drawn letters.
func isTimes(name string) bool {
	low := strings.ToLower(strings.ReplaceAll(name, " ", ""))
	for _, part := range []string{"timesnewroman", "times-", "liberationserif", "tinos", "nimbusrom", "termes"} {
		if strings.Contains(low, part) {
			return true
		}
	}
	return low == "times" || low == "" || strings.HasPrefix(low, "timesnew")
}

// oldEncoding tells whether a font is of the time before Unicode (TCVN3, VNI).
func oldEncoding(name string) bool {
	return strings.HasPrefix(name, ".Vn") || strings.HasPrefix(name, "VNI-") || strings.HasPrefix(name, "VNtime")
}

// body: most of the text is in size 13 to 14 (II.6).
func (c *checker) body(pages []*Page) {
	letters := map[float64]int{}
	first := map[float64]*content.Line{}
	page := map[float64]int{}
	for _, p := range pages {
		for i := range p.Lines {
			l := &p.Lines[i]
			size := math.Round(l.Size*2) / 2
			letters[size] += len(l.Text)
			if first[size] == nil {
				first[size], page[size] = l, p.Number
			}
		}
	}
	usual, most := 0.0, 0
	for size, n := range letters {
		if n > most || n == most && size > usual {
			usual, most = size, n
		}
	}
	if !between(usual, 13, 14, slackPoint) {
		c.add(page[usual], first[usual], "body-size", []any{usual})
	}
}

// number: from the second page on, in the middle of the top margin, in size
// 13 to 14; not on the first (I.5).
func (c *checker) number(p *Page) {
	w, h := p.Geometry.Size()
	for i := range p.Lines {
		l := &p.Lines[i]
		if !isPageNumber(l.Text) || l.Box.Y > 25 && l.Box.Y < h-25 {
			continue
		}
		switch {
		case p.Number == 1:
			c.add(1, l, "page-number-first", nil)
		case l.Box.Y > 25:
			c.add(p.Number, l, "page-number-place", nil)
		case math.Abs(middle(l.Box)-w/2) > 12: // the middle of the page or of its text
			c.add(p.Number, l, "page-number-place", nil)
		case !between(l.Size, 13, 14, slackPoint):
			c.add(p.Number, l, "page-number-size", []any{l.Size})
		}
		return
	}
	if p.Number > 1 && len(p.Lines) > 0 {
		c.add(p.Number, nil, "page-number-missing", nil)
	}
}

func isPageNumber(s string) bool {
	s = strings.Trim(s, " -–")
	if s == "" || len(s) > 4 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }) < 0
}
