package sensor

import (
	"context"
	"strings"
	"time"

	"github.com/antin-gov/antin/sensor/capture/packetlog"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/spool"
)

const (
	// DefaultHealthEvery is how often a live sensor tells how it is.
	DefaultHealthEvery = time.Minute
	// LinkSample is the length of one sample of a link's use.
	LinkSample = 5 * time.Minute
	// publishEvery is how old a worker's figures may be.
	publishEvery = time.Second
)

// Health says what a live sensor tells of itself.
type Health struct {
	// Every is DefaultHealthEvery when zero; Sample is LinkSample when zero.
	Every, Sample time.Duration
	// RulesVersion names the rules of the beginning, a digest say.
	RulesVersion string
	RulesLoaded  int
	// Sinks are named in the drops of health records.
	Sinks []NamedSink
	// Packets gives the figures of the packet log; nil when there is none.
	Packets func() packetlog.Stats
	// Spool gives the figures of the way to the hub; nil when there is none.
	Spool func() spool.Stats
	// Connected says whether the hub is reached; nil as Spool.
	Connected func() bool
	// LinkSpeed overrides what interfaces say of their speed, in Mbit/s: a
	// mirror port carries another link than its own.
	LinkSpeed map[string]uint64
}

// NamedSink is a way out of the sensor with its name.
type NamedSink struct {
	Name string
	output.Sink
}

// Drops counts what was lost, by the stage that lost it, in the order of the
// way that packets and records take.
func (h *Health) Drops(c Counters) []eve.Counter {
	drops := []eve.Counter{
		{Name: "kernel", Value: c.Dropped},
		{Name: "ring_full", Value: c.Freezes},
		{Name: "decode", Value: c.Invalid},
		{Name: "flow_evicted", Value: c.Flow.Forced},
		{Name: "stream_memory", Value: c.Stream.MemoryRefused},
	}
	for _, s := range h.Sinks {
		// The hub's are those of the spool.
		if s.Name == "hub" {
			continue
		}
		name := strings.ReplaceAll(s.Name, ".", "_")
		for class, n := range s.Stats().Lost {
			drops = append(drops, eve.Counter{Name: name + "_" + spool.Class(class).String(), Value: n})
		}
	}
	if h.Packets != nil {
		drops = append(drops, eve.Counter{Name: "packet_log", Value: h.Packets().Dropped})
	}
	if h.Spool != nil {
		st := h.Spool()
		for _, class := range spool.All() {
			drops = append(drops, eve.Counter{Name: "spool_" + class.String(), Value: st.Classes[class].Lost()})
		}
	}
	return drops
}

// linkUse is one sample of a link.
type linkUse struct {
	name     string
	speed    uint64
	rx, tx   uint64
	dropped  uint64
	seconds  float64
	from, to time.Time
}

// percent is the use of the busier direction, zero when the speed is not
// known.
func (u *linkUse) percent() uint64 {
	if u.speed == 0 || u.seconds <= 0 {
		return 0
	}
	bits := float64(max(u.rx, u.tx)) * 8
	return uint64(bits*100/(u.seconds*float64(u.speed)*1e6) + 0.5)
}

// links samples the use of interfaces. Lengths are measured with the
// monotonic clock; only the labels are times of day.
type links struct {
	names  []string
	speed  map[string]uint64
	begun  time.Time
	before map[string]linkCounters
}

func newLinks(names []string, speed map[string]uint64) *links {
	l := &links{names: names, speed: speed}
	l.sample()
	return l
}

// sample ends one sample and begins the next. An interface whose figures
// cannot be read, or went back because it was made anew, has none.
func (l *links) sample() []linkUse {
	now := time.Now()
	after := make(map[string]linkCounters, len(l.names))
	var uses []linkUse
	for _, name := range l.names {
		c, err := readLink(name)
		if err != nil {
			continue
		}
		after[name] = c
		b, ok := l.before[name]
		if !ok || c.rxBytes < b.rxBytes || c.txBytes < b.txBytes {
			continue
		}
		u := linkUse{
			name: name, speed: c.speed, rx: c.rxBytes - b.rxBytes, tx: c.txBytes - b.txBytes,
			dropped: c.rxDropped - min(b.rxDropped, c.rxDropped), seconds: now.Sub(l.begun).Seconds(), from: l.begun.UTC(), to: now.UTC(),
		}
		if v := l.speed[name]; v > 0 {
			u.speed = v
		}
		uses = append(uses, u)
	}
	l.begun, l.before = now, after
	return uses
}

