package eve

import (
	"time"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
)

// Flow writes a flow record at the end of a flow.
func (w *Writer) Flow(h *Header, f *flow.Flow, alerted bool) []byte {
	e := w.begin(h)
	e.open("flow")
	e.counts(f)
	e.time("start", f.Start)
	e.time("end", f.Last)
	e.int("age", int64(f.Last.Sub(f.Start)/time.Second))
	e.string("state", f.State.String())
	e.string("reason", string(f.Reason))
	e.bool("alerted", alerted)
	e.close()
	if f.Proto == decode.ProtoTCP {
		e.tcp(f)
	}
	return w.finish()
}

func (e *encoder) counts(f *flow.Flow) {
	e.uint("pkts_toserver", f.Count[flow.ToServer].Packets)
	e.uint("pkts_toclient", f.Count[flow.ToClient].Packets)
	e.uint("bytes_toserver", f.Count[flow.ToServer].Bytes)
	e.uint("bytes_toclient", f.Count[flow.ToClient].Bytes)
}

// flowPart is the flow object inside an alert.
func (e *encoder) flowPart(f *flow.Flow) {
	e.open("flow")
	e.counts(f)
	e.time("start", f.Start)
	e.addr("src_ip", f.Client.Addr())
	e.addr("dest_ip", f.Server.Addr())
	if f.Proto == decode.ProtoTCP || f.Proto == decode.ProtoUDP {
		e.uint("src_port", uint64(f.Client.Port()))
		e.uint("dest_port", uint64(f.Server.Port()))
	}
	e.close()
}

func (e *encoder) tcp(f *flow.Flow) {
	e.open("tcp")
	both := f.TCPFlags[0] | f.TCPFlags[1]
	e.flags("tcp_flags", both)
	e.flags("tcp_flags_ts", f.TCPFlags[flow.ToServer])
	e.flags("tcp_flags_tc", f.TCPFlags[flow.ToClient])
	names := [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}
	for _, i := range [...]int{1, 0, 2, 3, 4, 5, 6, 7} {
		if both&(1<<i) != 0 {
			e.bool(names[i], true)
		}
	}
	e.string("state", tcpState(f))
	e.close()
}

func (e *encoder) flags(name string, v uint8) {
	e.key(name)
	e.b = append(e.b, '"', hexDigits[v>>4], hexDigits[v&15], '"')
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
