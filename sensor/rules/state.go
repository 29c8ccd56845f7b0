package rules

import (
	"errors"
	"fmt"
	"strings"
)

// flowSpec is "flow" and what follows from it.
type flowSpec struct {
	toServer, toClient          bool
	established, notEstablished bool
	onlyStream, noStream        bool
	// views is a bit set over View.
	views uint8
	// tcpStreamOnly: of TCP only the stream, of other protocols packets.
	tcpStreamOnly bool
}

func (b *builder) stateOption(o option) (bool, error) {
	switch o.name {
	case "flow":
		return true, b.rule.flow.parse(o.value)
	case "flowbits":
		return true, b.addFlowbits(o.value)
	case "xbits":
		return true, b.addXbits(o.value)
	case "hostbits":
		return true, b.addHostbits(o.value)
	case "flowint":
		return true, b.addFlowint(o.value)
	case "tag":
		return true, b.addTag(o.value)
	case "bypass":
		b.rule.bypass = true
		return true, nil
	case "prefilter":
		// A hint which test to make first; the choice is made here.
		if b.last != nil {
			b.last.fast = true
		}
		return true, nil
	case "noalert":
		b.rule.noAlert = true
		return true, nil
	case "threshold":
		t, err := parseThreshold(o.value, true)
		if err == nil && b.rule.limit != nil {
			err = errors.New("given twice")
		}
		b.rule.limit = t
		return true, err
	case "detection_filter":
		t, err := parseThreshold(o.value, false)
		if err == nil && b.rule.filter != nil {
			err = errors.New("given twice")
		}
		b.rule.filter = t
		return true, err
	}
	return false, nil
}

func (f *flowSpec) parse(value string) error {
	for _, word := range strings.Split(value, ",") {
		switch word = strings.TrimSpace(word); word {
		case "to_server", "from_client":
			f.toServer = true
		case "to_client", "from_server":
			f.toClient = true
		case "established":
			f.established = true
		case "not_established":
			f.notEstablished = true
		case "stateless":
		case "only_stream":
			f.onlyStream = true
		case "no_stream":
			f.noStream = true
		default:
			return fmt.Errorf("unknown part %q", clip(word))
		}
	}
	switch {
	case f.toServer && f.toClient:
		return errors.New("to_server together with to_client")
	case f.established && f.notEstablished:
		return errors.New("established together with not_established")
	case f.onlyStream && f.noStream:
		return errors.New("only_stream together with no_stream")
	}
	return nil
}

func (f *flowSpec) holds(in *Input) bool {
	switch {
	case f.toServer && !in.ToServer, f.toClient && in.ToServer:
		return false
	case f.established && !in.Established, f.notEstablished && in.Established:
		return false
	}
	return true
}

type bitAction uint8

const (
	bitSet bitAction = iota
	bitUnset
	bitToggle
	bitIsSet
	bitIsNotSet
)

// flowbitOp is one flowbits option; ids are given when the engine is built.
type flowbitOp struct {
	action bitAction
	names  []string
	ids    []int
}

// maxBitNames bounds "a|b|c" in one option.
const maxBitNames = 32

func (b *builder) addFlowbits(value string) error {
	verb, names, _ := strings.Cut(value, ",")
	verb = strings.TrimSpace(verb)
	if verb == "noalert" {
		b.rule.noAlert = true
		return nil
	}
	action, err := bitVerb(verb)
	if err != nil {
		return err
	}
	op := flowbitOp{action: action}
	for _, n := range strings.Split(names, "|") {
		n = strings.TrimSpace(n)
		if n == "" {
			return errors.New("names no bit")
		}
		op.names = append(op.names, shared(n))
	}
	if len(op.names) > maxBitNames {
		return fmt.Errorf("more than %d bits in one option", maxBitNames)
	}
	if len(op.names) > 1 && action != bitIsSet && action != bitIsNotSet {
		return errors.New("only isset and isnotset take several bits")
	}
	b.rule.bits = append(b.rule.bits, op)
	return nil
}

// bitsHold tests the conditions among a rule's flowbits. Several bits joined
// by | are an "or" for isset and for isnotset.
func (r *Rule) bitsHold(f *FlowState) bool {
	for i := range r.bits {
		op := &r.bits[i]
		if op.action != bitIsSet && op.action != bitIsNotSet {
			continue
		}
		want := op.action == bitIsSet
		ok := false
		for _, id := range op.ids {
			ok = ok || (f != nil && f.bit(id)) == want
		}
		if !ok {
			return false
		}
	}
	return true
}

// changeBits runs the actions among a rule's flowbits after it matched.
func (r *Rule) changeBits(f *FlowState) {
	if f == nil {
		return
	}
	for i := range r.bits {
		op := &r.bits[i]
		for _, id := range op.ids {
			switch op.action {
			case bitSet:
				f.setBit(id, true)
			case bitUnset:
				f.setBit(id, false)
			case bitToggle:
				f.setBit(id, !f.bit(id))
			}
		}
	}
}

// setsBits and checksBits give the order of rules: who sets goes before who
// checks, on the same packet.
func (r *Rule) setsBits() bool {
	for _, op := range r.bits {
		if op.action != bitIsSet && op.action != bitIsNotSet {
			return true
		}
	}
	for i := range r.xbits {
		if !r.xbits[i].checks() {
			return true
		}
	}
	for i := range r.ints {
		if r.ints[i].changes() {
			return true
		}
	}
	return false
}

func (r *Rule) checksBits() bool {
	for i := range r.xbits {
		if r.xbits[i].checks() {
			return true
		}
	}
	for i := range r.ints {
		if !r.ints[i].changes() {
			return true
		}
	}
	for _, op := range r.bits {
		if op.action == bitIsSet || op.action == bitIsNotSet {
			return true
		}
	}
	return false
}
