package hsm

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAFrameComesBackAsItWasWritten(t *testing.T) {
	in := request{ID: 7, Op: opSign, Label: "khoá", Scheme: schemePSS, Hash: "SHA-256", Salt: 32, Digest: bytes.Repeat([]byte{1}, 32)}
	var buf bytes.Buffer
	err := writeFrame(&buf, in, maxRequest)
	if err != nil {
		t.Fatal(err)
	}
	var out request
	err = readFrame(&buf, &out, maxRequest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	err = readFrame(&buf, &out, maxRequest)
	if err != io.EOF {
		t.Errorf("the end between frames gave %v", err)
	}
	err = writeFrame(io.Discard, request{Digest: make([]byte, maxRequest)}, maxRequest)
	if !errors.Is(err, ErrBadRequest) {
		t.Errorf("a frame that is too long gave %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, req := range []request{
		{ID: 1, Op: opHealth}, {ID: 2, Op: opKeys}, {ID: 3, Op: opPublic, Label: "a"},
		{ID: 4, Op: opGenerate, Label: "b", Algorithm: "EC-P256", KeyID: make([]byte, keyIDSize)},
		{ID: 5, Op: opSign, Label: "c", Scheme: schemeECDSA, Hash: "SHA-256", Digest: make([]byte, 32)},
	} {
		var buf bytes.Buffer
		err := writeFrame(&buf, req, maxRequest)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bytes.NewReader(raw)
		var req request
		err := readFrame(r, &req, maxRequest)
		if err != nil {
			return
		}
		var again bytes.Buffer
		err = writeFrame(&again, req, maxResponse)
		if err != nil {
			t.Fatalf("a frame that was read cannot be written: %v", err)
		}
		var second request
		err = readFrame(&again, &second, maxResponse)
		if err != nil || !cmp.Equal(req, second) {
			t.Fatalf("a frame changes when written again: %v", err)
		}
	})
}

func FuzzPublicKeyAttributes(f *testing.F) {
	f.Add([]byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []byte{4, 65, 4})
	f.Add(make([]byte, 256), []byte{1, 0, 1})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ec, err := ecPublicKey(a, b)
		if err == nil && AlgorithmOf(ec) == "" {
			t.Error("a curve without a name was accepted")
		}
		rsa, err := rsaPublicKey(a, b)
		if err == nil && rsa.N.BitLen() < 2048 {
			t.Error("a short RSA key was accepted")
		}
	})
}
