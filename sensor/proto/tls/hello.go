package tls

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
)

// Extension numbers (IANA "TLS ExtensionType Values").
const (
	extServerName          = 0
	extSupportedGroups     = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extALPN                = 16
	extSupportedVersions   = 43
)

// ClientHello is what the client offers (RFC 8446 §4.1.2).
type ClientHello struct {
	RecordVersion uint16
	Version       uint16
	Random        []byte
	Ciphers       []uint16
	Extensions    []uint16
	Groups        []uint16
	PointFormats  []uint8
	Signatures    []uint16
	Versions      []uint16
	ALPN          [][]byte
	// SNI is the first host name asked for; HasSNI says whether the extension
	// was there at all.
	SNI    []byte
	HasSNI bool
	// Odd is what is wrong with its extensions.
	Odd []string
}

// ServerHello is what the server chose (RFC 8446 §4.1.3).
type ServerHello struct {
	Version    uint16
	Random     []byte
	Cipher     uint16
	Extensions []uint16
	ALPN       [][]byte
	selected   uint16
}

// Selected is the version in use: the extension's since TLS 1.3.
func (s *ServerHello) Selected() uint16 {
	if s.selected == 0 {
		return s.Version
	}
	if s.selected>>8 == 0x7f {
		return VersionTLS13
	}
	return s.selected
}

// WireVersion is the version as sent, drafts included.
func (s *ServerHello) WireVersion() uint16 {
	if s.selected == 0 {
		return s.Version
	}
	return s.selected
}

// grease reports whether a value is one of RFC 8701's reserved ones.
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// helloRetry is the random value of a HelloRetryRequest (RFC 8446 §4.1.3).
var helloRetry = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// ParseClientHello reads the body of a ClientHello that came by other ways than
// TLS records.
func ParseClientHello(body []byte) (*ClientHello, error) { return parseClientHello(body) }

// ParseServerHello is the same for a ServerHello; a retry request gives nil.
func ParseServerHello(body []byte) (*ServerHello, error) { return parseServerHello(body) }

func parseClientHello(body []byte) (*ClientHello, error) {
	h := &ClientHello{}
	s := cryptobyte.String(body)
	var session, ciphers, compression cryptobyte.String
	if !s.ReadUint16(&h.Version) || !s.ReadBytes(&h.Random, 32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16LengthPrefixed(&ciphers) || !s.ReadUint8LengthPrefixed(&compression) {
		return nil, ErrMalformed
	}
	h.Ciphers = list16(ciphers)
	each := func(kind uint16, data cryptobyte.String) {
		h.Extensions = append(h.Extensions, kind)
		h.extension(kind, data)
	}
	if !extensions(s, each) {
		return nil, ErrMalformed
	}
	return h, nil
}

// extension reads one extension; a malformed one is counted but not read, so
// that the fingerprint stays that of what was sent.
func (h *ClientHello) extension(kind uint16, data cryptobyte.String) {
	var list cryptobyte.String
	switch kind {
	case extServerName:
		h.judgeSNI(data)
		if !h.HasSNI {
			h.SNI = serverName(data)
		}
		h.HasSNI = true
	case extSupportedGroups:
		if data.ReadUint16LengthPrefixed(&list) {
			h.Groups = list16(list)
		}
	case extPointFormats:
		if data.ReadUint8LengthPrefixed(&list) {
			h.PointFormats = bytes.Clone(list)
		}
	case extSignatureAlgorithms:
		if data.ReadUint16LengthPrefixed(&list) {
			h.Signatures = list16(list)
		}
	case extALPN:
		h.ALPN = protocols(data)
	case extSupportedVersions:
		if data.ReadUint8LengthPrefixed(&list) {
			h.Versions = list16(list)
		}
	}
}

func parseServerHello(body []byte) (*ServerHello, error) {
	h := &ServerHello{}
	s := cryptobyte.String(body)
	var session cryptobyte.String
	if !s.ReadUint16(&h.Version) || !s.ReadBytes(&h.Random, 32) {
		return nil, ErrMalformed
	}
	if bytes.Equal(h.Random, helloRetry) {
		return nil, nil
	}
	// TLS 1.3 drafts up to 21 had no session id and no compression.
	draft := h.Version>>8 == 0x7f
	if !draft && !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&h.Cipher) || !draft && !s.Skip(1) {
		return nil, ErrMalformed
	}
	if draft {
		h.selected = h.Version
	}
	each := func(kind uint16, data cryptobyte.String) {
		h.Extensions = append(h.Extensions, kind)
		switch kind {
		case extSupportedVersions:
			data.ReadUint16(&h.selected)
		case extALPN:
			h.ALPN = protocols(data)
		}
	}
	if !extensions(s, each) {
		return nil, ErrMalformed
	}
	return h, nil
}

// extensions calls each for every extension; a hello without any is right.
func extensions(s cryptobyte.String, each func(uint16, cryptobyte.String)) bool {
	if s.Empty() {
		return true
	}
	var all cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&all) {
		return false
	}
	for !all.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !all.ReadUint16(&kind) || !all.ReadUint16LengthPrefixed(&data) {
			return false
		}
		each(kind, data)
	}
	return true
}

func list16(s cryptobyte.String) []uint16 {
	out := make([]uint16, 0, len(s)/2)
	var v uint16
	for s.ReadUint16(&v) {
		out = append(out, v)
	}
	return out
}

// serverName is the first host name of the extension (RFC 6066 §3).
func serverName(data cryptobyte.String) []byte {
	var list, name cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) {
		return nil
	}
	var kind uint8
	for list.ReadUint8(&kind) && list.ReadUint16LengthPrefixed(&name) {
		if kind == 0 {
			return bytes.Clone(name)
		}
	}
	return nil
}

// protocols are the names of the ALPN extension (RFC 7301 §3.1).
func protocols(data cryptobyte.String) [][]byte {
	var list, name cryptobyte.String
	var out [][]byte
	if !data.ReadUint16LengthPrefixed(&list) {
		return nil
	}
	for list.ReadUint8LengthPrefixed(&name) {
		out = append(out, bytes.Clone(name))
	}
	return out
}
