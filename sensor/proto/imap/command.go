package imap

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// longRequest bounds a line of the client's without its literals (RFC 7162 §4).
	longRequest = 8192
	// maxWords and maxWord bound what is kept of a command.
	maxWords = 32
	maxWord  = 256
	// maxName bounds a name that is not known.
	maxName = 32
)

// command is a command and its answer. It implements encode.Body.
type command struct {
	number uint64
	tag    string
	name   string
	args   []string
	// user is who logs in or has, mailbox what the command names, place where the
	// messages are that it appends or fetches.
	user, mailbox, place string
	// mechanism is AUTHENTICATE's, steps counts what the client has sent of it.
	mechanism string
	steps     int
	// piece is how many bytes of each message are asked for at once, 0 for all.
	piece    int64
	messages uint64
	answer   answer
}

// names are the commands (RFC 9051 §6 and the extensions that servers offer).
var names = [...]string{
	"APPEND", "AUTHENTICATE", "CANCELUPDATE", "CAPABILITY", "CHECK", "CLOSE", "COMPARATOR", "COMPRESS", "COPY", "CREATE",
	"DELETE", "DELETEACL", "ENABLE", "ESEARCH", "EXAMINE", "EXPUNGE", "FETCH", "GETACL", "GETMETADATA", "GETQUOTA", "GETQUOTAROOT",
	"ID", "IDLE", "LANGUAGE", "LIST", "LISTRIGHTS", "LOGIN", "LOGOUT", "LSUB", "MOVE", "MYRIGHTS", "NAMESPACE", "NOOP", "NOTIFY",
	"RENAME", "REPLACE", "SEARCH", "SELECT", "SETACL", "SETMETADATA", "SETQUOTA", "SORT", "STARTTLS", "STATUS", "STORE", "SUBSCRIBE",
	"THREAD", "UNAUTHENTICATE", "UNSELECT", "UNSUBSCRIBE", "XLIST",
}

// request takes a whole command, or what stands before the message of APPEND.
// It returns the command, which may not be kept.
func (c *Conn) request(line []byte, size int) *command {
	list := words(line)
	if c.login != nil && len(list) < 2 {
		c.step(string(bytes.TrimSpace(line)))
		return nil
	}
	if len(list) < 2 {
		// DONE, which ends IDLE, an empty line, or the rest of something lost.
		return nil
	}
	name, args := strings.ToUpper(list[1]), list[2:]
	if name == "UID" && len(args) > 0 {
		name, args = "UID "+strings.ToUpper(args[0]), args[1:]
	}
	_, known := slices.BinarySearch(names[:], strings.TrimPrefix(name, "UID "))
	if c.lost && !known {
		// It may be what is left of a secret.
		return nil
	}
	c.lost, c.login = false, nil
	cmd := &command{number: c.next, tag: short(list[0], maxName), name: short(name, maxName), user: c.user}
	c.next++
	switch {
	case !known:
		c.host.Notice(proto.ToServer, cmd.number, "unknown_command")
	case name == "LOGIN":
		cmd.user = first(args)
	case name == "AUTHENTICATE":
		c.authenticate(cmd, args)
	default:
		cmd.takes(args, c.mailbox)
	}
	if size > longRequest {
		c.host.Notice(proto.ToServer, cmd.number, "request_too_long")
	}
	c.ask(cmd)
	return cmd
}

func (c *Conn) ask(cmd *command) {
	if len(c.open) == maxOpen {
		c.host.Notice(proto.ToServer, c.open[0].number, "too_many_transactions")
		c.tell(c.open[0])
	}
	c.open = append(c.open, cmd)
}

