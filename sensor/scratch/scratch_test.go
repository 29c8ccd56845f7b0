package scratch_test

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"

	"github.com/antin-gov/antin/sensor/scratch"
)

func TestAPieceComesBack(t *testing.T) {
	var m scratch.Memory
	b := append(m.Take(3000), "abc"...)
	m.Give(b)
	again := m.Take(2500)
	if len(again) != 0 || &again[:1][0] != &b[0] {
		t.Error("another piece was made")
	}
	if second := m.Take(2500); &second[:1][0] == &b[0] {
		t.Error("one piece was given twice")
	}
}

func TestAppendKeepsWhatWasThere(t *testing.T) {
	for name, m := range map[string]*scratch.Memory{"a worker's": {}, "the heap": nil} {
		t.Run(name, func(t *testing.T) {
			var b, want []byte
			for i := range 3000 {
				part := bytes.Repeat([]byte{byte(i)}, i%1500)
				b, want = m.Append(b, part), append(want, part...)
			}
			if !bytes.Equal(b, want) {
				t.Error("bytes were lost")
			}
			m.Give(b)
		})
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	var m scratch.Memory
	var all [][]byte
	for range 10 {
		all = append(all, m.Take(1<<20), m.Take(1<<24))
	}
	for _, b := range all {
		m.Give(b)
	}
	made := testing.AllocsPerRun(1, func() {
		for range 5 {
			m.Take(1 << 20)
		}
	})
	if made < 4 {
		t.Errorf("%v of 5 pieces of a megabyte were made anew", made)
	}
}

func TestAnInflaterReadsOneAfterAnother(t *testing.T) {
	var m scratch.Memory
	for _, text := range []string{"first", "", "the second is longer than the first"} {
		var packed bytes.Buffer
		w, err := flate.NewWriter(&packed, 9)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		err = w.Close()
		if err != nil {
			t.Fatal(err)
		}
		z := m.Inflate(packed.Bytes())
		got, err := io.ReadAll(z)
		if err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
		m.Done(z)
		z = m.Inflate([]byte{0xff, 0xff})
		_, err = io.ReadAll(z)
		if err == nil {
			t.Error("what is no deflate was read")
		}
		m.Done(z)
	}
}
