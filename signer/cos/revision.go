package cos

import "slices"

// Revision is one state of the file: the original or an incremental update.
type Revision struct {
	Start      int64 // first byte that the revision added
	EOF        int64 // behind the %%EOF that closes it; 0 when it is not closed properly
	End        int64 // behind the line end that follows
	XrefOffset int64 // absolute place of its cross-reference
	Style      Style
	XRefStm    int64    // absolute place of a hybrid table's stream, 0 when there is none
	Hidden     []uint32 // numbers that a hybrid table calls free though its stream has them
	Doubled    bool     // its cross-reference lists a number twice, so readers may differ
}

// Entry is an object that a revision's own cross-reference names.
type Entry struct {
	Ref       Ref
	Free      bool
	Container bool // the object is an object stream or the cross-reference stream itself
}

// groupRevisions turns the chain into revisions. Each section is one, except
// that the two sections of a linearised original belong together: the first
// page's stands at the head and names the main one behind it (ISO 32000-2, F.3.4).
func (f *File) groupRevisions() {
	f.revisions, f.newest = nil, nil
	for i := len(f.sections) - 1; i >= 0; i-- {
		newest, last := f.sections[i], f.sections[i]
		if i == len(f.sections)-1 && i > 0 && f.sections[i-1].offset < last.offset && f.linearised() {
			i--
			newest = f.sections[i]
		}
		rev := f.closeRevision(newest, last)
		if n := len(f.revisions); n > 0 {
			rev.Start = f.revisions[n-1].End
			if rev.XrefOffset < rev.Start {
				f.irregular = Disordered
			}
		}
		if newest.shifted || last.shifted {
			f.irregular = Misnumbered
		}
		if rev.EOF == 0 && f.irregular == "" {
			f.irregular = Unclosed
		}
		newest.limit, last.limit = rev.End, rev.End
		f.revisions = append(f.revisions, rev)
		f.newest = append(f.newest, i)
	}
}

func (f *File) closeRevision(newest, last *section) Revision {
	rev := Revision{XrefOffset: newest.offset, Style: newest.style, XRefStm: newest.xrefStm, Hidden: newest.hidden, Doubled: newest.doubled || last.doubled, End: last.end}
	if newest.end > rev.End {
		rev.End = newest.end
	}
	s := newScanner(f.r, rev.End, f.size)
	skipComments(s)
	if newest.style == StyleStream && s.keyword("trailer") {
		f.skipTrailer(s)
	}
	if !s.literal("startxref") {
		return rev
	}
	s.space()
	at, ok := s.unsigned(maxObjectDigits)
	if !ok || at+f.base != newest.offset {
		return rev
	}
	s.space()
	if !s.literal("%%EOF") {
		return rev
	}
	rev.EOF = s.pos
	if s.peek() == '\r' {
		s.pos++
	}
	if s.peek() == '\n' {
		s.pos++
	}
	rev.End = s.pos
	return rev
}

// skipTrailer passes a trailer that some linearisers leave behind a
// cross-reference stream; no reader uses it.
func (f *File) skipTrailer(s *scanner) {
	p := f.parser(s.pos, f.size)
	_, err := p.object()
	if err == nil {
		s.pos = p.s.pos
	}
	s.space()
}

// skipComments passes white space and the comment with which some producers
// name themselves before startxref.
func skipComments(s *scanner) {
	for {
		s.space()
		at := s.pos
		if s.peek() != '%' || s.literal("%%EOF") {
			s.pos = at
			return
		}
		for c := s.peek(); c != '\n' && c != '\r' && c != eof; c = s.peek() {
			s.pos++
		}
	}
}

// linearised tells whether the first object is a linearisation dictionary.
func (f *File) linearised() bool {
	s := newScanner(f.r, 0, min(f.size, headerSearch))
	for {
		if s.literal("%PDF-") {
			break
		}
		if s.next() == eof {
			return false
		}
	}
	for c := s.next(); c != '\n' && c != '\r'; c = s.next() {
		if c == eof {
			return false
		}
	}
	s.skip()
	_, o, _, err := f.readIndirect(s.pos, f.size, nil)
	if err != nil {
		return false
	}
	d, ok := o.(Dict)
	return ok && d["Linearized"] != nil
}

// RevisionAt gives the revision that ends at a byte, as a signature's byte
// range names it: anywhere from behind its %%EOF to behind the line end.
func (f *File) RevisionAt(end int64) (int, bool) {
	for i, r := range f.revisions {
		if r.EOF > 0 && end >= r.EOF && end <= r.End {
			return i, true
		}
	}
	return 0, false
}

// Trailing gives how many bytes other than white space stand behind the last
// revision. Only up to one window of them is looked at.
func (f *File) Trailing() int {
	s := newScanner(f.r, f.revisions[len(f.revisions)-1].End, f.size)
	n := 0
	for range window {
		c := s.next()
		if c == eof {
			break
		}
		if !isSpace(c) {
			n++
		}
	}
	return n
}

// Entries lists what the cross-reference of one revision names, by number.
func (f *File) Entries(revision int) ([]Entry, error) {
	v, err := f.View(revision)
	if err != nil {
		return nil, err
	}
	from := f.newest[revision]
	to := len(f.sections)
	if revision > 0 {
		to = f.newest[revision-1]
	}
	holders := map[uint32]bool{}
	latest := map[uint32]entry{}
	for _, sec := range slices.Backward(f.sections[from:to]) {
		if sec.holder.Num != 0 {
			holders[sec.holder.Num] = true
		}
		for _, e := range sec.entries {
			latest[e.num] = e
			if e.kind == entryPacked {
				holders[uint32(e.at)] = true
			}
		}
	}
	out := make([]Entry, 0, len(latest))
	for num, e := range latest {
		ref := Ref{Num: num, Gen: e.gen}
		if e.kind == entryPacked {
			ref.Gen = 0
		}
		out = append(out, Entry{Ref: ref, Free: e.kind == entryFree, Container: holders[num] && v.isContainer(ref)})
	}
	slices.SortFunc(out, func(a, b Entry) int { return int(int64(a.Ref.Num) - int64(b.Ref.Num)) })
	return out, nil
}
