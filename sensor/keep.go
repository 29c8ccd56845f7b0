package sensor

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/capture/packetlog"
	"github.com/antin-gov/antin/sensor/flow"
)

// Defaults of Packets.
const (
	DefaultBefore       = 16 << 20
	DefaultAfterPackets = 1000
	DefaultAfter        = 30 * time.Second
	// maxOrders bounds the orders in force, maxOrdered how long one is.
	maxOrders  = 256
	maxOrdered = 30 * 24 * time.Hour
)

// Packets say which packets are kept in capture files.
type Packets struct {
	// Log takes them; nil keeps none.
	Log *packetlog.Log
	// Before bounds, in bytes, what each worker remembers of all flows, so
	// that the packets before an alert are kept too: DefaultBefore when zero,
	// none when negative.
	Before int
	// AfterPackets and After bound what is kept of a flow after its last
	// alert: DefaultAfterPackets and DefaultAfter when zero.
	AfterPackets int
	After        time.Duration
}

// keeping is what is still to be kept of a flow.
type keeping struct {
	packets int
	until   time.Time
}

func (k *keeping) active(at time.Time) bool { return k != nil && k.packets > 0 && !at.After(k.until) }

// Order asks for the packets of a flow or of a host, those that are still
// remembered and those to come.
type Order struct {
	// Flow is the flow_id of records, Host an address: one of them is given.
	Flow uint64
	Host netip.Addr
	// For is how long packets are kept, from now.
	For time.Duration
}

// Errors of Record.
var (
	ErrNoPackets = errors.New("sensor: it was started without a packet log")
	ErrOrder     = errors.New("sensor: an order needs a flow or a host, and a length of time up to 30 days")
	ErrOrders    = errors.New("sensor: too many orders in force")
)

// orders are in force; the list is replaced, never changed.
type orders struct {
	mu   sync.Mutex
	list []*placed
}

type placed struct {
	Order
	// until is by the monotonic clock.
	until time.Time
}

// Record keeps the packets of an order. Workers take it up within their next
// look at the time.
func (e *Engine) Record(o Order) error {
	if e.cfg.Packets.Log == nil {
		return ErrNoPackets
	}
	if (o.Flow == 0) == !o.Host.IsValid() || o.For <= 0 || o.For > maxOrdered {
		return ErrOrder
	}
	e.orders.mu.Lock()
	defer e.orders.mu.Unlock()
	now := time.Now()
	var list []*placed
	for _, p := range e.orders.list {
		if now.Before(p.until) {
			list = append(list, p)
		}
	}
	if len(list) >= maxOrders {
		return ErrOrders
	}
	e.orders.list = append(list, &placed{o, now.Add(o.For)})
	return nil
}

// takeOrders looks for orders that the worker does not know, and forgets those
// that are over.
func (w *worker) takeOrders(at time.Time) {
	if w.e.cfg.Packets.Log == nil {
		return
	}
	w.e.orders.mu.Lock()
	list := w.e.orders.list
	w.e.orders.mu.Unlock()
	now := time.Now()
	known := w.ordered
	w.ordered = w.ordered[:0:0]
	for _, p := range list {
		if !now.Before(p.until) {
			continue
		}
		w.ordered = append(w.ordered, p)
		if !slices.Contains(known, p) {
			w.table.Each(func(f *flow.Flow) {
				c, ok := f.Ext.(*conversation)
				if ok {
					c.ordered(p, at)
				}
			})
		}
	}
}

// ordered keeps the packets of the flow when the order means it.
func (c *conversation) ordered(p *placed, at time.Time) {
	f := c.f
	if p.Flow == f.ID || p.Host.IsValid() && (f.Client.Addr() == p.Host || f.Server.Addr() == p.Host) {
		c.keepFor(keeping{packets: int(^uint(0) >> 1), until: at.Add(time.Until(p.until))})
	}
}

// keepAlert keeps the packets around an alert.
func (c *conversation) keepAlert() {
	o := &c.w.e.cfg.Packets
	if o.Log == nil {
		return
	}
	at := c.f.Last
	k := keeping{packets: o.AfterPackets, until: at.Add(o.After)}
	if c.keep.active(at) && (c.keep.packets > k.packets || c.keep.until.After(k.until)) {
		return
	}
	c.keepFor(k)
}

// keepFor keeps what is remembered of the flow, unless that has been done, and
// what comes.
func (c *conversation) keepFor(k keeping) {
	w := c.w
	already := c.keep.active(c.f.Last)
	c.keep = &k
	if already || w.ring == nil {
		// Where nothing is remembered, the packet in work is kept when it has
		// been judged.
		return
	}
	w.ring.Each(c.f.ID, w.keepFrame)
}

// keepPacket keeps the frame in work, as it was on the wire, if the flow of
// the packet in it is kept, and remembers it.
func (w *worker) keepPacket(c *conversation) {
	if w.e.cfg.Packets.Log == nil {
		return
	}
	if c.keep != nil {
		if c.keep.active(w.wire.Time) {
			c.keep.packets--
			w.keepFrame(w.wire)
		} else {
			c.keep = nil
		}
	}
	if w.ring != nil {
		w.ring.Put(c.f.ID, w.wire)
	}
}

func (w *worker) keepFrame(f *capture.Frame) { w.e.cfg.Packets.Log.Put(f, w.iface) }

// newRing is what a worker remembers by.
func newRing(o *Packets) *packetlog.Ring {
	if o.Log == nil || o.Before < 0 {
		return nil
	}
	return packetlog.NewRing(o.Before)
}

// defaults fills in what is not said.
func (o *Packets) defaults() {
	if o.Before == 0 {
		o.Before = DefaultBefore
	}
	if o.AfterPackets <= 0 {
		o.AfterPackets = DefaultAfterPackets
	}
	if o.After <= 0 {
		o.After = DefaultAfter
	}
}
