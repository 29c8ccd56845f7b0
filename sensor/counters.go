package sensor

import (
	"maps"
	"slices"

	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/stream"
)

// Counters are the figures of a run. Received = Processed + Dropped + Invalid.
type Counters struct {
	Received, Processed, Dropped, Invalid uint64
	Bytes                                 uint64
	// Kernel to Filtered are the sources' (capture.Stats).
	Kernel, Freezes, Doubles, Unreadable, Filtered uint64
	// BadChecksum and the reasons are parts of Invalid.
	BadChecksum uint64
	Reasons     map[string]uint64
	// NotIP, FragmentsHeld are parts of Processed.
	NotIP, FragmentsHeld, Defragmented uint64
	// Tunnelled are packets found inside others; they are counted here alone.
	Tunnelled uint64
	// Truncated are frames of which the capture took a part.
	Truncated                  uint64
	ParserPanics, ParserErrors uint64
	// Alerts were recorded; Suppressed were kept back by a rule's threshold.
	Alerts, Suppressed uint64
	Events             map[string]uint64
	Kinds              PacketKinds
	Flows              FlowKinds
	Apps               map[AppKey]AppCounts
	Flow               flow.Stats
	Stream             stream.Stats
	Files              files.StoreStats
	Ranges             files.RangeStats
}

func (c *Counters) add(o Counters) {
	c.Received += o.Received
	c.Processed += o.Processed
	c.Dropped += o.Dropped
	c.Invalid += o.Invalid
	c.Bytes += o.Bytes
	c.Kernel += o.Kernel
	c.Freezes += o.Freezes
	c.Doubles += o.Doubles
	c.Unreadable += o.Unreadable
	c.Filtered += o.Filtered
	c.BadChecksum += o.BadChecksum
	c.NotIP += o.NotIP
	c.FragmentsHeld += o.FragmentsHeld
	c.Defragmented += o.Defragmented
	c.Tunnelled += o.Tunnelled
	c.Truncated += o.Truncated
	c.ParserPanics += o.ParserPanics
	c.ParserErrors += o.ParserErrors
	c.Alerts += o.Alerts
	c.Files = files.StoreStats{Stored: max(c.Files.Stored, o.Files.Stored), Refused: max(c.Files.Refused, o.Files.Refused)}
	// What follows is shared: each worker reports all of it.
	c.Ranges = files.RangeStats{
		Whole: max(c.Ranges.Whole, o.Ranges.Whole), Expired: max(c.Ranges.Expired, o.Ranges.Expired),
		Evicted: max(c.Ranges.Evicted, o.Ranges.Evicted), Waiting: max(c.Ranges.Waiting, o.Ranges.Waiting),
		Bytes: max(c.Ranges.Bytes, o.Ranges.Bytes),
	}
	c.Suppressed = max(c.Suppressed, o.Suppressed)
	c.Flow.Created += o.Flow.Created
	c.Flow.TimedOut += o.Flow.TimedOut
	c.Flow.Forced += o.Flow.Forced
	c.Flow.Active += o.Flow.Active
	c.Stream.Gaps += o.Stream.Gaps
	c.Stream.GapBytes += o.Stream.GapBytes
	c.Stream.OutOfOrder += o.Stream.OutOfOrder
	c.Stream.Retransmitted += o.Stream.Retransmitted
	c.Stream.OutOfWindow += o.Stream.OutOfWindow
	c.Stream.DepthReached += o.Stream.DepthReached
	c.Stream.MemoryRefused += o.Stream.MemoryRefused
	c.Stream.Waiting += o.Stream.Waiting
	c.Stream.Highest = max(c.Stream.Highest, o.Stream.Highest)
	c.Kinds.add(&o.Kinds)
	c.Flows.add(&o.Flows)
	c.Apps = addApps(c.Apps, o.Apps)
	c.Reasons = sum(c.Reasons, o.Reasons)
	c.Events = sum(c.Events, o.Events)
}

func sum(into, from map[string]uint64) map[string]uint64 {
	if into == nil {
		into = make(map[string]uint64, len(from))
	}
	for k, v := range from {
		into[k] += v
	}
	return into
}

