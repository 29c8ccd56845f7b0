// Package plot draws curves over two logarithmic axes as SVG: what the load
// programs measured.
package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Curve is a line of a plot.
type Curve struct {
	Name string
	X, Y []float64 // greater than 0
}

// Write writes an SVG of curves over two logarithmic axes.
func Write(w io.Writer, title, x, y string, curves []Curve) error {
	const width, height, left, bottom, top, right = 640.0, 400.0, 80.0, 56.0, 40.0, 150.0
	least, most := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, c := range curves {
		for i := range c.X {
			for axis, v := range [2]float64{math.Log10(c.X[i]), math.Log10(c.Y[i])} {
				least[axis], most[axis] = min(least[axis], math.Floor(v)), max(most[axis], math.Ceil(v))
			}
		}
	}
	px := func(v float64) float64 {
		return left + (math.Log10(v)-least[0])/(most[0]-least[0])*(width-left-right)
	}
	py := func(v float64) float64 {
		return height - bottom - (math.Log10(v)-least[1])/(most[1]-least[1])*(height-bottom-top)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%g" y="22" font-size="15">%s</text>`+"\n", left, title)
	for e := least[0]; e <= most[0]; e++ {
		at := px(math.Pow(10, e))
		fmt.Fprintf(&b, `<path d="M%.1f %g V%g" stroke="#ddd"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n", at, top, height-bottom, at, height-bottom+18, power(e))
	}
	for e := least[1]; e <= most[1]; e++ {
		at := py(math.Pow(10, e))
		fmt.Fprintf(&b, `<path d="M%g %.1f H%g" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n", left, at, width-right, left-8, at+4, power(e))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text><text transform="translate(18 %g) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		(left+width-right)/2, height-14, x, (top+height-bottom)/2, y)
	colours := []string{"#1d4e89", "#c1121f", "#2a7f62", "#8a5a00"}
	for n, c := range curves {
		var points, dots strings.Builder
		for i := range c.X {
			fmt.Fprintf(&points, "%.1f,%.1f ", px(c.X[i]), py(c.Y[i]))
			fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="3"/>`, px(c.X[i]), py(c.Y[i]))
		}
		colour := colours[n%len(colours)]
		fmt.Fprintf(&b, `<g fill="%s"><polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>%s`, colour, strings.TrimSpace(points.String()), colour, dots.String())
		fmt.Fprintf(&b, `<text x="%g" y="%g">%s</text></g>`+"\n", width-right+12, top+16+20*float64(n), c.Name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// power is ten to the power of e as people write it.
func power(e float64) string {
	if e >= -3 && e <= 5 {
		return fmt.Sprintf("%g", math.Pow(10, e))
	}
	return fmt.Sprintf("10<tspan dy=\"-4\" font-size=\"9\">%g</tspan>", e)
}
