package smb

import (
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// head2 is the size of SMB 2's header ([MS-SMB2] §2.2.1).
const head2 = 64

// Commands of SMB 2.
const (
	negotiate2      = 0
	setup2          = 1
	connect2        = 3
	disconnect2     = 4
	create2         = 5
	close2          = 6
	read2           = 8
	write2          = 9
	ioctl2          = 11
	cancel2         = 12
	getInfo2        = 16
	setInfo2        = 17
	oplockBreak2    = 18
	flagAsync       = 2
	classRename     = 10
	classDeletion   = 13
	infoFile        = 1
	maxChained      = 64
	unsolicitedSeq2 = 1<<64 - 1
)

// largest is the read or write that Suricata's rules take for sound.
const largest = 16 << 20

// related is the file of the command before in the same message.
var related = fileID{id: [16]byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}}

func fileID2(b []byte) fileID {
	var f fileID
	copy(f.id[:], b)
	return f
}

// message2 reads the commands that one message carries.
func (c *Conn) message2(dir int, b []byte, missing int) *transfer {
	var tail *transfer
	var before []byte
	for range maxChained {
		if len(b) < head2 {
			c.host.Notice(dir, c.next, "malformed_data")
			return tail
		}
		next := int(binary.LittleEndian.Uint32(b[20:]))
		one, rest := b, missing
		if next >= head2 && next < len(b) {
			one, rest = b[:next], 0
		}
		h := parseHead2(one)
		if h.response != (dir == proto.ToClient) {
			c.wrongWay(dir)
			return tail
		}
		if h.response {
			tail = c.response2(&h, one, rest)
		} else {
			before, tail = c.request2(&h, one, rest, before)
		}
		if next < head2 || next >= len(b) {
			return tail
		}
		b = b[next:]
	}
	return tail
}

func parseHead2(b []byte) head {
	flags := binary.LittleEndian.Uint32(b[16:])
	h := head{
		version: 2, command: int(binary.LittleEndian.Uint16(b[12:])), status: binary.LittleEndian.Uint32(b[8:]),
		session: binary.LittleEndian.Uint64(b[40:]), response: flags&1 != 0, wide: true,
	}
	if flags&flagAsync == 0 {
		h.tree = binary.LittleEndian.Uint32(b[36:])
	}
	h.key = key{version: 2, message: binary.LittleEndian.Uint64(b[24:]), command: h.command}
	return h
}

// span is a part of a message by place and size, as far as it is there.
func span(b []byte, at, n int) []byte {
	if at < 0 || n < 0 || at > len(b) {
		return nil
	}
	return b[at:min(len(b), at+n)]
}

// request2 reads a command. Before is the name of the file that the command
// before it in the message opened.
func (c *Conn) request2(h *head, b []byte, missing int, before []byte) ([]byte, *transfer) {
	r := wire.Reader{B: b[head2:]}
	r.Take(2)
	switch h.command {
	case negotiate2:
		c.negotiateRequest2(h, &r)
	case setup2:
		r.Take(10)
		c.setup(h, span(b, int(r.L16()), int(r.L16())))
	case connect2:
		r.Take(2)
		name := text16(span(b, int(r.L16()), int(r.L16())))
		c.start(h.key, h, &connection{version: 2, tree: tree{name: name}})
	case disconnect2:
		delete(c.trees, h.tree)
		c.start(h.key, h, nil)
	case create2:
		r.Take(34)
		f := &creation{disposition: r.L32(), options: r.L32()}
		f.name = text16(span(b, int(r.L16()), int(r.L16())))
		c.start(h.key, h, f)
		before = f.name
	case close2:
		r.Take(6)
		c.closeFile(fileID2(r.Take(16)))
		c.start(h.key, h, nil)
	case read2:
		r.Take(2)
		size := r.L32()
		offset := r.L64()
		if c.readMost > 0 && size > c.readMost {
			c.host.Notice(proto.ToServer, c.next, "read_request_too_large")
		}
		keep(c.reads, h.key, asked{fileID2(r.Take(16)), offset})
	case write2:
		return before, c.write2(h, &r, b, missing)
	case ioctl2:
		c.ioctlRequest2(h, &r, b)
	case setInfo2:
		c.setInfo(h, &r, b, before)
	case getInfo2:
	case cancel2:
		// Nothing answers it (§2.2.30).
		c.finish(c.start(h.key, h, nil))
	default:
		c.start(h.key, h, nil)
	}
	return before, nil
}

