package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
)

// maxHeight cuts a long page: what is below is more of the same.
const maxHeight = 2400

// maxBytes is the size of a picture above which its colours are counted.
const maxBytes = 200 << 10

// shrink cuts a picture to maxHeight and packs it; a large one keeps its 256
// most frequent colours, which is all that a page of text needs.
func shrink(content []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	bounds := src.Bounds()
	bounds.Max.Y = min(bounds.Max.Y, bounds.Min.Y+maxHeight)
	full := image.NewNRGBA(bounds)
	draw.Draw(full, bounds, src, bounds.Min, draw.Src)
	packed, err := pack(full)
	if err != nil || len(packed) <= maxBytes {
		return packed, err
	}
	few := image.NewPaletted(bounds, frequent(full))
	nearest := map[color.NRGBA]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := full.NRGBAAt(x, y)
			i, known := nearest[c]
			if !known {
				i = uint8(few.Palette.Index(c))
				nearest[c] = i
			}
			few.SetColorIndex(x, y, i)
		}
	}
	return pack(few)
}

// frequent is the palette of the most frequent colours, of which every second
// half is taken with coarser steps so that photographs and charts keep their
// range.
func frequent(m *image.NRGBA) color.Palette {
	exact, coarse := map[color.NRGBA]int{}, map[color.NRGBA]int{}
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			c := m.NRGBAAt(x, y)
			exact[c]++
			coarse[color.NRGBA{c.R&0xe0 | 0x10, c.G&0xe0 | 0x10, c.B&0xe0 | 0x10, 0xff}]++
		}
	}
	palette := color.Palette{}
	for _, part := range []struct {
		count map[color.NRGBA]int
		most  int
	}{{exact, 128}, {coarse, 256}} {
		order := slices.SortedFunc(maps.Keys(part.count), func(a, b color.NRGBA) int {
			return cmp.Or(part.count[b]-part.count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
		})
		for _, c := range order {
			if len(palette) < part.most {
				palette = append(palette, c)
			}
		}
	}
	return palette
}

func pack(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, m)
	if err != nil {
		return nil, fmt.Errorf("write picture: %w", err)
	}
	return b.Bytes(), nil
}
