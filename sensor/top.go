package sensor

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/rules"
)

// Limits of what is counted for an onlooker.
const (
	// maxCounted bounds the hosts that a worker counts between two looks; what
	// comes beyond is left out.
	maxCounted = 4096
	// maxCountedRules bounds the rules whose alerts are counted.
	maxCountedRules = 10_000
	// watchFor is how long after the last look counting goes on.
	watchFor = 10 * time.Second
)

// Amount is how much somebody sent and received.
type Amount struct{ Packets, Bytes uint64 }

func (a *Amount) add(b Amount) { a.Packets, a.Bytes = a.Packets+b.Packets, a.Bytes+b.Bytes }

// Named is an amount with whose it is.
type Named struct {
	Name string
	Amount
}

// AlertCount is how often a rule alerted, and when last.
type AlertCount struct {
	GID, SID uint32
	Message  string
	Count    uint64
	Last     time.Time
}

// Top is what passes just now.
type Top struct {
	// Over is how long was counted; zero when counting has only begun.
	Over               time.Duration
	Talkers, Protocols []Named
	Alerts             []AlertCount
}

// tally counts by host and by protocol.
type tally struct {
	hosts map[netip.Addr]Amount
	apps  map[string]Amount
}

func newTally() *tally {
	return &tally{hosts: make(map[netip.Addr]Amount), apps: make(map[string]Amount)}
}

// see counts a packet. Addresses beyond the bound are left out.
func (t *tally) see(p *decode.Packet, app string) {
	one := Amount{1, uint64(p.WireLength)}
	for _, a := range [2]netip.Addr{p.Src, p.Dst} {
		sum, ok := t.hosts[a]
		if !ok && len(t.hosts) >= maxCounted {
			continue
		}
		sum.add(one)
		t.hosts[a] = sum
	}
	sum := t.apps[app]
	sum.add(one)
	t.apps[app] = sum
}

func (t *tally) merge(o *tally) {
	for a, n := range o.hosts {
		sum := t.hosts[a]
		sum.add(n)
		t.hosts[a] = sum
	}
	for a, n := range o.apps {
		sum := t.apps[a]
		sum.add(n)
		t.apps[a] = sum
	}
}

// onlooker gathers the workers' tallies while somebody looks.
type onlooker struct {
	// until is when counting ends, in Unix nanoseconds.
	until atomic.Int64

	mu sync.Mutex
	// now is filled, last is what was filled before it and began when it says.
	now, last           *tally
	nowBegun, lastBegun time.Time
	alerts              map[ruleKey]*AlertCount
}

type ruleKey struct{ gid, sid uint32 }

func (o *onlooker) watched() bool { return time.Now().UnixNano() < o.until.Load() }

// half is how long a tally is filled before the next one: a look sees one to
// two of them.
const half = 3 * time.Second

func (o *onlooker) take(t *tally) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now != nil {
		o.now.merge(t)
	}
}

// alert counts one.
func (o *onlooker) alert(r *rules.Rule, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := ruleKey{r.GID, r.SID}
	n := o.alerts[key]
	if n == nil {
		if len(o.alerts) >= maxCountedRules {
			return
		}
		if o.alerts == nil {
			o.alerts = make(map[ruleKey]*AlertCount)
		}
		n = &AlertCount{GID: r.GID, SID: r.SID}
		o.alerts[key] = n
	}
	n.Message, n.Last = r.Msg, at
	n.Count++
}

// Top returns the rows that matter most, and goes on counting for a while.
func (e *Engine) Top(rows int) Top {
	o := &e.looker
	now := time.Now()
	watched := o.watched()
	o.until.Store(now.Add(watchFor).UnixNano())
	o.mu.Lock()
	defer o.mu.Unlock()
	if !watched || o.now == nil {
		o.now, o.last, o.nowBegun, o.lastBegun = newTally(), nil, now, time.Time{}
	}
	var top Top
	sum := newTally()
	begun := o.nowBegun
	if o.last != nil {
		sum.merge(o.last)
		begun = o.lastBegun
	}
	sum.merge(o.now)
	if watched {
		top.Over = now.Sub(begun)
	}
	for a, n := range sum.hosts {
		top.Talkers = append(top.Talkers, Named{a.String(), n})
	}
	for name, n := range sum.apps {
		top.Protocols = append(top.Protocols, Named{name, n})
	}
	top.Talkers, top.Protocols = most(top.Talkers, rows), most(top.Protocols, rows)
	for _, n := range slices.SortedFunc(maps.Values(o.alerts), func(a, b *AlertCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), cmp.Compare(a.SID, b.SID))
	})[:min(rows, len(o.alerts))] {
		top.Alerts = append(top.Alerts, *n)
	}
	if now.Sub(o.nowBegun) >= half {
		o.last, o.lastBegun, o.now, o.nowBegun = o.now, o.nowBegun, newTally(), now
	}
	return top
}

func most(list []Named, rows int) []Named {
	slices.SortFunc(list, func(a, b Named) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(rows, len(list))]
}

// watch hands over what the worker counted, and counts as long as somebody
// looks.
func (w *worker) watch() {
	if w.tally != nil {
		w.e.looker.take(w.tally)
		w.tally = nil
	}
	if w.e.looker.watched() {
		w.tally = newTally()
	}
}
