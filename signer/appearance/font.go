package appearance

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/go-fonts/liberation/liberationserifbold"
	"github.com/go-fonts/liberation/liberationserifitalic"
	"github.com/go-fonts/liberation/liberationserifregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/signer/cos"
)

// Face is one of the faces of Liberation Serif that marks are set in.
type Face int

// The faces.
const (
	Regular Face = iota
	Bold
	Italic
)

func (f Face) resource() cos.Name { return cos.Name(fmt.Sprintf("F%d", int(f))) }

func (f Face) file() (name string, data []byte) {
	switch f {
	case Bold:
		return "LiberationSerif-Bold", liberationserifbold.TTF
	case Italic:
		return "LiberationSerif-Italic", liberationserifitalic.TTF
	default:
		return "LiberationSerif", liberationserifregular.TTF
	}
}

// font is a face of which some letters are used.
type font struct {
	name   string
	face   Face
	table  *trueType
	lookup *sfnt.Font
	buf    sfnt.Buffer
	glyphs []uint16        // new glyph number → number in the whole font
	number map[uint16]int  // the reverse
	text   map[int]rune    // new glyph number → letter
	kept   map[rune]uint16 // letter → number in the whole font
}

func loadFont(face Face) (*font, error) {
	name, data := face.file()
	lookup, err := sfnt.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("appearance: font %s: %w", name, err)
	}
	table, err := readTrueType(data)
	if err != nil {
		return nil, fmt.Errorf("appearance: font %s: %w", name, err)
	}
	return &font{
		name: name, face: face, table: table, lookup: lookup,
		glyphs: []uint16{0}, number: map[uint16]int{0: 0}, text: map[int]rune{}, kept: map[rune]uint16{},
	}, nil
}

func (f *font) glyph(r rune) (uint16, error) {
	g, ok := f.kept[r]
	if ok {
		return g, nil
	}
	i, err := f.lookup.GlyphIndex(&f.buf, r)
	if err != nil || i == 0 {
		return 0, fmt.Errorf("%w: the font has no letter %q", ErrSpec, r)
	}
	f.kept[r] = uint16(i)
	return uint16(i), nil
}

// encode gives the two-byte codes of a text (Identity-H) and remembers its letters.
func (f *font) encode(s string) ([]byte, error) {
	var out []byte
	for _, r := range norm.NFC.String(s) {
		g, err := f.glyph(r)
		if err != nil {
			return nil, err
		}
		n := f.keep(g)
		f.text[n] = r
		out = append(out, byte(n>>8), byte(n))
	}
	return out, nil
}

func (f *font) keep(g uint16) int {
	n, ok := f.number[g]
	if !ok {
		n = len(f.glyphs)
		f.glyphs = append(f.glyphs, g)
		f.number[g] = n
	}
	return n
}

// width gives the length of a text in units of the type size.
func (f *font) width(s string) (float64, error) {
	total := 0
	for _, r := range norm.NFC.String(s) {
		g, err := f.glyph(r)
		if err != nil {
			return 0, err
		}
		total += f.table.advance(g)
	}
	return float64(total) / float64(f.table.unitsPerEm), nil
}

// embed writes the subset as a composite font (ISO 32000-2, 9.7).
func (f *font) embed(add Adder) (cos.Ref, error) {
	program, err := f.table.subset(f)
	if err != nil {
		return cos.Ref{}, fmt.Errorf("appearance: subset of %s: %w", f.name, err)
	}
	packed, err := cos.Deflate(program)
	if err != nil {
		return cos.Ref{}, err
	}
	file := add.Add(&cos.Stream{Dict: cos.Dict{"Filter": cos.Name("FlateDecode"), "Length1": int64(len(program))}, Data: packed})
	set := make([]byte, (len(f.glyphs)+7)/8)
	widths := make(cos.Array, len(f.glyphs))
	for i, g := range f.glyphs {
		set[i/8] |= 0x80 >> (i % 8)
		widths[i] = f.table.thousand(f.table.advance(g))
	}
	// PDF/A-1 (ISO 19005-1, 6.3.5) asks for the set of a subset's glyphs.
	cidSet := add.Add(&cos.Stream{Dict: cos.Dict{}, Data: set})
	base := cos.Name(f.tag(program) + "+" + f.name)
	t := f.table
	angle := int64(0)
	flags := int64(1<<1 | 1<<2) // serif, symbolic
	if f.face == Italic {
		angle, flags = -16, flags|1<<6
	}
	descriptor := add.Add(cos.Dict{
		"Type": cos.Name("FontDescriptor"), "FontName": base, "Flags": flags, "ItalicAngle": angle,
		"FontBBox":  cos.Array{t.thousand(t.box[0]), t.thousand(t.box[1]), t.thousand(t.box[2]), t.thousand(t.box[3])},
		"Ascent":    t.thousand(t.ascent),
		"Descent":   t.thousand(t.descent),
		"CapHeight": int64(655), "StemV": int64(80), "FontFile2": file, "CIDSet": cidSet,
	})
	cid := add.Add(cos.Dict{
		"Type": cos.Name("Font"), "Subtype": cos.Name("CIDFontType2"), "BaseFont": base,
		"CIDSystemInfo":  cos.Dict{"Registry": cos.String("Adobe"), "Ordering": cos.String("Identity"), "Supplement": int64(0)},
		"FontDescriptor": descriptor, "CIDToGIDMap": cos.Name("Identity"),
		"DW": int64(1000), "W": cos.Array{int64(0), widths},
	})
	cmap, err := cos.Deflate([]byte(f.toUnicode()))
	if err != nil {
		return cos.Ref{}, err
	}
	unicode := add.Add(&cos.Stream{Dict: cos.Dict{"Filter": cos.Name("FlateDecode")}, Data: cmap})
	return add.Add(cos.Dict{
		"Type": cos.Name("Font"), "Subtype": cos.Name("Type0"), "BaseFont": base, "Encoding": cos.Name("Identity-H"),
		"DescendantFonts": cos.Array{cid}, "ToUnicode": unicode,
	}), nil
}

// tag is the six letters that mark a subset (ISO 32000-2, 9.9.2).
func (f *font) tag(program []byte) string {
	sum := sha256.Sum256(program)
	var b strings.Builder
	for _, v := range sum[:6] {
		b.WriteByte('A' + v%26)
	}
	return b.String()
}

// toUnicode lets readers copy and search the text (ISO 32000-2, 9.10.3).
func (f *font) toUnicode() string {
	var b strings.Builder
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	var rows []string
	for n := range f.glyphs {
		r, ok := f.text[n]
		if !ok {
			continue
		}
		row := fmt.Sprintf("<%04X> <", n)
		for _, u := range utf16.Encode([]rune{r}) {
			row += fmt.Sprintf("%04X", u)
		}
		rows = append(rows, row+">\n")
	}
	const most = 100 // mappings in one block (Adobe Technical Note 5014)
	for len(rows) > 0 {
		n := min(most, len(rows))
		fmt.Fprintf(&b, "%d beginbfchar\n%sendbfchar\n", n, strings.Join(rows[:n], ""))
		rows = rows[n:]
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.String()
}
