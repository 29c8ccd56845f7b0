package office

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/content"
	"github.com/antin-gov/antin/signer/nd30"
)

// headDepth is how far down the first page number and date may stand, in mm.
const headDepth = 110.0

// Errors of finding the gaps.
var (
	// ErrNumbered means that the draft has a number already: the system gives it.
	ErrNumbered = errors.New("the draft has a number already; leave the place after \"Số:\" open")
	// ErrNoRoom means that no gap for number and date is found and the usual
	// place is taken.
	ErrNoRoom = errors.New("no room for number and date is found; leave \"Số:\" and \"ngày … tháng …\" open, or say where they go")
)

// patterns are the lines of number and date as drafts have them.
type patterns struct{ number, given, date *regexp.Regexp }

func newPatterns() patterns {
	return patterns{
		number: regexp.MustCompile(`^Số ?:(.*)$`),
		// A number that stands apart from "Số:", beside or below it.
		given: regexp.MustCompile(`^\d{1,6} ?/`),
		date:  regexp.MustCompile(`^(.*ngày)(.*)(tháng)(.*)(năm.*)$`),
	}
}

// blanksOf finds the gaps for number and date in the head of a draft.
func blanksOf(d *nd30.Document) ([]Blank, error) {
	lines, err := head(d)
	if err != nil {
		return nil, err
	}
	var blanks []Blank
	p := newPatterns()
	for i := range lines {
		more, err := p.numberBlank(lines, i)
		if err != nil {
			return nil, err
		}
		blanks = append(blanks, more...)
	}
	if len(blanks) == 0 {
		return usualBlanks(lines)
	}
	for _, row := range rows(lines) {
		more, err := p.dateBlanks(row)
		if err != nil {
			return nil, err
		}
		blanks = append(blanks, more...)
	}
	return blanks, nil
}

// head keeps the lines of the head of the first page.
func head(d *nd30.Document) ([]content.Line, error) {
	page := d.Page(1)
	if page.Err != nil {
		return nil, page.Err
	}
	var lines []content.Line
	for _, l := range page.Lines {
		if l.Foot < headDepth && !l.Hidden {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// numberBlank finds the gap behind "Số:", before the symbol where that is
// printed.
func (p patterns) numberBlank(lines []content.Line, i int) ([]Blank, error) {
	l := lines[i]
	m := p.number.FindStringSubmatch(l.Text)
	if m == nil {
		return nil, nil
	}
	rest := strings.Trim(m[1], " ._…")
	width, err := appearance.Measure("Số:", l.Size, l.Italic)
	if err != nil {
		return nil, err
	}
	b := Blank{Fill: FillNumber, X: l.Box.X + width, Y: l.Foot, Size: l.Size, Italic: l.Italic}
	end := l.Box.X + l.Box.Width
	for _, other := range lines[i+1:] {
		if rest == "" && p.given.MatchString(other.Text) {
			return nil, fmt.Errorf("%w: it is %q", ErrNumbered, other.Text)
		}
	}
	if rest == "" && i+1 < len(lines) && sameFoot(lines[i+1], l) && strings.HasPrefix(lines[i+1].Text, "/") {
		b.Width = lines[i+1].Box.X - b.X
		return []Blank{b}, nil
	}
	switch {
	case rest == "":
		b.Fill, b.X, b.Width = FillRest, b.X+l.Size*pointMM/4, restWidth
		return []Blank{b}, nil
	case !strings.HasPrefix(rest, "/"):
		return nil, fmt.Errorf("%w: it is %q", ErrNumbered, rest)
	}
	tail, err := appearance.Measure(rest, l.Size, l.Italic)
	if err != nil {
		return nil, err
	}
	b.Width = max(end-tail-b.X, l.Size*pointMM)
	return []Blank{b}, nil
}

// rows joins the pieces that stand on one foot line on the right of the page.
func rows(lines []content.Line) [][]content.Line {
	var out [][]content.Line
	for _, l := range lines {
		n := len(out)
		if n > 0 && sameFoot(out[n-1][0], l) {
			out[n-1] = append(out[n-1], l)
			continue
		}
		out = append(out, []content.Line{l})
	}
	return out
}

// dateBlanks finds the gaps for day and month in "…, ngày … tháng … năm 2026";
// none where the date is written already.
func (p patterns) dateBlanks(row []content.Line) ([]Blank, error) {
	for len(row) > 0 && !strings.Contains(row[0].Text, "ngày") {
		row = row[1:]
	}
	if len(row) == 0 {
		return nil, nil
	}
	texts := make([]string, 0, len(row))
	for _, l := range row {
		texts = append(texts, l.Text)
	}
	m := p.date.FindStringSubmatch(strings.Join(texts, " "))
	if m == nil {
		return nil, nil
	}
	var blanks []Blank
	for _, gap := range []struct{ fill, before, after, between string }{{FillDay, m[1], m[3], m[2]}, {FillMonth, m[3], m[5], m[4]}} {
		if strings.Trim(gap.between, " ._…") != "" {
			continue
		}
		left, err := endOf(row, gap.before)
		if err != nil {
			return nil, err
		}
		right, err := startOf(row, gap.after)
		if err != nil {
			return nil, err
		}
		l := row[0]
		blanks = append(blanks, Blank{Fill: gap.fill, X: left, Y: l.Foot, Width: max(right-left, l.Size*pointMM), Size: l.Size, Italic: l.Italic})
	}
	return blanks, nil
}

// endOf tells where the last of the words ends.
func endOf(row []content.Line, words string) (float64, error) {
	list := strings.Fields(words)
	last := list[len(list)-1]
	_, end, err := extent(row, last)
	return end, err
}

// startOf tells where the first of the words begins.
func startOf(row []content.Line, words string) (float64, error) {
	start, _, err := extent(row, strings.Fields(words)[0])
	return start, err
}

// extent tells where a word of the row begins and ends. Inside a piece it is
// measured; what the letters do not take of the piece's width belongs to its
// open gaps, in equal parts.
func extent(row []content.Line, word string) (start, end float64, err error) {
	for _, l := range row {
		at := strings.LastIndex(l.Text, word)
		if at < 0 {
			continue
		}
		var width [3]float64 // up to the word, with it, whole
		for i, text := range []string{l.Text[:at], l.Text[:at+len(word)], l.Text} {
			width[i], err = appearance.Measure(text, l.Size, l.Italic)
			if err != nil {
				return 0, 0, err
			}
		}
		gaps := func(text string) float64 {
			return float64(strings.Count(text, "ngày tháng") + strings.Count(text, "tháng năm"))
		}
		shift := 0.0
		if all := gaps(l.Text); all > 0 {
			shift = max(0, l.Box.Width-width[2]) * gaps(l.Text[:at+len(word)]) / all
		}
		return l.Box.X + width[0] + shift, l.Box.X + width[1] + shift, nil
	}
	return 0, 0, fmt.Errorf("%w: %q", ErrNoRoom, word)
}

func sameFoot(a, b content.Line) bool {
	return a.Foot-b.Foot < 1 && b.Foot-a.Foot < 1
}

// usualBlanks are the usual places, where nothing stands there.
func usualBlanks(lines []content.Line) ([]Blank, error) {
	blanks := usual()
	for _, l := range lines {
		for _, b := range blanks {
			over := l.Box.X < b.X+b.Width && b.X < l.Box.X+l.Box.Width
			if over && l.Box.Y < b.Y+depthUnderLine && b.Y-heightOverLine < l.Box.Y+l.Box.Height {
				return nil, fmt.Errorf("%w: %q stands there", ErrNoRoom, l.Text)
			}
		}
	}
	return blanks, nil
}
