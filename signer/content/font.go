package content

import (
	"encoding/binary"
	"strings"

	"github.com/antin-gov/antin/signer/cos"
)

// Font is what a document says of the type it is set in.
type Font struct {
	Name         string // without the six letters of a subset
	Bold, Italic bool
}

// font turns codes into letters and widths.
type font struct {
	Font
	two     bool // two bytes a code
	spaces  *cmap
	letters *cmap              // ToUnicode
	simple  [256]string        // of a simple font without it
	widths  map[uint32]float64 // in parts of the size
	other   float64            // of codes without a width of their own
}

// usualWidth is that of a letter of the serif faces of office documents, for
// fonts that do not say theirs.
const usualWidth = 0.5

// font reads a font dictionary once.
func (r *reader) font(o cos.Object) *font {
	ref, indirect := o.(cos.Ref)
	if indirect {
		f, ok := r.fonts[ref]
		if ok {
			return f
		}
	}
	d := r.view.Dict(o)
	if d == nil || len(r.fonts) > maxFonts {
		return nil
	}
	f := r.readFont(d)
	if indirect {
		r.fonts[ref] = f
	}
	return f
}

func (r *reader) readFont(d cos.Dict) *font {
	v := r.view
	f := &font{widths: map[uint32]float64{}, other: usualWidth}
	descriptor := v.Dict(d["FontDescriptor"])
	name := v.Name(d["BaseFont"])
	f.letters = r.table(d["ToUnicode"])
	switch v.Name(d["Subtype"]) {
	case "Type0":
		kids := v.Array(d["DescendantFonts"])
		var kid cos.Dict
		if len(kids) > 0 {
			kid = v.Dict(kids[0])
		}
		descriptor = v.Dict(kid["FontDescriptor"])
		f.two = true
		f.spaces = r.table(d["Encoding"])
		f.readCIDWidths(v, kid)
	case "Type3":
		f.readWidths(v, d, matrixOf(v, d["FontMatrix"])[0])
		f.readEncoding(v, d["Encoding"])
		if name == "" {
			name = v.Name(d["Name"])
		}
	default:
		f.readWidths(v, d, 0.001)
		f.readEncoding(v, d["Encoding"])
		missing, err := v.Resolve(descriptor["MissingWidth"])
		w, ok := cos.Number(missing)
		if err == nil && ok && len(f.widths) > 0 {
			f.other = w / 1000
		}
	}
	f.describe(v, string(name), descriptor)
	return f
}

// describe finds the name and the style: what the name says counts, then the
// descriptor (ISO 32000-2, 9.8).
func (f *font) describe(v *cos.View, name string, descriptor cos.Dict) {
	if len(name) > 7 && name[6] == '+' {
		name = name[7:]
	}
	f.Name = name
	low := strings.ToLower(name)
	f.Bold = strings.Contains(low, "bold") || strings.Contains(low, "black") || strings.Contains(low, "heavy")
	f.Italic = strings.Contains(low, "italic") || strings.Contains(low, "oblique")
	const italic, forceBold = 1 << 6, 1 << 18
	flags, _ := v.Int(descriptor["Flags"])
	f.Italic = f.Italic || flags&italic != 0
	f.Bold = f.Bold || flags&forceBold != 0
	weight, err := v.Resolve(descriptor["FontWeight"])
	value, ok := cos.Number(weight)
	f.Bold = f.Bold || err == nil && ok && value >= 600
}

func (f *font) readWidths(v *cos.View, d cos.Dict, unit float64) {
	first, _ := v.Int(d["FirstChar"])
	for i, o := range v.Array(d["Widths"]) {
		value, err := v.Resolve(o)
		w, ok := cos.Number(value)
		code := first + int64(i)
		if err == nil && ok && code >= 0 && code < 256 {
			f.widths[uint32(code)] = w * unit
		}
	}
}

// readCIDWidths reads W and DW (ISO 32000-2, 9.7.4.3).
func (f *font) readCIDWidths(v *cos.View, d cos.Dict) {
	f.other = 1
	number := func(o cos.Object) (float64, bool) {
		value, err := v.Resolve(o)
		n, ok := cos.Number(value)
		return n, err == nil && ok
	}
	usual, ok := number(d["DW"])
	if ok {
		f.other = usual / 1000
	}
	w := v.Array(d["W"])
	for i := 0; i+1 < len(w); {
		first, ok := number(w[i])
		if !ok || first < 0 || first > 0xffff {
			return
		}
		list := v.Array(w[i+1])
		if list != nil {
			for k, o := range list {
				n, ok := number(o)
				if ok && len(f.widths) < maxMappings {
					f.widths[uint32(first)+uint32(k)] = n / 1000
				}
			}
			i += 2
			continue
		}
		if i+2 >= len(w) {
			return
		}
		last, ok := number(w[i+1])
		n, ok2 := number(w[i+2])
		if !ok || !ok2 || last > 0xffff {
			return
		}
		for code := uint32(first); float64(code) <= last && len(f.widths) < maxMappings; code++ {
			f.widths[code] = n / 1000
		}
		i += 3
	}
}

// table reads an embedded CMap, nil when there is none.
func (r *reader) table(o cos.Object) *cmap {
	stm := r.view.Stream(o)
	if stm == nil {
		return nil
	}
	data, err := r.decode(stm)
	if err != nil || len(data) > maxFontBytes {
		return nil
	}
	return readCMap(data)
}

// each visits the codes of a string: the letters, "" when they cannot be told,
// the width, and whether word spacing applies (ISO 32000-2, 9.3.3).
func (f *font) each(codes []byte, visit func(text string, width float64, space bool)) {
	for len(codes) > 0 {
		n, code := 1, uint32(codes[0])
		if f.two {
			n = 2
			if f.spaces != nil && f.spaces.length(codes) > 0 {
				n = f.spaces.length(codes)
			}
			n = min(n, len(codes))
			code = 0
			for _, b := range codes[:n] {
				code = code<<8 | uint32(b)
			}
		}
		cid := code
		if f.spaces != nil {
			cid = f.spaces.cid(code)
		}
		width, ok := f.widths[cid]
		if !ok {
			width = f.other
		}
		visit(f.text(code, n), width, n == 1 && code == ' ')
		codes = codes[n:]
	}
}

func (f *font) text(code uint32, n int) string {
	if f.letters != nil {
		s, ok := f.letters.text(code)
		if ok {
			return s
		}
	}
	if n == 1 && !f.two {
		return f.simple[code]
	}
	return ""
}

// big reads up to four bytes as a number.
func big(b []byte) uint32 {
	var four [4]byte
	copy(four[4-min(4, len(b)):], b[max(0, len(b)-4):])
	return binary.BigEndian.Uint32(four[:])
}
