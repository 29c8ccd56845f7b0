package crl

import (
	"cmp"
	"maps"
	"slices"
)

// entries are the encoded entries of a complete list. A change touches only its
// own entry, so that a list of a hundred thousand is not encoded anew for one
// revocation.
type entries struct {
	revision int64
	// buf holds the entries one after the other; dead bytes of them belong to
	// entries that were replaced.
	buf  []byte
	dead int
	at   map[string]span // by serial number
}

// span is where an entry stands in the buffer.
type span struct{ from, to uint32 }

// maxBuffer keeps offsets in 32 bits.
const maxBuffer = 1 << 31

func newEntries(n int) *entries {
	return &entries{buf: make([]byte, 0, n*40), at: make(map[string]span, n)}
}

// set brings one certificate to its present state.
func (e *entries) set(entry Entry) error {
	key := string(entry.Serial.Bytes())
	old, there := e.at[key]
	if there {
		// A dead entry is a hole: its bytes are skipped when the list is written.
		delete(e.at, key)
		e.dead += int(old.to - old.from)
		clear(e.buf[old.from:old.to])
	}
	if entry.Removed {
		return nil
	}
	der, err := entryDER(entry.Serial, entry.At, entry.Reason)
	if err != nil {
		return err
	}
	if len(e.buf)+len(der) > maxBuffer {
		return ErrConfig
	}
	from := uint32(len(e.buf))
	e.buf = append(e.buf, der...)
	e.at[key] = span{from, uint32(len(e.buf))}
	if e.dead > len(e.buf)/2 {
		e.pack()
	}
	return nil
}

// pack closes the holes.
func (e *entries) pack() {
	keys := slices.SortedFunc(maps.Keys(e.at), func(a, b string) int { return cmp.Compare(e.at[a].from, e.at[b].from) })
	packed := make([]byte, 0, len(e.buf)-e.dead)
	for _, key := range keys {
		old := e.at[key]
		from := uint32(len(packed))
		packed = append(packed, e.buf[old.from:old.to]...)
		e.at[key] = span{from, uint32(len(packed))}
	}
	e.buf, e.dead = packed, 0
}

// pieces are the stretches of living entries in order. A hole is zero bytes; an
// entry begins with the tag of a SEQUENCE, and its length says where it ends.
func (e *entries) pieces() []span {
	var list []span
	for i := uint32(0); int(i) < len(e.buf); {
		if e.buf[i] == 0 {
			i++
			continue
		}
		from := i
		for int(i) < len(e.buf) && e.buf[i] != 0 {
			i += 2 + uint32(e.buf[i+1]) // entries are under 128 bytes
		}
		list = append(list, span{from, i})
	}
	return list
}

// written are the living entries for the writer of lists.
func (e *entries) written() [][]byte {
	if e.dead == 0 {
		return [][]byte{e.buf}
	}
	var out [][]byte
	for _, piece := range e.pieces() {
		out = append(out, e.buf[piece.from:piece.to])
	}
	return out
}

func (e *entries) len() int { return len(e.at) }
