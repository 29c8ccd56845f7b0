package flow

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"

	"github.com/antin-gov/antin/sensor/decode"
)

// key names a flow regardless of direction: the lower address and port first.
// VLAN tags are part of it, because the same addresses on two VLANs are two
// networks, and so is the number of tunnels around. It is whole words: it is
// hashed and compared for every packet.
type key struct {
	// a and b are addresses of 16 bytes, those of IPv4 mapped (RFC 4291
	// §2.5.5.2), as big-endian numbers.
	a, b [2]uint64
	// ends are the ports, the protocol, the version and the number of tunnels;
	// vlans the tags.
	ends, vlans uint64
}

// keyOf returns the packet's key.
func keyOf(p *decode.Packet) key {
	k := key{a: words(p.Src), b: words(p.Dst)}
	portA, portB := p.SrcPort, p.DstPort
	if p.Proto == decode.ProtoICMP || p.Proto == decode.ProtoICMPv6 {
		portA = icmpPort(p)
		portB = portA
	}
	if less(k.b, k.a) || k.a == k.b && portB < portA {
		k.a, k.b, portA, portB = k.b, k.a, portB, portA
	}
	k.ends = uint64(portA)<<48 | uint64(portB)<<32 | uint64(p.Proto)<<16 | uint64(p.Version)<<8 | uint64(p.Tunnel.Depth)
	for i, v := range p.VLANs {
		k.vlans |= uint64(v) << (16 * i)
	}
	return k
}

func words(a netip.Addr) [2]uint64 {
	b := a.As16()
	return [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func less(x, y [2]uint64) bool { return x[0] < y[0] || x[0] == y[0] && x[1] < y[1] }

// index finds flows by their keys: open addressing, the next free slot taken.
// A Go map of such keys is three times as large and slower. Its secret keeps
// others from choosing addresses that fall together.
type index struct {
	slots  []slot
	n      int
	secret [7]uint64
}

type slot struct {
	hash uint64
	f    *Flow
}

// leastSlots is how large an index begins; its size is a power of two.
const leastSlots = 1 << 10

func newIndex() index {
	x := index{slots: make([]slot, leastSlots)}
	for i := range x.secret {
		x.secret[i] = rand.Uint64()
	}
	return x
}

func (x *index) hash(k *key) uint64 {
	s := &x.secret
	h := fold(k.a[0]^s[0], k.a[1]^s[1]) ^ fold(k.b[0]^s[2], k.b[1]^s[3]) ^ fold(k.ends^s[4], k.vlans^s[5])
	return fold(h, s[6]|1)
}

// fold multiplies to 128 bits and brings the halves together.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// get returns the flow of a key with its hash, or nil.
func (x *index) get(k *key, hash uint64) *Flow {
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.f == nil {
			return nil
		}
		if s.hash == hash && s.f.key == *k {
			return s.f
		}
	}
}

// put adds a flow that is not there.
func (x *index) put(f *Flow, hash uint64) {
	if 2*x.n >= len(x.slots) {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.f != nil {
				x.place(s)
			}
		}
	}
	x.n++
	x.place(slot{hash, f})
}

func (x *index) place(s slot) {
	mask := uint64(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].f != nil {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

// remove takes a flow out that is there, and moves those after it up that had to
// pass its slot by.
func (x *index) remove(f *Flow) {
	mask := uint64(len(x.slots) - 1)
	i := x.hash(&f.key) & mask
	for x.slots[i].f != f {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; x.slots[j].f != nil; j = (j + 1) & mask {
		home := x.slots[j].hash & mask
		// One that stands between the hole and its own home stays.
		if (j-home)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = slot{}
	x.n--
}
