// Command ja4 holds the sensor's JA4 fingerprints of TLS and QUIC against an
// independent reading of the same captures: tshark takes the greetings apart and
// decrypts those of QUIC, github.com/exaring/ja4plus makes the fingerprint. It
// answers as `antin-sensor compare tshark --json` does: exit status 0 every
// difference is explained, 1 not so, 3 the captures could not be read.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/exaring/ja4plus"

	"github.com/antin-gov/antin/sensor/conformance"
)

func main() {
	captures, err := conformance.CompareJA4(context.Background(), os.Args[1:], fingerprint, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ja4:", err)
		os.Exit(3)
	}
	sum := conformance.SumUpReads(captures)
	err = json.NewEncoder(os.Stdout).Encode(struct {
		Sum      []conformance.ReadTally   `json:"sum"`
		Captures []conformance.ReadCapture `json:"captures"`
	}{sum, captures})
	if err != nil {
		fmt.Fprintln(os.Stderr, "ja4:", err)
		os.Exit(3)
	}
	for _, t := range sum {
		if t.Explained < t.Ours+t.Theirs {
			os.Exit(1)
		}
	}
}

// quicConn tells ja4plus that the greeting came in QUIC.
type quicConn struct{ net.Conn }

func (quicConn) LocalAddr() net.Addr { return quicAddr{} }

type quicAddr struct{}

func (quicAddr) Network() string { return "quic" }
func (quicAddr) String() string  { return "" }

func fingerprint(h *conformance.Hello) string {
	info := &tls.ClientHelloInfo{
		CipherSuites: h.Ciphers, Extensions: h.Extensions, ServerName: h.ServerName, SupportedProtos: h.ALPN,
		// It wants the versions that count, as crypto/tls tells them.
		SupportedVersions: slices.DeleteFunc(slices.Clone(h.Versions), func(v uint16) bool { return v&0x0f0f == 0x0a0a }),
	}
	if len(info.SupportedVersions) == 0 {
		info.SupportedVersions = []uint16{h.Version}
	}
	for _, s := range h.Signatures {
		info.SignatureSchemes = append(info.SignatureSchemes, tls.SignatureScheme(s))
	}
	if h.QUIC {
		info.Conn = quicConn{}
	}
	return ja4plus.JA4(info)
}
