package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/sensor/decode"
)

// Tests on the packet's headers, read from the raw bytes so that a packet
// costs nothing when no rule asks.

const (
	protoIPv4HeaderMin = 20
	protoIPv6Header    = 40
	tcpHeaderMin       = 20
)

// headerField reads a number out of the headers; ok is false when the packet
// does not have it.
type headerField func(in *Input) (n int, ok bool)

func fieldTTL(in *Input) (int, bool) {
	switch {
	case in.isIPv4():
		return int(in.IP[8]), true
	case in.isIPv6():
		return int(in.IP[7]), true
	}
	return 0, false
}

func fieldIPID(in *Input) (int, bool) {
	if !in.isIPv4() {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(in.IP[4:])), true
}

func fieldFragOffset(in *Input) (int, bool) {
	if !in.isIPv4() {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(in.IP[6:]) & 0x1fff), true
}

func fieldTOS(in *Input) (int, bool) {
	if !in.isIPv4() {
		return 0, false
	}
	return int(in.IP[1]), true
}

func (in *Input) isIPv4() bool { return len(in.IP) >= protoIPv4HeaderMin && in.IP[0]>>4 == 4 }
func (in *Input) isIPv6() bool { return len(in.IP) >= protoIPv6Header && in.IP[0]>>4 == 6 }

// tcp returns the TCP header with its options, nil when there is none.
func (in *Input) tcp() []byte {
	if in.Proto != ProtoTCP || len(in.Transport) < tcpHeaderMin {
		return nil
	}
	n := int(in.Transport[12]>>4) * 4
	if n < tcpHeaderMin || n > len(in.Transport) {
		return nil
	}
	return in.Transport[:n]
}

func fieldSeq(in *Input) (int, bool) {
	h := in.tcp()
	if h == nil {
		return 0, false
	}
	return int(binary.BigEndian.Uint32(h[4:])), true
}

func fieldAck(in *Input) (int, bool) {
	h := in.tcp()
	if h == nil {
		return 0, false
	}
	return int(binary.BigEndian.Uint32(h[8:])), true
}

func fieldWindow(in *Input) (int, bool) {
	h := in.tcp()
	if h == nil {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(h[14:])), true
}

// TCP options (RFC 9293 §3.2, RFC 7323 §2.2).
const (
	optMSS    = 2
	optWScale = 3
)

func fieldMSS(in *Input) (int, bool) {
	v := decode.TCPOption(in.tcp(), optMSS)
	if len(v) != 2 {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(v)), true
}

func fieldWScale(in *Input) (int, bool) {
	v := decode.TCPOption(in.tcp(), optWScale)
	if len(v) != 1 {
		return 0, false
	}
	return int(v[0]), true
}

// icmpEcho are the types that carry identifier and sequence number (RFC 792,
// RFC 4443 §4).
func icmpEcho(in *Input) bool {
	if len(in.Transport) < 8 {
		return false
	}
	switch in.Proto {
	case ProtoICMP:
		t := in.ICMPType
		return t == 0 || t == 8 || t >= 13 && t <= 18
	case ProtoICMPv6:
		return in.ICMPType == 128 || in.ICMPType == 129
	}
	return false
}

func fieldICMPID(in *Input) (int, bool) {
	if !icmpEcho(in) {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(in.Transport[4:])), true
}

func fieldICMPSeq(in *Input) (int, bool) {
	if !icmpEcho(in) {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(in.Transport[6:])), true
}

// fieldMTU is that of "packet too big" (RFC 4443 §3.2).
func fieldMTU(in *Input) (int, bool) {
	if in.Proto != ProtoICMPv6 || in.ICMPType != 2 || len(in.Transport) < 8 {
		return 0, false
	}
	return int(binary.BigEndian.Uint32(in.Transport[4:])), true
}

func fieldProto(in *Input) (int, bool) { return int(in.Proto), true }

