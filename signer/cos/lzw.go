package cos

import "fmt"

// lzwDecode is the variable-width LZW of ISO 32000-2, 7.4.4, whose code width
// grows one code early unless EarlyChange is 0.
func lzwDecode(data []byte, early int, limit int64) ([]byte, error) {
	const clearCode, endCode, maxCodes = 256, 257, 4096
	type node struct {
		prefix int
		last   byte
		length int
	}
	var table [maxCodes]node
	next, width, prev := 258, 9, -1
	var out []byte
	var acc, bits uint32
	expand := func(code int) {
		length := 1
		if code >= 258 {
			length = table[code].length
		}
		from := len(out)
		out = append(out, make([]byte, length)...)
		for i := length - 1; i > 0; i-- {
			out[from+i] = table[code].last
			code = table[code].prefix
		}
		out[from] = byte(code)
	}
	length := func(code int) int {
		if code < 258 {
			return 1
		}
		return table[code].length
	}
	for _, b := range data {
		acc = acc<<8 | uint32(b)
		bits += 8
		if bits < uint32(width) {
			continue
		}
		bits -= uint32(width)
		code := int(acc >> bits & (1<<width - 1))
		switch {
		case code == endCode:
			return out, nil
		case code == clearCode:
			next, width, prev = 258, 9, -1
			continue
		case prev < 0:
			if code > 255 {
				return nil, &SyntaxError{What: "LZWDecode: first code"}
			}
			expand(code)
		case code < next:
			from := len(out)
			expand(code)
			if next < maxCodes {
				table[next] = node{prev, out[from], length(prev) + 1}
				next++
			}
		case code == next && next < maxCodes:
			from := len(out)
			expand(prev)
			first := out[from]
			out = append(out, first)
			table[next] = node{prev, first, length(prev) + 1}
			next++
		default:
			return nil, &SyntaxError{What: "LZWDecode: code out of order"}
		}
		prev = code
		if int64(len(out)) > limit {
			return nil, fmt.Errorf("LZWDecode: %w", ErrLimit)
		}
		for width < 12 && next+early >= 1<<width {
			width++
		}
	}
	return out, nil
}
