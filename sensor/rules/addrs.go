package rules

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// addrSet is one address expression of a header. Equal expressions share one
// set, so that a packet is compared with each set at most once.
type addrSet struct {
	any    bool
	v4, v6 spans
	// id is the set's place in the engine's memo.
	id int
}

// portSet is one port expression of a header.
type portSet struct {
	any bool
	in  spans
}

func addrPoint(a netip.Addr) point {
	b := a.As16()
	if a.Is4() {
		v4 := a.As4()
		return point{0, uint64(binary.BigEndian.Uint32(v4[:]))}
	}
	return point{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (s *addrSet) has(a netip.Addr) bool {
	if s.any {
		return true
	}
	if a.Is4() || a.Is4In6() {
		return s.v4.has(addrPoint(a.Unmap()))
	}
	return a.IsValid() && s.v6.has(addrPoint(a))
}

func (s *portSet) has(port uint16) bool {
	return s.any || s.in.has(point{0, uint64(port)})
}

// The two families on one number line, see parseAddrs.
var (
	allV4 = span{point{0, 0}, point{0, 0xffffffff}}
	allV6 = span{point{0, 1 << 32}, point{^uint64(0), ^uint64(0)}}
)

// parseAddrs evaluates an address expression. IPv4 and IPv6 share one number
// line: IPv4 takes the numbers below 2^32, which as IPv6 are ::/96 and never
// on a wire.
func parseAddrs(text string, vars Vars) (*addrSet, error) {
	p := listParser{vars: vars.Address, all: spans{allV4, allV6}, item: parseAddrItem}
	got, err := p.parse(text, 0)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", clip(text), err)
	}
	set := &addrSet{}
	for _, s := range got {
		switch {
		case s.hi.hi == 0 && s.hi.lo <= allV4.hi.lo:
			set.v4 = append(set.v4, s)
		case !s.lo.less(allV6.lo):
			set.v6 = append(set.v6, s)
		default:
			set.v4 = append(set.v4, span{s.lo, allV4.hi})
			set.v6 = append(set.v6, span{allV6.lo, s.hi})
		}
	}
	set.any = len(set.v4) == 1 && len(set.v6) == 1 && set.v4[0] == allV4 && set.v6[0] == allV6
	return set, nil
}

func parseAddrItem(text string) (span, error) {
	from, to, isRange := strings.Cut(text, "-")
	if isRange {
		a, err := netip.ParseAddr(strings.TrimSpace(from))
		if err != nil {
			return span{}, fmt.Errorf("range start: %w", err)
		}
		b, err := netip.ParseAddr(strings.TrimSpace(to))
		if err != nil {
			return span{}, fmt.Errorf("range end: %w", err)
		}
		lo, hi := addrPoint(a), addrPoint(b)
		if a.Is4() != b.Is4() || hi.less(lo) {
			return span{}, fmt.Errorf("range %s is not ascending", text)
		}
		return span{lo, hi}, nil
	}
	host, mask, hasMask := strings.Cut(text, "/")
	a, err := netip.ParseAddr(host)
	if err != nil {
		return span{}, fmt.Errorf("not an address: %w", err)
	}
	n := a.BitLen()
	if hasMask {
		n, err = maskBits(mask)
		if err != nil {
			return span{}, err
		}
	}
	prefix, err := a.Prefix(n)
	if err != nil {
		return span{}, fmt.Errorf("not a prefix: %w", err)
	}
	return prefixSpan(prefix), nil
}

func prefixSpan(p netip.Prefix) span {
	lo := addrPoint(p.Masked().Addr())
	host := p.Addr().BitLen() - p.Bits()
	hi := lo
	switch {
	case host >= 128:
		hi = point{^uint64(0), ^uint64(0)}
	case host >= 64:
		hi.hi |= 1<<(host-64) - 1
		hi.lo = ^uint64(0)
	default:
		hi.lo |= 1<<host - 1
	}
	return span{lo, hi}
}

// maskBits reads "24" or "255.255.255.0".
func maskBits(text string) (int, error) {
	if !strings.Contains(text, ".") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("prefix length %q is not a number", clip(text))
		}
		return n, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return 0, fmt.Errorf("netmask %q is not an IPv4 mask", clip(text))
	}
	b := a.As4()
	v := binary.BigEndian.Uint32(b[:])
	n := 0
	for v&(1<<31) != 0 {
		n++
		v <<= 1
	}
	if v != 0 {
		return 0, fmt.Errorf("netmask %s has holes", text)
	}
	return n, nil
}

func parsePorts(text string, vars Vars) (*portSet, error) {
	all := spans{{point{0, 0}, point{0, 65535}}}
	p := listParser{vars: vars.Port, all: all, item: parsePortItem}
	got, err := p.parse(text, 0)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", clip(text), err)
	}
	return &portSet{any: len(got) == 1 && got[0] == all[0], in: got}, nil
}

func parsePortItem(text string) (span, error) {
	from, to, isRange := strings.Cut(text, ":")
	lo, hi := uint64(0), uint64(65535)
	var err error
	if from != "" || !isRange {
		lo, err = strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		if err != nil {
			return span{}, fmt.Errorf("%q is not a port", clip(text))
		}
	}
	switch {
	case !isRange:
		hi = lo
	case to != "":
		hi, err = strconv.ParseUint(strings.TrimSpace(to), 10, 16)
		if err != nil {
			return span{}, fmt.Errorf("%q is not a port range", clip(text))
		}
	}
	if hi < lo {
		return span{}, fmt.Errorf("port range %q is not ascending", clip(text))
	}
	return span{point{0, lo}, point{0, hi}}, nil
}

// clip keeps a refusal short when the rule's text is long.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
