package sensor

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
)

// detect finds the protocol of a TCP connection by what its ends say first.
func (c *conversation) detect(dir int, b []byte) {
	if c.failed[dir] {
		return
	}
	if c.finding.spoke == 0 {
		c.finding.spoke = uint8(dir) + 1
	}
	if len(c.probe[dir]) < len(c.first[dir]) {
		copy(c.first[dir][len(c.probe[dir]):], b)
	}
	room := maxProbe - len(c.probe[dir])
	first := len(c.probe[dir]) == 0
	if first {
		// Most are found at once: only what must be waited with is copied.
		c.probe[dir] = b[:min(room, len(b))]
	} else {
		c.probe[dir] = append(c.probe[dir], b[:min(room, len(b))]...)
	}
	found, more := c.guess(dir, c.probe[dir])
	if found == appUnknown && c.f.Midstream && len(c.probe[1-dir]) == 0 && !c.failed[1-dir] {
		// Joined midstream, the first to speak was taken for the client.
		other, otherMore := c.guessFlipped(1-dir, c.probe[dir])
		if other != appUnknown && other != appDNS {
			c.flip()
			dir, found = 1-dir, other
		}
		more = more || otherMore
	}
	if found != appUnknown {
		// What did not fit the probe goes on after it.
		c.begin(found, dir, b[min(room, len(b)):])
		return
	}
	if more && len(c.probe[dir]) < maxProbe {
		if first {
			c.probe[dir] = bytes.Clone(c.probe[dir])
		}
		return
	}
	c.failed[dir], c.probe[dir] = true, nil
	if c.failed[1-dir] {
		c.app = appFailed
	}
	c.judgeLost(dir, more)
}

// guessFlipped judges as if the flow's ends were exchanged.
func (c *conversation) guessFlipped(dir int, b []byte) (app, bool) {
	c.f.Swap()
	defer c.f.Swap()
	return c.guess(dir, b)
}

// guess judges the first bytes of a direction.
func (c *conversation) guess(dir int, b []byte) (app, bool) {
	http, httpMore := http1.ProbeRequest(b)
	if dir == 1 {
		http, httpMore = http1.ProbeResponse(b)
	}
	if http {
		return appHTTP, false
	}
	hello, helloMore := tls.Probe(b)
	if hello && len(b) > 5 && (b[5] == 1) == (dir == 0) {
		return appTLS, false
	}
	query, queryMore := dns.ProbeStream(b, c.f.Client.Port(), c.f.Server.Port())
	if query {
		return appDNS, false
	}
	other, otherMore := c.guessOther(dir, b)
	if other {
		return appOther, false
	}
	return appUnknown, httpMore || helloMore || queryMore || otherMore
}

// flip exchanges the flow's ends.
func (c *conversation) flip() {
	c.f.Swap()
	c.flipped = !c.flipped
	c.probe[0], c.probe[1] = c.probe[1], c.probe[0]
	c.first[0], c.first[1] = c.first[1], c.first[0]
	c.failed[0], c.failed[1] = c.failed[1], c.failed[0]
	if c.windows != nil {
		c.windows[0], c.windows[1] = c.windows[1], c.windows[0]
	}
	c.size[0], c.size[1] = c.size[1], c.size[0]
	if c.watch != nil {
		c.watch.Close()
		c.watch = nil
	}
}

// begin starts the parser with what was kept, the client's words first unless
// the server greets.
func (c *conversation) begin(found app, dir int, rest []byte) {
	c.app = found
	if found == appOther {
		c.otherName = protocols[c.candidate].name
	}
	c.judgeFound(dir)
	c.compareFrom = 1 - dir
	kept := c.probe
	c.probe = [2][]byte{}
	if !c.w.wanted.content {
		c.nameOnly(c.appName())
		return
	}
	switch found {
	case appHTTP:
		c.http = &httpSide{Conn: http1.New(c)}
	case appTLS:
		c.tls = &tls.Conn{From: c.orig}
	case appOther:
		c.other = protocols[c.candidate].open(c)
		if c.http != nil && c.http.badSettings && c.otherName == "http2" {
			c.appEvent(flow.ToServer, "http2.invalid_http1_settings")
		}
	}
	order := [...]int{0, 1}
	if found == appOther && c.finding.spoke == 2 {
		// A server that greets.
		order = [...]int{1, 0}
	}
	for _, side := range order {
		if len(kept[side]) > 0 {
			c.feed(side, kept[side])
		}
		if side == dir && len(rest) > 0 {
			c.feed(side, rest)
		}
	}
}

// datagram takes a UDP payload.
func (c *conversation) datagram(dir int, b []byte) {
	if len(b) == 0 || c.app == appFailed {
		return
	}
	if c.app == appUnknown {
		if !dns.Probe(b, c.f.Client.Port(), c.f.Server.Port()) {
			c.datagramOther(dir, b)
			return
		}
		c.app = appDNS
		if dir == 0 && b[2]&0x80 != 0 {
			// The question was not captured; the answerer is the server.
			c.f.Swap()
			dir = 1
		}
		if !c.w.wanted.content {
			c.nameOnly(nameDNS)
		}
	}
	if c.app == appOther {
		c.feedOther(dir, b)
		return
	}
	c.dnsMessage(dir, b)
}
