package rules

// IP protocol number of IGMP.
const protoIGMP = 2

// prefilterPacket offers a packet's header to the rules of a key.
func (e *Engine) prefilterPacket(ctx *Context, i int, in *Input) {
	k := &e.keys[i]
	if k.buf == BufferVLANID {
		for j, id := range in.VLANs[:min(len(in.VLANs), len(ctx.vlans))] {
			ctx.vlans[j] = [2]byte{byte(id >> 8), byte(id)}
			ctx.setSubjects(i+1, ctx.vlans[j][:], k.trans)
			ctx.prefilter(&k.group, &ctx.subjects[len(ctx.subjects)-1], 0)
		}
		return
	}
	value := in.packetBuffer(k.buf)
	if value == nil {
		return
	}
	ctx.setSubjects(i+1, value, k.trans)
	ctx.prefilter(&k.group, &ctx.subjects[len(ctx.subjects)-1], 0)
}

// packetBuffer is the part of the packet that a buffer names, nil when the
// packet has none.
func (in *Input) packetBuffer(b Buffer) []byte {
	switch b {
	case BufferVLANLayers:
		return []byte{byte(len(in.VLANs))}
	case BufferIPSource, BufferIPDestination:
		a := in.Src.Addr()
		if b == BufferIPDestination {
			a = in.Dst.Addr()
		}
		return a.Unmap().AsSlice()
	case BufferIPv4Header:
		if !in.isIPv4() || len(in.IP) < protoIPv4HeaderMin {
			return nil
		}
		return in.IP[:min(int(in.IP[0]&15)*4, len(in.IP))]
	case BufferIPv6Header:
		return in.ipv6Header()
	case BufferTCPHeader:
		h := in.tcp()
		if h == nil {
			return nil
		}
		return h
	case BufferUDPHeader:
		if in.Proto == ProtoUDP && len(in.Transport) >= 8 {
			return in.Transport[:8]
		}
	case BufferICMPv4Header:
		if in.Proto == ProtoICMP {
			return in.Transport
		}
	case BufferICMPv6Header:
		if in.Proto == ProtoICMPv6 {
			return in.Transport
		}
	case BufferIGMPHeader:
		if in.Proto == protoIGMP {
			return in.Transport
		}
	}
	return nil
}

// ipv6Header is the fixed header with its extension headers.
func (in *Input) ipv6Header() []byte {
	if len(in.IP) < 40 || in.IP[0]>>4 != 6 {
		return nil
	}
	n := len(in.IP) - len(in.Transport)
	if n < 40 {
		return in.IP[:40]
	}
	return in.IP[:n]
}
