// Package ftp reads FTP control connections (RFC 959, RFC 2428, RFC 4217):
// commands with their replies, and announces the data connections, which it
// reads too.
//
// Not here: log-ins inside TLS (AUTH TLS hands the connection over).
package ftp

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxLine is how much of a line is kept, as Suricata does.
	maxLine = 4096
	// maxOpen bounds commands that wait for their reply.
	maxOpen = 64
	// maxGreeting is how long a greeting is waited with for the client's words.
	maxGreeting = 2048
	// maxReplies bounds the reply lines of one command.
	maxReplies = 64
)

// ErrMalformed means that a direction is not FTP.
var ErrMalformed = errors.New("ftp: malformed")

type reply struct{ code, text []byte }

// transaction is a command and its replies. It implements encode.Body.
type transaction struct {
	number          uint64
	command         string
	data            []byte
	cut, replyCut   bool
	replies         []reply
	port            uint16
	active, hasMode bool
}

// Conn reads one control connection. It implements proto.Parser.
type Conn struct {
	host  proto.Host
	lines [2]line
	open  []*transaction
	next  uint64
	// expect is the data connection that the next transfer uses.
	expect *proto.Expectation
	multi  []byte
	quiet  bool
	// greeting is the server's first reply; talks is true of a connection whose
	// beginning is over.
	greeting *transaction
	talks    bool
}

type line struct {
	buf []byte
	cut bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells FTP by a log-in after the server's 220.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	if dir == proto.ToClient {
		// The greeting is kept until the client's first words tell the protocol.
		return false, len(b) < 4 || len(b) <= maxGreeting && string(b[:3]) == "220" && (b[3] == ' ' || b[3] == '-')
	}
	greeted := string(h.First[:3]) == "220"
	for _, word := range []string{"USER ", "AUTH TLS", "AUTH SSL", "FEAT\r\n", "SYST\r\n"} {
		n := min(len(b), len(word))
		if !strings.EqualFold(string(b[:n]), word[:n]) {
			continue
		}
		if n < len(word) {
			return false, true
		}
		return greeted, false
	}
	return false, false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	for len(b) > 0 && !c.quiet {
		l := &c.lines[dir]
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part = b[:i]
		}
		room := maxLine - len(l.buf)
		l.cut = l.cut || len(bytes.TrimRight(part, "\r")) > room
		l.buf = append(l.buf, part[:min(room, len(part))]...)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
		text, cut := bytes.TrimRight(l.buf, "\r"), l.cut
		l.buf, l.cut = nil, false
		if cut {
			c.tooLong(dir)
		}
		if dir == proto.ToServer {
			c.command(text, cut)
		} else {
			c.reply(text, cut)
		}
	}
	return nil
}

// tooLong tells a line that is longer than what is kept of it.
func (c *Conn) tooLong(dir int) {
	if dir == proto.ToServer {
		c.host.Notice(dir, c.next, "request_command_too_long")
		return
	}
	tx := uint64(0)
	if len(c.open) > 0 {
		tx = c.open[0].number
	}
	c.host.Notice(dir, tx, "response_command_too_long")
}

func (c *Conn) command(text []byte, cut bool) {
	name, data, _ := bytes.Cut(text, []byte{' '})
	// Telnet's interrupt before ABOR (RFC 959 §4.1.3).
	name = bytes.TrimLeft(name, "\xff\xf4\xf2")
	if len(name) == 0 || len(name) > 16 {
		return
	}
	c.talks = true
	tx := &transaction{number: c.next, command: strings.ToUpper(string(name)), data: bytes.TrimSpace(data), cut: cut}
	c.next++
	switch tx.command {
	case "PORT", "EPRT":
		tx.port, tx.active = activePort(tx.command, string(tx.data))
		tx.hasMode = tx.active
		if tx.active {
			c.announce(false, tx.port)
		}
	case "RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD":
		c.transfer(tx)
		if c.expect != nil {
			c.expect.Command, c.expect.Name = tx.command, tx.data
			c.expect = nil
		}
	}
	if len(c.open) == maxOpen {
		c.host.Notice(proto.ToServer, c.open[0].number, "too_many_transactions")
		c.tell(c.open[0])
	}
	c.open = append(c.open, tx)
}

// transfer tells what is missing before a file is sent: where to, and its
// name (RFC 959 §4.1.2 lets the default port be used, no client does).
func (c *Conn) transfer(tx *transaction) {
	if tx.command != "RETR" && tx.command != "STOR" {
		return
	}
	if c.expect == nil {
		c.host.Notice(proto.ToServer, tx.number, "file_before_port")
	}
	if len(tx.data) == 0 {
		c.host.Notice(proto.ToServer, tx.number, "file_without_name")
	}
}

func (c *Conn) announce(server bool, port uint16) {
	c.expect = &proto.Expectation{Server: server, Port: port}
	c.host.Expect(c.expect)
}

// reply takes a line of the server's.
func (c *Conn) reply(text []byte, cut bool) {
	code, final := c.codeOf(text)
	tx := c.answered(code)
	if tx == nil {
		return
	}
	tx.replyCut = tx.replyCut || cut
	if len(tx.replies) < maxReplies {
		r := reply{text: text}
		if code != nil {
			r = reply{code: code, text: bytes.TrimLeft(text[3:], " -")}
		}
		tx.replies = append(tx.replies, r)
	}
	if !final {
		return
	}
	if code[0] == '1' {
		// A preliminary reply; the real one follows.
		return
	}
	c.greeting = nil
	c.settle(tx, string(code), text)
	c.tell(tx)
	if tx.command == "AUTH" && string(code) == "234" {
		c.quiet = true
		c.host.Upgrade()
	}
}

