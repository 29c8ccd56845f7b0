package rules

import (
	"fmt"
	"strings"
)

// What BufferSSLState holds: the messages that have been seen of a handshake.
const (
	SSLClientHello = 1
	SSLServerHello = 2
)

// sslStates are the names of ssl_state. The key exchanges have no message that
// is judged by itself, so that rules on them are refused.
var sslStates = map[string]int{"client_hello": SSLClientHello, "server_hello": SSLServerHello}

// sslVersions are the names of ssl_version.
var sslVersions = map[string]int{
	"sslv2": 0x0200, "sslv3": 0x0300, "tls1.0": 0x0301, "tls1.1": 0x0302, "tls1.2": 0x0303, "tls1.3": 0x0304,
}

// versionTest asks for one of several versions of TLS.
type versionTest []uint16

func (t versionTest) holds(raw []byte) bool {
	for _, v := range t {
		if uint64(v) == uint64(bufferNumber(raw)) {
			return true
		}
	}
	return false
}

// addVersions reads "tls1.0,tls1.1" or "!tls1.3": with a negation all others
// hold too.
func (b *builder) addVersions(value string) error {
	wanted := map[string]bool{}
	words := splitTrim(strings.ToLower(unquote(value)))
	for _, word := range words {
		_, not := strings.CutPrefix(word, "!")
		for name := range sslVersions {
			wanted[name] = wanted[name] || not
		}
	}
	for _, word := range words {
		name, not := strings.CutPrefix(word, "!")
		name = strings.TrimSpace(name)
		_, ok := sslVersions[name]
		if !ok {
			return fmt.Errorf("unknown version %q", clip(word))
		}
		wanted[name] = !not
	}
	var t versionTest
	for name, ok := range wanted {
		if ok {
			t = append(t, uint16(sslVersions[name]))
		}
	}
	return b.add(BufferSSLVersion, nil, item{kind: itemNumber, raw: t})
}
