package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
)

// mostMemory bounds a capture file that is repeated.
const mostMemory = 2 << 30

// ErrTooLarge means that a capture file is larger than mostMemory.
var ErrTooLarge = errors.New("capture file too large to be repeated")

// ErrNoFrames means that a capture file has no Ethernet frames.
var ErrNoFrames = errors.New("no Ethernet frames in the capture file")

type stamped struct {
	at    time.Time
	frame []byte
}

// FromFile is the mix of a capture file's Ethernet frames, repeated: time goes
// on, and in each repetition the hosts are others of the same networks (the third
// byte of IPv4 addresses, the third word of IPv6), checksums moved along. So the
// sensor sees new flows in time, as Suricata does in such a file.
func FromFile(path string) (Mix, error) {
	src, err := capture.OpenFile(path)
	if err != nil {
		return Mix{}, err
	}
	defer src.Close()
	var all []stamped
	var f capture.Frame
	size := 0
	for {
		err = src.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Mix{}, fmt.Errorf("%s: %w", path, err)
		}
		if f.Link != capture.LinkEthernet {
			continue
		}
		size += len(f.Data)
		if size > mostMemory {
			return Mix{}, fmt.Errorf("%s: %w", path, ErrTooLarge)
		}
		all = append(all, stamped{f.Time, append([]byte(nil), f.Data...)})
	}
	if len(all) == 0 {
		return Mix{}, fmt.Errorf("%s: %w", path, ErrNoFrames)
	}
	name := filepath.Base(path)
	return Mix{
		Name: name, Count: len(all), What: fmt.Sprintf("the %d frames of %s, repeated with other hosts while time goes on", len(all), name),
		Frames: func(n int) iter.Seq2[time.Time, []byte] { return repeat(all, n) },
	}, nil
}

func repeat(all []stamped, n int) iter.Seq2[time.Time, []byte] {
	return func(yield func(time.Time, []byte) bool) {
		period := all[len(all)-1].at.Sub(all[0].at) + time.Millisecond
		var scratch []byte
		for i := range n {
			times, at := i/len(all), i%len(all)
			frame := all[at].frame
			if times > 0 {
				scratch = append(scratch[:0], frame...)
				rehost(scratch, byte(times))
				frame = scratch
			}
			if !yield(all[at].at.Add(time.Duration(times)*period), frame) {
				return
			}
		}
	}
}

// place is where the headers of a frame are.
type place struct {
	ip, body int
	version  int
	proto    byte
	// whole is false for a fragment after the first, ends then for all of them.
	first, fragment bool
}

// locate finds the IP packet of a frame; ok is false when there is none whole.
func locate(f []byte) (p place, ok bool) {
	if len(f) < etherSize {
		return p, false
	}
	p.ip = etherSize
	kind := binary.BigEndian.Uint16(f[12:])
	for (kind == 0x8100 || kind == 0x88a8) && len(f) >= p.ip+4 {
		kind = binary.BigEndian.Uint16(f[p.ip+2:])
		p.ip += 4
	}
	b := f[p.ip:]
	switch {
	case kind == 0x0800 && len(b) >= ip4Size && b[0]>>4 == 4:
		p.version, p.proto, p.body = 4, b[9], p.ip+int(b[0]&15)*4
		offset := binary.BigEndian.Uint16(b[6:])
		p.first, p.fragment = offset&0x1fff == 0, offset&0x3fff != 0
	case kind == 0x86dd && len(b) >= 40 && b[0]>>4 == 6:
		p.version, p.proto, p.body, p.first = 6, b[6], p.ip+40, true
	default:
		return p, false
	}
	return p, len(f) >= p.body
}

// rehost gives both hosts of a frame other addresses in their networks.
func rehost(f []byte, by byte) {
	p, ok := locate(f)
	if !ok {
		return
	}
	var words [2]int
	if p.version == 4 {
		words = [2]int{p.ip + 14, p.ip + 18}
	} else {
		words = [2]int{p.ip + 8 + 4, p.ip + 24 + 4}
	}
	var checks []int
	if p.version == 4 {
		checks = append(checks, p.ip+10)
	}
	if p.first {
		switch {
		case p.proto == protoTCP && len(f) >= p.body+tcpSize:
			checks = append(checks, p.body+16)
		case p.proto == protoUDP && len(f) >= p.body+udpSize && binary.BigEndian.Uint16(f[p.body+6:]) != 0:
			checks = append(checks, p.body+6)
		case p.proto == 58 && p.version == 6 && len(f) >= p.body+4:
			checks = append(checks, p.body+2)
		}
	}
	for _, at := range words {
		first := f[at-2]
		if p.version == 6 {
			first = f[at-4]
		}
		if p.version == 4 && (first == 0 || first == 127 || first >= 224) || p.version == 6 && (first == 0xff || first == 0) {
			// Not a host's own address.
			continue
		}
		was := binary.BigEndian.Uint16(f[at:])
		f[at] ^= by
		is := binary.BigEndian.Uint16(f[at:])
		for _, c := range checks {
			// RFC 1624 §3.
			sum := uint32(^binary.BigEndian.Uint16(f[c:])) + uint32(^was) + uint32(is)
			sum = sum>>16 + sum&0xffff
			sum = sum>>16 + sum&0xffff
			binary.BigEndian.PutUint16(f[c:], ^uint16(sum))
		}
	}
}

// spread says which of n workers takes a frame: all of a flow the same one, as
// the kernel's fan-out by hash does.
func spread(f []byte, n int) int {
	p, ok := locate(f)
	if !ok {
		return 0
	}
	sum := uint32(p.proto)
	b := f[p.ip:]
	if p.version == 4 {
		sum += binary.BigEndian.Uint32(b[12:]) + binary.BigEndian.Uint32(b[16:])
	} else {
		for i := 8; i < 40; i += 4 {
			sum += binary.BigEndian.Uint32(b[i:])
		}
	}
	if (p.proto == protoTCP || p.proto == protoUDP) && !p.fragment && len(f) >= p.body+4 {
		sum += uint32(binary.BigEndian.Uint16(f[p.body:])) + uint32(binary.BigEndian.Uint16(f[p.body+2:]))
	}
	sum *= 0x9e3779b1
	return int(uint64(sum) * uint64(n) >> 32)
}
