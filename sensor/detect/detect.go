// Package detect finds behaviour that no single packet gives away: scans,
// guessed passwords, calls home at a steady beat, data in names, uploads out
// of proportion, machines and services that were not there, certificates and
// traffic that the province's rules do not allow, links that are full.
//
// It is told of flows and of what protocols said, never of packets. Its memory
// is bounded: each table has a limit and gives up what was seen longest ago,
// counted. Time is that of the packets. Every finding carries its evidence:
// counts, window, threshold, examples and the ATT&CK technique. Not here: what
// a password was; it is never kept.
package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/antin-gov/antin/sensor/encode"
)

// Finding is what a detector has to say.
type Finding struct {
	Kind     Kind
	Time     time.Time
	Src, Dst netip.AddrPort
	Proto    uint8
	FlowID   uint64
	// Vi and En say it to people.
	Vi, En string
	Fields []Field
}

// Field is a piece of evidence: a number, a text, a list of texts.
type Field struct {
	Name  string
	Value any
}

// Encode writes the "detection" object. It implements encode.Body.
func (f *Finding) Encode(e *encode.Encoder) {
	e.Open("detection")
	e.String("detector", f.Kind.Name)
	e.String("technique", f.Kind.Technique)
	for _, x := range f.Fields {
		switch v := x.Value.(type) {
		case int:
			e.Int(x.Name, int64(v))
		case uint64:
			e.Uint(x.Name, v)
		case float64:
			e.Key(x.Name)
			e.B = fmt.Appendf(e.B, "%.3f", v)
		case time.Duration:
			e.Key(x.Name)
			e.B = fmt.Appendf(e.B, "%.3f", v.Seconds())
		case time.Time:
			e.Time(x.Name, v)
		case string:
			e.String(x.Name, v)
		case []string:
			e.Array(x.Name)
			for _, s := range v {
				e.String("", s)
			}
			e.End()
		}
	}
	e.Open("text")
	e.String("vi", f.Vi)
	e.String("en", f.En)
	e.Close()
	e.Close()
}

// Flow is what is known of a flow, at its end or on the way.
type Flow struct {
	ID             uint64
	Start, Last    time.Time
	Client, Server netip.AddrPort
	Proto          uint8
	App            string
	// The figures are those of the client's direction, then the server's.
	// Delta are the bytes since the flow was told last.
	Packets, Bytes, Delta [2]uint64
	Flags                 [2]uint8
	Midstream, Ended      bool
	// Judged is true when the server's word on a log-in was seen, so that the
	// connection itself is no evidence.
	Judged    bool
	Interface string
}