func (c *Conn) negotiateRequest2(h *head, r *wire.Reader) {
	if c.negotiate != nil {
		c.host.Notice(proto.ToServer, c.negotiate.id-1, "duplicate_negotiate")
		return
	}
	n := int(r.L16())
	r.Take(8)
	d := &negotiation{conn: c, client: append([]byte{}, r.Take(16)...)}
	r.Take(8)
	for range min(n, maxChained) {
		v := r.L16()
		if r.Short {
			break
		}
		name, ok := dialects2[v]
		if !ok {
			name = "unknown"
		}
		d.dialects = append(d.dialects, name)
	}
	c.negotiate = c.start(h.key, h, d)
}

// write2 reads a write (§2.2.21).
func (c *Conn) write2(h *head, r *wire.Reader, b []byte, missing int) *transfer {
	at, n := int(r.L16()), r.L32()
	offset := r.L64()
	id := fileID2(r.Take(16))
	if r.Short || n > 1<<30 {
		return nil
	}
	if c.writeMost > 0 && n > c.writeMost {
		c.host.Notice(proto.ToServer, c.next, "write_request_too_large")
		return nil
	}
	data := span(b, at, int(n))
	t, known := c.trees[h.tree]
	if t.pipe || !known {
		// Without the connect, a pipe is told by what goes through it.
		if c.rpc(proto.ToServer, h, id, data) || t.pipe {
			return nil
		}
	}
	return c.part(proto.ToServer, h, id, offset, data, min(missing, int(n)-len(data)))
}

func (c *Conn) ioctlRequest2(h *head, r *wire.Reader, b []byte) {
	r.Take(2)
	code := r.L32()
	id := fileID2(r.Take(16))
	data := span(b, int(r.L32()), int(r.L32()))
	if code == pipeTransceive && c.rpc(proto.ToServer, h, id, data) {
		return
	}
	c.start(h.key, h, control(code))
}

// setInfo reads what is renamed and what is to be deleted (§2.2.39, [MS-FSCC]
// §2.4.11, §2.4.37).
func (c *Conn) setInfo(h *head, r *wire.Reader, b []byte, before []byte) {
	kind, class := r.U8(), r.U8()
	size := int(r.L32())
	at := int(r.L16())
	r.Take(6)
	id := fileID2(r.Take(16))
	if r.Short || kind != infoFile {
		return
	}
	name := c.names[id].name
	if name == nil && id == related {
		name = before
	}
	if name == nil {
		name = []byte("<unknown>")
	}
	data := wire.Reader{B: span(b, at, size)}
	switch class {
	case classRename:
		data.Take(16)
		n := int(data.L32())
		c.start(h.key, h, &renaming{version: 2, from: name, to: text16(data.Take(min(n, len(data.B)))), file: id})
	case classDeletion:
		c.start(h.key, h, &disposition{name: name, delete: data.U8()&1 != 0, file: id})
	}
}

