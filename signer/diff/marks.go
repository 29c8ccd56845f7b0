package diff

import (
	"errors"
	"io"
	"slices"

	"github.com/antin-gov/antin/signer/cos"
)

// markKind says how something was put on the page.
type markKind int

const (
	markText markKind = iota
	markImage
	markFill
	markStroke
	markShading
	markUnknown // could not be read
)

// mark is one thing a content stream paints, with the box it fits in.
type mark struct {
	box
	kind markKind
	// seeThrough marks are transparent or blended with what is below; solid
	// ones are not, and cover most of their box.
	seeThrough, solid bool
	// light marks are white or nearly so.
	light bool
	text  string  // the codes shown, as they stand in the stream
	plain bool    // which are characters
	line  float64 // width of a stroke
}

// maxForms is how deep form XObjects are followed.
const maxForms = 12

// formCost is what beginning a form XObject costs, in operators.
const formCost = 200

// maxStates bounds the stack of graphics states.
const maxStates = 512

// state is what a content stream has set (ISO 32000-2, 8.4 and 9.3).
type state struct {
	ctm                     matrix
	clip                    box
	fillLight, strokeLight  bool
	fillAlpha, strokeAlpha  float64
	blended                 bool // blend mode or soft mask: shows what is below
	lineWidth               float64
	font                    *glyphs
	size, chars, words      float64
	stretch, leading, raise float64
	mode                    int64
}

// painter follows a content stream and notes what it paints. It knows enough
// to say where things are, not to draw them: curves count with their control
// points, glyphs with their widths.
type painter struct {
	view       *cos.View
	budget     *budget
	marks      []mark
	state      state
	stack      []state
	path       outline
	clipNext   bool
	tm, tlm    matrix
	resources  cos.Dict
	depth      int
	incomplete bool
}

func newPainter(v *cos.View, b *budget, base matrix, clip box) *painter {
	return &painter{view: v, budget: b, state: state{ctm: base, clip: clip, fillAlpha: 1, strokeAlpha: 1, lineWidth: 1, stretch: 1}}
}

// run interprets decoded content.
func (p *painter) run(data []byte, resources cos.Dict) {
	outer, level := p.resources, len(p.stack)
	p.resources = resources
	content := cos.NewContent(data)
	for {
		op, operands, err := content.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		p.budget.operators--
		if err != nil || p.budget.operators < 0 {
			p.incomplete = true
			break
		}
		p.operator(op, operands)
	}
	if len(p.stack) > level { // what a form leaves open ends with it
		p.state, p.stack = p.stack[level], p.stack[:level]
	}
	p.resources = outer
}

func (p *painter) operator(op string, operands []cos.Object) {
	n := make([]float64, 0, 8)
	for _, o := range operands {
		v, ok := cos.Number(o)
		if ok {
			n = append(n, v)
		}
	}
	switch op {
	case "q":
		if len(p.stack) == maxStates {
			p.incomplete = true
			return
		}
		p.stack = append(p.stack, p.state)
	case "Q":
		if len(p.stack) > 0 {
			p.state, p.stack = p.stack[len(p.stack)-1], p.stack[:len(p.stack)-1]
		}
	case "cm":
		if len(n) == 6 {
			p.state.ctm = matrix(n).then(p.state.ctm)
		}
	case "w":
		if len(n) == 1 {
			p.state.lineWidth = n[0]
		}
	case "gs":
		p.external(operands)
	case "Do":
		p.object(operands)
	case "BI":
		p.image(false)
	case "sh":
		p.add(mark{box: p.state.clip, kind: markShading, solid: p.solid(p.state.fillAlpha)})
	default:
		if !p.colour(op, n, operands) && !p.construct(op, n) {
			p.write(op, n, operands)
		}
	}
}

func (p *painter) solid(alpha float64) bool {
	const transparent = 0.6
	return !p.state.blended && alpha > transparent
}

func (p *painter) add(m mark) {
	m.box = m.meet(p.state.clip)
	m.seeThrough = !p.solid(p.state.fillAlpha)
	if m.kind == markStroke {
		m.seeThrough = !p.solid(p.state.strokeAlpha)
	}
	if m.x1 < m.x0 || m.y1 < m.y0 {
		return
	}
	if len(p.marks) == maxMarks {
		p.incomplete = true
		return
	}
	p.marks = append(p.marks, m)
}

// colour follows the operators that set a colour, as far as to know white.
func (p *painter) colour(op string, n []float64, operands []cos.Object) bool {
	const white = 0.93
	least, most := 1.0, 0.0
	for _, v := range n {
		least, most = min(least, v), max(most, v)
	}
	light := len(n) > 0 && least >= white
	switch op {
	case "k", "K":
		light = most <= 1-white
	case "sc", "scn", "SC", "SCN":
		if len(n) == 4 {
			light = most <= 1-white
		}
		light = light && len(n) == len(operands)
	}
	switch op {
	case "g", "rg", "k", "sc", "scn":
		p.state.fillLight = light
	case "G", "RG", "K", "SC", "SCN":
		p.state.strokeLight = light
	case "cs":
		p.state.fillLight = false
	case "CS":
		p.state.strokeLight = false
	default:
		return false
	}
	return true
}

