package http1

import (
	"bytes"
	"mime"
	"strings"

	"github.com/antin-gov/antin/sensor/files"
)

const (
	// maxEncoded is how much of a body with a content coding is kept to be
	// decoded as a file when it ends.
	maxEncoded = 1 << 20
	// maxParts bounds the files of one multipart form.
	maxParts = 64
)

// fileStart opens the file that a body is, when its head is read: what a
// server sends, and what a client uploads.
func (c *Conn) fileStart(dir int) {
	p := &c.side[dir]
	tx, m := p.tx, p.message
	if dir == 0 && (len(boundary(m)) > 0 || string(tx.Method) != "POST" && string(tx.Method) != "PUT") {
		return
	}
	name := tx.fileName(m)
	f := c.h.FileStore().New(name)
	m.file, m.joining = f, nil
	if v := m.Get("Content-Range"); v != nil {
		r, ok, valid := ContentRange(v)
		f.Start, f.End, f.Ranged = r.Start, r.End, ok
		if !valid {
			c.odd(dir, tx, OddRange)
		}
	}
	if dir == 1 && tx.Status == StatusPartial {
		m.joining = Join(m.Get, f, func(r files.Range) *files.Part {
			host, _ := tx.Host()
			return c.h.Join(host, tx.URI, name, r)
		})
	}
	c.oddFile(dir, tx, name)
	m.coded = len(m.codings()) > 0
}

// fileName is the name a server gives (RFC 6266), else the path of the
// target.
func (tx *Tx) fileName(m *Message) []byte {
	name := dispositionName(m.Get("Content-Disposition"), "filename")
	if len(name) > 0 {
		return name
	}
	path, _, _ := bytes.Cut(tx.NormalURI(), []byte{'?'})
	return path
}

// lowered is v with small letters. bytes.ToLower makes what is no UTF-8 longer, and
// the places of one are then not those of the other.
func lowered(v []byte) []byte {
	out := make([]byte, len(v))
	for i, c := range v {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return out
}

// dispositionName finds a parameter of Content-Disposition, as leniently as
// servers and browsers write it.
func dispositionName(v []byte, key string) []byte {
	lower := lowered(v)
	for at := 0; at < len(v); {
		i := bytes.Index(lower[at:], []byte(key))
		if i < 0 {
			return nil
		}
		start := at + i
		at = start + len(key)
		if start > 0 && lower[start-1] != ' ' && lower[start-1] != ';' && lower[start-1] != '\t' {
			continue
		}
		rest := bytes.TrimLeft(v[at:], " \t")
		if len(rest) == 0 || rest[0] != '=' {
			continue
		}
		rest = bytes.TrimLeft(rest[1:], " \t")
		if len(rest) > 0 && rest[0] == '"' {
			rest, _, _ = bytes.Cut(rest[1:], []byte{'"'})
			return rest
		}
		rest, _, _ = bytes.Cut(rest, []byte{';'})
		return bytes.TrimSpace(rest)
	}
	return nil
}

// fileData gives the file its bytes as they come. It returns what is kept of the
// file when that is the body so far, which then need not be kept twice.
func (m *Message) fileData(b []byte) []byte {
	f := m.file
	switch {
	case f == nil:
		return nil
	case m.coded:
		same := len(m.encoded) == m.kept
		room := maxEncoded - len(m.encoded)
		m.encoded = append(m.encoded, b[:min(max(room, 0), len(b))]...)
		return m.body(m.encoded, same)
	}
	same := len(f.Data) == m.kept && !f.Gaps
	f.Write(b)
	m.joining.Write(b)
	return m.body(f.Data, same)
}

func (m *Message) body(all []byte, same bool) []byte {
	if !same || len(all) == 0 {
		return nil
	}
	return all
}

func (m *Message) fileGap(n int) {
	if m.file != nil {
		m.file.Gap(n)
		m.joining.Gap(n)
	}
}

// fileEnd closes the message's files and tells them.
func (c *Conn) fileEnd(dir int, tx *Tx, m *Message, complete bool) {
	if dir == 0 && m.file == nil && len(m.Body) > 0 && !m.formTold {
		m.formTold = true
		c.formFiles(tx, m, complete)
	}
	f, joining := m.file, m.joining
	m.file, m.joining = nil, nil
	if f == nil {
		return
	}
	if m.coded {
		whole := len(m.encoded) < maxEncoded
		f.Write(m.decode(m.encoded, maxDecoded))
		c.oddBody(dir, tx, m)
		complete = complete && whole
		m.encoded = nil
	}
	if f.Size == 0 {
		return
	}
	f.Finish(complete)
	whole := joining.Close(f)
	c.h.File(tx, dir, f)
	for _, w := range whole {
		c.h.File(tx, dir, w)
	}
}

func boundary(m *Message) string { return boundaryOf(m.Get("Content-Type"), "multipart/") }

// boundaryOf is what separates the parts of a media type that begins so.
func boundaryOf(v []byte, begin string) string {
	kind, params, err := mime.ParseMediaType(string(v))
	if err != nil || !strings.HasPrefix(kind, begin) {
		return ""
	}
	return params["boundary"]
}

// formFiles tells the files of a form (RFC 7578) as far as it was kept.
func (c *Conn) formFiles(tx *Tx, m *Message, complete bool) {
	mark := boundary(m)
	if mark == "" {
		return
	}
	delimiter := []byte("--" + mark)
	_, rest, ok := bytes.Cut(m.Body, delimiter)
	if !ok && complete {
		c.odd(0, tx, OddForm)
	}
	for n := 0; ok && n < maxParts && !bytes.HasPrefix(rest, []byte("--")); n++ {
		var part []byte
		part, rest, ok = bytes.Cut(rest, delimiter)
		c.formFile(tx, part, complete && ok)
		if !ok && complete && uint64(len(m.Body)) == m.Length {
			c.odd(0, tx, OddForm)
		}
	}
}

func (c *Conn) formFile(tx *Tx, part []byte, complete bool) {
	head, body, ok := bytes.Cut(part, []byte("\r\n\r\n"))
	var h Message
	h.Headers = fields(bytes.TrimLeft(head, "\r\n"), false)
	if complete {
		c.oddPart(tx, &h, ok, bytes.TrimSuffix(body, []byte("\r\n")))
	}
	if !ok {
		return
	}
	name := dispositionName(h.Get("Content-Disposition"), "filename")
	if len(name) == 0 {
		return
	}
	f := c.h.FileStore().New(name)
	f.Write(bytes.TrimSuffix(body, []byte("\r\n")))
	f.Finish(complete)
	c.h.File(tx, 0, f)
}
