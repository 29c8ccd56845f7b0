// Package ink measures in millimetres what stands on a rendered page, by its
// pixels: the red of seals, the blue of signatures, the black of text.
package ink

import (
	"image"
	"image/draw"
)

// Box is a place in millimetres from the top left corner of the picture.
type Box struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	// Pixels is how many have the colour.
	Pixels int `json:"pixels"`
}

// Right and Bottom are the far edges.
func (b Box) Right() float64  { return b.X + b.Width }
func (b Box) Bottom() float64 { return b.Y + b.Height }

// Page is what is found on a page.
type Page struct {
	Red  Box `json:"red"`
	Blue Box `json:"blue"`
	// Overlap is the part of the blue's width that lies under the red, 0 to 1.
	Overlap float64 `json:"overlap"`
}

// Measure finds red and blue on a picture rendered at so many dots an inch.
func Measure(picture image.Image, dpi float64) Page {
	img := plain(picture)
	p := Page{
		Red:  find(img, dpi, func(r, g, b int) bool { return r > 120 && r > g+60 && r > b+60 }),
		Blue: find(img, dpi, func(r, g, b int) bool { return b > 90 && b > r+40 && b > g+40 }),
	}
	if p.Blue.Pixels > 0 && p.Red.Pixels > 0 && p.Red.Y < p.Blue.Bottom() && p.Blue.Y < p.Red.Bottom() {
		p.Overlap = max(0, min(p.Red.Right(), p.Blue.Right())-max(p.Red.X, p.Blue.X)) / p.Blue.Width
	}
	return p
}

// Text finds what is dark inside a part of the page in millimetres.
func Text(picture image.Image, dpi float64, within Box) Box {
	img := plain(picture)
	k := dpi / 25.4
	part := image.Rect(int(within.X*k), int(within.Y*k), int(within.Right()*k), int(within.Bottom()*k)).Intersect(img.Bounds())
	return findIn(img, part, dpi, func(r, g, b int) bool { return r < 110 && g < 110 && b < 110 })
}

// plain gives the picture as bytes of red, green, blue and a fourth.
func plain(picture image.Image) *image.RGBA {
	img, ok := picture.(*image.RGBA)
	if !ok {
		img = image.NewRGBA(picture.Bounds())
		draw.Draw(img, img.Bounds(), picture, picture.Bounds().Min, draw.Src)
	}
	return img
}

func find(img *image.RGBA, dpi float64, is func(r, g, b int) bool) Box {
	return findIn(img, img.Bounds(), dpi, is)
}

func findIn(img *image.RGBA, part image.Rectangle, dpi float64, is func(r, g, b int) bool) Box {
	found := image.Rectangle{Min: part.Max, Max: part.Min}
	n := 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			at := img.PixOffset(x, y)
			if !is(int(img.Pix[at]), int(img.Pix[at+1]), int(img.Pix[at+2])) {
				continue
			}
			n++
			found.Min.X, found.Min.Y = min(found.Min.X, x), min(found.Min.Y, y)
			found.Max.X, found.Max.Y = max(found.Max.X, x+1), max(found.Max.Y, y+1)
		}
	}
	if n == 0 {
		return Box{}
	}
	mm := 25.4 / dpi
	return Box{float64(found.Min.X) * mm, float64(found.Min.Y) * mm, float64(found.Dx()) * mm, float64(found.Dy()) * mm, n}
}
