package rules

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxInflated bounds what a decompressing transform makes.
const maxInflated = 1 << 20

// transform changes a buffer before its tests. It appends to out what it
// makes of in.
type transform struct {
	// name and arg are as the rule has them: equal ones are the same.
	name, arg string
	apply     func(out, in []byte) []byte
}

func sameTransforms(a, b []transform) bool {
	return slices.EqualFunc(a, b, func(x, y transform) bool { return x.name == y.name && x.arg == y.arg })
}

// plainTransforms take no value.
var plainTransforms = map[string]func(out, in []byte) []byte{
	"dotprefix":            func(out, in []byte) []byte { return append(append(out, '.'), in...) },
	"to_lowercase":         lowercase,
	"to_uppercase":         uppercase,
	"strip_whitespace":     stripSpace,
	"compress_whitespace":  compressSpace,
	"to_md5":               func(out, in []byte) []byte { s := md5.Sum(in); return append(out, s[:]...) },
	"to_sha1":              func(out, in []byte) []byte { s := sha1.Sum(in); return append(out, s[:]...) },
	"to_sha256":            func(out, in []byte) []byte { s := sha256.Sum256(in); return append(out, s[:]...) },
	"url_decode":           urlDecode,
	"header_lowercase":     headerLowercase,
	"strip_pseudo_headers": stripPseudoHeaders,
	"domain":               func(out, in []byte) []byte { return append(out, domain(in)...) },
	"tld":                  func(out, in []byte) []byte { return append(out, tld(in)...) },
}

// parseTransform makes the transform of a keyword; known is false when the
// keyword is none.
func parseTransform(o option) (t transform, known bool, err error) {
	t = transform{name: o.name, arg: unquote(strings.TrimSpace(o.value))}
	plain := plainTransforms[o.name]
	if plain != nil {
		if t.arg != "" {
			return t, true, errors.New("takes no value")
		}
		t.apply = plain
		return t, true, nil
	}
	switch o.name {
	case "xor":
		t.apply, err = parseXor(o.value)
	case "pcrexform":
		t.apply, err = parsePCREXform(o.value)
	case "from_base64":
		t.apply, err = parseFromBase64(o.value)
	case "gunzip", "zlib_deflate":
		t.apply, err = parseInflate(o.name, o.value)
	case "subslice":
		t.apply, err = parseSubslice(o.value)
	default:
		return t, false, nil
	}
	return t, true, err
}

func lowercase(out, in []byte) []byte {
	for _, c := range in {
		out = append(out, fold[c])
	}
	return out
}

func uppercase(out, in []byte) []byte {
	for _, c := range in {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

func stripSpace(out, in []byte) []byte {
	for _, c := range in {
		if !isSpace(c) {
			out = append(out, c)
		}
	}
	return out
}

func compressSpace(out, in []byte) []byte {
	was := false
	for _, c := range in {
		is := isSpace(c)
		if !is || !was {
			out = append(out, c)
		}
		was = is
	}
	return out
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// urlDecode undoes percent signs and plus signs; what is no code stays.
func urlDecode(out, in []byte) []byte {
	for i := 0; i < len(in); i++ {
		c := in[i]
		if c == '+' {
			c = ' '
		}
		if c == '%' && i+2 < len(in) {
			var v [1]byte
			_, err := hex.Decode(v[:], in[i+1:i+3])
			if err == nil {
				c = v[0]
				i += 2
			}
		}
		out = append(out, c)
	}
	return out
}

// headerLowercase lowers the names of header lines "Name: value".
func headerLowercase(out, in []byte) []byte {
	name := true
	for _, c := range in {
		switch {
		case c == '\n':
			name = true
		case c == ':':
			name = false
		case name:
			c = fold[c]
		}
		out = append(out, c)
	}
	return out
}

// stripPseudoHeaders leaves out the lines that begin with a colon (HTTP/2's
// pseudo header fields, RFC 9113 §8.3).
func stripPseudoHeaders(out, in []byte) []byte {
	for line := range bytes.Lines(in) {
		if line[0] != ':' {
			out = append(out, line...)
		}
	}
	return out
}

// tld is the public suffix of a name, domain the label before it too.
func tld(name []byte) []byte {
	suffix, _ := publicsuffix.PublicSuffix(strings.ToLower(string(name)))
	if len(suffix) >= len(name) {
		return name
	}
	return name[len(name)-len(suffix):]
}

func domain(name []byte) []byte {
	rest := len(name) - len(tld(name)) - 1
	if rest <= 0 {
		return name
	}
	return name[bytes.LastIndexByte(name[:rest], '.')+1:]
}

func parseXor(value string) (func(out, in []byte) []byte, error) {
	value = unquote(strings.TrimSpace(value))
	if strings.HasPrefix(value, "offset") || strings.HasPrefix(value, "extract") {
		return parseXorExtract(value)
	}
	key, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
	if err != nil || len(key) == 0 || len(key) > 255 {
		return nil, errors.New("the key is not 1 to 255 bytes in hexadecimal digits")
	}
	return func(out, in []byte) []byte {
		for i, c := range in {
			out = append(out, c^key[i%len(key)])
		}
		return out
	}, nil
}

// parseXorExtract reads "offset 1,extract 4 0": the key of that many bytes
// stands in the buffer at a place, what it applies to begins at the offset.
func parseXorExtract(value string) (func(out, in []byte) []byte, error) {
	offset, at, size := 0, -1, 0
	for _, part := range splitTrim(value) {
		words := strings.Fields(part)
		var err error
		switch {
		case len(words) == 2 && words[0] == "offset":
			offset, err = parseInt(words[1], 0, maxOffset)
		case len(words) == 3 && words[0] == "extract":
			size, err = parseInt(words[1], 1, 255)
			if err == nil {
				at, err = parseInt(words[2], 0, maxOffset)
			}
		default:
			err = fmt.Errorf("unknown part %q", clip(part))
		}
		if err != nil {
			return nil, err
		}
	}
	if at < 0 {
		return nil, errors.New("needs extract with a length and a place")
	}
	return func(out, in []byte) []byte {
		if at+size > len(in) || offset > len(in) {
			return append(out, in...)
		}
		key := in[at : at+size]
		out = append(out, in[:offset]...)
		for i, c := range in[offset:] {
			out = append(out, c^key[i%size])
		}
		return out
	}, nil
}

// parsePCREXform takes the first group of a pattern, as Suricata does; without
// a match the buffer stays.
func parsePCREXform(value string) (func(out, in []byte) []byte, error) {
	pattern := unquote(strings.TrimSpace(value))
	if len(pattern) > maxPCREBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxPCREBytes)
	}
	text, err := (&translator{in: pattern}).translate()
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, errors.New("pattern that RE2 cannot hold")
	}
	if re.NumSubexp() < 1 {
		return nil, errors.New("needs a group")
	}
	return func(out, in []byte) []byte {
		var ctx Context
		text, wide := ctx.asLatin1(in)
		loc := re.FindSubmatchIndex(text)
		if loc == nil || loc[2] < 0 {
			return append(out, in...)
		}
		from, to := loc[2], loc[3]
		if wide {
			from, to = narrow(text, from), narrow(text, to)
		}
		return append(out, in[from:to]...)
	}, nil
}

