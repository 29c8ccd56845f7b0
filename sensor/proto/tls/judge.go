package tls

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Oddities of a handshake, by the names that Suricata's events have.
const (
	OddSNITwice    = "multiple_sni_extensions"
	OddSNIType     = "invalid_sni_type"
	OddSNILength   = "invalid_sni_length"
	OddHandshake   = "handshake_invalid_length"
	OddMessage     = "invalid_handshake_message"
	OddCertificate = "invalid_certificate"
	OddChain       = "certificate_invalid_length"
	OddDER         = "certificate_invalid_der"
	OddVersion     = "certificate_invalid_version"
	OddSerial      = "certificate_invalid_serial"
	OddAlgorithm   = "certificate_invalid_algorithmidentifier"
	OddName        = "certificate_invalid_x509name"
	OddIssuer      = "certificate_invalid_issuer"
	OddSubject     = "certificate_invalid_subject"
	OddValidity    = "certificate_invalid_validity"
	OddDate        = "certificate_invalid_date"
	OddExtensions  = "certificate_invalid_extensions"
)

// maxOdd bounds what is noticed of one connection.
const maxOdd = 32

func (c *Conn) odd(name string) {
	if len(c.Odd) < maxOdd {
		c.Odd = append(c.Odd, name)
	}
}

// TakeOdd returns what was noticed since the last call.
func (c *Conn) TakeOdd() []string {
	out := c.Odd
	c.Odd = nil
	return out
}

// judgeSNI judges the server name extension (RFC 6066 §3): one list of one
// name that is a host's.
func (h *ClientHello) judgeSNI(data cryptobyte.String) {
	if h.HasSNI {
		h.Odd = append(h.Odd, OddSNITwice)
		return
	}
	if data.Empty() {
		return
	}
	var list, name cryptobyte.String
	var kind uint8
	if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() || !list.ReadUint8(&kind) {
		h.Odd = append(h.Odd, OddSNILength)
		return
	}
	if kind != 0 {
		h.Odd = append(h.Odd, OddSNIType)
		return
	}
	if !list.ReadUint16LengthPrefixed(&name) || name.Empty() {
		h.Odd = append(h.Odd, OddSNILength)
	}
}

// judge finds the first thing that is wrong with a certificate's form (RFC
// 5280 §4.1), empty when it is sound.
func judge(der []byte) string {
	s := cryptobyte.String(der)
	var cert, tbs cryptobyte.String
	switch {
	case len(der) < 2 || der[0] != byte(asn1.SEQUENCE):
		return OddDER
	case !s.ReadASN1(&cert, asn1.SEQUENCE):
		return OddChain
	case cutHead(cert):
		return OddChain
	case !cert.ReadASN1(&tbs, asn1.SEQUENCE):
		return OddCertificate
	}
	odd := judgeTBS(&tbs)
	if odd != "" {
		return odd
	}
	if !algorithm(&cert) {
		return OddAlgorithm
	}
	if !cert.SkipASN1(asn1.BIT_STRING) {
		return OddDER
	}
	if !cert.Empty() {
		return OddCertificate
	}
	return ""
}

// cutHead reports whether an element ends within its tag and length.
func cutHead(b []byte) bool {
	return len(b) < 2 || b[1]&0x80 != 0 && len(b) < 2+int(b[1]&0x7f)
}

func judgeTBS(tbs *cryptobyte.String) string {
	var wrap, serial, validity, key cryptobyte.String
	var has bool
	version := 0
	if !tbs.ReadOptionalASN1(&wrap, &has, asn1.Tag(0).Constructed().ContextSpecific()) {
		return OddVersion
	}
	if has && (!wrap.ReadASN1Integer(&version) || version < 0 || version > 2) {
		return OddVersion
	}
	if !tbs.ReadASN1(&serial, asn1.INTEGER) || len(serial) == 0 {
		return OddSerial
	}
	if !algorithm(tbs) {
		return OddAlgorithm
	}
	odd := judgeName(tbs, OddIssuer)
	if odd != "" {
		return odd
	}
	if !tbs.ReadASN1(&validity, asn1.SEQUENCE) {
		return OddValidity
	}
	from, to := readTime(&validity), readTime(&validity)
	if from.Equal(time.Time{}) || to.Equal(time.Time{}) {
		return OddDate
	}
	odd = judgeName(tbs, OddSubject)
	if odd != "" {
		return odd
	}
	if !tbs.ReadASN1(&key, asn1.SEQUENCE) {
		return OddDER
	}
	if !algorithm(&key) {
		return OddAlgorithm
	}
	if !key.SkipASN1(asn1.BIT_STRING) {
		return OddDER
	}
	return judgeRest(tbs)
}

// judgeName judges a name; whole is what is wrong when it is none at all.
func judgeName(in *cryptobyte.String, whole string) string {
	var name cryptobyte.String
	if !in.ReadASN1(&name, asn1.SEQUENCE) {
		return whole
	}
	for !name.Empty() {
		var set cryptobyte.String
		if !name.ReadASN1(&set, asn1.SET) {
			return OddName
		}
		for !set.Empty() {
			var pair, value cryptobyte.String
			var tag asn1.Tag
			if !set.ReadASN1(&pair, asn1.SEQUENCE) || !pair.SkipASN1(asn1.OBJECT_IDENTIFIER) || !pair.ReadAnyASN1(&value, &tag) {
				return OddName
			}
		}
	}
	return ""
}

// judgeRest judges the unique identifiers and the extensions.
func judgeRest(tbs *cryptobyte.String) string {
	var wrap, list cryptobyte.String
	var has bool
	if !tbs.SkipOptionalASN1(asn1.Tag(1).ContextSpecific()) || !tbs.SkipOptionalASN1(asn1.Tag(2).ContextSpecific()) {
		return OddCertificate
	}
	if !tbs.ReadOptionalASN1(&wrap, &has, asn1.Tag(3).Constructed().ContextSpecific()) {
		return OddExtensions
	}
	if has {
		if !wrap.ReadASN1(&list, asn1.SEQUENCE) {
			return OddExtensions
		}
		for !list.Empty() {
			var one cryptobyte.String
			if !list.ReadASN1(&one, asn1.SEQUENCE) || !one.SkipASN1(asn1.OBJECT_IDENTIFIER) ||
				!one.SkipOptionalASN1(asn1.BOOLEAN) || !one.SkipASN1(asn1.OCTET_STRING) {
				return OddExtensions
			}
		}
	}
	if !tbs.Empty() {
		return OddCertificate
	}
	return ""
}

// algorithm reads an algorithm's identifier (RFC 5280 §4.1.1.2).
func algorithm(in *cryptobyte.String) bool {
	var alg cryptobyte.String
	return in.ReadASN1(&alg, asn1.SEQUENCE) && alg.SkipASN1(asn1.OBJECT_IDENTIFIER)
}
