package diff

import "github.com/antin-gov/antin/signer/cos"

// glyphs is what is needed of a font to know how wide a string is.
type glyphs struct {
	double   bool // two bytes a code
	simple   bool // codes are characters, as far as they are ASCII
	first    int64
	widths   []float64 // in thousandths of the size
	other    float64   // of codes without a width of their own
	embedded bool
}

// usualWidth is that of a letter of the serif faces of office documents, for
// fonts that do not say theirs.
const usualWidth = 500

// maxWidths bounds the table of one font.
const maxWidths = 65_536

func (p *painter) glyphs(font cos.Dict) *glyphs {
	g := &glyphs{other: usualWidth}
	if font == nil {
		return g
	}
	descriptor := p.view.Dict(font["FontDescriptor"])
	for _, key := range []cos.Name{"FontFile", "FontFile2", "FontFile3"} {
		g.embedded = g.embedded || descriptor[key] != nil
	}
	switch p.view.Name(font["Subtype"]) {
	case "Type0":
		g.double, g.embedded = true, true
	case "Type3":
		g.embedded = true
	default:
		_, differs := font["Encoding"].(cos.Name)
		g.simple = font["Encoding"] == nil || differs
	}
	g.first, _ = p.view.Int(font["FirstChar"])
	widths := p.view.Array(font["Widths"])
	for _, o := range widths[:min(len(widths), maxWidths)] {
		value, err := p.view.Resolve(o)
		w, ok := cos.Number(value)
		if err != nil || !ok {
			w = usualWidth
		}
		g.widths = append(g.widths, w)
	}
	return g
}

// write follows the operators of text (ISO 32000-2, 9.4).
func (p *painter) write(op string, n []float64, operands []cos.Object) {
	s := &p.state
	one := func(into *float64) {
		if len(n) == 1 {
			*into = n[0]
		}
	}
	switch op {
	case "BT":
		p.tm, p.tlm = identity(), identity()
	case "Tf":
		s.font = p.glyphs(p.named("Font", operands[:min(1, len(operands))]))
		one(&s.size)
	case "Tc":
		one(&s.chars)
	case "Tw":
		one(&s.words)
	case "Tz":
		one(&s.stretch)
		s.stretch /= 100
	case "TL":
		one(&s.leading)
	case "Ts":
		one(&s.raise)
	case "Tr":
		if len(n) == 1 {
			s.mode = int64(n[0])
		}
	case "Td", "TD":
		if len(n) == 2 {
			p.move(n[0], n[1])
			if op == "TD" {
				s.leading = -n[1]
			}
		}
	case "Tm":
		if len(n) == 6 {
			p.tm, p.tlm = matrix(n), matrix(n)
		}
	case "T*":
		p.move(0, -s.leading)
	case "Tj":
		p.show(operands)
	case "'":
		p.move(0, -s.leading)
		p.show(operands)
	case "\"":
		if len(n) == 2 {
			s.words, s.chars = n[0], n[1]
		}
		p.move(0, -s.leading)
		p.show(operands)
	case "TJ":
		if len(operands) == 1 {
			list, _ := operands[0].(cos.Array)
			p.show(list)
		}
	}
}

func (p *painter) move(x, y float64) {
	p.tlm = matrix{1, 0, 0, 1, x, y}.then(p.tlm)
	p.tm = p.tlm
}

// show notes a run of text and moves on by its width.
func (p *painter) show(list []cos.Object) {
	const above, below = 0.75, 0.22 // of the size
	s := &p.state
	advance, codes := 0.0, []byte(nil)
	for _, o := range list {
		kern, isNumber := cos.Number(o)
		if isNumber {
			advance -= kern / 1000 * s.size * s.stretch
			continue
		}
		text, _ := o.(cos.String)
		codes = append(codes, text...)
		advance += p.measure(text)
	}
	here := p.tm.then(s.ctm)
	blank := true
	for _, c := range codes {
		blank = blank && (c == ' ' || c == 0)
	}
	if !blank && s.mode != 3 && s.mode != 7 {
		run := here.box(box{0, s.raise - below*s.size, advance, s.raise + above*s.size})
		p.add(mark{box: run, kind: markText, text: string(codes), plain: s.font != nil && s.font.simple, light: s.fillLight, solid: s.fillAlpha > 0})
	}
	p.tm = matrix{1, 0, 0, 1, advance, 0}.then(p.tm)
}

func (p *painter) measure(text cos.String) float64 {
	s := &p.state
	font := s.font
	if font == nil {
		font = &glyphs{other: usualWidth}
	}
	step := 1
	if font.double {
		step = 2
	}
	total := 0.0
	for i := 0; i+step <= len(text); i += step {
		w := font.other
		at := int64(text[i]) - font.first
		if !font.double && at >= 0 && at < int64(len(font.widths)) {
			w = font.widths[at]
		}
		total += w/1000*s.size + s.chars
		if step == 1 && text[i] == ' ' {
			total += s.words
		}
	}
	return total * s.stretch
}