// takes keeps the arguments of a command that has no secrets.
func (cmd *command) takes(args []string, selected string) {
	for _, a := range args {
		cmd.args = append(cmd.args, short(a, maxWord))
	}
	at := -1
	switch cmd.name {
	case "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "STATUS", "APPEND", "GETACL", "SETACL",
		"DELETEACL", "LISTRIGHTS", "MYRIGHTS", "GETQUOTAROOT":
		at = 0
	case "COPY", "UID COPY", "MOVE", "UID MOVE", "REPLACE", "UID REPLACE":
		at = 1
	}
	if at >= 0 && at < len(cmd.args) {
		cmd.mailbox = cmd.args[at]
	}
	cmd.place = selected
	if cmd.name == "APPEND" {
		cmd.place = cmd.mailbox
	}
	for _, a := range args {
		// BODY[]<from.count>
		_, rest, ok := strings.Cut(a, "]<")
		if !ok {
			continue
		}
		part, _, _ := strings.Cut(rest, ">")
		_, count, _ := strings.Cut(part, ".")
		cmd.piece, _ = number([]byte(count))
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return short(list[0], maxWord)
}

func short(s string, most int) string { return s[:min(len(s), most)] }

// authenticate begins a log-in by SASL (RFC 9051 §6.2.2, RFC 4959).
func (c *Conn) authenticate(cmd *command, args []string) {
	cmd.mechanism = strings.ToUpper(short(first(args), maxName))
	c.login = cmd
	if len(args) > 1 {
		c.step(args[1])
	}
}

// step takes what the client says of itself in a log-in; only the name of the
// user is kept of it (PLAIN RFC 4616, LOGIN, OAUTHBEARER RFC 7628, XOAUTH2).
func (c *Conn) step(line string) {
	cmd := c.login
	cmd.steps++
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil || cmd.steps > 1 {
		return
	}
	said := string(raw)
	switch cmd.mechanism {
	case "PLAIN":
		parts := strings.Split(said, "\x00")
		if len(parts) == 3 {
			cmd.user = short(parts[1], maxWord)
		}
	case "LOGIN":
		cmd.user = short(said, maxWord)
	case "XOAUTH2", "OAUTHBEARER":
		who, _, _ := strings.Cut(said, "\x01")
		for _, mark := range [...]string{"user=", "a="} {
			_, name, ok := strings.Cut(who, mark)
			if ok {
				cmd.user = short(strings.TrimSuffix(name, ","), maxWord)
				break
			}
		}
	}
}

// words splits a line at its spaces outside of quotes and parentheses. A quoted
// word comes without its quotes (RFC 9051 §4.3).
func words(b []byte) []string {
	var out []string
	for len(b) > 0 && len(out) < maxWords {
		if b[0] == ' ' {
			b = b[1:]
			continue
		}
		n := wordEnd(b)
		word := b[:n]
		if word[0] == '"' {
			word = unquoted(word)
		}
		out = append(out, string(word))
		b = b[n:]
	}
	return out
}

// wordEnd is where a word ends that may be quoted or hold parentheses.
func wordEnd(b []byte) int {
	depth, quotes := 0, false
	for i := 0; i < len(b); i++ {
		switch x := b[i]; {
		case quotes && x == '\\':
			i++
		case x == '"':
			quotes = !quotes
		case quotes:
		case x == '(':
			depth++
		case x == ')':
			depth--
		case x == ' ' && depth <= 0:
			return i
		}
	}
	return len(b)
}

func unquoted(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 1; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
		}
		out = append(out, b[i])
	}
	return out
}

// tell records a command.
func (c *Conn) tell(cmd *command) {
	c.open = slices.DeleteFunc(c.open, func(o *command) bool { return o == cmd })
	if c.login == cmd {
		c.login = nil
	}
	c.host.Record(proto.Event{Kind: "imap", Tx: cmd.number, HasTx: true, Bodies: []encode.Body{cmd}})
	said := cmd.answer.status
	if (cmd.name == "LOGIN" || cmd.name == "AUTHENTICATE") && (said == "OK" || said == "NO") {
		c.host.LogIn(cmd.user, said == "NO")
	}
}

// Encode writes the imap object.
func (cmd *command) Encode(e *encode.Encoder) {
	e.Open("imap")
	cmd.encode(e)
	cmd.answer.encode(e, cmd.messages)
	e.Close()
}

// encode writes what was asked, and by whom.
func (cmd *command) encode(e *encode.Encoder) {
	if cmd.user != "" {
		e.String("user", cmd.user)
	}
	if cmd.name == "" {
		// The greeting, or what the server says of its own accord.
		return
	}
	e.Open("request")
	e.String("tag", cmd.tag)
	e.String("command", cmd.name)
	e.Strings("args", cmd.args)
	if cmd.mechanism != "" {
		e.String("mechanism", cmd.mechanism)
	}
	if cmd.mailbox != "" {
		e.String("mailbox", cmd.mailbox)
	}
	e.Close()
}
