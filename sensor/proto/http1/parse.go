package http1

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/antin-gov/antin/sensor/proto/dns"
)

type state uint8

const (
	stateHead state = iota
	stateLength
	stateChunkSize
	stateChunk
	stateChunkEnd
	stateTrailer
	stateUntilClose
	// stateLost waits for the start of a message after a gap.
	stateLost
	stateDead
)

// parser is where one direction stands.
type parser struct {
	state   state
	buf     []byte
	scanned int
	left    uint64
	tx      *Tx
	message *Message
	// follows is true when bytes that start no message came with the head.
	follows bool
}

// step reads from b and returns how much it took.
func (c *Conn) step(dir int, b []byte) (int, error) {
	p := &c.side[dir]
	switch p.state {
	case stateHead:
		return c.head(dir, b)
	case stateLength, stateChunk:
		n := int(min(uint64(len(b)), p.left))
		c.keep(dir, b[:n])
		p.left -= uint64(n)
		if p.left == 0 {
			c.bodyPart(dir)
		}
		return n, nil
	case stateChunkSize, stateChunkEnd, stateTrailer:
		return c.line(dir, b)
	case stateUntilClose:
		c.keep(dir, b)
		return len(b), nil
	case stateLost:
		if !starts(dir, b) {
			return len(b), nil
		}
		c.resync(dir)
		return 0, nil
	}
	return len(b), nil
}

// resync takes up reading after a gap: of the requests waiting for an answer
// only the last can still be the one.
func (c *Conn) resync(dir int) {
	p := &c.side[dir]
	*p = parser{}
	if dir == 0 {
		return
	}
	for len(c.pending) > 1 {
		c.tell(c.pending[0])
		c.pending = c.pending[1:]
	}
}

func starts(dir int, b []byte) bool {
	if dir == 1 {
		return bytes.HasPrefix(b, []byte("HTTP/1."))
	}
	yes, _ := ProbeRequest(b)
	return yes
}

// keep takes bytes of a body. When no more of it is kept the half is told: a
// large transfer must not delay what can be said of it.
func (c *Conn) keep(dir int, b []byte) {
	p := &c.side[dir]
	m := p.message
	if m.Length == 0 {
		m.carries = dns.IsMedia(string(m.Get("Content-Type")))
	}
	m.Length += uint64(len(b))
	same := m.fileData(b)
	if m.kept == MaxBody {
		return
	}
	n := min(MaxBody-m.kept, len(b))
	m.kept += n
	switch {
	case same != nil:
		// The clip keeps what is added to the body out of the other's memory.
		m.Body = slices.Clip(same[:m.kept])
	case dir == 0 || m.carries || c.h.FileStore().Content():
		m.Body = append(m.Body, b[:n]...)
	}
	if m.kept < MaxBody {
		return
	}
	if dir == 0 && !p.tx.requestTold {
		p.tx.requestTold = true
		c.h.Request(p.tx)
	}
	if dir == 1 && !p.tx.responseTold {
		p.tx.responseTold = true
		c.h.Response(p.tx)
	}
}

// bodyPart is called at the end of a body of known length or of a chunk.
func (c *Conn) bodyPart(dir int) {
	p := &c.side[dir]
	if p.state == stateChunk {
		p.state = stateChunkEnd
		return
	}
	c.finished(dir)
}

// head collects a head up to its blank line.
func (c *Conn) head(dir int, b []byte) (int, error) {
	p := &c.side[dir]
	if len(p.buf) == 0 {
		skip := 0
		for skip < len(b) && (b[skip] == '\r' || b[skip] == '\n') {
			skip++
		}
		if skip > 0 {
			return skip, nil
		}
		if n := c.leftover(dir, b); n > 0 {
			return n, nil
		}
	}
	had := len(p.buf)
	all := b
	if had > 0 {
		p.buf = append(p.buf, b...)
		all = p.buf
	}
	end := headEnd(all, p.scanned)
	if end < 0 {
		if len(all) > maxHead {
			p.buf = nil
			return 0, ErrMalformed
		}
		p.scanned = bytes.LastIndexByte(all, '\n')
		if p.scanned < 0 {
			p.scanned = len(all)
		}
		if had == 0 {
			p.buf = append(p.buf, b...)
		}
		return len(b), nil
	}
	head := bytes.Clone(all[:end])
	p.follows = end < len(all) && !starts(dir, all[end:])
	p.buf, p.scanned = p.buf[:0], 0
	err := c.open(dir, head)
	if err != nil {
		return 0, err
	}
	return end - had, nil
}

