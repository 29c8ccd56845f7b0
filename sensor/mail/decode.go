package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
)

// decodeBody undoes the transfer encoding (RFC 2045 §6) as far as it can be
// read.
func decodeBody(encoding, body []byte) []byte {
	switch string(bytes.ToLower(bytes.TrimSpace(encoding))) {
	case "base64":
		return decodeBase64(body)
	case "quoted-printable":
		out, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
		return out
	}
	return body
}

// decodeBase64 leaves out what is no digit, as mail programs do.
func decodeBase64(body []byte) []byte {
	digits := make([]byte, 0, len(body))
	for _, c := range body {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			digits = append(digits, c)
		case c == '=':
			// Padding ends the data.
			return decodeDigits(digits)
		}
	}
	return decodeDigits(digits)
}

func decodeDigits(digits []byte) []byte {
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
	n, _ := base64.RawStdEncoding.Decode(out, digits)
	return out[:n]
}

// schemes are the beginnings of links, up to the colon and after it.
var schemes = [...]struct{ name, rest string }{{"http", "//"}, {"https", "//"}, {"ftp", "//"}, {"mailto", ""}}

// link finds the addresses of links in a text.
func (m *Message) link(text []byte) {
	done := 0
	for at := 0; len(m.links) < maxLinks; at++ {
		colon := bytes.IndexByte(text[at:], ':')
		if colon < 0 {
			return
		}
		at += colon
		for _, s := range schemes {
			start := at - len(s.name)
			if start < done || !bytes.EqualFold(text[start:at], []byte(s.name)) || !bytes.HasPrefix(text[at+1:], []byte(s.rest)) {
				continue
			}
			end := start
			for end < len(text) && end-start < maxValue && bytes.IndexByte([]byte(" \t\r\n\"'<>"), text[end]) < 0 {
				end++
			}
			m.links = append(m.links, string(text[start:end]))
			at, done = end-1, end
			break
		}
	}
}
