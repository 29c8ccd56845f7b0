package rules

import "errors"

// backtracker runs the patterns that RE2 cannot hold: look-around,
// back-references, atomic groups, long counted repeats. It is a backtracking
// machine over bytes whose work is counted: when the budget of the unit of
// traffic is spent it gives up, as PCRE does at its match limit, and the unit
// is counted as exhausted. It keeps its stack in the caller's memory.
type backtracker struct {
	prog  []inst
	sets  []byteSet
	slots int
	// anchored patterns are tried at the start alone; first, when not nil, is
	// the set of bytes that a match begins with.
	anchored bool
	first    *byteSet
}

type opcode uint8

const (
	opSet opcode = iota
	opRun
	opSplit
	opJump
	opSave
	opAssert
	opRef
	opLook
	opAtomic
	opBack
	opMark
	opMoved
	opAccept
)

// inst is one instruction; what x, y and n mean depends on op.
type inst struct {
	op   opcode
	flag uint8
	x, y int32
	n    int32
}

const (
	flagLazy   = 1
	flagNot    = 1
	flagNocase = 1
)

const (
	assertStart = iota
	assertEnd
	assertLastLine
	assertLineStart
	assertLineEnd
	assertWord
	assertNotWord
)

// Limits of a compiled pattern and of its stack.
const (
	maxProgram = 1 << 15
	maxStack   = 1 << 16
)

var errProgram = errors.New("pattern is too large")

// newBacktracker compiles a pattern.
func newBacktracker(pattern string, flags regexFlags, anchor, endOnly bool) (*backtracker, error) {
	p := &regexParser{in: pattern, flags: flags, endOnly: endOnly, names: map[string]int{}}
	tree, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.more() {
		return nil, errPattern
	}
	c := &regexCompiler{b: &backtracker{slots: 2 * (p.groups + 1)}}
	err = c.emit(tree)
	if err != nil {
		return nil, err
	}
	b := c.b
	b.prog = append(b.prog, inst{op: opAccept})
	b.anchored = anchor || b.prog[0].op == opAssert && b.prog[0].n == assertStart
	switch {
	case b.prog[0].op == opSet:
		b.first = &b.sets[b.prog[0].x]
	case b.prog[0].op == opRun && b.prog[0].n > 0:
		b.first = &b.sets[b.prog[0].x]
	}
	return b, nil
}

type regexCompiler struct {
	b *backtracker
}

func (c *regexCompiler) add(i inst) (int, error) {
	if len(c.b.prog) >= maxProgram {
		return 0, errProgram
	}
	c.b.prog = append(c.b.prog, i)
	return len(c.b.prog) - 1, nil
}

func (c *regexCompiler) here() int32 { return int32(len(c.b.prog)) }

func (c *regexCompiler) set(s byteSet) int32 {
	for i := range c.b.sets {
		if c.b.sets[i] == s {
			return int32(i)
		}
	}
	c.b.sets = append(c.b.sets, s)
	return int32(len(c.b.sets) - 1)
}

func (c *regexCompiler) emit(n *node) error {
	var err error
	switch n.kind {
	case nodeEmpty:
	case nodeSet:
		_, err = c.add(inst{op: opSet, x: c.set(n.set)})
	case nodeCat:
		for _, s := range n.subs {
			err = c.emit(s)
			if err != nil {
				return err
			}
		}
	case nodeAlt:
		return c.alternate(n.subs, c.emit)
	case nodeRepeat:
		return c.repeat(n)
	case nodeCapture:
		return c.capture(n)
	case nodeAssert:
		_, err = c.add(inst{op: opAssert, n: int32(n.number)})
	case nodeRef:
		i := inst{op: opRef, n: int32(n.number)}
		if n.nocase {
			i.flag = flagNocase
		}
		_, err = c.add(i)
	case nodeLook:
		return c.look(n)
	case nodeAtomic:
		return c.enclosed(inst{op: opAtomic}, func() error { return c.emit(n.subs[0]) })
	}
	return err
}