// leftover is the length of a line that follows a request and is none itself:
// body that the request did not announce.
func (c *Conn) leftover(dir int, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if dir != 0 || c.last == nil || i < 0 || starts(0, b) {
		return 0
	}
	_, _, protocol, ok := requestLine(bytes.TrimSuffix(b[:i], []byte{'\r'}))
	if ok && protocol != nil {
		return 0
	}
	m := &c.last.Request
	n := min(i+1, MaxBody-m.kept)
	m.Body, m.kept = append(m.Body, b[:n]...), m.kept+n
	c.odd(0, c.last, OddBody)
	return i + 1
}

// headEnd is the offset after the blank line, or -1. A line of carriage
// returns alone is blank to common clients.
func headEnd(b []byte, from int) int {
	for i := from; i < len(b); i++ {
		next := bytes.IndexByte(b[i:], '\n')
		if next < 0 {
			return -1
		}
		i += next
		j := i + 1
		for j < len(b) && b[j] == '\r' {
			j++
		}
		if j < len(b) && b[j] == '\n' {
			return j + 1
		}
	}
	return -1
}

// open reads a head and prepares for the body.
func (c *Conn) open(dir int, head []byte) error {
	if dir == 1 {
		head = skipGarbage(head)
	}
	cut := cutLine
	if dir == 1 {
		cut = cutLoose
	}
	line, rest := cut(head)
	m := Message{Line: line, Head: head, Seen: true, memory: c.h.FileStore().Memory()}
	m.Headers = fields(rest, dir == 1)
	p := &c.side[dir]
	if dir == 0 {
		method, uri, protocol, ok := requestLine(line)
		if !ok {
			return ErrMalformed
		}
		tx := c.opened()
		m.Protocol = protocol
		tx.Method, tx.URI, tx.Request = method, uri, m
		p.tx, p.message = tx, &tx.Request
		c.body(dir, false, false)
		return nil
	}
	protocol, code, text, ok := statusLine(line)
	if !ok {
		return ErrMalformed
	}
	tx := c.answered()
	m.Protocol = protocol
	status := statusNumber(code)
	tx.Status, tx.StatusCode, tx.StatusMessage, tx.Response = status, code, text, m
	p.tx, p.message = tx, &tx.Response
	if status == 204 && m.Get("Content-Length") != nil {
		// RFC 9110 §8.6.
		c.odd(1, tx, OddBody)
	}
	method := string(tx.Method)
	// Clients show what follows a 204 or 304 with a length, so it is read.
	bare := (status == 204 || status == 304) && !p.follows
	none := method == "HEAD" || status/100 == 1 || bare ||
		method == "CONNECT" && status/100 == 2
	c.body(dir, none, true)
	return nil
}

// skipGarbage leaves out lines before the status line.
func skipGarbage(head []byte) []byte {
	for rest := head; len(rest) > 0; {
		var line []byte
		at := rest
		line, rest = cutLoose(rest)
		if len(line) == 0 && len(at) != len(head) {
			break
		}
		if http, _ := statusPrefix(bytes.TrimLeft(line, " \t")); http != nil {
			return at
		}
	}
	return head
}

// statusPrefix cuts "HTTP/1.1" in any case off a status line; the version may
// be any word.
func statusPrefix(line []byte) (protocol, rest []byte) {
	const mark = "HTTP/"
	if len(line) < len(mark) || !bytes.EqualFold(line[:len(mark)], []byte(mark)) {
		return nil, nil
	}
	i := bytes.IndexAny(line, " \t\r\v\f")
	if i < 0 {
		return line, nil
	}
	return line[:i], line[i:]
}

// body decides how the body's end is found (RFC 9112 §6.3).
func (c *Conn) body(dir int, none, untilClose bool) {
	p := &c.side[dir]
	if none {
		c.finished(dir)
		return
	}
	c.fileStart(dir)
	// Clients take the word wherever it stands.
	if bytes.Contains(bytes.ToLower(p.message.All("Transfer-Encoding")), []byte("chunked")) {
		p.state = stateChunkSize
		return
	}
	length, err := strconv.ParseUint(string(p.message.Get("Content-Length")), 10, 63)
	switch {
	case err == nil && length > 0:
		p.state, p.left = stateLength, length
	case err == nil || !untilClose:
		c.finished(dir)
	default:
		p.state = stateUntilClose
	}
}

