package main

import (
	"os/exec"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/conformance"
)

func TestFingerprintsAreThoseOfAnIndependentReader(t *testing.T) {
	_, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	captures, err := conformance.CompareJA4(t.Context(), []string{
		testkit.Data(t, "pcap/other/ja4__pcap__tls-handshake.pcapng"), testkit.Data(t, "pcap/other/ja4__pcap__quic-with-several-tls-frames.pcapng"),
	}, fingerprint, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures {
		if len(c.Different) > 0 || c.Failure != "" || c.Equal["ja4"] == 0 {
			t.Errorf("%s: %+v", c.Capture, c)
		}
	}
}

func TestAGreetingWithoutVersionsIsOfItsOwn(t *testing.T) {
	h := &conformance.Hello{Version: 0x0303, Versions: []uint16{0x1a1a}, Ciphers: []uint16{0xc02f}}
	const tcp, quic = "t12i010000_f06271c2b022_000000000000", "q12i010000_f06271c2b022_000000000000"
	got := fingerprint(h)
	h.QUIC = true
	if got != tcp || fingerprint(h) != quic {
		t.Errorf("%s, %s", got, fingerprint(h))
	}
}
