package hsm

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAFrameComesBackAsItWasWritten(t *testing.T) {
	in := request{ID: 7, Op: opGenerate, Label: "khoá", Algorithm: "EC-P256", KeyID: bytes.Repeat([]byte{1}, keyIDSize)}
	raw, err := appendFrame(nil, in, maxRequest)
	if err != nil {
		t.Fatal(err)
	}
	sign := signRequest{id: 8, wait: 15 * time.Second, scheme: schemePSS, hash: "SHA-384", salt: 48, label: []byte("khoá"), digest: bytes.Repeat([]byte{2}, 48)}
	raw, err = appendSign(raw, sign)
	if err != nil {
		t.Fatal(err)
	}
	r := newFrameReader(bytes.NewReader(raw), maxSign)
	body, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	var out request
	err = decodeJSON(body, &out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	if !r.whole() {
		t.Error("the second frame is not seen to be whole")
	}
	body, err = r.next()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseSign(body)
	if err != nil || !cmp.Equal(sign, back, cmp.AllowUnexported(signRequest{})) {
		t.Errorf("%+v, %v", back, err)
	}
	_, err = r.next()
	if err != io.EOF {
		t.Errorf("the end between frames gave %v", err)
	}
	_, err = appendFrame(nil, request{Certificate: make([]byte, maxRequest)}, maxRequest)
	if !errors.Is(err, ErrBadRequest) {
		t.Errorf("a frame that is too long gave %v", err)
	}
	_, err = appendSign(nil, signRequest{scheme: schemeECDSA, hash: "SHA-1"})
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("a hash without a code gave %v", err)
	}
}

func TestAnErrorComesBackAsItself(t *testing.T) {
	for _, cause := range []error{ErrUnavailable, ErrBusy, ErrNotFound, ErrPIN, ErrKeyMismatch, ErrUnsupported, ErrBadRequest} {
		resp, err := parseSigned(appendSigned(nil, 3, nil, cause)[frameHeader:])
		if err != nil || resp.ID != 3 || !errors.Is(resp.Error.sentinel(), cause) || resp.Message != cause.Error() {
			t.Errorf("%v came back as %+v, %v", cause, resp, err)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, req := range []request{
		{ID: 1, Op: opHealth}, {ID: 2, Op: opKeys}, {ID: 3, Op: opPublic, Label: "a"},
		{ID: 4, Op: opGenerate, Label: "b", Algorithm: "EC-P256", KeyID: make([]byte, keyIDSize)},
		{ID: 5, Op: opUnwrap, Label: "c", KEK: make([]byte, 32), Wrapped: make([]byte, 40), SPKI: make([]byte, 91)},
	} {
		raw, err := appendFrame(nil, req, maxRequest)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	raw, err := appendSign(nil, signRequest{id: 6, scheme: schemeECDSA, hash: "SHA-256", label: []byte("c"), digest: make([]byte, 32)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(slices.Concat(raw, raw))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := newFrameReader(bytes.NewReader(raw), maxSign)
		for {
			whole := r.whole()
			body, err := r.next()
			if err != nil {
				if whole && !errors.Is(err, ErrBadRequest) {
					t.Fatalf("a whole frame was not read: %v", err)
				}
				return
			}
			if body[0] == kindSign {
				fuzzSign(t, body)
				continue
			}
			var req, second request
			if decodeJSON(body, &req) != nil {
				continue
			}
			again, err := appendFrame(nil, req, maxResponse)
			if err != nil {
				t.Fatalf("a frame that was read cannot be written: %v", err)
			}
			err = decodeJSON(again[frameHeader:], &second)
			if err != nil || !cmp.Equal(req, second) {
				t.Fatalf("a frame changes when written again: %v", err)
			}
		}
	})
}

// fuzzSign reads a request to sign, writes it again and compares.
func fuzzSign(t *testing.T, body []byte) {
	req, err := parseSign(body)
	if err != nil {
		return
	}
	again, err := appendSign(nil, req)
	if err != nil || !bytes.Equal(again[frameHeader:], body) {
		t.Fatalf("a request to sign changes when written again: %v", err)
	}
}

func FuzzReadResponse(f *testing.F) {
	f.Add(appendSigned(nil, 1, make([]byte, 70), nil))
	f.Add(appendSigned(nil, 1, nil, ErrBusy))
	f.Add([]byte("\x00\x00\x00\x0a{\"id\": 1 }"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := newFrameReader(bytes.NewReader(raw), maxResponse)
		for {
			resp, err := readResponse(r)
			if err != nil {
				return
			}
			if len(resp.Signature) > len(raw) {
				t.Fatal("a signature came from nowhere")
			}
		}
	})
}

func FuzzPublicKeyAttributes(f *testing.F) {
	f.Add([]byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []byte{4, 65, 4})
	f.Add(make([]byte, 256), []byte{1, 0, 1})
	f.Add([]byte{6, 3, 0x2b, 0x65, 0x70}, append([]byte{4, 32}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ec, err := ecPublicKey(a, b)
		if err == nil && AlgorithmOf(ec) == "" {
			t.Error("a curve without a name was accepted")
		}
		rsa, err := rsaPublicKey(a, b)
		if err == nil && rsa.N.BitLen() < 2048 {
			t.Error("a short RSA key was accepted")
		}
		ed, err := edPublicKey(a, b)
		if err == nil && len(ed) != 32 {
			t.Error("an Edwards point of another length was accepted")
		}
	})
}
