package sensor

import (
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/rules"
)

// maxChosen bounds what rules have chosen in one flow, transactions and directions
// of all each: what was chosen last.
const maxChosen = 64

// chosen is which files of a flow are kept that are still to come, because a rule
// with filestore matched: all of a direction from a transaction on, or those of
// transactions.
type chosen struct {
	flow, tx []choice
}

// choice is what one rule chose: a direction of a transaction, in chosen.flow also
// of those after it.
type choice struct {
	sid uint32
	dir int
	tx  uint64
}

// choose takes up what the rules chose that matched just now: of the files judged
// those to keep, and those to come.
func (c *conversation) choose(dir flow.Direction, tx uint64, hasTx bool, judged ...*files.File) {
	for _, s := range c.w.rctx.Stores() {
		if s.Scope == rules.StoreFile || s.Has(int(dir)) {
			for _, f := range judged {
				f.Keep(s.SID)
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
				c.chosen.add(s.Scope, choice{s.SID, way, tx})
			}
		}
	}
}

func (k *chosen) add(scope rules.StoreScope, c choice) {
	list := &k.tx
	if scope == rules.StoreFlow {
		list = &k.flow
	}
	for i := range *list {
		had := &(*list)[i]
		if had.sid == c.sid && had.dir == c.dir && (scope == rules.StoreFlow || had.tx == c.tx) {
			had.tx = min(had.tx, c.tx)
			return
		}
	}
	if len(*list) == maxChosen {
		*list = append((*list)[:0], (*list)[1:]...)
	}
	*list = append(*list, c)
}

// by are the rules that chose the files of a transaction.
func (k *chosen) by(dir int, tx uint64) []uint32 {
	if k == nil {
		return nil
	}
	var out []uint32
	for _, c := range k.flow {
		if c.dir == dir && tx >= c.tx {
			out = append(out, c.sid)
		}
	}
	for _, c := range k.tx {
		if c.dir == dir && tx == c.tx {
			out = append(out, c.sid)
		}
	}
	return out
}

// settle decides whether a file that was judged is kept.
func (c *conversation) settle(dir int, tx uint64, f *files.File) {
	if by := c.chosen.by(dir, tx); len(by) > 0 {
		f.Keep(by...)
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