// response2 reads an answer.
func (c *Conn) response2(h *head, b []byte, missing int) *transfer {
	if h.status == statusPending || h.command == oplockBreak2 && h.key.message == unsolicitedSeq2 {
		return nil
	}
	r := wire.Reader{B: b[head2:]}
	r.Take(2)
	t := c.find(h.key)
	switch h.command {
	case negotiate2:
		if c.negotiate != nil {
			t = c.negotiate
		}
		c.negotiateResponse2(t, h, &r)
	case setup2:
		if t != nil {
			t.session = h.session
		}
	case connect2:
		d, ok := detailOf[*connection](t)
		kind := r.U8()
		if ok && h.status == statusSuccess {
			d.kind, d.pipe, t.tree = kind, kind == 2, h.tree
			keep(c.trees, h.tree, d.tree)
		}
	case create2:
		c.created2(t, h, &r)
	case read2:
		return c.read2(h, &r, b, missing)
	case ioctl2:
		r.Take(6)
		id := fileID2(r.Take(16))
		r.Take(8)
		data := span(b, int(r.L32()), int(r.L32()))
		if t == nil && len(data) > 0 && (h.status == statusSuccess || h.status == statusOverflow) {
			c.rpc(proto.ToClient, h, id, data)
		}
	}
	if t != nil {
		c.answered(t, h)
	}
	return nil
}

// detailOf is the detail of a transaction when it is of that kind.
func detailOf[T any](t *transaction) (T, bool) {
	var none T
	if t == nil {
		return none, false
	}
	d, ok := t.detail.(T)
	return d, ok
}

func (c *Conn) negotiateResponse2(t *transaction, h *head, r *wire.Reader) {
	if h.status != statusSuccess {
		return
	}
	r.Take(2)
	name, ok := dialects2[r.L16()]
	if !ok {
		name = "unknown"
	}
	r.Take(2)
	server := r.Take(16)
	r.Take(8)
	readMost, writeMost := r.L32(), r.L32()
	if r.Short {
		return
	}
	c.dialect, c.readMost, c.writeMost = name, readMost, writeMost
	if readMost > largest {
		c.host.Notice(proto.ToClient, c.next, "negotiate_max_read_size_too_large")
	}
	if writeMost > largest {
		c.host.Notice(proto.ToClient, c.next, "negotiate_max_write_size_too_large")
	}
	d, ok := detailOf[*negotiation](t)
	if ok {
		d.server = append([]byte{}, server...)
	}
}

// created2 notes the name of a file that was opened (§2.2.14).
func (c *Conn) created2(t *transaction, h *head, r *wire.Reader) {
	d, ok := detailOf[*creation](t)
	if !ok || h.status != statusSuccess {
		return
	}
	r.Take(6)
	var times [4]uint64
	for i := range times {
		times[i] = seconds(r.L64())
	}
	r.Take(8)
	size := r.L64()
	r.Take(8)
	id := r.Take(16)
	if r.Short {
		return
	}
	d.times, d.size, d.file, d.hasFile = times, size, fileID2(id), true
	keep(c.names, d.file, opened{name: append([]byte{}, d.name...)})
}

// read2 reads what a read brought (§2.2.20).
func (c *Conn) read2(h *head, r *wire.Reader, b []byte, missing int) *transfer {
	a, ok := c.reads[h.key]
	if !ok {
		return nil
	}
	delete(c.reads, h.key)
	if h.status == statusEnd {
		t := c.transfers[stream{a.file, proto.ToClient}]
		if t != nil {
			t.tx.status, t.tx.hasStatus = h.status, true
			c.endTransfer(t, true)
		}
		return nil
	}
	if h.status != statusSuccess && h.status != statusOverflow {
		return nil
	}
	at := int(r.U8())
	r.Take(1)
	n := r.L32()
	if r.Short || n > 1<<30 {
		return nil
	}
	if c.readMost > 0 && n > c.readMost {
		c.host.Notice(proto.ToClient, c.next, "read_response_too_large")
		return nil
	}
	data := span(b, at, int(n))
	t, known := c.trees[h.tree]
	if t.pipe || !known {
		if c.rpc(proto.ToClient, h, a.file, data) || t.pipe {
			return nil
		}
	}
	return c.part(proto.ToClient, h, a.file, a.offset, data, min(missing, int(n)-len(data)))
}
