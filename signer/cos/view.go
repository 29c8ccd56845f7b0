package cos

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// place is where an object physically stands: at an offset, or as the n-th of
// the object stream at that offset; and how far the revision reaches from which
// it was read, because what lies behind must not be seen.
type place struct {
	offset int64
	index  int
	limit  int64
}

// View is the file as it stood at one revision.
type View struct {
	file     *File
	revision int
	sections []*section // newest first
}

// Revision returns the number of the revision, 0 being the oldest.
func (v *View) Revision() int { return v.revision }

// File returns the file the view belongs to.
func (v *View) File() *File { return v.file }

// Trailer returns the trailer of the revision.
func (v *View) Trailer() Dict { return v.sections[0].trailer }

// Root returns the catalog.
func (v *View) Root() (Dict, Ref, error) {
	ref, ok := v.Trailer()["Root"].(Ref)
	if !ok {
		return nil, Ref{}, &SyntaxError{Offset: v.sections[0].offset, What: "trailer names no catalog"}
	}
	o, err := v.Get(ref)
	if err != nil {
		return nil, ref, fmt.Errorf("catalog %s: %w", ref, err)
	}
	d, ok := o.(Dict)
	if !ok {
		return nil, ref, &SyntaxError{Offset: v.sections[0].offset, What: "catalog is not a dictionary"}
	}
	return d, ref, nil
}

func (v *View) lookup(num uint32) (entry, *section, bool) {
	for _, s := range v.sections {
		e, ok := s.find(num)
		if ok {
			return e, s, true
		}
	}
	return entry{}, nil, false
}

// Defined tells whether the revision has an object of that number in use.
func (v *View) Defined(num uint32) bool {
	e, _, ok := v.lookup(num)
	return ok && e.kind != entryFree
}

// Location tells where the object physically stands, so that two views can be
// compared without reading; ok is false when it is not in use.
func (v *View) Location(ref Ref) (offset int64, index int, ok bool) {
	e, _, found := v.lookup(ref.Num)
	switch {
	case !found || e.kind == entryFree:
		return 0, 0, false
	case e.kind == entryPlain:
		return e.at, -1, e.gen == ref.Gen
	}
	c, _, found := v.lookup(uint32(e.at))
	if !found || c.kind != entryPlain {
		return 0, 0, false
	}
	return c.at, int(e.gen), ref.Gen == 0
}

// Get returns an indirect object. What is free, absent or of another
// generation is null (ISO 32000-2, 7.3.10).
func (v *View) Get(ref Ref) (Object, error) {
	e, sec, ok := v.lookup(ref.Num)
	if !ok || e.kind == entryFree {
		return nil, nil
	}
	if e.kind == entryPacked {
		if ref.Gen != 0 {
			return nil, nil
		}
		return v.packed(uint32(e.at), int(min(e.gen, math.MaxInt32)), ref.Num)
	}
	if e.gen != ref.Gen {
		return nil, nil
	}
	return v.plain(e, sec, ref)
}

func (v *View) plain(e entry, sec *section, ref Ref) (Object, error) {
	f := v.file
	if e.at >= sec.limit {
		return nil, &SyntaxError{Offset: e.at, What: "object " + ref.String() + " stands outside its revision"}
	}
	key := place{e.at, -1, sec.limit}
	o, ok := f.cache[key]
	if ok {
		return o, nil
	}
	got, o, _, err := f.readIndirect(e.at, sec.limit, v)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", ref, err)
	}
	if got != ref {
		return nil, &SyntaxError{Offset: e.at, What: "found object " + got.String() + " where " + ref.String() + " should be"}
	}
	f.decryptObject(o, ref)
	stm, isStream := o.(*Stream)
	if isStream {
		_, indirect := stm.Dict["Length"].(Ref)
		if indirect {
			return o, nil // its end depends on the revision that looks
		}
	}
	f.remember(key, o)
	return o, nil
}

func (f *File) remember(key place, o Object) {
	if len(f.cache) >= f.limits.Cache {
		clear(f.cache)
	}
	f.cache[key] = o
}

// maxRefChain is how many references may point at one another before an
// object is reached.
const maxRefChain = 32

// Resolve follows references until an object is reached.
func (v *View) Resolve(o Object) (Object, error) {
	for range maxRefChain {
		ref, ok := o.(Ref)
		if !ok {
			return o, nil
		}
		next, err := v.Get(ref)
		if err != nil {
			return nil, err
		}
		o = next
	}
	return nil, fmt.Errorf("chain of references: %w", ErrLimit)
}

// Dict resolves an object that should be a dictionary or a stream's
// dictionary; nil when it is something else or cannot be read.
func (v *View) Dict(o Object) Dict {
	r, err := v.Resolve(o)
	if err != nil {
		return nil
	}
	switch t := r.(type) {
	case Dict:
		return t
	case *Stream:
		return t.Dict
	}
	return nil
}

