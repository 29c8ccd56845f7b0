// Package pop3 reads POP3 (RFC 1939) with STLS (RFC 2595): commands with their
// answers, the lines of lists among them, and of each message that is fetched its
// header fields, attachments and links.
//
// A message whose end fell into a gap goes on to the end of the next answer of
// many lines.
package pop3

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxLine is how much of a line is kept.
	maxLine = 4096
	// maxOpen bounds the commands that wait for their answer (RFC 2449 §6.6).
	maxOpen = 64
	// maxData bounds the lines kept of an answer.
	maxData = 64
	// stepName is the command that a step of a log-in is recorded as, in
	// Suricata's spelling. What it says is not kept.
	stepName = "<SASL DATA>"
)

// ErrMalformed means that a direction is not POP3.
var ErrMalformed = errors.New("pop3: malformed")

// transaction is a command and its answer. It implements encode.Body.
type transaction struct {
	number  uint64
	command string
	args    []string
	good    bool
	// more is true of a step of a log-in after which another follows.
	more   bool
	header []byte
	data   [][]byte
	// letter is the message that the answer holds.
	letter *letter
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host  proto.Host
	lines [2][]byte
	// length is that of a line as sent.
	length [2]int
	open   []*transaction
	next   uint64
	// list is the answer whose lines follow.
	list  *transaction
	login bool
	quiet bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells POP3 by the server's greeting.
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	const mark = "+OK"
	if dir != proto.ToClient {
		return false, false
	}
	if len(b) < len(mark)+1 {
		return false, bytes.HasPrefix([]byte(mark), b[:min(len(b), len(mark))])
	}
	return string(b[:len(mark)]) == mark && (b[3] == ' ' || b[3] == '\r'), false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	for len(b) > 0 && !c.quiet {
		if dir == proto.ToClient && c.list != nil && c.list.letter != nil {
			b = c.content(c.list, b)
			continue
		}
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part = b[:i]
		}
		c.length[dir] += len(part)
		room := maxLine - len(c.lines[dir])
		c.lines[dir] = append(c.lines[dir], part[:min(room, len(part))]...)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
		line := bytes.TrimRight(c.lines[dir], "\r")
		size := c.length[dir] + 1
		c.lines[dir], c.length[dir] = nil, 0
		c.notice(dir, line, size)
		if dir == proto.ToServer {
			c.request(line)
			continue
		}
		c.answer(line)
	}
	return nil
}

func (c *Conn) request(line []byte) {
	if c.login {
		// A step of the log-in, not a command (RFC 5034 §4).
		c.login = false
		c.ask(&transaction{command: stepName})
		return
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return
	}
	c.ask(&transaction{command: strings.ToUpper(words[0]), args: words[1:]})
}

// ask adds a command to those that wait for their answers.
func (c *Conn) ask(tx *transaction) {
	tx.number = c.next
	c.next++
	if len(c.open) == maxOpen {
		oldest := c.open[0]
		if oldest == c.list {
			// Its answer is on its way.
			oldest = c.open[1]
		}
		c.host.Notice(proto.ToServer, oldest.number, "too_many_transactions")
		c.tell(oldest)
	}
	c.open = append(c.open, tx)
}

// answer takes a line of the server's: a status, or one of a list.
func (c *Conn) answer(line []byte) {
	if tx := c.list; tx != nil {
		if string(line) == "." {
			c.list = nil
			c.tell(tx)
			return
		}
		if len(tx.data) < maxData {
			tx.data = append(tx.data, bytes.TrimPrefix(line, []byte{'.'}))
		}
		return
	}
	status, header, _ := bytes.Cut(line, []byte{' '})
	more := string(status) == "+"
	c.login = c.login || more
	if len(c.open) == 0 {
		// The greeting has no command.
		return
	}
	tx := c.open[0]
	tx.more = more
	tx.good, tx.header = more || string(status) == "+OK", header
	if tx.good && !more && tx.lines() {
		c.list = tx
		c.begins(tx)
		return
	}
	c.tell(tx)
	if tx.good && tx.command == "STLS" {
		c.quiet = true
		c.host.Upgrade()
	}
}

// lines reports whether the answer goes on in lines up to a single dot.
func (tx *transaction) lines() bool {
	switch tx.command {
	case "RETR", "TOP", "CAPA":
		return true
	case "LIST", "UIDL":
		return len(tx.args) == 0
	}
	return false
}

// logIn reports whether the answer says how a log-in ended.
func (tx *transaction) logIn() bool {
	if tx.more || !tx.good && tx.header == nil {
		return false
	}
	switch tx.command {
	case "PASS", "APOP", stepName:
		return true
	case "AUTH":
		return len(tx.args) > 0
	}
	return false
}

func (c *Conn) tell(tx *transaction) {
	c.open = slices.DeleteFunc(c.open, func(x *transaction) bool { return x == tx })
	// Rules see a message in the direction that it travels in.
	c.host.Record(proto.Event{Kind: "pop3", Tx: tx.number, HasTx: true, Bodies: c.close(tx), OneSided: tx.letter != nil, From: proto.ToClient})
	if tx.logIn() {
		c.host.LogIn("", !tx.good)
	}
}

// Gap implements proto.Parser: the line it fell into is lost.
func (c *Conn) Gap(dir int, n int) {
	if dir == proto.ToClient && c.list != nil && c.list.letter != nil {
		c.list.letter.gap(n)
		return
	}
	c.lines[dir], c.length[dir] = nil, 0
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	for len(c.open) > 0 {
		c.tell(c.open[0])
	}
}

// Encode writes the pop3 object.
func (tx *transaction) Encode(e *encode.Encoder) {
	e.Open("pop3")
	e.Open("request")
	e.String("command", tx.command)
	e.Array("args")
	for _, a := range tx.args {
		e.String("", a)
	}
	e.EndAny()
	e.Close()
	if tx.header != nil || tx.good {
		e.Open("response")
		e.Bool("success", tx.good)
		if tx.good {
			e.String("status", "OK")
		} else {
			e.String("status", "ERR")
		}
		e.Bytes("header", tx.header)
		e.Array("data")
		for _, d := range tx.data {
			e.Bytes("", d)
		}
		e.EndAny()
		e.Close()
	}
	e.Close()
}
