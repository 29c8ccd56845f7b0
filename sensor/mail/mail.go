// Package mail reads a message in transfer (RFC 5322, MIME RFC 2045-2047) for
// what a security team asks of it: who, to whom, when, which attachments and
// which links.
//
// A message is kept to a limit and read when it ends. Not here: encrypted and
// signed parts, TNEF, message/partial.
package mail

import (
	"bytes"
	"crypto/md5"
	"io"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
)

const (
	// maxMessage is how much of a message is kept.
	maxMessage = 1 << 20
	// maxDepth bounds parts within parts.
	maxDepth = 8
	// maxParts, maxLinks and maxList bound what is listed.
	maxParts = 128
	maxLinks = 128
	maxList  = 128
	// maxValue bounds a header field in a record.
	maxValue = 4096
)

// Message is one message. It implements encode.Body.
type Message struct {
	// store keeps the attachments; it may be nil.
	store    *files.Store
	raw      []byte
	cut      bool
	complete bool
	gaps     bool
	read     bool

	headers     []header
	bodySum     [md5.Size]byte
	attachments [][]byte
	links       []string
	files       []*files.File
	parts       int
	longMark    bool
	longName    bool
}

type header struct{ name, value []byte }

// New returns an empty message.
func New(store *files.Store) *Message { return &Message{store: store} }

// Write adds a line.
func (m *Message) Write(b []byte) {
	room := maxMessage - len(m.raw)
	m.cut = m.cut || room < len(b)
	m.raw = m.store.Memory().Append(m.raw, b[:min(room, len(b))])
}

// Gap tells that bytes are missing.
func (m *Message) Gap(int) { m.gaps = true }

// End tells that the message came to its end.
func (m *Message) End() { m.complete = true }

// Close reads the message.
func (m *Message) Close() {
	if m.read {
		return
	}
	m.read = true
	head, body := split(m.raw)
	m.headers = fields(bytes.Clone(head))
	m.bodySum = md5.Sum(body)
	m.part(m.headers, body, 0, m.whole())
	m.store.Memory().Give(m.raw)
	m.raw = nil
}

func (m *Message) whole() bool { return m.complete && !m.cut && !m.gaps }

const (
	// longBoundary and longFileName are the longest that Suricata reads of them;
	// RFC 2046 §5.1.1 allows boundaries of 70 characters.
	longBoundary = 254
	longFileName = 255
)

// Troubles are the events of what is wrong with a message that has been read.
func (m *Message) Troubles() []string {
	var out []string
	if m.longMark {
		out = append(out, "mime_long_boundary")
	}
	if m.longName {
		out = append(out, "mime_long_filename")
	}
	return out
}

// Files are the attachments.
func (m *Message) Files() []*files.File { return m.files }

func (m *Message) get(name string) []byte { return get(m.headers, name) }

func get(list []header, name string) []byte {
	for i := range list {
		if strings.EqualFold(string(list[i].name), name) {
			return list[i].value
		}
	}
	return nil
}

// split cuts the header from the body.
func split(b []byte) (head, body []byte) {
	for _, blank := range []string{"\r\n", "\n"} {
		rest, ok := bytes.CutPrefix(b, []byte(blank))
		if ok {
			return nil, rest
		}
	}
	i, j := bytes.Index(b, []byte("\r\n\r\n")), bytes.Index(b, []byte("\n\n"))
	switch {
	case i >= 0 && (j < 0 || i < j):
		return b[:i+2], b[i+4:]
	case j >= 0:
		return b[:j+1], b[j+2:]
	}
	return b, nil
}

// fields reads header fields, folded lines joined (RFC 5322 §2.2.3). They lie in
// b where they are not folded.
func fields(b []byte) []header {
	var out []header
	for len(b) > 0 && len(out) < maxList {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			last := &out[len(out)-1]
			last.value = append(last.value, bytes.TrimLeft(line, "\t")...)
			continue
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if ok {
			out = append(out, header{bytes.TrimSpace(name), slices.Clip(bytes.TrimLeft(value, " \t"))})
		}
	}
	return out
}

