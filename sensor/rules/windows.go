package rules

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// windows finds patterns by a few bytes of each. A pattern is known by windows
// of width bytes at as many neighbouring places as stride says; a scan then
// looks at every stride-th place of the data only, and one of the windows
// stands there wherever the pattern is. Each look is one bit in a table that
// fits the cache; patterns are compared only where the bit is set. That is the
// idea of Wu and Manber turned round: no state machine, memory in proportion
// to the patterns, and a cost per byte that hardly grows with their number.
type windows struct {
	width, stride int
	// mask makes of four bytes the window: those that count, with the letters in
	// one case. Factor does the same and hashes: what it shifts out does not
	// count.
	mask, factor uint32
	table        hashed
	// known has for each hash value in the table a byte that is not zero, which
	// is quicker to ask than a bit. Its bits are a second, smaller hash.
	known   []byte
	entries []windowEntry
	// single are the patterns of one byte, whose windows are all pairs that
	// begin with it: at the end of the data they stand alone.
	single []windowEntry
}

// windowEntry says where in a pattern a window stands.
type windowEntry struct {
	// chunk is up to eight bytes of the pattern around the window, with the
	// letters in one case: most data that has a window by chance differs here.
	chunk uint64
	pat   uint32
	at    uint16
	// before is how far before the window the chunk begins, drop how many bits
	// of eight bytes it leaves out.
	before, drop uint8
}

// newEntry makes the entry of a window of a pattern.
func (w *windows) newEntry(p []byte, pat int32, at int) windowEntry {
	from := max(0, min(at-(8-w.width)/2, len(p)-8))
	var chunk [8]byte
	n := copy(chunk[:], p[from:])
	return windowEntry{
		chunk: binary.LittleEndian.Uint64(chunk[:]) | letters,
		pat:   uint32(pat), at: uint16(at), before: uint8(at - from), drop: uint8(8 * (8 - n)),
	}
}

// window is the window that the entry is found by.
func (w *windows) window(e *windowEntry) uint32 { return uint32(e.chunk>>(8*e.before)) & w.mask }

// hashed is a set of hash values that gives each its number. A number is the
// count of bits before the value's own, kept for each word.
type hashed struct {
	shift uint32
	bits  []uint64
	ranks []uint32
	// starts has for each number where its entries begin; one more ends the
	// last.
	starts []uint32
}

const (
	// hashFactor is Knuth's multiplier for 32 bits.
	hashFactor = 0x9E3779B1
	// letters makes one of upper and lower case, and of some other bytes too,
	// in each of eight.
	letters = 0x2020202020202020
	// minHashBits and maxHashBits bound the table: what is asked at every place
	// of the data is to stay in a core's first cache, which goodHashBits fits,
	// or at least in the second.
	minHashBits, goodHashBits, maxHashBits = 11, 13, 17
	// goodSpread and leastSpread are how many places of the table there are for
	// each entry: many while they fit, some in any case.
	goodSpread, leastSpread = 256, 32
)

// newHashed sets up the table for entries and puts them into its order.
func newHashed[E any](entries []E, factor uint32, value func(*E) uint32) hashed {
	n := min(bits.Len(uint(len(entries)*goodSpread)), goodHashBits)
	n = min(max(n, bits.Len(uint(len(entries)*leastSpread)), minHashBits), maxHashBits)
	t := hashed{shift: uint32(32 - n), bits: make([]uint64, 1<<n/64), ranks: make([]uint32, 1<<n/64)}
	hash := func(e *E) uint32 { return value(e) * factor >> t.shift }
	slices.SortStableFunc(entries, func(a, b E) int { return int(hash(&a)) - int(hash(&b)) })
	last := ^uint32(0)
	for i := range entries {
		h := hash(&entries[i])
		if h != last {
			t.bits[h>>6] |= 1 << (h & 63)
			t.starts = append(t.starts, uint32(i))
			last = h
		}
	}
	t.starts = slices.Clip(append(t.starts, uint32(len(entries))))
	n = 0
	for i, w := range t.bits {
		t.ranks[i] = uint32(n)
		n += bits.OnesCount64(w)
	}
	return t
}

