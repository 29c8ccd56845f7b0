package tls

import (
	"bytes"
	"crypto/sha1"
	"net/netip"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Certificate is what the record keeps of an X.509 certificate (RFC 5280). It
// is read leniently: attackers' certificates are seldom correct, and those
// are the ones that matter.
type Certificate struct {
	Raw         []byte
	Subject     string
	Issuer      string
	Serial      []byte
	NotBefore   time.Time
	NotAfter    time.Time
	Fingerprint [sha1.Size]byte
	Names       []string
}

// maxNames bounds the alternative names kept.
const maxNames = 128

// parseChain reads the certificate message of TLS 1.2 and older (RFC 5246
// §7.4.2). The first certificate is parsed, the others are kept as they are.
func parseChain(body []byte) ([]*Certificate, error) {
	s := cryptobyte.String(body)
	var all cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&all) {
		return nil, ErrMalformed
	}
	var chain []*Certificate
	for !all.Empty() && len(chain) < maxCertificates {
		var der cryptobyte.String
		if !all.ReadUint24LengthPrefixed(&der) {
			return nil, ErrMalformed
		}
		c := &Certificate{Raw: bytes.Clone(der), Fingerprint: sha1.Sum(der)}
		if len(chain) == 0 {
			c.parse()
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// parse reads as far as the certificate is sound.
func (c *Certificate) parse() {
	s := cryptobyte.String(c.Raw)
	var cert, tbs, serial, issuer, validity, subject, rest cryptobyte.String
	if !s.ReadASN1(&cert, asn1.SEQUENCE) || !cert.ReadASN1(&tbs, asn1.SEQUENCE) {
		return
	}
	if !tbs.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) || !tbs.ReadASN1(&serial, asn1.INTEGER) {
		return
	}
	c.Serial = bytes.Clone(serial)
	if !tbs.SkipASN1(asn1.SEQUENCE) || !tbs.ReadASN1(&issuer, asn1.SEQUENCE) {
		return
	}
	c.Issuer = name(issuer)
	if !tbs.ReadASN1(&validity, asn1.SEQUENCE) {
		return
	}
	c.NotBefore = readTime(&validity)
	c.NotAfter = readTime(&validity)
	if !tbs.ReadASN1(&subject, asn1.SEQUENCE) {
		return
	}
	c.Subject = name(subject)
	if !tbs.SkipASN1(asn1.SEQUENCE) || !tbs.SkipOptionalASN1(asn1.Tag(1).ContextSpecific()) ||
		!tbs.SkipOptionalASN1(asn1.Tag(2).ContextSpecific()) {
		return
	}
	if tbs.ReadASN1(&rest, asn1.Tag(3).Constructed().ContextSpecific()) {
		c.extensions(rest)
	}
}

func readTime(s *cryptobyte.String) time.Time {
	var body cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&body, &tag) {
		return time.Time{}
	}
	switch tag {
	case asn1.UTCTime:
		t, err := time.Parse("060102150405Z", string(body))
		if err != nil {
			return time.Time{}
		}
		// RFC 5280 §4.1.2.5.1: years 50 to 99 are of the last century; the
		// library's pivot is 69.
		if t.Year() >= 2050 {
			t = t.AddDate(-100, 0, 0)
		}
		return t
	case asn1.GeneralizedTime:
		t, err := time.Parse("20060102150405Z", string(body))
		if err != nil {
			return time.Time{}
		}
		return t
	}
	return time.Time{}
}

var oidSubjectAltName = []byte{0x55, 0x1d, 0x11}

// extensions reads the alternative names (RFC 5280 §4.2.1.6).
func (c *Certificate) extensions(s cryptobyte.String) {
	var list cryptobyte.String
	if !s.ReadASN1(&list, asn1.SEQUENCE) {
		return
	}
	for !list.Empty() {
		var ext, oid, value, names cryptobyte.String
		if !list.ReadASN1(&ext, asn1.SEQUENCE) || !ext.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
			return
		}
		if !bytes.Equal(oid, oidSubjectAltName) {
			continue
		}
		if !ext.SkipOptionalASN1(asn1.BOOLEAN) || !ext.ReadASN1(&value, asn1.OCTET_STRING) ||
			!value.ReadASN1(&names, asn1.SEQUENCE) {
			return
		}
		c.names(names)
	}
}

func (c *Certificate) names(s cryptobyte.String) {
	for !s.Empty() && len(c.Names) < maxNames {
		var body cryptobyte.String
		var tag asn1.Tag
		if !s.ReadAnyASN1(&body, &tag) {
			return
		}
		switch tag {
		case asn1.Tag(1).ContextSpecific(), asn1.Tag(2).ContextSpecific(), asn1.Tag(6).ContextSpecific():
			c.Names = append(c.Names, string(body))
		case asn1.Tag(7).ContextSpecific():
			addr, ok := netip.AddrFromSlice(body)
			if ok {
				c.Names = append(c.Names, addr.String())
			}
		}
	}
}

// attributeNames are the short names of attribute types, by the DER of their
// object identifier (RFC 4519, RFC 2985, RFC 4514 §3).
var attributeNames = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x04": "SN", "\x55\x04\x05": "serialNumber", "\x55\x04\x06": "C",
	"\x55\x04\x07": "L", "\x55\x04\x08": "ST", "\x55\x04\x09": "street", "\x55\x04\x0a": "O",
	"\x55\x04\x0b": "OU", "\x55\x04\x0c": "title", "\x55\x04\x0f": "businessCategory",
	"\x55\x04\x11": "postalCode", "\x55\x04\x2a": "GN", "\x55\x04\x2b": "initials",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01":     "UID",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":     "DC",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":         "emailAddress",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01": "jurisdictionL",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02": "jurisdictionST",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03": "jurisdictionC",
}

// name writes a distinguished name in the order of the certificate, as EVE
// has it: "C=VN, O=…, CN=…".
func name(s cryptobyte.String) string {
	var b strings.Builder
	for !s.Empty() {
		var set cryptobyte.String
		if !s.ReadASN1(&set, asn1.SET) {
			break
		}
		joint := ", "
		for !set.Empty() {
			var pair, oid, value cryptobyte.String
			var tag asn1.Tag
			if !set.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
				!pair.ReadAnyASN1(&value, &tag) {
				return b.String()
			}
			if b.Len() > 0 {
				b.WriteString(joint)
			}
			joint = " + "
			short, ok := attributeNames[string(oid)]
			if !ok {
				short = "unknown"
			}
			b.WriteString(short)
			b.WriteByte('=')
			b.WriteString(text(tag, value))
		}
	}
	return b.String()
}

const tagBMPString asn1.Tag = 30

// text decodes a directory string (X.520); what is not UTF-8 is left to the
// JSON encoder, which replaces it.
func text(tag asn1.Tag, value []byte) string {
	if tag != tagBMPString || len(value)%2 != 0 {
		return string(value)
	}
	units := make([]uint16, len(value)/2)
	for i := range units {
		units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
	}
	return string(utf16.Decode(units))
}
