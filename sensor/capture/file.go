package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// Magic numbers of capture files, as the first four bytes read big-endian
// (draft-ietf-opsawg-pcap §4, draft-ietf-opsawg-pcapng §4.1).
const (
	magicMicro   = 0xa1b2c3d4
	magicNano    = 0xa1b23c4d
	magicMicroLE = 0xd4c3b2a1
	magicNanoLE  = 0x4d3cb2a1
	magicNg      = 0x0a0d0d0a
	magicGzip    = 0x1f8b
)

const readBuffer = 1 << 20

// File is a capture file being read.
type File struct {
	closer  io.Closer
	count   *counter
	packets gopacket.ZeroCopyPacketDataSource
	link    LinkType
	ng      *ngGuard
	seen    uint64
	broken  bool
	filter  fileFilter
}

// counter counts the bytes read from the file itself, for progress.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// IsCapture reports whether the file starts like a capture file, plain or
// gzip.
func IsCapture(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("open capture: %w", err)
	}
	defer f.Close()
	br, _, err := plain(f)
	if err != nil {
		return false, nil
	}
	head, err := br.Peek(4)
	if err != nil {
		return false, nil
	}
	switch binary.BigEndian.Uint32(head) {
	case magicMicro, magicNano, magicMicroLE, magicNanoLE, magicNg:
		return true, nil
	}
	return false, nil
}

// OpenFile opens a capture file.
func OpenFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	src, err := NewFile(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	src.closer = f
	return src, nil
}

// NewFile reads a capture file from r.
func NewFile(r io.Reader) (src *File, err error) {
	defer func() {
		if p := recover(); p != nil {
			src, err = nil, fmt.Errorf("%w: reader stopped: %v", ErrFormat, p)
		}
	}()
	br, count, err := plain(r)
	if err != nil {
		return nil, err
	}
	head, err := br.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("%w: shorter than a file header", ErrFormat)
	}
	src = &File{count: count}
	switch binary.BigEndian.Uint32(head) {
	case magicNg:
		options := pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true}
		src.ng = newNgGuard(br)
		ng, err := pcapgo.NewNgReader(src.ng, options)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		src.packets = ng
	case magicMicro, magicNano, magicMicroLE, magicNanoLE:
		link, err := pcapLink(br)
		if err != nil {
			return nil, err
		}
		pr, err := pcapgo.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		// Writers lie about the snapshot length in both directions: what
		// counts is our own bound.
		pr.SetSnaplen(MaxFrame)
		src.packets, src.link = pr, link
	default:
		return nil, fmt.Errorf("%w: unknown magic %x", ErrFormat, head)
	}
	return src, nil
}

// pcapLink reads the link type from the file header (draft-ietf-opsawg-pcap
// §4): the reader keeps only its low byte, and the top bits are the frame
// check sequence's length.
func pcapLink(br *bufio.Reader) (LinkType, error) {
	head, err := br.Peek(24)
	if err != nil {
		return 0, fmt.Errorf("%w: shorter than a file header", ErrFormat)
	}
	switch binary.BigEndian.Uint32(head) {
	case magicMicro, magicNano:
		return LinkType(binary.BigEndian.Uint16(head[22:])), nil
	}
	return LinkType(binary.LittleEndian.Uint16(head[20:])), nil
}

// plain looks through gzip.
func plain(r io.Reader) (*bufio.Reader, *counter, error) {
	count := &counter{r: r}
	br := bufio.NewReaderSize(count, readBuffer)
	head, err := br.Peek(2)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: empty", ErrFormat)
	}
	if binary.BigEndian.Uint16(head) != magicGzip {
		return br, count, nil
	}
	zr, err := gzip.NewReader(br)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return bufio.NewReaderSize(zr, readBuffer), count, nil
}

// Filter leaves out the frames that do not match. The frames keep the numbers
// that they have in the file.
func (s *File) Filter(p Program) { s.filter = fileFilter{program: p} }

// Next fills f with the next frame.
func (s *File) Next(f *Frame) error {
	for {
		err := s.read(f)
		if err != nil || s.filter.program == nil {
			return err
		}
		match, err := s.filter.matches(f)
		if err != nil {
			s.broken = true
			return err
		}
		if match {
			return nil
		}
		s.filter.out++
	}
}

// read fills f with the next frame of the file.
func (s *File) read(f *Frame) (err error) {
	if s.broken {
		return io.EOF
	}
	defer func() {
		if p := recover(); p != nil {
			s.broken = true
			err = fmt.Errorf("%w: after frame %d: reader stopped: %v", ErrFormat, s.seen, p)
		}
	}()
	data, ci, err := s.packets.ZeroCopyReadPacketData()
	if err != nil {
		s.broken = true
		switch {
		case errors.Is(err, io.EOF):
			return io.EOF
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: after frame %d", ErrTruncated, s.seen)
		}
		return fmt.Errorf("%w: after frame %d: %w", ErrFormat, s.seen, err)
	}
	s.seen++
	link := s.link
	if s.ng != nil {
		link = s.ng.link(ci.InterfaceIndex)
	}
	*f = Frame{
		Data: data, Time: ci.Timestamp, Length: max(ci.Length, len(data)), Link: link, Number: s.seen,
	}
	return nil
}

// Stats returns the number of frames read.
func (s *File) Stats() (Stats, error) {
	return Stats{Received: s.seen - s.filter.out, Filtered: s.filter.out}, nil
}

// Offset is the number of bytes read from the file so far.
func (s *File) Offset() int64 { return s.count.n }

// Close closes the file.
func (s *File) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}