// bucket is where the entries of a hash value stand whose bit is set.
func (t *hashed) bucket(h uint32) (from, to uint32) {
	n := t.ranks[h>>6] + uint32(bits.OnesCount64(t.bits[h>>6]&(1<<(h&63)-1)))
	return t.starts[n], t.starts[n+1]
}

// newWindows builds the table for patterns of at least the given length.
func newWindows(m *matcher, pats []int32, shortest int) *windows {
	w := &windows{width: 4, stride: 1}
	switch {
	case shortest >= 7:
		w.stride = 4
	case shortest == 6:
		w.width, w.stride = 3, 4
	case shortest == 5:
		w.stride = 2
	case shortest == 4:
		w.width, w.stride = 3, 2
	case shortest == 3:
		w.width, w.stride = 2, 2
	default:
		w.width = 2
	}
	w.mask = uint32(1<<(8*w.width) - 1)
	w.factor = uint32(hashFactor << (32 - 8*w.width) & 0xffffffff)
	uses := map[uint32]int{}
	for _, id := range pats {
		p := m.pattern(id)
		for at := 0; at+w.width <= len(p); at++ {
			uses[w.value(p[at:])]++
		}
	}
	for _, id := range pats {
		p := m.pattern(id)
		if len(p) == 1 {
			w.single = append(w.single, windowEntry{pat: uint32(id)})
			for second := range 256 {
				if second&0x20 != 0 {
					w.entries = append(w.entries, w.newEntry([]byte{p[0], byte(second)}, id, 0))
				}
			}
			continue
		}
		from := w.choose(p, uses)
		for at := from; at < from+w.stride; at++ {
			w.entries = append(w.entries, w.newEntry(p, id, at))
		}
	}
	w.entries = slices.Clip(w.entries)
	w.table = newHashed(w.entries, w.factor, w.window)
	w.known = make([]byte, 1<<(32-w.table.shift))
	for i := range w.entries {
		h := w.window(&w.entries[i]) * w.factor
		w.known[h>>w.table.shift] |= w.second(h)
	}
	return w
}

// second is the bit of a hash that its place in the table does not say.
func (w *windows) second(h uint32) byte { return 1 << (h >> ((w.table.shift - 3) & 31) & 7) }

// value is the window at the beginning of some bytes.
func (w *windows) value(b []byte) uint32 {
	var four [4]byte
	copy(four[:], b)
	return (binary.LittleEndian.Uint32(four[:]) | letters&0xffffffff) & w.mask
}

// choose prefers the windows that the fewest patterns hold and whose bytes are
// rare.
func (w *windows) choose(p []byte, uses map[uint32]int) int {
	best, bestScore := 0, -1
	for from := 0; from+w.width+w.stride-1 <= len(p); from++ {
		score := 0
		for at := from; at < from+w.stride; at++ {
			score += uses[w.value(p[at:])]*4 + frequent(p[at:at+w.width])
		}
		if bestScore < 0 || score < bestScore {
			best, bestScore = from, score
		}
	}
	return best
}

// frequent tells how common some bytes are in all traffic: runs of one byte,
// zeros and spaces stand everywhere, text in most.
func frequent(b []byte) int {
	score, same := 0, true
	for i, c := range b {
		same = same && c == b[0]
		switch {
		case i > 0 && c == b[i-1]:
			score += 10
		case c == 0:
			score += 10
		case c == ' ' || c == 0xff || c == 1 || c == '\r' || c == '\n':
			score += 6
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			score += 3
		case c == '.' || c == '/' || c == '-' || c == '=' || c == ':' || c == '<':
			score += 2
		}
	}
	if same {
		score += 100
	}
	return score
}

