package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A rule with "=>" judges a whole transaction: its buffers of the request and
// those of the response must hold. It becomes two rules, one for each
// direction; the one that holds later alerts.

// maxHalves bounds the halves that a flow remembers.
const maxHalves = 64

// half is one side of a rule over both directions that held on a transaction.
type half struct {
	rule     int32
	tx       uint64
	toServer bool
}

// bothHold notes that one side of the rule holds, and reports whether the other
// did on the same transaction.
func (f *FlowState) bothHold(r *Rule, in *Input) bool {
	if f == nil {
		return false
	}
	k := f.keep()
	h := half{r.number, in.Unit >> 1, in.ToServer}
	other := h
	other.toServer = !h.toServer
	if slices.Contains(k.halves, other) {
		return true
	}
	if slices.Contains(k.halves, h) {
		return false
	}
	if len(k.halves) == maxHalves {
		k.halves = slices.Delete(k.halves, 0, 1)
	}
	k.halves = append(k.halves, h)
	return false
}

var errBothSides = errors.New("=> needs fields of the request and of the response, and nothing of packets or streams")

// both applies the options of a rule with "=>": fields go to the side that has
// them, what is asked of the rule to both.
func (b *builder) both(text string) error {
	opts, err := splitOptions(text)
	answer := newBuilder(&Rule{GID: b.rule.GID, File: b.rule.File, Line: b.rule.Line, proto: b.rule.proto}, b.data)
	now := b
	for _, o := range opts {
		if err != nil {
			if o.name == "sid" {
				_ = b.apply(o) // the first reason is the one to report
			}
			continue
		}
		now, err = b.side(answer, now, &o)
		if err == nil {
			err = now.apply(o)
		}
		var unknown UnknownKeywordError
		if err != nil && !errors.As(err, &unknown) {
			err = fmt.Errorf("%s: %w", clip(o.name), err)
		}
	}
	if err != nil {
		return err
	}
	return b.join(answer)
}

// side is the builder that an option belongs to. An option that names its side
// loses that word.
func (b *builder) side(answer, now *builder, o *option) (*builder, error) {
	buf, ok := BufferByName(o.name)
	if !ok {
		buf, ok = numberKeyword(o.name)
	}
	if !ok || buf == BufferPayload {
		_, modifier := contentModifiers[o.name]
		if known, _ := newBuilder(&Rule{}, nil).metaOption(*o); known || modifier && !o.has {
			if modifier {
				return nil, errors.New("needs its sticky form")
			}
			return b, nil
		}
		return now, nil
	}
	word, rest, _ := strings.Cut(o.value, ",")
	switch strings.TrimSpace(word) {
	case "to_server":
		o.value, o.has = strings.TrimSpace(rest), rest != ""
		return b, nil
	case "to_client":
		o.value, o.has = strings.TrimSpace(rest), rest != ""
		return answer, nil
	}
	switch bufferTable[buf].side {
	case sideServer:
		return b, nil
	case sideClient:
		return answer, nil
	}
	return nil, errors.New("is of both directions: to_server or to_client must say which")
}

// join finishes both sides and makes the second the first's answer.
func (b *builder) join(answer *builder) error {
	r, a := b.rule, answer.rule
	if r.store != nil || a.store != nil {
		return errors.New("filestore: not in a rule over both directions")
	}
	if len(r.packet)+len(a.packet)+len(r.events)+len(a.events) > 0 || r.flow != (flowSpec{}) || a.flow != (flowSpec{}) {
		return errBothSides
	}
	a.SID = r.SID
	for _, side := range [...]*builder{b, answer} {
		err := side.finish()
		if err != nil {
			return err
		}
		if side.rule.flow.views != 1<<ViewTransaction {
			return errBothSides
		}
	}
	// What was asked of the rule while the response's fields were current is
	// the rule's.
	r.bits, r.xbits, r.ints = append(r.bits, a.bits...), append(r.xbits, a.xbits...), append(r.ints, a.ints...)
	r.Tags, r.noAlert, r.bypass = append(r.Tags, a.Tags...), r.noAlert || a.noAlert, r.bypass || a.bypass
	if r.limit == nil {
		r.limit = a.limit
	}
	if r.filter == nil {
		r.filter = a.filter
	}
	r.flow.toServer, r.isHalf = true, true
	whole := *r
	whole.lists, whole.flow = a.lists, a.flow
	whole.flow.toServer, whole.flow.toClient = false, true
	whole.src, whole.dst, whole.srcPort, whole.dstPort = r.dst, r.src, r.dstPort, r.srcPort
	whole.bits, whole.xbits, whole.ints = slices.Clone(r.bits), slices.Clone(r.xbits), slices.Clone(r.ints)
	if whole.proto.app == "" {
		whole.proto.app = a.proto.app
	}
	r.answer = &whole
	return nil
}

// withAnswers adds the second halves of rules over both directions.
func withAnswers(rules []*Rule) []*Rule {
	for _, r := range rules {
		if r.answer != nil {
			rules = append(rules, r.answer)
		}
	}
	return rules
}
