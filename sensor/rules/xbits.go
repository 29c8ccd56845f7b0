package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// xbits and hostbits: bits that belong to a host or to a pair of hosts and
// outlive a flow.

// xbitOp is one xbits or hostbits option; id is given when the engine is
// built.
type xbitOp struct {
	action bitAction
	name   string
	id     int
	track  trackKind
	expire time.Duration
}

const (
	// defaultExpire is Suricata's for xbits without "expire"; a hostbit lives
	// as long as its host is remembered there, which is put as an hour.
	defaultExpire  = 30 * time.Second
	hostbitsExpire = time.Hour
	maxExpire      = 365 * 24 * 3600
)

func bitVerb(s string) (bitAction, error) {
	switch s {
	case "set":
		return bitSet, nil
	case "unset":
		return bitUnset, nil
	case "toggle":
		return bitToggle, nil
	case "isset":
		return bitIsSet, nil
	case "isnotset":
		return bitIsNotSet, nil
	}
	return 0, fmt.Errorf("unknown command %q", clip(s))
}

// addXbits reads "set,NAME,track ip_src,expire 60".
func (b *builder) addXbits(value string) error {
	parts := splitTrim(value)
	if parts[0] == "noalert" {
		b.rule.noAlert = true
		return nil
	}
	action, err := bitVerb(parts[0])
	if err != nil {
		return err
	}
	if len(parts) < 3 || parts[1] == "" {
		return errors.New("needs a command, a name and track")
	}
	op := xbitOp{action: action, name: parts[1], expire: defaultExpire}
	for _, p := range parts[2:] {
		key, arg, _ := strings.Cut(p, " ")
		arg = strings.TrimSpace(arg)
		switch key {
		case "track":
			op.track = map[string]trackKind{"ip_src": trackSrc, "ip_dst": trackDst, "ip_pair": trackBoth}[arg]
			if op.track == 0 {
				return fmt.Errorf("unknown track %q", clip(arg))
			}
		case "expire":
			n, err := parseInt(arg, 1, maxExpire)
			if err != nil {
				return err
			}
			op.expire = time.Duration(n) * time.Second
		default:
			return fmt.Errorf("unknown part %q", clip(p))
		}
	}
	if op.track == 0 {
		return errors.New("needs a command, a name and track")
	}
	b.rule.xbits = append(b.rule.xbits, op)
	return nil
}

// addHostbits reads "set,NAME,src".
func (b *builder) addHostbits(value string) error {
	parts := splitTrim(value)
	if parts[0] == "noalert" {
		b.rule.noAlert = true
		return nil
	}
	action, err := bitVerb(parts[0])
	if err != nil {
		return err
	}
	if len(parts) < 2 || parts[1] == "" {
		return errors.New("names no bit")
	}
	// A hostbit has another name space than an xbit.
	op := xbitOp{action: action, name: "host " + parts[1], track: trackSrc, expire: hostbitsExpire}
	if len(parts) > 2 {
		switch parts[2] {
		case "src":
		case "dst":
			op.track = trackDst
		case "both":
			both := op
			both.track = trackDst
			b.rule.xbits = append(b.rule.xbits, both)
		default:
			return fmt.Errorf("unknown direction %q", clip(parts[2]))
		}
	}
	b.rule.xbits = append(b.rule.xbits, op)
	return nil
}

// maxXbits bounds the bits of all hosts together: about 8 MB. When it is
// reached, expired ones go first, then any.
const maxXbits = 1 << 16

type xbitKey struct {
	id   int
	a, b netip.Addr
}

// xbits holds the bits for all workers. Only rules whose other conditions
// held come here, so one lock is enough.
type xbits struct {
	mu    sync.Mutex
	until map[xbitKey]time.Time
}

func (op *xbitOp) key(in *Input) xbitKey {
	k := xbitKey{id: op.id}
	switch op.track {
	case trackSrc:
		k.a = in.Src.Addr()
	case trackDst:
		k.a = in.Dst.Addr()
	default:
		k.a, k.b = in.Src.Addr(), in.Dst.Addr()
		if k.b.Less(k.a) {
			k.a, k.b = k.b, k.a
		}
	}
	return k
}

func (op *xbitOp) checks() bool { return op.action == bitIsSet || op.action == bitIsNotSet }

// hold tests the conditions among a rule's bits.
func (x *xbits) hold(r *Rule, in *Input) bool {
	if len(r.xbits) == 0 {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range r.xbits {
		op := &r.xbits[i]
		if op.checks() && x.isSet(op.key(in), in.Time) != (op.action == bitIsSet) {
			return false
		}
	}
	return true
}

func (x *xbits) isSet(k xbitKey, now time.Time) bool {
	until, ok := x.until[k]
	return ok && !now.After(until)
}

// change runs the actions among a rule's bits.
func (x *xbits) change(r *Rule, in *Input) {
	if len(r.xbits) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range r.xbits {
		op := &r.xbits[i]
		if op.checks() {
			continue
		}
		k := op.key(in)
		if op.action == bitUnset || op.action == bitToggle && x.isSet(k, in.Time) {
			delete(x.until, k)
			continue
		}
		if len(x.until) >= maxXbits {
			x.makeRoom(in.Time)
		}
		x.until[k] = in.Time.Add(op.expire)
	}
}

func (x *xbits) makeRoom(now time.Time) {
	for k, until := range x.until {
		if now.After(until) {
			delete(x.until, k)
		}
	}
	drop := len(x.until) - maxXbits*3/4
	for k := range x.until {
		if drop <= 0 {
			return
		}
		delete(x.until, k)
		drop--
	}
}
