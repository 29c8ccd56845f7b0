package mail

import "bytes"

const (
	// digit marks a digit, padding what ends the data.
	digit   = 0x40
	padding = 0x80
)

// digits are the values of base64's digits (RFC 4648 §4), each with its mark.
var digits = [256]uint8{
	'A': digit, 'B': digit | 1, 'C': digit | 2, 'D': digit | 3, 'E': digit | 4, 'F': digit | 5, 'G': digit | 6, 'H': digit | 7,
	'I': digit | 8, 'J': digit | 9, 'K': digit | 10, 'L': digit | 11, 'M': digit | 12, 'N': digit | 13, 'O': digit | 14, 'P': digit | 15,
	'Q': digit | 16, 'R': digit | 17, 'S': digit | 18, 'T': digit | 19, 'U': digit | 20, 'V': digit | 21, 'W': digit | 22, 'X': digit | 23,
	'Y': digit | 24, 'Z': digit | 25, 'a': digit | 26, 'b': digit | 27, 'c': digit | 28, 'd': digit | 29, 'e': digit | 30, 'f': digit | 31,
	'g': digit | 32, 'h': digit | 33, 'i': digit | 34, 'j': digit | 35, 'k': digit | 36, 'l': digit | 37, 'm': digit | 38, 'n': digit | 39,
	'o': digit | 40, 'p': digit | 41, 'q': digit | 42, 'r': digit | 43, 's': digit | 44, 't': digit | 45, 'u': digit | 46, 'v': digit | 47,
	'w': digit | 48, 'x': digit | 49, 'y': digit | 50, 'z': digit | 51, '0': digit | 52, '1': digit | 53, '2': digit | 54, '3': digit | 55,
	'4': digit | 56, '5': digit | 57, '6': digit | 58, '7': digit | 59, '8': digit | 60, '9': digit | 61, '+': digit | 62, '/': digit | 63,
	'=': padding,
}

func decodedLen(body []byte) int { return len(body)/4*3 + 3 }

// decodeBase64 appends what a body says (RFC 2045 §6.8). It leaves out what is no
// digit, as mail programs do; padding ends the data.
func decodeBase64(out, body []byte) []byte {
	word, n := uint32(0), 0
	for i := 0; i < len(body); {
		for n == 0 && i+4 <= len(body) {
			a, b, c, d := digits[body[i]], digits[body[i+1]], digits[body[i+2]], digits[body[i+3]]
			if a&b&c&d&digit == 0 {
				break
			}
			w := uint32(a&^digit)<<18 | uint32(b&^digit)<<12 | uint32(c&^digit)<<6 | uint32(d&^digit)
			out = append(out, byte(w>>16), byte(w>>8), byte(w))
			i += 4
		}
		if i == len(body) {
			break
		}
		v := digits[body[i]]
		i++
		if v == padding {
			break
		}
		if v == 0 {
			continue
		}
		word, n = word<<6|uint32(v&^digit), n+1
		if n == 4 {
			out = append(out, byte(word>>16), byte(word>>8), byte(word))
			word, n = 0, 0
		}
	}
	switch n {
	case 2:
		out = append(out, byte(word>>4))
	case 3:
		out = append(out, byte(word>>10), byte(word>>2))
	}
	return out
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
