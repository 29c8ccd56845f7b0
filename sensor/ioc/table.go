package ioc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

const (
	tableMagic   = "ANTINIOC"
	tableVersion = 1
	// maxArea keeps the offsets of records and texts in 32 bits.
	maxArea = 1<<32 - 1<<16
	// maxBits bounds the directory: 2^24 buckets for 2^26 entries.
	maxBits = 24
	// recordHead: kind and flags, confidence, source (2), expiry (4),
	// description (4); then the key with its length before it.
	recordHead     = 12
	flagSubdomains = 0x80
)

// header is the beginning of the file. After it come the directory of
// buckets, the slots (the low half of the hash and where the record is), the
// sources, the texts and the records, all little-endian.
type header struct {
	Magic   [8]byte
	Version uint32
	Bits    uint32
	Count   uint64
	Created int64
	// Kinds counts the entries of each kind.
	Kinds [16]uint32
	// Widths4 and Widths6 are the lengths that networks have.
	Widths4    [1]uint64
	Widths6    [3]uint64
	Subdomains uint64

	Sources, Texts, Records uint64
	Digest                  uint64
}

func (h *header) widths(v6 bool) []uint64 {
	if v6 {
		return h.Widths6[:]
	}
	return h.Widths4[:]
}

// seal is the digest over the header and that of the body.
func (h *header) seal(body uint64) uint64 {
	clear := *h
	clear.Digest = body
	var b bytes.Buffer
	err := binary.Write(&b, binary.LittleEndian, &clear)
	if err != nil {
		return 0
	}
	return xxhash.Sum64(b.Bytes())
}

// Table is a mapped file of indicators. It is safe for concurrent use; the
// mapping ends when the table is no longer reachable.
type Table struct {
	h         header
	sources   []string
	directory []byte
	slots     []byte
	texts     []byte
	records   []byte
	size      int64
}

// Empty is a table without entries.
func Empty() *Table { return &Table{} }

// Open maps a table and checks that it is whole.
func Open(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open indicators: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open indicators: %w", err)
	}
	if info.Size() < int64(binary.Size(header{})) || info.Size() > 3*maxArea {
		return nil, fmt.Errorf("%w: %s: %d bytes", ErrTable, path, info.Size())
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map indicators %s: %w", path, err)
	}
	t, err := parse(data)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), unix.Munmap(data))
	}
	// A worker may be reading the old table when the next one comes.
	runtime.AddCleanup(t, func(data []byte) { _ = unix.Munmap(data) }, data)
	return t, nil
}

// OpenOrEmpty is Open, but a file that is not there is an empty table.
func OpenOrEmpty(path string) (*Table, error) {
	t, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Empty(), nil
	}
	return t, err
}

func parse(data []byte) (*Table, error) {
	t := &Table{size: int64(len(data))}
	n, err := binary.Decode(data, binary.LittleEndian, &t.h)
	if err != nil || string(t.h.Magic[:]) != tableMagic || t.h.Version != tableVersion {
		return nil, fmt.Errorf("%w: no such header", ErrTable)
	}
	h := &t.h
	body := data[n:]
	if h.Bits > maxBits || h.Count > MaxEntries || h.Sources > maxArea || h.Texts > maxArea || h.Records > maxArea {
		return nil, fmt.Errorf("%w: sizes out of bounds", ErrTable)
	}
	directory, slots := uint64(4*(1<<h.Bits+1)), 8*h.Count
	if directory+slots+h.Sources+h.Texts+h.Records != uint64(len(body)) {
		return nil, fmt.Errorf("%w: the parts do not make the file", ErrTable)
	}
	if h.seal(xxhash.Sum64(body)) != h.Digest {
		return nil, fmt.Errorf("%w: digest differs", ErrTable)
	}
	cut := func(n uint64) []byte {
		part := body[:n]
		body = body[n:]
		return part
	}
	t.directory, t.slots = cut(directory), cut(slots)
	sources := cut(h.Sources)
	t.texts, t.records = cut(h.Texts), cut(h.Records)
	for len(sources) > 0 {
		n, used := binary.Uvarint(sources)
		if used <= 0 || n > uint64(len(sources)-used) {
			return nil, fmt.Errorf("%w: sources", ErrTable)
		}
		t.sources = append(t.sources, string(sources[used:used+int(n)]))
		sources = sources[used+int(n):]
	}
	return t, t.check()
}