// numberField finds the field of a keyword that compares a number, and the
// largest number that it can have.
func numberField(name string) (field headerField, most int) {
	switch name {
	case "ttl":
		return fieldTTL, 255
	case "id":
		return fieldIPID, 65535
	case "fragoffset":
		return fieldFragOffset, 8191
	case "seq", "tcp.seq":
		return fieldSeq, 1<<32 - 1
	case "ack", "tcp.ack":
		return fieldAck, 1<<32 - 1
	case "window", "tcp.window":
		return fieldWindow, 65535
	case "tcp.mss":
		return fieldMSS, 65535
	case "tcp.wscale":
		return fieldWScale, 255
	case "icmp_id":
		return fieldICMPID, 65535
	case "icmp_seq":
		return fieldICMPSeq, 65535
	case "icmpv6.mtu":
		return fieldMTU, 1<<32 - 1
	}
	return nil, 0
}

func (b *builder) headerOption(o option) (bool, error) {
	field, most := numberField(o.name)
	if field != nil {
		n, err := parseNumberTest(unquote(o.value), most)
		return true, b.addPacket(packetTest{kind: packetField, field: field, number: n}, err)
	}
	kind, isFlow := flowKeyword(o.name)
	if isFlow {
		t, err := parseFlowNumber(kind, o.value)
		return true, b.addState(t, err)
	}
	switch o.name {
	case "tos":
		n, err := parseTOS(o.value)
		return true, b.addPacket(packetTest{kind: packetField, field: fieldTOS, number: n}, err)
	case "fragbits":
		t, err := parseFragBits(o.value)
		return true, b.addPacket(packetTest{kind: packetFragBits, flags: t}, err)
	case "ipopts":
		n, ok := ipOptionNames[strings.ToLower(o.value)]
		if !ok {
			return true, fmt.Errorf("unknown option %q", clip(o.value))
		}
		return true, b.addPacket(packetTest{kind: packetIPOption, number: numberTest{a: n}}, nil)
	case "sameip":
		return true, b.addPacket(packetTest{kind: packetSameIP}, nil)
	case "ip_proto":
		n, err := parseIPProto(o.value)
		return true, b.addState(packetTest{kind: packetField, field: fieldProto, isProto: true, number: n}, err)
	case "l3_proto":
		t := packetTest{kind: packetVersion, number: numberTest{a: 4}}
		switch strings.ToLower(strings.TrimSpace(o.value)) {
		case "ip4", "ipv4":
		case "ip6", "ipv6":
			t.number.a = 6
		default:
			return true, fmt.Errorf("%q is neither ip4 nor ip6", clip(o.value))
		}
		return true, b.addState(t, nil)
	case "stream_size":
		t, err := parseStreamSize(o.value)
		return true, b.addState(t, err)
	case "app-layer-protocol":
		t, err := parseAppProtocol(o.value)
		return true, b.addState(t, err)
	}
	return false, nil
}

// ipOptionNames are the option types of IPv4 (IANA "IP Option Numbers"); -1
// is any.
var ipOptionNames = map[string]int{
	"any": -1, "eol": 0, "nop": 1, "rr": 7, "qs": 25, "ts": 68, "sec": 130, "lsrr": 131,
	"esec": 133, "cipso": 134, "satid": 136, "ssrr": 137, "rtralt": 148, "addext": 147, "tr": 82,
}

func hasIPOption(in *Input, want int) bool {
	if !in.isIPv4() {
		return false
	}
	n := int(in.IP[0]&15) * 4
	if n <= protoIPv4HeaderMin || n > len(in.IP) {
		return false
	}
	for o := in.IP[protoIPv4HeaderMin:n]; len(o) > 0; {
		kind := int(o[0])
		if kind == want || want < 0 {
			return true
		}
		if kind == 0 {
			return false
		}
		if kind == 1 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return false
		}
		o = o[o[1]:]
	}
	return false
}

// parseTOS reads "8", "x10" and "!…".
func parseTOS(s string) (numberTest, error) {
	s, negated := strings.CutPrefix(strings.TrimSpace(s), "!")
	base := 10
	s, isHex := strings.CutPrefix(strings.ToLower(s), "x")
	if isHex {
		base = 16
	}
	n, err := strconv.ParseUint(s, base, 8)
	if err != nil {
		return numberTest{}, errNotNumber
	}
	t := numberTest{a: int(n)}
	if negated {
		t.op = numNot
	}
	return t, nil
}

