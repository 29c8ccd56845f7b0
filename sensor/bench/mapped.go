package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/internal/pcapfile"
	"github.com/antin-gov/antin/sensor/capture"
)

// Sizes of a classic capture file (draft-ietf-opsawg-pcap §4, §5).
const (
	fileHead   = 24
	recordHead = 16
)

// ErrFile means that a file is none that WriteFiles wrote.
var ErrFile = errors.New("not a file of packets for a measure")

// WriteFiles writes n frames of a mix into capture files in a folder, one for
// each worker, all frames of a flow into the same one.
func WriteFiles(m Mix, n, workers int, dir string) (files []string, err error) {
	var outs []*bufio.Writer
	var writers []*pcapfile.Writer
	for i := range workers {
		name := filepath.Join(dir, fmt.Sprintf("%d-of-%d.pcap", i+1, workers))
		f, err := os.Create(name)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out := bufio.NewWriterSize(f, 1<<20)
		w, err := pcapfile.NewWriter(out, pcapfile.LinkEthernet)
		if err != nil {
			return nil, err
		}
		files, outs, writers = append(files, name), append(outs, out), append(writers, w)
	}
	for at, frame := range m.Frames(n) {
		err = writers[spread(frame, workers)].Write(at, frame)
		if err != nil {
			return nil, err
		}
	}
	for _, out := range outs {
		err = out.Flush()
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// mapped is a file of packets in memory.
type mapped struct {
	b []byte
}

// open maps a file; it stays mapped to the end of the process.
func open(path string) (*mapped, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < fileHead {
		return nil, fmt.Errorf("%s: %w", path, ErrFile)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	if binary.LittleEndian.Uint32(b) != 0xa1b2c3d4 || binary.LittleEndian.Uint16(b[20:]) != pcapfile.LinkEthernet {
		return nil, fmt.Errorf("%s: %w", path, ErrFile)
	}
	return &mapped{b}, nil
}

// at returns the record at an offset: its head, its frame and the next offset;
// the frame is nil at the end.
func (m *mapped) at(offset int) (head, frame []byte, next int) {
	b := m.b[offset:]
	if len(b) < recordHead {
		return nil, nil, offset
	}
	n := int(binary.LittleEndian.Uint32(b[8:]))
	if len(b) < recordHead+n {
		return nil, nil, offset
	}
	return b[:recordHead], b[recordHead : recordHead+n : recordHead+n], offset + recordHead + n
}

func timeOf(head []byte) time.Time {
	return time.Unix(int64(binary.LittleEndian.Uint32(head)), int64(binary.LittleEndian.Uint32(head[4:]))*1000)
}

// reader reads a mapped file as a capture. It implements capture.Source.
type reader struct {
	*mapped
	offset int
	shift  time.Duration
	n      uint64
}

func (m *mapped) reader(shift time.Duration) *reader {
	return &reader{mapped: m, offset: fileHead, shift: shift}
}

// Next implements capture.Source.
func (r *reader) Next(f *capture.Frame) error {
	head, frame, next := r.at(r.offset)
	if frame == nil {
		return io.EOF
	}
	r.offset = next
	r.n++
	*f = capture.Frame{Data: frame, Time: timeOf(head).Add(r.shift), Length: len(frame), Link: capture.LinkEthernet, Number: r.n}
	return nil
}

// Stats implements capture.Source.
func (r *reader) Stats() (capture.Stats, error) { return capture.Stats{Received: r.n}, nil }

// Close implements capture.Source.
func (r *reader) Close() error { return nil }
