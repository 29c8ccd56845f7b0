package stream

import "github.com/antin-gov/antin/sensor/decode"

// open judges a segment after the handshake.
func (w *Watch) open(dir int, p *decode.Packet, ack, fin bool, out []string) []string {
	if ack && w.invalidAck(dir, p) {
		out = append(out, "pkt_invalid_ack")
		return append(out, w.invalidAckName(fin))
	}
	me, peer := &w.ends[dir], &w.ends[1-dir]
	end := p.Seq + uint32(len(p.Payload)+p.Missing)
	if w.badWindow(me, peer, p, ack, fin) {
		return append(out, "pkt_bad_window_update")
	}
	room := me.acked
	if !me.hasAck {
		room = me.next
	}
	switch {
	case after(end, room+peer.receives()) && peer.receives() > 0:
		return append(out, w.outOfWindowName(fin))
	case len(p.Payload) > 0 && me.hasAck && !after(end, me.acked) && !keepAlive(me, p):
		out = append(out, "pkt_retransmission")
		switch w.state {
		case watchEstablished:
			out = append(out, "est_pkt_before_last_ack")
		case watchCloseWait:
			out = append(out, "closewait_pkt_before_last_ack")
		}
	case len(p.Payload) > 0 && !after(end, me.next) && !keepAlive(me, p):
		out = append(out, "pkt_retransmission")
	}
	if len(p.Payload) > 0 && me.hasAck && after(me.acked, p.Seq) && !keepAlive(me, p) {
		out = append(out, "reassembly_segment_before_base_seq")
	}
	out = w.overlap(dir, p.Seq, p.Payload, out)
	if w.state != watchEstablished && w.state != watchCloseWait {
		wrong := len(p.Payload) == 0 && p.Seq != me.next && after(p.Seq, me.next)
		if name := w.wrongSeqName(fin); wrong && name != "" {
			return append(out, name)
		}
	}
	if fin {
		end++
	}
	if after(end, me.next) {
		me.next = end
	}
	w.accept(dir, p, ack)
	w.move(dir, p, ack, fin)
	return out
}

// badWindow is a segment ahead of all that was seen of both sides that takes
// back more of the window than it fills: segments before it are missing, and
// a window that small was not offered after them.
func (w *Watch) badWindow(me, peer *watchEnd, p *decode.Packet, ack, fin bool) bool {
	if !ack || fin || w.state != watchEstablished {
		return false
	}
	window := uint32(p.Window) << me.scale
	return window < me.receives() && me.receives()-window > uint32(len(p.Payload)) &&
		after(p.Ack, peer.next) && after(p.Seq, me.next)
}

// keepAlive is RFC 9293 §3.8.4: one byte or none before what is next.
func keepAlive(me *watchEnd, p *decode.Packet) bool {
	return len(p.Payload) <= 1 && p.Seq == me.next-1
}

// receives is the window that a side offers.
func (e *watchEnd) receives() uint32 { return e.window << e.scale }

// invalidAck is an acknowledgement of what the other side has not sent, or
// far before what it has been told already.
func (w *Watch) invalidAck(dir int, p *decode.Packet) bool {
	peer, me := &w.ends[1-dir], &w.ends[dir]
	if after(p.Ack, peer.next) && after(p.Ack, peer.acked+max(me.receives(), 1<<16)) {
		return true
	}
	return peer.hasAck && after(peer.acked-max(me.receives(), 1<<16), p.Ack)
}

func (w *Watch) invalidAckName(fin bool) string {
	switch w.state {
	case watchFin1:
		return "fin1_invalid_ack"
	case watchFin2:
		return "fin2_invalid_ack"
	case watchCloseWait:
		return "closewait_invalid_ack"
	case watchClosing:
		return "closing_invalid_ack"
	case watchLastAck:
		return "lastack_invalid_ack"
	case watchTimeWait:
		return "timewait_invalid_ack"
	}
	if fin {
		return "fin_invalid_ack"
	}
	return "est_invalid_ack"
}

func (w *Watch) outOfWindowName(fin bool) string {
	if w.state == watchCloseWait {
		if fin {
			return "closewait_fin_out_of_window"
		}
		return "closewait_ack_out_of_window"
	}
	if w.state != watchEstablished {
		name := w.wrongSeqName(fin)
		if name != "" {
			return name
		}
	}
	if fin {
		return "fin_out_of_window"
	}
	return "est_packet_out_of_window"
}

func (w *Watch) wrongSeqName(fin bool) string {
	switch w.state {
	case watchFin1:
		if fin {
			return "fin1_fin_wrong_seq"
		}
		return "fin1_ack_wrong_seq"
	case watchFin2:
		if fin {
			return "fin2_fin_wrong_seq"
		}
		return "fin2_ack_wrong_seq"
	case watchClosing:
		return "closing_ack_wrong_seq"
	case watchLastAck:
		return "lastack_ack_wrong_seq"
	case watchTimeWait:
		return "timewait_ack_wrong_seq"
	}
	return ""
}

// accept takes over acknowledgement and window.
func (w *Watch) accept(dir int, p *decode.Packet, ack bool) {
	me, peer := &w.ends[dir], &w.ends[1-dir]
	me.window = uint32(p.Window)
	if !me.hasScale || !peer.hasScale {
		me.scale = 0
	}
	if ack && (!peer.hasAck || after(p.Ack, peer.acked)) {
		peer.acked, peer.hasAck = p.Ack, true
	}
}

// move goes to the next state.
func (w *Watch) move(dir int, p *decode.Packet, ack, fin bool) {
	finAcked := ack && !after(w.ends[1-dir].next, p.Ack)
	switch w.state {
	case watchEstablished:
		if !fin {
			return
		}
		w.finBy = dir
		w.state = watchFin1
		if dir == 0 {
			// The server's state, as the client's is FIN-WAIT.
			w.state = watchCloseWait
		}
	case watchFin1:
		switch {
		case dir == w.finBy:
		case fin && finAcked:
			w.state = watchTimeWait
		case fin:
			w.state = watchClosing
		case finAcked:
			w.state = watchFin2
		}
	case watchCloseWait, watchFin2:
		if fin && dir != w.finBy {
			w.state = watchLastAck
		}
	case watchLastAck, watchClosing:
		if finAcked {
			w.state = watchTimeWait
		}
	}
}
