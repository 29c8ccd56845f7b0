// Package pcapfile writes classic capture files (draft-ietf-opsawg-pcap,
// little-endian, microseconds): for drills that compose traffic and for
// evidence that people download. Reading captures is the sensor's work.
package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// LinkEthernet is the link type of Ethernet frames (LINKTYPE_ETHERNET).
const LinkEthernet = 1

const (
	magic      = 0xa1b2c3d4
	headerSize = 24
	recordSize = 16
	// snapLength is pcap's usual bound of one frame.
	snapLength = 262144
)

// Writer writes frames to a capture file.
type Writer struct{ out io.Writer }

// NewWriter writes the file's header for frames of the link type.
func NewWriter(out io.Writer, linkType uint32) (*Writer, error) {
	head := make([]byte, headerSize)
	binary.LittleEndian.PutUint32(head, magic)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], snapLength)
	binary.LittleEndian.PutUint32(head[20:], linkType)
	_, err := out.Write(head)
	if err != nil {
		return nil, fmt.Errorf("write capture: %w", err)
	}
	return &Writer{out: out}, nil
}

// Write writes one whole frame with the time of its capture.
func (w *Writer) Write(at time.Time, frame []byte) error {
	rec := make([]byte, recordSize, recordSize+len(frame))
	binary.LittleEndian.PutUint32(rec, uint32(at.Unix()))
	binary.LittleEndian.PutUint32(rec[4:], uint32(at.Nanosecond()/1000))
	binary.LittleEndian.PutUint32(rec[8:], uint32(len(frame)))
	binary.LittleEndian.PutUint32(rec[12:], uint32(len(frame)))
	_, err := w.out.Write(append(rec, frame...))
	if err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}
