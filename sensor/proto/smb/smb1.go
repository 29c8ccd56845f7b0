package smb

import (
	"bytes"
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// head1 is the size of SMB 1's header ([MS-CIFS] §2.2.3.1).
const head1 = 32

// Commands of SMB 1.
const (
	close1         = 0x04
	rename1        = 0x07
	write1         = 0x0b
	locking1       = 0x24
	trans1         = 0x25
	writeClose1    = 0x2c
	open1          = 0x2d
	readAndX1      = 0x2e
	writeAndX1     = 0x2f
	trans2         = 0x32
	trans2More     = 0x33
	disconnect1    = 0x71
	negotiate1     = 0x72
	setup1         = 0x73
	logoff1        = 0x74
	connect1       = 0x75
	create1        = 0xa2
	cancel1        = 0xa4
	none1          = 0xff
	transactNmPipe = 0x26
)

// block is one command of a message: its numbers and what follows them, both
// inside of all.
type block struct {
	words []byte
	// bytes are at place in all.
	bytes []byte
	place int
	all   []byte
	wide  bool
	// missing is how much of the message is still to come.
	missing int
}

func parseHead1(b []byte) head {
	flags2 := binary.LittleEndian.Uint16(b[10:])
	h := head{
		version: 1, command: int(b[4]), status: binary.LittleEndian.Uint32(b[5:]), response: b[9]&0x80 != 0,
		wide: flags2&0x8000 != 0, dos: flags2&0x4000 == 0,
		tree: uint32(binary.LittleEndian.Uint16(b[24:])), session: uint64(binary.LittleEndian.Uint16(b[28:])),
	}
	h.dos = h.dos && h.status != 0
	h.key = key{version: 1, message: uint64(binary.LittleEndian.Uint16(b[30:])), process: uint32(binary.LittleEndian.Uint16(b[26:]))}
	return h
}

// block1 reads the block at a place.
func block1(b []byte, at int) (k block, ok bool) {
	if at >= len(b) {
		return k, false
	}
	r := wire.Reader{B: b[at:]}
	n := 2 * int(r.U8())
	k.words = r.Take(n)
	size := int(r.L16())
	k.place = at + 3 + n
	if r.Short {
		return k, false
	}
	k.bytes, k.all = r.B[:min(size, len(r.B))], b
	return k, true
}

func chained(command int) bool {
	switch command {
	case locking1, open1, readAndX1, writeAndX1, setup1, logoff1, connect1, create1:
		return true
	}
	return false
}

// message1 reads the commands that one message chains.
func (c *Conn) message1(dir int, b []byte, missing int) *transfer {
	if len(b) < head1 {
		c.host.Notice(dir, c.next, "malformed_data")
		return nil
	}
	h := parseHead1(b)
	if h.response != (dir == proto.ToClient) {
		c.wrongWay(dir)
		return nil
	}
	var tail *transfer
	at := head1
	for h.command != none1 {
		k, ok := block1(b, at)
		if !ok {
			c.host.Notice(dir, c.next, "malformed_data")
			return tail
		}
		k.wide, k.missing = h.wide, missing
		h.key.command = h.command
		if h.response {
			tail = c.response1(&h, &k)
		} else {
			tail = c.request1(&h, &k)
		}
		if !chained(h.command) || len(k.words) < 4 {
			return tail
		}
		next := int(binary.LittleEndian.Uint16(k.words[2:]))
		if next <= at {
			return tail
		}
		h.command, at = int(k.words[0]), next
	}
	return tail
}

// text reads a text that ends with zero; it is aligned when it is wide.
func (k *block) text(r *wire.Reader) []byte {
	if k.wide {
		if (k.place+len(k.bytes)-len(r.B))%2 != 0 {
			r.Take(min(1, len(r.B)))
		}
		n := 0
		for n+1 < len(r.B) && (r.B[n] != 0 || r.B[n+1] != 0) {
			n += 2
		}
		t := text16(r.B[:n])
		r.Take(min(n+2, len(r.B)))
		return t
	}
	return ascii(r)
}

func ascii(r *wire.Reader) []byte {
	n := bytes.IndexByte(r.B, 0)
	if n < 0 {
		n = len(r.B)
	}
	t := bytes.Clone(r.B[:min(n, maxText)])
	r.Take(min(n+1, len(r.B)))
	return t
}

func fileID1(v uint16) fileID {
	f := fileID{short: true}
	binary.LittleEndian.PutUint16(f.id[:], v)
	return f
}

// request1 reads a command.
func (c *Conn) request1(h *head, k *block) *transfer {
	r := wire.Reader{B: k.words}
	switch h.command {
	case negotiate1:
		c.negotiateRequest1(h, k)
	case setup1:
		s := setupRequest1(k)
		c.start(h.key, h, s)
		if s.broken {
			c.host.Notice(proto.ToServer, c.next-1, "malformed_ntlmssp_request")
		}
	case connect1:
		c.connectRequest1(h, k)
	case disconnect1:
		delete(c.trees, h.tree)
		c.start(h.key, h, nil)
	case create1:
		r.Take(35)
		f := &creation{disposition: r.L32(), options: r.L32()}
		text := wire.Reader{B: k.bytes}
		f.name = k.text(&text)
		c.start(h.key, h, f)
	case close1:
		id := fileID1(r.L16())
		c.closeFile(id)
		c.closePipe(id)
		c.start(h.key, h, nil)
	case rename1:
		text := wire.Reader{B: k.bytes}
		text.Take(1)
		from := k.text(&text)
		text.Take(1)
		c.start(h.key, h, &renaming{version: 1, from: from, to: k.text(&text)})
	case readAndX1:
		c.readRequest1(h, k)
	case writeAndX1:
		return c.writeAndX(h, k)
	case write1, writeClose1:
		return c.writeOld(h, k)
	case trans1:
		c.transRequest(h, k)
	case trans2:
	case cancel1, trans2More, locking1:
		c.finish(c.start(h.key, h, nil))
	default:
		c.start(h.key, h, nil)
	}
	return nil
}

func (c *Conn) negotiateRequest1(h *head, k *block) {
	if c.negotiate != nil {
		c.host.Notice(proto.ToServer, c.negotiate.id-1, "duplicate_negotiate")
		return
	}
	d := &negotiation{conn: c}
	bad := false
	r := wire.Reader{B: k.bytes}
	for len(r.B) > 0 && len(d.dialects) < maxChained {
		bad = bad || r.U8() != 2
		name := ascii(&r)
		bad = bad || len(name) == 0
		d.dialects = append(d.dialects, string(name))
	}
	c.negotiate = c.start(h.key, h, d)
	if bad {
		c.host.Notice(proto.ToServer, c.negotiate.id-1, "negotiate_malformed_dialects")
	}
}

// setupRequest1 reads who logs in, with a token (wordCount 12, [MS-SMB]
// §2.2.4.6.1) or with a password ([MS-CIFS] §2.2.4.53.1).
func setupRequest1(k *block) *setup {
	r := wire.Reader{B: k.words}
	r.Take(14)
	text := wire.Reader{B: k.bytes}
	s := &setup{}
	const withToken = 24
	if len(k.words) == withToken {
		s = readSetup(text.Take(min(int(r.L16()), len(text.B))))
	} else {
		n := int(r.L16()) + int(r.L16())
		text.Take(min(n, len(text.B)))
		s.ntlm = &ntlm{user: k.text(&text), domain: k.text(&text)}
	}
	s.request = &system{os: k.text(&text), lm: k.text(&text)}
	if len(k.words) != withToken {
		s.ntlm = nil
	}
	return s
}

func setupResponse1(s *setup, k *block) {
	r := wire.Reader{B: k.words}
	r.Take(6)
	text := wire.Reader{B: k.bytes}
	if len(k.words) >= 8 {
		text.Take(min(int(r.L16()), len(text.B)))
	}
	s.response = &system{os: k.text(&text), lm: k.text(&text)}
}

func (c *Conn) connectRequest1(h *head, k *block) {
	r := wire.Reader{B: k.words}
	r.Take(6)
	text := wire.Reader{B: k.bytes}
	text.Take(min(int(r.L16()), len(text.B)))
	d := &connection{version: 1, hasAsked: true}
	d.name = k.text(&text)
	d.asked = ascii(&text)
	c.start(h.key, h, d)
}

func (c *Conn) readRequest1(h *head, k *block) {
	r := wire.Reader{B: k.words}
	r.Take(4)
	id := fileID1(r.L16())
	offset := uint64(r.L32())
	r.Take(10)
	if len(r.B) >= 4 {
		offset |= uint64(r.L32()) << 32
	}
	keep(c.reads, h.key, asked{id, offset})
}

// writeAndX reads a write ([MS-SMB] §2.2.4.3.1).
func (c *Conn) writeAndX(h *head, k *block) *transfer {
	r := wire.Reader{B: k.words}
	r.Take(4)
	id := fileID1(r.L16())
	offset := uint64(r.L32())
	r.Take(8)
	n := int(r.L16()) << 16
	n |= int(r.L16())
	at := int(r.L16())
	if r.Short {
		return nil
	}
	if len(r.B) >= 4 {
		offset |= uint64(r.L32()) << 32
	}
	return c.written1(h, k, id, offset, at, n)
}

// writeOld reads the writes of [MS-CIFS] §2.2.4.12 and §2.2.4.40.
func (c *Conn) writeOld(h *head, k *block) *transfer {
	r := wire.Reader{B: k.words}
	id := fileID1(r.L16())
	n := int(r.L16())
	offset := uint64(r.L32())
	head := 3
	if h.command == writeClose1 {
		head = 1
	}
	tail := c.written1(h, k, id, offset, k.place+head, n)
	if h.command == writeClose1 && tail == nil {
		c.closeFile(id)
	}
	return tail
}

func (c *Conn) written1(h *head, k *block, id fileID, offset uint64, at, n int) *transfer {
	data := span(k.all, at, n)
	t, known := c.trees[h.tree]
	if t.pipe || !known {
		if c.rpc(proto.ToServer, h, id, data) || t.pipe {
			return nil
		}
	}
	return c.part(proto.ToServer, h, id, offset, data, min(k.missing, n-len(data)))
}

// transRequest reads a call through a named pipe ([MS-CIFS] §2.2.5.6). Other
// transactions have no record, as in Suricata.
func (c *Conn) transRequest(h *head, k *block) {
	r := wire.Reader{B: k.words}
	r.Take(22)
	n, at := int(r.L16()), int(r.L16())
	setups := r.U8()
	r.Take(1)
	if setups >= 2 && r.L16() == transactNmPipe {
		id := fileID1(r.L16())
		if !r.Short && c.rpc(proto.ToServer, h, id, span(k.all, at, n)) {
			keep(c.reads, h.key, asked{file: id})
		}
	}
}

// response1 reads an answer.
func (c *Conn) response1(h *head, k *block) *transfer {
	t := c.find(h.key)
	r := wire.Reader{B: k.words}
	switch h.command {
	case negotiate1:
		if c.negotiate != nil {
			t = c.negotiate
		}
		c.negotiateResponse1(t, k)
	case setup1:
		d, ok := detailOf[*setup](t)
		if ok {
			t.session = h.session
			setupResponse1(d, k)
		}
	case connect1:
		d, ok := detailOf[*connection](t)
		if ok && h.status == statusSuccess {
			text := wire.Reader{B: k.bytes}
			d.given, d.hasGave = ascii(&text), true
			d.pipe, t.tree = string(d.given) == "IPC", h.tree
			keep(c.trees, h.tree, d.tree)
		}
	case create1:
		c.created1(t, h, &r)
	case readAndX1:
		return c.readResponse1(h, k)
	case trans1:
		c.transResponse(h, k)
	}
	if t != nil {
		c.answered(t, h)
	}
	return nil
}

func (c *Conn) negotiateResponse1(t *transaction, k *block) {
	r := wire.Reader{B: k.words}
	i := int(r.L16())
	d, ok := detailOf[*negotiation](t)
	if !ok {
		return
	}
	const withSecurity, extended = 34, 0x80000000
	r.Take(17)
	if len(k.words) == withSecurity && r.L32()&extended != 0 && len(k.bytes) >= 16 {
		d.server = bytes.Clone(k.bytes[:16])
	}
	if i < len(d.dialects) {
		c.dialect = d.dialects[i]
	} else {
		c.host.Notice(proto.ToClient, t.id-1, "negotiate_malformed_dialects")
	}
}

func (c *Conn) created1(t *transaction, h *head, r *wire.Reader) {
	d, ok := detailOf[*creation](t)
	if !ok || h.status != statusSuccess {
		return
	}
	r.Take(5)
	id := fileID1(r.L16())
	r.Take(4)
	for i := range d.times {
		d.times[i] = seconds(r.L64())
	}
	r.Take(12)
	d.size = r.L64()
	d.file, d.hasFile = id, true
	keep(c.names, id, opened{name: d.name})
}

// readResponse1 reads what a read brought ([MS-SMB] §2.2.4.2.2).
func (c *Conn) readResponse1(h *head, k *block) *transfer {
	a, ok := c.reads[h.key]
	if !ok {
		return nil
	}
	delete(c.reads, h.key)
	if h.status != statusSuccess && h.status != statusOverflow {
		return nil
	}
	r := wire.Reader{B: k.words}
	r.Take(10)
	n := int(r.L16())
	at := int(r.L16())
	n |= int(r.L16()) << 16
	if r.Short || n == 0 {
		return nil
	}
	data := span(k.all, at, n)
	t, known := c.trees[h.tree]
	if t.pipe || !known {
		if c.rpc(proto.ToClient, h, a.file, data) || t.pipe {
			return nil
		}
	}
	return c.part(proto.ToClient, h, a.file, a.offset, data, min(k.missing, n-len(data)))
}

func (c *Conn) transResponse(h *head, k *block) {
	a, ok := c.reads[h.key]
	if !ok {
		return
	}
	delete(c.reads, h.key)
	r := wire.Reader{B: k.words}
	r.Take(12)
	n, at := int(r.L16()), int(r.L16())
	if !r.Short && (h.status == statusSuccess || h.status == statusOverflow) {
		c.rpc(proto.ToClient, h, a.file, span(k.all, at, n))
	}
}
