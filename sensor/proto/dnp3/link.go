package dnp3

import (
	"bytes"
	"encoding/binary"
)

// The link layer (IEEE 1815 §9): a head of ten bytes with its checksum, then
// blocks of up to sixteen bytes, each with a checksum.
const (
	headLength  = 10
	blockLength = 16
	sumLength   = 2
	// counted is what the length field has besides user data: control and the
	// two addresses.
	counted = 5
)

// Bits of the link layer's control octet (§9.2.4.1.3).
const (
	linkMaster  = 0x80
	linkPrimary = 0x40
	linkFCB     = 0x20
	linkFCV     = 0x10
)

// Functions of the link layer that carry user data (§9.2.4.1.3.4).
const (
	linkConfirmed   = 3
	linkUnconfirmed = 4
)

// start begins every frame.
const start = "\x05\x64"

// head is the head of a frame.
type head struct {
	control  uint8
	dst, src uint16
}

// frameLength is a frame's length with its checksums, of the length in its head.
func frameLength(n int) int {
	user := n - counted
	return headLength + user + (user+blockLength-1)/blockLength*sumLength
}

// sound reports whether a frame's head begins right and has its checksum.
func sound(b []byte) bool {
	return string(b[:2]) == start && sum(b[:8]) == binary.LittleEndian.Uint16(b[8:])
}

// strip appends the user data of a frame's blocks without their checksums; ok is
// false when one is wrong.
func strip(out, blocks []byte) (user []byte, ok bool) {
	for len(blocks) > sumLength {
		n := min(blockLength, len(blocks)-sumLength)
		if sum(blocks[:n]) != binary.LittleEndian.Uint16(blocks[n:]) {
			return out, false
		}
		out = append(out, blocks[:n]...)
		blocks = blocks[n+sumLength:]
	}
	return out, len(blocks) == 0
}

// sum is the checksum of §9.2.4.1.6: CRC-16, bits reversed, complemented.
func sum(b []byte) uint16 {
	const polynomial = 0xa6bc
	crc := uint16(0)
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= polynomial
			}
		}
	}
	return ^crc
}

// seek cuts off what cannot begin a frame.
func seek(b []byte) []byte {
	at := bytes.Index(b, []byte(start))
	if at >= 0 {
		return b[at:]
	}
	if len(b) > 0 && b[len(b)-1] == start[0] {
		return b[len(b)-1:]
	}
	return nil
}
