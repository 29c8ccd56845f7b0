package cos

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
)

// Object is one of: nil, bool, int64, float64, String, Name, Array, Dict,
// *Stream, Ref, or, in an Update only, Reserved.
type Object any

// String is a PDF string after unescaping and decryption.
type String []byte

// Name is a PDF name without its slash and with #xx resolved.
type Name string

// Array is a PDF array.
type Array []Object

// Dict is a PDF dictionary.
type Dict map[Name]Object

// Ref names an indirect object.
type Ref struct {
	Num uint32
	Gen uint32
}

// String writes the reference as it stands in a file.
func (r Ref) String() string {
	return strconv.FormatUint(uint64(r.Num), 10) + " " + strconv.FormatUint(uint64(r.Gen), 10) + " R"
}

// IsZero tells whether the reference names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Stream is a PDF stream. One that was read keeps only its place in the file;
// one made by the caller carries its encoded bytes in Data.
type Stream struct {
	Dict Dict
	Data []byte

	src *source
}

// source is where the bytes of a stream that was read stand.
type source struct {
	offset int64
	length int64
	ref    Ref
	cipher streamCipher
}

// Reserved is a place in an Update that the caller fills after writing; it is
// written as Width spaces and its absolute offset is told by Written.
type Reserved struct {
	ID    string
	Width int
}

// Clone returns a copy of an object that may be changed without changing the
// original. References stay references; the bytes of streams are shared.
func Clone(o Object) Object {
	switch t := o.(type) {
	case String:
		return slices.Clone(t)
	case Array:
		out := make(Array, len(t))
		for i, e := range t {
			out[i] = Clone(e)
		}
		return out
	case Dict:
		return t.Clone()
	case *Stream:
		return &Stream{Dict: t.Dict.Clone(), Data: t.Data, src: t.src}
	default:
		return o
	}
}

// Clone returns a deep copy of a dictionary.
func (d Dict) Clone() Dict {
	out := make(Dict, len(d))
	for k, v := range d {
		out[k] = Clone(v)
	}
	return out
}

// Keys returns the keys in byte order.
func (d Dict) Keys() []Name { return slices.Sorted(maps.Keys(d)) }

// Equal tells whether two objects are the same without following references.
// An absent key equals null (ISO 32000-2, 7.3.7); streams are equal only when
// they are the same bytes of the same file.
func Equal(a, b Object) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case String:
		y, ok := b.(String)
		return ok && bytes.Equal(x, y)
	case Array:
		y, ok := b.(Array)
		return ok && slices.EqualFunc(x, y, Equal)
	case Dict:
		y, ok := b.(Dict)
		return ok && equalDict(x, y)
	case *Stream:
		y, ok := b.(*Stream)
		return ok && x.SameBytes(y) && equalDict(x.Dict, y.Dict)
	case int64:
		switch y := b.(type) {
		case int64:
			return x == y
		case float64:
			return float64(x) == y
		}
		return false
	case float64:
		switch y := b.(type) {
		case int64:
			return x == float64(y)
		case float64:
			return x == y
		}
		return false
	case bool, Name, Ref, Reserved:
		return a == b
	default:
		return false
	}
}

func equalDict(a, b Dict) bool {
	for k, v := range a {
		if !Equal(v, b[k]) {
			return false
		}
	}
	for k, v := range b {
		_, seen := a[k]
		if !seen && v != nil {
			return false
		}
	}
	return true
}

// SameBytes tells whether two streams are the same stored bytes: the same
// place of the same file, or equal Data of streams made by the caller.
func (s *Stream) SameBytes(t *Stream) bool {
	if s.src == nil || t.src == nil {
		return s.src == nil && t.src == nil && bytes.Equal(s.Data, t.Data)
	}
	return s.src.offset == t.src.offset && s.src.length == t.src.length
}

// Number returns the value of an integer or a real.
func Number(o Object) (float64, bool) {
	switch t := o.(type) {
	case int64:
		return float64(t), true
	case float64:
		return t, true
	}
	return 0, false
}

// Copy returns the array with the same elements in memory of its own.
func (a Array) Copy() Array { return slices.Clone(a) }
