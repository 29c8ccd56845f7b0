// Package hostos knows how operating systems put together what was sent twice
// with different bytes, so that the sensor reads what the receiver reads.
//
// The policies are those of Suricata's host-os-policy, after Novak and Sturges,
// "Target-Based TCP Stream Reassembly" (2007) and "Target-Based Fragmentation
// Reassembly" (2005).
package hostos

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Policy is what a receiver does with overlaps. The zero value is BSD.
type Policy uint8

// The policies.
const (
	BSD Policy = iota
	BSDRight
	OldLinux
	Linux
	OldSolaris
	Solaris
	HPUX10
	HPUX11
	IRIX
	MacOS
	Windows
	Vista
	Windows2K3
	First
	Last
	policies
)

var names = [policies]string{
	BSD: "bsd", BSDRight: "bsd-right", OldLinux: "old-linux", Linux: "linux", OldSolaris: "old-solaris", Solaris: "solaris",
	HPUX10: "hpux10", HPUX11: "hpux11", IRIX: "irix", MacOS: "macos", Windows: "windows", Vista: "vista",
	Windows2K3: "windows2k3", First: "first", Last: "last",
}

// String is the name in the configuration.
func (p Policy) String() string { return names[p] }

// Names lists the policies.
func Names() []string { return slices.Clone(names[:]) }

// Piece is a run of bytes as it was sent: from its first place to the one after
// its last.
type Piece struct{ From, To int64 }

// Segment reports whether the bytes of a TCP segment take the place of those of
// one that came before and still waits, where they overlap.
func (p Policy) Segment(later, first Piece) bool {
	before, same := later.From < first.From, later.From == first.From
	switch p {
	case First, Vista:
		return false
	case Last:
		return true
	case Solaris, HPUX11:
		return later.To >= first.To
	case Linux:
		return before || same && later.To > first.To
	case OldLinux:
		return before || same && later.To >= first.To
	}
	return before
}

// Fragment is the same for fragments of IPv4.
func (p Policy) Fragment(later, first Piece) bool {
	switch p {
	case First, Vista:
		return false
	case Last:
		return true
	case Windows, Windows2K3:
		return later.From < first.From && later.To > first.To
	case Solaris, HPUX11:
		return later.From < first.From && later.To >= first.To
	case Linux, OldLinux:
		return later.From <= first.From
	case BSDRight, HPUX10:
		return later.From >= first.From
	}
	return later.From < first.From
}

// Table says which host has which policy. The nil table says BSD of all, as
// Suricata does. It is safe for concurrent use.
type Table struct {
	entries []entry
}

type entry struct {
	prefix netip.Prefix
	policy Policy
}

// Errors of New.
var (
	ErrPolicy = errors.New("hostos: unknown operating system")
	ErrPrefix = errors.New("hostos: no address or prefix")
)

// New makes a table of networks by the policy's name. The smallest network that
// holds an address decides.
func New(networks map[string][]string) (*Table, error) {
	t := &Table{}
	for name, list := range networks {
		at := slices.Index(names[:], name)
		if at < 0 {
			return nil, fmt.Errorf("%w: %q", ErrPolicy, name)
		}
		for _, text := range list {
			prefix, err := parse(text)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %q", ErrPrefix, name, text)
			}
			t.entries = append(t.entries, entry{prefix, Policy(at)})
		}
	}
	slices.SortFunc(t.entries, func(a, b entry) int {
		if a.prefix.Bits() != b.prefix.Bits() {
			return b.prefix.Bits() - a.prefix.Bits()
		}
		return a.prefix.Addr().Compare(b.prefix.Addr())
	})
	return t, nil
}

func parse(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err == nil {
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// Of is the policy of a host.
func (t *Table) Of(host netip.Addr) Policy {
	if t == nil {
		return BSD
	}
	for i := range t.entries {
		if t.entries[i].prefix.Contains(host) {
			return t.entries[i].policy
		}
	}
	return BSD
}
