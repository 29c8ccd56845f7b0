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

// list is the figures in the order of the stats record.
func (c *Counters) list() []eve.Counter {
	out := []eve.Counter{
		{Name: "capture.packets", Value: c.Received},
		{Name: "capture.dropped", Value: c.Dropped},
		{Name: "capture.kernel_packets", Value: c.Kernel},
		{Name: "capture.ring_full", Value: c.Freezes},
		{Name: "capture.doubles", Value: c.Doubles},
		{Name: "capture.unreadable", Value: c.Unreadable},
		{Name: "capture.filtered", Value: c.Filtered},
		{Name: "decoder.processed", Value: c.Processed},
		{Name: "decoder.invalid", Value: c.Invalid},
		{Name: "decoder.bytes", Value: c.Bytes},
		{Name: "decoder.bad_checksum", Value: c.BadChecksum},
		{Name: "decoder.not_ip", Value: c.NotIP},
		{Name: "decoder.tunnelled", Value: c.Tunnelled},
		{Name: "decoder.truncated", Value: c.Truncated},
		{Name: "defrag.held", Value: c.FragmentsHeld},
		{Name: "defrag.reassembled", Value: c.Defragmented},
		{Name: "flow.total", Value: c.Flow.Created},
		{Name: "flow.active", Value: uint64(c.Flow.Active)},
		{Name: "flow.timeout", Value: c.Flow.TimedOut},
		{Name: "flow.forced", Value: c.Flow.Forced},
		{Name: "tcp.reassembly_gap", Value: c.Stream.Gaps},
		{Name: "tcp.reassembly_gap_bytes", Value: c.Stream.GapBytes},
		{Name: "tcp.out_of_order", Value: c.Stream.OutOfOrder},
		{Name: "tcp.retransmitted", Value: c.Stream.Retransmitted},
		{Name: "tcp.out_of_window", Value: c.Stream.OutOfWindow},
		{Name: "tcp.depth_reached", Value: c.Stream.DepthReached},
		{Name: "tcp.segment_memcap_drop", Value: c.Stream.MemoryRefused},
		{Name: "tcp.waiting_bytes", Value: uint64(c.Stream.Waiting)},
		{Name: "app_layer.error", Value: c.ParserErrors},
		{Name: "app_layer.panic", Value: c.ParserPanics},
		{Name: "file_store.stored", Value: c.Files.Stored},
		{Name: "file_store.refused", Value: c.Files.Refused},
		{Name: "http_range.joined", Value: c.Ranges.Whole},
		{Name: "http_range.expired", Value: c.Ranges.Expired},
		{Name: "http_range.evicted", Value: c.Ranges.Evicted},
		{Name: "http_range.waiting", Value: c.Ranges.Waiting},
		{Name: "http_range.waiting_bytes", Value: c.Ranges.Bytes},
		{Name: "detect.alert", Value: c.Alerts},
		{Name: "detect.alerts_suppressed", Value: c.Suppressed},
	}
	for _, name := range slices.Sorted(maps.Keys(c.Events)) {
		out = append(out, eve.Counter{Name: "event." + name, Value: c.Events[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Reasons)) {
		out = append(out, eve.Counter{Name: "invalid." + name, Value: c.Reasons[name]})
	}
	return out
}
