package tls

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// JA3 is the client fingerprint of github.com/salesforce/ja3: the string and
// its MD5.
func (h *ClientHello) JA3() (text, hash string) {
	b := strconv.AppendUint(nil, uint64(h.Version), 10)
	b = dashed(append(b, ','), h.Ciphers)
	b = dashed(append(b, ','), h.Extensions)
	b = dashed(append(b, ','), h.Groups)
	formats := make([]uint16, len(h.PointFormats))
	for i, v := range h.PointFormats {
		formats[i] = uint16(v)
	}
	b = dashed(append(b, ','), formats)
	return sum(b)
}

// JA3S is the server fingerprint of the same.
func (h *ServerHello) JA3S() (text, hash string) {
	b := strconv.AppendUint(nil, uint64(h.Version), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(h.Cipher), 10)
	b = dashed(append(b, ','), h.Extensions)
	return sum(b)
}

func sum(b []byte) (string, string) {
	digest := md5.Sum(b)
	return string(b), hex.EncodeToString(digest[:])
}

// dashed appends decimal numbers joined by dashes, without GREASE.
func dashed(b []byte, values []uint16) []byte {
	first := true
	for _, v := range values {
		if grease(v) {
			continue
		}
		if !first {
			b = append(b, '-')
		}
		first = false
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return b
}

// emptyHash stands for the hash of an empty list (JA4 technical details).
const emptyHash = "000000000000"

// JA4 is the TLS client fingerprint of github.com/FoxIO-LLC/ja4
// (technical_details/JA4.md) for TLS over TCP.
func (h *ClientHello) JA4() string { return h.ja4('t') }

// JA4QUIC is the same fingerprint for TLS inside QUIC.
func (h *ClientHello) JA4QUIC() string { return h.ja4('q') }

func (h *ClientHello) ja4(transport byte) string {
	ciphers := hexed(h.Ciphers, nil)
	extensions := 0
	for _, v := range h.Extensions {
		if !grease(v) {
			extensions++
		}
	}
	b := append([]byte{transport}, h.ja4Version()...)
	if h.HasSNI {
		b = append(b, 'd')
	} else {
		b = append(b, 'i')
	}
	b = twoDigits(b, len(ciphers))
	b = twoDigits(b, extensions)
	b = append(b, h.ja4ALPN()...)

	slices.Sort(ciphers)
	b = append(append(b, '_'), truncated(ciphers, nil)...)

	hashed := hexed(h.Extensions, func(v uint16) bool { return v == extServerName || v == extALPN })
	slices.Sort(hashed)
	b = append(append(b, '_'), truncated(hashed, hexed(h.Signatures, nil))...)
	return string(b)
}

func (h *ClientHello) ja4Version() string {
	version := h.Version
	highest := uint16(0)
	for _, v := range h.Versions {
		if !grease(v) {
			highest = max(highest, v)
		}
	}
	if highest != 0 {
		version = highest
	}
	switch version {
	case VersionTLS13:
		return "13"
	case VersionTLS12:
		return "12"
	case VersionTLS11:
		return "11"
	case VersionTLS10:
		return "10"
	case VersionSSL30:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// ja4ALPN is the first and last character of the first protocol; of one that
// does not begin and end with a letter or digit, those of its hex form.
func (h *ClientHello) ja4ALPN() string {
	if len(h.ALPN) == 0 || len(h.ALPN[0]) == 0 {
		return "00"
	}
	name := h.ALPN[0]
	first, last := name[0], name[len(name)-1]
	if alphanumeric(first) && alphanumeric(last) {
		return string([]byte{first, last})
	}
	text := hex.EncodeToString(name)
	return string([]byte{text[0], text[len(text)-1]})
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func twoDigits(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

// hexed are the values as four hex digits, without GREASE and those to skip.
func hexed(values []uint16, skip func(uint16) bool) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		if grease(v) || skip != nil && skip(v) {
			continue
		}
		out = append(out, hex.EncodeToString([]byte{byte(v >> 8), byte(v)}))
	}
	return out
}

// truncated is the first twelve hex digits of the SHA-256 over the list, and
// after an underscore the second one when it has entries.
func truncated(list, second []string) string {
	if len(list) == 0 {
		return emptyHash
	}
	var b []byte
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	for i, v := range second {
		if i == 0 {
			b = append(b, '_')
		} else {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])[:12]
}
