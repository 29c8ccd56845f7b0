package sensor

import "github.com/antin-gov/antin/sensor/flow"

// Events of finding the protocol of a connection.
const (
	eventMismatch  = "applayer_mismatch_protocol_both_directions"
	eventWrongSide = "applayer_wrong_direction_first_data"
	eventOneSide   = "applayer_detect_protocol_only_one_direction"
	eventSkipped   = "applayer_proto_detection_skipped"
	eventNoTLS     = "applayer_no_tls_after_starttls"
	eventOther     = "applayer_unexpected_protocol"
)

// finding is what is remembered of how the protocol was found.
type finding struct {
	// spoke has the first side to speak, 1 and 2; 0 when none has.
	spoke uint8
	// compare is true while the other side's first words have not been judged.
	compare bool
	// lost is true when bytes were missing before the protocol was known, which
	// says nothing about a side.
	lost bool
	// expect is what the connection was to become, as after STARTTLS.
	expect string
}

// serverFirst are the protocols in which the server greets or may speak first,
// and whose first words alone do not tell them.
func serverFirst(app string) bool {
	switch app {
	case "smtp", "ftp", "ftp-data", "pop3", "imap", "ssh", "rfb", "http2", "dnp3", "mysql", "xmpp":
		return true
	}
	return false
}

// judgeFound tells what is odd about how the protocol was found, when it was by
// the words of a side.
func (c *conversation) judgeFound(dir int) {
	name := c.appName()
	if c.finding.expect != "" {
		expect := c.finding.expect
		c.finding.expect = ""
		if name != expect && c.eventApp() != expect {
			c.appEvent(flow.Direction(dir), eventOther)
			if expect == nameTLS {
				c.appEvent(flow.Direction(dir), eventNoTLS)
			}
		}
	}
	if c.f.Midstream || serverFirst(name) {
		return
	}
	if c.finding.spoke == 2 {
		c.appEvent(flow.ToClient, eventWrongSide)
	}
	if c.failed[1-dir] {
		if c.finding.lost {
			return
		}
		c.appEvent(flow.Direction(dir), eventOneSide)
		return
	}
	c.finding.compare = len(c.probe[1-dir]) == 0
}

// compareSides judges the first words of the side that was not needed to find
// the protocol.
func (c *conversation) compareSides(dir int, b []byte) {
	c.finding.compare = false
	candidate := c.candidate
	found, _ := c.guess(dir, b)
	other := c.candidate
	c.candidate = candidate
	if found == appUnknown || found == c.app && (found != appOther || protocols[other].name == protocols[candidate].name) {
		return
	}
	c.appEvent(flow.Direction(dir), eventMismatch)
}

// judgeLost tells that the protocol was not found.
func (c *conversation) judgeLost(dir int, undecided bool) {
	if undecided {
		c.appEvent(flow.Direction(dir), eventSkipped)
	}
	if dir == 0 && c.finding.expect == nameTLS {
		c.finding.expect = ""
		c.appEvent(flow.ToServer, eventNoTLS)
	}
}