// answered is what a line of the server's belongs to: a command, or the
// greeting, which has none. It is nil of a reply to nothing.
func (c *Conn) answered(code []byte) *transaction {
	if c.greeting != nil {
		return c.greeting
	}
	if len(c.open) > 0 {
		return c.open[0]
	}
	if c.talks || code == nil {
		return nil
	}
	c.talks = true
	c.greeting = &transaction{number: c.next}
	c.next++
	return c.greeting
}

// codeOf reads the code of a line and whether it is the reply's last: after
// "123-" the reply ends with a line "123 " (RFC 959 §4.2).
func (c *Conn) codeOf(text []byte) (code []byte, final bool) {
	if len(text) < 3 || !digits(text[:3]) {
		return nil, false
	}
	code = text[:3]
	dash := len(text) > 3 && text[3] == '-'
	if c.multi != nil {
		if string(code) == string(c.multi) && !dash {
			c.multi = nil
			return code, true
		}
		return code, false
	}
	if dash {
		c.multi = bytes.Clone(code)
	}
	return code, !dash
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// settle takes the passive port from the reply.
func (c *Conn) settle(tx *transaction, code string, text []byte) {
	port, ok := uint16(0), false
	switch code {
	case "227":
		port, ok = hostPort(string(text[3:]))
	case "229":
		_, rest, found := bytes.Cut(text, []byte("|||"))
		digits, _, _ := bytes.Cut(rest, []byte{'|'})
		n, err := strconv.ParseUint(string(digits), 10, 16)
		port, ok = uint16(n), found && err == nil
	}
	if ok {
		tx.port, tx.hasMode, tx.active = port, true, false
		c.announce(true, port)
	}
}

// activePort reads "h1,h2,h3,h4,p1,p2" or "|1|address|port|" (RFC 2428 §2).
func activePort(command, data string) (uint16, bool) {
	if command == "PORT" {
		return hostPort(data)
	}
	if len(data) == 0 {
		return 0, false
	}
	parts := strings.Split(data, data[:1])
	if len(parts) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(parts[3], 10, 16)
	return uint16(n), err == nil
}

// hostPort finds six numbers joined by commas; the last two are the port.
func hostPort(s string) (uint16, bool) {
	i := strings.IndexByte(s, ',')
	for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
		i--
	}
	if i < 0 {
		return 0, false
	}
	parts := strings.SplitN(s[i:], ",", 6)
	if len(parts) < 6 {
		return 0, false
	}
	last := parts[5]
	end := 0
	for end < len(last) && last[end] >= '0' && last[end] <= '9' {
		end++
	}
	hi, err := strconv.ParseUint(parts[4], 10, 8)
	if err != nil {
		return 0, false
	}
	lo, err := strconv.ParseUint(last[:end], 10, 8)
	return uint16(hi<<8 | lo), err == nil
}

func (c *Conn) tell(tx *transaction) {
	c.open = slices.DeleteFunc(c.open, func(x *transaction) bool { return x == tx })
	c.host.Record(proto.Event{Kind: "ftp", Tx: tx.number, HasTx: true, Bodies: []encode.Body{tx}})
	if tx.command == "PASS" && len(tx.replies) > 0 {
		// RFC 959 §5.4: 230 or 202 let in, 530 does not.
		code := string(tx.replies[len(tx.replies)-1].code)
		if code == "230" || code == "202" || code == "530" {
			c.host.LogIn("", code == "530")
		}
	}
}

// Gap implements proto.Parser: the line it fell into is lost.
func (c *Conn) Gap(dir int, _ int) { c.lines[dir] = line{} }

// Close implements proto.Parser.
func (c *Conn) Close() {
	if c.greeting != nil {
		c.tell(c.greeting)
	}
	for len(c.open) > 0 {
		c.tell(c.open[0])
	}
}

// Encode writes the ftp object.
func (tx *transaction) Encode(e *encode.Encoder) {
	e.Open("ftp")
	if tx.command != "" {
		e.String("command", tx.command)
	}
	e.Text("command_data", tx.data)
	e.Bool("command_truncated", tx.cut)
	if len(tx.replies) > 0 {
		tx.codes(e)
		e.Array("reply")
		for _, r := range tx.replies {
			e.Bytes("", r.text)
		}
		e.End()
		e.String("reply_received", "yes")
	} else {
		e.String("reply_received", "no")
	}
	e.Bool("reply_truncated", tx.replyCut)
	if tx.hasMode {
		e.Uint("dynamic_port", uint64(tx.port))
		mode := "passive"
		if tx.active {
			mode = "active"
		}
		e.String("mode", mode)
	}
	e.Close()
}

// codes lists the codes, if there are any, each run of the same once.
func (tx *transaction) codes(e *encode.Encoder) {
	last := ""
	for _, r := range tx.replies {
		if r.code == nil || string(r.code) == last {
			continue
		}
		if last == "" {
			e.Array("completion_code")
		}
		last = string(r.code)
		e.String("", last)
	}
	if last != "" {
		e.End()
	}
}
