package content

import (
	"math"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
)

// text follows the operators of one content stream.
type text struct {
	reader    *reader
	s         state
	saved     []state
	resources cos.Dict
	depth     int
	tm, tlm   matrix
}

func (t *text) do(op string, operands []cos.Object) error {
	n := make([]float64, 0, len(operands))
	for _, o := range operands {
		v, ok := cos.Number(o)
		if ok {
			n = append(n, v)
		}
	}
	switch op {
	case "q":
		if len(t.saved) < maxStates {
			t.saved = append(t.saved, t.s)
		}
	case "Q":
		if len(t.saved) > 0 {
			t.s, t.saved = t.saved[len(t.saved)-1], t.saved[:len(t.saved)-1]
		}
	case "cm":
		if len(n) == 6 {
			t.s.ctm = matrix(n).after(t.s.ctm)
		}
	case "Do":
		return t.xobject(operands)
	case "g", "rg", "k":
		t.s.colour, t.s.tint = colour(n), false
	case "sc", "scn":
		if t.s.tint {
			n = []float64{0, 0, 0, max(0, min(1, sum(n)))}
		}
		t.s.colour = colour(n)
	case "cs":
		t.s.colour, t.s.tint = [3]float64{}, t.inks(operands)
	case "gs":
		t.extended(operands)
	default:
		t.write(op, n, operands)
	}
	return nil
}

// colour turns components into red, green and blue, by their number.
func colour(n []float64) [3]float64 {
	switch len(n) {
	case 1:
		return [3]float64{n[0], n[0], n[0]}
	case 3:
		return [3]float64{n[0], n[1], n[2]}
	case 4:
		return [3]float64{(1 - n[0]) * (1 - n[3]), (1 - n[1]) * (1 - n[3]), (1 - n[2]) * (1 - n[3])}
	}
	return [3]float64{}
}

func sum(n []float64) float64 {
	total := 0.0
	for _, v := range n {
		total += v
	}
	return total
}

// inks tells whether the components of a colour space are amounts of ink.
func (t *text) inks(operands []cos.Object) bool {
	space := t.reader.view.Array(t.named("ColorSpace", operands))
	if len(space) == 0 {
		return false
	}
	family := t.reader.view.Name(space[0])
	return family == "Separation" || family == "DeviceN"
}

func (t *text) named(kind cos.Name, operands []cos.Object) cos.Object {
	if len(operands) == 0 {
		return nil
	}
	name, ok := operands[0].(cos.Name)
	if !ok {
		return nil
	}
	return t.reader.view.Dict(t.resources[kind])[name]
}

func (t *text) xobject(operands []cos.Object) error {
	stm := t.reader.view.Stream(t.named("XObject", operands))
	if stm == nil || t.reader.view.Name(stm.Dict["Subtype"]) != "Form" {
		return nil
	}
	return t.reader.form(stm, t.resources, t.s, t.depth+1)
}

// extended takes the font of a graphics state dictionary.
func (t *text) extended(operands []cos.Object) {
	d := t.reader.view.Dict(t.named("ExtGState", operands))
	pair := t.reader.view.Array(d["Font"])
	if len(pair) != 2 {
		return
	}
	size, ok := cos.Number(pair[1])
	if ok {
		t.s.font, t.s.size = t.reader.font(pair[0]), size
	}
}

// write follows the operators of text (ISO 32000-2, 9.3 and 9.4).
func (t *text) write(op string, n []float64, operands []cos.Object) {
	one := 0.0
	if len(n) > 0 {
		one = n[len(n)-1]
	}
	switch op {
	case "BT":
		t.tm, t.tlm = identity(), identity()
	case "Tf":
		t.s.font, t.s.size = t.reader.font(t.named("Font", operands)), one
	case "Tc":
		t.s.chars = one
	case "Tw":
		t.s.words = one
	case "Tz":
		t.s.stretch = one / 100
	case "TL":
		t.s.leading = one
	case "Ts":
		t.s.rise = one
	case "Tr":
		t.s.mode = int64(one)
	case "Td", "TD":
		if len(n) == 2 {
			if op == "TD" {
				t.s.leading = -n[1]
			}
			t.line(n[0], n[1])
		}
	case "Tm":
		if len(n) == 6 {
			t.tm, t.tlm = matrix(n), matrix(n)
		}
	case "T*":
		t.line(0, -t.s.leading)
	case "Tj", "'", "\"":
		if op == "\"" && len(n) == 2 {
			t.s.words, t.s.chars = n[0], n[1]
		}
		if op != "Tj" {
			t.line(0, -t.s.leading)
		}
		if len(operands) > 0 {
			t.show(operands[len(operands)-1])
		}
	case "TJ":
		if len(operands) == 1 {
			parts, _ := operands[0].(cos.Array)
			for _, part := range parts {
				back, isNumber := cos.Number(part)
				if isNumber {
					t.advance(-back / 1000 * t.s.size * t.s.stretch)
					continue
				}
				t.show(part)
			}
		}
	}
}

func (t *text) line(x, y float64) {
	t.tlm = matrix{1, 0, 0, 1, x, y}.after(t.tlm)
	t.tm = t.tlm
}

func (t *text) advance(x float64) { t.tm = matrix{1, 0, 0, 1, x, 0}.after(t.tm) }

// How far letters reach over and under their foot line, in parts of the size:
// those of Times New Roman with the marks of Vietnamese capitals left out, so
// that a box is what the eye takes for the line.
const (
	ascent  = 0.68
	descent = 0.21
)

// show puts a string onto the page as one run.
func (t *text) show(o cos.Object) {
	codes, ok := o.(cos.String)
	if !ok || t.s.font == nil || len(codes) == 0 {
		return
	}
	const invisible = 3
	run := Run{Font: t.s.font.Font, Colour: t.s.colour, Hidden: t.s.mode == invisible}
	full := matrix{t.s.size * t.s.stretch, 0, 0, t.s.size, 0, t.s.rise}.after(t.tm).after(t.s.ctm)
	run.Base[0], run.Base[1] = full[4], full[5]
	run.Size = math.Hypot(full[2], full[3])
	length := math.Hypot(full[0], full[1])
	if !(run.Size > 0) || !(length > 0) || math.IsInf(run.Size, 0) {
		return
	}
	run.Dir = [2]float64{full[0] / length, full[1] / length}
	var letters strings.Builder
	width := 0.0
	t.s.font.each(codes, func(text string, w float64, space bool) {
		if text == "" {
			run.Unreadable = true
			text = "\uFFFD"
		}
		letters.WriteString(text)
		step := w*t.s.size + t.s.chars
		if space {
			step += t.s.words
		}
		width += step * t.s.stretch
	})
	run.Text = letters.String()
	end := width
	if t.s.size*t.s.stretch != 0 {
		end = width / (t.s.size * t.s.stretch)
	}
	run.Rect = corners(full, end)
	t.advance(width)
	if len(t.reader.runs) <= maxRuns {
		t.reader.runs = append(t.reader.runs, run)
	}
}

// corners is the box around a line of letters of a length in parts of the size.
func corners(m matrix, length float64) [4]float64 {
	out := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range [][2]float64{{0, -descent}, {0, ascent}, {length, -descent}, {length, ascent}} {
		x, y := m.point(p[0], p[1])
		out = [4]float64{min(out[0], x), min(out[1], y), max(out[2], x), max(out[3], y)}
	}
	return out
}
