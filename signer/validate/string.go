package validate

import (
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// textString reads a PDF text string (ISO 32000-2 §7.9.2.2): UTF-16 or UTF-8
// by its mark, else PDFDocEncoding, of which only the part shared with Latin-1
// is told apart.
func textString(s []byte) string {
	switch {
	case len(s) >= 2 && s[0] == 0xfe && s[1] == 0xff:
		units := make([]uint16, 0, len(s)/2)
		for n := 2; n+1 < len(s); n += 2 {
			units = append(units, uint16(s[n])<<8|uint16(s[n+1]))
		}
		return string(utf16.Decode(units))
	case len(s) >= 3 && s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf:
		return strings.ToValidUTF8(string(s[3:]), string(utf8.RuneError))
	}
	runes := make([]rune, 0, len(s))
	for _, b := range s {
		runes = append(runes, rune(b))
	}
	return string(runes)
}

// pdfTime reads a PDF date (ISO 32000-2 §7.9.4): D:YYYYMMDDHHmmSSOHH'mm'.
func pdfTime(s string) (time.Time, bool) {
	s = strings.TrimPrefix(s, "D:")
	const digits = "20060102150405"
	n := 0
	for n < len(s) && n < len(digits) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n < 4 || n%2 != 0 {
		return time.Time{}, false
	}
	zone := strings.NewReplacer("'", "", "Z", "+").Replace(s[n:])
	layout, value := digits[:n], s[:n]
	if len(zone) > 1 && (zone[0] == '+' || zone[0] == '-') {
		if len(zone) == 3 {
			zone += "00"
		}
		layout, value = layout+"-0700", value+zone
	}
	t, err := time.Parse(layout, value)
	if err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}