// alternate tries parts in their order.
func (c *regexCompiler) alternate(parts []*node, emit func(*node) error) error {
	var jumps []int
	for i, s := range parts {
		split := -1
		var err error
		if i < len(parts)-1 {
			split, err = c.add(inst{op: opSplit, x: c.here() + 1})
			if err != nil {
				return err
			}
		}
		err = emit(s)
		if err != nil {
			return err
		}
		if split < 0 {
			continue
		}
		j, err := c.add(inst{op: opJump})
		if err != nil {
			return err
		}
		jumps = append(jumps, j)
		c.b.prog[split].y = c.here()
	}
	for _, j := range jumps {
		c.b.prog[j].x = c.here()
	}
	return nil
}

func (c *regexCompiler) capture(n *node) error {
	_, err := c.add(inst{op: opSave, n: int32(2 * n.number)})
	if err != nil {
		return err
	}
	err = c.emit(n.subs[0])
	if err != nil {
		return err
	}
	_, err = c.add(inst{op: opSave, n: int32(2*n.number + 1)})
	return err
}

// enclosed compiles a part that runs by itself and goes on at y.
func (c *regexCompiler) enclosed(head inst, body func() error) error {
	at, err := c.add(head)
	if err != nil {
		return err
	}
	err = body()
	if err != nil {
		return err
	}
	_, err = c.add(inst{op: opAccept})
	c.b.prog[at].y = c.here()
	return err
}

func (c *regexCompiler) look(n *node) error {
	head := inst{op: opLook}
	if n.negated {
		head.flag = flagNot
	}
	if !n.behind {
		return c.enclosed(head, func() error { return c.emit(n.subs[0]) })
	}
	return c.enclosed(head, func() error {
		return c.alternate(n.branches(), func(branch *node) error {
			w, _ := branch.width()
			_, err := c.add(inst{op: opBack, n: int32(w)})
			if err != nil {
				return err
			}
			return c.emit(branch)
		})
	})
}

// single is the node behind groups that do nothing.
func (n *node) single() *node {
	for n.kind == nodeCat && len(n.subs) == 1 {
		n = n.subs[0]
	}
	return n
}

// repeat compiles a quantifier. One byte repeated is a single instruction; a
// longer part is copied.
func (c *regexCompiler) repeat(n *node) error {
	sub := n.subs[0].single()
	lazy := uint8(0)
	if n.lazy {
		lazy = flagLazy
	}
	if sub.kind == nodeSet {
		_, err := c.add(inst{op: opRun, flag: lazy, x: c.set(sub.set), n: int32(n.min), y: int32(n.max)})
		return err
	}
	for range n.min {
		err := c.emit(sub)
		if err != nil {
			return err
		}
	}
	if n.max < 0 {
		return c.loop(sub, n.lazy)
	}
	var splits []int
	for range n.max - n.min {
		at, err := c.add(inst{op: opSplit})
		if err != nil {
			return err
		}
		splits = append(splits, at)
		err = c.emit(sub)
		if err != nil {
			return err
		}
	}
	for _, at := range splits {
		c.branch(at, int32(at)+1, c.here(), n.lazy)
	}
	return nil
}

// branch sets where a split goes first and second.
func (c *regexCompiler) branch(at int, in, out int32, lazy bool) {
	i := &c.b.prog[at]
	i.x, i.y = in, out
	if lazy {
		i.x, i.y = out, in
	}
}

// loop compiles a part repeated without limit; a turn that took no bytes ends
// it.
func (c *regexCompiler) loop(sub *node, lazy bool) error {
	slot := int32(c.b.slots)
	c.b.slots++
	start, err := c.add(inst{op: opSplit})
	if err != nil {
		return err
	}
	_, err = c.add(inst{op: opMark, n: slot})
	if err != nil {
		return err
	}
	err = c.emit(sub)
	if err != nil {
		return err
	}
	moved, err := c.add(inst{op: opMoved, n: slot})
	if err != nil {
		return err
	}
	_, err = c.add(inst{op: opJump, x: int32(start)})
	c.b.prog[moved].x = c.here()
	c.branch(start, int32(start)+1, c.here(), lazy)
	return err
}
