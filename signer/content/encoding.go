package content

import (
	"strconv"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"github.com/antin-gov/antin/signer/cos"
)

// readEncoding fills in the letters of a simple font: the base encoding and
// the differences (ISO 32000-2, 9.6.5).
func (f *font) readEncoding(v *cos.View, o cos.Object) {
	base := v.Name(o)
	var differences cos.Array
	d := v.Dict(o)
	if d != nil {
		base = v.Name(d["BaseEncoding"])
		differences = v.Array(d["Differences"])
	}
	table := charmap.Windows1252
	if base == "MacRomanEncoding" {
		table = charmap.Macintosh
	}
	for i := ' '; i < 256; i++ {
		r := table.DecodeByte(byte(i))
		if r != '\uFFFD' {
			f.simple[i] = string(r)
		}
	}
	code := int64(0)
	for _, item := range differences {
		switch t := item.(type) {
		case int64:
			code = t
		case cos.Name:
			if code >= 0 && code < 256 {
				f.simple[code] = glyphText(string(t))
			}
			code++
		}
	}
}

// glyphText is the letter that a glyph's name stands for (Adobe Glyph List
// Specification, 2), as far as Vietnamese text needs: a letter with the names of
// its marks behind it, uniXXXX and uXXXX, and signs by name.
func glyphText(name string) string {
	name, _, _ = strings.Cut(name, ".")
	sign, ok := signs()[name]
	if ok {
		return sign
	}
	for _, prefix := range []string{"uni", "u"} {
		hex, found := strings.CutPrefix(name, prefix)
		if found && len(hex) >= 4 {
			v, err := strconv.ParseUint(hex[:min(len(hex), 6-len(prefix)/3*2)], 16, 32)
			if err == nil {
				return string(rune(v))
			}
		}
	}
	if name == "" || name[0] < 'A' || name[0] > 'z' {
		return ""
	}
	text, rest := name[:1], name[1:]
	for rest != "" {
		found := false
		for mark, combining := range marks() {
			after, has := strings.CutPrefix(rest, mark)
			if has {
				text, rest, found = text+combining, after, true
				break
			}
		}
		if !found {
			return ""
		}
	}
	return norm.NFC.String(text)
}

func marks() map[string]string {
	return map[string]string{
		"grave": "\u0300", "acute": "\u0301", "circumflex": "\u0302", "tilde": "\u0303", "dieresis": "\u0308", "breve": "\u0306",
		"horn": "\u031B", "hookabove": "\u0309", "dotbelow": "\u0323", "cedilla": "\u0327", "caron": "\u030C", "ring": "\u030A",
	}
}

func signs() map[string]string {
	return map[string]string{
		"space": " ", "exclam": "!", "quotedbl": "\"", "numbersign": "#", "dollar": "$", "percent": "%", "ampersand": "&", "quotesingle": "'",
		"parenleft": "(", "parenright": ")", "asterisk": "*", "plus": "+", "comma": ",", "hyphen": "-", "minus": "-", "period": ".", "slash": "/",
		"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
		"colon": ":", "semicolon": ";", "less": "<", "equal": "=", "greater": ">", "question": "?", "at": "@", "bracketleft": "[",
		"bracketright": "]", "backslash": "\\", "underscore": "_", "braceleft": "{", "bar": "|", "braceright": "}",
		"quoteleft": "‘", "quoteright": "’", "quotedblleft": "“", "quotedblright": "”", "endash": "–", "emdash": "—", "bullet": "•",
		"ellipsis": "…", "degree": "°", "dcroat": "đ", "Dcroat": "Đ", "Eth": "Đ", "eth": "đ", "nbspace": " ",
		"fi": "fi", "fl": "fl", "ff": "ff",
	}
}
