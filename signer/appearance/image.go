package appearance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/antin-gov/antin/signer/cos"
)

const (
	maxImageBytes  = 8 << 20 // a scanned signature or seal is far below
	maxImageSide   = 4096    // pixels; 36 mm at 600 dpi are 850
	maxImagePixels = 4 << 20
)

// picture is a decoded PNG with straight alpha.
type picture struct {
	width, height     int
	widthMM, heightMM float64 // from pHYs, 0 when it does not say
	rgb, alpha        []byte
	transparent       bool
}

func readPNG(data []byte) (*picture, error) {
	if len(data) > maxImageBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrImage, len(data), maxImageBytes)
	}
	head, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: not a PNG: %w", ErrImage, err)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxImageSide || head.Height > maxImageSide || head.Width*head.Height > maxImagePixels {
		return nil, fmt.Errorf("%w: %d×%d pixels", ErrImage, head.Width, head.Height)
	}
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	p := &picture{width: head.Width, height: head.Height}
	p.widthMM, p.heightMM = physicalSize(data, head)
	b := decoded.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			k, ok := color.NRGBAModel.Convert(decoded.At(x, y)).(color.NRGBA)
			if !ok {
				return nil, fmt.Errorf("%w: colour model", ErrImage)
			}
			p.rgb = append(p.rgb, k.R, k.G, k.B)
			p.alpha = append(p.alpha, k.A)
			p.transparent = p.transparent || k.A != 0xff
		}
	}
	if !p.transparent {
		p.clear()
	}
	return p.crop()
}

// clear takes the paper out of a picture without transparency, a scan: what is
// white shows what lies below, as a stamp does (NĐ 30/2020, Appendix I).
func (p *picture) clear() {
	const white, soft = 250, 60 // lightness of paper, and over how much it fades
	for i := range p.alpha {
		dark := white - int(min(p.rgb[3*i], p.rgb[3*i+1], p.rgb[3*i+2]))
		p.alpha[i] = uint8(max(0, min(255, dark*255/soft)))
		p.transparent = p.transparent || p.alpha[i] != 0xff
	}
}

// crop leaves out empty margins, so that sizes are those of what is seen.
func (p *picture) crop() (*picture, error) {
	const faint = 0x18 // of transparency: what no eye sees
	left, top, right, bottom := p.width, p.height, -1, -1
	for y := range p.height {
		for x := range p.width {
			if p.alpha[y*p.width+x] >= faint {
				left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
			}
		}
	}
	if right < 0 {
		return nil, fmt.Errorf("%w: nothing can be seen on it", ErrImage)
	}
	out := &picture{width: right - left + 1, height: bottom - top + 1, transparent: p.transparent}
	out.widthMM = p.widthMM * float64(out.width) / float64(p.width)
	out.heightMM = p.heightMM * float64(out.height) / float64(p.height)
	for y := top; y <= bottom; y++ {
		from, to := y*p.width+left, y*p.width+right+1
		out.rgb = append(out.rgb, p.rgb[3*from:3*to]...)
		out.alpha = append(out.alpha, p.alpha[from:to]...)
	}
	return out, nil
}

// physicalSize reads the pHYs chunk (PNG specification, 11.3.5.3).
func physicalSize(data []byte, head image.Config) (width, height float64) {
	for at := 8; at+12 <= len(data); {
		n := int(binary.BigEndian.Uint32(data[at:]))
		if n < 0 || at+12+n > len(data) {
			return 0, 0
		}
		body := data[at+8 : at+8+n]
		switch string(data[at+4 : at+8]) {
		case "IDAT", "IEND":
			return 0, 0
		case "pHYs":
			if n != 9 || body[8] != 1 {
				return 0, 0
			}
			x, y := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if x == 0 || y == 0 {
				return 0, 0
			}
			return float64(head.Width) / float64(x) * 1000, float64(head.Height) / float64(y) * 1000
		}
		at += 12 + n
	}
	return 0, 0
}

// embed makes the image XObject; transparency is a soft mask, or a hard one
// where soft masks are not allowed (ISO 19005-1, 6.4).
func (p *picture) embed(add Adder, opaque bool) (cos.Ref, error) {
	dict := cos.Dict{
		"Type": cos.Name("XObject"), "Subtype": cos.Name("Image"),
		"Width": int64(p.width), "Height": int64(p.height),
		"BitsPerComponent": int64(8), "ColorSpace": colourSpace(), "Filter": cos.Name("FlateDecode"),
	}
	if p.transparent {
		key, mask, err := p.mask(opaque)
		if err != nil {
			return cos.Ref{}, err
		}
		dict[key] = add.Add(mask)
	}
	data, err := cos.Deflate(p.rgb)
	if err != nil {
		return cos.Ref{}, err
	}
	return add.Add(&cos.Stream{Dict: dict, Data: data}), nil
}

func (p *picture) mask(opaque bool) (cos.Name, *cos.Stream, error) {
	dict := cos.Dict{
		"Type": cos.Name("XObject"), "Subtype": cos.Name("Image"),
		"Width": int64(p.width), "Height": int64(p.height), "Filter": cos.Name("FlateDecode"),
	}
	if !opaque {
		dict["BitsPerComponent"], dict["ColorSpace"] = int64(8), cos.Name("DeviceGray")
		data, err := cos.Deflate(p.alpha)
		return "SMask", &cos.Stream{Dict: dict, Data: data}, err
	}
	dict["BitsPerComponent"], dict["ImageMask"] = int64(1), true
	row := (p.width + 7) / 8
	bits := make([]byte, row*p.height)
	for y := range p.height {
		for x := range p.width {
			if p.alpha[y*p.width+x] < 0x80 {
				bits[y*row+x/8] |= 0x80 >> (x % 8) // 1 is masked out
			}
		}
	}
	data, err := cos.Deflate(bits)
	return "Mask", &cos.Stream{Dict: dict, Data: data}, err
}
