package appearance

import (
	"encoding/binary"
	"errors"
	"slices"
)

// errFont says that a font file is not built as expected.
var errFont = errors.New("font file is damaged")

// trueType gives access to the tables of a TrueType font (ISO/IEC 14496-22)
// that a subset needs.
type trueType struct {
	tables          map[string][]byte
	unitsPerEm      int
	box             [4]int
	ascent, descent int
	metrics         int // glyphs with an advance of their own
	glyphs          int
	longLoca        bool
}

func readTrueType(data []byte) (*trueType, error) {
	if len(data) < 12 {
		return nil, errFont
	}
	t := &trueType{tables: map[string][]byte{}}
	for i := range int(binary.BigEndian.Uint16(data[4:])) {
		at := 12 + 16*i
		if at+16 > len(data) {
			return nil, errFont
		}
		from, n := int(binary.BigEndian.Uint32(data[at+8:])), int(binary.BigEndian.Uint32(data[at+12:]))
		if from < 0 || n < 0 || from+n > len(data) {
			return nil, errFont
		}
		t.tables[string(data[at:at+4])] = data[from : from+n]
	}
	head, hhea, maxp := t.tables["head"], t.tables["hhea"], t.tables["maxp"]
	if len(head) < 54 || len(hhea) < 36 || len(maxp) < 6 {
		return nil, errFont
	}
	t.unitsPerEm = int(binary.BigEndian.Uint16(head[18:]))
	for i := range t.box {
		t.box[i] = signed(head[36+2*i:])
	}
	t.longLoca = head[51] == 1
	t.ascent, t.descent = signed(hhea[4:]), signed(hhea[6:])
	t.metrics = int(binary.BigEndian.Uint16(hhea[34:]))
	t.glyphs = int(binary.BigEndian.Uint16(maxp[4:]))
	loca := 2 * (t.glyphs + 1)
	if t.longLoca {
		loca *= 2
	}
	if t.unitsPerEm == 0 || t.metrics == 0 || len(t.tables["hmtx"]) < 4*t.metrics || len(t.tables["loca"]) < loca {
		return nil, errFont
	}
	return t, nil
}

func signed(b []byte) int { return int(int16(binary.BigEndian.Uint16(b))) }

func (t *trueType) thousand(v int) int64 {
	return int64((v*1000 + t.unitsPerEm/2) / t.unitsPerEm)
}

func (t *trueType) advance(g uint16) int {
	i := min(int(g), t.metrics-1)
	return int(binary.BigEndian.Uint16(t.tables["hmtx"][4*i:]))
}

func (t *trueType) bearing(g uint16) []byte {
	hmtx := t.tables["hmtx"]
	at := 4*int(g) + 2
	if int(g) >= t.metrics {
		at = 4*t.metrics + 2*(int(g)-t.metrics)
	}
	if at+2 > len(hmtx) {
		return []byte{0, 0}
	}
	return hmtx[at : at+2]
}

func (t *trueType) outline(g uint16) ([]byte, error) {
	loca, glyf := t.tables["loca"], t.tables["glyf"]
	if int(g) >= t.glyphs {
		return nil, errFont
	}
	var from, to int
	if t.longLoca {
		from, to = int(binary.BigEndian.Uint32(loca[4*int(g):])), int(binary.BigEndian.Uint32(loca[4*int(g)+4:]))
	} else {
		from, to = 2*int(binary.BigEndian.Uint16(loca[2*int(g):])), 2*int(binary.BigEndian.Uint16(loca[2*int(g)+2:]))
	}
	if from > to || to > len(glyf) {
		return nil, errFont
	}
	return glyf[from:to], nil
}

// Flags of a composite glyph's components (glyf table).
const (
	argsAreWords  = 1 << 0
	hasScale      = 1 << 3
	moreFollow    = 1 << 5
	hasTwoScales  = 1 << 6
	hasTwoByTwo   = 1 << 7
	compositeHead = 10
)

// components visits the component numbers of a composite glyph.
func components(outline []byte, visit func(at int)) error {
	if len(outline) < compositeHead || signed(outline) >= 0 {
		return nil
	}
	at := compositeHead
	for {
		if at+4 > len(outline) {
			return errFont
		}
		flags := binary.BigEndian.Uint16(outline[at:])
		visit(at + 2)
		at += 6
		if flags&argsAreWords != 0 {
			at += 2
		}
		switch {
		case flags&hasScale != 0:
			at += 2
		case flags&hasTwoScales != 0:
			at += 4
		case flags&hasTwoByTwo != 0:
			at += 8
		}
		if flags&moreFollow == 0 {
			return nil
		}
	}
}

// subset writes a font with the kept glyphs alone, numbered as they were kept;
// components of composite glyphs are added behind them.
func (t *trueType) subset(f *font) ([]byte, error) {
	var glyf, hmtx []byte
	loca := []byte{0, 0, 0, 0}
	for i := 0; i < len(f.glyphs); i++ {
		g := f.glyphs[i]
		outline, err := t.outline(g)
		if err != nil {
			return nil, err
		}
		outline = slices.Clone(outline)
		err = components(outline, func(at int) {
			n := f.keep(binary.BigEndian.Uint16(outline[at:]))
			binary.BigEndian.PutUint16(outline[at:], uint16(n))
		})
		if err != nil {
			return nil, err
		}
		glyf = append(glyf, outline...)
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		hmtx = binary.BigEndian.AppendUint16(hmtx, uint16(t.advance(g)))
		hmtx = append(hmtx, t.bearing(g)...)
	}
	head := slices.Clone(t.tables["head"])
	head[50], head[51] = 0, 1 // long offsets
	hhea := slices.Clone(t.tables["hhea"])
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(f.glyphs)))
	maxp := slices.Clone(t.tables["maxp"])
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(f.glyphs)))
	tables := map[string][]byte{"head": head, "hhea": hhea, "maxp": maxp, "hmtx": hmtx, "loca": loca, "glyf": glyf}
	for _, name := range []string{"cvt ", "fpgm", "prep"} {
		if len(t.tables[name]) > 0 {
			tables[name] = t.tables[name]
		}
	}
	return assembleFont(tables), nil
}

// assembleFont writes the table directory and the tables.
func assembleFont(tables map[string][]byte) []byte {
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	power, shift := 1, 0
	for power*2 <= len(names) {
		power, shift = power*2, shift+1
	}
	out := []byte{0, 1, 0, 0}
	for _, v := range []int{len(names), power * 16, shift, (len(names) - power) * 16} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	body := 12 + 16*len(names)
	binary.BigEndian.PutUint32(tables["head"][8:], 0)
	headAt := 0
	var data []byte
	for _, name := range names {
		table := tables[name]
		at := body + len(data)
		if name == "head" {
			headAt = at
		}
		out = append(out, name...)
		out = binary.BigEndian.AppendUint32(out, checksum(table))
		out = binary.BigEndian.AppendUint32(out, uint32(at))
		out = binary.BigEndian.AppendUint32(out, uint32(len(table)))
		data = append(data, table...)
		for len(data)%4 != 0 {
			data = append(data, 0)
		}
	}
	out = append(out, data...)
	const magic = 0xB1B0AFBA // head.checkSumAdjustment
	binary.BigEndian.PutUint32(out[headAt+8:], magic-checksum(out))
	return out
}

func checksum(data []byte) uint32 {
	var sum uint32
	for len(data) >= 4 {
		sum += binary.BigEndian.Uint32(data)
		data = data[4:]
	}
	var last [4]byte
	copy(last[:], data)
	return sum + binary.BigEndian.Uint32(last[:])
}
