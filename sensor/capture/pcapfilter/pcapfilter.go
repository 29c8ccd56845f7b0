// Package pcapfilter compiles packet filters as tcpdump has them
// (pcap-filter(7)), with libpcap, into programs that the kernel runs on live
// interfaces and package capture on files.
package pcapfilter

import (
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcap"
	"golang.org/x/net/bpf"

	"github.com/antin-gov/antin/sensor/capture"
)

// maxExpression bounds the text of a filter.
const maxExpression = 16 << 10

// Errors of New.
var (
	// ErrFilter means that the text is no filter.
	ErrFilter = errors.New("not a packet filter (see pcap-filter(7))")
	// ErrVLAN means a filter on VLAN tags for a live interface, where the
	// kernel has taken them off before it runs the filter.
	ErrVLAN = errors.New("a filter on vlan tags matches nothing on a live interface, which takes them off first: leave vlan out")
)

var vlan = regexp.MustCompile(`\bvlan\b`)

// New returns the program of a filter; nil for an empty one. It is checked for
// Ethernet at once.
func New(expression string, live bool) (capture.Program, error) {
	if expression == "" {
		return nil, nil
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrFilter, maxExpression)
	}
	if live && vlan.MatchString(expression) {
		return nil, ErrVLAN
	}
	program := func(link capture.LinkType) ([]bpf.RawInstruction, error) { return compile(expression, link) }
	_, err := program(capture.LinkEthernet)
	if err != nil {
		return nil, err
	}
	return program, nil
}

func compile(expression string, link capture.LinkType) ([]bpf.RawInstruction, error) {
	if link > math.MaxUint8 {
		return nil, fmt.Errorf("%w: none for link type %d", ErrFilter, link)
	}
	if link == capture.LinkRaw {
		// What files call 101 is 12 inside libpcap on Linux (DLT_RAW).
		link = capture.LinkRawBSD
	}
	list, err := pcap.CompileBPFFilter(layers.LinkType(link), capture.MaxFrame, expression)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrFilter, expression, err)
	}
	raw := make([]bpf.RawInstruction, len(list))
	for i, in := range list {
		raw[i] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return raw, nil
}
