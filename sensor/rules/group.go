package rules

import "slices"

// group is a prefilter with the rules that it cannot serve: those without a
// positive content in that buffer.
type group struct {
	matcher *matcher
	always  []int32
}

// groupBuilder collects the rules of a group.
type groupBuilder struct {
	matcherBuilder
	always []int32
}

func newGroupBuilder() *groupBuilder {
	return &groupBuilder{matcherBuilder: matcherBuilder{index: map[wanted]int{}}}
}

func (b *groupBuilder) put(s seek, ok bool, id int32) {
	if ok {
		b.add(s, id)
		return
	}
	b.always = append(b.always, id)
}

func (b *groupBuilder) build() group {
	return group{matcher: b.matcherBuilder.build(), always: slices.Clip(b.always)}
}

// plain is the prefilter of the rules on plain packets or streams in one
// direction. A unit of traffic meets those that ask for nothing special,
// together with those for its protocol, and those for its ports.
type plain struct {
	any group
	app map[string]*group
	dst ports
	src ports
}

// of returns the group for a protocol.
func (p *plain) of(app string) *group {
	if app != "" {
		g := p.app[app]
		if g != nil {
			return g
		}
	}
	return &p.any
}

// groups are those that a unit of traffic meets; some may be nil.
func (p *plain) groups(in *Input) [3]*group {
	return [3]*group{p.of(in.AppProto), p.dst.of(in.Dst.Port()), p.src.of(in.Src.Port())}
}

// ports has the groups of rules that name few ports. The line of ports is cut
// at every start and end of a range; all ports of a cell have the same rules.
type ports struct {
	starts []uint32
	groups []*group
}

// maxPorts is how many ports a rule may name to be found by them.
const maxPorts = 1024

// few reports whether a set names so few ports that most traffic has others.
func (s *portSet) few() bool {
	n := uint64(0)
	for _, x := range s.in {
		n += x.hi.lo - x.lo.lo + 1
	}
	return n <= maxPorts
}

func (p *ports) of(port uint16) *group {
	i, j := 0, len(p.starts)
	for i < j {
		m := int(uint(i+j) >> 1)
		if uint32(port) < p.starts[m] {
			j = m
		} else {
			i = m + 1
		}
	}
	if i == 0 {
		return nil
	}
	return p.groups[i-1]
}

// plainBuilder collects the rules of a plain.
type plainBuilder struct {
	any      []portRule
	app      map[string]*groupBuilder
	dst, src []portRule
}

// portRule is a rule that waits for its group; in are its ports.
type portRule struct {
	in   spans
	seek seek
	ok   bool
	id   int32
}

func newPlainBuilder() *plainBuilder {
	return &plainBuilder{app: map[string]*groupBuilder{}}
}

func (b *plainBuilder) put(r *Rule, s seek, ok bool, id int32) {
	switch {
	case r.proto.app != "":
		for _, name := range appsOf(r.proto.app) {
			g := b.app[name]
			if g == nil {
				g = newGroupBuilder()
				b.app[name] = g
			}
			g.put(s, ok, id)
		}
	case !r.bidir && r.dstPort.few():
		b.dst = append(b.dst, portRule{r.dstPort.in, s, ok, id})
	case !r.bidir && r.srcPort.few():
		b.src = append(b.src, portRule{r.srcPort.in, s, ok, id})
	default:
		b.any = append(b.any, portRule{nil, s, ok, id})
	}
}

// appsOf lists the protocols of flows for which a rule's protocol holds.
func appsOf(want string) []string {
	var out []string
	for name := range appProtocols {
		if appHolds(want, name) {
			out = append(out, name)
		}
	}
	if !slices.Contains(out, want) && appHolds(want, want) {
		out = append(out, want)
	}
	return out
}

func (b *plainBuilder) build() plain {
	p := plain{any: b.built(newGroupBuilder()), app: map[string]*group{}, dst: newPorts(b.dst), src: newPorts(b.src)}
	for name, g := range b.app {
		built := b.built(g)
		p.app[name] = &built
	}
	return p
}

// built finishes a group with the rules that concern all traffic.
func (b *plainBuilder) built(g *groupBuilder) group {
	for _, r := range b.any {
		g.put(r.seek, r.ok, r.id)
	}
	return g.build()
}

func newPorts(rules []portRule) ports {
	var p ports
	for i := range rules {
		for _, s := range rules[i].in {
			p.starts = append(p.starts, uint32(s.lo.lo), uint32(s.hi.lo)+1)
		}
	}
	slices.Sort(p.starts)
	p.starts = slices.Clip(slices.Compact(p.starts))
	known := map[string]*group{}
	var key []byte
	for _, start := range p.starts {
		b := newGroupBuilder()
		key = key[:0]
		for i := range rules {
			r := &rules[i]
			if r.in.has(point{0, uint64(start)}) {
				b.put(r.seek, r.ok, r.id)
				key = append(key, byte(i), byte(i>>8), byte(i>>16))
			}
		}
		g := known[string(key)]
		if g == nil && len(key) > 0 {
			built := b.build()
			g = &built
			known[string(key)] = g
		}
		p.groups = append(p.groups, g)
	}
	return p
}
