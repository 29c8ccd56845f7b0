package smtp

import (
	"bytes"
	"strings"

	"github.com/antin-gov/antin/sensor/proto"
)

// longLine is how long a command or reply line may be: RFC 5321 §4.5.3.1.4
// allows 512, extensions more; Suricata reads no more than this.
const longLine = 4096

// number is the transaction in work.
func (c *Conn) number() uint64 {
	if c.cur != nil {
		return c.cur.number
	}
	return c.next
}

// measure tells a line that is too long, once. Lines of messages have limits
// that nobody keeps.
func (c *Conn) measure(dir, n int) {
	before := c.size[dir]
	c.size[dir] += n
	if before > longLine || c.size[dir] <= longLine || dir == proto.ToServer && c.mode != modeCommand {
		return
	}
	name := "max_command_line_len_exceeded"
	if dir == proto.ToClient {
		name = "max_reply_line_len_exceeded"
	}
	c.host.Notice(dir, c.number(), name)
}

// judgeCommand tells what is wrong with a command where it stands.
func (c *Conn) judgeCommand(cmd command, e *envelope) {
	notice := func(dir int, name string) { c.host.Notice(dir, e.number, name) }
	if !c.greeted && !c.welcomed {
		// What the server did not say is told in its direction.
		c.welcomed = true
		notice(proto.ToClient, "no_server_welcome_message")
	}
	if c.chunkOpen && !known(cmd.name) {
		notice(proto.ToServer, "bdat_chunk_len_exceeded")
	}
	c.chunkOpen = false
	if len(c.queue) > 0 {
		// Both must be answered before anything else is sent (RFC 2920 §3.1).
		last := c.queue[len(c.queue)-1].name
		if last == "STARTTLS" || last == "DATA" && !c.pipelining {
			notice(proto.ToServer, "invalid_pipelined_sequence")
		}
	}
	switch cmd.name {
	case "EHLO", "HELO":
		if c.helo != nil {
			notice(proto.ToServer, "duplicate_fields")
		}
	case "MAIL":
		if e.hasFrom && !e.over {
			notice(proto.ToServer, "duplicate_fields")
		}
	case "DATA":
		if e.message != nil && !e.over {
			notice(proto.ToServer, "unparsable_content")
		}
	}
}

// known are the commands of RFC 5321 §4.1 and the common extensions.
func known(name string) bool {
	return strings.Contains(" EHLO HELO MAIL RCPT DATA BDAT RSET VRFY EXPN HELP NOOP QUIT STARTTLS AUTH TURN ETRN ", " "+name+" ")
}

// judgeReply tells what is wrong with a reply line; code is 0 when it has none.
func (c *Conn) judgeReply(line []byte, code int) {
	switch {
	case len(line) == 0:
		return
	case code < 200 || code > 599:
		c.host.Notice(proto.ToClient, c.number(), "invalid_reply")
	case !c.greeted && len(c.queue) == 0 && code != 220:
		c.host.Notice(proto.ToClient, c.number(), "invalid_reply")
	case c.greeted && len(c.queue) == 0 && code != closing && !c.auth:
		c.host.Notice(proto.ToClient, c.number(), "unable_to_match_reply_with_request")
	}
	if code == 250 && len(line) > 4 && bytes.EqualFold(bytes.TrimSpace(line[4:]), []byte("PIPELINING")) {
		c.pipelining = true
	}
}

// closing is the reply that a server may give at any time (RFC 5321 §3.8).
const closing = 421

// judgeAnswer tells what a server refuses.
func (c *Conn) judgeAnswer(cmd command, code int) {
	number := c.number()
	if cmd.about != nil {
		number = cmd.about.number
	}
	switch {
	case cmd.name == "STARTTLS" && code != 220:
		c.host.Notice(proto.ToClient, number, "tls_rejected")
	case cmd.name == "STARTTLS" && c.upgraded:
		// A second change while the first has not come about.
		c.host.Notice(proto.ToClient, number, "failed_protocol_change")
	case cmd.name == "DATA" && code != 354:
		c.host.Notice(proto.ToClient, number, "data_command_rejected")
	}
}

// Greeted tells how the server's direction began, when that was seen before the
// protocol was found.
func (c *Conn) Greeted(first [4]byte) {
	c.greeted = true
	if string(first[:3]) != "220" {
		c.host.Notice(proto.ToClient, 0, "invalid_reply")
	}
}
