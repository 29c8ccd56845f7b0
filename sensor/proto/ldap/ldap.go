// Package ldap reads LDAP (RFC 4511) over TCP with StartTLS, and over UDP (RFC
// 1798): requests with all their answers, told when the last has come.
//
// Not here: passwords, which are never kept; referrals; and what SASL seals
// after a bind.
package ldap

import (
	"errors"
	"slices"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxMessage bounds a message that is read whole: of a longer one only the
	// operation is told.
	maxMessage = 128 << 10
	// maxOpen bounds the requests that wait for their answer.
	maxOpen = 256
	// maxResponses bounds the answers to one request that are told, maxKept what
	// all open requests of a connection take in memory.
	maxResponses = 4096
	maxKept      = 256 << 10
	// headRoom is enough for what comes before an operation's body.
	headRoom = 24
	// shown is how many answers to a request the rules see one by one; of more
	// they see every doubling, and all with the last.
	shown = 32
)

// startTLS names the request that begins TLS (RFC 4511 §4.14).
const startTLS = "1.3.6.1.4.1.1466.20037"

// ErrMalformed means that a direction is not LDAP.
var ErrMalformed = errors.New("ldap: malformed")

// transaction is a request with its answers, or answers that nobody asked for.
// It implements encode.Body.
type transaction struct {
	number    uint64
	request   *message
	responses []*message
	// count is of all answers, those that are not kept among them.
	count uint64
	kept  int
}

// Conn reads the messages of one flow. It implements proto.Parser.
type Conn struct {
	host   proto.Host
	stream bool
	buf    [2][]byte
	// skip is how much of a message that is too long is still to come.
	skip [2]int
	// lost is true after a gap, until a message begins.
	lost [2]bool
	open []*transaction
	kept int
	next uint64
	// bound is true when a SASL bind has succeeded: what follows may be sealed
	// (RFC 4513 §5.2.1.6).
	bound, quiet bool
}

// New returns a reader of datagrams that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// NewStream returns a reader of a stream that tells host.
func NewStream(host proto.Host) *Conn { return &Conn{host: host, stream: true} }

// Probe tells LDAP by the head of a message: a sequence of a number and an
// operation that the side may say.
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	if len(b) > 0 && b[0] != tagSequence {
		return false, false
	}
	_, at, size, ok, more := head(b)
	if !ok {
		return false, more
	}
	const least = 5
	if size < least {
		return false, false
	}
	if len(b) < at+min(size, headRoom) {
		return false, true
	}
	r := reader{b: b[at:min(len(b), at+size)]}
	_, op := start(&r)
	if r.bad || op.request() != (dir == proto.ToServer) {
		return false, false
	}
	_, at, inner, ok, _ := head(r.b)
	return ok && at+inner <= size, false
}

// ProbePacket tells LDAP by a whole message.
func ProbePacket(dir int, b []byte, h proto.Hint) bool {
	yes, _ := Probe(dir, b, h)
	if !yes {
		return false
	}
	_, err := parse(b, 0)
	return err == nil
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if !c.stream {
		return c.datagram(dir, b)
	}
	if len(c.buf[dir]) > 0 {
		c.buf[dir] = append(c.buf[dir], b...)
		b = c.buf[dir]
	}
	rest, err := c.messages(dir, b)
	switch len(rest) {
	case 0:
		c.buf[dir] = nil
	case len(c.buf[dir]):
	default:
		c.buf[dir] = append(c.buf[dir][:0], rest...)
	}
	return err
}

