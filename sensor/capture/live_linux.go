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
	frameSize = 2048
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
	name     string
	ring     []byte
	blocks   int
	block    int
	held     bool
	left     int
	offset   int
	index    int
	loopback bool
	filter   []unix.SockFilter
	promisc  bool
	seen     uint64
	stats    Stats
}

// OpenLive opens an interface, once for each worker. It is the only step that
// needs the capability CAP_NET_RAW: no frame is taken before Start, and by
// then the privilege may be gone.
func OpenLive(o LiveOptions) (lives []*Live, err error) {
	iface, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", o.Interface, err)
	}
	defer func() {
		if err != nil {
			CloseAll(lives)
			lives, err = nil, fmt.Errorf("capture on %s: %w", o.Interface, err)
		}
	}()
	if o.SnapLen != 0 && (o.SnapLen < MinSnapLen || o.SnapLen > MaxFrame) {
		return nil, ErrSnapLen
	}
	filter, err := compile(o.Filter)
	if err != nil {
		return nil, err
	}
	filter = cutting(filter, o.SnapLen)
	for range max(o.Workers, 1) {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return lives, fmt.Errorf("open packet socket (needs root or CAP_NET_RAW): %w", err)
		}
		l := &Live{
			fd: fd, name: o.Interface, index: iface.Index, loopback: iface.Flags&net.FlagLoopback != 0,
			blocks: o.Blocks, filter: filter, promisc: !o.NoPromiscuous,
		}
		lives = append(lives, l)
		err = l.setup(o)
		if err != nil {
			return lives, err
		}
	}
	return lives, nil
}

// compile makes the kernel's form of a filter.
func compile(program Program) ([]unix.SockFilter, error) {
	if program == nil {
		return nil, nil
	}
	raw, err := program(LinkEthernet)
	if err != nil {
		return nil, err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return filter, nil
}

// cutting makes a filter take at most so many bytes of a frame: what a filter
// returns is how many the kernel copies into the ring.
func cutting(filter []unix.SockFilter, length int) []unix.SockFilter {
	if length == 0 {
		return filter
	}
	if filter == nil {
		return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: uint32(length)}}
	}
	for i := range filter {
		f := &filter[i]
		if f.Code == unix.BPF_RET|unix.BPF_K {
			f.K = min(f.K, uint32(length))
		}
	}
	return filter
}

func (l *Live) setup(o LiveOptions) error {
	if l.blocks <= 0 {
		l.blocks = DefaultRing
	}
	err := unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)
	if err != nil {
		return fmt.Errorf("select TPACKET_V3: %w", err)
	}
	if o.HardwareTime {
		err = l.hardwareTime()
		if err != nil {
			return err
		}
	}
	// Nothing passes until Start.
	err = l.attach(nothing)
	if err != nil {
		return err
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
	return nil
}

// hardwareTime asks the network card to stamp all frames. Where it cannot, the
// kernel's stamps are what frames carry.
func (l *Live) hardwareTime() error {
	config := unix.HwTstampConfig{Rx_filter: unix.HWTSTAMP_FILTER_ALL}
	err := unix.IoctlSetHwTstamp(l.fd, l.name, &config)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ERANGE), errors.Is(err, unix.EINVAL):
		return nil
	case err != nil:
		return fmt.Errorf("switch on the card's time-stamps (needs CAP_NET_ADMIN): %w", err)
	}
	err = unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_RAW_HARDWARE)
	if err != nil {
		return fmt.Errorf("take the card's time-stamps: %w", err)
	}
	return nil
}

// nothing is a filter that no frame passes.
var nothing = []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}

// attach sets the kernel's filter; without one all frames pass.
func (l *Live) attach(filter []unix.SockFilter) error {
	if filter == nil {
		err := unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err != nil {
			return fmt.Errorf("take the packet filter off: %w", err)
		}
		return nil
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.SetsockoptSockFprog(l.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	if err != nil {
		return fmt.Errorf("set the packet filter: %w", err)
	}
	return nil
}

// Start begins the capture on the sockets of one interface, which share its
// frames: those of a flow, and both its directions, go to the same socket.
func Start(lives []*Live) error {
	group := 0
	for i, l := range lives {
		err := l.bind()
		if err == nil && len(lives) > 1 {
			group, err = l.join(i, group)
		}
		if err != nil {
			return fmt.Errorf("capture on %s: %w", l.name, err)
		}
	}
	// Only now, all in the group, do they take frames.
	for _, l := range lives {
		err := l.attach(l.filter)
		if err != nil {
			return fmt.Errorf("capture on %s: %w", l.name, err)
		}
	}
	return nil
}

func (l *Live) bind() error {
	if l.promisc {
		mreq := unix.PacketMreq{Ifindex: int32(l.index), Type: unix.PACKET_MR_PROMISC}
		err := unix.SetsockoptPacketMreq(l.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq)
		if err != nil {
			return fmt.Errorf("set promiscuous mode: %w", err)
		}
	}
	err := unix.Bind(l.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: l.index})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// join makes the socket a member of the interface's fanout group; the first
// one makes the group (packet(7), PACKET_FANOUT). The kernel puts fragments
// together first, because only then is the flow of each known.
func (l *Live) join(member, group int) (int, error) {
	const mode = unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_DEFRAG
	value := group | mode<<16
	if member == 0 {
		value = (mode | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	}
	err := unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, value)
	if err != nil {
		return 0, fmt.Errorf("share the frames among workers: %w", err)
	}
	value, err = unix.GetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return 0, fmt.Errorf("share the frames among workers: %w", err)
	}
	return value & 0xffff, nil
}

// Stop lets no more frames in. What the kernel has taken is still there: Next
// delivers it, and then ErrIdle.
func (l *Live) Stop() error { return l.attach(nothing) }

// Name is the interface's name.
func (l *Live) Name() string { return l.name }

// CloseAll closes sockets that nobody reads.
func CloseAll(lives []*Live) {
	for _, l := range lives {
		l.Close()
	}
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
		l.stats.Unreadable += uint64(l.left) + 1
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
		l.stats.Unreadable++
		return false
	}
	addr := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&base[at+align(hdrLen)]))
	// A loopback frame is seen when it leaves and when it arrives.
	if l.loopback && addr.Pkttype == packetOutgoing {
		l.stats.Doubles++
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
	l.stats.Kernel += uint64(st.Packets)
	l.stats.Dropped += uint64(st.Drops)
	l.stats.Freezes += uint64(st.Freeze_q_cnt)
	l.stats.Received = l.seen + l.stats.Dropped
	return l.stats, nil
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
