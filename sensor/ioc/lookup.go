package ioc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/cespare/xxhash/v2"
)

// maxLabels is how many endings of a name are looked up.
const maxLabels = 16

// hashOf spreads a key over 64 bits. Values are compared on a hit, so nothing
// rests on its strength.
func hashOf(k Kind, key []byte) uint64 {
	h := xxhash.Sum64(key) + uint64(k)*0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

func bucketOf(hash uint64, bits uint32) uint64 {
	if bits == 0 {
		return 0
	}
	return hash >> (64 - bits)
}

// find looks up one key: the surest entry that has not expired.
func (t *Table) find(k Kind, key []byte, under bool, now time.Time) (uint32, bool) {
	if t.h.Kinds[k] == 0 {
		return 0, false
	}
	hash := hashOf(k, key)
	d := t.directory[4*bucketOf(hash, t.h.Bits):]
	from, to := binary.LittleEndian.Uint32(d), binary.LittleEndian.Uint32(d[4:])
	for i := from; i < to; i++ {
		s := t.slots[8*i:]
		if binary.LittleEndian.Uint32(s) != uint32(hash) {
			continue
		}
		at := binary.LittleEndian.Uint32(s[4:])
		e := t.entryAt(at)
		if e.kind != k || under && !e.subdomains || !bytes.Equal(e.key, key) {
			continue
		}
		expires := binary.LittleEndian.Uint32(t.records[at+4:])
		if expires != 0 && now.Unix() >= int64(expires) {
			continue
		}
		return at, true
	}
	return 0, false
}

// Key looks up one value of a kind in its canonical form: the bytes of a
// digest, the text of a JA4. It allocates on a hit alone, as all look-ups do.
func (t *Table) Key(k Kind, key []byte, now time.Time) (Indicator, bool) {
	defer runtime.KeepAlive(t)
	at, ok := t.find(k, key, false, now)
	if !ok {
		return Indicator{}, false
	}
	return t.indicatorAt(at), true
}

// Address looks up an address, then the networks it is in, the narrowest
// first.
func (t *Table) Address(a netip.Addr, now time.Time) (Indicator, bool) {
	defer runtime.KeepAlive(t)
	if t.h.Kinds[KindAddress]+t.h.Kinds[KindNetwork] == 0 {
		return Indicator{}, false
	}
	a = a.Unmap()
	var buf [17]byte
	size := 4
	if a.Is4() {
		b := a.As4()
		copy(buf[:], b[:])
	} else {
		b := a.As16()
		copy(buf[:], b[:])
		size = 16
	}
	at, ok := t.find(KindAddress, buf[:size], false, now)
	if ok {
		return t.indicatorAt(at), true
	}
	if t.h.Kinds[KindNetwork] == 0 {
		return Indicator{}, false
	}
	widths := t.h.widths(size == 16)
	for bits := 8*size - 1; bits >= 0; bits-- {
		// Downwards, the key only loses bits.
		buf[bits/8] &^= 1 << (7 - bits%8)
		if widths[bits/64]&(1<<(bits%64)) == 0 {
			continue
		}
		buf[size] = byte(bits)
		at, ok = t.find(KindNetwork, buf[:size+1], false, now)
		if ok {
			return t.indicatorAt(at), true
		}
	}
	return Indicator{}, false
}

// Domain looks up a name, then its endings among the entries that take in
// what is under them.
func (t *Table) Domain(name []byte, now time.Time) (Indicator, bool) {
	defer runtime.KeepAlive(t)
	if t.h.Kinds[KindDomain] == 0 || len(name) == 0 || len(name) > maxName {
		return Indicator{}, false
	}
	var buf [maxName + 1]byte
	key := appendLower(buf[:0], name)
	if key[len(key)-1] == '.' {
		key = key[:len(key)-1]
	}
	at, ok := t.find(KindDomain, key, false, now)
	if ok {
		return t.indicatorAt(at), true
	}
	if t.h.Subdomains == 0 {
		return Indicator{}, false
	}
	for range maxLabels {
		dot := bytes.IndexByte(key, '.')
		if dot < 0 {
			break
		}
		key = key[dot+1:]
		at, ok = t.find(KindDomain, key, true, now)
		if ok {
			return t.indicatorAt(at), true
		}
	}
	return Indicator{}, false
}

// URL looks up the address of a request: its host with the port if any, and
// what follows. A URI that is absolute brings its own host.
func (t *Table) URL(host, uri []byte, now time.Time) (Indicator, bool) {
	defer runtime.KeepAlive(t)
	if t.h.Kinds[KindURL] == 0 {
		return Indicator{}, false
	}
	if len(uri) > 0 && uri[0] != '/' {
		at := bytes.Index(uri, []byte("://"))
		if at >= 0 {
			rest := uri[at+3:]
			end := bytes.IndexAny(rest, "/?#")
			if end < 0 {
				end = len(rest)
			}
			host, uri = rest[:end], rest[end:]
		}
	}
	if len(host) == 0 || len(host)+len(uri) > MaxValue {
		return Indicator{}, false
	}
	var buf [MaxValue + 1]byte
	at, ok := t.find(KindURL, appendURL(buf[:0], host, uri), false, now)
	if !ok {
		return Indicator{}, false
	}
	return t.indicatorAt(at), true
}

// Check looks up a text of any kind, as an analyst writes it: all entries
// that it meets, of a digest also those of fingerprints.
func (t *Table) Check(text string, now time.Time) ([]Indicator, error) {
	kind, ok := guess(text)
	if !ok {
		return nil, fmt.Errorf("%w: %.100q is no address, network, domain, URL, digest or JA4", ErrValue, text)
	}
	e, err := canonical(kind, text, true)
	if err != nil {
		return nil, err
	}
	var out []Indicator
	take := func(i Indicator, ok bool) {
		if ok {
			out = append(out, i)
		}
	}
	switch e.kind {
	case KindAddress:
		addr, _ := netip.AddrFromSlice(e.key)
		take(t.Address(addr, now))
	case KindDomain:
		take(t.Domain(e.key, now))
	case KindURL:
		take(t.Key(KindURL, e.key, now))
		host, _, _ := bytes.Cut(e.key, []byte("/"))
		take(t.Domain(host, now))
		addr, err := netip.ParseAddr(string(host))
		if err == nil {
			take(t.Address(addr, now))
		}
	case KindMD5:
		for _, k := range []Kind{KindMD5, KindJA3, KindJA3S} {
			take(t.Key(k, e.key, now))
		}
	default:
		take(t.Key(e.kind, e.key, now))
	}
	return out, nil
}
