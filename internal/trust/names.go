package trust

import (
	"encoding/asn1"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// maxRDNs bounds the relative names of one name; real ones have ten.
	maxRDNs = 64
	// maxNameBytes bounds one name.
	maxNameBytes = 16 << 10
)

var errName = errors.New("name malformed")

// distinguished is a distinguished name in comparable form: one string for
// each relative distinguished name, from the most general to the most special.
type distinguished []string

// key is the whole name as one comparable string.
func (d distinguished) key() string { return strings.Join(d, "\x00") }

// within tells whether the name lies in the subtree of base (RFC 5280 §7.1).
func (d distinguished) within(base distinguished) bool {
	if len(d) < len(base) {
		return false
	}
	for n := range base {
		if d[n] != base[n] {
			return false
		}
	}
	return true
}

// readName brings the DER of a Name into the form of RFC 5280 §7.1: strings
// compare without regard to their ASN.1 type, letter case and repeated spaces.
func readName(der []byte) (distinguished, error) {
	if len(der) > maxNameBytes {
		return nil, errName
	}
	in := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !in.ReadASN1(&rdns, casn1.SEQUENCE) || !in.Empty() {
		return nil, errName
	}
	var name distinguished
	for !rdns.Empty() {
		var rdn cryptobyte.String
		if len(name) == maxRDNs || !rdns.ReadASN1(&rdn, casn1.SET) {
			return nil, errName
		}
		one, err := readRDN(rdn)
		if err != nil {
			return nil, err
		}
		name = append(name, one)
	}
	return name, nil
}

// readRDN brings the content of a RelativeDistinguishedName into comparable
// form. Its attributes are a set: their order does not count.
func readRDN(in cryptobyte.String) (string, error) {
	var parts []string
	for !in.Empty() {
		var pair, value cryptobyte.String
		var oid cryptobyte.String
		var tag casn1.Tag
		ok := len(parts) < maxRDNs && in.ReadASN1(&pair, casn1.SEQUENCE) &&
			pair.ReadASN1(&oid, casn1.OBJECT_IDENTIFIER) && pair.ReadAnyASN1(&value, &tag) && pair.Empty()
		if !ok {
			return "", errName
		}
		text, isText := directoryString(tag, value)
		kind, content := "s", foldText(text)
		if !isText {
			kind, content = "x"+strconv.Itoa(int(tag)), string(value)
		}
		// Lengths keep an attribute from looking like two.
		parts = append(parts, strconv.Itoa(len(oid))+":"+string(oid)+kind+strconv.Itoa(len(content))+":"+content)
	}
	if len(parts) == 0 {
		return "", errName
	}
	if len(parts) > 1 {
		sortStrings(parts)
	}
	return strings.Join(parts, "+"), nil
}

func sortStrings(list []string) {
	for n := 1; n < len(list); n++ {
		for m := n; m > 0 && list[m] < list[m-1]; m-- {
			list[m], list[m-1] = list[m-1], list[m]
		}
	}
}

const (
	tagBMPString       = casn1.Tag(30)
	tagUniversalString = casn1.Tag(28)
	tagVisibleString   = casn1.Tag(26)
)

// directoryString decodes the string types of an attribute's value.
func directoryString(tag casn1.Tag, value []byte) (string, bool) {
	switch tag {
	case casn1.PrintableString, casn1.IA5String, tagVisibleString:
		for _, c := range value {
			if c >= utf8.RuneSelf {
				return "", false
			}
		}
		return string(value), true
	case casn1.UTF8String:
		return string(value), utf8.Valid(value)
	case casn1.T61String:
		// Used as Latin-1 in practice.
		runes := make([]rune, len(value))
		for n, c := range value {
			runes[n] = rune(c)
		}
		return string(runes), true
	case tagBMPString:
		if len(value)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(value)/2)
		for n := range units {
			units[n] = uint16(value[2*n])<<8 | uint16(value[2*n+1])
		}
		return string(utf16.Decode(units)), true
	case tagUniversalString:
		if len(value)%4 != 0 {
			return "", false
		}
		runes := make([]rune, len(value)/4)
		for n := range runes {
			runes[n] = rune(uint32(value[4*n])<<24 | uint32(value[4*n+1])<<16 | uint32(value[4*n+2])<<8 | uint32(value[4*n+3]))
		}
		return string(runes), true
	}
	return "", false
}

// foldText is the preparation of RFC 4518 as far as it matters for names:
// compatibility composition, case folding, spaces trimmed and pressed to one.
func foldText(text string) string {
	ascii := true
	for n := 0; n < len(text); n++ {
		if text[n] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		text = strings.ToLower(text)
	} else {
		text = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text)))
	}
	return strings.Join(strings.Fields(text), " ")
}

// emailAddresses returns the emailAddress attributes of a name (PKCS #9),
// which name constraints on rfc822Name also bind (RFC 5280 §4.2.1.10).
func emailAddresses(der []byte) []string {
	in := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !in.ReadASN1(&rdns, casn1.SEQUENCE) {
		return nil
	}
	var found []string
	for !rdns.Empty() {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, casn1.SET) {
			return found
		}
		for !rdn.Empty() {
			var pair, value cryptobyte.String
			var oid asn1.ObjectIdentifier
			var tag casn1.Tag
			if !rdn.ReadASN1(&pair, casn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&oid) || !pair.ReadAnyASN1(&value, &tag) {
				return found
			}
			text, isText := directoryString(tag, value)
			if isText && oid.Equal(oidEmailAddress) {
				found = append(found, text)
			}
		}
	}
	return found
}

// Forms of GeneralName (RFC 5280 §4.2.1.6), by their tag numbers.
const (
	formOther = iota
	formEmail
	formDNS
	formX400
	formDirectory
	formEDI
	formURI
	formIP
	formRegistered
)

// maxNames bounds the names of one extension: certificates of large services
// carry some hundreds.
const maxNames = 2048

// generalName is one GeneralName.
type generalName struct {
	form  int
	value string        // content octets
	name  distinguished // of formDirectory
}

// key is a comparable form of the name.
func (g generalName) key() string {
	content := g.value
	if g.form == formDirectory {
		content = g.name.key()
	}
	return strconv.Itoa(g.form) + ":" + content
}

// readGeneralNames reads the content of GeneralNames.
func readGeneralNames(in cryptobyte.String) ([]generalName, error) {
	var names []generalName
	for !in.Empty() {
		if len(names) == maxNames {
			return nil, errName
		}
		name, err := readGeneralName(&in)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func readGeneralName(in *cryptobyte.String) (generalName, error) {
	var value cryptobyte.String
	var tag casn1.Tag
	if !in.ReadAnyASN1(&value, &tag) {
		return generalName{}, errName
	}
	for form := range formRegistered + 1 {
		constructed := form == formOther || form == formX400 || form == formDirectory || form == formEDI
		expected := casn1.Tag(form).ContextSpecific()
		if constructed {
			expected = expected.Constructed()
		}
		if tag != expected {
			continue
		}
		name := generalName{form: form, value: string(value)}
		if form != formDirectory {
			return name, name.check()
		}
		var err error
		name.name, err = readName(value)
		return name, err
	}
	return generalName{}, errName
}

// check refuses what IA5String does not allow.
func (g generalName) check() error {
	if g.form != formEmail && g.form != formDNS && g.form != formURI {
		return nil
	}
	for n := 0; n < len(g.value); n++ {
		if g.value[n] >= utf8.RuneSelf || g.value[n] == 0 {
			return errName
		}
	}
	return nil
}
