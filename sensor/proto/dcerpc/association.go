package dcerpc

import (
	"bytes"
	"slices"

	"github.com/antin-gov/antin/sensor/proto"
)

// Association is what two ends have agreed on, and the calls under way. The
// zero value is a new one.
type Association struct {
	// head is what stands before the arguments of a response and is not counted
	// among them: of calls in pipes; over TCP EVE counts it.
	head       int
	interfaces []Interface
	open       []*Call
	part       [2][]byte
	// skip is how much of a broken unit is still to come; lost is true while
	// the start of the next unit is not known.
	skip [2]int
	lost [2]bool
}

// InPipe returns an association inside a named pipe.
func InPipe() Association { return Association{head: responseHead} }

// Feed takes bytes of a direction. It returns the calls that were asked in
// full, and those whose record is complete.
func (a *Association) Feed(dir int, b []byte) (asked, told []*Call, err error) {
	n := min(a.skip[dir], len(b))
	a.skip[dir] -= n
	b = b[n:]
	if a.lost[dir] && Begins(b) {
		a.lost[dir] = false
	}
	if a.lost[dir] || len(b) == 0 {
		return nil, nil, nil
	}
	if len(a.part[dir]) > 0 {
		a.part[dir] = append(a.part[dir], b...)
		b = a.part[dir]
	}
	for len(b) >= headLength {
		u, ok := head(b)
		if !ok {
			a.part[dir] = nil
			return asked, told, ErrMalformed
		}
		if len(b) < u.size {
			break
		}
		u.body = b[headLength:u.size]
		b = b[u.size:]
		if dir == proto.ToServer {
			asked, told = a.ask(&u, asked, told)
		} else {
			told = a.answer(&u, told)
		}
	}
	switch len(b) {
	case 0:
		a.part[dir] = nil
	case len(a.part[dir]): // what waits already
	default:
		a.part[dir] = bytes.Clone(b)
	}
	return asked, told, nil
}

// Gap tells that n bytes are missing.
func (a *Association) Gap(dir int, n int) {
	rest := a.part[dir]
	a.part[dir] = nil
	u, ok := head(rest)
	if ok && a.skip[dir] == 0 {
		a.skip[dir] = u.size - len(rest)
	}
	if a.skip[dir] >= n {
		a.skip[dir] -= n
		return
	}
	a.skip[dir], a.lost[dir] = 0, true
}

// Close returns the calls that have no answer.
func (a *Association) Close() []*Call {
	out := a.open
	a.open = nil
	return out
}

// find returns the place of an open call.
func (a *Association) find(call uint32) int {
	return slices.IndexFunc(a.open, func(c *Call) bool { return c.id == call })
}

func (a *Association) ask(u *unit, asked, told []*Call) (_, _ []*Call) {
	if u.kind == kindAuth3 {
		// The end of a bind, which nothing answers ([MS-RPCE] §2.2.2.3).
		return asked, told
	}
	i := a.find(u.call)
	if u.kind == kindRequest && u.flags&flagFirst == 0 {
		if i >= 0 && !a.open[i].asked {
			a.open[i].addRequest(u)
		}
	} else {
		if i >= 0 {
			told = append(told, a.open[i])
			a.open = slices.Delete(a.open, i, i+1)
		}
		if len(a.open) == maxOpen {
			told = append(told, a.open[0])
			a.open = slices.Delete(a.open, 0, 1)
		}
		c := &Call{id: u.call, minor: u.minor, request: u.kind, over: a}
		switch u.kind {
		case kindRequest:
			c.addRequest(u)
		case kindBind, kindAlter:
			c.asked = true
			if u.flags&flagFirst != 0 {
				a.bind(u)
			}
		default:
			c.asked = true
		}
		a.open = append(a.open, c)
	}
	i = a.find(u.call)
	if i < 0 || !a.open[i].asked {
		return asked, told
	}
	c := a.open[i]
	c.settle()
	return append(asked, c), told
}

// bind notes the interfaces that are asked for.
func (a *Association) bind(u *unit) {
	list, _ := parseBind(u)
	if u.kind == kindBind {
		a.interfaces = list
		return
	}
	for _, i := range list {
		a.interfaces = slices.DeleteFunc(a.interfaces, func(old Interface) bool { return old.context == i.context })
		if len(a.interfaces) < maxContexts {
			a.interfaces = append(a.interfaces, i)
		}
	}
}

func (a *Association) answer(u *unit, told []*Call) []*Call {
	i := a.find(u.call)
	var c *Call
	if i >= 0 {
		c = a.open[i]
	} else {
		c = &Call{id: u.call, minor: u.minor, lost: true, over: a}
		if len(a.open) < maxOpen {
			a.open = append(a.open, c)
			i = len(a.open) - 1
		}
	}
	c.response, c.answered = u.kind, true
	switch u.kind {
	case kindResponse:
		c.addResponse(u)
		if u.flags&flagLast == 0 && i >= 0 {
			return told
		}
	case kindBindAck, kindAlterAck:
		a.acknowledge(u)
	}
	c.settle()
	if i >= 0 {
		a.open = slices.Delete(a.open, i, i+1)
	}
	return append(told, c)
}

// acknowledge notes which interfaces the server took.
func (a *Association) acknowledge(u *unit) {
	results := parseBindAck(u)
	for i := range a.interfaces {
		if a.interfaces[i].call != u.call || len(results) == 0 {
			continue
		}
		x := &a.interfaces[i]
		x.result, x.reason, x.acked = results[0].result, results[0].reason, true
		results = results[1:]
	}
}