// scan reports the patterns that stand in data.
func (w *windows) scan(m *matcher, data []byte, ctx *Context) {
	i := 0
	for {
		switch w.stride {
		case 1:
			i = w.next1(data, i)
		case 2:
			i = w.next2(data, i)
		default:
			i = w.next4(data, i)
		}
		if i+4 > len(data) {
			break
		}
		w.found(m, data, i, (binary.LittleEndian.Uint32(data[i:])|letters&0xffffffff)&w.mask, ctx)
		i += w.stride
	}
	for ; i+w.width <= len(data); i += w.stride {
		w.found(m, data, i, w.value(data[i:]), ctx)
	}
	if w.single != nil && len(data) > 0 {
		for _, e := range w.single {
			m.confirm(int32(e.pat), data, len(data)-1, ctx)
		}
	}
}

// The three forms of next return the first place from i on, in steps of their
// stride, whose window may be known, or one less than four bytes from the end.
// They are written out because the compiler keeps all that they need in
// registers then; together they are where a sensor with rules spends its time.

func (w *windows) next1(data []byte, i int) int {
	factor, shift, known := w.factor, w.table.shift&31, w.known
	for i+8 <= len(data) {
		v := binary.LittleEndian.Uint64(data[i:]) | letters
		a, b := known[uint32(v)*factor>>shift], known[uint32(v>>8)*factor>>shift]
		c, d := known[uint32(v>>16)*factor>>shift], known[uint32(v>>24)*factor>>shift]
		if a|b|c|d != 0 {
			switch {
			case a != 0:
				return i
			case b != 0:
				return i + 1
			case c != 0:
				return i + 2
			}
			return i + 3
		}
		i += 4
	}
	return w.slow(data, i)
}

func (w *windows) next2(data []byte, i int) int {
	factor, shift, known := w.factor, w.table.shift&31, w.known
	for i+16 <= len(data) {
		v, u := binary.LittleEndian.Uint64(data[i:])|letters, binary.LittleEndian.Uint64(data[i+4:])|letters
		a, b := known[uint32(v)*factor>>shift], known[uint32(v>>16)*factor>>shift]
		c, d := known[uint32(u)*factor>>shift], known[uint32(u>>16)*factor>>shift]
		if a|b|c|d != 0 {
			switch {
			case a != 0:
				return i
			case b != 0:
				return i + 2
			case c != 0:
				return i + 4
			}
			return i + 6
		}
		i += 8
	}
	return w.slow(data, i)
}

func (w *windows) next4(data []byte, i int) int {
	factor, shift, known := w.factor, w.table.shift&31, w.known
	for i+16 <= len(data) {
		v, u := binary.LittleEndian.Uint64(data[i:])|letters, binary.LittleEndian.Uint64(data[i+8:])|letters
		a, b := known[uint32(v)*factor>>shift], known[uint32(v>>32)*factor>>shift]
		c, d := known[uint32(u)*factor>>shift], known[uint32(u>>32)*factor>>shift]
		if a|b|c|d != 0 {
			switch {
			case a != 0:
				return i
			case b != 0:
				return i + 4
			case c != 0:
				return i + 8
			}
			return i + 12
		}
		i += 16
	}
	return w.slow(data, i)
}

// slow looks at one place after another.
func (w *windows) slow(data []byte, i int) int {
	for ; i+4 <= len(data); i += w.stride {
		v := binary.LittleEndian.Uint32(data[i:]) | letters&0xffffffff
		if w.known[v*w.factor>>(w.table.shift&31)] != 0 {
			break
		}
	}
	return i
}

// found compares the patterns that have a window with the data around a place.
func (w *windows) found(m *matcher, data []byte, i int, v uint32, ctx *Context) {
	h := v * w.factor
	if w.known[h>>(w.table.shift&31)]&w.second(h) == 0 {
		return
	}
	from, to := w.table.bucket(h >> (w.table.shift & 31))
	bucket := w.entries[from:to]
	for j := range bucket {
		e := &bucket[j]
		at := i - int(e.before)
		if at >= 0 && at+8 <= len(data) && ((binary.LittleEndian.Uint64(data[at:])|letters)^e.chunk)<<(e.drop&63) != 0 {
			continue
		}
		m.confirm(int32(e.pat), data, i-int(e.at), ctx)
	}
}
