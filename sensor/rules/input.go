package rules

import (
	"net/netip"
	"time"
)

// IP protocol numbers as Input.Proto carries them.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// View says which unit of traffic an Input presents.
type View uint8

// The three views. A rule is judged in the view in which Suricata would
// inspect it: on one packet, on reassembled TCP data, or on a transaction.
const (
	ViewPacket View = iota
	ViewStream
	ViewTransaction
	viewCount
)

func (v View) String() string {
	return [...]string{ViewPacket: "packet", ViewStream: "stream", ViewTransaction: "transaction"}[v]
}

// Input is one unit of traffic to judge. The engine keeps no reference to it
// after Inspect returns, except to Flow.
type Input struct {
	// Time is the packet's time; thresholds count in it.
	Time time.Time
	// Proto is the IP protocol number.
	Proto uint8
	// Src and Dst are those of the packet: with ToServer false, Src is the
	// server. ICMP has port 0.
	Src, Dst netip.AddrPort
	// ToServer is true for the direction of the flow's first packet.
	ToServer bool
	// Established is true when the TCP handshake is complete or, for UDP,
	// when both sides have spoken.
	Established bool
	// View says what Payload and Buffers hold.
	View View
	// Unit numbers the transaction (ViewTransaction) or stream piece
	// (ViewStream) inside its flow: a rule alerts at most once on a unit, so
	// the same unit may be shown again when it has grown.
	Unit uint64
	// AppProto is the flow's application protocol when known: http, dns, tls,
	// ssh, smb, ftp, smtp.
	AppProto string
	// Payload is the packet's transport payload, the stream's bytes or, for a
	// transaction, the raw bytes behind it if the caller has them (rules that
	// mix a sticky buffer and plain content need it).
	Payload []byte
	// StreamOffset is, for ViewStream, how many bytes of the stream came before
	// Payload, so that offset and depth count from the stream's start and not
	// from the piece's.
	StreamOffset uint64
	// Fresh is, for ViewStream, how many bytes at the end of Payload were not
	// shown before: a rule that alerted on the unit alerts again when they match
	// by themselves.
	Fresh int
	// Trail is, for ViewStream, what the engine remembers of Payload's bytes
	// that were shown before; nil remembers nothing. For ViewPacket it is that of
	// the stream if the stream has taken just this payload, at StreamOffset, and
	// has shown it.
	Trail *Trail
	// Buffers are the transaction's fields. Nil outside ViewTransaction.
	Buffers *Buffers
	// File is true when the fields are of a file that ended.
	File bool
	// TCPFlags is the TCP header's flag byte.
	TCPFlags uint8
	// IP and Transport are the packet's IP header and its transport header
	// with what follows, for the tests on header fields. Nil outside
	// ViewPacket.
	IP, Transport []byte
	// VLANs are the packet's VLAN numbers, the outermost first.
	VLANs []uint16
	// StreamSize is how far the sequence numbers of client and server have
	// come from their first, SYN and FIN counted.
	StreamSize [2]uint32
	// FlowAge is how long the flow has lasted, FlowPackets and FlowBytes what
	// client and server have sent in it.
	FlowAge                time.Duration
	FlowPackets, FlowBytes [2]uint64
	// Events are what was noticed with this unit, by full name.
	Events []string
	// EventsOnly shows the unit to the rules on its events alone: a packet that
	// is too broken for the others.
	EventsOnly bool
	// AppFailed is true when the flow speaks no known protocol; AppProto is
	// empty then, as it is as long as nothing is known.
	AppFailed bool
	// ICMPType and ICMPCode are read when Proto is ICMP or ICMPv6.
	ICMPType, ICMPCode uint8
	// Flow is the memory of the engine about this flow; nil for a packet
	// without one. One Flow must not be used by two goroutines at once.
	Flow *FlowState
}

// FlowState is what the engine remembers about a flow: its flowbits, the
// units on which a rule has alerted, and whether a pass rule silenced it. The
// zero value is a new flow. The caller keeps it with the flow and drops it
// with the flow; it stays good for an engine that came after (Options.After).
type FlowState struct {
	bits    []uint64
	ipOnly  [2]bool
	passing bool
	// kept is nil in the flows, nearly all, of which nothing else is to be
	// remembered.
	kept *kept
}

// kept is what few flows have.
type kept struct {
	// counters are flowint's.
	counters []uint64
	backoffs []backoff
	// counts are of thresholds by flow, halves of rules over both directions.
	counts []flowCount
	halves []half
	seen   []seenKey
	next   int
}

// keep is what the flow has beside its bits.
func (f *FlowState) keep() *kept {
	if f.kept == nil {
		f.kept = &kept{}
	}
	return f.kept
}

type seenKey struct {
	rule int32
	view View
	unit uint64
}

// maxSeen bounds the memory of alerted units in a flow: 64 entries are 1 KiB,
// more than the alerts any sane flow raises before its units move on.
const maxSeen = 64

// once reports whether the rule has not alerted on the unit before.
func (f *FlowState) once(rule int32, view View, unit uint64) bool {
	k := f.keep()
	key := seenKey{rule, view, unit}
	for _, had := range k.seen {
		if had == key {
			return false
		}
	}
	if len(k.seen) < maxSeen {
		k.seen = append(k.seen, key)
		return true
	}
	k.seen[k.next] = key
	k.next = (k.next + 1) % maxSeen
	return true
}

func (f *FlowState) bit(i int) bool {
	return i>>6 < len(f.bits) && f.bits[i>>6]&(1<<(i&63)) != 0
}

func (f *FlowState) setBit(i int, on bool) {
	for i>>6 >= len(f.bits) {
		if !on {
			return
		}
		f.bits = append(f.bits, 0)
	}
	if on {
		f.bits[i>>6] |= 1 << (i & 63)
		return
	}
	f.bits[i>>6] &^= 1 << (i & 63)
}