// Array resolves an object that should be an array, nil otherwise.
func (v *View) Array(o Object) Array {
	r, err := v.Resolve(o)
	if err != nil {
		return nil
	}
	a, _ := r.(Array)
	return a
}

// Stream resolves an object that should be a stream, nil otherwise.
func (v *View) Stream(o Object) *Stream {
	r, err := v.Resolve(o)
	if err != nil {
		return nil
	}
	s, _ := r.(*Stream)
	return s
}

// Name resolves an object that should be a name, "" otherwise.
func (v *View) Name(o Object) Name {
	r, err := v.Resolve(o)
	if err != nil {
		return ""
	}
	n, _ := r.(Name)
	return n
}

// Int resolves an object that should be an integer.
func (v *View) Int(o Object) (int64, bool) {
	r, err := v.Resolve(o)
	if err != nil {
		return 0, false
	}
	n, ok := r.(int64)
	return n, ok
}

// Bytes resolves an object that should be a string.
func (v *View) Bytes(o Object) (String, bool) {
	r, err := v.Resolve(o)
	if err != nil {
		return nil, false
	}
	s, ok := r.(String)
	return s, ok
}

// readIndirect reads "num gen obj … endobj" at an offset. The view resolves an
// indirect stream length; it may be nil.
func (f *File) readIndirect(offset, end int64, v *View) (Ref, Object, int64, error) {
	p := f.parser(offset, end)
	p.s.skip()
	num, ok1 := p.s.unsigned(maxObjectDigits)
	p.s.skip()
	gen, ok2 := p.s.unsigned(maxObjectDigits)
	p.s.skip()
	if !ok1 || !ok2 || num > math.MaxInt32 || gen > math.MaxUint16 || !p.s.literal("obj") {
		return Ref{}, nil, 0, &SyntaxError{Offset: offset, What: "indirect object expected"}
	}
	ref := Ref{Num: uint32(num), Gen: uint32(gen)}
	p.s.skip()
	if p.s.keyword("endobj") {
		return ref, nil, p.s.pos, nil // an empty object is null
	}
	o, err := p.object()
	if err != nil {
		return ref, nil, 0, err
	}
	if p.twice {
		f.noteTwice(offset)
	}
	p.s.skip()
	d, isDict := o.(Dict)
	if isDict && p.s.literal("stream") {
		src, err := f.streamSource(p.s, d, end, v)
		if err != nil {
			return ref, nil, 0, err
		}
		src.ref = ref
		o = &Stream{Dict: d, src: src}
		p.s.pos = src.offset + src.length
		p.s.space()
		p.s.literal("endstream")
		p.s.skip()
	}
	p.s.literal("endobj")
	return ref, o, p.s.pos, nil
}

// maxNested is how deep reading one object may need to read another: a packed
// length of an object stream whose own length is indirect.
const maxNested = 4

// streamSource finds the bytes of a stream: by its length when that leads to
// endstream, else by searching for endstream.
func (f *File) streamSource(s *scanner, d Dict, end int64, v *View) (*source, error) {
	if s.peek() == '\r' {
		s.pos++
	}
	if s.peek() == '\n' {
		s.pos++
	}
	start := s.pos
	length, ok := d["Length"].(int64)
	if !ok && v != nil && f.nested < maxNested {
		f.nested++
		length, ok = v.Int(d["Length"])
		f.nested--
	}
	if ok && length >= 0 && length <= end-start {
		after := newScanner(f.r, start+length, end)
		after.space()
		if after.literal("endstream") {
			return &source{offset: start, length: length}, nil
		}
	}
	length, err := f.searchEndstream(start, end)
	if err != nil {
		return nil, err
	}
	return &source{offset: start, length: length}, nil
}

func (f *File) searchEndstream(start, end int64) (int64, error) {
	const chunk = 64 << 10
	word := []byte("endstream")
	buf := make([]byte, chunk+len(word))
	for at := start; at < end; at += chunk {
		f.scanned += chunk
		if f.scanned > f.limits.Scan {
			return 0, fmt.Errorf("search for a stream's end: %w", ErrLimit)
		}
		n, err := f.r.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if err != nil && err != io.EOF {
			return 0, fmt.Errorf("cos: read at byte %d: %w", at, err)
		}
		i := bytes.Index(buf[:n], word)
		if i < 0 {
			continue
		}
		length := at + int64(i) - start
		return f.trimLineEnd(start, length), nil
	}
	return 0, &SyntaxError{Offset: start, What: "stream without endstream"}
}

// trimLineEnd leaves out the line end that stands before endstream.
func (f *File) trimLineEnd(start, length int64) int64 {
	last := newScanner(f.r, start+length-1, start+length)
	if length > 0 && last.peek() == '\n' {
		length--
		last = newScanner(f.r, start+length-1, start+length)
	}
	if length > 0 && last.peek() == '\r' {
		length--
	}
	return length
}
