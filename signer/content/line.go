package content

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
)

// Line is text that stands together on one foot line of the visible page.
// Columns that stand side by side are lines of their own.
type Line struct {
	Text string         // with single blanks, composed letters (NFC)
	Box  appearance.Box // around the letters, without blanks at the ends
	Size float64        // points on paper, of the largest letters
	Foot float64        // millimetres from the top edge
	// Font, Bold and Italic are those of most letters.
	Font         string
	Bold, Italic bool
	Colour       [3]float64 // of the first letters
	Hidden       bool
	Unreadable   bool
}

// Lines gives the lines of a page, from the top down and from the left.
func Lines(v *cos.View, page cos.Dict, o Options) ([]Line, appearance.Page, error) {
	geometry, ok := Geometry(v, page)
	if !ok {
		return nil, geometry, fmt.Errorf("%w: the page has no usable media box", ErrPage)
	}
	runs, err := Read(v, page, o)
	return join(geometry, runs), geometry, err
}

// Geometry reads the size and the position of a page.
func Geometry(v *cos.View, page cos.Dict) (appearance.Page, bool) {
	g := appearance.Page{}
	var ok bool
	g.MediaBox, ok = Rectangle(v, v.Inherited(page, "MediaBox"))
	ok = ok && g.MediaBox[0] != g.MediaBox[2] && g.MediaBox[1] != g.MediaBox[3]
	g.CropBox, _ = Rectangle(v, v.Inherited(page, "CropBox"))
	rotate, _ := v.Inherited(page, "Rotate").(int64)
	g.Rotate = int(rotate % 360)
	unit, err := v.Resolve(page["UserUnit"])
	value, isNumber := cos.Number(unit)
	if err == nil && isNumber && value > 0 {
		g.UserUnit = value
	}
	return g, ok
}

// piece is a run on the visible page.
type piece struct {
	run  Run
	box  appearance.Box
	foot float64
	size float64 // points on paper
}

const (
	// columnGap parts columns: in parts of the size. The widest blank of
	// justified text stays below, the tightest head of two columns above.
	columnGap = 0.95
	wordGap   = 0.17 // a blank that is made by moving
	sameFoot  = 0.3  // how far feet of one line may differ: raised letters
	upright   = 0.99 // cosine of what still counts as level
	pointMM   = 25.4 / 72
)

// join puts runs together into lines.
func join(g appearance.Page, runs []Run) []Line {
	pieces := level(g, runs)
	slices.SortStableFunc(pieces, func(a, b piece) int { return compare(a.foot, b.foot) })
	var lines []Line
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].foot-pieces[0].foot <= sameFoot*max(pieces[n].size, pieces[0].size)*pointMM {
			n++
		}
		row := slices.Clone(pieces[:n])
		pieces = pieces[n:]
		slices.SortStableFunc(row, func(a, b piece) int { return compare(a.box.X, b.box.X) })
		for len(row) > 0 {
			end := row[0].box.X + row[0].box.Width
			n = 1
			for n < len(row) && row[n].box.X-end < columnGap*max(row[n].size, row[n-1].size)*pointMM {
				end = max(end, row[n].box.X+row[n].box.Width)
				n++
			}
			lines = append(lines, line(row[:n]))
			row = row[n:]
		}
	}
	return lines
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// level keeps the runs that stand level on the visible page and have letters,
// without the blanks at their ends.
func level(g appearance.Page, runs []Run) []piece {
	var out []piece
	for _, r := range runs {
		x1, y1 := g.Visible(r.Base[0], r.Base[1])
		x2, y2 := g.Visible(r.Base[0]+r.Dir[0], r.Base[1]+r.Dir[1])
		length := math.Hypot(x2-x1, y2-y1)
		if length == 0 || (x2-x1)/length < upright {
			continue
		}
		// Where letters stand inside a run is not known one by one: blanks at
		// its ends count as a quarter of the size, as in the faces of offices.
		p := piece{run: r, box: g.Box(r.Rect), foot: y1, size: r.Size * length / pointMM}
		blank := p.size * pointMM / 4
		text := strings.ReplaceAll(r.Text, "\u00a0", " ")
		front := len(text) - len(strings.TrimLeft(text, " \t"))
		back := len(text) - len(strings.TrimRight(text, " \t"))
		if front == len(text) {
			continue
		}
		p.run.Text = text[front : len(text)-back]
		p.box.X += float64(front) * blank
		p.box.Width = max(0.1, p.box.Width-float64(front+back)*blank)
		out = append(out, p)
	}
	return out
}

// line writes pieces side by side as one line.
func line(row []piece) Line {
	l := Line{Box: row[0].box, Foot: row[0].foot, Colour: row[0].run.Colour, Hidden: true}
	var text strings.Builder
	letters := map[Font]int{}
	end := row[0].box.X
	for i, p := range row {
		if i > 0 && p.box.X-end > wordGap*p.size*pointMM {
			text.WriteByte(' ')
		}
		text.WriteString(p.run.Text)
		end = max(end, p.box.X+p.box.Width)
		top, bottom := min(l.Box.Y, p.box.Y), max(l.Box.Y+l.Box.Height, p.box.Y+p.box.Height)
		l.Box.Y, l.Box.Height = top, bottom-top
		l.Size = max(l.Size, p.size)
		l.Hidden = l.Hidden && p.run.Hidden
		l.Unreadable = l.Unreadable || p.run.Unreadable
		letters[p.run.Font] += len(p.run.Text)
	}
	l.Box.Width = end - l.Box.X
	most := -1
	for f, n := range letters {
		if f.Name == "" {
			n = 0 // drawn letters that a browser puts in where a font lacks them
		}
		if n > most || n == most && f.Name < l.Font {
			l.Font, l.Bold, l.Italic, most = f.Name, f.Bold, f.Italic, n
		}
	}
	l.Text = norm.NFC.String(strings.Join(strings.Fields(text.String()), " "))
	return l
}
