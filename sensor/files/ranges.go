package files

import (
	"container/list"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a table of ranges.
const (
	// DefaultRangeMemory bounds, in bytes, what files in work take: the content
	// that waits for what stands before it, as Suricata's byterange.memcap.
	DefaultRangeMemory = 100 << 20
	// DefaultRangeTimeout is how long a file waits for its next part.
	DefaultRangeTimeout = time.Minute
	// maxWholes bounds the files that are put together at a time, maxPieces
	// the separate pieces of one that wait.
	maxWholes = 1024
	maxPieces = 4096
)

// Range is a part of a file: the bytes Start to End of Size, which is 0 when it
// was not told.
type Range struct{ Start, End, Size uint64 }

// Source names what parts belong together by: who asked for what, and how large
// the whole is.
type Source struct {
	Client    netip.Addr
	Host, URI string
	Size      uint64
}

// Ranges put files together whose parts come in messages of their own, in any
// order and over any number of connections (RFC 9110 §14). A file grows from its
// beginning as its parts allow; what comes before its turn waits in memory. Where
// parts overlap, what came first stays. The table is safe for concurrent use; nil
// puts nothing together.
type Ranges struct {
	memory  int64
	timeout time.Duration
	used    atomic.Int64

	// mu guards what follows; it may be taken while the lock of a whole is not
	// held.
	mu     sync.Mutex
	wholes map[Source]*list.Element
	// order has the wholes, the one whose last part began longest ago first.
	order *list.List
	stats RangeStats
}

// RangeStats counts files that were put together: Whole are complete, Expired
// and Evicted given up because no part came in time, or to bound the memory; Waiting
// are in work, with Bytes that wait.
type RangeStats struct {
	Whole, Expired, Evicted, Waiting uint64
	Bytes                            uint64
}

// NewRanges returns a table; zero limits are the defaults.
func NewRanges(memory int64, timeout time.Duration) *Ranges {
	if memory <= 0 {
		memory = DefaultRangeMemory
	}
	if timeout <= 0 {
		timeout = DefaultRangeTimeout
	}
	return &Ranges{memory: memory, timeout: timeout, wholes: map[Source]*list.Element{}, order: list.New()}
}

// Stats returns the counts so far.
func (r *Ranges) Stats() RangeStats {
	if r == nil {
		return RangeStats{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Waiting, s.Bytes = uint64(r.order.Len()), uint64(max(r.used.Load(), 0))
	return s
}

// Open begins a part. The whole is a file of that name in the store of the first
// part. It returns nil for what is no part: a range of unknown size, outside of
// the whole, or all of it.
func (r *Ranges) Open(s *Store, from Source, name []byte, at Range, now time.Time) *Part {
	if r == nil || at.Size == 0 || at.End >= at.Size || at.Start > at.End || at.Start == 0 && at.End == at.Size-1 {
		return nil
	}
	from.Size = at.Size
	r.mu.Lock()
	var gone []*whole
	e, ok := r.wholes[from]
	if ok {
		e.Value.(*whole).last = now
		r.order.MoveToBack(e)
	} else {
		if r.order.Len() >= maxWholes {
			gone = append(gone, r.remove(r.order.Front()))
			r.stats.Evicted++
		}
		e = r.order.PushBack(&whole{from: from, file: s.New(name), last: now})
		r.wholes[from] = e
	}
	w := e.Value.(*whole)
	gone = append(gone, r.expire(now)...)
	r.mu.Unlock()
	r.giveUp(gone)
	return &Part{table: r, whole: w, at: at.Start, end: at.End + 1}
}

// Expire gives up the files whose last part began too long ago.
func (r *Ranges) Expire(now time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	gone := r.expire(now)
	r.mu.Unlock()
	r.giveUp(gone)
}

// Clear gives up all files: the capture is over.
func (r *Ranges) Clear() {
	if r == nil {
		return
	}
	r.mu.Lock()
	var gone []*whole
	for r.order.Len() > 0 {
		gone = append(gone, r.remove(r.order.Front()))
		r.stats.Expired++
	}
	r.mu.Unlock()
	r.giveUp(gone)
}

func (r *Ranges) expire(now time.Time) (gone []*whole) {
	for e := r.order.Front(); e != nil; e = r.order.Front() {
		// A clock that was set back ends it too.
		if now.Sub(e.Value.(*whole).last).Abs() <= r.timeout {
			return gone
		}
		gone = append(gone, r.remove(e))
		r.stats.Expired++
	}
	return gone
}

func (r *Ranges) remove(e *list.Element) *whole {
	w := r.order.Remove(e).(*whole)
	delete(r.wholes, w.from)
	return w
}

// giveUp drops what files hold that are not in the table any more.
func (r *Ranges) giveUp(gone []*whole) {
	for _, w := range gone {
		w.mu.Lock()
		if !w.done {
			r.used.Add(-w.cost())
			w.done, w.pieces = true, nil
			w.file.Discard()
		}
		w.mu.Unlock()
	}
}

// finished takes a whole out of the table that is complete.
func (r *Ranges) finished(w *whole) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.wholes[w.from]
	if e != nil && e.Value.(*whole) == w {
		r.remove(e)
	}
	r.stats.Whole++
}

// bound gives up files, the oldest first, while more waits than may.
func (r *Ranges) bound() {
	for r.used.Load() > r.memory {
		r.mu.Lock()
		e := r.order.Front()
		if e == nil {
			r.mu.Unlock()
			return
		}
		gone := r.remove(e)
		r.stats.Evicted++
		r.mu.Unlock()
		r.giveUp([]*whole{gone})
	}
}

// whole is a file that is put together.
type whole struct {
	from Source
	last time.Time

	// mu guards what follows.
	mu   sync.Mutex
	file *File
	// next is how much of the file is there from its beginning on; pieces are
	// what came before its turn, in order, none over another, and waiting what
	// they cost.
	next    uint64
	pieces  []piece
	waiting int64
	done    bool
}

// cost is the memory that the whole takes while it is put together.
func (w *whole) cost() int64 {
	if w.done {
		return 0
	}
	return w.waiting + int64(cap(w.file.Data))
}

type piece struct {
	at   uint64
	data []byte
}

func (p *piece) end() uint64 { return p.at + uint64(len(p.data)) }

// cost is the memory that a piece takes.
func (p *piece) cost() int64 {
	const own = 64
	return own + int64(cap(p.data))
}

// Part is a part of a file while it comes. The nil part takes everything and
// gives nothing.
type Part struct {
	table *Ranges
	whole *whole
	// at is where the next byte belongs, end behind the part's last.
	at, end uint64
	// complete is the file that this part made whole.
	complete *File
	made     bool
}

// Of says which file gives its bytes to the part, so that who keeps it keeps the
// whole.
func (p *Part) Of(f *File) {
	if p != nil {
		f.parts = append(f.parts, p)
	}
}

// Write adds content. What goes beyond the range is left out.
func (p *Part) Write(b []byte) {
	if p == nil {
		return
	}
	b = b[:min(uint64(len(b)), p.end-p.at)]
	at := p.at
	p.at += uint64(len(b))
	if len(b) == 0 {
		return
	}
	w := p.whole
	w.mu.Lock()
	finished := false
	if !w.done {
		before := w.cost()
		finished = w.add(at, b)
		p.table.used.Add(w.cost() - before)
	}
	w.mu.Unlock()
	if finished {
		p.complete, p.made = w.file, true
		p.table.finished(w)
	}
	p.table.bound()
}

// Gap passes over n missing bytes; another part may have them.
func (p *Part) Gap(n int) {
	if p != nil {
		p.at += min(uint64(max(n, 0)), p.end-p.at)
	}
}

// Close ends the part. It returns the file if this part made it whole.
func (p *Part) Close() *File {
	if p == nil {
		return nil
	}
	f := p.complete
	p.complete = nil
	return f
}

// keep asks the store to keep the whole.
func (p *Part) keep(sids []uint32) {
	w := p.whole
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done || p.made {
		// One that is complete belongs to who completed it.
		w.file.Keep(sids...)
	}
}

// add takes bytes at an offset. It reports whether the file is complete now, and
// does so once.
func (w *whole) add(at uint64, b []byte) bool {
	if at > w.next {
		w.hold(at, b)
		return false
	}
	w.grow(at, b)
	n := 0
	for n < len(w.pieces) && w.pieces[n].at <= w.next {
		w.grow(w.pieces[n].at, w.pieces[n].data)
		w.waiting -= w.pieces[n].cost()
		w.pieces[n].data = nil
		n++
	}
	w.pieces = w.pieces[n:]
	if w.next < w.from.Size {
		return false
	}
	w.done = true
	w.file.Finish(true)
	return true
}

// grow appends what is new of bytes that begin at or before the end.
func (w *whole) grow(at uint64, b []byte) {
	old := w.next - at
	if old < uint64(len(b)) {
		w.file.Write(b[old:])
		w.next += uint64(len(b)) - old
	}
}

// hold keeps bytes that come before their turn: what of them lies between the
// pieces that wait.
func (w *whole) hold(at uint64, b []byte) {
	// The first piece that begins behind at.
	i := sort.Search(len(w.pieces), func(i int) bool { return w.pieces[i].at > at })
	for len(b) > 0 {
		end := at
		if i > 0 {
			end = w.pieces[i-1].end()
		}
		if end > at {
			old := min(end-at, uint64(len(b)))
			b, at = b[old:], at+old
			continue
		}
		n := len(b)
		if i < len(w.pieces) {
			n = int(min(uint64(n), w.pieces[i].at-at))
		}
		if n == 0 {
			i++
			continue
		}
		if i > 0 && end == at {
			w.extend(&w.pieces[i-1], b[:n])
		} else if !w.insert(i, at, b[:n]) {
			return
		} else {
			i++
		}
		b, at = b[n:], at+uint64(n)
	}
}

// extend appends to a piece, as most bytes of a part do.
func (w *whole) extend(p *piece, b []byte) {
	w.waiting -= p.cost()
	p.data = append(p.data, b...)
	w.waiting += p.cost()
}

func (w *whole) insert(i int, at uint64, b []byte) bool {
	if len(w.pieces) >= maxPieces {
		return false
	}
	w.pieces = slices.Insert(w.pieces, i, piece{at: at, data: slices.Clone(b)})
	w.waiting += w.pieces[i].cost()
	return true
}
