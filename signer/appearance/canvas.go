package appearance

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/antin-gov/antin/signer/cos"
)

// canvas collects the content stream and the resources of one form.
type canvas struct {
	add    Adder
	buf    bytes.Buffer
	fonts  map[Face]*font
	order  []Face
	images cos.Dict
}

// colour is an sRGB colour.
type colour struct{ r, g, b float64 }

var (
	black = colour{}
	blue  = colour{0.05, 0.16, 0.62}
	red   = colour{0.80, 0.06, 0.10}
)

func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// op writes an operator behind its operands.
func (c *canvas) op(name string, operands ...float64) {
	for _, v := range operands {
		c.buf.WriteString(num(v))
		c.buf.WriteByte(' ')
	}
	c.buf.WriteString(name)
	c.buf.WriteByte('\n')
}

func (c *canvas) fill(k colour) {
	c.buf.WriteString("/C0 cs ")
	c.op("sc", k.r, k.g, k.b)
}

func (c *canvas) stroke(k colour, width float64) {
	c.buf.WriteString("/C0 CS ")
	c.op("SC", k.r, k.g, k.b)
	c.op("w", width)
}

// circleArm is the control point distance of a quarter circle as Bézier curve.
const circleArm = 0.5522847498

func (c *canvas) circle(x, y, r float64) {
	k := r * circleArm
	c.op("m", x+r, y)
	c.op("c", x+r, y+k, x+k, y+r, x, y+r)
	c.op("c", x-k, y+r, x-r, y+k, x-r, y)
	c.op("c", x-r, y-k, x-k, y-r, x, y-r)
	c.op("c", x+k, y-r, x+r, y-k, x+r, y)
	c.op("s")
}

func (c *canvas) star(x, y, r float64) {
	for i := range 10 {
		radius := r
		if i%2 == 1 {
			radius = r * 0.382
		}
		a := math.Pi/2 + float64(i)*math.Pi/5
		name := "l"
		if i == 0 {
			name = "m"
		}
		c.op(name, x+radius*math.Cos(a), y+radius*math.Sin(a))
	}
	c.op("f")
}

func (c *canvas) font(face Face) (*font, error) {
	f, ok := c.fonts[face]
	if ok {
		return f, nil
	}
	f, err := loadFont(face)
	if err != nil {
		return nil, err
	}
	c.fonts[face] = f
	c.order = append(c.order, face)
	return f, nil
}

// text shows a string with a text matrix.
func (c *canvas) text(face Face, size float64, matrix [6]float64, s string) error {
	f, err := c.font(face)
	if err != nil {
		return err
	}
	codes, err := f.encode(s)
	if err != nil {
		return err
	}
	c.buf.WriteString("BT\n/" + string(face.resource()) + " ")
	c.op("Tf", size)
	c.op("Tm", matrix[:]...)
	fmt.Fprintf(&c.buf, "<%X> Tj\nET\n", codes)
	return nil
}

// sRGB as a colour space that does not depend on a device (IEC 61966-2-1).
func colourSpace() cos.Array {
	return cos.Array{cos.Name("CalRGB"), cos.Dict{
		"WhitePoint": cos.Array{0.9505, 1.0, 1.089},
		"Gamma":      cos.Array{2.2, 2.2, 2.2},
		"Matrix":     cos.Array{0.4124, 0.2126, 0.0193, 0.3576, 0.7152, 0.1192, 0.1805, 0.0722, 0.9505},
	}}
}

// form closes the drawing as a form XObject of the size of the box.
func (c *canvas) form(page Page, box Box) (cos.Ref, error) {
	resources := cos.Dict{"ColorSpace": cos.Dict{"C0": colourSpace()}}
	fonts := cos.Dict{}
	for _, face := range c.order {
		ref, err := c.fonts[face].embed(c.add)
		if err != nil {
			return cos.Ref{}, err
		}
		fonts[face.resource()] = ref
	}
	if len(fonts) > 0 {
		resources["Font"] = fonts
	}
	if len(c.images) > 0 {
		resources["XObject"] = c.images
	}
	content, err := cos.Deflate(c.buf.Bytes())
	if err != nil {
		return cos.Ref{}, err
	}
	m := page.matrix()
	return c.add.Add(&cos.Stream{Dict: cos.Dict{
		"Type": cos.Name("XObject"), "Subtype": cos.Name("Form"), "FormType": int64(1),
		"BBox":      cos.Array{int64(0), int64(0), round(box.Width * page.unit()), round(box.Height * page.unit())},
		"Matrix":    cos.Array{m[0], m[1], m[2], m[3], m[4], m[5]},
		"Resources": resources,
		"Filter":    cos.Name("FlateDecode"),
	}, Data: content}), nil
}

func round(v float64) float64 { return math.Round(v*1000) / 1000 }
