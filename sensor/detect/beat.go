package detect

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"
)

type beatKey struct {
	client netip.Addr
	server netip.AddrPort
	host   string
}

// maxBeats is how many intervals are looked back on.
const maxBeats = 32

// beat is when one client called one server.
type beat struct {
	first, last time.Time
	gaps, sizes []float64
}

// beatRepeat: the same pair is told once a day.
const beatRepeat = 24 * time.Hour

// beatFlow takes a flow; protocols that repeat by design are left out.
func (e *Engine) beatFlow(f *Flow) {
	switch f.App {
	case "dns", "mdns", "ntp", "dhcp", "snmp", "ftp-data", "sip":
		return
	}
	if f.Proto != protoTCP && f.Proto != protoUDP || f.Midstream || f.Packets[1] == 0 {
		return
	}
	e.beat(f, "", f.Start, f.Bytes[0])
}

func (e *Engine) beat(f *Flow, host string, at time.Time, size uint64) {
	if !e.home.has(f.Client.Addr()) || e.home.has(f.Server.Addr()) || f.Server.Addr().IsMulticast() {
		return
	}
	c := &e.cfg.Beacon
	p, _ := e.popular.get(f.Server.Addr(), f.Last)
	if !p.has(f.Client.Addr()) && len(p.marks) < c.Popular {
		p.add(f.Client.Addr(), at, math.MaxInt64)
	}
	b, fresh := e.beats.get(beatKey{f.Client.Addr(), f.Server, host}, f.Last)
	if fresh {
		b.first, b.last = at, at
		return
	}
	gap := at.Sub(b.last)
	if gap < time.Second {
		// Connections opened side by side are one call.
		return
	}
	b.last = at
	if len(b.gaps) == maxBeats {
		b.gaps, b.sizes = append(b.gaps[:0], b.gaps[1:]...), append(b.sizes[:0], b.sizes[1:]...)
	}
	b.gaps, b.sizes = append(b.gaps, gap.Seconds()), append(b.sizes, float64(size))
	if len(b.gaps) < c.Count || len(p.marks) >= c.Popular {
		return
	}
	period, jitter := steadiness(b.gaps)
	_, varied := steadiness(b.sizes)
	if period < c.Period.Seconds() || jitter > c.Jitter || varied > sizeJitter {
		return
	}
	found := f.finding(beacon())
	found.Vi = fmt.Sprintf("%s gọi %s đều đặn mỗi %.0f giây (%d lần, dao động %.0f %%)", f.Client.Addr(), f.Server, period, len(b.gaps)+1, 100*jitter)
	found.En = fmt.Sprintf("%s calls %s steadily every %.0f seconds (%d times, jitter %.0f %%)", f.Client.Addr(), f.Server, period, len(b.gaps)+1, 100*jitter)
	found.Fields = []Field{
		{"calls", len(b.gaps) + 1}, {"period", period}, {"jitter", jitter}, {"size_jitter", varied}, {"clients", len(p.marks)},
		{"first", b.first}, {"threshold", c.Jitter}, {"window", at.Sub(b.first)},
	}
	if host != "" {
		found.Fields = append(found.Fields, Field{"examples", []string{host}})
	}
	e.tell(f.Client.Addr().String()+"|"+f.Server.String()+host, beatRepeat, found)
}

// sizeJitter is how much the sizes of a beacon's calls differ.
const sizeJitter = 0.25

// steadiness is the median, and the deviation from it that three of four keep
// to, as a share of it: single misses do not count.
func steadiness(values []float64) (median, jitter float64) {
	sorted := slices.Sorted(slices.Values(values))
	median = sorted[len(sorted)/2]
	if median <= 0 {
		return 0, 1
	}
	for i, v := range sorted {
		sorted[i] = math.Abs(v - median)
	}
	slices.Sort(sorted)
	return median, sorted[len(sorted)*3/4] / median
}