// check looks at every reference once, so that look-ups need not: the digest
// tells damage, not ill will.
func (t *Table) check() error {
	last := uint32(0)
	for i := 0; i < len(t.directory); i += 4 {
		at := binary.LittleEndian.Uint32(t.directory[i:])
		if at < last || uint64(at) > t.h.Count {
			return fmt.Errorf("%w: directory", ErrTable)
		}
		last = at
	}
	if uint64(last) != t.h.Count {
		return fmt.Errorf("%w: directory", ErrTable)
	}
	for i := 0; i < len(t.slots); i += 8 {
		if !t.checkRecord(binary.LittleEndian.Uint32(t.slots[i+4:])) {
			return fmt.Errorf("%w: entry %d", ErrTable, i/8)
		}
	}
	return nil
}

func (t *Table) checkRecord(at uint32) bool {
	if uint64(at)+recordHead > uint64(len(t.records)) {
		return false
	}
	r := t.records[at:]
	kind := Kind(r[0] &^ flagSubdomains)
	n, used := binary.Uvarint(r[recordHead:])
	if kind == 0 || kind >= kinds || used <= 0 || n > uint64(len(r)-recordHead-used) || n > MaxValue {
		return false
	}
	if int(binary.LittleEndian.Uint16(r[2:])) >= len(t.sources) {
		return false
	}
	text := binary.LittleEndian.Uint32(r[8:])
	if text == 0 {
		return true
	}
	if uint64(text) >= uint64(len(t.texts)) {
		return false
	}
	size, used := binary.Uvarint(t.texts[text:])
	return used > 0 && size <= uint64(len(t.texts)-int(text)-used)
}

func (t *Table) confidence(at uint32) byte { return t.records[at+1] }

// equal reports whether two records are of one source and one value.
func (t *Table) equal(a, b uint32) bool {
	x, y := t.entryAt(a), t.entryAt(b)
	return x.kind == y.kind && x.subdomains == y.subdomains && bytes.Equal(x.key, y.key) &&
		bytes.Equal(t.records[a+2:a+4], t.records[b+2:b+4])
}

// entryAt reads the key of a record, which is a part of the mapping.
func (t *Table) entryAt(at uint32) entry {
	r := t.records[at:]
	n, used := binary.Uvarint(r[recordHead:])
	from := recordHead + used
	return entry{kind: Kind(r[0] &^ flagSubdomains), subdomains: r[0]&flagSubdomains != 0, key: r[from : from+int(n)]}
}

// indicatorAt reads a whole record; nothing of it is part of the mapping.
func (t *Table) indicatorAt(at uint32) Indicator {
	r, e := t.records[at:], t.entryAt(at)
	i := Indicator{
		Kind: e.kind, Value: e.text(), Subdomains: e.subdomains, Confidence: r[1],
		Source: t.sources[binary.LittleEndian.Uint16(r[2:])],
	}
	expires := binary.LittleEndian.Uint32(r[4:])
	if expires != 0 {
		i.Expires = time.Unix(int64(expires), 0).UTC()
	}
	text := binary.LittleEndian.Uint32(r[8:])
	if text != 0 {
		n, used := binary.Uvarint(t.texts[text:])
		i.Description = string(t.texts[int(text)+used : int(text)+used+int(n)])
	}
	return i
}

func (t *Table) entries() iter.Seq2[entry, Indicator] {
	return func(yield func(entry, Indicator) bool) {
		defer runtime.KeepAlive(t)
		for i := 0; i < len(t.slots); i += 8 {
			at := binary.LittleEndian.Uint32(t.slots[i+4:])
			if !yield(t.entryAt(at), t.indicatorAt(at)) {
				return
			}
		}
	}
}

// All yields the indicators in no order that means anything.
func (t *Table) All() iter.Seq[Indicator] {
	return func(yield func(Indicator) bool) {
		for _, i := range t.entries() {
			if !yield(i) {
				return
			}
		}
	}
}

// Len is the number of entries, Bytes the size of the file.
func (t *Table) Len() int     { return int(t.h.Count) }
func (t *Table) Bytes() int64 { return t.size }

// Has reports whether there are entries of the kind: a digest that nothing
// is compared with need not be computed.
func (t *Table) Has(k Kind) bool { return t.h.Kinds[k] > 0 }

// Count is how many entries there are of the kind.
func (t *Table) Count(k Kind) int { return int(t.h.Kinds[k]) }

// Created is when the table was written.
func (t *Table) Created() time.Time {
	if t.h.Created == 0 {
		return time.Time{}
	}
	return time.Unix(t.h.Created, 0).UTC()
}
