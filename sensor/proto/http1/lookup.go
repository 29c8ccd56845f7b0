package http1

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/proto/dns"
)

// Lookup is the message of DNS that a half carries (RFC 8484), in its body or a
// request's path; nil when it carries none.
func (tx *Tx) Lookup(dir int) *dns.Message {
	m := &tx.Request
	if dir == 1 {
		m = &tx.Response
	}
	if !m.carries {
		if dir == 1 || !bytes.Contains(tx.URI, []byte("dns=")) {
			return nil
		}
		return dns.FromPath(string(tx.URI))
	}
	lookup, err := dns.Parse(m.Decoded())
	if err != nil {
		return nil
	}
	return lookup
}
