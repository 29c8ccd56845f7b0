package detect

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

// volume learns, for each agency, how much a machine sends out in an hour.
type volume struct {
	hosts    *bounded[netip.Addr, hostHour]
	agencies map[string]*spread
}

// hostHour is what one machine has sent out in the hour in work.
type hostHour struct {
	hour  time.Time
	bytes uint64
	// to is where most of the last went.
	to netip.AddrPort
}

// spread is mean and deviation of the logarithm of hourly bytes (Welford).
type spread struct {
	N    float64 `json:"n"`
	Mean float64 `json:"mean"`
	M2   float64 `json:"m2"`
}

// maxWeight makes what was learnt long ago count less.
const maxWeight = 50_000

func (s *spread) learn(x float64) {
	s.N++
	d := x - s.Mean
	s.Mean += d / s.N
	s.M2 += d * (x - s.Mean)
	if s.N > maxWeight {
		s.N, s.M2 = s.N/2, s.M2/2
	}
}

// minDeviation keeps a very even agency from alarming at a doubling.
const minDeviation = 0.5

func (s *spread) deviation() float64 {
	if s.N < 2 {
		return minDeviation
	}
	return max(math.Sqrt(s.M2/(s.N-1)), minDeviation)
}

// unlearnt is how many times the floor alarms while nothing is learnt.
const unlearnt = 10

// carry counts what a machine sends out.
func (e *Engine) carry(f *Flow) {
	inside, outside, sent := f.Client, f.Server, f.Delta[0]
	if !e.home.has(inside.Addr()) {
		inside, outside, sent = f.Server, f.Client, f.Delta[1]
	}
	if sent == 0 || !e.home.has(inside.Addr()) || e.home.has(outside.Addr()) || outside.Addr().IsMulticast() {
		return
	}
	hour := f.Last.Truncate(time.Hour)
	h, fresh := e.volume.hosts.get(inside.Addr(), f.Last)
	if !fresh && hour.After(h.hour) {
		e.learn(inside.Addr(), h)
	}
	if fresh || hour.After(h.hour) {
		*h = hostHour{hour: hour}
	}
	h.bytes += sent
	if sent > 1<<20 || !h.to.IsValid() {
		h.to = outside
	}
	c := &e.cfg.Volume
	if h.bytes < c.Floor {
		return
	}
	s := e.spreadOf(inside.Addr())
	z := (math.Log2(float64(h.bytes)) - s.Mean) / s.deviation()
	known := s.N >= float64(c.Samples)
	if known && z < c.Sigma || !known && h.bytes < unlearnt*c.Floor {
		return
	}
	usual := uint64(math.Exp2(s.Mean))
	found := f.finding(outlier())
	found.Src, found.Dst = inside, h.to
	found.Vi = fmt.Sprintf("%s gửi %d MB ra ngoài trong một giờ; thường là %.1f MB", inside.Addr(), h.bytes>>20, float64(usual)/(1<<20))
	found.En = fmt.Sprintf("%s sent %d MB outside within an hour; usual are %.1f MB", inside.Addr(), h.bytes>>20, float64(usual)/(1<<20))
	found.Fields = []Field{
		{"agency", e.agencyOf(inside.Addr())}, {"bytes", h.bytes}, {"usual_bytes", usual}, {"deviations", z}, {"samples", int(s.N)},
		{"threshold", c.Sigma}, {"window", time.Hour}, {"examples", []string{h.to.String()}},
	}
	e.tell(inside.Addr().String()+"|"+hour.Format(time.RFC3339), time.Hour, found)
}

// learn takes over an hour that is over, unless it was out of proportion:
// an attacker's upload must not become usual.
func (e *Engine) learn(a netip.Addr, h *hostHour) {
	if h.bytes == 0 {
		return
	}
	s := e.spreadOf(a)
	x := math.Log2(float64(h.bytes))
	if s.N >= float64(e.cfg.Volume.Samples) && (x-s.Mean)/s.deviation() >= e.cfg.Volume.Sigma {
		return
	}
	s.learn(x)
}

func (e *Engine) spreadOf(a netip.Addr) *spread {
	name := e.agencyOf(a)
	s := e.volume.agencies[name]
	if s == nil {
		s = &spread{}
		e.volume.agencies[name] = s
	}
	return s
}

// long judges how long a connection to the outside has been open.
func (e *Engine) long(f *Flow) {
	age := f.Last.Sub(f.Start)
	if age < e.cfg.Long || e.home.has(f.Client.Addr()) == e.home.has(f.Server.Addr()) || f.Server.Addr().IsMulticast() {
		return
	}
	found := f.finding(longConnection())
	found.Vi = fmt.Sprintf("Kết nối %s – %s mở đã %s", f.Client, f.Server, age.Truncate(time.Minute))
	found.En = fmt.Sprintf("Connection %s to %s has been open for %s", f.Client, f.Server, age.Truncate(time.Minute))
	found.Fields = []Field{
		{"age", age}, {"bytes_out", f.Bytes[0]}, {"bytes_in", f.Bytes[1]}, {"app_proto", f.App}, {"threshold", e.cfg.Long}, {"window", age},
	}
	e.tell(fmt.Sprint(f.ID), 24*time.Hour, found)
}
