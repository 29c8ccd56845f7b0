package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Block types of pcapng that the guard looks into.
const (
	ngInterface  = 1
	ngPacket     = 2
	ngSimple     = 3
	ngStatistics = 5
	ngEnhanced   = 6
)

// maxNgBlock bounds a pcapng block: a frame with its options; other blocks
// (name resolution, secrets) stay far below.
const maxNgBlock = 16 << 20

// maxNgDescription bounds a block whose options are read: a section's, an
// interface's, its statistics'.
const maxNgDescription = 256 << 10

// maxNgInterfaces bounds the interfaces of a file: the reader keeps them all.
const maxNgInterfaces = 4096

// ngGuard passes a pcapng file through and checks each block's lengths first:
// the reader behind it trusts them, and allocates what they say.
type ngGuard struct {
	br        *bufio.Reader
	left      int
	bigEndian bool
	err       error
	// links are the link types of the section's interfaces. The reader holds
	// link types in one byte, which loses LINUX_SLL2 (276).
	links []LinkType
}

func newNgGuard(br *bufio.Reader) *ngGuard { return &ngGuard{br: br} }

func (g *ngGuard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.left == 0 {
		g.err = g.block()
		if g.err != nil {
			return 0, g.err
		}
	}
	if len(p) > g.left {
		p = p[:g.left]
	}
	n, err := g.br.Read(p)
	g.left -= n
	if err == io.EOF && g.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// block looks at the head of the next block (draft-ietf-opsawg-pcapng §3.1).
func (g *ngGuard) block() error {
	head, err := g.br.Peek(12)
	if err != nil {
		if len(head) == 0 && err == io.EOF {
			return io.EOF
		}
		return io.ErrUnexpectedEOF
	}
	if binary.BigEndian.Uint32(head) == magicNg {
		g.bigEndian = binary.BigEndian.Uint32(head[8:]) == 0x1a2b3c4d
		g.links = g.links[:0]
	}
	kind, length := g.u32(head), g.u32(head[4:])
	if length < 12 || length%4 != 0 || length > maxNgBlock {
		return fmt.Errorf("%w: block of %d bytes", ErrFormat, length)
	}
	err = g.fixed(kind, int(length))
	if err != nil {
		return err
	}
	g.left = int(length)
	return nil
}

// fixed checks the parts of a block that the reader takes on trust.
func (g *ngGuard) fixed(kind uint32, length int) error {
	least := map[uint32]int{magicNg: 28, ngInterface: 20, ngPacket: 32, ngSimple: 16, ngEnhanced: 32, ngStatistics: 24}[kind]
	if length < least {
		return fmt.Errorf("%w: block type %d of only %d bytes", ErrFormat, kind, length)
	}
	switch kind {
	case ngInterface:
		if len(g.links) == maxNgInterfaces {
			return fmt.Errorf("%w: more than %d interfaces", ErrFormat, maxNgInterfaces)
		}
		head, err := g.br.Peek(16)
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		g.links = append(g.links, LinkType(g.u16(head[8:])))
		// The reader allocates the snapshot length, whatever the frames have.
		if snap := head[12:16]; g.u32(snap) > MaxFrame {
			g.order().PutUint32(snap, MaxFrame)
		}
		return g.options(length, 16)
	case magicNg:
		return g.options(length, 24)
	case ngStatistics:
		return g.options(length, 20)
	case ngPacket, ngEnhanced:
		head, err := g.br.Peek(24)
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		captured := g.u32(head[20:])
		if captured > MaxFrame || int(captured) > length-32 {
			return fmt.Errorf("%w: frame of %d bytes in a block of %d", ErrFormat, captured, length)
		}
	case ngSimple:
		head, err := g.br.Peek(12)
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		if g.u32(head[8:]) > MaxFrame {
			return fmt.Errorf("%w: frame of %d bytes", ErrFormat, g.u32(head[8:]))
		}
	}
	return nil
}

// options checks that a block's options end within it: the reader goes on behind
// them otherwise, and takes other bytes for blocks (draft-ietf-opsawg-pcapng §3.5).
func (g *ngGuard) options(length, from int) error {
	if length > maxNgDescription {
		return fmt.Errorf("%w: a description of %d bytes", ErrFormat, length)
	}
	b, err := g.br.Peek(length)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	const head, trailer = 4, 4
	for b = b[from : length-trailer]; len(b) >= head; {
		code, size := g.u16(b), (int(g.u16(b[2:]))+3)&^3
		if code == 0 {
			return nil
		}
		if head+size > len(b) {
			return fmt.Errorf("%w: an option of %d bytes where %d are left", ErrFormat, size, len(b)-head)
		}
		b = b[head+size:]
	}
	return nil
}

// link is the link type of the frame last read. The guard hands out no more
// than one block at a time, so the reader is never in a later section.
func (g *ngGuard) link(i int) LinkType {
	if i < 0 || i >= len(g.links) {
		return LinkEthernet
	}
	return g.links[i]
}

func (g *ngGuard) order() binary.ByteOrder {
	if g.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (g *ngGuard) u16(b []byte) uint16 { return g.order().Uint16(b) }

func (g *ngGuard) u32(b []byte) uint32 { return g.order().Uint32(b) }
