package capture

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ring: blocks are handed over whole, so a frame stays valid until its
// block is given back and nothing is copied (packet(7), TPACKET_V3).
const (
	blockSize = 1 << 20
	// defaultBlocks makes 64 MiB: half a second at 1 Gbit/s, which covers the
	// pauses of a garbage collector and of a slow disk.
	defaultBlocks = 64
	frameSize     = 2048
	// blockTimeout is after how many milliseconds the kernel hands over a
	// block that is not full.
	blockTimeout = 50
	pollTimeout  = 100 * time.Millisecond
)

// Values of linux/if_packet.h.
const (
	packetOutgoing = 4
	alignTo        = 16
	arphrdEther    = 1
	arphrdLoopback = 772
	arphrdNone     = 65534
)

// ErrGone means that the interface does not exist any more.
var ErrGone = errors.New("capture: interface is gone")

// Live captures from a network interface. One goroutine reads it and closes
// it.
type Live struct {
	fd       int
	ring     []byte
	blocks   int
	block    int
	held     bool
	left     int
	offset   int
	index    int
	loopback bool
	link     LinkType
	seen     uint64
	dropped  uint64
}

// LiveOptions set how an interface is read.
type LiveOptions struct {
	// Interface is the name.
	Interface string
	// Blocks is the ring's size in MiB; 0 is the default.
	Blocks int
	// NoPromiscuous leaves the interface's mode as it is.
	NoPromiscuous bool
}

// OpenLive starts the capture. It needs the capability CAP_NET_RAW.
func OpenLive(o LiveOptions) (live *Live, err error) {
	iface, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", o.Interface, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("capture on %s: open packet socket: %w", o.Interface, err)
	}
	l := &Live{
		fd: fd, index: iface.Index, loopback: iface.Flags&net.FlagLoopback != 0,
		blocks: o.Blocks, link: LinkEthernet,
	}
	if l.blocks <= 0 {
		l.blocks = defaultBlocks
	}
	err = l.setup(iface, !o.NoPromiscuous)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("capture on %s: %w", o.Interface, err)
	}
	return l, nil
}

func (l *Live) setup(iface *net.Interface, promiscuous bool) error {
	err := unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)
	if err != nil {
		return fmt.Errorf("select TPACKET_V3: %w", err)
	}
	req := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: uint32(l.blocks), Frame_size: frameSize,
		Frame_nr: uint32(l.blocks * (blockSize / frameSize)), Retire_blk_tov: blockTimeout,
	}
	err = unix.SetsockoptTpacketReq3(l.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req)
	if err != nil {
		return fmt.Errorf("set up a ring of %d MiB: %w", l.blocks, err)
	}
	l.ring, err = unix.Mmap(l.fd, 0, l.blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	if promiscuous {
		mreq := unix.PacketMreq{Ifindex: int32(iface.Index), Type: unix.PACKET_MR_PROMISC}
		err = unix.SetsockoptPacketMreq(l.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq)
		if err != nil {
			return fmt.Errorf("set promiscuous mode: %w", err)
		}
	}
	err = unix.Bind(l.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: iface.Index})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func align(n int) int { return (n + alignTo - 1) &^ (alignTo - 1) }

func (l *Live) header() *unix.TpacketBlockDesc {
	return (*unix.TpacketBlockDesc)(unsafe.Pointer(&l.ring[l.block*blockSize]))
}

func (l *Live) blockHeader() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&l.header().Hdr[0]))
}

// Next fills f with the next frame, or returns ErrIdle.
func (l *Live) Next(f *Frame) error {
	for {
		for l.left == 0 {
			err := l.advance()
			if err != nil {
				return err
			}
		}
		if l.take(f) {
			return nil
		}
	}
}

// advance gives back the block just read and waits for the next one.
func (l *Live) advance() error {
	if l.held {
		atomic.StoreUint32(&l.blockHeader().Block_status, unix.TP_STATUS_KERNEL)
		l.block = (l.block + 1) % l.blocks
		l.held = false
	}
	head := l.blockHeader()
	if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER == 0 {
		err := l.wait()
		if err != nil {
			return err
		}
		if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER == 0 {
			return ErrIdle
		}
	}
	l.held = true
	l.left = int(head.Num_pkts)
	l.offset = int(head.Offset_to_first_pkt)
	return nil
}

func (l *Live) wait() error {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(pollTimeout/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for frames: %w", err)
	}
	if fds[0].Revents&unix.POLLERR == 0 {
		return nil
	}
	// The interface went down. Reading the error clears it, and the kernel
	// takes the socket up again with the interface; only a removed one ends
	// the capture.
	_, err = unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("read the socket's error: %w", err)
	}
	_, err = net.InterfaceByIndex(l.index)
	if err != nil {
		return fmt.Errorf("%w: index %d", ErrGone, l.index)
	}
	time.Sleep(pollTimeout)
	return nil
}

// take reads the frame at the current place of the block. It is false for a
// frame that is to be passed over.
func (l *Live) take(f *Frame) bool {
	base := l.ring[l.block*blockSize : (l.block+1)*blockSize]
	at := l.offset
	l.left--
	hdrLen := int(unsafe.Sizeof(unix.Tpacket3Hdr{}))
	if at < 0 || at+align(hdrLen)+unix.SizeofSockaddrLinklayer > len(base) {
		l.left = 0
		return false
	}
	hdr := (*unix.Tpacket3Hdr)(unsafe.Pointer(&base[at]))
	if hdr.Next_offset == 0 {
		l.left = 0
	}
	l.offset += int(hdr.Next_offset)
	from := at + int(hdr.Mac)
	to := from + int(hdr.Snaplen)
	if to > len(base) || from < at {
		return false
	}
	addr := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&base[at+align(hdrLen)]))
	// A loopback frame is seen when it leaves and when it arrives.
	if l.loopback && addr.Pkttype == packetOutgoing {
		return false
	}
	l.seen++
	*f = Frame{
		Data: base[from:to:to], Time: time.Unix(int64(hdr.Sec), int64(hdr.Nsec)).UTC(),
		Length: int(hdr.Len), Link: linkOf(addr.Hatype), Number: l.seen,
		Partial: hdr.Status&unix.TP_STATUS_CSUMNOTREADY != 0,
	}
	if hdr.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		f.VLAN, f.HasVLAN = uint16(hdr.Hv1.Vlan_tci)&0xfff, true
	}
	return true
}

func linkOf(hatype uint16) LinkType {
	switch hatype {
	case arphrdEther, arphrdLoopback:
		return LinkEthernet
	case arphrdNone:
		return LinkRaw
	}
	return LinkEthernet
}

// Stats returns the frames delivered and those that the kernel dropped for
// want of room. Reading resets the kernel's counter, so it is summed here.
func (l *Live) Stats() (Stats, error) {
	st, err := unix.GetsockoptTpacketStatsV3(l.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return Stats{}, fmt.Errorf("read capture statistics: %w", err)
	}
	l.dropped += uint64(st.Drops)
	return Stats{Received: l.seen + l.dropped, Dropped: l.dropped}, nil
}

// Close ends the capture.
func (l *Live) Close() error {
	var err error
	if l.ring != nil {
		err = unix.Munmap(l.ring)
		l.ring = nil
	}
	return errors.Join(err, unix.Close(l.fd))
}
