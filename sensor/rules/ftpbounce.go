package rules

import (
	"bytes"
	"net/netip"
)

// ftpBounces reports whether a PORT command (RFC 959 §4.1.2) names another
// host than the one that sends it.
func ftpBounces(buf []byte, client netip.Addr) bool {
	client = client.Unmap()
	for line := range bytes.Lines(buf) {
		if len(line) < 5 || !bytes.EqualFold(line[:5], []byte("PORT ")) {
			continue
		}
		a, ok := portAddress(line[5:])
		if ok && a != client {
			return true
		}
	}
	return false
}

// portAddress reads the first four of "h1,h2,h3,h4,p1,p2".
func portAddress(text []byte) (netip.Addr, bool) {
	var a [4]byte
	at := 0
	for i := range a {
		n, digits := 0, 0
		for at < len(text) && text[at] == ' ' {
			at++
		}
		for at < len(text) && text[at] >= '0' && text[at] <= '9' && digits < 3 {
			n = n*10 + int(text[at]-'0')
			at++
			digits++
		}
		if digits == 0 || n > 255 || at >= len(text) || text[at] != ',' {
			return netip.Addr{}, false
		}
		at++
		a[i] = byte(n)
	}
	return netip.AddrFrom4(a), true
}
