package rules

// frame is one way back: a place to go on from, or a slot to restore.
type frame struct {
	pc int32
	// pos is the place to go on from; of a run, lo to hi are those left.
	pos, lo, hi int32
	kind        uint8
}

const (
	frameGo uint8 = iota
	frameLongest
	frameShortest
	frameSlot
)

// regexMemory is what the machine works in; it belongs to a Context.
type regexMemory struct {
	stack []frame
	slots []int32
	// steps is what is left of the unit's budget.
	steps int
	spent bool
}

// match finds the first match at or after from. The machine's work is taken
// from m.steps; when they are spent it finds nothing and sets m.spent.
func (b *backtracker) match(m *regexMemory, data []byte, from int) (start, end int, ok bool) {
	if cap(m.slots) < b.slots {
		m.slots = make([]int32, b.slots)
	}
	m.slots = m.slots[:b.slots]
	for start = from; start <= len(data); start++ {
		if b.first != nil {
			for start < len(data) && !b.first.has(data[start]) {
				start++
				m.steps--
			}
			if start == len(data) {
				return 0, 0, false
			}
		}
		for i := range m.slots {
			m.slots[i] = -1
		}
		m.stack = m.stack[:0]
		end, ok = b.run(m, data, 0, start)
		if ok {
			return start, end, true
		}
		if b.anchored || m.spent {
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// runBytesPerStep is how many bytes of a run cost one step.
const runBytesPerStep = 8

// run executes from pc until the part's end. It leaves the stack as high as
// it found it.
func (b *backtracker) run(m *regexMemory, data []byte, pc int32, pos int) (int, bool) {
	base := len(m.stack)
	for {
		m.steps--
		if m.steps < 0 || len(m.stack) > maxStack {
			m.spent = true
			m.stack = m.stack[:base]
			return 0, false
		}
		i := &b.prog[pc]
		ok := true
		pc++
		switch i.op {
		case opAccept:
			m.settle(base)
			return pos, true
		case opSet:
			ok = pos < len(data) && b.sets[i.x].has(data[pos])
			pos++
		case opRun:
			pos, ok = b.runs(m, i, data, pc, pos)
		case opSplit:
			m.stack = append(m.stack, frame{pc: i.y, pos: int32(pos)})
			pc = i.x
		case opJump:
			pc = i.x
		case opSave, opMark:
			m.save(i.n, pos)
		case opMoved:
			if int(m.slots[i.n]) == pos {
				pc = i.x
			}
		case opAssert:
			ok = asserted(int(i.n), data, pos)
		case opRef:
			pos, ok = m.reference(i, data, pos)
		case opBack:
			pos -= int(i.n)
			ok = pos >= 0
		case opLook:
			_, held := b.run(m, data, pc, pos)
			ok = held != (i.flag == flagNot) && !m.spent
			pc = i.y
		case opAtomic:
			pos, ok = b.run(m, data, pc, pos)
			pc = i.y
		}
		if ok {
			continue
		}
		pc, pos, ok = m.back(base)
		if !ok {
			return 0, false
		}
	}
}

// settle drops the ways back of a part that has matched. What it saved stays,
// so the restoring of outer saves must stay too.
func (m *regexMemory) settle(base int) {
	kept := base
	for _, f := range m.stack[base:] {
		if f.kind == frameSlot {
			m.stack[kept] = f
			kept++
		}
	}
	m.stack = m.stack[:kept]
}

func (m *regexMemory) save(slot int32, pos int) {
	m.stack = append(m.stack, frame{kind: frameSlot, pc: slot, pos: m.slots[slot]})
	m.slots[slot] = int32(pos)
}

// back takes the latest way back.
func (m *regexMemory) back(base int) (pc int32, pos int, ok bool) {
	for len(m.stack) > base {
		f := &m.stack[len(m.stack)-1]
		switch f.kind {
		case frameSlot:
			m.slots[f.pc] = f.pos
		case frameGo:
			m.stack = m.stack[:len(m.stack)-1]
			return f.pc, int(f.pos), true
		case frameLongest:
			if f.lo < f.hi {
				f.hi--
				return f.pc, int(f.hi), true
			}
		case frameShortest:
			if f.lo < f.hi {
				f.lo++
				return f.pc, int(f.lo), true
			}
		}
		m.stack = m.stack[:len(m.stack)-1]
	}
	return 0, 0, false
}

// runs takes a repeated byte: at once as many as there may be, with one way
// back for all the other counts.
func (b *backtracker) runs(m *regexMemory, i *inst, data []byte, pc int32, pos int) (int, bool) {
	most := len(data)
	if i.y >= 0 {
		most = min(most, pos+int(i.y))
	}
	set, end := &b.sets[i.x], pos
	for end < most && set.has(data[end]) {
		end++
	}
	m.steps -= (end - pos) / runBytesPerStep
	lo := pos + int(i.n)
	if end < lo {
		return pos, false
	}
	f := frame{kind: frameLongest, pc: pc, lo: int32(lo), hi: int32(end)}
	to := end
	if i.flag == flagLazy {
		f.kind, to = frameShortest, lo
	}
	if lo < end {
		m.stack = append(m.stack, f)
	}
	return to, true
}

// reference compares with what a group has matched; a group that has not
// matched makes it fail, as in PCRE.
func (m *regexMemory) reference(i *inst, data []byte, pos int) (int, bool) {
	from, to := m.slots[2*i.n], m.slots[2*i.n+1]
	if from < 0 || to < from {
		return pos, false
	}
	want := data[from:to]
	if len(data)-pos < len(want) {
		return pos, false
	}
	m.steps -= len(want) / runBytesPerStep
	for k, c := range want {
		d := data[pos+k]
		if c != d && (i.flag != flagNocase || fold[c] != fold[d]) {
			return pos, false
		}
	}
	return pos + len(want), true
}

func asserted(kind int, data []byte, pos int) bool {
	n := len(data)
	switch kind {
	case assertStart:
		return pos == 0
	case assertEnd:
		return pos == n
	case assertLastLine:
		return pos == n || pos == n-1 && data[pos] == '\n'
	case assertLineStart:
		return pos == 0 || pos < n && data[pos-1] == '\n'
	case assertLineEnd:
		return pos == n || data[pos] == '\n'
	}
	before := pos > 0 && isWord(data[pos-1])
	after := pos < n && isWord(data[pos])
	return (before != after) == (kind == assertWord)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || fold[c] >= 'a' && fold[c] <= 'z'
}
