package sigma

import (
	"fmt"
	"strings"
)

// modifiers are those of one field, as the specification's appendix lists
// them.
type modifiers struct {
	place                placement
	compare              string
	all, cased, windash  bool
	re, reI, reM, reS    bool
	cidr, exists         bool
	base64, base64offset bool
	encoding             string
	fieldref, expand     bool
	neq                  bool
}

// placement says where a pattern stands in a value.
type placement uint8

const (
	placeWhole placement = iota
	placeContains
	placeStarts
	placeEnds
)

func splitModifiers(key string) (field string, m modifiers, err error) {
	parts := strings.Split(key, "|")
	field = parts[0]
	for _, p := range parts[1:] {
		switch p {
		case "contains":
			m.place = placeContains
		case "startswith":
			m.place = placeStarts
		case "endswith":
			m.place = placeEnds
		case "all":
			m.all = true
		case "cased":
			m.cased = true
		case "windash":
			m.windash = true
		case "re":
			m.re = true
		case "i":
			m.reI = true
		case "m":
			m.reM = true
		case "s":
			m.reS = true
		case "cidr":
			m.cidr = true
		case "exists":
			m.exists = true
		case "base64":
			m.base64 = true
		case "base64offset":
			m.base64offset = true
		case "wide", "utf16le", "utf16be", "utf16":
			m.encoding = p
		case "lt", "lte", "gt", "gte":
			m.compare = p
		case "fieldref":
			m.fieldref = true
		case "expand":
			m.expand = true
		case "neq":
			m.neq = true
		default:
			return "", m, fmt.Errorf("unknown modifier %q", p)
		}
	}
	return field, m, m.check()
}

// check refuses combinations without meaning.
func (m modifiers) check() error {
	kinds := 0
	for _, on := range []bool{m.re, m.cidr, m.exists, m.compare != "", m.fieldref, m.base64, m.base64offset} {
		if on {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return fmt.Errorf("modifiers that exclude each other")
	case (m.reI || m.reM || m.reS) && !m.re:
		return fmt.Errorf("modifiers i, m and s need re")
	case m.encoding != "" && !m.base64 && !m.base64offset:
		return fmt.Errorf("modifier %s needs base64 or base64offset", m.encoding)
	}
	return nil
}
