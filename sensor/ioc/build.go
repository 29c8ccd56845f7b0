package ioc

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/antin-gov/antin/internal/atomicfile"
)

// Builder collects indicators and writes them as a table.
type Builder struct {
	index   []slot
	records []byte
	texts   []byte
	// interned finds a text that stands already.
	interned map[string]uint32
	sources  []string
	sourceAt map[string]uint16
	// duplicates were given again by the same source.
	duplicates int
}

// slot is an entry of the index before it is written.
type slot struct {
	hash uint64
	at   uint32
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	return &Builder{interned: map[string]uint32{}, sourceAt: map[string]uint16{}, texts: []byte{0}}
}

// Len is how many indicators were added.
func (b *Builder) Len() int { return len(b.index) }

// Add takes an indicator. Private addresses are refused unless private.
func (b *Builder) Add(i Indicator, private bool) error {
	e, err := canonical(i.Kind, i.Value, private)
	if err != nil {
		return err
	}
	e.subdomains = e.subdomains || i.Subdomains && e.kind == KindDomain
	return b.add(e, i)
}

func (b *Builder) add(e entry, i Indicator) error {
	if len(b.index) >= MaxEntries || len(b.records) > maxArea || len(b.texts) > maxArea {
		return fmt.Errorf("%w: %d entries", ErrFull, len(b.index))
	}
	source, ok := b.sourceAt[i.Source]
	if !ok {
		if len(b.sources) >= MaxSources {
			return fmt.Errorf("%w: %d sources", ErrFull, len(b.sources))
		}
		source = uint16(len(b.sources))
		b.sources = append(b.sources, i.Source)
		b.sourceAt[i.Source] = source
	}
	at := uint32(len(b.records))
	var head [recordHead]byte
	head[0] = byte(e.kind)
	if e.subdomains {
		head[0] |= flagSubdomains
	}
	head[1] = min(i.Confidence, 100)
	binary.LittleEndian.PutUint16(head[2:], source)
	if !i.Expires.IsZero() {
		// From 1970 to 2106; what lies outside is cut to its bounds.
		binary.LittleEndian.PutUint32(head[4:], uint32(min(max(i.Expires.Unix(), 1), 1<<32-1)))
	}
	binary.LittleEndian.PutUint32(head[8:], b.text(i.Description))
	b.records = append(b.records, head[:]...)
	b.records = binary.AppendUvarint(b.records, uint64(len(e.key)))
	b.records = append(b.records, e.key...)
	b.index = append(b.index, slot{hashOf(e.kind, e.key), at})
	return nil
}

// text interns a description; 0 is none.
func (b *Builder) text(s string) uint32 {
	if len(s) > MaxDescription {
		s = s[:MaxDescription]
	}
	s = string(bytes.ToValidUTF8([]byte(s), nil))
	if s == "" {
		return 0
	}
	at, ok := b.interned[s]
	if !ok {
		at = uint32(len(b.texts))
		b.texts = binary.AppendUvarint(b.texts, uint64(len(s)))
		b.texts = append(b.texts, s...)
		b.interned[s] = at
	}
	return at
}

// AddTable takes over the entries of a table but those of the sources.
func (b *Builder) AddTable(t *Table, without ...string) error {
	for e, i := range t.entries() {
		if slices.Contains(without, i.Source) {
			continue
		}
		err := b.add(e, i)
		if err != nil {
			return err
		}
	}
	return nil
}

// finish sorts the index and takes out what a source says twice: the surer
// and later word stays.
func (b *Builder) finish() {
	area := &Table{records: b.records}
	slices.SortFunc(b.index, func(x, y slot) int {
		if x.hash != y.hash {
			return cmp.Compare(x.hash, y.hash)
		}
		return cmp.Compare(area.confidence(y.at), area.confidence(x.at))
	})
	kept := b.index[:0]
	for _, s := range b.index {
		same, double := 0, false
		for j := len(kept) - 1; j >= 0 && kept[j].hash == s.hash; j-- {
			same++
			double = double || area.equal(kept[j].at, s.at)
		}
		if double || same >= maxSame {
			b.duplicates++
			continue
		}
		kept = append(kept, s)
	}
	b.index = kept
}

// WriteFile puts the table in place of the file: written beside it, on disk,
// then renamed, so that a reader sees the old one or the new one.
func (b *Builder) WriteFile(path string, now time.Time) error {
	err := os.MkdirAll(filepath.Dir(path), 0o750)
	if err != nil {
		return fmt.Errorf("write indicators: %w", err)
	}
	err = atomicfile.Write(path, 0o640, func(f *os.File) error { return b.writeTo(f, now) })
	if err != nil {
		return fmt.Errorf("write indicators: %w", err)
	}
	return nil
}

func (b *Builder) writeTo(f io.WriteSeeker, now time.Time) error {
	b.finish()
	h := header{Version: tableVersion, Count: uint64(len(b.index)), Created: now.Unix()}
	copy(h.Magic[:], tableMagic)
	// Two to four entries a bucket.
	h.Bits = uint32(max(bits.Len(uint(len(b.index)))-2, 0))
	area := &Table{records: b.records}
	for _, s := range b.index {
		e := area.entryAt(s.at)
		h.Kinds[e.kind]++
		if e.kind == KindNetwork {
			h.widths(len(e.key) == 17)[e.key[len(e.key)-1]/64] |= 1 << (e.key[len(e.key)-1] % 64)
		}
		if e.subdomains {
			h.Subdomains = 1
		}
	}
	_, err := f.Seek(int64(binary.Size(h)), io.SeekStart)
	if err != nil {
		return err
	}
	digest := xxhash.New()
	out := bufio.NewWriterSize(f, 1<<20)
	w := io.MultiWriter(out, digest)
	err = b.writeIndex(w, &h)
	if err != nil {
		return err
	}
	var sources []byte
	for _, s := range b.sources {
		sources = binary.AppendUvarint(sources, uint64(len(s)))
		sources = append(sources, s...)
	}
	h.Sources, h.Records, h.Texts = uint64(len(sources)), uint64(len(b.records)), uint64(len(b.texts))
	for _, part := range [][]byte{sources, b.texts, b.records} {
		_, err = w.Write(part)
		if err != nil {
			return err
		}
	}
	err = out.Flush()
	if err != nil {
		return err
	}
	h.Digest = h.seal(digest.Sum64())
	_, err = f.Seek(0, io.SeekStart)
	if err != nil {
		return err
	}
	return binary.Write(f, binary.LittleEndian, &h)
}

// writeIndex writes the directory of buckets and the slots.
func (b *Builder) writeIndex(w io.Writer, h *header) error {
	var word [4]byte
	put := func(v uint32) error {
		binary.LittleEndian.PutUint32(word[:], v)
		_, err := w.Write(word[:])
		return err
	}
	at := 0
	for bucket := range 1<<h.Bits + 1 {
		for at < len(b.index) && bucketOf(b.index[at].hash, h.Bits) < uint64(bucket) {
			at++
		}
		err := put(uint32(at))
		if err != nil {
			return err
		}
	}
	for _, s := range b.index {
		err := errors.Join(put(uint32(s.hash)), put(s.at))
		if err != nil {
			return err
		}
	}
	return nil
}
