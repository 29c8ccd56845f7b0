package diff

import (
	"math"

	"github.com/antin-gov/antin/signer/cos"
)

// box is a rectangle in points of the page's user space.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) width() float64  { return b.x1 - b.x0 }
func (b box) height() float64 { return b.y1 - b.y0 }
func (b box) area() float64 {
	return max(0, b.width()) * max(0, b.height())
}

func (b box) meet(o box) box {
	return box{max(b.x0, o.x0), max(b.y0, o.y0), min(b.x1, o.x1), min(b.y1, o.y1)}
}

func (b box) with(x, y float64) box {
	return box{min(b.x0, x), min(b.y0, y), max(b.x1, x), max(b.y1, y)}
}

func (b box) grown(by float64) box { return box{b.x0 - by, b.y0 - by, b.x1 + by, b.y1 + by} }

// nowhere is what nothing has been added to.
func nowhere() box {
	return box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
}

// everywhere has no edge.
func everywhere() box {
	return box{math.Inf(-1), math.Inf(-1), math.Inf(1), math.Inf(1)}
}

// matrix is a transformation as PDF writes it (ISO 32000-2, 8.3.3).
type matrix [6]float64

func identity() matrix { return matrix{1, 0, 0, 1, 0, 0} }

// then gives the transformation that does m first and n afterwards.
func (m matrix) then(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func (m matrix) point(x, y float64) (float64, float64) {
	return x*m[0] + y*m[2] + m[4], x*m[1] + y*m[3] + m[5]
}

func (m matrix) box(b box) box {
	out := nowhere()
	for _, p := range [4][2]float64{{b.x0, b.y0}, {b.x1, b.y0}, {b.x0, b.y1}, {b.x1, b.y1}} {
		x, y := m.point(p[0], p[1])
		out = out.with(x, y)
	}
	return out
}

// scale is by how much a length grows.
func (m matrix) scale() float64 { return math.Sqrt(math.Abs(m[0]*m[3] - m[1]*m[2])) }

// numbers reads an array of numbers of that length.
func numbers(v *cos.View, o cos.Object, want int) ([]float64, bool) {
	a := v.Array(o)
	if len(a) != want {
		return nil, false
	}
	out := make([]float64, want)
	for i, x := range a {
		value, err := v.Resolve(x)
		if err != nil {
			return nil, false
		}
		n, ok := cos.Number(value)
		if !ok || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}

// rectangle reads a rectangle in either order of its corners.
func rectangle(v *cos.View, o cos.Object) (box, bool) {
	n, ok := numbers(v, o, 4)
	if !ok {
		return box{}, false
	}
	return box{min(n[0], n[2]), min(n[1], n[3]), max(n[0], n[2]), max(n[1], n[3])}, true
}

func transformation(v *cos.View, o cos.Object) matrix {
	n, ok := numbers(v, o, 6)
	if !ok {
		return identity()
	}
	return matrix(n)
}
