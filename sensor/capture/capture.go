// Package capture reads packets: from capture files (pcap and pcapng, plain or
// gzip) and from Linux network interfaces (AF_PACKET, TPACKET_V3).
//
// It knows nothing of what a packet holds; package decode does. A broken file
// is reported as ErrFormat or ErrTruncated after the packets before the break.
// Not here: DPDK, XDP, capture on systems other than Linux.
package capture

import (
	"errors"
	"time"

	"golang.org/x/net/bpf"
)

// LinkType is a link-layer type as registered for pcap files
// (tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that package decode reads.
const (
	LinkNull     LinkType = 0
	LinkEthernet LinkType = 1
	LinkPPP      LinkType = 9
	LinkRawBSD   LinkType = 12
	LinkRaw      LinkType = 101
	LinkHDLC     LinkType = 104
	LinkLoop     LinkType = 108
	LinkLinuxSLL LinkType = 113
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkNFLog    LinkType = 239
	LinkSLL2     LinkType = 276
)

// String is the name that libpcap has for the link type (pcap-linktype(7)), or
// nothing.
func (l LinkType) String() string {
	switch l {
	case LinkNull:
		return "NULL"
	case LinkEthernet:
		return "EN10MB"
	case LinkPPP:
		return "PPP"
	case LinkRawBSD, LinkRaw:
		return "RAW"
	case LinkHDLC:
		return "C_HDLC"
	case LinkLoop:
		return "LOOP"
	case LinkLinuxSLL:
		return "LINUX_SLL"
	case LinkIPv4:
		return "IPV4"
	case LinkIPv6:
		return "IPV6"
	case LinkNFLog:
		return "NFLOG"
	case LinkSLL2:
		return "LINUX_SLL2"
	}
	return ""
}

// MaxFrame bounds one captured frame: the largest IP packet with its link
// header, as offloading cards deliver it, and what libpcap calls
// MAXIMUM_SNAPLEN.
const MaxFrame = 256 << 10

// MinSnapLen is the least of a frame that may be taken: room for the headers
// of nearly every packet, with options and tags.
const MinSnapLen = 128

// Frame is one captured frame. Data is valid until the next call of Next.
type Frame struct {
	Data []byte
	Time time.Time
	// Length is the frame's length on the wire, len(Data) or more.
	Length int
	Link   LinkType
	// Number counts the frames of the source from 1.
	Number uint64
	// VLAN is the tag that the network card took off, HasVLAN says whether
	// there was one.
	VLAN    uint16
	HasVLAN bool
	// Partial is true when the machine itself sends the frame and has left
	// the checksums to the network card.
	Partial bool
}

// Stats counts what a source delivered and what the system lost before it.
type Stats struct {
	// Received is the number of frames that reached the source, with Dropped.
	Received uint64
	// Dropped is the number of frames lost because the sensor was too slow.
	Dropped uint64
	// Kernel is the number of frames that the kernel counted for a live
	// source, Dropped among them: in the end Received + Doubles + Unreadable.
	Kernel uint64
	// Freezes is how often the ring was full, Doubles are frames of a loopback
	// interface that were seen twice, Unreadable those whose place in the ring
	// made no sense.
	Freezes, Doubles, Unreadable uint64
	// Filtered is the number of frames of a file that its filter left out. They
	// are not in Received.
	Filtered uint64
}

// Program compiles a packet filter for a link type, into the machine code of
// the BSD packet filter (pcap-filter(7)).
type Program func(LinkType) ([]bpf.RawInstruction, error)

// DefaultRing is the size of a live capture's ring in MiB: half a second at
// 1 Gbit/s, which covers the pauses of a garbage collector and of a slow disk.
const DefaultRing = 64

// LiveOptions set how an interface is read.
type LiveOptions struct {
	// Interface is the name.
	Interface string
	// Workers is how many share the frames of the interface, at least one.
	Workers int
	// Blocks is the size of each worker's ring in MiB; 0 is DefaultRing.
	Blocks int
	// NoPromiscuous leaves the interface's mode as it is.
	NoPromiscuous bool
	// Filter says which frames are taken; nil takes all.
	Filter Program
	// SnapLen is how many bytes of each frame are taken, of those that the
	// kernel hands over; 0 takes all, others are from MinSnapLen to MaxFrame.
	SnapLen int
	// HardwareTime takes the network card's time-stamps where it has them.
	HardwareTime bool
}

// Source delivers frames.
type Source interface {
	// Next fills f with the next frame. It returns io.EOF at the end of a
	// file and ErrIdle when a live interface had nothing for a while.
	Next(f *Frame) error
	// Stats returns the counts so far.
	Stats() (Stats, error)
	// Close frees the source. It must not run at the same time as Next.
	Close() error
}

// Errors that callers act on.
var (
	// ErrIdle means that no frame came within the poll time; call Next again.
	ErrIdle = errors.New("capture: no frame yet")
	// ErrFormat means that the input is no capture file, or damaged.
	ErrFormat = errors.New("capture: not a readable capture file")
	// ErrTruncated means that the file ends inside a frame.
	ErrTruncated = errors.New("capture: file ends inside a frame")
	// ErrSnapLen means that so much or little of a frame cannot be taken.
	ErrSnapLen = errors.New("capture: the bytes taken of a frame (snaplen) are from 128 to 262144")
	// ErrUnsupported means that this system has no live capture.
	ErrUnsupported = errors.New("capture: live capture needs Linux")
)
