package rules

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits on what a rule file may hold. The longest rule of the public sets is
// below 9 KB and has 31 contents.
const (
	// maxRuleBytes bounds one rule with its continued lines.
	maxRuleBytes = 64 << 10
	// maxFileRules bounds the rules of one file.
	maxFileRules = 500_000
	// maxOptions bounds the options of one rule.
	maxOptions = 512
)

// Parse reads a rule file. It returns the rules that can be run and, by line,
// those that cannot with the reason; empty lines, comments and rules that are
// commented out are neither. The name of the file is only reported.
func Parse(r io.Reader, file string, vars Vars) (rs []*Rule, refused []Refusal) {
	p := &fileParser{file: file, vars: vars, addrs: map[string]*addrSet{}, ports: map[string]*portSet{}}
	lines := bufio.NewReaderSize(r, 64<<10)
	number := 0
	for {
		text, first, err := p.logicalLine(lines, &number)
		if text != "" {
			p.rule(text, first)
		}
		if len(p.rules)+len(p.refused) >= maxFileRules {
			p.refuse(number, 0, fmt.Errorf("more than %d rules in one file: the rest is not read", maxFileRules))
			break
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.refuse(number, 0, fmt.Errorf("read: %w", err))
			break
		}
	}
	return p.rules, p.refused
}

type fileParser struct {
	file    string
	vars    Vars
	addrs   map[string]*addrSet
	ports   map[string]*portSet
	rules   []*Rule
	refused []Refusal
}

func (p *fileParser) refuse(line int, sid uint32, err error) {
	p.refused = append(p.refused, Refusal{File: p.file, Line: line, SID: sid, Reason: err.Error()})
}

