package imap

import (
	"bytes"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxCapabilities bounds those kept of an answer, maxText the text.
	maxCapabilities = 128
	maxText         = 512
)

// answer is what the server said to a command.
type answer struct {
	// status is OK, NO, BAD, PREAUTH or BYE; code is what stands in brackets.
	status, code, text string
	capabilities       []string
	// exists is how many messages the mailbox has, when told.
	exists    uint64
	hasExists bool
}

// answer takes a line of the server's (RFC 9051 §7).
func (c *Conn) answer(line []byte) error {
	tag, rest, _ := bytes.Cut(line, []byte{' '})
	switch {
	case len(line) == 0 || line[0] == '+':
		// A wish for more.
		return nil
	case string(tag) == "*":
		c.odd = 0
		c.untagged(rest)
		return nil
	}
	status, text, _ := bytes.Cut(rest, []byte{' '})
	name := strings.ToUpper(short(string(status), maxName))
	if name != "OK" && name != "NO" && name != "BAD" {
		c.odd++
		if c.odd > maxOddLines {
			return ErrMalformed
		}
		return nil
	}
	c.odd = 0
	c.tagged(string(tag), name, text)
	return nil
}

// tagged takes the answer that ends a command.
func (c *Conn) tagged(tag, status string, text []byte) {
	s := &c.sides[proto.ToServer]
	if list := words(s.text); s.waits && len(list) > 0 && list[0] == tag {
		// The server does not want the literal.
		*s = side{}
	}
	var cmd *command
	for _, o := range c.open {
		if o.tag == short(tag, maxName) {
			cmd = o
			break
		}
	}
	if cmd == nil {
		return
	}
	cmd.answer.take(status, text)
	if cmd.piece == 0 {
		c.endPartial()
	}
	good := status == "OK"
	switch cmd.name {
	case "LOGIN", "AUTHENTICATE":
		if good {
			c.user = cmd.user
		}
	case "UNAUTHENTICATE":
		if good {
			c.user, c.mailbox = "", ""
		}
	case "SELECT", "EXAMINE":
		c.mailbox = ""
		if good {
			c.mailbox = cmd.mailbox
		}
	case "CLOSE", "UNSELECT":
		if good {
			c.mailbox = ""
		}
	}
	c.tell(cmd)
	switch {
	case good && cmd.name == "STARTTLS":
		c.quiet = true
		c.host.Upgrade()
	case good && cmd.name == "COMPRESS":
		c.quiet = true
	}
}

// untagged takes what the server says before it ends a command, or of its own
// accord.
func (c *Conn) untagged(rest []byte) {
	word, text, _ := bytes.Cut(rest, []byte{' '})
	name := strings.ToUpper(short(string(word), maxName))
	if !c.greeted || name == "BYE" && len(c.open) == 0 {
		c.greeted = true
		cmd := &command{number: c.next, user: c.user}
		c.next++
		cmd.answer.take(name, text)
		c.tell(cmd)
		return
	}
	if len(c.open) == 0 {
		return
	}
	a := &c.open[0].answer
	switch name {
	case "CAPABILITY", "ENABLED":
		a.offers(text)
	case "OK":
		code, _ := cutCode(text)
		a.codeOffers(code)
	default:
		n, ok := number(word)
		if ok && bytes.EqualFold(text, []byte("EXISTS")) {
			a.exists, a.hasExists = uint64(n), true
		}
	}
}

// take keeps a status with its code and text.
func (a *answer) take(status string, text []byte) {
	code, text := cutCode(text)
	a.status, a.text = status, short(string(text), maxText)
	if !a.codeOffers(code) {
		a.code = short(string(code), maxText)
	}
}

// cutCode cuts a response code in brackets from the text after it.
func cutCode(text []byte) (code, rest []byte) {
	if len(text) == 0 || text[0] != '[' {
		return nil, text
	}
	code, rest, ok := bytes.Cut(text[1:], []byte{']'})
	if !ok {
		return nil, text
	}
	return code, bytes.TrimLeft(rest, " ")
}

// codeOffers takes the code that lists capabilities, and says whether it is one.
func (a *answer) codeOffers(code []byte) bool {
	name, list, _ := bytes.Cut(code, []byte{' '})
	if !bytes.EqualFold(name, []byte("CAPABILITY")) {
		return false
	}
	a.offers(list)
	return true
}

func (a *answer) offers(list []byte) {
	a.capabilities = nil
	for word := range strings.FieldsSeq(string(list)) {
		if len(a.capabilities) == maxCapabilities {
			return
		}
		a.capabilities = append(a.capabilities, short(word, maxWord))
	}
}

// encode writes the answer, when there was one.
func (a *answer) encode(e *encode.Encoder, messages uint64) {
	if a.status == "" && messages == 0 && len(a.capabilities) == 0 && !a.hasExists {
		return
	}
	e.Open("response")
	if a.status != "" {
		e.String("status", a.status)
	}
	if a.code != "" {
		e.String("code", a.code)
	}
	if a.text != "" {
		e.String("text", a.text)
	}
	e.Strings("capabilities", a.capabilities)
	if a.hasExists {
		e.Uint("exists", a.exists)
	}
	if messages > 0 {
		e.Uint("messages", messages)
	}
	e.Close()
}
