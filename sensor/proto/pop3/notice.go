package pop3

import (
	"strings"

	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// longRequest and longResponse bound a command and the first line of an
	// answer, their ends included (RFC 2449 §4).
	longRequest  = 255
	longResponse = 512
	// unlimited is for commands that take any number of words.
	unlimited = 1 << 10
)

// arguments are the bounds of how many words follow a command (RFC 1939 §9,
// RFC 2449 §5, RFC 2595 §4, RFC 5034 §4, RFC 6856).
func arguments(command string) (least, most int, known bool) {
	switch command {
	case "QUIT", "STAT", "NOOP", "RSET", "CAPA", "STLS", "UTF8":
		return 0, 0, true
	case "LIST", "UIDL", "LANG":
		return 0, 1, true
	case "RETR", "DELE":
		return 1, 1, true
	case "USER", "PASS":
		// Both may hold spaces.
		return 1, unlimited, true
	case "TOP", "APOP":
		return 2, 2, true
	case "AUTH":
		return 0, 2, true
	}
	return 0, 0, false
}

// notice tells what is wrong with a line, of size bytes as sent.
func (c *Conn) notice(dir int, line []byte, size int) {
	if dir == proto.ToClient {
		if c.list == nil && size > longResponse {
			c.host.Notice(dir, c.answers(), "response_too_long")
		}
		return
	}
	words := strings.Fields(string(line))
	if c.login || len(words) == 0 {
		return
	}
	if size > longRequest {
		c.host.Notice(dir, c.next, "request_too_long")
	}
	least, most, known := arguments(strings.ToUpper(words[0]))
	switch n := len(words) - 1; {
	case !known:
		c.host.Notice(dir, c.next, "unknown_command")
	case n < least || n > most:
		c.host.Notice(dir, c.next, "incorrect_argument_count")
	}
}

// answers is the transaction that the server's next line belongs to.
func (c *Conn) answers() uint64 {
	if len(c.open) > 0 {
		return c.open[0].number
	}
	return 0
}
