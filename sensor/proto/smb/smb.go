// Package smb reads SMB 1 ([MS-CIFS], [MS-SMB]) and SMB 2 and 3 ([MS-SMB2])
// over TCP, direct or over NetBIOS: commands with their status, who logs in,
// shares, files opened, read and written, and DCE/RPC in named pipes.
//
// Not here: what SMB 3 encrypts or compresses, SMB over QUIC, and the searches
// and security descriptors inside of commands.
package smb

import (
	"bytes"
	"errors"
	"slices"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/scratch"
)

const (
	// frameHead is the head of a session message (RFC 1002 §4.3.1).
	frameHead = 4
	markSize  = 4

	frameMessage   = 0x00
	frameRequest   = 0x81
	frameKeepalive = 0x85

	// maxHeld is how much of a message waits for its end; the rest of a longer
	// one is read as it comes.
	maxHeld = 128 << 10
	// maxOpen bounds the transactions without an answer, maxKept the trees,
	// names and reads that are remembered, maxTransfers the files and pipes in
	// work.
	maxOpen      = 256
	maxKept      = 1024
	maxTransfers = 64
)

// ErrMalformed means that a direction is not SMB.
var ErrMalformed = errors.New("smb: malformed")

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host proto.Host
	side [2]half
	// next numbers the transactions, from 1.
	next uint64
	// dialect is what the ends agreed on.
	dialect   string
	open      []*transaction
	negotiate *transaction
	crowded   bool
	// spent is the buffer of a message that has been read.
	spent     []byte
	trees     map[uint32]tree
	names     map[fileID]opened
	reads     map[key]asked
	transfers map[stream]*transfer
	pipes     map[fileID]*pipe
	readMost  uint32
	writeMost uint32
}

// half is one direction.
type half struct {
	buf []byte
	// left is how much of a message is still to come that is passed by, or
	// given to tail.
	left int
	tail *transfer
	// lost is true while the start of the next message is not known.
	lost bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn {
	return &Conn{
		host: host, trees: map[uint32]tree{}, names: map[fileID]opened{}, reads: map[key]asked{},
		transfers: map[stream]*transfer{}, pipes: map[fileID]*pipe{},
	}
}

// marked tells what a message begins with: 0xff SMB 1, 0xfe SMB 2, 0xfd
// encrypted, 0xfc compressed; 0 when it is neither.
func marked(b []byte) byte {
	if len(b) >= markSize && b[0] >= 0xfc && string(b[1:markSize]) == "SMB" {
		return b[0]
	}
	return 0
}

// Probe tells SMB by the mark of a first message that goes in the direction,
// or by a session request of NetBIOS on its port.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	const port = 139
	if len(b) < frameHead+markSize {
		return false, len(b) == 0 || b[0] == frameMessage || h.Ports[1] == port && b[0]&0xf0 == 0x80
	}
	if h.Ports[1] == port && (b[0] == frameRequest && dir == proto.ToServer || b[0] == frameRequest+1 && dir == proto.ToClient) && b[2] == 0 {
		return true, false
	}
	mark := marked(b[frameHead:])
	if b[0] != frameMessage || mark == 0 {
		return false, false
	}
	const reply1, reply2 = frameHead + 9, frameHead + 16
	switch {
	case mark == 0xff && len(b) > reply1:
		return (b[reply1]&0x80 != 0) == (dir == proto.ToClient), false
	case mark == 0xfe && len(b) > reply2:
		return (b[reply2]&1 != 0) == (dir == proto.ToClient), false
	case mark < 0xfe:
		return true, false
	}
	return false, true
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	err := c.read(dir, b)
	c.host.FileStore().Memory().Give(c.spent)
	c.spent = nil
	return err
}

func (c *Conn) read(dir int, b []byte) error {
	h, memory := &c.side[dir], c.host.FileStore().Memory()
	for len(b) > 0 {
		if h.left > 0 {
			n := min(h.left, len(b))
			h.pass(b[:n])
			b = b[n:]
			continue
		}
		if h.lost {
			at := resume(b)
			if at < 0 {
				return nil
			}
			b, h.lost = b[at:], false
		}
		waited := len(h.buf) > 0
		if waited {
			h.buf = memory.Append(h.buf, b)
			b = h.buf
		}
		n, err := c.frame(dir, b)
		if err != nil {
			return err
		}
		if n == 0 {
			if !waited {
				h.buf = hold(memory, b)
			}
			return nil
		}
		if waited {
			c.spent, h.buf = h.buf, nil
		}
		b = b[n:]
	}
	return nil
}

// pass takes bytes of a message whose beginning has been read.
func (h *half) pass(b []byte) {
	if h.tail != nil {
		h.tail.more(b)
	}
	h.left -= len(b)
	if h.left == 0 {
		h.tail = nil
	}
}

// resume finds the start of a message after a gap.
func resume(b []byte) int {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte("SMB"))
		if i < 0 {
			return -1
		}
		at := from + i - 1 - frameHead
		if at >= 0 && b[at] == frameMessage && marked(b[at+frameHead:]) >= 0xfe {
			return at
		}
		from += i + 1
	}
}

