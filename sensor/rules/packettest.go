package rules

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

type packetKind uint8

const (
	packetSize packetKind = iota
	packetFlags
	packetICMPType
	packetICMPCode
	packetField
	packetFragBits
	packetIPOption
	packetSameIP
	packetVersion
	packetStreamSize
	packetAppProto
	packetFlowAge
	packetFlowCount
	packetReputation
	packetFile
)

// packetTest is a test on the packet's headers.
type packetTest struct {
	kind   packetKind
	number numberTest
	flags  flagTest
	field  headerField
	// isProto says that the field is the IP protocol.
	isProto bool
	// side is stream_size's; app and negated are app-layer-protocol's.
	side, app string
	// bytes counts bytes and not packets.
	bytes      bool
	negated    bool
	reputation *reputationTest
}

func (t *packetTest) holds(in *Input) bool {
	switch t.kind {
	case packetSize:
		return t.number.holds(len(in.Payload))
	case packetFlags:
		return in.Proto == ProtoTCP && t.flags.holds(in.TCPFlags)
	case packetField:
		n, ok := t.field(in)
		return ok && t.number.holds(n)
	case packetFragBits:
		return in.isIPv4() && t.flags.holds(in.IP[6]>>5)
	case packetIPOption:
		return hasIPOption(in, t.number.a)
	case packetSameIP:
		return in.Src.Addr() == in.Dst.Addr()
	case packetVersion:
		return (in.Src.Addr().Unmap().Is4()) == (t.number.a == 4)
	case packetStreamSize:
		return t.streamSizeHolds(in)
	case packetAppProto:
		return t.appProtoHolds(in)
	case packetReputation:
		return t.reputation.holds(in)
	case packetFile:
		return in.File
	case packetFlowAge:
		return in.Flow != nil && t.number.holds(int(in.FlowAge/time.Second))
	case packetFlowCount:
		return in.Flow != nil && t.flowCountHolds(in)
	}
	if in.Proto != ProtoICMP && in.Proto != ProtoICMPv6 {
		return false
	}
	if t.kind == packetICMPType {
		return t.number.holds(int(in.ICMPType))
	}
	return t.number.holds(int(in.ICMPCode))
}

// flagTest is "flags": the wanted flags, how to compare, and flags to ignore.
type flagTest struct {
	want, ignore uint8
	mode         byte
}

func (t flagTest) holds(flags uint8) bool {
	flags &^= t.ignore
	switch t.mode {
	case '+':
		return flags&t.want == t.want
	case '*':
		return flags&t.want != 0
	case '!':
		return flags&t.want != t.want
	}
	return flags == t.want
}

func parseFlags(s string) (flagTest, error) {
	s = strings.TrimSpace(s)
	var t flagTest
	text, mask, _ := strings.Cut(s, ",")
	text = strings.TrimSpace(text)
	if text != "" && strings.IndexByte("+*!", text[0]) >= 0 {
		t.mode, text = text[0], text[1:]
	}
	var err error
	t.want, err = flagBits(text)
	if err != nil {
		return t, err
	}
	t.ignore, err = flagBits(strings.TrimSpace(mask))
	return t, err
}

func flagBits(s string) (uint8, error) {
	var bits uint8
	for _, c := range strings.ToUpper(s) {
		switch c {
		case 'F':
			bits |= 1
		case 'S':
			bits |= 2
		case 'R':
			bits |= 4
		case 'P':
			bits |= 8
		case 'A':
			bits |= 16
		case 'U':
			bits |= 32
		case 'E', '2':
			bits |= 64
		case 'C', '1':
			bits |= 128
		case '0':
		default:
			return 0, fmt.Errorf("unknown TCP flag %q", string(c))
		}
	}
	return bits, nil
}