// parseFragBits reads "MDR" with +, * or ! before it.
func parseFragBits(s string) (flagTest, error) {
	s = strings.TrimSpace(s)
	var t flagTest
	if s != "" && strings.IndexByte("+*!", s[0]) >= 0 {
		t.mode, s = s[0], s[1:]
	}
	for _, c := range strings.ToUpper(s) {
		switch c {
		case 'M':
			t.want |= 1
		case 'D':
			t.want |= 2
		case 'R':
			t.want |= 4
		default:
			return t, fmt.Errorf("unknown bit %q", string(c))
		}
	}
	if t.want == 0 {
		return t, errNoValue
	}
	return t, nil
}

// ipProtocols are the names of /etc/protocols that rules use.
var ipProtocols = map[string]int{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
	"icmpv6": 58, "ipv6-icmp": 58, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132,
}

func parseIPProto(s string) (numberTest, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	op := numEqual
	for _, p := range []struct {
		text string
		op   numberOp
	}{{"!", numNot}, {"<", numLess}, {">", numMore}, {"=", numEqual}} {
		rest, ok := strings.CutPrefix(s, p.text)
		if ok {
			s, op = strings.TrimSpace(rest), p.op
			break
		}
	}
	n, ok := ipProtocols[s]
	if ok {
		return numberTest{op: op, a: n}, nil
	}
	n, err := parseInt(s, 0, 255)
	return numberTest{op: op, a: n}, err
}

// parseStreamSize reads "server,<,5".
func parseStreamSize(s string) (packetTest, error) {
	t := packetTest{kind: packetStreamSize}
	parts := splitTrim(s)
	if len(parts) != 3 {
		return t, errors.New("needs a side, an operator and a size")
	}
	t.side = parts[0]
	switch t.side {
	case "client", "server", "both", "either":
	default:
		return t, fmt.Errorf("unknown side %q", clip(t.side))
	}
	ops := map[string]numberOp{"<": numLess, "<=": numLessEqual, ">": numMore, ">=": numMoreEqual, "=": numEqual, "!=": numNot}
	op, ok := ops[parts[1]]
	if !ok {
		return t, fmt.Errorf("unknown operator %q", clip(parts[1]))
	}
	n, err := parseInt(parts[2], 0, 1<<32-1)
	t.number = numberTest{op: op, a: n}
	return t, err
}

// parseAppProtocol reads "[!]NAME[,direction]"; "failed" is a name too.
func parseAppProtocol(s string) (packetTest, error) {
	t := packetTest{kind: packetAppProto}
	s, _, _ = strings.Cut(s, ",")
	s, t.negated = strings.CutPrefix(strings.TrimSpace(s), "!")
	t.app = strings.ToLower(s)
	if t.app == "failed" || t.app == "unknown" {
		return t, nil
	}
	p, err := parseProto(t.app)
	if err != nil || p.app == "" {
		return t, fmt.Errorf("protocol %q is not inspected", clip(t.app))
	}
	t.app = p.app
	return t, nil
}

// streamSizeHolds compares how far the sides' sequence numbers have come.
func (t *packetTest) streamSizeHolds(in *Input) bool {
	if in.Proto != ProtoTCP || in.Flow == nil {
		return false
	}
	client, server := t.number.holds(int(in.StreamSize[0])), t.number.holds(int(in.StreamSize[1]))
	switch t.side {
	case "client":
		return client
	case "server":
		return server
	case "both":
		return client && server
	}
	return client || server
}

// appProtoHolds compares the flow's protocol. As long as it is not known,
// neither a name nor its negation holds.
func (t *packetTest) appProtoHolds(in *Input) bool {
	switch {
	case t.app == "failed":
		return in.AppFailed != t.negated
	case t.app == "unknown":
		return (in.AppProto == "" && !in.AppFailed) != t.negated
	case in.AppProto == "" && !in.AppFailed:
		return false
	}
	return appHolds(t.app, in.AppProto) != t.negated
}
