package cos

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// rebuild finds objects by reading the whole file, for files whose
// cross-reference is broken. What it finds may differ from what another reader
// finds, so such a file is never extended.
func (f *File) rebuild(header int64) error {
	f.repaired = true
	f.irregular = Rebuilt
	f.base = 0
	f.entryCount = 0
	sec := &section{offset: header, style: StyleTable, prev: -1, limit: f.size, end: f.size, trailer: Dict{}}
	latest := map[uint32]entry{}
	err := f.scanFile(func(offset int64, line []byte) error {
		return f.rebuildLine(offset, line, latest, sec)
	})
	if err != nil {
		return err
	}
	for _, e := range latest {
		sec.entries = append(sec.entries, e)
	}
	sec.sortEntries()
	f.sections = []*section{sec}
	f.revisions = []Revision{{End: f.size, XrefOffset: header, Style: StyleTable}}
	f.newest = []int{0}
	f.rebuildPacked(sec, latest)
	if len(sec.entries) == 0 {
		return ErrNoXref
	}
	if sec.trailer["Root"] == nil {
		f.guessRoot(sec)
	}
	return nil
}

// scanFile gives every place where "obj" or "trailer" may begin a structure.
func (f *File) scanFile(visit func(offset int64, line []byte) error) error {
	const chunk, overlap = 256 << 10, 64
	buf := make([]byte, chunk+overlap)
	for at := int64(0); at < f.size; at += chunk {
		f.scanned += chunk
		if f.scanned > f.limits.Scan {
			return fmt.Errorf("rebuild of the cross-reference: %w", ErrLimit)
		}
		n, err := f.r.ReadAt(buf[:min(int64(len(buf)), f.size-at)], at)
		if err != nil && err != io.EOF {
			return fmt.Errorf("cos: read at byte %d: %w", at, err)
		}
		for i := 0; i < min(n, chunk); i++ {
			c := buf[i]
			if i > 0 && isRegular(int(buf[i-1])) && buf[i-1] != 'j' && buf[i-1] != 'F' {
				continue
			}
			if c >= '0' && c <= '9' || c == 't' {
				err = visit(at+int64(i), buf[i:n])
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (f *File) rebuildLine(offset int64, line []byte, latest map[uint32]entry, sec *section) error {
	if bytes.HasPrefix(line, []byte("trailer")) {
		p := f.parser(offset+7, f.size)
		o, err := p.object()
		d, ok := o.(Dict)
		if err == nil && ok && d["Root"] != nil {
			sec.trailer = d
		}
		return nil
	}
	s := newScanner(bytes.NewReader(line[:min(len(line), 64)]), 0, 64)
	num, ok1 := s.unsigned(10)
	if !ok1 || !isSpace(s.peek()) {
		return nil
	}
	s.space()
	gen, ok2 := s.unsigned(5)
	s.space()
	if !ok2 || num == 0 || num > math.MaxInt32 || gen > math.MaxUint16 || !s.literal("obj") {
		return nil
	}
	f.entryCount++
	if f.entryCount > f.limits.Entries {
		return fmt.Errorf("rebuild of the cross-reference: %w", ErrLimit)
	}
	latest[uint32(num)] = entry{num: uint32(num), gen: uint32(gen), kind: entryPlain, at: offset}
	return nil
}

// rebuildPacked adds the objects of object streams and the trailers of
// cross-reference streams.
func (f *File) rebuildPacked(sec *section, latest map[uint32]entry) {
	v := f.Latest()
	plain := sec.entries
	var packed []entry
	for _, e := range plain {
		ref := Ref{Num: e.num, Gen: e.gen}
		o, err := v.Get(ref)
		stm, ok := o.(*Stream)
		if err != nil || !ok {
			continue
		}
		if stm.Dict["Type"] == Name("XRef") && stm.Dict["Root"] != nil {
			sec.trailer = stm.Dict
		}
		if stm.Dict["Type"] != Name("ObjStm") {
			continue
		}
		p, err := v.unpack(e, sec, e.num)
		if err != nil {
			continue
		}
		for i, num := range p.numbers {
			_, taken := latest[num]
			f.entryCount++
			if taken || f.entryCount > f.limits.Entries {
				continue
			}
			packed = append(packed, entry{num: num, gen: uint32(i), kind: entryPacked, at: int64(e.num)})
		}
	}
	sec.entries = append(packed, plain...)
	sec.sortEntries()
	clear(f.cache)
}

func (f *File) guessRoot(sec *section) {
	v := f.Latest()
	for _, e := range sec.entries {
		ref := Ref{Num: e.num}
		if e.kind == entryPlain {
			ref.Gen = e.gen
		}
		o, err := v.Get(ref)
		d, ok := o.(Dict)
		if err == nil && ok && d["Type"] == Name("Catalog") {
			sec.trailer["Root"] = ref
		}
	}
}
