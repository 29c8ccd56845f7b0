package cos

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// maxFilters is how many filters one stream may chain.
const maxFilters = 16

// maxRatio is how many times its stored size a stream above the floor of the
// limits may decode to. Deflate reaches 1032; objects, metadata, certificates
// and page content stay below 20.
const maxRatio = 64

// Raw returns the stored bytes of a stream, decrypted but not decoded.
func (v *View) Raw(s *Stream) ([]byte, error) { return v.file.raw(s) }

// Decode returns the bytes of a stream after all its filters. Image filters
// are not decoded: ErrFilter.
func (v *View) Decode(s *Stream) ([]byte, error) { return v.file.decode(s, v) }

func (f *File) raw(s *Stream) ([]byte, error) {
	if s.src == nil {
		return s.Data, nil
	}
	if s.src.length > f.limits.Raw {
		return nil, fmt.Errorf("stream of %d bytes: %w", s.src.length, ErrLimit)
	}
	data := make([]byte, s.src.length)
	_, err := io.ReadFull(io.NewSectionReader(f.r, s.src.offset, s.src.length), data)
	if err != nil {
		return nil, fmt.Errorf("cos: read stream at byte %d: %w", s.src.offset, err)
	}
	if s.src.cipher == nil {
		return data, nil
	}
	return s.src.cipher(data)
}

// decode applies the filters; the view resolves indirect parameters and may be nil.
func (f *File) decode(s *Stream, v *View) ([]byte, error) {
	data, err := f.raw(s)
	if err != nil {
		return nil, err
	}
	resolve := func(o Object) Object {
		if v == nil {
			return o
		}
		r, err := v.Resolve(o)
		if err != nil {
			return nil
		}
		return r
	}
	filters := list(resolve(s.Dict["Filter"]))
	params := list(resolve(s.Dict["DecodeParms"]))
	if len(filters) > maxFilters {
		return nil, fmt.Errorf("chain of filters: %w", ErrLimit)
	}
	limit := min(f.limits.Decoded, max(f.limits.Floor, maxRatio*int64(len(data))))
	for i, o := range filters {
		name, _ := resolve(o).(Name)
		parms := Dict{}
		if i < len(params) {
			d, ok := resolve(params[i]).(Dict)
			if ok {
				parms = d
			}
		}
		data, err = applyFilter(name, data, parms, limit, resolve)
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func list(o Object) Array {
	switch t := o.(type) {
	case nil:
		return nil
	case Array:
		return t
	default:
		return Array{t}
	}
}

func applyFilter(name Name, data []byte, parms Dict, limit int64, resolve func(Object) Object) ([]byte, error) {
	number := func(key Name, def int) int {
		n, ok := resolve(parms[key]).(int64)
		if !ok || n < 0 || n > 1<<20 {
			return def
		}
		return int(n)
	}
	var out []byte
	var err error
	switch name {
	case "FlateDecode", "Fl":
		out, err = inflate(data, limit)
	case "LZWDecode", "LZW":
		out, err = lzwDecode(data, number("EarlyChange", 1), limit)
	case "ASCIIHexDecode", "AHx":
		return hexDecode(data), nil
	case "ASCII85Decode", "A85":
		return ascii85Decode(data)
	case "RunLengthDecode", "RL":
		return runLengthDecode(data, limit)
	case "Crypt":
		return data, nil // the cipher was chosen by its name already
	default:
		return nil, fmt.Errorf("%w: %s", ErrFilter, name)
	}
	if err != nil {
		return nil, err
	}
	return unpredict(out, number("Predictor", 1), number("Colors", 1), number("BitsPerComponent", 8), number("Columns", 1))
}

// inflate is lenient about a missing end or checksum, as readers are.
func inflate(data []byte, limit int64) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("cos: FlateDecode: %w", err)
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(z, limit+1))
	if n > limit {
		return nil, fmt.Errorf("FlateDecode: %w", ErrLimit)
	}
	lenient := errors.Is(err, zlib.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !(lenient && n > 0) {
		return nil, fmt.Errorf("cos: FlateDecode: %w", err)
	}
	return out.Bytes(), nil
}

func hexDecode(data []byte) []byte {
	out := make([]byte, 0, len(data)/2+1)
	half := -1
	for _, c := range data {
		if c == '>' {
			break
		}
		v := unhex(int(c))
		switch {
		case v < 0:
		case half < 0:
			half = v
		default:
			out = append(out, byte(half<<4|v))
			half = -1
		}
	}
	if half >= 0 {
		out = append(out, byte(half<<4))
	}
	return out
}

func ascii85Decode(data []byte) ([]byte, error) {
	var out []byte
	var group [5]byte
	n := 0
	flush := func(count int) {
		var v uint32
		for _, d := range group {
			v = v*85 + uint32(d)
		}
		b := [4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
		out = append(out, b[:count]...)
		n = 0
	}
	data = bytes.TrimPrefix(data, []byte("<~"))
	for _, c := range data {
		switch {
		case c == '~':
			if n > 1 {
				count := n - 1
				for i := n; i < 5; i++ {
					group[i] = 84
				}
				flush(count)
			}
			return out, nil
		case c == 'z' && n == 0:
			out = append(out, 0, 0, 0, 0)
		case c >= '!' && c <= 'u':
			group[n] = c - '!'
			n++
			if n == 5 {
				flush(4)
			}
		case isSpace(int(c)):
		default:
			return nil, &SyntaxError{What: "ASCII85Decode: character outside the alphabet"}
		}
	}
	if n > 1 {
		count := n - 1
		for i := n; i < 5; i++ {
			group[i] = 84
		}
		flush(count)
	}
	return out, nil
}

func runLengthDecode(data []byte, limit int64) ([]byte, error) {
	var out []byte
	for i := 0; i < len(data); {
		n := int(data[i])
		i++
		switch {
		case n == 128:
			return out, nil
		case n < 128:
			end := min(i+n+1, len(data))
			out = append(out, data[i:end]...)
			i = end
		case i < len(data):
			out = append(out, bytes.Repeat(data[i:i+1], 257-n)...)
			i++
		}
		if int64(len(out)) > limit {
			return nil, fmt.Errorf("RunLengthDecode: %w", ErrLimit)
		}
	}
	return out, nil
}