func (b *builder) testOption(o option) (bool, error) {
	switch o.name {
	case "pcre":
		return true, b.addPCRE(o.value)
	case "isdataat":
		return true, b.addDataAt(o.value)
	case "bsize":
		n, err := parseNumberTest(o.value, maxOffset)
		if err != nil {
			return true, err
		}
		if b.buf == BufferPayload {
			return true, errors.New("no sticky buffer before it")
		}
		return true, b.add(b.buf, b.trans, item{kind: itemSize, size: n})
	case "urilen":
		return true, b.addURILen(o.value)
	case "byte_test":
		return true, b.addBytes(itemByteTest, o.value)
	case "byte_jump":
		return true, b.addBytes(itemByteJump, o.value)
	case "byte_extract":
		return true, b.addExtract(o.value)
	case "byte_math":
		return true, b.addMath(o.value)
	case "base64_decode":
		return true, b.addBase64(o.value)
	case "asn1":
		return true, b.addASN1(o.value)
	case "ftpbounce":
		return true, b.add(b.buf, b.trans, item{kind: itemFTPBounce})
	case "flags", "tcp.flags":
		t, err := parseFlags(o.value)
		return true, b.addPacket(packetTest{kind: packetFlags, flags: t}, err)
	case "dsize":
		return true, b.addNumber(packetSize, o.value, 65535)
	case "iprep":
		return true, b.addReputation(o.value)
	case "dataset":
		return true, b.addDataset(o.value)
	case "datarep":
		return true, b.addDatarep(o.value)
	case "entropy":
		return true, b.addEntropy(o.value)
	case "filename":
		return true, b.addText(BufferFileName, o.value, false)
	case "fileext":
		return true, b.addText(BufferFileExt, o.value, true)
	case "filemagic":
		return true, b.addText(BufferFileMagic, o.value, false)
	case "filestore":
		return true, b.addFileStore(o.value)
	case "tls.store":
		// Certificates are in the records; the rule alerts.
		return true, nil
	case "itype":
		return true, b.addNumber(packetICMPType, o.value, 255)
	case "icode":
		return true, b.addNumber(packetICMPCode, o.value, 255)
	}
	return false, nil
}

func (b *builder) addNumber(kind packetKind, value string, most int) error {
	n, err := parseNumberTest(value, most)
	return b.addPacket(packetTest{kind: kind, number: n}, err)
}

func (b *builder) addPacket(t packetTest, err error) error {
	if err != nil {
		return err
	}
	b.needPkt = true
	return b.addState(t, nil)
}

// addState adds a test that can be made in every view.
func (b *builder) addState(t packetTest, err error) error {
	if err != nil {
		return err
	}
	b.items++
	if b.items > maxItems {
		return fmt.Errorf("more than %d tests in one rule", maxItems)
	}
	b.rule.packet = append(b.rule.packet, t)
	return nil
}

func (b *builder) addURILen(value string) error {
	number, kind, _ := strings.Cut(value, ",")
	n, err := parseNumberTest(number, maxOffset)
	if err != nil {
		return err
	}
	buf := BufferHTTPURI
	switch strings.TrimSpace(kind) {
	case "", "norm":
	case "raw":
		buf = BufferHTTPURIRaw
	default:
		return fmt.Errorf("%q is neither norm nor raw", clip(kind))
	}
	return b.add(buf, nil, item{kind: itemSize, size: n})
}

func (b *builder) addDataAt(value string) error {
	it := item{kind: itemDataAt}
	value = strings.TrimSpace(value)
	value, it.negated = strings.CutPrefix(value, "!")
	parts := strings.Split(value, ",")
	var err error
	it.at, it.atRef, err = b.numberOrVar(parts[0], 0, maxOffset)
	if err != nil {
		return err
	}
	for _, p := range parts[1:] {
		switch strings.TrimSpace(p) {
		case "relative":
			it.relative = true
		case "rawbytes":
		default:
			return fmt.Errorf("unknown part %q", clip(p))
		}
	}
	return b.add(b.buf, b.trans, it)
}
