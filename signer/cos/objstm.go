package cos

import (
	"bytes"
	"fmt"
	"math"
)

// maxPackBytes is how much of decoded object streams is kept at a time.
const maxPackBytes = 32 << 20

// pack is a decoded object stream (ISO 32000-2, 7.5.7).
type pack struct {
	data    []byte
	numbers []uint32
	offsets []int64
}

// packed returns the object at an index of an object stream.
func (v *View) packed(container uint32, index int, num uint32) (Object, error) {
	f := v.file
	e, sec, ok := v.lookup(container)
	if !ok || e.kind != entryPlain {
		return nil, &SyntaxError{What: fmt.Sprintf("object stream %d of object %d is not there", container, num)}
	}
	key := place{e.at, index, sec.limit}
	o, ok := f.cache[key]
	if ok {
		return o, nil
	}
	p, err := v.unpack(e, sec, container)
	if err != nil {
		return nil, fmt.Errorf("object stream %d: %w", container, err)
	}
	if index >= len(p.numbers) || p.numbers[index] != num {
		return nil, &SyntaxError{Offset: e.at, What: fmt.Sprintf("object %d is not at index %d of object stream %d", num, index, container)}
	}
	r := bytes.NewReader(p.data)
	q := &parser{s: newScanner(r, p.offsets[index], int64(len(p.data))), depth: f.limits.Depth, stop: math.MaxInt64, named: &f.named}
	o, err = q.object()
	if err != nil {
		return nil, fmt.Errorf("object %d in object stream %d: %w", num, container, err)
	}
	if q.twice {
		f.noteTwice(e.at)
	}
	f.remember(key, o)
	return o, nil
}

func (v *View) unpack(e entry, sec *section, container uint32) (*pack, error) {
	f := v.file
	key := place{e.at, -1, sec.limit}
	p, ok := f.packs[key]
	if ok {
		return p, nil
	}
	if f.nested >= maxNested {
		return nil, fmt.Errorf("object streams that need one another: %w", ErrLimit)
	}
	f.nested++
	defer func() { f.nested-- }()
	o, err := v.plain(e, sec, Ref{Num: container, Gen: e.gen})
	if err != nil {
		return nil, err
	}
	stm, ok := o.(*Stream)
	if !ok || stm.Dict["Type"] != Name("ObjStm") {
		return nil, &SyntaxError{Offset: e.at, What: "not an object stream"}
	}
	data, err := f.decode(stm, v)
	if err != nil {
		return nil, err
	}
	p, err = readPack(stm.Dict, data)
	if err != nil {
		return nil, err
	}
	if f.packBytes+int64(len(data)) > maxPackBytes {
		clear(f.packs)
		f.packBytes = 0
	}
	f.packs[key] = p
	f.packBytes += int64(len(data))
	return p, nil
}

func readPack(d Dict, data []byte) (*pack, error) {
	n, ok1 := d["N"].(int64)
	first, ok2 := d["First"].(int64)
	if !ok1 || !ok2 || n < 0 || first < 0 || first > int64(len(data)) {
		return nil, &SyntaxError{What: "/N or /First of the object stream"}
	}
	p := &pack{data: data}
	s := newScanner(bytes.NewReader(data), 0, first)
	for range n {
		s.skip()
		num, ok1 := s.unsigned(maxObjectDigits)
		s.skip()
		at, ok2 := s.unsigned(maxObjectDigits)
		if !ok1 || !ok2 || num > math.MaxInt32 || at > int64(len(data))-first {
			return nil, &SyntaxError{What: "header of the object stream"}
		}
		p.numbers = append(p.numbers, uint32(num))
		p.offsets = append(p.offsets, first+at)
	}
	return p, nil
}

// isContainer tells whether an object is an object stream or a
// cross-reference stream.
func (v *View) isContainer(ref Ref) bool {
	o, err := v.Get(ref)
	if err != nil {
		return false
	}
	s, ok := o.(*Stream)
	return ok && (s.Dict["Type"] == Name("ObjStm") || s.Dict["Type"] == Name("XRef"))
}
