package cos

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Style is how a cross-reference section is written.
type Style string

// Styles of a section (ISO 32000-2, 7.5.4, 7.5.8, 7.5.8.4).
const (
	StyleTable  Style = "table"
	StyleStream Style = "stream"
	StyleHybrid Style = "hybrid"
)

type entryKind uint8

const (
	entryFree   entryKind = iota
	entryPlain            // at is an offset in the file
	entryPacked           // at is the number of an object stream, gen the index in it
)

type entry struct {
	num  uint32
	gen  uint32
	kind entryKind
	at   int64
}

// section is one cross-reference section: a table with what its XRefStm adds,
// or a stream. Offsets are absolute.
type section struct {
	offset  int64
	end     int64 // behind the trailer or the stream object
	style   Style
	trailer Dict
	entries []entry  // sorted by number, one a number
	prev    int64    // -1 when it is the first
	xrefStm int64    // of a hybrid table
	holder  Ref      // the cross-reference stream's own object
	doubled bool     // the section lists a number twice
	hidden  []uint32 // numbers that a hybrid table frees and its stream uses
	shifted bool     // a table that begins at 1 although it means 0
	limit   int64    // end of the revision the section belongs to
}

func (s *section) find(num uint32) (entry, bool) {
	i, ok := slices.BinarySearchFunc(s.entries, num, func(e entry, n uint32) int { return cmp.Compare(e.num, n) })
	if !ok {
		return entry{}, false
	}
	return s.entries[i], true
}

// sortEntries orders entries by number; of two for one number the first listed
// counts, and the section is marked, because readers differ here.
func (s *section) sortEntries() {
	slices.SortStableFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.num, b.num) })
	before := len(s.entries)
	s.entries = slices.CompactFunc(s.entries, func(a, b entry) bool { return a.num == b.num })
	if len(s.entries) != before {
		s.doubled = true
	}
}

// readSection reads the section at an absolute offset.
func (f *File) readSection(offset int64) (*section, error) {
	if offset < 0 || offset >= f.size {
		return nil, &SyntaxError{Offset: offset, What: "cross-reference outside the file"}
	}
	p := f.parser(offset, f.size)
	p.s.skip()
	if p.s.keyword("xref") {
		return f.readTable(offset, p)
	}
	return f.readXrefStream(offset)
}

func (f *File) readTable(offset int64, p *parser) (*section, error) {
	sec := &section{offset: offset, style: StyleTable, prev: -1}
	first := true
	for {
		p.s.skip()
		if p.s.keyword("trailer") {
			break
		}
		err := f.readSubsection(sec, p, first)
		if err != nil {
			return nil, err
		}
		first = false
	}
	p.stop = p.s.pos + f.limits.Object
	o, err := p.object()
	if err != nil {
		return nil, fmt.Errorf("trailer: %w", err)
	}
	trailer, ok := o.(Dict)
	if !ok {
		return nil, p.fail("trailer is not a dictionary")
	}
	sec.trailer = trailer
	sec.doubled = p.twice
	sec.end = p.s.pos
	sec.prev, err = f.prevOf(trailer)
	if err != nil {
		return nil, err
	}
	sec.sortEntries()
	return sec, f.mergeHybrid(sec)
}

func (f *File) readSubsection(sec *section, p *parser, first bool) error {
	start, ok := p.s.unsigned(maxObjectDigits)
	if !ok {
		return p.fail("cross-reference subsection expected")
	}
	p.s.space()
	count, ok := p.s.unsigned(maxObjectDigits)
	if !ok {
		return p.fail("cross-reference subsection length expected")
	}
	for i := range count {
		e, last, err := f.readEntry(p)
		if err != nil {
			return err
		}
		if last {
			// The announced count is larger than the table: forgiven for
			// reading, because readers that need it count for themselves.
			sec.shifted = true
			return nil
		}
		if first && i == 0 && start == 1 && e.kind == entryFree && e.gen == math.MaxUint16 {
			start, sec.shifted = 0, true
		}
		if start+i > math.MaxInt32 {
			return p.fail("object number out of range")
		}
		e.num = uint32(start + i)
		err = f.addEntry(sec, e)
		if err != nil {
			return err
		}
	}
	return nil
}

// readEntry reads one line of a table; last says that the trailer stands there.
func (f *File) readEntry(p *parser) (e entry, last bool, err error) {
	p.s.space()
	at, ok := p.s.unsigned(maxObjectDigits)
	if !ok {
		here := p.s.pos
		if p.s.keyword("trailer") {
			p.s.pos = here
			return entry{}, true, nil
		}
		return entry{}, false, p.fail("cross-reference entry expected")
	}
	p.s.space()
	gen, ok := p.s.unsigned(maxObjectDigits)
	if !ok || gen > math.MaxUint32 {
		return entry{}, false, p.fail("generation expected")
	}
	p.s.space()
	e = entry{gen: uint32(min(gen, math.MaxUint16)), at: at}
	switch p.s.next() {
	case 'n':
		e.kind = entryPlain
		if at == 0 {
			e.kind = entryFree
		}
		e.at += f.base
	case 'f':
	default:
		return entry{}, false, p.fail("cross-reference entry is neither n nor f")
	}
	return e, false, nil
}

func (f *File) addEntry(sec *section, e entry) error {
	f.entryCount++
	if f.entryCount > f.limits.Entries {
		return fmt.Errorf("cross-reference entries: %w", ErrLimit)
	}
	sec.entries = append(sec.entries, e)
	return nil
}