// messages reads the messages at the front of b, and returns the bytes of one
// that is not whole.
func (c *Conn) messages(dir int, b []byte) (rest []byte, err error) {
	for len(b) > 0 && !c.quiet {
		n := min(c.skip[dir], len(b))
		c.skip[dir] -= n
		b = b[n:]
		if len(b) == 0 {
			return nil, nil
		}
		if b[0] != tagSequence && c.bound {
			c.quiet = true
			return nil, nil
		}
		if c.lost[dir] && b[0] != tagSequence {
			return nil, nil
		}
		tag, at, size, ok, more := head(b)
		if more {
			return b, nil
		}
		if !ok || tag != tagSequence {
			return nil, c.malformed(dir)
		}
		whole := at + size
		if whole > maxMessage {
			if len(b) < at+headRoom {
				return b, nil
			}
			err = c.long(dir, b[at:at+headRoom])
			c.skip[dir] = whole
		} else {
			if whole > len(b) {
				return b, nil
			}
			err = c.message(dir, b[:whole])
			b = b[whole:]
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// datagram reads the messages of one datagram: a search's answers come
// together.
func (c *Conn) datagram(dir int, b []byte) error {
	for len(b) > 0 {
		_, at, size, ok, more := head(b)
		if more || ok && at+size > len(b) {
			c.host.Notice(dir, c.latest(), "incomplete_data")
			return ErrMalformed
		}
		if !ok {
			return c.malformed(dir)
		}
		err := c.message(dir, b[:at+size])
		if err != nil {
			return err
		}
		b = b[at+size:]
	}
	return nil
}

func (c *Conn) malformed(dir int) error {
	if c.lost[dir] {
		return nil
	}
	c.host.Notice(dir, c.latest(), "invalid_data")
	return ErrMalformed
}

// latest is the number of the last transaction.
func (c *Conn) latest() uint64 {
	if c.next == 0 {
		return 0
	}
	return c.next - 1
}

func (c *Conn) message(dir int, b []byte) error {
	m, err := parse(b, max(maxKept-c.kept, 0))
	if err != nil || m.op.request() != (dir == proto.ToServer) {
		return c.malformed(dir)
	}
	c.lost[dir] = false
	c.take(dir, m)
	return nil
}

// long takes a message that is too long by its beginning.
func (c *Conn) long(dir int, b []byte) error {
	r := reader{b: b}
	m := &message{cost: fixedCost, cut: true}
	m.id, m.op = start(&r)
	if r.bad || m.op.request() != (dir == proto.ToServer) {
		return c.malformed(dir)
	}
	c.lost[dir] = false
	c.take(dir, m)
	return nil
}

func (c *Conn) take(dir int, m *message) {
	if dir == proto.ToServer {
		c.ask(m)
		return
	}
	c.answer(m)
}

// begin opens a transaction.
func (c *Conn) begin() *transaction {
	if len(c.open) == maxOpen {
		c.host.Notice(proto.ToServer, c.open[0].number, "too_many_transactions")
		c.tell(c.open[0])
	}
	tx := &transaction{number: c.next}
	c.next++
	c.open = append(c.open, tx)
	return tx
}

func (c *Conn) ask(m *message) {
	tx := c.begin()
	tx.request = m
	c.keep(tx, m)
	c.host.Inspect(proto.ToServer, tx.number, tx)
	if m.op == opUnbind || m.op == opAbandon {
		c.tell(tx)
	}
}

func (c *Conn) keep(tx *transaction, m *message) {
	tx.kept += m.cost
	c.kept += m.cost
}

// asked finds the request of a message's number.
func (c *Conn) asked(id uint64) *transaction {
	for _, tx := range c.open {
		if tx.request.id == id {
			return tx
		}
	}
	return nil
}

func (c *Conn) answer(m *message) {
	tx := c.asked(m.id)
	if tx == nil {
		tx = c.begin()
		tx.responses, tx.count = []*message{m}, 1
		if m.op != opExtendedDone {
			// The server may say by itself only that it ends (RFC 4511 §4.4).
			c.host.Notice(proto.ToClient, tx.number, "request_not_found")
		}
		c.tell(tx)
		return
	}
	tx.count++
	if tx.count == maxResponses+1 {
		c.host.Notice(proto.ToClient, tx.number, "too_many_responses")
	}
	if m.op.final() || tx.count <= maxResponses && c.kept < maxKept {
		tx.responses = append(tx.responses, m)
		c.keep(tx, m)
	}
	if !m.op.final() {
		if tx.count <= shown || tx.count&(tx.count-1) == 0 {
			c.host.Inspect(proto.ToClient, tx.number, tx)
		}
		return
	}
	c.tell(tx)
	switch {
	case m.result != 0 || m.cut:
	case m.op == opBindDone && tx.request.sasl:
		c.bound = true
	case m.op == opExtendedDone && string(tx.request.name) == startTLS && c.stream:
		c.quiet = true
		c.host.Upgrade()
	}
}

// tell writes the record of a transaction and forgets it.
func (c *Conn) tell(tx *transaction) {
	c.open = slices.DeleteFunc(c.open, func(x *transaction) bool { return x == tx })
	c.kept -= tx.kept
	c.host.Record(proto.Event{Kind: "ldap", Tx: tx.number, HasTx: true, Bodies: []encode.Body{tx}})
	tx.logIn(c.host)
}

// logIn tells of a bind that was answered (RFC 4511 §4.2.2). One without a name
// is anonymous and no log-in.
func (tx *transaction) logIn(h proto.Host) {
	const success, invalidCredentials = 0, 49
	if tx.request == nil || tx.request.op != opBind || len(tx.responses) == 0 || len(tx.request.dn) == 0 && !tx.request.sasl {
		return
	}
	last := tx.responses[len(tx.responses)-1]
	if !last.cut && last.op == opBindDone && (last.result == success || last.result == invalidCredentials) {
		h.LogIn(string(tx.request.dn), last.result != success)
	}
}

// Gap implements proto.Parser: the message it fell into is lost, and where the
// next begins is seen when it comes.
func (c *Conn) Gap(dir int, n int) {
	if c.skip[dir] >= n && len(c.buf[dir]) == 0 {
		c.skip[dir] -= n
		return
	}
	c.buf[dir], c.skip[dir], c.lost[dir] = nil, 0, true
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	for len(c.open) > 0 {
		c.tell(c.open[0])
	}
}
