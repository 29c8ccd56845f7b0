package smb

import (
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dcerpc"
)

// What waits of a file for a part before it: bytes, and parts.
const (
	maxAhead = 1 << 20
	maxParts = 64
)

// stream is a file in one direction.
type stream struct {
	file fileID
	dir  int
}

// asked is a read without its answer.
type asked struct {
	file   fileID
	offset uint64
}

// transfer is a file that is read or written.
type transfer struct {
	at   stream
	tx   *transaction
	file *files.File
	// next is where the next byte belongs; ahead holds parts after it.
	next  uint64
	ahead map[uint64][]byte
	held  int
}

// carried is the detail of the record of a file.
type carried struct {
	name, share []byte
	file        fileID
}

// Encode implements encode.Body.
func (f *carried) Encode(e *encode.Encoder) {
	e.Bytes("filename", f.name)
	e.Bytes("share", f.share)
	e.String("fuid", f.file.text())
}

// part takes content of a file, of which missing bytes are still to come. It
// returns the transfer that they belong to.
func (c *Conn) part(dir int, h *head, id fileID, offset uint64, b []byte, missing int) *transfer {
	at := stream{id, dir}
	t := c.transfers[at]
	if t == nil {
		if len(c.transfers) >= maxTransfers {
			return nil
		}
		name := c.names[id].name
		if name == nil && dir == proto.ToClient {
			name = []byte("<unknown>")
		}
		t = &transfer{at: at, file: c.host.FileStore().New(name)}
		t.tx = c.transaction(key{}, h, &carried{name: t.file.Name, share: c.trees[h.tree].name, file: id})
		c.transfers[at] = t
	}
	if offset < t.next {
		c.host.Notice(dir, t.tx.id-1, "file_overlap")
		old := t.next - offset
		if old >= uint64(len(b)) {
			return nil
		}
		b, offset = b[old:], t.next
	}
	if offset > t.next {
		name := ""
		switch {
		case missing > 0 || t.held+len(b) > maxAhead:
			name = "queue_size_exceeded"
		case len(t.ahead) >= maxParts:
			name = "queue_cnt_exceeded"
		default:
			t.keep(offset, b)
			return nil
		}
		c.host.Notice(dir, t.tx.id-1, [...]string{"write_", "read_"}[dir]+name)
		t.flush()
		if offset > t.next {
			t.gap(int(min(offset-t.next, 1<<40)))
		}
	}
	t.more(b)
	t.drain()
	if missing == 0 {
		return nil
	}
	return t
}

// keep holds a part for which the one before is missing.
func (t *transfer) keep(offset uint64, b []byte) {
	if t.ahead == nil {
		t.ahead = map[uint64][]byte{}
	}
	t.held += len(b) - len(t.ahead[offset])
	t.ahead[offset] = append([]byte(nil), b...)
}

// drain writes the held parts that have their turn.
func (t *transfer) drain() {
	for {
		b, ok := t.ahead[t.next]
		if !ok {
			return
		}
		delete(t.ahead, t.next)
		t.held -= len(b)
		if len(b) == 0 {
			return
		}
		t.more(b)
	}
}

// flush writes the held parts with the gaps between them.
func (t *transfer) flush() {
	for len(t.ahead) > 0 {
		first := uint64(1<<64 - 1)
		for offset := range t.ahead {
			first = min(first, offset)
		}
		b := t.ahead[first]
		delete(t.ahead, first)
		t.held -= len(b)
		if first > t.next {
			t.gap(int(min(first-t.next, 1<<40)))
		}
		if old := t.next - first; old < uint64(len(b)) {
			t.more(b[old:])
		}
	}
}

// more takes the next bytes.
func (t *transfer) more(b []byte) {
	t.file.Write(b)
	t.next += uint64(len(b))
}

// gap tells that n bytes are missing.
func (t *transfer) gap(n int) {
	t.file.Gap(n)
	t.next += uint64(n)
}

// closeFile ends what is read and written of a file.
func (c *Conn) closeFile(id fileID) {
	for dir := range 2 {
		t := c.transfers[stream{id, dir}]
		if t != nil {
			t.tx.status, t.tx.hasStatus = statusSuccess, true
			c.endTransfer(t, true)
		}
	}
}

// endTransfer tells a file.
func (c *Conn) endTransfer(t *transfer, complete bool) {
	delete(c.transfers, t.at)
	for dir := range c.side {
		if c.side[dir].tail == t {
			c.side[dir].tail = nil
		}
	}
	t.flush()
	t.file.Finish(complete)
	c.host.File(t.at.dir, t.tx.id-1, t.file, t.tx)
	c.finish(t.tx)
}

// pipe is a named pipe that carries DCE/RPC.
type pipe struct {
	calls dcerpc.Association
	open  map[*dcerpc.Call]*transaction
}

// transaction returns the transaction of a call.
func (p *pipe) transaction(c *Conn, call *dcerpc.Call, k key) *transaction {
	t := p.open[call]
	delete(p.open, call)
	if t == nil {
		call.InPipe()
		t = c.transaction(k, &head{version: max(k.version, 1), command: k.command}, call)
	}
	return t
}

// rpc gives a pipe's bytes to its association when they are DCE/RPC.
func (c *Conn) rpc(dir int, h *head, id fileID, b []byte) bool {
	p := c.pipes[id]
	if p == nil {
		if !dcerpc.Begins(b) {
			return false
		}
		if len(c.pipes) >= maxTransfers {
			for old := range c.pipes {
				c.closePipe(old)
				break
			}
		}
		p = &pipe{calls: dcerpc.InPipe(), open: map[*dcerpc.Call]*transaction{}}
		c.pipes[id] = p
	}
	asked, told, err := p.calls.Feed(dir, b)
	for _, call := range asked {
		call.InPipe()
		t := c.start(key{}, h, call)
		p.open[call] = t
		c.host.Inspect(proto.ToServer, t.id-1, t)
	}
	for _, call := range told {
		t := p.transaction(c, call, h.key)
		if call.Answered() {
			c.answered(t, h)
		} else {
			c.finish(t)
		}
	}
	if err != nil {
		c.host.Notice(dir, c.next, "malformed_data")
		delete(c.pipes, id)
	}
	return true
}

// closePipe records the calls that stay without an answer.
func (c *Conn) closePipe(id fileID) {
	p := c.pipes[id]
	if p == nil {
		return
	}
	delete(c.pipes, id)
	for _, call := range p.calls.Close() {
		c.finish(p.transaction(c, call, key{}))
	}
}
