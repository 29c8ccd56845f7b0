package rules

import (
	"errors"
	"fmt"
	"strconv"
)

// flowintOp is one flowint option: a counter of the flow, compared or changed.
type flowintOp struct {
	verb string
	name string
	id   int
	// value is a number, or otherID the counter in its place (otherID >= 0).
	value   uint32
	other   string
	otherID int
}

// addFlowint reads "NAME,VERB,VALUE".
func (b *builder) addFlowint(value string) error {
	parts := splitTrim(value)
	if len(parts) < 2 || parts[0] == "" {
		return errors.New("needs a name and a command")
	}
	op := flowintOp{name: parts[0], verb: parts[1], otherID: -1}
	switch op.verb {
	case "notset", "isnotset":
		op.verb = "isnotset"
	case "isset":
	case "=", "+", "-", "<", ">", "<=", ">=", "==", "!=":
		if len(parts) != 3 || parts[2] == "" {
			return errors.New("needs a value")
		}
		n, err := strconv.ParseUint(parts[2], 10, 32)
		switch {
		case err == nil:
			op.value = uint32(n)
		case isVarName(parts[2]):
			op.other = parts[2]
		default:
			return errNotNumber
		}
	default:
		return fmt.Errorf("unknown command %q", clip(op.verb))
	}
	b.rule.ints = append(b.rule.ints, op)
	return nil
}

func (op *flowintOp) changes() bool { return op.verb == "=" || op.verb == "+" || op.verb == "-" }

// operand is the value to compare or count with.
func (op *flowintOp) operand(f *FlowState) (uint32, bool) {
	if op.otherID < 0 {
		return op.value, true
	}
	return f.counter(op.otherID)
}

// intsHold tests the conditions among a rule's counters; one that is not set
// fails every comparison.
func (r *Rule) intsHold(f *FlowState) bool {
	for i := range r.ints {
		op := &r.ints[i]
		if op.changes() {
			continue
		}
		if f == nil {
			return op.verb == "isnotset"
		}
		have, set := f.counter(op.id)
		if !op.compare(have, set, f) {
			return false
		}
	}
	return true
}

func (op *flowintOp) compare(have uint32, set bool, f *FlowState) bool {
	switch op.verb {
	case "isset":
		return set
	case "isnotset":
		return !set
	}
	want, ok := op.operand(f)
	if !set || !ok {
		return false
	}
	switch op.verb {
	case "<":
		return have < want
	case ">":
		return have > want
	case "<=":
		return have <= want
	case ">=":
		return have >= want
	case "==":
		return have == want
	}
	return have != want
}

// changeInts runs the actions among a rule's counters. A counter that is not
// set counts from zero.
func (r *Rule) changeInts(f *FlowState) {
	if f == nil {
		return
	}
	for i := range r.ints {
		op := &r.ints[i]
		if !op.changes() {
			continue
		}
		v, ok := op.operand(f)
		if !ok {
			continue
		}
		have, _ := f.counter(op.id)
		switch op.verb {
		case "+":
			v = have + v
		case "-":
			v = have - v
		}
		f.setCounter(op.id, v)
	}
}

// counter is a value of the flow, with the mark that it has been set in bit
// 32.
const counterSet = 1 << 32

func (f *FlowState) counter(id int) (uint32, bool) {
	if f.kept == nil || id >= len(f.kept.counters) {
		return 0, false
	}
	v := f.kept.counters[id]
	return uint32(v), v&counterSet != 0
}

func (f *FlowState) setCounter(id int, v uint32) {
	k := f.keep()
	for id >= len(k.counters) {
		k.counters = append(k.counters, 0)
	}
	k.counters[id] = counterSet | uint64(v)
}
