package traffic

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"
)

// Constants of the classic capture file (draft-ietf-opsawg-pcap).
const (
	pcapMagic    = 0xa1b2c3d4
	pcapSnap     = 65535
	linkEthernet = 1
)

// capture collects frames and writes them in the order of their times.
type capture struct {
	frames []captured
}

type captured struct {
	at   time.Time
	data []byte
}

func (c *capture) add(at time.Time, data []byte) {
	c.frames = append(c.frames, captured{at, data})
}

func (c *capture) writeTo(w io.Writer) error {
	slices.SortStableFunc(c.frames, func(a, b captured) int { return a.at.Compare(b.at) })
	head := make([]byte, 24)
	binary.LittleEndian.PutUint32(head, pcapMagic)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], pcapSnap)
	binary.LittleEndian.PutUint32(head[20:], linkEthernet)
	_, err := w.Write(head)
	if err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	for _, f := range c.frames {
		rec := make([]byte, 16, 16+len(f.data))
		binary.LittleEndian.PutUint32(rec, uint32(f.at.Unix()))
		binary.LittleEndian.PutUint32(rec[4:], uint32(f.at.Nanosecond()/1000))
		binary.LittleEndian.PutUint32(rec[8:], uint32(len(f.data)))
		binary.LittleEndian.PutUint32(rec[12:], uint32(len(f.data)))
		_, err = w.Write(append(rec, f.data...))
		if err != nil {
			return fmt.Errorf("write capture: %w", err)
		}
	}
	return nil
}
