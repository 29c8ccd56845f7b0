package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/capture"
)

var when = time.Date(2026, 11, 22, 8, 0, 0, 123456000, time.UTC)

// pcapFile is a file of n frames of ten bytes.
func pcapFile(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	err := w.WriteFileHeader(65536, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		frame := bytes.Repeat([]byte{byte(i)}, 10)
		err = w.WritePacket(gopacket.CaptureInfo{Timestamp: when, CaptureLength: 10, Length: 60}, frame)
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func ngFile(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		err = w.WritePacket(gopacket.CaptureInfo{Timestamp: when, CaptureLength: 10, Length: 60}, make([]byte, 10))
		if err != nil {
			t.Fatal(err)
		}
	}
	err = w.Flush()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// count reads all frames and returns the error that ended them.
func count(src *capture.File) (int, capture.Frame, error) {
	var f, last capture.Frame
	n := 0
	for {
		err := src.Next(&f)
		if errors.Is(err, io.EOF) {
			return n, last, nil
		}
		if err != nil {
			return n, last, err
		}
		n++
		last = f
	}
}

func patched(b []byte, at int, v uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

func TestFilesAreReadOrTheirBreakIsTold(t *testing.T) {
	three, ng := pcapFile(t, 3), ngFile(t, 3)
	// The first packet block follows the section header and the interface.
	section := int(binary.LittleEndian.Uint32(ng[4:]))
	packet := section + int(binary.LittleEndian.Uint32(ng[section+4:]))
	cases := []struct {
		name   string
		file   []byte
		frames int
		err    error
		opens  bool
	}{
		{"pcap", three, 3, nil, true},
		{"pcapng", ng, 3, nil, true},
		{"pcap in gzip", zipped(t, three), 3, nil, true},
		{"pcapng in gzip", zipped(t, ng), 3, nil, true},
		{"a file without frames", pcapFile(t, 0), 0, nil, true},
		{"a file that ends inside a frame", three[:len(three)-4], 2, capture.ErrTruncated, true},
		{"a pcapng file that ends inside a block", ng[:len(ng)-6], 2, capture.ErrTruncated, true},
		{"gzip that ends early", zipped(t, three)[:len(zipped(t, three))-4], 3, capture.ErrTruncated, true},
		{"a frame of four gigabytes", patched(three, 24+8, 0xfffffff0), 0, capture.ErrFormat, true},
		{"a frame longer than on the wire", patched(three, 24+12, 2), 0, capture.ErrFormat, true},
		{"a pcapng frame longer than its block", patched(ng, packet+20, 0x7fffffff), 0, capture.ErrFormat, true},
		{"a pcapng block of two gigabytes", patched(ng, packet+4, 0x7ffffffc), 0, capture.ErrFormat, true},
		{"a pcapng frame of an interface that is not there", patched(ng, packet+8, 5), 0, capture.ErrFormat, true},
		{"an empty file", nil, 0, capture.ErrFormat, false},
		{"text", []byte("not a capture at all, but long enough"), 0, capture.ErrFormat, false},
		{"half a file header", three[:20], 0, capture.ErrFormat, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			src, err := capture.NewFile(bytes.NewReader(c.file))
			if !c.opens {
				if !errors.Is(err, c.err) {
					t.Fatalf("open: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n, last, err := count(src)
			if n != c.frames || !errors.Is(err, c.err) {
				t.Fatalf("%d frames, error %v", n, err)
			}
			if c.err == nil && n > 0 && (len(last.Data) != 10 || last.Length != 60 || !last.Time.Equal(when) || last.Number != uint64(n)) {
				t.Errorf("last frame %+v", last)
			}
		})
	}
}

func TestLinkTypesAboveAByteAreKept(t *testing.T) {
	for name, file := range map[string][]byte{
		"pcap":   patched(pcapFile(t, 1), 20, uint32(capture.LinkSLL2)),
		"pcapng": patched(ngFile(t, 1), int(binary.LittleEndian.Uint32(ngFile(t, 1)[4:]))+8, uint32(capture.LinkSLL2)),
	} {
		src, err := capture.NewFile(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var f capture.Frame
		err = src.Next(&f)
		if err != nil || f.Link != capture.LinkSLL2 {
			t.Errorf("%s: link type %d, %v", name, f.Link, err)
		}
	}
}

func TestRealFilesAreTold(t *testing.T) {
	root := testkit.Data(t, "pcap/other")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	captures, frames := 0, 0
	for _, e := range entries {
		path := filepath.Join(root, e.Name())
		is, err := capture.IsCapture(path)
		if err != nil {
			t.Fatal(err)
		}
		if !is {
			if strings.HasSuffix(path, ".pcap") || strings.HasSuffix(path, ".pcapng") {
				t.Logf("not taken for a capture: %s", e.Name())
			}
			continue
		}
		captures++
		src, err := capture.OpenFile(path)
		if err != nil {
			t.Logf("%s: %v", e.Name(), err)
			continue
		}
		n, _, err := count(src)
		if err != nil {
			t.Logf("%s: %v", e.Name(), err)
		}
		frames += n
		src.Close()
	}
	t.Logf("%d captures, %d frames", captures, frames)
	if captures < 300 || frames < 10000 {
		t.Errorf("only %d captures with %d frames", captures, frames)
	}
}

// ngInterface is where the interface's block begins in ngFile's.
const ngInterface = 68

func TestASnapshotLengthIsNotAllocated(t *testing.T) {
	b := ngFile(t, 2)
	binary.LittleEndian.PutUint32(b[ngInterface+12:], 3<<30)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	src, err := capture.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	n, last, err := count(src)
	runtime.ReadMemStats(&after)
	if n != 2 || len(last.Data) != 10 || err != nil {
		t.Errorf("%d frames, the last of %d bytes, %v", n, len(last.Data), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("%d bytes for a file of %d", took, len(b))
	}
}

func TestOptionsThatLeaveTheirBlockAreRefused(t *testing.T) {
	b := ngFile(t, 2)
	option := ngInterface + 16
	binary.LittleEndian.PutUint16(b[option+2:], 200)
	src, err := capture.NewFile(bytes.NewReader(b))
	if err == nil {
		_, _, err = count(src)
	}
	if !errors.Is(err, capture.ErrFormat) {
		t.Error(err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(pcapFile(f, 2))
	f.Add(ngFile(f, 2))
	f.Add(zipped(f, pcapFile(f, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		src, err := capture.NewFile(bytes.NewReader(b))
		if err != nil {
			return
		}
		n, last, _ := count(src)
		if n > len(b)*1032 || len(last.Data) > capture.MaxFrame {
			t.Errorf("%d frames from %d bytes", n, len(b))
		}
	})
}
