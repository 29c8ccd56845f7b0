package decode_test

import (
	"encoding/binary"
	"testing"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
)

func TestACutFrameSaysWhatIsMissing(t *testing.T) {
	v4 := append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00"+
		"\x45\x00\x00\x00\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"+
		"\x04\x00\x00\x50\x00\x00\x00\x01\x00\x00\x00\x00\x50\x18\x20\x00\x00\x00\x00\x00"), make([]byte, 1000)...)
	binary.BigEndian.PutUint16(v4[16:], uint16(len(v4)-14))
	v6 := append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x86\xdd"+
		"\x60\x00\x00\x00\x00\x00\x06\x40"+"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"+"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"),
		v4[34:]...)
	binary.BigEndian.PutUint16(v6[18:], uint16(len(v6)-54))
	for name, frame := range map[string][]byte{"IPv4": v4, "IPv6": v6} {
		d := decode.New(decode.Options{Checksums: true})
		var p decode.Packet
		for _, taken := range []int{len(frame), len(frame) - 1, 128, 80, 60, 30} {
			outcome, reason := d.Decode(&capture.Frame{Data: frame[:taken], Length: len(frame), Link: capture.LinkEthernet, Partial: taken == len(frame)}, &p)
			headers := len(frame) - 1000
			if taken < headers {
				if outcome != decode.Invalid || reason != decode.ReasonCut {
					t.Errorf("%s, %d taken: %v %s", name, taken, outcome, reason)
				}
				continue
			}
			if outcome != decode.Decoded || p.BadChecksum && taken < len(frame) && name == "IPv6" || p.Cut != (taken < len(frame)) || p.Missing != len(frame)-taken || len(p.Payload)+p.Missing != 1000 {
				t.Errorf("%s, %d taken: %v %s, cut %v, %d missing beside %d", name, taken, outcome, reason, p.Cut, p.Missing, len(p.Payload))
			}
		}
	}
}
