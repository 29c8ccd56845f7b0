package sensor

import (
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/rules"
)

// maxChosen bounds the transactions of one flow whose files are chosen: those
// chosen last.
const maxChosen = 64

// chosen is which files of a flow are kept that are still to come, because a rule
// with filestore matched: all of a direction from a transaction on, or those of
// transactions.
type chosen struct {
	flow  [2]bool
	since [2]uint64
	tx    []chosenTx
}

type chosenTx struct {
	tx  uint64
	dir int
}

// choose takes up what the rules chose that matched just now: of the files judged
// those to keep, and those to come.
func (c *conversation) choose(dir flow.Direction, tx uint64, hasTx bool, judged ...*files.File) {
	for _, s := range c.w.rctx.Stores() {
		if s.Scope == rules.StoreFile || s.Has(int(dir)) {
			for _, f := range judged {
				f.Keep()
			}
		}
		if s.Scope == rules.StoreFile || s.Scope == rules.StoreTx && !hasTx {
			continue
		}
		if c.chosen == nil {
			c.chosen = &chosen{}
		}
		for way := range 2 {
			if s.Has(way) {
				c.chosen.add(s.Scope, way, tx)
			}
		}
	}
}

func (k *chosen) add(scope rules.StoreScope, dir int, tx uint64) {
	if scope == rules.StoreFlow {
		if !k.flow[dir] || tx < k.since[dir] {
			k.flow[dir], k.since[dir] = true, tx
		}
		return
	}
	if k.has(dir, tx) {
		return
	}
	if len(k.tx) == maxChosen {
		k.tx = append(k.tx[:0], k.tx[1:]...)
	}
	k.tx = append(k.tx, chosenTx{tx, dir})
}

func (k *chosen) has(dir int, tx uint64) bool {
	if k == nil {
		return false
	}
	for _, t := range k.tx {
		if t.tx == tx && t.dir == dir {
			return true
		}
	}
	return k.flow[dir] && tx >= k.since[dir]
}

// settle decides whether a file that was judged is kept.
func (c *conversation) settle(dir int, tx uint64, f *files.File) {
	if c.chosen.has(dir, tx) {
		f.Keep()
	}
	f.Settle()
}

// join begins a part of a file that comes in several messages: a range of what a
// host, without its port, has under a URI. It returns nil where nobody asks for whole files.
func (c *conversation) join(host, uri, name []byte, at files.Range) *files.Part {
	w := c.w
	if !w.wanted.files || len(host) == 0 {
		return nil
	}
	from := files.Source{Client: c.f.Client.Addr(), Host: string(host), URI: string(uri)}
	return w.e.ranges.Open(w.store, from, name, at, c.f.Last)
}

// Join implements http1.Handler.
func (c *conversation) Join(host, uri, name []byte, at files.Range) *files.Part {
	return c.join(host, uri, name, at)
}

// Join implements proto.Host.
func (h host) Join(host, uri, name []byte, at files.Range) *files.Part {
	return h.c.join(host, uri, name, at)
}
