package appearance

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/antin-gov/antin/signer/cos"
)

// drawPerson shows the signature image, or the name as if written by hand.
func (s Spec) drawPerson(c *canvas, page Page) (Box, error) {
	if len(s.Image) > 0 {
		return s.drawImage(c, page, personWidth, personHeight)
	}
	box := s.size(page, personWidth, personHeight)
	if s.Name == "" || utf8.RuneCountInString(s.Name) > maxName {
		return box, fmt.Errorf("%w: a drawn signature needs a name of at most %d letters", ErrSpec, maxName)
	}
	w, h := box.Width*page.unit(), box.Height*page.unit()
	f, err := c.font(Italic)
	if err != nil {
		return box, err
	}
	length, err := f.width(s.Name)
	if err != nil {
		return box, err
	}
	size := min(h*handSize, w/(length+handSpare))
	x, y := (w-(length+handSpare)*size)/2+size*handSpare*0.3, h*0.42-handRise*length*size/2
	c.fill(blue)
	err = c.text(Italic, size, [6]float64{1, handRise, handSlant, 1, x, y}, s.Name)
	if err != nil {
		return box, err
	}
	end := x + length*size
	c.stroke(blue, max(0.5, size*0.045))
	c.op("J", 1)
	c.op("m", x+size*0.1, y-size*0.30)
	c.op("c", x+length*size*0.35, y-size*0.62, x+length*size*0.75, y+handRise*length*size-size*0.05, min(end+size*0.3, w*0.97), y+handRise*length*size-size*0.18)
	c.op("c", end-size*0.2, y+handRise*length*size-size*0.62, x+length*size*0.5, y-size*0.42, x+length*size*0.42, y-size*0.40)
	c.op("S")
	return box, nil
}

// The hand of a drawn signature: slanted and slightly rising, as a pen writes.
const (
	handSlant, handRise = 0.22, 0.07
	handSize            = 0.52 // of the height, for the letters
	handSpare           = 0.5  // of the size: room for the slant and the flourish
)

// Natural gives the size in millimetres that a mark has on its own: that of a
// seal is its real one, where the image says so (pHYs) or else the usual
// diameter; that of a signature keeps the proportions of what is drawn.
func (s Spec) Natural() (width, height float64, err error) {
	switch s.Preset {
	case Person:
		if len(s.Image) == 0 {
			f, err := loadFont(Italic)
			if err != nil {
				return 0, 0, err
			}
			length, err := f.width(s.Name)
			if err != nil || length == 0 {
				return personWidth, personHeight, err
			}
			return shrink((length+handSpare)*handSize*personHeight, personHeight, maxPersonWidth)
		}
		img, err := readPNG(s.Image)
		if err != nil {
			return 0, 0, err
		}
		return shrink(personHeight*float64(img.width)/float64(img.height), personHeight, maxPersonWidth)
	case Seal:
		if s.Diameter > 0 || len(s.Image) == 0 {
			return s.diameter(), s.diameter(), nil
		}
		img, err := readPNG(s.Image)
		if err != nil {
			return 0, 0, err
		}
		if img.widthMM > 0 {
			return img.widthMM, img.heightMM, nil
		}
		return shrink(sealDiameter*float64(img.width)/float64(img.height), sealDiameter, sealDiameter)
	default:
		return 0, 0, fmt.Errorf("%w: preset %q has no size of its own", ErrSpec, string(s.Preset))
	}
}

// shrink keeps the proportions and makes the width fit.
func shrink(width, height, most float64) (float64, float64, error) {
	if width > most {
		return most, height * most / width, nil
	}
	return width, height, nil
}

// drawSeal shows the seal image, or a double circle with the agency's name.
func (s Spec) drawSeal(c *canvas, page Page) (Box, error) {
	if len(s.Image) > 0 {
		return s.drawImage(c, page, s.diameter(), s.diameter())
	}
	box := s.size(page, s.diameter(), s.diameter())
	if s.Name == "" || utf8.RuneCountInString(s.Name) > maxName {
		return box, fmt.Errorf("%w: a drawn seal needs a name of at most %d letters", ErrSpec, maxName)
	}
	w, h := box.Width*page.unit(), box.Height*page.unit()
	x, y, r := w/2, h/2, min(w, h)/2
	c.stroke(red, r*0.045)
	c.circle(x, y, r*(1-0.045/2))
	c.stroke(red, r*0.018)
	c.circle(x, y, r*0.90)
	c.stroke(red, r*0.018)
	c.circle(x, y, r*0.60)
	c.fill(red)
	c.star(x, y, r*0.36)
	return box, s.ring(c, x, y, r)
}

