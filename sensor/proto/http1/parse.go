package http1

import (
	"bytes"
	"strconv"
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
	p.message.Length += uint64(len(b))
	room := MaxBody - len(p.message.Body)
	if room <= 0 {
		return
	}
	p.message.Body = append(p.message.Body, b[:min(room, len(b))]...)
	if len(p.message.Body) < MaxBody {
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
	}
	had := len(p.buf)
	p.buf = append(p.buf, b...)
	end := headEnd(p.buf, p.scanned)
	if end < 0 {
		if len(p.buf) > maxHead {
			p.buf = nil
			return 0, ErrMalformed
		}
		p.scanned = max(len(p.buf)-3, 0)
		return len(b), nil
	}
	head := bytes.Clone(p.buf[:end])
	p.buf, p.scanned = p.buf[:0], 0
	err := c.open(dir, head)
	if err != nil {
		return 0, err
	}
	return end - had, nil
}

// headEnd is the offset after the blank line, or -1.
func headEnd(b []byte, from int) int {
	for i := from; i < len(b); i++ {
		if b[i] != '\n' {
			continue
		}
		if i+1 < len(b) && b[i+1] == '\n' {
			return i + 2
		}
		if i+2 < len(b) && b[i+1] == '\r' && b[i+2] == '\n' {
			return i + 3
		}
	}
	return -1
}

// open reads a head and prepares for the body.
func (c *Conn) open(dir int, head []byte) error {
	line, rest := cutLine(head)
	m := Message{Line: line, Head: head, Seen: true}
	m.Headers = fields(rest)
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
	protocol, status, text, ok := statusLine(line)
	if !ok {
		return ErrMalformed
	}
	tx := c.answered()
	m.Protocol = protocol
	tx.Status, tx.StatusMessage, tx.Response = status, text, m
	p.tx, p.message = tx, &tx.Response
	method := string(tx.Method)
	none := method == "HEAD" || status/100 == 1 || status == 204 || status == 304 ||
		method == "CONNECT" && status/100 == 2
	c.body(dir, none, true)
	return nil
}

// body decides how the body's end is found (RFC 9112 §6.3).
func (c *Conn) body(dir int, none, untilClose bool) {
	p := &c.side[dir]
	if none {
		c.finished(dir)
		return
	}
	coding := p.message.Get("Transfer-Encoding")
	if len(coding) >= 7 && bytes.EqualFold(coding[len(coding)-7:], []byte("chunked")) {
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
		p.buf = append(p.buf, b...)
		if len(p.buf) > maxLine {
			return 0, ErrMalformed
		}
		return len(b), nil
	}
	p.buf = append(p.buf, b[:i]...)
	line := bytes.TrimSpace(p.buf)
	p.buf = p.buf[:0]
	switch p.state {
	case stateChunkEnd:
		if len(line) > 0 {
			return 0, ErrMalformed
		}
		p.state = stateChunkSize
	case stateTrailer:
		if len(line) == 0 {
			c.finished(dir)
		}
	case stateChunkSize:
		size, _, _ := bytes.Cut(line, []byte{';'})
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 63)
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

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// fields reads the headers; a folded line (RFC 9112 §5.2) joins the one
// before.
func fields(b []byte) []Header {
	var out []Header
	for len(b) > 0 && len(out) < maxHeaders {
		var line []byte
		line, b = cutLine(b)
		if len(line) == 0 {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			last := &out[len(out)-1]
			last.Value = append(append(bytes.Clone(last.Value), ' '), bytes.TrimSpace(line)...)
			continue
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		out = append(out, Header{Name: bytes.TrimSpace(name), Value: bytes.TrimSpace(value)})
	}
	return out
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

func statusLine(line []byte) (protocol []byte, status int, text []byte, ok bool) {
	protocol, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !bytes.HasPrefix(protocol, []byte("HTTP/1.")) {
		return nil, 0, nil, false
	}
	code, text, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte{' '})
	status, err := strconv.Atoi(string(code))
	if err != nil || status < 0 || status > 999 {
		return nil, 0, nil, false
	}
	return protocol, status, text, true
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
