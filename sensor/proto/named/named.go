// Package named tells protocols that are recognised and not read: their flows
// carry the name, and rules can ask for it.
//
// RFB.
package named

import (
	"bytes"

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