// ring sets the name between the circles, clockwise from the lower left, and a
// small star where it ends.
func (s Spec) ring(c *canvas, x, y, r float64) error {
	name := strings.ToUpper(s.Name)
	f, err := c.font(Bold)
	if err != nil {
		return err
	}
	length, err := f.width(name)
	if err != nil {
		return err
	}
	const arc = 290.0 / 180 * math.Pi // of the ring is for the name
	base := r * 0.675
	size := min(r*0.20, arc*base/length)
	spread := min(arc, length*size/base*1.12)
	gap := (spread*base - length*size) / float64(utf8.RuneCountInString(name))
	angle := math.Pi/2 + spread/2
	for _, letter := range name {
		advance, err := f.width(string(letter))
		if err != nil {
			return err
		}
		step := (advance*size + gap) / base
		a := angle - step/2
		sin, cosine := math.Sincos(a - math.Pi/2)
		px, py := x+base*math.Cos(a), y+base*math.Sin(a)
		half := advance * size / 2
		err = c.text(Bold, size, [6]float64{cosine, sin, -sin, cosine, px - half*cosine, py - half*sin}, string(letter))
		if err != nil {
			return err
		}
		angle -= step
	}
	c.star(x, y-r*0.75, r*0.07)
	return nil
}

// drawText shows the lines and the signing time, upright, black, ten points.
func (s Spec) drawText(c *canvas, page Page) (Box, error) {
	lines := append([]string(nil), s.Lines...)
	if !s.Time.IsZero() {
		lines = append(lines, s.Time.In(vietnam()).Truncate(time.Second).Format("2006-01-02T15:04:05-07:00"))
	}
	if len(lines) == 0 || len(lines) > maxLines {
		return s.Box, fmt.Errorf("%w: text of %d lines", ErrSpec, len(lines))
	}
	f, err := c.font(Regular)
	if err != nil {
		return s.Box, err
	}
	widest := 0.0
	for _, line := range lines {
		if utf8.RuneCountInString(line) > maxName {
			return s.Box, fmt.Errorf("%w: a line has more than %d letters", ErrSpec, maxName)
		}
		w, err := f.width(line)
		if err != nil {
			return s.Box, err
		}
		widest = max(widest, w*textSize)
	}
	// Sizes of type are real points, whatever the page's unit is.
	scale := page.unit() / pointsPerMM
	box := s.Box
	if box.Width <= 0 || box.Height <= 0 {
		box.Width = (widest + 2) / pointsPerMM
		box.Height = (float64(len(lines))*textLeading + 2) / pointsPerMM
	}
	if s.Box == (Box{}) {
		w, _ := page.Size()
		// Above the quốc hiệu, whose top margin is at least 20 mm.
		box.X, box.Y = w-textRight-box.Width, max(textEdge, min(textTop, textFoot-box.Height))
	}
	c.fill(black)
	y := box.Height*page.unit() - textSize*scale
	for _, line := range lines {
		err = c.text(Regular, textSize*scale, [6]float64{1, 0, 0, 1, scale, y}, line)
		if err != nil {
			return box, err
		}
		y -= textLeading * scale
	}
	return box, nil
}

// drawImage fits an image into the box without distorting it.
func (s Spec) drawImage(c *canvas, page Page, width, height float64) (Box, error) {
	img, err := readPNG(s.Image)
	if err != nil {
		return s.Box, err
	}
	if img.widthMM > 0 && s.Preset == Seal && s.Diameter <= 0 {
		width, height = img.widthMM, img.heightMM // its real size
	}
	box := s.size(page, width, height)
	w, h := box.Width*page.unit(), box.Height*page.unit()
	scale := min(w/float64(img.width), h/float64(img.height))
	iw, ih := float64(img.width)*scale, float64(img.height)*scale
	ref, err := img.embed(c.add, s.Opaque)
	if err != nil {
		return box, err
	}
	c.images = cos.Dict{"Im0": ref}
	c.op("q")
	c.op("cm", iw, 0, 0, ih, (w-iw)/2, (h-ih)/2)
	c.buf.WriteString("/Im0 Do\nQ\n")
	return box, nil
}
