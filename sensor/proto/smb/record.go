package smb

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode/utf16"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// maxText bounds a name in a record.
const maxText = 4096

// key finds the transaction of an answer.
type key struct {
	version int
	message uint64
	process uint32
	command int
}

// head is what both versions' headers say.
type head struct {
	version  int
	command  int
	status   uint32
	dos      bool
	session  uint64
	tree     uint32
	key      key
	wide     bool
	response bool
}

// fileID names an open file: the 16 bytes of SMB 2, or the two of SMB 1.
type fileID struct {
	id    [16]byte
	short bool
}

func (f fileID) text() string {
	if f.short {
		return fmt.Sprintf("%02x%02x", f.id[1], f.id[0])
	}
	return guid(f.id[:])
}

// guid writes 16 bytes in the grouping that EVE has for SMB.
func guid(b []byte) string {
	if len(b) < 16 {
		return ""
	}
	order := [16]int{3, 2, 1, 0, 5, 4, 7, 6, 9, 8, 11, 10, 15, 14, 13, 12}
	var x [16]byte
	for i, from := range order {
		x[i] = b[from]
	}
	s := hex.EncodeToString(x[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// transaction is a command with its answer. It implements encode.Body and
// proto.Fields.
type transaction struct {
	conn      *Conn
	id        uint64
	key       key
	version   int
	command   int
	status    uint32
	hasStatus bool
	dos       bool
	session   uint64
	tree      uint32
	// detail writes what the command is about.
	detail encode.Body
}

// Fields implements proto.Fields.
func (t *transaction) Fields(dir int, b *rules.Buffers) {
	b.AddNumber(rules.BufferSMBVersion, uint64(t.version))
	f, ok := t.detail.(proto.Fields)
	if ok {
		f.Fields(dir, b)
	}
}

// Encode writes the smb object.
func (t *transaction) Encode(e *encode.Encoder) {
	e.Open("smb")
	e.Uint("id", t.id)
	dialect := t.conn.dialect
	if dialect == "" {
		dialect = "unknown"
	}
	e.String("dialect", dialect)
	e.String("command", t.commandName())
	if t.hasStatus {
		t.encodeStatus(e)
	}
	e.Uint("session_id", t.session)
	e.Uint("tree_id", uint64(t.tree))
	if t.detail != nil {
		t.detail.Encode(e)
	}
	e.Close()
}

func (t *transaction) commandName() string {
	names, prefix := commands1, "SMB1_COMMAND_"
	if t.version == 2 {
		names, prefix = commands2, "SMB2_COMMAND_"
	}
	name, ok := names[t.command]
	if !ok {
		return strconv.Itoa(t.command)
	}
	return prefix + name
}

func (t *transaction) encodeStatus(e *encode.Encoder) {
	if t.dos {
		class, code := byte(t.status), uint16(t.status>>16)
		name, ok := dosErrors[uint32(class)<<16|uint32(code)]
		if !ok {
			name = fmt.Sprintf("UNKNOWN_%02x_%04x", class, code)
		}
		e.String("status", name)
		e.String("status_code", fmt.Sprintf("0x%04x", code))
		return
	}
	name, ok := statuses[t.status]
	if !ok {
		name = strconv.FormatUint(uint64(t.status), 10)
	}
	e.String("status", name)
	e.String("status_code", fmt.Sprintf("0x%x", t.status))
}

// negotiation is the detail of a negotiate command.
type negotiation struct {
	conn     *Conn
	dialects []string
	client   []byte
	server   []byte
}

// Encode implements encode.Body.
func (n *negotiation) Encode(e *encode.Encoder) {
	e.Strings("client_dialects", n.dialects)
	if n.client != nil {
		e.String("client_guid", guid(n.client))
	}
	e.String("server_guid", guid(n.server))
	if n.conn.readMost > 0 {
		e.Uint("max_read_size", uint64(n.conn.readMost))
	}
	if n.conn.writeMost > 0 {
		e.Uint("max_write_size", uint64(n.conn.writeMost))
	}
}

// tree is a share that was connected to.
type tree struct {
	name []byte
	pipe bool
}

// connection is the detail of a tree connect.
type connection struct {
	tree
	version           int
	kind              byte
	asked, given      []byte
	hasAsked, hasGave bool
}

// Encode implements encode.Body.
func (t *connection) Encode(e *encode.Encoder) {
	if t.pipe {
		e.Bytes("named_pipe", t.name)
	} else {
		e.Bytes("share", t.name)
	}
	if t.version == 2 {
		kind, ok := map[byte]string{1: "FILE", 2: "PIPE", 3: "PRINT"}[t.kind]
		if !ok {
			kind = "UNKNOWN"
		}
		e.String("share_type", kind)
		return
	}
	e.Open("service")
	if t.hasAsked {
		e.Bytes("request", t.asked)
	}
	if t.hasGave {
		e.Bytes("response", t.given)
	}
	e.Close()
}

// Fields implements proto.Fields.
func (t *connection) Fields(_ int, b *rules.Buffers) {
	if t.pipe {
		b.AddText(rules.BufferSMBNamedPipe, t.name)
	} else {
		b.AddText(rules.BufferSMBShare, t.name)
	}
}

// opened is a file that was opened.
type opened struct{ name []byte }

// creation is the detail of a create command.
type creation struct {
	name        []byte
	disposition uint32
	options     uint32
	times       [4]uint64
	size        uint64
	file        fileID
	hasFile     bool
}

var dispositions = [...]string{
	"FILE_SUPERSEDE", "FILE_OPEN", "FILE_CREATE", "FILE_OPEN_IF", "FILE_OVERWRITE", "FILE_OVERWRITE_IF",
}

// Encode implements encode.Body.
func (f *creation) Encode(e *encode.Encoder) {
	const directory, deleteOnClose = 0x1, 0x1000
	switch {
	case len(f.name) == 0:
		e.String("filename", "<share_root>")
	case f.options&directory != 0:
		e.Bytes("directory", f.name)
	default:
		e.Bytes("filename", f.name)
	}
	name := "UNKNOWN"
	if int(f.disposition) < len(dispositions) {
		name = dispositions[f.disposition]
	}
	e.String("disposition", name)
	e.String("access", access(f.options&deleteOnClose != 0))
	for i, k := range [...]string{"created", "accessed", "modified", "changed"} {
		e.Uint(k, f.times[i])
	}
	e.Uint("size", f.size)
	fuid := ""
	if f.hasFile {
		fuid = f.file.text()
	}
	e.String("fuid", fuid)
}

func access(deleted bool) string {
	if deleted {
		return "delete on close"
	}
	return "normal"
}

// disposition is the detail of a command that marks a file for deletion.
type disposition struct {
	name   []byte
	delete bool
	file   fileID
}

// Encode implements encode.Body.
func (d *disposition) Encode(e *encode.Encoder) {
	if len(d.name) == 0 {
		e.String("filename", "<share_root>")
	} else {
		e.Bytes("filename", d.name)
	}
	e.String("access", access(d.delete))
	e.String("fuid", d.file.text())
}

// renaming is the detail of a command that renames a file.
type renaming struct {
	version  int
	from, to []byte
	file     fileID
}

// Encode implements encode.Body.
func (r *renaming) Encode(e *encode.Encoder) {
	if r.version == 2 {
		e.Open("set_info")
		e.String("class", "FILE_INFO")
		e.String("info_level", "SMB2_FILE_RENAME_INFO")
		e.Close()
	}
	e.Open("rename")
	e.Bytes("from", r.from)
	e.Bytes("to", r.to)
	e.Close()
	if r.version == 2 {
		e.String("fuid", r.file.text())
	}
}

// control is the detail of an IOCTL.
type control uint32

// Encode implements encode.Body.
func (c control) Encode(e *encode.Encoder) {
	name, ok := controls[uint32(c)]
	if !ok {
		name = fmt.Sprintf("0x%08x", uint32(c))
	}
	e.String("function", name)
}

// seconds turns a FILETIME ([MS-DTYP] §2.3.3) into seconds since 1970.
func seconds(v uint64) uint64 {
	const second, from1601 = 10_000_000, 11_644_473_600
	if v/second <= from1601 {
		return 0
	}
	return v/second - from1601
}

// text16 turns UTF-16LE into UTF-8; zeros at the end are left out.
func text16(b []byte) []byte {
	b = b[:min(len(b), maxText)]
	u := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		v := binary.LittleEndian.Uint16(b)
		if v != 0 {
			u = append(u, v)
		}
	}
	return []byte(string(utf16.Decode(u)))
}
