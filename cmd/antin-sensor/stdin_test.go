package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

func TestACaptureIsReadFromStandardInput(t *testing.T) {
	packet := []byte("\x45\x00\x00\x1c\x00\x01\x00\x00\x40\x11\x66\xcd\x0a\x00\x00\x01\x0a\x00\x00\x02\x10\x00\x00\x35\x00\x08\x00\x00")
	var b bytes.Buffer
	for _, v := range []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 65535, 101, 0, 0, uint32(len(packet)), uint32(len(packet))} {
		err := binary.Write(&b, binary.LittleEndian, v)
		if err != nil {
			t.Fatal(err)
		}
	}
	b.Write(packet)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = w.Write(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	stdin := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = stdin }()
	var stdout, stderr bytes.Buffer
	status := run(context.Background(), []string{"run", "-r", "-", "-l", t.TempDir()}, &stdout, &stderr)
	if status != exitDone || !strings.Contains(stderr.String(), "received 1 = processed 1") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
}
