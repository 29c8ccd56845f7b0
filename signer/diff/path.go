package diff

import "math"

// subpath is one part of a path: the box it fits in and the area it encloses.
type subpath struct {
	box
	twice          float64 // twice the signed area, by its corners and control points
	firstX, firstY float64
	lastX, lastY   float64
	points         int
}

// maxSubpaths bounds the parts of a path that are told apart.
const maxSubpaths = 64

// outline is the path being constructed, on the page.
type outline struct {
	parts []subpath
}

func (o *outline) begin(x, y float64) {
	if len(o.parts) == maxSubpaths {
		o.join(x, y)
		return
	}
	o.parts = append(o.parts, subpath{box: nowhere().with(x, y), firstX: x, firstY: y, lastX: x, lastY: y, points: 1})
}

func (o *outline) join(x, y float64) {
	if len(o.parts) == 0 {
		o.begin(x, y)
		return
	}
	p := &o.parts[len(o.parts)-1]
	p.twice += p.lastX*y - x*p.lastY
	p.box, p.lastX, p.lastY = p.with(x, y), x, y
	p.points++
}

func (o *outline) rectangle(m matrix, x, y, width, height float64) {
	for i, corner := range [4][2]float64{{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}} {
		px, py := m.point(corner[0], corner[1])
		if i == 0 {
			o.begin(px, py)
			continue
		}
		o.join(px, py)
	}
}

// bounds is the box of the whole path; false when there is none.
func (o *outline) bounds() (box, bool) {
	all := nowhere()
	for _, p := range o.parts {
		all = box{min(all.x0, p.x0), min(all.y0, p.y0), max(all.x1, p.x1), max(all.y1, p.y1)}
	}
	return all, len(o.parts) > 0
}

func (p *subpath) signed() float64 {
	return (p.twice + p.lastX*p.firstY - p.firstX*p.lastY) / 2
}

// filled gives the parts with how much of its box each covers. A part inside
// another is a hole when the rule says even-odd or it runs the other way round;
// a part in a hole is painted again.
func (o *outline) filled(evenOdd bool) []float64 {
	const sixteenth = 1.0 / 16
	share := make([]float64, len(o.parts))
	for i := range o.parts {
		this := &o.parts[i]
		area, depth := math.Abs(this.signed()), 0
		for j := range o.parts {
			other := &o.parts[j]
			if i == j || !evenOdd && other.signed()*this.signed() >= 0 {
				continue
			}
			switch {
			case this.holds(other):
				area -= math.Abs(other.signed())
			case other.holds(this):
				depth++
			}
		}
		switch {
		case depth%2 == 1:
		case this.area() > sixteenth:
			share[i] = max(0, area) / this.area()
		default:
			share[i] = 1
		}
	}
	return share
}

func (p *subpath) holds(inner *subpath) bool {
	return inner.x0 >= p.x0 && inner.y0 >= p.y0 && inner.x1 <= p.x1 && inner.y1 <= p.y1 && inner.area() < p.area()
}