// construct follows paths and what paints them.
func (p *painter) construct(op string, n []float64) bool {
	switch op {
	case "m", "l":
		if len(n) == 2 {
			x, y := p.state.ctm.point(n[0], n[1])
			if op == "m" {
				p.path.begin(x, y)
			} else {
				p.path.join(x, y)
			}
		}
	case "c", "v", "y":
		for i := 0; i+1 < len(n); i += 2 {
			p.path.join(p.state.ctm.point(n[i], n[i+1]))
		}
	case "re":
		if len(n) == 4 {
			p.path.rectangle(p.state.ctm, n[0], n[1], n[2], n[3])
		}
	case "h":
	case "W", "W*":
		p.clipNext = true
	case "n":
		p.endPath()
	case "f", "F", "B", "b":
		p.fillPath(false)
		p.strokePath(op == "B" || op == "b")
	case "f*", "B*", "b*":
		p.fillPath(true)
		p.strokePath(op != "f*")
	case "S", "s":
		p.strokePath(true)
	default:
		return false
	}
	return true
}

// fillPath notes each part of the path; one that is mostly open, such as a
// ring or a star, hides nothing.
func (p *painter) fillPath(evenOdd bool) {
	const most = 0.55
	for i, share := range p.path.filled(evenOdd) {
		p.add(mark{box: p.path.parts[i].box, kind: markFill, solid: p.solid(p.state.fillAlpha) && share > most, light: p.state.fillLight})
	}
}

// strokePath ends the path, and notes it when it is stroked.
func (p *painter) strokePath(stroked bool) {
	bounds, ok := p.path.bounds()
	if stroked && ok {
		width := p.state.lineWidth * p.state.ctm.scale()
		p.add(mark{box: bounds.grown(width / 2), kind: markStroke, solid: p.solid(p.state.strokeAlpha), light: p.state.strokeLight, line: width})
	}
	p.endPath()
}

func (p *painter) endPath() {
	bounds, ok := p.path.bounds()
	if p.clipNext && ok {
		p.state.clip = p.state.clip.meet(bounds)
	}
	p.clipNext, p.path.parts = false, p.path.parts[:0]
}

// external takes a parameter dictionary (ISO 32000-2, table 57).
func (p *painter) external(operands []cos.Object) {
	d := p.named("ExtGState", operands)
	number := func(key cos.Name, into *float64) {
		value, err := p.view.Resolve(d[key])
		v, ok := cos.Number(value)
		if err == nil && ok {
			*into = v
		}
	}
	number("ca", &p.state.fillAlpha)
	number("CA", &p.state.strokeAlpha)
	number("LW", &p.state.lineWidth)
	if d["BM"] != nil {
		modes := p.view.Array(d["BM"])
		if modes == nil {
			modes = cos.Array{d["BM"]}
		}
		// Only what surely lets the page shine through counts as blended.
		p.state.blended = len(modes) > 0 && slices.Contains([]cos.Name{"Multiply", "Darken", "ColorBurn"}, p.view.Name(modes[0]))
	}
	if d["SMask"] != nil {
		p.state.blended = p.state.blended || p.view.Name(d["SMask"]) == ""
	}
	font := p.view.Array(d["Font"])
	if len(font) == 2 {
		p.state.font = p.glyphs(p.view.Dict(font[0]))
		value, err := p.view.Resolve(font[1])
		size, ok := cos.Number(value)
		if err == nil && ok {
			p.state.size = size
		}
	}
}

func (p *painter) named(kind cos.Name, operands []cos.Object) cos.Dict {
	if len(operands) == 0 {
		return nil
	}
	name, _ := operands[len(operands)-1].(cos.Name)
	return p.view.Dict(p.view.Dict(p.resources[kind])[name])
}

// object paints an XObject.
func (p *painter) object(operands []cos.Object) {
	if len(operands) == 0 {
		return
	}
	name, _ := operands[0].(cos.Name)
	stm := p.view.Stream(p.view.Dict(p.resources["XObject"])[name])
	if stm == nil {
		return
	}
	if p.view.Name(stm.Dict["Subtype"]) == "Image" {
		p.image(stm.Dict["SMask"] != nil || stm.Dict["Mask"] != nil || stm.Dict["ImageMask"] == true)
		return
	}
	p.form(stm)
}

func (p *painter) image(seeThrough bool) {
	unit := p.state.ctm.box(box{0, 0, 1, 1})
	p.add(mark{box: unit, kind: markImage, solid: !seeThrough && p.solid(p.state.fillAlpha)})
}

// form paints a form XObject with its own resources.
func (p *painter) form(stm *cos.Stream) {
	p.budget.operators -= formCost
	if p.depth >= maxForms || p.budget.operators < 0 {
		p.incomplete = true
		return
	}
	data, ok := p.budget.decode(p.view, stm)
	if !ok {
		p.incomplete = true
		return
	}
	saved, tm, tlm := p.state, p.tm, p.tlm
	p.state.ctm = transformation(p.view, stm.Dict["Matrix"]).then(p.state.ctm)
	bbox, isBox := rectangle(p.view, stm.Dict["BBox"])
	if isBox {
		p.state.clip = p.state.clip.meet(p.state.ctm.box(bbox))
	}
	resources := p.view.Dict(stm.Dict["Resources"])
	if resources == nil {
		resources = p.resources
	}
	p.depth++
	p.run(data, resources)
	p.depth--
	p.state, p.tm, p.tlm = saved, tm, tlm
}
