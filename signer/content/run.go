package content

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/antin-gov/antin/signer/cos"
)

// Run is text that stands together on a page, in the page's own coordinates.
type Run struct {
	Text string
	// Rect is the box of the letters: from their feet to their heads.
	Rect [4]float64
	// Base is where the foot line begins, Dir its direction as a unit vector.
	Base, Dir [2]float64
	// Size is that of the type, in units of the page.
	Size float64
	Font Font
	// Colour is red, green and blue from 0 to 1; black when it cannot be told.
	Colour [3]float64
	// Hidden text is not painted: the words under a scan.
	Hidden bool
	// Unreadable letters have a place but no meaning that can be found.
	Unreadable bool
}

// Options say what is read besides the page's own content.
type Options struct {
	// Annotations adds the text that annotations show, but for signatures.
	Annotations bool
}

// Read gives the runs of a page. With an error what was read before it is
// given too.
func Read(v *cos.View, page cos.Dict, o Options) ([]Run, error) {
	r := &reader{view: v, fonts: map[cos.Ref]*font{}}
	data, err := r.contents(page["Contents"])
	if err != nil {
		return nil, err
	}
	err = r.run(data, v.Dict(v.Inherited(page, "Resources")), newState(), 0)
	if err == nil && o.Annotations {
		err = r.annotations(page)
	}
	return r.runs, err
}

// matrix is a transformation as in ISO 32000-2, 8.3.3.
type matrix [6]float64

func identity() matrix { return matrix{1, 0, 0, 1, 0, 0} }

// after gives the transformation that does m first and n then.
func (m matrix) after(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func (m matrix) point(x, y float64) (float64, float64) {
	return x*m[0] + y*m[2] + m[4], x*m[1] + y*m[3] + m[5]
}

// state is the graphics state as far as text needs it.
type state struct {
	ctm                matrix
	font               *font
	size, chars, words float64
	stretch            float64
	leading, rise      float64
	mode               int64
	colour             [3]float64
	tint               bool // colours are amounts of ink
}

func newState() state { return state{ctm: identity(), stretch: 1} }

// reader interprets content streams.
type reader struct {
	view      *cos.View
	fonts     map[cos.Ref]*font
	runs      []Run
	operators int
	bytes     int64
}

// contents joins the streams of a page.
func (r *reader) contents(o cos.Object) ([]byte, error) {
	parts := r.view.Array(o)
	if parts == nil {
		parts = cos.Array{o}
	}
	var all bytes.Buffer
	for _, part := range parts {
		stm := r.view.Stream(part)
		if stm == nil {
			continue
		}
		data, err := r.decode(stm)
		if err != nil {
			return nil, err
		}
		all.Write(data)
		all.WriteByte('\n')
	}
	return all.Bytes(), nil
}

func (r *reader) decode(stm *cos.Stream) ([]byte, error) {
	data, err := r.view.Decode(stm)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	r.bytes += int64(len(data))
	if r.bytes > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrLimit, r.bytes)
	}
	return data, nil
}

// annotations reads the normal looks of the page's annotations.
func (r *reader) annotations(page cos.Dict) error {
	list := r.view.Array(page["Annots"])
	for _, o := range list[:min(len(list), maxAnnots)] {
		d := r.view.Dict(o)
		flags, _ := r.view.Int(d["F"])
		const hidden, noView = 1 << 1, 1 << 5
		if d == nil || flags&(hidden|noView) != 0 || r.view.Name(d["Subtype"]) == "Popup" || fieldType(r.view, d) == "Sig" {
			continue
		}
		look := r.view.Dict(d["AP"])["N"]
		stm := r.view.Stream(look)
		if stm == nil {
			stm = r.view.Stream(r.view.Dict(look)[r.view.Name(d["AS"])])
		}
		rect, ok := Rectangle(r.view, d["Rect"])
		if stm == nil || !ok {
			continue
		}
		s := newState()
		s.ctm = fitted(r.view, stm, rect)
		err := r.form(stm, nil, s, 1)
		if err != nil {
			return err
		}
	}
	return nil
}

// fieldType is the type of the form field that a widget belongs to, "" for
// none (ISO 32000-2, 12.7.4.1).
func fieldType(v *cos.View, d cos.Dict) cos.Name {
	for range maxDepth {
		if d == nil {
			return ""
		}
		if d["FT"] != nil {
			return v.Name(d["FT"])
		}
		d = v.Dict(d["Parent"])
	}
	return ""
}

// fitted is the transformation that puts a look into its rectangle
// (ISO 32000-2, 12.5.5).
func fitted(v *cos.View, stm *cos.Stream, rect [4]float64) matrix {
	box, ok := Rectangle(v, stm.Dict["BBox"])
	if !ok {
		return identity()
	}
	m := matrixOf(v, stm.Dict["Matrix"])
	x1, y1, x2, y2 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, p := range [][2]float64{{box[0], box[1]}, {box[0], box[3]}, {box[2], box[1]}, {box[2], box[3]}} {
		x, y := m.point(p[0], p[1])
		x1, y1, x2, y2 = min(x1, x), min(y1, y), max(x2, x), max(y2, y)
	}
	if x2 <= x1 || y2 <= y1 {
		return identity()
	}
	left, low := min(rect[0], rect[2]), min(rect[1], rect[3])
	sx, sy := math.Abs(rect[2]-rect[0])/(x2-x1), math.Abs(rect[3]-rect[1])/(y2-y1)
	return matrix{sx, 0, 0, sy, left - x1*sx, low - y1*sy}
}

// run interprets one content stream.
func (r *reader) run(data []byte, resources cos.Dict, s state, depth int) error {
	t := &text{reader: r, s: s, resources: resources, depth: depth}
	t.tm, t.tlm = identity(), identity()
	c := cos.NewContent(data)
	for {
		op, operands, err := c.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("content: %w", err)
		}
		r.operators++
		if r.operators > maxOperators || len(r.runs) > maxRuns {
			return fmt.Errorf("%w: operators or letters of a page", ErrLimit)
		}
		err = t.do(op, operands)
		if err != nil {
			return err
		}
	}
}

// form interprets a form XObject under the state that calls it.
func (r *reader) form(stm *cos.Stream, outer cos.Dict, s state, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: forms in forms", ErrLimit)
	}
	data, err := r.decode(stm)
	if err != nil {
		return err
	}
	s.ctm = matrixOf(r.view, stm.Dict["Matrix"]).after(s.ctm)
	resources := r.view.Dict(stm.Dict["Resources"])
	if resources == nil {
		resources = outer
	}
	return r.run(data, resources, s, depth)
}

func matrixOf(v *cos.View, o cos.Object) matrix {
	a := v.Array(o)
	if len(a) != len(matrix{}) {
		return identity()
	}
	var m matrix
	for i := range m {
		value, err := v.Resolve(a[i])
		n, ok := cos.Number(value)
		if err != nil || !ok {
			return identity()
		}
		m[i] = n
	}
	return m
}

// Rectangle reads an array of four numbers.
func Rectangle(v *cos.View, o cos.Object) ([4]float64, bool) {
	a := v.Array(o)
	var out [4]float64
	if len(a) != len(out) {
		return out, false
	}
	for i := range out {
		value, err := v.Resolve(a[i])
		n, ok := cos.Number(value)
		if err != nil || !ok {
			return out, false
		}
		out[i] = n
	}
	return out, true
}