// list is the figures of a stats record in its order: those that Suricata 8
// has by its names, and our own.
func (c *Counters) list() (figures, own []eve.Counter) {
	apps, ownApps := appFigures(c.Apps)
	pkts := c.Processed + c.Invalid
	average := uint64(0)
	if pkts > 0 {
		average = c.Bytes / pkts
	}
	k := &c.Kinds
	figures = append(apps, []eve.Counter{
		{Name: "capture.kernel_packets", Value: c.Kernel},
		{Name: "capture.kernel_drops", Value: c.Dropped},
		{Name: "decoder.pkts", Value: pkts},
		{Name: "decoder.bytes", Value: c.Bytes},
		{Name: "decoder.invalid", Value: c.Invalid},
		{Name: "decoder.ipv4", Value: k.IPv4},
		{Name: "decoder.ipv6", Value: k.IPv6},
		{Name: "decoder.tcp", Value: k.TCP},
		{Name: "decoder.udp", Value: k.UDP},
		{Name: "decoder.sctp", Value: k.SCTP},
		{Name: "decoder.icmpv4", Value: k.ICMPv4},
		{Name: "decoder.icmpv6", Value: k.ICMPv6},
		{Name: "decoder.vlan", Value: k.VLAN[0]},
		{Name: "decoder.vlan_qinq", Value: k.VLAN[1]},
		{Name: "decoder.vlan_qinqinq", Value: k.VLAN[2]},
		{Name: "decoder.avg_pkt_size", Value: average},
		{Name: "decoder.max_pkt_size", Value: k.Largest},
		{Name: "defrag.ipv4.fragments", Value: k.Fragments[0]},
		{Name: "defrag.ipv4.reassembled", Value: k.Reassembled[0]},
		{Name: "defrag.ipv6.fragments", Value: k.Fragments[1]},
		{Name: "defrag.ipv6.reassembled", Value: k.Reassembled[1]},
		{Name: "detect.alert", Value: c.Alerts},
		{Name: "detect.alerts_suppressed", Value: c.Suppressed},
		{Name: "flow.total", Value: c.Flow.Created},
		{Name: "flow.active", Value: uint64(c.Flow.Active)},
		{Name: "flow.tcp", Value: c.Flows.TCP},
		{Name: "flow.udp", Value: c.Flows.UDP},
		{Name: "flow.icmpv4", Value: c.Flows.ICMPv4},
		{Name: "flow.icmpv6", Value: c.Flows.ICMPv6},
		{Name: "flow.get_used", Value: c.Flow.Forced},
		{Name: "flow.mgr.flows_timeout", Value: c.Flow.TimedOut},
		{Name: "http.byterange.memuse", Value: c.Ranges.Bytes},
		{Name: "http.byterange.memcap", Value: c.Ranges.Evicted},
		{Name: "stream.pkt_retransmission", Value: c.Stream.Retransmitted},
		{Name: "stream.est_packet_out_of_window", Value: c.Stream.OutOfWindow},
		{Name: "tcp.invalid_checksum", Value: k.BadTCP},
		{Name: "tcp.reassembly_gap", Value: c.Stream.Gaps},
		{Name: "tcp.reassembly_memuse", Value: uint64(c.Stream.Waiting)},
		{Name: "tcp.segment_memcap_drop", Value: c.Stream.MemoryRefused},
		{Name: "tcp.stream_depth_reached", Value: c.Stream.DepthReached},
	}...)
	own = append(ownApps, []eve.Counter{
		{Name: "app_layer.panic", Value: c.ParserPanics},
		{Name: "capture.ring_full", Value: c.Freezes},
		{Name: "capture.doubles", Value: c.Doubles},
		{Name: "capture.unreadable", Value: c.Unreadable},
		{Name: "capture.filtered", Value: c.Filtered},
		{Name: "decoder.processed", Value: c.Processed},
		{Name: "decoder.bad_checksum", Value: c.BadChecksum},
		{Name: "decoder.not_ip", Value: c.NotIP},
		{Name: "decoder.tunnelled", Value: c.Tunnelled},
		{Name: "decoder.truncated", Value: c.Truncated},
	}...)
	for _, name := range slices.Sorted(maps.Keys(c.Reasons)) {
		own = append(own, eve.Counter{Name: "decoder.reason." + name, Value: c.Reasons[name]})
	}
	own = append(own, []eve.Counter{
		{Name: "file_store.stored", Value: c.Files.Stored},
		{Name: "file_store.refused", Value: c.Files.Refused},
		{Name: "http_range.joined", Value: c.Ranges.Whole},
		{Name: "http_range.expired", Value: c.Ranges.Expired},
		{Name: "http_range.waiting", Value: c.Ranges.Waiting},
		{Name: "tcp.out_of_order", Value: c.Stream.OutOfOrder},
		{Name: "tcp.reassembly_gap_bytes", Value: c.Stream.GapBytes},
	}...)
	for _, name := range slices.Sorted(maps.Keys(c.Events)) {
		own = append(own, eve.Counter{Name: "event." + name, Value: c.Events[name]})
	}
	return figures, own
}
