// Package flow keeps the table of conversations: who speaks with whom since
// when, how much, in which state, and why it ended.
//
// The table is bounded; when it is full the flow idle for longest is ended
// with reason "forced" and counted. Times are those of the packets, so a
// capture file is judged as if it were live. Flows carry a Community ID
// (github.com/corelight/community-id-spec, version 1). Not here: reassembly
// and protocols.
package flow

import (
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
)

// State is how far the conversation has come.
type State uint8

// The states, as EVE's flow.state names them.
const (
	StateNew State = iota
	StateEstablished
	StateClosed
)

// String returns EVE's name of the state.
func (s State) String() string {
	switch s {
	case StateEstablished:
		return "established"
	case StateClosed:
		return "closed"
	}
	return "new"
}

// Reason says why a flow ended, as EVE's flow.reason names it.
type Reason string

// The reasons.
const (
	ReasonTimeout  Reason = "timeout"
	ReasonForced   Reason = "forced"
	ReasonShutdown Reason = "shutdown"
	ReasonReuse    Reason = "tcp_reuse"
)

// Direction of a packet within its flow.
type Direction uint8

// The two directions.
const (
	ToServer Direction = iota
	ToClient
)

// Reverse is the other direction.
func (d Direction) Reverse() Direction { return 1 - d }

// String returns EVE's name of the direction.
func (d Direction) String() string {
	if d == ToServer {
		return "to_server"
	}
	return "to_client"
}

// Count is what one direction carried.
type Count struct {
	Packets, Bytes uint64
}

// Hops are bounds of the time to live (RFC 791 §3.1) or hop limit (RFC 8200 §3).
type Hops struct{ Least, Most uint8 }

// Flow is one conversation. Client is who sent its first packet.
type Flow struct {
	ID             uint64
	Client, Server netip.AddrPort
	Proto          uint8
	VLANs          [decode.MaxVLANs]uint16
	VLANLen        uint8
	// ICMPType and ICMPCode are those of the first packet.
	ICMPType, ICMPCode uint8

	State       State
	Start, Last time.Time
	Count       [2]Count
	// TCPFlags are all flags seen, by direction.
	TCPFlags [2]uint8
	// TTL are the least and the most hops that packets had left, by direction.
	TTL [2]Hops
	// Midstream is true when the flow's first TCP packet was no SYN.
	Midstream bool
	Reason    Reason
	// Ext belongs to the table's user.
	Ext any

	// ReplyType and ReplyCode are those of the first ICMP message to the client.
	ReplyType, ReplyCode uint8

	key         key
	communityID string
	fins        uint8
	swapped     bool
	class       class
	prev, next  *Flow
}

// CommunityID is the flow's Community ID, version 1 with seed 0.
func (f *Flow) CommunityID() string {
	if f.communityID == "" {
		f.communityID = communityID(f)
	}
	return f.communityID
}

// Direction says which way a packet with this source goes.
func (f *Flow) Direction(src netip.AddrPort) Direction {
	if src == f.Client {
		return ToServer
	}
	return ToClient
}

// Swap exchanges client and server: for a flow whose first packet turned out
// to be an answer.
func (f *Flow) Swap() {
	f.swapped = !f.swapped
	f.Client, f.Server = f.Server, f.Client
	f.Count[0], f.Count[1] = f.Count[1], f.Count[0]
	f.TCPFlags[0], f.TCPFlags[1] = f.TCPFlags[1], f.TCPFlags[0]
	f.TTL[0], f.TTL[1] = f.TTL[1], f.TTL[0]
	f.fins = f.fins>>1&1 | f.fins<<1&2
}

// Swapped is true while client and server stand exchanged by Swap.
func (f *Flow) Swapped() bool { return f.swapped }

// icmpPort gives request and answer of the same kind one key: the port is the
// request's type, as Suricata has it.
func icmpPort(p *decode.Packet) uint16 {
	peer, ok := icmpPeer(p.Proto, p.ICMPType)
	if ok {
		return uint16(min(p.ICMPType, peer))
	}
	return uint16(p.ICMPType)
}

// countHops comes before the packet is counted.
func (f *Flow) countHops(p *decode.Packet, dir Direction) {
	at := 8
	if p.Version == 6 {
		at = 7
	}
	if len(p.IP) <= at {
		return
	}
	left, h := p.IP[at], &f.TTL[dir]
	if f.Count[dir].Packets == 0 || left < h.Least {
		h.Least = left
	}
	h.Most = max(h.Most, left)
}

// observe adds a packet to the flow's counts and moves its state.
func (f *Flow) observe(p *decode.Packet, dir Direction) {
	if p.Time.After(f.Last) {
		// A packet with an older time, as in a merged capture, makes no flow idle.
		f.Last = p.Time
	}
	if dir == ToClient && f.Count[dir].Packets == 0 {
		f.ReplyType, f.ReplyCode = p.ICMPType, p.ICMPCode
	}
	f.countHops(p, dir)
	f.Count[dir].Packets++
	f.Count[dir].Bytes += uint64(p.WireLength)
	if p.Proto != decode.ProtoTCP {
		if f.State == StateNew && f.Count[0].Packets > 0 && f.Count[1].Packets > 0 {
			f.State = StateEstablished
		}
		return
	}
	f.TCPFlags[dir] |= p.Flags
	switch {
	case p.Flags&decode.RST != 0:
		f.State = StateClosed
	case p.Flags&decode.FIN != 0:
		f.fins |= 1 << dir
		if f.fins == 3 {
			f.State = StateClosed
		}
	case f.State == StateNew && p.Flags&decode.ACK != 0 && p.Flags&decode.SYN == 0:
		// The third packet of the handshake, or any of a midstream flow.
		f.State = StateEstablished
	}
}
