package decode

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/capture"
)

// agree reads the frame both ways; plain may only answer what layered does.
func agree(t *testing.T, d *Decoder, f *capture.Frame) (plain bool) {
	t.Helper()
	var quick, whole Packet
	start(f, &quick)
	if !d.plain(f, &quick) {
		return false
	}
	outcome, reason := d.layered(f, &whole)
	if outcome != Decoded || reason != ReasonNone {
		t.Fatalf("frame %d: plain reads it, layered says %v %q", f.Number, outcome, reason)
	}
	if !reflect.DeepEqual(quick, whole) {
		t.Fatalf("frame %d:\nplain   %+v\nlayered %+v", f.Number, quick, whole)
	}
	return true
}

func TestThePlainFrameIsReadAsByTheLayers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "pcap/suricata-verify"), "tests", "*", "*.pcap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	read, plain := 0, 0
	for _, name := range files {
		src, err := capture.OpenFile(name)
		if err != nil {
			continue
		}
		d := New(Options{Checksums: true})
		var f capture.Frame
		for src.Next(&f) == nil {
			read++
			if agree(t, d, &f) {
				plain++
			}
		}
		src.Close()
	}
	if plain < read/2 {
		t.Errorf("%d of %d frames are plain", plain, read)
	}
}

func FuzzPlain(f *testing.F) {
	frame := []byte{
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 0,
		0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0, 80, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x60, 0x18, 1, 1, 0, 0, 0, 0, 2, 4, 5, 180,
	}
	f.Add(frame, true)
	f.Add(append(append([]byte(nil), frame[:12]...), append([]byte{0x81, 0, 0, 7}, frame[12:]...)...), false)
	udp := append([]byte(nil), frame[:46]...)
	udp[23], udp[17], udp[39] = 17, 32, 12
	f.Add(udp, true)
	f.Fuzz(func(t *testing.T, data []byte, verify bool) {
		agree(t, New(Options{Checksums: verify}), &capture.Frame{
			Data: data, Time: time.Unix(1, 0), Link: capture.LinkEthernet, Length: len(data), Number: 1,
		})
	})
}
