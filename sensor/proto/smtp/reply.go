package smtp

import (
	"bytes"
	"strconv"
)

// server takes the replies.
func (c *Conn) server(b []byte) error {
	// What the server sends behind its consent to TLS is looked at only where
	// it came with it.
	for upgraded := c.upgraded; len(b) > 0 && !upgraded; {
		line, rest, ok := c.line(1, b)
		if !ok {
			return c.tooLong(1)
		}
		b = rest
		line = bytes.TrimRight(line, "\r\n")
		code := 0
		if len(line) >= 3 {
			n, err := strconv.Atoi(string(line[:3]))
			if err == nil {
				code = n
			}
		}
		if !c.upgraded {
			c.judgeReply(line, code)
		}
		// "250-text" goes on, "250 text" and "250" end (RFC 5321 §4.2.1).
		if code == 0 || len(line) > 3 && line[3] == '-' {
			continue
		}
		greeting := !c.greeted && code == 220 && len(c.queue) > 0 && (c.queue[0].name == "EHLO" || c.queue[0].name == "HELO")
		c.greeted = true
		if greeting {
			// The client did not wait for it.
			continue
		}
		err := c.reply(code)
		if err != nil {
			return err
		}
	}
	return nil
}

// reply settles the command that the code answers.
func (c *Conn) reply(code int) error {
	if code == 334 {
		c.auth = true
		return nil
	}
	c.auth = false
	if len(c.queue) == 0 {
		// The greeting.
		return nil
	}
	cmd := c.queue[0]
	c.queue = c.queue[1:]
	c.judgeAnswer(cmd, code)
	good := code/100 == 2
	switch cmd.name {
	case "EHLO", "HELO":
		if good {
			c.restart(cmd.arg)
		}
	case "RSET":
		if good && cmd.about == c.cur {
			c.restart(nil)
		}
	case "DATA":
		return c.dataReply(code)
	case "BDAT":
		if (cmd.last || !good) && cmd.about == c.cur {
			c.tell()
		}
	case ".":
		if cmd.about == c.cur {
			c.tell()
		}
	case "AUTH":
		// RFC 4954 §6: 535 and 534 refuse, the rest says nothing of the password.
		if good || code == 534 || code == 535 {
			c.host.LogIn("", !good)
		}
	case "STARTTLS":
		if good && !c.upgraded {
			c.upgraded = true
			c.mode = modeQuiet
			c.tell()
			c.host.Upgrade()
		}
	}
	return nil
}

// restart ends an envelope that was begun and not finished (RFC 5321
// §4.1.1.5).
func (c *Conn) restart(helo []byte) {
	if c.cur != nil && c.cur.begun && c.mode != modeHeld {
		c.tell()
	}
	if helo != nil {
		c.helo = helo
		if c.cur != nil && !c.cur.begun {
			c.cur.helo = helo
		}
	}
}

func (c *Conn) dataReply(code int) error {
	if c.mode != modeHeld {
		return nil
	}
	if code == 354 {
		return c.begin(nil)
	}
	c.mode = modeCommand
	held := c.held
	c.held = nil
	return c.client(held)
}
