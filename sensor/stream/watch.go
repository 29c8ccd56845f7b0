package stream

import (
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/decode"
)

// Watch follows the states of a TCP connection (RFC 9293 §3.3.2) and names
// what does not belong there, as Suricata's stream-event keyword has it. It
// judges only and changes nothing in the reassembly. The zero value is a new
// connection; one that is joined midstream is not judged.
type Watch struct {
	// History, when set, is where segments are kept to be compared with those
	// that overlap them.
	History *History

	state watchState
	ends  [2]watchEnd
	// simultaneous is true after SYNs of both sides crossed; finBy is who
	// closed first.
	simultaneous bool
	finBy        int
	synacks      int
	syns         int
	// resetBy has the sides that reset the connection.
	resetBy [2]bool
	past    [2]*past
	// urgent counts the bytes of each side that went out of band.
	urgent [2]int
}

type watchState uint8

const (
	watchNone watchState = iota
	watchSynSent
	watchSynRecv
	watchEstablished
	watchFin1
	watchFin2
	watchCloseWait
	watchClosing
	watchLastAck
	watchTimeWait
	watchClosed
	watchIgnored
)

type watchEnd struct {
	isn, next, acked uint32
	window           uint32
	scale            uint8
	hasScale         bool
	hasAck           bool
	stamp            uint32
	hasStamp         bool
}

// floodLimit is how many SYNs or SYN/ACKs that differ make a flood, as
// Suricata's max-syn-queued and max-synack-queued are set.
const (
	floodSYN    = 10
	floodSYNACK = 5
)

func after(a, b uint32) bool { return int32(a-b) > 0 }

// See takes a segment of a direction (0 from the client) and appends what is
// wrong with it. Header is the TCP header with its options.
func (w *Watch) See(dir int, p *decode.Packet, out []string) []string {
	syn, ack := p.Flags&decode.SYN != 0, p.Flags&decode.ACK != 0
	fin, rst := p.Flags&decode.FIN != 0, p.Flags&decode.RST != 0
	if syn && fin {
		out = append(out, "fin_syn")
	}
	if w.state == watchIgnored {
		return out
	}
	out = w.urgentData(dir, p, out)
	if w.resetBy[dir] && !rst && !syn {
		// Who has reset the connection does not go on with it.
		w.resetBy[dir] = false
		out = append(out, "suspected_rst_inject")
	}
	if w.state != watchNone && !syn {
		var stale bool
		stale, out = w.timestamp(dir, p, out)
		// A reset counts whatever its time-stamp (RFC 7323 §5.2).
		if stale && !rst {
			return out
		}
	}
	if rst {
		return w.reset(dir, p, out)
	}
	switch w.state {
	case watchNone, watchClosed:
		w.begin(dir, p, syn && !ack)
		if w.state == watchSynSent {
			out = w.overlap(dir, p.Seq+1, p.Payload, out)
		}
		return out
	case watchSynSent:
		return w.synSent(dir, p, syn, ack, out)
	case watchSynRecv:
		return w.synRecv(dir, p, syn, ack, out)
	}
	if syn {
		return w.lateSYN(dir, p, ack, out)
	}
	return w.open(dir, p, ack, fin, out)
}

func (w *Watch) begin(dir int, p *decode.Packet, syn bool) {
	if !syn {
		if w.state == watchNone {
			w.state = watchIgnored
		}
		return
	}
	w.Close()
	*w = Watch{History: w.History, state: watchSynSent}
	w.opens(dir, p)
}

// opens notes a side's SYN.
func (w *Watch) opens(dir int, p *decode.Packet) {
	e := &w.ends[dir]
	*e = watchEnd{isn: p.Seq, next: p.Seq + 1 + uint32(len(p.Payload)+p.Missing), window: uint32(p.Window)}
	if v := decode.TCPOption(p.Transport, 3); len(v) == 1 {
		e.scale, e.hasScale = min(v[0], 14), true
	}
}

// timestamp refuses segments that are older than what came before (RFC 7323
// §5, PAWS).
func (w *Watch) timestamp(dir int, p *decode.Packet, out []string) (bool, []string) {
	v := decode.TCPOption(p.Transport, 8)
	if len(v) != 8 {
		return false, out
	}
	now, e := binary.BigEndian.Uint32(v), &w.ends[dir]
	if e.hasStamp && int32(now-e.stamp) < 0 && e.stamp != 0 {
		return true, append(out, "pkt_invalid_timestamp")
	}
	if !e.hasStamp || !after(p.Seq, e.next) {
		e.stamp, e.hasStamp = now, true
	}
	return false, out
}

func (w *Watch) reset(dir int, p *decode.Packet, out []string) []string {
	if w.state == watchNone || w.state == watchIgnored {
		return out
	}
	peer := &w.ends[1-dir]
	if p.Flags&decode.ACK != 0 && w.state >= watchEstablished && w.invalidAck(dir, p) {
		return append(out, "pkt_invalid_ack", "rst_invalid_ack")
	}
	if w.state == watchSynSent && dir == 1 && p.Flags&decode.ACK != 0 && p.Ack != peer.next {
		return append(out, "pkt_invalid_ack", "rst_invalid_ack")
	}
	w.state = watchClosed
	w.resetBy[dir] = true
	return out
}

// maxUrgent is how many bytes of a side may go out of band.
const maxUrgent = 65535

