package decode

import (
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/hostos"
)

// Limits of the defragmenter. An attacker sends first fragments for nothing,
// so all three are hard.
const (
	// maxDatagrams is how many packets may wait for fragments at a time.
	maxDatagrams = 4096
	// maxFragBytes is the memory of all waiting fragments.
	maxFragBytes = 16 << 20
	// maxFragments is more than a packet of 64 KiB has at the smallest MTU
	// (RFC 791: 68 bytes) that is seen in practice, 576.
	maxFragments = 1024
	maxDatagram  = 65535
	// pieceCost is what is remembered of a fragment beside its bytes.
	pieceCost = 16
	// fragTimeout is RFC 8200 §4.5's reassembly time, and Suricata's.
	fragTimeout = 60 * time.Second
)

type fragKey struct {
	src, dst netip.Addr
	id       uint32
	proto    uint8
	vlan     [MaxVLANs]uint16
}

type fragment struct {
	key    fragKey
	offset int
	more   bool
	data   []byte
	next   uint8
	at     time.Time
}

// datagram is a packet being put together: its bytes, and by units of eight
// which fragment they are of, counted from 1. Of fragments that overlap the
// receiver's policy decides (RFC 5722 forbids overlaps for IPv6; there the
// packet is refused).
type datagram struct {
	data []byte
	of   []uint16
	sent []hostos.Piece
	// cost is the memory that is taken.
	cost  int
	units int
	total int
	count int
	next  uint8
	last  time.Time
}

type defragmenter struct {
	open  map[fragKey]*datagram
	order []fragKey
	bytes int
	hosts *hostos.Table
	// overlapped is true when the fragment added last overlaps another.
	overlapped bool
}

func newDefragmenter(hosts *hostos.Table) *defragmenter {
	return &defragmenter{open: make(map[fragKey]*datagram), hosts: hosts}
}

// add keeps the fragment and returns the packet's payload and protocol when
// it is whole.
func (d *defragmenter) add(f fragment) ([]byte, uint8, Reason) {
	end := f.offset + len(f.data)
	d.overlapped = false
	if len(f.data) == 0 || end > maxDatagram || f.more && len(f.data)%8 != 0 {
		return nil, 0, ReasonFragment
	}
	d.expire(f.at)
	g := d.open[f.key]
	if g == nil {
		if !d.room(end) {
			return nil, 0, ReasonFragLimit
		}
		g = &datagram{total: -1}
		d.open[f.key] = g
		d.order = append(d.order, f.key)
	}
	g.last = f.at
	g.count++
	if g.count > maxFragments || d.bytes+max(0, end-len(g.data)) > maxFragBytes {
		d.drop(f.key)
		return nil, 0, ReasonFragLimit
	}
	if !d.place(g, f, end) {
		d.drop(f.key)
		return nil, 0, ReasonFragment
	}
	if g.total < 0 || g.units < (g.total+7)/8 {
		return nil, 0, ReasonNone
	}
	whole, proto := g.data[:g.total], g.next
	d.drop(f.key)
	return whole, proto, ReasonNone
}

// place copies the parts of the fragment that are not there yet, or that take
// the place of others.
func (d *defragmenter) place(g *datagram, f fragment, end int) bool {
	if !f.more {
		if g.total >= 0 && g.total != end {
			return false
		}
		g.total = end
	}
	if g.total >= 0 && end > g.total {
		return false
	}
	cost := pieceCost
	if end > len(g.data) {
		cost += (end - len(g.data)) * 5 / 4
		g.data = append(g.data, make([]byte, end-len(g.data))...)
		g.of = append(g.of, make([]uint16, (end+7)/8-len(g.of))...)
	}
	if f.offset == 0 || f.key.proto != extFragment {
		g.next = f.next
		if f.key.proto != extFragment {
			g.next = f.key.proto
		}
	}
	g.cost += cost
	d.bytes += cost
	piece := hostos.Piece{From: int64(f.offset), To: int64(end)}
	g.sent = append(g.sent, piece)
	for at := f.offset; at < end; at += 8 {
		of := &g.of[at/8]
		if *of == 0 {
			g.units++
		} else {
			d.overlapped = true
			if f.key.proto == extFragment {
				return false
			}
			if !d.hosts.Of(f.key.dst).Fragment(piece, g.sent[*of-1]) {
				continue
			}
		}
		*of = uint16(len(g.sent))
		copy(g.data[at:min(at+8, end)], f.data[at-f.offset:])
	}
	return true
}

// room makes place for one more datagram by giving up the oldest ones.
func (d *defragmenter) room(need int) bool {
	for len(d.open) >= maxDatagrams || d.bytes+need > maxFragBytes {
		if len(d.order) == 0 {
			return false
		}
		d.drop(d.order[0])
	}
	return true
}

func (d *defragmenter) expire(now time.Time) {
	for len(d.order) > 0 {
		g := d.open[d.order[0]]
		if g != nil && now.Sub(g.last) < fragTimeout {
			return
		}
		d.drop(d.order[0])
	}
}

func (d *defragmenter) drop(key fragKey) {
	g := d.open[key]
	if g != nil {
		d.bytes -= g.cost
		delete(d.open, key)
	}
	for i, k := range d.order {
		if k == key {
			d.order = append(d.order[:i], d.order[i+1:]...)
			return
		}
	}
}
