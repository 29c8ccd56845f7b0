package http2

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

// maxEncoded is how much of a body with a content coding is kept to be decoded
// when it ends.
const maxEncoded = 1 << 20

// dataBegin starts a DATA frame (RFC 9113 §6.1).
func (c *Conn) dataBegin(dir int, stream uint32, flags byte, size int) {
	s := &c.side[dir]
	s.stream, s.last, s.after, s.data = stream, flags&flagEndStream != 0, 0, size
	s.padded = size > 0 && flags&flagPadded != 0
	if size == 0 {
		c.dataEnd(dir)
	}
}

// content takes bytes of DATA.
func (c *Conn) content(dir int, stream uint32, b []byte) {
	tx := c.find(stream)
	if tx == nil {
		return
	}
	h := &tx.half[dir]
	c.judgeLength(dir, tx, h.length, len(b))
	h.length += uint64(len(b))
	if h.carries {
		h.lookupContent(b)
		return
	}
	if h.file == nil {
		return
	}
	if !h.coded {
		h.file.Write(b)
		h.joining.Write(b)
		return
	}
	room := max(0, maxEncoded-len(h.encoded))
	h.encoded = append(h.encoded, b[:min(room, len(b))]...)
}

// dataEnd ends a DATA frame.
func (c *Conn) dataEnd(dir int) {
	s := &c.side[dir]
	s.skip, s.after = s.after, 0
	tx := c.find(s.stream)
	if tx != nil && s.last {
		c.ended(tx, dir)
	}
}

// fileBegin opens the file that a body is: what a server sends, and what a
// client uploads.
func (c *Conn) fileBegin(tx *transaction, dir int) {
	method := value(tx.half[0].fields, ":method")
	if dir == proto.ToServer && method != "POST" && method != "PUT" {
		return
	}
	h := &tx.half[dir]
	if h.carries {
		// A question or an answer is no file.
		return
	}
	path, _, _ := strings.Cut(value(tx.half[0].fields, ":path"), "?")
	h.file = c.host.FileStore().New([]byte(path))
	h.coded = value(h.fields, "content-encoding") != ""
	if dir == proto.ToClient && value(h.fields, ":status") == strconv.Itoa(http1.StatusPartial) {
		c.join(tx)
	}
}

// join begins what the file of an answer is a part of.
func (c *Conn) join(tx *transaction) {
	request, h := tx.half[0].fields, &tx.half[1]
	at, ok, _ := http1.ContentRange([]byte(value(h.fields, "content-range")))
	h.file.Start, h.file.End, h.file.Ranged = at.Start, at.End, ok
	host, _ := http1.SplitHost([]byte(cmp.Or(value(request, ":authority"), value(request, "host"))))
	h.joining = http1.Join(func(name string) []byte { return []byte(value(h.fields, name)) }, h.file,
		func(r files.Range) *files.Part {
			return c.host.Join(host, []byte(value(request, ":path")), h.file.Name, r)
		})
}

// troubles are the names of what HTTP/1 and HTTP/2 tell alike.
var troubles = map[http1.Trouble]string{
	http1.TroubleDecompression: "failed_decompression", http1.TroubleBomb: "compression_bomb",
}

func (c *Conn) fileEnd(tx *transaction, dir int, complete bool) {
	h := &tx.half[dir]
	f, joining := h.file, h.joining
	h.file, h.joining = nil, nil
	if f == nil {
		return
	}
	if h.coded {
		m := http1.Message{Body: h.encoded, Headers: []http1.Header{
			{Name: []byte("Content-Encoding"), Value: []byte(value(h.fields, "content-encoding"))},
		}}
		f.Write(m.Decoded())
		for _, name := range m.Trouble() {
			c.host.Notice(dir, tx.number, troubles[name])
		}
		complete = complete && len(h.encoded) < maxEncoded
		h.encoded = nil
	}
	if f.Size == 0 {
		return
	}
	f.Finish(complete)
	whole := joining.Close(f)
	h.body = f.Data
	c.host.File(dir, tx.number, f, tx)
	for _, w := range whole {
		c.host.File(dir, tx.number, w, tx)
	}
}
