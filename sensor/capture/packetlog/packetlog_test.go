package packetlog

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/capture"
)

func TestTheRingRemembersTheLastFramesWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := NewRing(5000)
	var all [][]byte
	for n := range 20_000 {
		data := make([]byte, 1+random.IntN(1500))
		for i := range data {
			data[i] = byte(n)
		}
		all = append(all, data)
		r.Put(uint64(n%3), &capture.Frame{Data: data, Number: uint64(n)})
		var got []uint64
		bytes := 0
		for flow := range uint64(3) {
			r.Each(flow, func(f *capture.Frame) {
				if !slices.Equal(f.Data, all[f.Number]) || f.Number%3 != flow {
					t.Fatalf("after %d: frame %d is not what was put", n, f.Number)
				}
				got = append(got, f.Number)
				bytes += len(f.Data)
			})
		}
		slices.Sort(got)
		for i, number := range got {
			if number != uint64(n-len(got)+1+i) {
				t.Fatalf("after %d: not the last ones: %v", n, got)
			}
		}
		if n > 100 && bytes < 5000-2*1500 && len(got) < len(r.entries) {
			t.Fatalf("after %d: only %d bytes in %d frames", n, bytes, len(got))
		}
	}
}

func TestFilesAreRotatedAndReadAgain(t *testing.T) {
	dir := t.TempDir()
	c := clock.NewFake(time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC))
	l, err := Open(Options{Dir: dir, FileBytes: 10_000, Keep: 3, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		f := capture.Frame{Data: make([]byte, 1000), Length: 1500, Link: capture.LinkEthernet, Time: c.Now().Add(time.Duration(n) * time.Microsecond)}
		f.Data[0] = byte(n)
		name := "eth0"
		if n%2 == 1 {
			name, f.Link = "tun0", capture.LinkRaw
		}
		l.Put(&f, name)
	}
	l.Put(&capture.Frame{Link: capture.LinkSLL2}, "any")
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st != (Stats{Accepted: 51, Written: 50, Dropped: 1}) {
		t.Errorf("%+v", st)
	}
	files, err := filepath.Glob(filepath.Join(dir, "packets-20261128-080000*.pcapng"))
	if err != nil || len(files) != 3 || l.File() == "" {
		t.Fatalf("%v, %v", files, err)
	}
	seen := 0
	for _, name := range files {
		src, err := capture.OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var f capture.Frame
		for {
			err = src.Next(&f)
			if err != nil {
				break
			}
			seen++
			want := capture.LinkEthernet
			if f.Data[0]%2 == 1 {
				want = capture.LinkRaw
			}
			if f.Link != want || f.Length != 1500 || f.Time.Sub(c.Now()) != time.Duration(f.Data[0])*time.Microsecond {
				t.Errorf("frame %d: %+v", f.Data[0], f)
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		src.Close()
	}
	// The last three files of ten frames or fewer.
	if seen < 20 || seen > 30 {
		t.Errorf("%d frames are left", seen)
	}
}

func TestAFolderThatTakesNothingDropsAndCounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	l, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	err = os.Remove(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Put(&capture.Frame{Data: []byte("x"), Link: capture.LinkEthernet}, "")
	for l.Stats().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	err = l.Close()
	if err != nil {
		t.Error(err)
	}
}
