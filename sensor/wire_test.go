package sensor_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// wire writes a capture file of made-up packets, byte by byte: the sensor must
// not be tested with the library it reads with.
type wire struct {
	t    testing.TB
	out  []byte
	time time.Time
}

func newWire(t testing.TB) *wire {
	w := &wire{t: t, time: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	w.out = binary.LittleEndian.AppendUint32(w.out, 0xa1b2c3d4)
	w.out = append(w.out, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	return w
}

// file writes what was made so far.
func (w *wire) file() string {
	path := filepath.Join(w.t.TempDir(), "made.pcap")
	err := os.WriteFile(path, w.out, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *wire) frame(b []byte) {
	w.time = w.time.Add(time.Millisecond)
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.time.Unix()))
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.time.Nanosecond()/1000))
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(b)))
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(b)))
	w.out = append(w.out, b...)
}

func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for i := 0; i < len(b); i += 2 {
			v := uint32(b[i]) << 8
			if i+1 < len(b) {
				v |= uint32(b[i+1])
			}
			sum += v
		}
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// ipv4 wraps a transport segment whose checksum stands at the offset.
func ipv4(src, dst netip.AddrPort, proto byte, segment []byte, sumAt int) []byte {
	s, d := src.Addr().As4(), dst.Addr().As4()
	pseudo := append(append(s[:], d[:]...), 0, proto, byte(len(segment)>>8), byte(len(segment)))
	binary.BigEndian.PutUint16(segment[sumAt:], checksum(pseudo, segment))
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(segment)))
	copy(h[12:], s[:])
	copy(h[16:], d[:])
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, h...)
	return append(frame, segment...)
}

func (w *wire) udp(src, dst, payload string) {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	seg := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(seg, s.Port())
	binary.BigEndian.PutUint16(seg[2:], d.Port())
	binary.BigEndian.PutUint16(seg[4:], uint16(8+len(payload)))
	w.frame(ipv4(s, d, 17, append(seg, payload...), 6))
}

// tcpConn is one connection being made up.
type tcpConn struct {
	w    *wire
	ends [2]netip.AddrPort
	seq  [2]uint32
}

const (
	fin = 1
	syn = 2
	psh = 8
	ack = 16
)

// dial makes a handshake.
func (w *wire) dial(client, server string) *tcpConn {
	c := &tcpConn{w: w, ends: [2]netip.AddrPort{netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)}, seq: [2]uint32{1000, 5000}}
	c.segment(0, syn, "")
	c.segment(1, syn|ack, "")
	c.segment(0, ack, "")
	return c
}

func (c *tcpConn) segment(dir int, flags byte, payload string) {
	seg := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(seg, c.ends[dir].Port())
	binary.BigEndian.PutUint16(seg[2:], c.ends[1-dir].Port())
	binary.BigEndian.PutUint32(seg[4:], c.seq[dir])
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(seg[8:], c.seq[1-dir])
	}
	seg[12], seg[13] = 0x50, flags
	binary.BigEndian.PutUint16(seg[14:], 65535)
	c.seq[dir] += uint32(len(payload))
	if flags&(syn|fin) != 0 {
		c.seq[dir]++
	}
	c.w.frame(ipv4(c.ends[dir], c.ends[1-dir], 6, append(seg, payload...), 16))
}

// say sends text in segments of at most size bytes.
func (c *tcpConn) say(dir int, text string, size int) {
	for at := 0; at < len(text); at += size {
		c.segment(dir, psh|ack, text[at:min(at+size, len(text))])
	}
}

func (c *tcpConn) close() {
	c.segment(0, fin|ack, "")
	c.segment(1, fin|ack, "")
	c.segment(0, ack, "")
}

// dnsQuery is a query for an A record.
func dnsQuery(id uint16, name string) string {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	label := []byte{}
	for _, ch := range []byte(name + ".") {
		if ch == '.' {
			b = append(append(b, byte(len(label))), label...)
			label = label[:0]
			continue
		}
		label = append(label, ch)
	}
	return string(append(b, 0, 0, 1, 0, 1))
}