// TCP flags (RFC 9293 §3.1).
const (
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// Stats counts what the detectors did.
type Stats struct {
	Findings, Repeated, Evicted uint64
}

// Engine holds the detectors of a sensor. It is safe for concurrent use.
type Engine struct {
	cfg      Config
	home     networks
	ignore   networks
	must     networks
	agencies []agency
	off      map[string]bool
	roots    *roots

	mu    sync.Mutex
	out   []Finding
	stats Stats
	told  *bounded[string, time.Time]

	scans   scans
	guesses *bounded[guessKey, guessing]
	beats   *bounded[beatKey, beat]
	popular *bounded[netip.Addr, distinct[netip.Addr]]
	tunnels *bounded[tunnelKey, tunnel]
	failed  *bounded[netip.Addr, failures]
	volume  volume
	seen    inventory
	links   []*link
	now     time.Time
}

// New returns detectors with a configuration; what is zero there has its
// default.
func New(cfg Config) (*Engine, error) {
	cfg.complete()
	e := &Engine{cfg: cfg, off: map[string]bool{}}
	var err error
	for _, n := range []struct {
		into *networks
		from []string
		name string
	}{{&e.home, cfg.Home, "home"}, {&e.ignore, cfg.Ignore, "ignore"}, {&e.must, cfg.Certificates.Must, "certificates.must"}} {
		*n.into, err = parseNetworks(n.from)
		if err != nil {
			return nil, fmt.Errorf("detect.%s: %w", n.name, err)
		}
	}
	for name, list := range cfg.Agencies {
		nets, err := parseNetworks(list)
		if err != nil {
			return nil, fmt.Errorf("detect.agencies.%s: %w", name, err)
		}
		e.agencies = append(e.agencies, agency{name, nets})
	}
	slices.SortFunc(e.agencies, func(a, b agency) int { return strings.Compare(a.name, b.name) })
	for _, name := range cfg.Off {
		if !slices.ContainsFunc(Kinds(), func(k Kind) bool { return k.Name == name }) {
			return nil, fmt.Errorf("%w: detect.off: no detector %q", ErrConfig, name)
		}
		e.off[name] = true
	}
	for _, a := range cfg.Agreements {
		if e.cfg.Agencies[a.From] == nil || e.cfg.Agencies[a.To] == nil {
			return nil, fmt.Errorf("%w: detect.agreements: no agency %q or %q", ErrConfig, a.From, a.To)
		}
	}
	e.roots, err = readRoots(cfg.Certificates.CA)
	if err != nil {
		return nil, err
	}
	if len(e.must) > 0 && e.roots.ours == nil {
		return nil, fmt.Errorf("%w: detect.certificates.must needs certificates.ca", ErrConfig)
	}
	for _, l := range cfg.Links {
		if l.Mbps <= 0 || l.Name == "" {
			return nil, fmt.Errorf("%w: detect.links: a link has a name and mbps", ErrConfig)
		}
		e.links = append(e.links, &link{Link: l})
	}
	n := cfg.Limit
	e.told = newBounded[string, time.Time](n)
	e.scans = scans{ports: newBounded[pair, distinct[uint16]](n), hosts: newBounded[sweep, distinct[netip.Addr]](n)}
	e.guesses = newBounded[guessKey, guessing](n)
	e.beats = newBounded[beatKey, beat](n)
	e.popular = newBounded[netip.Addr, distinct[netip.Addr]](n)
	e.tunnels = newBounded[tunnelKey, tunnel](n / 4)
	e.failed = newBounded[netip.Addr, failures](n / 4)
	e.volume = volume{hosts: newBounded[netip.Addr, hostHour](n), agencies: map[string]*spread{}}
	e.seen = inventory{known: map[uint64]bool{}, limit: 8 * n}
	return e, e.restore()
}

// Stats returns the counts so far.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Evicted = e.told.evicted + e.scans.ports.evicted + e.scans.hosts.evicted + e.guesses.evicted + e.beats.evicted +
		e.popular.evicted + e.tunnels.evicted + e.failed.evicted + e.volume.hosts.evicted + e.seen.refused
	return s
}

// Flow takes a flow.
func (e *Engine) Flow(f *Flow) []Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin(f.Last)
	if e.ignore.has(f.Client.Addr()) {
		e.traffic(f)
		return e.out
	}
	if f.Ended {
		e.scan(f)
		e.guess(f)
		if f.App != "http" {
			e.beatFlow(f)
		}
		e.inventory(f)
	}
	e.long(f)
	e.traffic(f)
	e.between(f)
	return e.out
}

// traffic counts what was carried.
func (e *Engine) traffic(f *Flow) {
	e.carry(f)
	e.load(f)
}

func (e *Engine) begin(now time.Time) {
	e.out = nil
	if now.After(e.now) {
		e.now = now
	}
	if e.seen.started.IsZero() {
		e.seen.started = now
	}
}

// tell adds a finding unless the same was told lately.
func (e *Engine) tell(key string, repeat time.Duration, f Finding) {
	if e.off[f.Kind.Name] {
		return
	}
	last, fresh := e.told.get(f.Kind.Name+"|"+key, f.Time)
	if !fresh && f.Time.Sub(*last) < repeat {
		e.stats.Repeated++
		return
	}
	*last = f.Time
	e.stats.Findings++
	e.out = append(e.out, f)
}

// base is a finding about a flow.
func (f *Flow) finding(k Kind) Finding {
	return Finding{Kind: k, Time: f.Last, Src: f.Client, Dst: f.Server, Proto: f.Proto, FlowID: f.ID}
}
