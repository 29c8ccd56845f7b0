package mail

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

func TestBase64IsReadAsMailProgramsDo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		text := base64.StdEncoding.EncodeToString(want)
		var noisy []byte
		for i := range len(text) {
			if rng.IntN(9) == 0 {
				noisy = append(noisy, " \r\n\t.\xff-"[rng.IntN(7)])
			}
			noisy = append(noisy, text[i])
		}
		for _, body := range [][]byte{[]byte(text), noisy, append([]byte("\n"), noisy...)} {
			if got := decodeBase64(nil, body); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes of %q: %x, want %x", n, body, got, want)
			}
		}
	}
	for body, want := range map[string]string{"": "", "Q": "", "QU": "A", "QUI": "AB", "QUJD=RkZG": "ABC", "QUJDR": "ABC"} {
		if got := string(decodeBase64(nil, []byte(body))); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}