// mergeHybrid adds what a table's XRefStm lists for numbers the table does not
// use (ISO 32000-2, 7.5.8.4).
func (f *File) mergeHybrid(sec *section) error {
	at, ok := sec.trailer["XRefStm"].(int64)
	if !ok {
		return nil
	}
	stm, err := f.readXrefStream(at + f.base)
	if err != nil {
		return fmt.Errorf("hybrid cross-reference: %w", err)
	}
	sec.style = StyleHybrid
	sec.xrefStm = stm.offset
	sec.holder = stm.holder
	merged := make([]entry, 0, len(sec.entries)+len(stm.entries))
	for _, e := range sec.entries {
		if e.kind != entryFree {
			merged = append(merged, e)
		}
	}
	used := &section{entries: slices.Clone(merged)}
	doubled := sec.doubled || stm.doubled
	for _, e := range stm.entries {
		other, taken := used.find(e.num)
		if !taken {
			merged = append(merged, e)
		}
		doubled = doubled || taken && other != e // readers differ in which they ask first
	}
	for _, e := range sec.entries {
		there, listed := stm.find(e.num)
		if e.kind == entryFree && !listed {
			merged = append(merged, e)
		}
		if e.kind == entryFree && listed && there.kind != entryFree {
			sec.hidden = append(sec.hidden, e.num)
		}
	}
	sec.entries = merged
	sec.sortEntries()
	sec.doubled = doubled
	return nil
}

// prevOf gives the absolute offset of the section before, -1 when there is none.
func (f *File) prevOf(trailer Dict) (int64, error) {
	switch v := trailer["Prev"].(type) {
	case nil:
		return -1, nil
	case int64:
		if v == 0 {
			return -1, nil
		}
		return v + f.base, nil
	case float64:
		return int64(v) + f.base, nil
	default:
		return -1, &SyntaxError{Offset: 0, What: "/Prev is not a number"}
	}
}

func (f *File) readXrefStream(offset int64) (*section, error) {
	holder, o, end, err := f.readIndirect(offset, f.size, nil)
	if err != nil {
		return nil, fmt.Errorf("cross-reference: %w", err)
	}
	stm, ok := o.(*Stream)
	if !ok || stm.Dict["Type"] != Name("XRef") {
		return nil, &SyntaxError{Offset: offset, What: "neither a cross-reference table nor a cross-reference stream"}
	}
	data, err := f.decode(stm, nil)
	if err != nil {
		return nil, fmt.Errorf("cross-reference stream: %w", err)
	}
	sec := &section{offset: offset, end: end, style: StyleStream, trailer: stm.Dict, holder: holder}
	sec.prev, err = f.prevOf(stm.Dict)
	if err != nil {
		return nil, err
	}
	err = f.readStreamEntries(sec, data)
	if err != nil {
		return nil, err
	}
	sec.sortEntries()
	return sec, nil
}

func (f *File) readStreamEntries(sec *section, data []byte) error {
	w, err := fieldWidths(sec.trailer["W"])
	if err != nil {
		return err
	}
	row := w[0] + w[1] + w[2]
	size, _ := sec.trailer["Size"].(int64)
	index, ok := sec.trailer["Index"].(Array)
	if !ok {
		index = Array{int64(0), size}
	}
	for i := 0; i+1 < len(index); i += 2 {
		start, ok1 := index[i].(int64)
		count, ok2 := index[i+1].(int64)
		if !ok1 || !ok2 || start < 0 || count < 0 || start > math.MaxInt32 {
			return &SyntaxError{Offset: sec.offset, What: "/Index of the cross-reference stream"}
		}
		for n := start; n < start+count && len(data) >= row; n++ {
			if n > math.MaxInt32 {
				return &SyntaxError{Offset: sec.offset, What: "object number out of range"}
			}
			e := streamEntry(data[:row], w)
			e.num = uint32(n)
			if e.kind == entryPlain {
				e.at += f.base
			}
			data = data[row:]
			err = f.addEntry(sec, e)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func fieldWidths(o Object) ([3]int, error) {
	var w [3]int
	a, ok := o.(Array)
	if !ok || len(a) < 3 {
		return w, &SyntaxError{What: "/W of the cross-reference stream"}
	}
	total := 0
	for i := range w {
		v, ok := a[i].(int64)
		if !ok || v < 0 || v > 8 {
			return w, &SyntaxError{What: "/W of the cross-reference stream"}
		}
		w[i] = int(v)
		total += w[i]
	}
	if total == 0 {
		return w, &SyntaxError{What: "/W of the cross-reference stream is empty"}
	}
	return w, nil
}

// streamEntry decodes one row (ISO 32000-2, table 18). Unknown types are null.
func streamEntry(row []byte, w [3]int) entry {
	field := func(from, width int) int64 {
		var v uint64
		for _, b := range row[from : from+width] {
			v = v<<8 | uint64(b)
		}
		return int64(v & math.MaxInt64)
	}
	kind := int64(1)
	if w[0] > 0 {
		kind = field(0, w[0])
	}
	second, third := field(w[0], w[1]), field(w[0]+w[1], w[2])
	e := entry{at: second, gen: uint32(min(third, math.MaxUint32))}
	switch {
	case kind == 1 && second != 0:
		e.kind = entryPlain
	case kind == 2 && second <= math.MaxInt32:
		e.kind = entryPacked
	default:
		e.kind = entryFree
	}
	return e
}