// parseFromBase64 reads "bytes 8, offset 2, mode strict".
func parseFromBase64(value string) (func(out, in []byte) []byte, error) {
	offset, size, strict := 0, 0, false
	for _, part := range splitTrim(unquote(strings.TrimSpace(value))) {
		if part == "" {
			continue
		}
		key, arg, _ := strings.Cut(part, " ")
		arg = strings.TrimSpace(arg)
		var err error
		switch key {
		case "bytes":
			size, err = parseInt(arg, 1, maxOffset)
		case "offset":
			offset, err = parseInt(arg, 0, maxOffset)
		case "mode":
			strict = arg == "strict"
			if !strict && arg != "rfc4648" && arg != "rfc2045" {
				err = fmt.Errorf("unknown mode %q", clip(arg))
			}
		default:
			err = fmt.Errorf("unknown part %q", clip(part))
		}
		if err != nil {
			return nil, err
		}
	}
	return func(out, in []byte) []byte {
		from := in[min(offset, len(in)):]
		if size > 0 {
			from = from[:min(size, len(from))]
		}
		if strict {
			decoded, err := base64.StdEncoding.AppendDecode(out, from)
			if err != nil {
				return append(out[:len(out):len(out)], in...)
			}
			return decoded
		}
		n := len(out)
		out = lenientBase64(out, from)
		if len(out) == n {
			return append(out, in...)
		}
		return out
	}, nil
}

// lenientBase64 decodes up to the first padding, passing over what is no digit.
func lenientBase64(out, in []byte) []byte {
	var acc uint32
	bits := 0
	for _, c := range in {
		if c == '=' {
			break
		}
		v, ok := base64Value(c)
		if !ok {
			continue
		}
		acc, bits = acc<<6|uint32(v), bits+6
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
		}
	}
	return out
}

// parseInflate reads "max-size 1024"; what cannot be decompressed stays.
func parseInflate(name, value string) (func(out, in []byte) []byte, error) {
	limit := maxInflated
	if value = strings.TrimSpace(value); value != "" {
		word, arg, _ := strings.Cut(value, " ")
		if word != "max-size" {
			return nil, fmt.Errorf("unknown part %q", clip(value))
		}
		var err error
		limit, err = (&numberInfo{most: maxInflated}).value(arg)
		if err != nil {
			return nil, err
		}
	}
	return func(out, in []byte) []byte {
		var r io.Reader
		var err error
		if name == "gunzip" {
			r, err = gzip.NewReader(bytes.NewReader(in))
		} else {
			r, err = zlib.NewReader(bytes.NewReader(in))
			if err != nil {
				r, err = flate.NewReader(bytes.NewReader(in)), nil
			}
		}
		if err != nil {
			return append(out, in...)
		}
		// What is cut ends in an error; what came before it counts.
		made, _ := io.ReadAll(io.LimitReader(r, int64(limit)))
		return append(out, made...)
	}, nil
}

// parseSubslice reads "start[, length][, truncate]"; negative numbers count
// from the end.
func parseSubslice(value string) (func(out, in []byte) []byte, error) {
	parts := splitTrim(unquote(strings.TrimSpace(value)))
	truncate := false
	if last := len(parts) - 1; last > 0 && parts[last] == "truncate" {
		truncate, parts = true, parts[:last]
	}
	if len(parts) == 0 || len(parts) > 2 {
		return nil, errors.New("needs a start and perhaps a length")
	}
	start, err := strconv.Atoi(parts[0])
	if err != nil {
		return nil, errNotNumber
	}
	length, has := 0, len(parts) == 2
	if has {
		length, err = strconv.Atoi(parts[1])
		if err != nil {
			return nil, errNotNumber
		}
	}
	return func(out, in []byte) []byte { return append(out, subslice(in, start, length, has, truncate)...) }, nil
}

func subslice(in []byte, start, length int, has, truncate bool) []byte {
	n := len(in)
	if start < 0 {
		start += n
		if start < 0 && truncate {
			start = 0
		}
	}
	if start < 0 || start > n {
		return nil
	}
	end := n
	switch {
	case has && length < 0:
		end = n + length
	case has:
		end = start + length
	}
	if end > n && truncate {
		end = n
	}
	if end > n || end < start {
		return nil
	}
	return in[start:end]
}