// healthBody writes a health record.
type healthBody struct {
	h     *Health
	c     Counters
	rules *ruleSet
	// clockSet is how often the clock was set.
	clockSet uint64
	uptime   time.Duration
	links    []linkUse
}

// Encode implements encode.Body.
func (b *healthBody) Encode(e *encode.Encoder) {
	e.Open("health")
	e.Int("uptime", int64(b.uptime/time.Second))
	e.Open("drops")
	for _, d := range b.h.Drops(b.c) {
		e.Uint(d.Name, d.Value)
	}
	e.Close()
	e.Open("packets")
	e.Uint("received", b.c.Received)
	e.Uint("processed", b.c.Processed)
	e.Uint("dropped", b.c.Dropped)
	e.Uint("invalid", b.c.Invalid)
	e.Uint("bytes", b.c.Bytes)
	e.Close()
	e.Open("engine")
	e.Uint("alerts", b.c.Alerts)
	e.Uint("flows_active", uint64(b.c.Flow.Active))
	e.Uint("parser_panics", b.c.ParserPanics)
	e.Close()
	e.Open("rules")
	e.String("version", b.rules.version)
	e.Uint("loaded", uint64(b.rules.loaded))
	e.Close()
	clock, err := readClock()
	if err == nil {
		e.Open("clock")
		e.Uint("set", b.clockSet)
		e.Bool("synchronised", clock.synchronised)
		e.Int("offset_us", clock.offset)
		e.Int("max_error_us", clock.most)
		e.Close()
	}
	b.spool(e)
	if len(b.links) > 0 {
		e.Array("links")
		for i := range b.links {
			b.links[i].encode(e)
		}
		e.End()
	}
	e.Close()
}

func (b *healthBody) spool(e *encode.Encoder) {
	if b.h.Spool == nil {
		return
	}
	st := b.h.Spool()
	e.Open("spool")
	e.Bool("hub_connected", b.h.Connected != nil && b.h.Connected())
	e.Bool("disk_failing", st.Failing)
	e.Int("bytes", st.Bytes)
	e.Int("limit", st.Limit)
	e.Int("memory", st.Memory)
	for _, class := range spool.All() {
		c := &st.Classes[class]
		e.Open(class.String())
		e.Uint("accepted", c.Accepted)
		e.Uint("delivered", c.Delivered)
		e.Uint("held", c.Held)
		e.Open("dropped")
		for _, cause := range spool.Causes() {
			e.Uint(cause.String(), c.Dropped[cause])
		}
		e.Close()
		e.Close()
	}
	e.Close()
}

func (u *linkUse) encode(e *encode.Encoder) {
	e.Open("")
	e.String("interface", u.name)
	e.Time("from", u.from)
	e.Time("to", u.to)
	e.Uint("rx_bytes", u.rx)
	e.Uint("tx_bytes", u.tx)
	e.Uint("rx_dropped", u.dropped)
	if u.speed > 0 {
		e.Uint("speed_mbit", u.speed)
		e.Uint("used_percent", u.percent())
	}
	e.Close()
}

// tell writes records of health and figures until the context ends, and the
// last ones.
func (e *Engine) tell(ctx context.Context, interfaces []string) {
	h := &e.cfg.Health
	every, length := h.Every, h.Sample
	if every <= 0 {
		every = DefaultHealthEvery
	}
	if length <= 0 {
		length = LinkSample
	}
	tick, sample, figures := time.NewTicker(every), time.NewTicker(length), time.NewTicker(statsEvery)
	defer tick.Stop()
	defer sample.Stop()
	defer figures.Stop()
	w := eve.NewWriter(e.cfg.Identity)
	l := newLinks(interfaces, h.LinkSpeed)
	for {
		var uses []linkUse
		select {
		case <-ctx.Done():
			e.health(w, l.sample())
			e.recordStats(w)
			return
		case <-figures.C:
			e.recordStats(w)
			continue
		case <-tick.C:
		case <-sample.C:
			uses = l.sample()
		}
		e.health(w, uses)
	}
}

func (e *Engine) health(w *eve.Writer, uses []linkUse) {
	now := e.cfg.Clock.Now()
	body := &healthBody{h: &e.cfg.Health, c: e.Counters(), rules: e.rules.Load(), clockSet: e.clockSet.count(), uptime: now.Sub(e.started), links: uses}
	line := w.Object(&eve.Header{Time: now, Type: "health"}, body)
	e.own("health", line)
}