// urgentData counts the bytes that the urgent pointer takes out of the stream
// (RFC 6093 §3.2): one a segment.
func (w *Watch) urgentData(dir int, p *decode.Packet, out []string) []string {
	if p.Flags&decode.URG == 0 || len(p.Payload) == 0 || len(p.Transport) < 20 || p.Transport[18]|p.Transport[19] == 0 {
		return out
	}
	w.urgent[dir]++
	if w.urgent[dir] == maxUrgent {
		out = append(out, "reassembly_urgent_oob_limit_reached")
	}
	return out
}

func (w *Watch) synSent(dir int, p *decode.Packet, syn, ack bool, out []string) []string {
	switch {
	case syn && ack && w.simultaneous:
		return w.crossed(dir, p, out)
	case syn && ack && dir == 0:
		return append(out, "3whs_synack_in_wrong_direction")
	case syn && ack:
		client := &w.ends[0]
		if p.Ack != client.isn+1 && p.Ack != client.next {
			return append(out, "3whs_synack_with_wrong_ack")
		}
		if p.Ack != client.next {
			// Data with the SYN that the server left out (RFC 7413).
			out = append(out, "3whs_synack_tfo_data_ignored")
			client.next = p.Ack
		}
		w.opens(1, p)
		client.acked, client.hasAck = p.Ack, true
		w.state = watchSynRecv
	case ack && dir == 0 && !syn:
		// The server's side is not seen: only the client's numbers can be judged.
		if p.Seq != w.ends[0].next {
			out = append(out, "3whs_async_wrong_seq")
		}
		w.state = watchIgnored
	case syn && dir == 1:
		w.simultaneous = true
		w.opens(1, p)
	case syn && p.Seq != w.ends[0].isn:
		w.syns++
		if w.syns > floodSYN {
			out = append(out, "3whs_syn_flood")
		}
		w.opens(0, p)
	}
	return out
}

// crossed takes the SYN/ACK after SYNs of both sides (RFC 9293 §3.5, figure
// 8).
func (w *Watch) crossed(dir int, p *decode.Packet, out []string) []string {
	me, peer := &w.ends[dir], &w.ends[1-dir]
	switch {
	case p.Ack != peer.isn+1:
		return append(out, "4whs_synack_with_wrong_ack")
	case p.Seq != me.isn:
		return append(out, "4whs_synack_with_wrong_syn")
	}
	w.state = watchSynRecv
	return out
}

func (w *Watch) synRecv(dir int, p *decode.Packet, syn, ack bool, out []string) []string {
	client, server := &w.ends[0], &w.ends[1]
	switch {
	case w.simultaneous:
		return w.crossedAck(dir, p, out)
	case syn && ack && dir == 0:
		return append(out, "3whs_synack_toserver_on_syn_recv")
	case syn && ack && p.Ack != client.next:
		return append(out, "3whs_synack_resend_with_different_ack")
	case syn && ack && p.Seq != server.isn:
		w.synacks++
		out = append(out, "3whs_synack_resend_with_diff_seq")
		if w.synacks > floodSYNACK {
			out = append(out, "3whs_synack_flood")
		}
		return out
	case syn && ack:
		return out
	case syn && dir == 1:
		return append(out, "3whs_syn_toclient_on_syn_recv")
	case syn && p.Seq != client.isn:
		return append(out, "3whs_syn_resend_diff_seq_on_syn_recv")
	case syn || !ack:
		return out
	case dir == 1:
		return append(out, "3whs_ack_in_wrong_dir")
	}
	rightSeq, rightAck := p.Seq == client.next, p.Ack == server.next
	if !rightAck {
		if len(p.Payload) > 0 && !after(p.Ack, server.next) {
			return append(out, "3whs_ack_data_inject")
		}
		if rightSeq {
			return append(out, "3whs_right_seq_wrong_ack_evasion")
		}
		return append(out, "3whs_wrong_seq_wrong_ack")
	}
	w.state = watchEstablished
	return w.open(dir, p, true, p.Flags&decode.FIN != 0, out)
}

func (w *Watch) crossedAck(dir int, p *decode.Packet, out []string) []string {
	me, peer := &w.ends[dir], &w.ends[1-dir]
	switch {
	case p.Flags&decode.SYN != 0 || p.Flags&decode.ACK == 0:
		return out
	case p.Seq != me.next:
		return append(out, "4whs_wrong_seq")
	case p.Ack != peer.next:
		return append(out, "4whs_invalid_ack")
	}
	w.state = watchEstablished
	return out
}

// lateSYN judges SYNs in a connection that stands.
func (w *Watch) lateSYN(dir int, p *decode.Packet, ack bool, out []string) []string {
	client, server := &w.ends[0], &w.ends[1]
	if w.state != watchEstablished {
		return out
	}
	switch {
	case ack && dir == 0:
		return append(out, "est_synack_toserver")
	case ack && p.Ack != client.isn+1:
		return append(out, "est_synack_resend_with_different_ack")
	case ack && p.Seq != server.isn:
		return append(out, "est_synack_resend_with_diff_seq")
	case ack:
		return append(out, "est_synack_resend")
	case dir == 1:
		return append(out, "est_syn_toclient")
	case p.Seq != client.isn:
		return append(out, "est_syn_resend_diff_seq")
	}
	return append(out, "est_syn_resend")
}
