package rules

import "slices"

// groupsBuilder collects the rules of all prefilters.
type groupsBuilder struct {
	keys                    []*groupBuilder
	tcp, udp, other, stream [2]*plainBuilder
	src, dst                [2][]ruleSpan
}

// buildGroups puts every rule into the prefilters of its views.
func (e *Engine) buildGroups() {
	b := &groupsBuilder{}
	for i := range 2 {
		b.tcp[i], b.udp[i], b.other[i], b.stream[i] = newPlainBuilder(), newPlainBuilder(), newPlainBuilder(), newPlainBuilder()
	}
	for i, r := range e.rules {
		e.placeRule(b, r, int32(i))
	}
	for i := range e.keys {
		k := &e.keys[i]
		k.group = b.keys[i].build()
		if bufferTable[k.buf].packet {
			e.packetKeys = append(e.packetKeys, i)
		}
		e.byBuffer[k.buf] = append(e.byBuffer[k.buf], i)
	}
	for i := range 2 {
		e.tcp[i], e.udp[i], e.other[i], e.stream[i] = b.tcp[i].build(), b.udp[i].build(), b.other[i].build(), b.stream[i].build()
	}
	e.listedSrc = addrIndex{newCells(b.src[0]), newCells(b.src[1])}
	e.listedDst = addrIndex{newCells(b.dst[0]), newCells(b.dst[1])}
}

func (e *Engine) placeRule(b *groupsBuilder, r *Rule, id int32) {
	for j := range r.lists {
		r.lists[j].key = e.key(&r.lists[j], b)
	}
	if len(r.events) > 0 {
		e.placeEvent(r, id)
		return
	}
	at := slices.IndexFunc(r.lists, func(l bufferList) bool { return l.buf == BufferPayload })
	if r.flow.views&(1<<ViewTransaction) != 0 || at < 0 && len(r.lists) > 0 {
		e.placeFields(b, r, id)
		return
	}
	var s seek
	ok := false
	if at >= 0 {
		s, ok = seekIn(&r.lists[at])
	}
	if at < 0 {
		r.ipOnly = r.proto.ip == ipAny && r.proto.version == 0 && r.onlyReputation() && r.flow == (flowSpec{views: r.flow.views}) && !r.checksBits()
		if b.placeListed(r, id) {
			return
		}
		if n, ok := r.onlyProto(); ok {
			e.byProto[n] = append(e.byProto[n], id)
			return
		}
	}
	if !ok {
		e.unfiltered++
	}
	for i := range 2 {
		if i == 0 && r.flow.toClient || i == 1 && r.flow.toServer {
			continue
		}
		if r.flow.views&(1<<ViewPacket) != 0 {
			if r.proto.ip&ipTCP != 0 && !r.flow.tcpStreamOnly {
				b.tcp[i].put(r, s, ok, id)
				if ok && s.place == anywhere {
					b.stream[i].put(r, s, ok, id+int32(len(e.rules)))
				}
			}
			if r.proto.ip&ipUDP != 0 {
				b.udp[i].put(r, s, ok, id)
			}
			if r.proto.ip&^(ipTCP|ipUDP) != 0 {
				b.other[i].put(r, s, ok, id)
			}
		}
		if r.flow.views&(1<<ViewStream) != 0 {
			b.stream[i].put(r, s, ok, id)
		}
	}
}

// key numbers a buffer with its transforms. Number 0 is the payload.
func (e *Engine) key(l *bufferList, b *groupsBuilder) int {
	if l.buf == BufferPayload {
		return 0
	}
	for i := range e.keys {
		if e.keys[i].buf == l.buf && sameTransforms(e.keys[i].trans, l.trans) {
			return i + 1
		}
	}
	e.keys = append(e.keys, keyGroup{buf: l.buf, trans: l.trans})
	b.keys = append(b.keys, newGroupBuilder())
	return len(e.keys)
}

// placeFields puts a transaction rule under the most telling content of its
// buffers; without one, under its first buffer.
func (e *Engine) placeFields(b *groupsBuilder, r *Rule, id int32) {
	key := 0
	var best seek
	found := false
	for i := range r.lists {
		l := &r.lists[i]
		if l.buf == BufferPayload || l.optional() {
			continue
		}
		if key == 0 {
			key = l.key
		}
		s, ok := seekIn(l)
		if ok && (!found || s.worth > best.worth) {
			best, found, key = s, true, l.key
		}
	}
	if !found {
		e.unfiltered++
	}
	if key == 0 {
		e.optional = append(e.optional, id)
		return
	}
	b.keys[key-1].put(best, found, id)
}

// placeListed indexes a rule without contents by its shorter address list, if
// it has one.
func (b *groupsBuilder) placeListed(r *Rule, id int32) bool {
	set, into := r.src, &b.src
	if !set.listed() {
		set, into = r.dst, &b.dst
	}
	if r.bidir || !set.listed() {
		return false
	}
	for _, s := range set.v4 {
		into[0] = append(into[0], ruleSpan{s, id})
	}
	for _, s := range set.v6 {
		into[1] = append(into[1], ruleSpan{s, id})
	}
	return true
}

// onlyProto is the IP protocol that a rule asks for by number.
func (r *Rule) onlyProto() (uint8, bool) {
	for i := range r.packet {
		t := &r.packet[i]
		if t.kind == packetField && t.isProto && t.number.op == numEqual {
			return uint8(t.number.a), true
		}
	}
	return 0, false
}
