package eve

import (
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/flow"
)

// Flow writes a flow record at the end of a flow, with the number of the
// application's transactions.
func (w *Writer) Flow(h *Header, f *flow.Flow, transactions uint64, alerted bool) []byte {
	e := w.begin(h)
	if (f.Proto == decode.ProtoICMP || f.Proto == decode.ProtoICMPv6) && f.Count[flow.ToClient].Packets > 0 {
		e.Uint("response_icmp_type", uint64(f.ReplyType))
		e.Uint("response_icmp_code", uint64(f.ReplyCode))
	}
	e.Open("flow")
	e.counts(f)
	e.Time("start", f.Start)
	e.Time("end", f.Last)
	e.Int("age", f.Last.Unix()-f.Start.Unix())
	e.String("state", f.State.String())
	e.String("reason", string(f.Reason))
	e.Bool("alerted", alerted)
	if transactions > 0 {
		e.Uint("tx_cnt", transactions)
	}
	e.Close()
	if f.Proto == decode.ProtoTCP {
		e.tcp(f)
	}
	return w.finish()
}

// Netflow writes what one direction of a flow carried, at the flow's end.
func (w *Writer) Netflow(h *Header, f *flow.Flow, dir flow.Direction, transactions uint64) []byte {
	e := w.begin(h)
	e.Open("netflow")
	e.Uint("pkts", f.Count[dir].Packets)
	e.Uint("bytes", f.Count[dir].Bytes)
	e.Time("start", f.Start)
	e.Time("end", f.Last)
	e.Int("age", f.Last.Unix()-f.Start.Unix())
	e.Uint("min_ttl", uint64(f.TTL[dir].Least))
	e.Uint("max_ttl", uint64(f.TTL[dir].Most))
	if transactions > 0 {
		e.Uint("tx_cnt", transactions)
	}
	e.Close()
	if f.Proto == decode.ProtoTCP {
		e.Open("tcp")
		e.flags("tcp_flags", f.TCPFlags[dir])
		e.flagNames(f.TCPFlags[dir])
		e.Close()
	}
	return w.finish()
}

func (e *encoder) counts(f *flow.Flow) {
	e.Uint("pkts_toserver", f.Count[flow.ToServer].Packets)
	e.Uint("pkts_toclient", f.Count[flow.ToClient].Packets)
	e.Uint("bytes_toserver", f.Count[flow.ToServer].Bytes)
	e.Uint("bytes_toclient", f.Count[flow.ToClient].Bytes)
}

// flowPart is the flow object inside an alert.
func (e *encoder) flowPart(f *flow.Flow) {
	e.Open("flow")
	e.counts(f)
	e.Time("start", f.Start)
	e.Addr("src_ip", f.Client.Addr())
	e.Addr("dest_ip", f.Server.Addr())
	if f.Proto == decode.ProtoTCP || f.Proto == decode.ProtoUDP {
		e.Uint("src_port", uint64(f.Client.Port()))
		e.Uint("dest_port", uint64(f.Server.Port()))
	}
	e.Close()
}

func (e *encoder) tcp(f *flow.Flow) {
	e.Open("tcp")
	both := f.TCPFlags[0] | f.TCPFlags[1]
	e.flags("tcp_flags", both)
	e.flags("tcp_flags_ts", f.TCPFlags[flow.ToServer])
	e.flags("tcp_flags_tc", f.TCPFlags[flow.ToClient])
	e.flagNames(both)
	e.String("state", tcpState(f))
	e.Close()
}

// flagNames tells the flags one by one, in Suricata's order.
func (e *encoder) flagNames(flags uint8) {
	names := [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}
	for _, i := range [...]int{1, 0, 2, 3, 4, 5, 6, 7} {
		if flags&(1<<i) != 0 {
			e.Bool(names[i], true)
		}
	}
}

func (e *encoder) flags(name string, v uint8) {
	e.Key(name)
	e.B = append(e.B, '"', encode.LowerDigits[v>>4], encode.LowerDigits[v&15], '"')
}

// tcpState names the state of the connection as far as flags tell.
func tcpState(f *flow.Flow) string {
	both := f.TCPFlags[0] | f.TCPFlags[1]
	switch {
	case f.State == flow.StateClosed:
		return "closed"
	case f.State == flow.StateEstablished && f.TCPFlags[0]&decode.FIN != 0:
		return "fin_wait1"
	case f.State == flow.StateEstablished && f.TCPFlags[1]&decode.FIN != 0:
		return "close_wait"
	case f.State == flow.StateEstablished:
		return "established"
	case f.TCPFlags[1]&decode.SYN != 0:
		return "syn_recv"
	case both&decode.SYN != 0:
		return "syn_sent"
	}
	return "none"
}
