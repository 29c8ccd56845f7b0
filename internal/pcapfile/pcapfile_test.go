package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/antin-gov/antin/internal/pcapfile"
)

func TestAnotherReaderFindsWhatWasWritten(t *testing.T) {
	var file bytes.Buffer
	w, err := pcapfile.NewWriter(&file, pcapfile.LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 4, 5, 6, 789000, time.UTC)
	frames := [][]byte{bytes.Repeat([]byte{1}, 60), {}, bytes.Repeat([]byte{2}, 1514)}
	for i, frame := range frames {
		err = w.Write(at.Add(time.Duration(i)*time.Second), frame)
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := pcapgo.NewReader(&file)
	if err != nil || r.LinkType() != layers.LinkTypeEthernet {
		t.Fatalf("link type %v, %v", r.LinkType(), err)
	}
	for i, want := range frames {
		got, info, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(got, want) || !info.Timestamp.Equal(at.Add(time.Duration(i)*time.Second)) {
			t.Errorf("frame %d: %d bytes at %s, %v", i, len(got), info.Timestamp, err)
		}
	}
	_, _, err = r.ReadPacketData()
	if !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v", err)
	}
}