// hold copies the beginning of a message, with room for what it waits for.
func hold(memory *scratch.Memory, b []byte) []byte {
	room := len(b)
	if room >= frameHead {
		room = max(room, min(maxHeld, frameHead+int(b[1])<<16+int(b[2])<<8+int(b[3])))
	}
	return append(memory.Take(room), b...)
}

// frame reads one session message and returns how much it took, 0 while more
// of it must come.
func (c *Conn) frame(dir int, b []byte) (int, error) {
	if len(b) < frameHead+markSize {
		if len(b) >= frameHead && b[0] == frameKeepalive {
			return frameHead, nil
		}
		return 0, nil
	}
	size := frameHead + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
	switch {
	case b[0] == frameMessage && marked(b[frameHead:]) == 0:
		c.host.Notice(dir, c.next, "malformed_data")
		return c.skip(dir, b, size), nil
	case b[0] == frameMessage:
	case b[0] >= frameRequest && b[0] <= frameKeepalive:
		return c.skip(dir, b, size), nil
	default:
		c.host.Notice(dir, c.next, "internal_error")
		return 0, ErrMalformed
	}
	if len(b) < size && len(b) < maxHeld {
		return 0, nil
	}
	n := min(len(b), size)
	tail := c.message(dir, b[frameHead:n], size-n)
	if n < size {
		c.side[dir].left, c.side[dir].tail = size-n, tail
	}
	return n, nil
}

// skip passes a frame by.
func (c *Conn) skip(dir int, b []byte, size int) int {
	n := min(len(b), size)
	c.side[dir].left = size - n
	return n
}

// message reads a message of which missing bytes are still to come; the file
// that they belong to is returned.
func (c *Conn) message(dir int, b []byte, missing int) *transfer {
	switch marked(b) {
	case 0xff:
		return c.message1(dir, b, missing)
	case 0xfe:
		return c.message2(dir, b, missing)
	}
	return nil
}

// Gap implements proto.Parser.
func (c *Conn) Gap(dir int, n int) {
	h := &c.side[dir]
	if h.left == 0 && len(h.buf) >= frameHead+markSize {
		b := h.buf
		h.buf = nil
		size := frameHead + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		if size > len(b) {
			h.left, h.tail = size-len(b), c.message(dir, b[frameHead:], size-len(b))
		}
	}
	m := min(n, h.left)
	if m > 0 {
		if h.tail != nil {
			h.tail.gap(m)
		}
		h.left -= m
		if h.left == 0 {
			h.tail = nil
		}
	}
	if n > m {
		h.lost, h.buf = true, nil
	}
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	var left []*transfer
	for _, t := range c.transfers {
		left = append(left, t)
	}
	slices.SortFunc(left, func(a, b *transfer) int { return int(a.tx.id) - int(b.tx.id) })
	for _, t := range left {
		c.endTransfer(t, false)
	}
	for len(c.open) > 0 {
		c.finish(c.open[0])
	}
}

// wrongWay notes a request from the server, or an answer from the client.
func (c *Conn) wrongWay(dir int) {
	name := "response_to_server"
	if dir == proto.ToClient {
		name = "request_to_client"
	}
	c.host.Notice(dir, c.next, name)
}

// start opens a transaction.
func (c *Conn) start(k key, h *head, detail encode.Body) *transaction {
	if len(c.open) == maxOpen {
		if !c.crowded {
			c.crowded = true
			c.host.Notice(proto.ToServer, c.next, "too_many_transactions")
		}
		c.finish(c.open[0])
	}
	t := c.transaction(k, h, detail)
	c.open = append(c.open, t)
	return t
}

func (c *Conn) transaction(k key, h *head, detail encode.Body) *transaction {
	c.next++
	return &transaction{
		conn: c, id: c.next, key: k, version: h.version, command: h.command, session: h.session, tree: h.tree, detail: detail,
	}
}

// find returns the open transaction of a key.
func (c *Conn) find(k key) *transaction {
	for _, t := range c.open {
		if t.key == k {
			return t
		}
	}
	return nil
}

// finish records a transaction.
func (c *Conn) finish(t *transaction) {
	i := slices.Index(c.open, t)
	if i >= 0 {
		c.open = slices.Delete(c.open, i, i+1)
	}
	if c.negotiate == t {
		c.negotiate = nil
	}
	c.host.Record(proto.Event{Kind: "smb", Tx: t.id - 1, HasTx: true, Bodies: []encode.Body{t}})
	account, refused, judged := t.logIn()
	if judged {
		c.host.LogIn(account, refused)
	}
}

// answered records a transaction with the status of its answer.
func (c *Conn) answered(t *transaction, h *head) {
	t.status, t.hasStatus, t.dos = h.status, true, h.dos
	c.finish(t)
}

// keep remembers a value; the memory is bounded, what does not fit takes the
// place of another.
func keep[K comparable, V any](m map[K]V, k K, v V) {
	_, has := m[k]
	if !has && len(m) >= maxKept {
		for old := range m {
			delete(m, old)
			break
		}
	}
	m[k] = v
}
