package pcapfilter_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/capture/pcapfilter"
)

// udp is an IPv4 packet with UDP to a port.
func udp(port uint16) []byte {
	b := []byte("\x45\x00\x00\x1c\x00\x01\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x10\x00\x00\x00\x00\x08\x00\x00")
	binary.BigEndian.PutUint16(b[22:], port)
	return b
}

// file is a capture file of packets.
func file(link uint32, packets ...[]byte) *bytes.Buffer {
	var b bytes.Buffer
	put := func(v ...uint32) {
		for _, x := range v {
			binary.Write(&b, binary.LittleEndian, x)
		}
	}
	put(0xa1b2c3d4, 4<<16|2, 0, 0, 65535, link)
	for i, p := range packets {
		put(uint32(i), 0, uint32(len(p)), uint32(len(p)))
		b.Write(p)
	}
	return &b
}

func TestFilterLeavesOutWhatDoesNotMatch(t *testing.T) {
	ether := func(port uint16) []byte {
		return append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00"), udp(port)...)
	}
	for _, c := range []struct {
		name, filter string
		link         uint32
		packets      [][]byte
		want         []uint64
	}{
		{"a port on Ethernet", "udp dst port 53", 1, [][]byte{ether(80), ether(53), ether(53)}, []uint64{2, 3}},
		{"a port without a link header", "udp dst port 53", 101, [][]byte{udp(53), udp(80)}, []uint64{1}},
		{"what is too short to match", "udp dst port 53", 1, [][]byte{ether(53)[:20], ether(53)}, []uint64{2}},
		{"a negation", "not port 53 and net 10.0.0.0/8", 1, [][]byte{ether(53), ether(9)}, []uint64{2}},
		{"no filter", "", 1, [][]byte{ether(53), ether(9)}, []uint64{1, 2}},
	} {
		program, err := pcapfilter.New(c.filter, false)
		if err != nil {
			t.Fatal(err)
		}
		src, err := capture.NewFile(file(c.link, c.packets...))
		if err != nil {
			t.Fatal(err)
		}
		src.Filter(program)
		var got []uint64
		var f capture.Frame
		for {
			err = src.Next(&f)
			if err != nil {
				break
			}
			got = append(got, f.Number)
		}
		st, _ := src.Stats()
		if !errors.Is(err, io.EOF) || len(got) != len(c.want) || st.Received != uint64(len(got)) || st.Filtered != uint64(len(c.packets)-len(got)) {
			t.Errorf("%s: frames %v, %+v, %v", c.name, got, st, err)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: frames %v", c.name, got)
			}
		}
	}
}

func TestWhatIsNoFilterIsRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		live bool
		want error
	}{
		{"port eighty", false, pcapfilter.ErrFilter},
		{"tcp and", false, pcapfilter.ErrFilter},
		{"vlan 7 and tcp", true, pcapfilter.ErrVLAN},
		{"vlan 7 and tcp", false, nil},
	} {
		_, err := pcapfilter.New(c.text, c.live)
		if !errors.Is(err, c.want) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}
