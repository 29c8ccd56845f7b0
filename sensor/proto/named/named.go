// Package named tells protocols that are recognised and not read: their flows
// carry the name, and rules can ask for it.
//
// DNP3 and RFB.
package named

import (
	"bytes"
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/proto"
)

// Silent takes everything and tells nothing. It implements proto.Parser.
type Silent struct{}

// Feed implements proto.Parser.
func (Silent) Feed(int, []byte) error { return nil }

// Gap implements proto.Parser.
func (Silent) Gap(int, int) {}

// Close implements proto.Parser.
func (Silent) Close() {}

// begins tests a mark; more is true while it may still come.
func begins(b []byte, mark string) (yes, more bool) {
	if len(b) < len(mark) {
		return false, bytes.HasPrefix([]byte(mark), b)
	}
	return string(b[:len(mark)]) == mark, false
}

// RFB tells VNC's protocol by its version (RFC 6143 §7.1.1).
func RFB(_ int, b []byte, _ proto.Hint) (yes, more bool) { return begins(b, "RFB 003.") }

// DNP3 tells DNP3 by the head of its link layer with its checksum (IEEE 1815
// §9.2).
func DNP3(_ int, b []byte, _ proto.Hint) (yes, more bool) {
	const headLength, least = 10, 5
	if len(b) < headLength {
		return false, len(b) < 2 && (len(b) == 0 || b[0] == 5) || len(b) >= 2 && b[0] == 5 && b[1] == 0x64
	}
	return b[0] == 5 && b[1] == 0x64 && b[2] >= least && dnpSum(b[:8]) == binary.LittleEndian.Uint16(b[8:]), false
}

// dnpSum is DNP3's CRC-16, bits reversed, complemented.
func dnpSum(b []byte) uint16 {
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
