package appearance

import "fmt"

// Box is a place on a page as a reader sees it: millimetres from the visible
// top left corner.
type Box struct {
	X, Y, Width, Height float64
}

// Page is the geometry of a page (ISO 32000-2, 7.7.3.3).
type Page struct {
	MediaBox [4]float64
	CropBox  [4]float64 // zero means the media box
	Rotate   int
	UserUnit float64 // 0 means 1
}

const pointsPerMM = 72 / 25.4

// slack forgives boxes that reach over the edge by rounding.
const slack = 0.5 // mm

func (p Page) unit() float64 {
	if p.UserUnit > 0 {
		return pointsPerMM / p.UserUnit
	}
	return pointsPerMM
}

func (p Page) turn() int { return ((p.Rotate % 360) + 360) % 360 / 90 * 90 }

// visible is the part of the page that is shown.
func (p Page) visible() [4]float64 {
	m := upright(p.MediaBox)
	c := upright(p.CropBox)
	if c == ([4]float64{}) {
		return m
	}
	out := [4]float64{max(m[0], c[0]), max(m[1], c[1]), min(m[2], c[2]), min(m[3], c[3])}
	if out[2] <= out[0] || out[3] <= out[1] {
		return m
	}
	return out
}

func upright(r [4]float64) [4]float64 {
	return [4]float64{min(r[0], r[2]), min(r[1], r[3]), max(r[0], r[2]), max(r[1], r[3])}
}

// Size gives width and height of the visible page in millimetres.
func (p Page) Size() (width, height float64) {
	v := p.visible()
	w, h := (v[2]-v[0])/p.unit(), (v[3]-v[1])/p.unit()
	if p.turn()%180 == 90 {
		w, h = h, w
	}
	return w, h
}

// Rect gives the rectangle of a box in the page's own coordinates.
func (p Page) Rect(b Box) ([4]float64, error) {
	w, h := p.Size()
	if b.Width <= 0 || b.Height <= 0 || b.X < -slack || b.Y < -slack || b.X+b.Width > w+slack || b.Y+b.Height > h+slack {
		return [4]float64{}, fmt.Errorf("%w: box %.1f,%.1f %.1f×%.1f mm on a page of %.1f×%.1f mm", ErrOutside, b.X, b.Y, b.Width, b.Height, w, h)
	}
	x1, y1 := p.point(b.X, b.Y)
	x2, y2 := p.point(b.X+b.Width, b.Y+b.Height)
	return upright([4]float64{x1, y1, x2, y2}), nil
}

// point turns a visible point into the page's coordinates.
func (p Page) point(x, y float64) (float64, float64) {
	v, k := p.visible(), p.unit()
	x, y = x*k, y*k
	switch p.turn() {
	case 90:
		return v[0] + y, v[1] + x
	case 180:
		return v[2] - x, v[1] + y
	case 270:
		return v[2] - y, v[3] - x
	}
	return v[0] + x, v[3] - y
}

// Visible turns a point of the page's own coordinates into millimetres from
// the visible top left corner.
func (p Page) Visible(x, y float64) (right, down float64) {
	v, k := p.visible(), p.unit()
	switch p.turn() {
	case 90:
		return (y - v[1]) / k, (x - v[0]) / k
	case 180:
		return (v[2] - x) / k, (y - v[1]) / k
	case 270:
		return (v[3] - y) / k, (v[2] - x) / k
	}
	return (x - v[0]) / k, (v[3] - y) / k
}

// Box is the reverse of Rect: a rectangle of the page's own coordinates as a
// place on the visible page.
func (p Page) Box(rect [4]float64) Box {
	r, v, k := upright(rect), p.visible(), p.unit()
	w, h := (r[2]-r[0])/k, (r[3]-r[1])/k
	switch p.turn() {
	case 90:
		return Box{X: (r[1] - v[1]) / k, Y: (r[0] - v[0]) / k, Width: h, Height: w}
	case 180:
		return Box{X: (v[2] - r[2]) / k, Y: (r[1] - v[1]) / k, Width: w, Height: h}
	case 270:
		return Box{X: (v[3] - r[3]) / k, Y: (v[2] - r[2]) / k, Width: h, Height: w}
	}
	return Box{X: (r[0] - v[0]) / k, Y: (v[3] - r[3]) / k, Width: w, Height: h}
}

// matrix turns the drawing so that it stands upright on a rotated page.
func (p Page) matrix() [6]float64 {
	switch p.turn() {
	case 90:
		return [6]float64{0, 1, -1, 0, 0, 0}
	case 180:
		return [6]float64{-1, 0, 0, -1, 0, 0}
	case 270:
		return [6]float64{0, -1, 1, 0, 0, 0}
	}
	return [6]float64{1, 0, 0, 1, 0, 0}
}

// SealOver gives the place of a seal of a given diameter that covers about one
// third of a personal signature on its left (NĐ 30/2020, Appendix I).
func SealOver(person Box, diameter float64) Box {
	if diameter <= 0 {
		diameter = sealDiameter
	}
	right := person.X + person.Width/3
	middle := person.Y + person.Height/2
	return Box{X: right - diameter, Y: middle - diameter/2, Width: diameter, Height: diameter}
}