// line collects one line of the chunked coding (RFC 9112 §7.1).
func (c *Conn) line(dir int, b []byte) (int, error) {
	p := &c.side[dir]
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if dir == 1 && p.state == stateChunkSize && len(p.buf) == 0 && plainBody(b) {
			c.odd(dir, p.tx, OddChunk)
			p.state = stateUntilClose
			return 0, nil
		}
		p.buf = append(p.buf, b...)
		if len(p.buf) > maxLine {
			return 0, ErrMalformed
		}
		return len(b), nil
	}
	first := len(p.buf) == 0
	p.buf = append(p.buf, b[:i]...)
	line := bytes.TrimSpace(p.buf)
	p.buf = p.buf[:0]
	switch p.state {
	case stateChunkEnd:
		if len(line) > 0 {
			c.odd(dir, p.tx, OddChunk)
			return 0, ErrMalformed
		}
		p.state = stateChunkSize
	case stateTrailer:
		if len(line) == 0 {
			c.finished(dir)
		}
	case stateChunkSize:
		if len(line) == 0 {
			break
		}
		n, err := chunkSize(line)
		c.oddChunk(dir, line, err)
		if err != nil && dir == 1 && first {
			// Clients take an answer that is not chunked after all as it is.
			p.state = stateUntilClose
			return 0, nil
		}
		if err != nil {
			return 0, ErrMalformed
		}
		p.state, p.left = stateChunk, n
		if n == 0 {
			p.state = stateTrailer
		}
	}
	return i + 1, nil
}

// oddChunk tells what is wrong with a line that should be a chunk's size.
func (c *Conn) oddChunk(dir int, line []byte, err error) {
	switch {
	case err != nil:
		c.odd(dir, c.side[dir].tx, OddChunk)
	case bytes.IndexByte(line, ';') >= 0:
		c.odd(dir, c.side[dir].tx, OddChunkExtension)
	}
}

// plainBody reports whether b cannot begin a chunk size.
func plainBody(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r")
	return len(b) > 0 && unhex(b[0]) < 0
}

// chunkSize reads the leading hexadecimal digits; what follows them is an
// extension or ignored.
func chunkSize(line []byte) (uint64, error) {
	i := 0
	for i < len(line) && unhex(line[i]) >= 0 {
		i++
	}
	return strconv.ParseUint(string(line[:i]), 16, 63)
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// cutLoose cuts a line that may also end in a carriage return alone, as
// clients read an answer.
func cutLoose(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		i = len(b)
	}
	if j := bytes.IndexByte(b[:i], '\r'); j >= 0 {
		i = j
	}
	if i == len(b) {
		return b, nil
	}
	line, rest = b[:i], b[i:]
	for len(rest) > 0 && rest[0] == '\r' {
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest
}

// fields reads the headers; a folded line (RFC 9112 §5.2) joins the one
// before. In an answer (loose) a folded line with a colon is a field of its
// own, when the line before has one as well.
func fields(b []byte, loose bool) []Header {
	cut := cutLine
	if loose {
		cut = cutLoose
	}
	out := make([]Header, 0, min(bytes.Count(b, []byte{'\n'}), maxHeaders))
	var logical []byte
	for len(b) > 0 && len(out) < maxHeaders {
		var line []byte
		line, b = cut(b)
		if len(line) == 0 {
			continue
		}
		folded := logical != nil && (line[0] == ' ' || line[0] == '\t' || line[0] == 0)
		if folded && loose && bytes.IndexByte(line, ':') >= 0 && bytes.IndexByte(logical, ':') >= 0 {
			folded = false
		}
		if folded {
			logical = append(append(bytes.Clone(bytes.TrimRight(logical, " \t")), ' '), bytes.TrimSpace(line)...)
			continue
		}
		out = addField(out, logical)
		logical = line
	}
	return addField(out, logical)
}

// addField splits a line into name and value; what has no name is no field.
func addField(out []Header, line []byte) []Header {
	name, value, ok := bytes.Cut(line, []byte{':'})
	name = bytes.TrimSpace(name)
	if !ok || len(name) == 0 {
		return out
	}
	return append(out, Header{Name: name, Value: bytes.TrimSpace(value)})
}

func requestLine(line []byte) (method, uri, protocol []byte, ok bool) {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !token(method) {
		return nil, nil, nil, false
	}
	rest = bytes.TrimSpace(rest)
	i := bytes.LastIndexByte(rest, ' ')
	if i < 0 || !bytes.HasPrefix(rest[i+1:], []byte("HTTP/")) {
		return method, rest, nil, true
	}
	return method, bytes.TrimSpace(rest[:i]), rest[i+1:], true
}

// statusLine reads a status line as leniently as browsers do.
func statusLine(line []byte) (protocol, code, text []byte, ok bool) {
	protocol, rest := statusPrefix(bytes.TrimLeft(line, " \t"))
	if protocol == nil {
		return nil, nil, nil, false
	}
	code, text, _ = bytes.Cut(bytes.Trim(rest, " \t\r\v\f"), []byte{' '})
	return protocol, code, text, true
}

// statusNumber is the status, 0 when it is no number of up to three digits.
func statusNumber(code []byte) int {
	status, err := strconv.Atoi(string(code))
	if err != nil || status < 0 || status > 999 {
		return 0
	}
	return status
}

// token reports whether b is a method (RFC 9110 §9.1): letters, digits and
// the marks of a token.
func token(b []byte) bool {
	if len(b) == 0 || len(b) > 32 {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return true
}