// part reads one entity and those within it.
func (m *Message) part(h []header, body []byte, depth int, whole bool) {
	m.parts++
	if m.parts > maxParts {
		return
	}
	kind, params := mediaType(get(h, "Content-Type"))
	m.longMark = m.longMark || len(params["boundary"]) > longBoundary
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" && depth < maxDepth {
		m.multipart(params["boundary"], body, depth, whole)
		return
	}
	data := body
	switch string(bytes.ToLower(bytes.TrimSpace(get(h, "Content-Transfer-Encoding")))) {
	case "base64":
		memory := m.store.Memory()
		data = decodeBase64(memory.Take(decodedLen(body)), body)
		defer memory.Give(data)
	case "quoted-printable":
		// What can be read counts (RFC 2045 §6.7).
		data, _ = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	}
	if kind == "message/rfc822" && depth < maxDepth {
		head, inner := split(data)
		m.part(fields(head), inner, depth+1, whole)
		return
	}
	name := fileName(h, params)
	m.longName = m.longName || len(name) > longFileName
	if len(name) > 0 {
		f := m.store.New(name)
		f.Write(data)
		f.Gaps = f.Gaps || m.gaps
		f.Finish(whole)
		m.files = append(m.files, f)
		m.attachments = append(m.attachments, f.Name)
	}
	if kind == "" || strings.HasPrefix(kind, "text/") {
		m.link(data)
	}
}

func (m *Message) multipart(boundary string, body []byte, depth int, whole bool) {
	mark := []byte("--" + boundary)
	_, rest, ok := cutBoundary(body, mark)
	for ok && !bytes.HasPrefix(rest, []byte("--")) && m.parts < maxParts {
		_, rest, _ = bytes.Cut(rest, []byte{'\n'})
		var one []byte
		one, rest, ok = cutBoundary(rest, mark)
		head, inner := split(one)
		m.part(fields(head), inner, depth+1, whole && ok)
	}
}

// cutBoundary cuts at a boundary that begins a line; the line's end before it
// belongs to the boundary (RFC 2046 §5.1.1).
func cutBoundary(b, mark []byte) (before, after []byte, ok bool) {
	for at := 0; ; {
		i := bytes.Index(b[at:], mark)
		if i < 0 {
			return b, nil, false
		}
		i += at
		if i == 0 || b[i-1] == '\n' {
			before = bytes.TrimSuffix(b[:i], []byte{'\n'})
			return bytes.TrimSuffix(before, []byte{'\r'}), b[i+len(mark):], true
		}
		at = i + len(mark)
	}
}

// mediaType reads a content type as leniently as mail programs do.
func mediaType(v []byte) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(string(v))
	if err == nil {
		return kind, params
	}
	kind, rest, _ := strings.Cut(string(v), ";")
	params = map[string]string{}
	for part := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(part, "=")
		if ok {
			params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return strings.ToLower(strings.TrimSpace(kind)), params
}

func fileName(h []header, params map[string]string) []byte {
	_, disposition := mediaType(get(h, "Content-Disposition"))
	for _, name := range []string{disposition["filename"], params["name"]} {
		if name != "" {
			return []byte(name)
		}
	}
	return nil
}

// Encode writes the email object.
func (m *Message) Encode(e *encode.Encoder) {
	e.Open("email")
	status := "PARSE_DONE"
	if !m.complete {
		status = "BODY_STARTED"
	}
	e.String("status", status)
	e.Text("from", limited(m.get("From")))
	e.Strings("to", addresses(m.get("To")))
	e.Strings("cc", addresses(m.get("Cc")))
	e.Text("subject", limited(m.get("Subject")))
	e.Text("date", limited(m.get("Date")))
	e.Text("message_id", limited(m.get("Message-Id")))
	e.Text("x_mailer", limited(m.get("X-Mailer")))
	e.Strings("received", m.all("Received"))
	e.Texts("attachment", m.attachments)
	e.Strings("url", m.links)
	if m.whole() {
		e.Hex("body_md5", m.bodySum[:])
	}
	if s := m.get("Subject"); s != nil {
		sum := md5.Sum(s)
		e.Hex("subject_md5", sum[:])
	}
	e.Close()
}

func limited(v []byte) []byte { return v[:min(len(v), maxValue)] }

func (m *Message) all(name string) []string {
	var out []string
	for i := range m.headers {
		if strings.EqualFold(string(m.headers[i].name), name) {
			out = append(out, string(limited(m.headers[i].value)))
		}
	}
	return out
}

// addresses splits a list at its commas outside quotes and brackets.
func addresses(v []byte) []string {
	var out []string
	quoted, from := false, 0
	add := func(part []byte) {
		part = bytes.TrimSpace(part)
		if len(part) > 0 && len(out) < maxList {
			out = append(out, string(limited(part)))
		}
	}
	for i, c := range v {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			add(v[from:i])
			from = i + 1
		}
	}
	add(v[min(from, len(v)):])
	return out
}
