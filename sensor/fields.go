package sensor

import (
	"bytes"
	"net/http"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// inspectFields shows the rules one direction of a transaction.
func (c *conversation) inspectFields(dir int, tx uint64, bodies []encode.Body) {
	w := c.w
	if w.rules == nil {
		return
	}
	w.buffers.Reset()
	addFields(&w.buffers, dir, bodies)
	if !w.buffers.Empty() {
		c.inspectBuffers(flow.Direction(dir), tx, bodies, nil)
	}
}

// inspectFile shows the rules a file that ended, with what its protocol says
// of it.
func (c *conversation) inspectFile(dir int, tx uint64, f *files.File, bodies []encode.Body) {
	w := c.w
	if w.rules == nil || !w.wants.Files {
		return
	}
	w.buffers.Reset()
	addFields(&w.buffers, dir, bodies)
	w.fillFile(&w.buffers, f)
	bodies = append(bodies[:len(bodies):len(bodies)], files.InAlert{Files: []*files.File{f}, Tx: tx})
	c.inspectBuffers(flow.Direction(dir), tx, bodies, f)
}

func addFields(b *rules.Buffers, dir int, bodies []encode.Body) {
	for _, body := range bodies {
		f, ok := body.(proto.Fields)
		if ok {
			f.Fields(dir, b)
		}
	}
}

// inspectBuffers shows the rules the worker's buffers, which are those of the file
// unless it is nil.
func (c *conversation) inspectBuffers(dir flow.Direction, tx uint64, bodies []encode.Body, f *files.File) {
	w := c.w
	in := w.prepare(c, dir, rules.ViewTransaction)
	in.Buffers, in.Unit = &w.buffers, unit(tx, dir)
	ev := evidence{bodies: bodies, tx: tx, hasTx: true}
	if w.cur != nil {
		ev.payload = w.cur.Payload
		in.Payload = w.cur.Payload
	}
	var judged []*files.File
	if f != nil {
		in.File, judged = true, []*files.File{f}
		if c.otherName == nameFTPData {
			// The connection carries nothing but the file.
			in.Payload = f.Data
		}
	}
	matches := w.rules.Inspect(w.rctx, in)
	c.choose(dir, tx, true, judged...)
	for _, m := range matches {
		w.alert(c, dir, m.Rule, ev)
	}
}

// eventApp is the name that events of the conversation's protocol begin with.
func (c *conversation) eventApp() string {
	switch {
	case c.app == appOther && c.otherName == nameDoH:
		return nameHTTP2
	case c.app == appOther:
		return c.otherName
	}
	return c.appName()
}

// fillFile gives the rules what is known of a file. What costs is made only
// when a rule asks for it.
func (w *worker) fillFile(b *rules.Buffers, f *files.File) {
	b.Add(rules.BufferFileData, f.Data)
	b.AddText(rules.BufferFileName, f.Name)
	if i := bytes.LastIndexByte(f.Name, '.'); i >= 0 {
		b.AddText(rules.BufferFileExt, bytes.ToLower(f.Name[i+1:]))
	}
	if f.State == files.Closed {
		b.AddNumber(rules.BufferFileSize, f.Size)
	}
	if w.wants.FileSums {
		sums := [3][]byte{}
		sums[0], sums[1], sums[2] = f.Sums()
		for i, name := range [...]rules.Buffer{rules.BufferFileMD5, rules.BufferFileSHA1, rules.BufferFileSHA256} {
			b.AddText(name, sums[i])
		}
	}
	if w.wants.FileMagic && len(f.Data) > 0 {
		b.Add(rules.BufferFileMagic, []byte(magic(f.Data)))
	}
}

// magics are beginnings of files with the words that libmagic has for them.
var magics = [...]struct{ begin, name string }{
	{"%PDF-", "PDF document, version "},
	{"\x89PNG\r\n\x1a\n", "PNG image data"},
	{"\xff\xd8\xff", "JPEG image data"},
	{"GIF8", "GIF image data, version 8"},
	{"MZ", "PE32 executable (DOS/Windows)"},
	{"\x7fELF", "ELF executable"},
	{"PK\x03\x04", "Zip archive data"},
	{"\x1f\x8b", "gzip compressed data"},
	{"BZh", "bzip2 compressed data"},
	{"\xfd7zXZ\x00", "XZ compressed data"},
	{"7z\xbc\xaf\x27\x1c", "7-zip archive data"},
	{"Rar!\x1a\x07", "RAR archive data"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"},
	{"{\\rtf", "Rich Text Format data"},
	{"CWS", "Macromedia Flash data (compressed)"},
	{"FWS", "Macromedia Flash data"},
	{"\xca\xfe\xba\xbe", "compiled Java class data"},
	{"MSCF", "Microsoft Cabinet archive data"},
	{"ITSF", "MS Windows HtmlHelp Data"},
	{"L\x00\x00\x00\x01\x14\x02\x00", "MS Windows shortcut"},
	{"#!", "script, ASCII text executable"},
}

// magic names a file's kind by its beginning; what is not in the list is named
// by its MIME type.
func magic(data []byte) string {
	for _, m := range magics {
		rest, ok := bytes.CutPrefix(data, []byte(m.begin))
		if ok && m.begin == "%PDF-" {
			return m.name + string(rest[:min(3, len(rest))])
		}
		if ok {
			return m.name
		}
	}
	kind := http.DetectContentType(data)
	switch kind {
	case "text/html; charset=utf-8":
		return "HTML document, ASCII text"
	case "text/plain; charset=utf-8":
		return "ASCII text"
	case "application/octet-stream":
		return "data"
	}
	return kind
}