// logicalLine joins lines that end in a backslash. A rule that is too long is
// refused here and comes back empty.
func (p *fileParser) logicalLine(r *bufio.Reader, number *int) (text string, first int, err error) {
	var b strings.Builder
	tooLong := false
	for {
		line, err := readLine(r)
		*number++
		if first == 0 {
			first = *number
		}
		tooLong = tooLong || errors.Is(err, errLineTooLong)
		line = strings.TrimSpace(line)
		comment := b.Len() == 0 && strings.HasPrefix(line, "#")
		more := strings.HasSuffix(line, `\`) && !comment
		if more {
			line = strings.TrimSuffix(line, `\`)
		}
		if !comment && b.Len()+len(line) <= maxRuleBytes {
			b.WriteString(line)
		} else if !comment {
			tooLong = true
		}
		if errors.Is(err, errLineTooLong) {
			err = nil
		}
		if more && err == nil {
			continue
		}
		if tooLong {
			p.refuse(first, 0, fmt.Errorf("rule longer than %d bytes", maxRuleBytes))
			return "", first, err
		}
		return b.String(), first, err
	}
}

var errLineTooLong = errors.New("line too long")

// readLine returns a line without its end; of a line that is too long it
// returns nothing and errLineTooLong.
func readLine(r *bufio.Reader) (string, error) {
	var b []byte
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if len(b)+len(part) > maxRuleBytes {
			tooLong = true
		} else {
			b = append(b, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if tooLong && err == nil {
			err = errLineTooLong
		}
		return string(b), err
	}
}

func (p *fileParser) rule(text string, line int) {
	head, body, found := strings.Cut(text, "(")
	if !found || !strings.HasSuffix(text, ")") {
		p.refuse(line, 0, errors.New("not a rule: no options in parentheses"))
		return
	}
	b := newBuilder(&Rule{GID: 1, Priority: defaultPriority, File: p.file, Line: line}, p.vars.Data)
	err := p.header(b.rule, head)
	body = strings.TrimSuffix(body, ")")
	var optErr error
	if b.rule.isHalf {
		optErr = b.both(body)
	} else {
		optErr = b.options(body)
		if err == nil && optErr == nil {
			optErr = b.finish()
		}
	}
	if err == nil {
		err = optErr
	}
	if err != nil {
		p.refuse(line, b.rule.SID, err)
		return
	}
	p.rules = append(p.rules, b.rule)
}

// header reads "action proto src sport dir dst dport".
func (p *fileParser) header(r *Rule, text string) error {
	words := headerWords(text)
	if len(words) != 7 {
		return fmt.Errorf("header has %d words, not 7", len(words))
	}
	var err error
	r.Action, err = parseAction(words[0])
	if err != nil {
		return err
	}
	r.proto, err = parseProto(words[1])
	if err != nil {
		return err
	}
	switch words[4] {
	case "->":
	case "<>":
		r.bidir = true
	case "=>":
		r.isHalf = true
	default:
		return fmt.Errorf("direction %q is neither ->, <> nor =>", clip(words[4]))
	}
	r.src, err = p.addr(words[2])
	if err != nil {
		return err
	}
	r.dst, err = p.addr(words[5])
	if err != nil {
		return err
	}
	r.srcPort, err = p.port(words[3])
	if err != nil {
		return err
	}
	r.dstPort, err = p.port(words[6])
	return err
}

// addr shares the sets of equal expressions: a rule set has thousands of
// headers and a few dozen distinct expressions.
func (p *fileParser) addr(text string) (*addrSet, error) {
	set, ok := p.addrs[text]
	if ok {
		return set, nil
	}
	set, err := parseAddrs(text, p.vars)
	if err != nil {
		return nil, err
	}
	p.addrs[text] = set
	return set, nil
}

func (p *fileParser) port(text string) (*portSet, error) {
	set, ok := p.ports[text]
	if ok {
		return set, nil
	}
	set, err := parsePorts(text, p.vars)
	if err != nil {
		return nil, err
	}
	p.ports[text] = set
	return set, nil
}

// headerWords splits at white space outside brackets.
func headerWords(text string) []string {
	var words []string
	var w strings.Builder
	depth := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		space := c == ' ' || c == '\t'
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		}
		switch {
		case !space:
			w.WriteByte(c)
		case depth <= 0 && w.Len() > 0:
			words = append(words, w.String())
			w.Reset()
		}
	}
	if w.Len() > 0 {
		words = append(words, w.String())
	}
	return words
}

func parseAction(s string) (Action, error) {
	switch a := Action(shared(s)); a {
	case ActionAlert, ActionPass, ActionDrop, ActionReject:
		return a, nil
	}
	return "", fmt.Errorf("unknown action %q", clip(s))
}

// protoSpec is the protocol word of a header.
type protoSpec struct {
	// ip is the set of IP protocols, as bits of the ipBit constants.
	ip uint8
	// app is the application protocol or empty.
	app string
	// number is the exact IP protocol where the bit is ipOther, version 4 or 6;
	// 0 for any.
	number, version uint8
	// packetOnly and streamOnly come from tcp-pkt and tcp-stream.
	packetOnly, streamOnly bool
}

const (
	ipTCP uint8 = 1 << iota
	ipUDP
	ipICMP4
	ipICMP6
	ipOther
	ipAny = ipTCP | ipUDP | ipICMP4 | ipICMP6 | ipOther
)

func ipBit(proto uint8) uint8 {
	switch proto {
	case ProtoTCP:
		return ipTCP
	case ProtoUDP:
		return ipUDP
	case ProtoICMP:
		return ipICMP4
	case ProtoICMPv6:
		return ipICMP6
	}
	return ipOther
}

// versionHolds compares the IP version.
func (p *protoSpec) versionHolds(in *Input) bool {
	return in.Src.Addr().Unmap().Is4() == (p.version == 4)
}

func parseProto(s string) (protoSpec, error) {
	switch strings.ToLower(s) {
	case "ip", "pkthdr":
		return protoSpec{ip: ipAny}, nil
	case "ipv4", "ip4":
		return protoSpec{ip: ipAny, version: 4}, nil
	case "ipv6", "ip6":
		return protoSpec{ip: ipAny, version: 6}, nil
	case "sctp":
		return protoSpec{ip: ipOther, number: 132}, nil
	case "igmp":
		return protoSpec{ip: ipOther, number: 2}, nil
	case "tcp":
		return protoSpec{ip: ipTCP}, nil
	case "tcp-pkt":
		return protoSpec{ip: ipTCP, packetOnly: true}, nil
	case "tcp-stream":
		return protoSpec{ip: ipTCP, streamOnly: true}, nil
	case "udp":
		return protoSpec{ip: ipUDP}, nil
	case "icmp":
		return protoSpec{ip: ipICMP4 | ipICMP6}, nil
	case "icmpv4":
		return protoSpec{ip: ipICMP4}, nil
	case "icmpv6":
		return protoSpec{ip: ipICMP6}, nil
	case "ssl":
		return protoSpec{ip: ipTCP, app: "tls"}, nil
	}
	ip, ok := appProtocols[strings.ToLower(s)]
	if ok {
		return protoSpec{ip: ip, app: shared(strings.ToLower(s))}, nil
	}
	return protoSpec{}, fmt.Errorf("protocol %q is not inspected", clip(s))
}
