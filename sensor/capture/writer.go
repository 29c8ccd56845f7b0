package capture

import (
	"fmt"
	"io"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Writer writes frames as pcapng (draft-ietf-opsawg-pcapng), which holds the
// frames of several interfaces and link types.
type Writer struct {
	ng         *pcapgo.NgWriter
	interfaces map[writerInterface]int
	size       int64
}

type writerInterface struct {
	name string
	link LinkType
}

// Sizes of a block around a frame, and of what begins a file or interface.
const (
	frameOverhead = 32
	headOverhead  = 128
)

// NewWriter begins a file on w. Its first interface is that of the first
// frame.
func NewWriter(w io.Writer, first *Frame, name string) (*Writer, error) {
	intf := ngInterfaceOf(name, first.Link)
	options := pcapgo.DefaultNgWriterOptions
	options.SectionInfo.Application = "antin-sensor"
	ng, err := pcapgo.NewNgWriterInterface(w, intf, options)
	if err != nil {
		return nil, fmt.Errorf("begin capture file: %w", err)
	}
	return &Writer{ng: ng, interfaces: map[writerInterface]int{{name, first.Link}: 0}, size: headOverhead}, nil
}

func ngInterfaceOf(name string, link LinkType) pcapgo.NgInterface {
	intf := pcapgo.DefaultNgInterface
	intf.Name, intf.LinkType, intf.SnapLength = name, layers.LinkType(link), MaxFrame
	return intf
}

// CanWrite says whether a frame of the link type can be written: pcapgo holds
// link types in one byte.
func CanWrite(link LinkType) bool { return link < 256 }

// Write adds a frame.
func (w *Writer) Write(f *Frame, name string) error {
	key := writerInterface{name, f.Link}
	id, ok := w.interfaces[key]
	if !ok {
		var err error
		id, err = w.ng.AddInterface(ngInterfaceOf(name, f.Link))
		if err != nil {
			return fmt.Errorf("write frame: %w", err)
		}
		w.interfaces[key] = id
		w.size += headOverhead
	}
	err := w.ng.WritePacket(gopacket.CaptureInfo{
		Timestamp: f.Time, CaptureLength: len(f.Data), Length: max(f.Length, len(f.Data)), InterfaceIndex: id,
	}, f.Data)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	w.size += int64(len(f.Data)) + frameOverhead
	return nil
}

// Size is about how large the file has become.
func (w *Writer) Size() int64 { return w.size }

// Flush writes what is buffered.
func (w *Writer) Flush() error { return w.ng.Flush() }
