package sensor

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

const (
	// longField is libhtp's default limit of a header line.
	longField = 18000
	// manyEncodings is how many content encodings may be laid over another.
	manyEncodings = 2
)

// httpEvents appends what is odd about one half of a transaction, by the names
// of Suricata's app-layer-event.
func httpEvents(out []string, tx *http1.Tx, dir flow.Direction, port uint16) []string {
	if dir == flow.ToServer {
		out = headerEvents(out, &tx.Request, "request")
		out = lineEvents(out, tx)
		return hostEvents(out, tx, port)
	}
	if !tx.Request.Seen {
		out = append(out, "http.unable_to_match_response_to_request")
	}
	m := &tx.Response
	out = headerEvents(out, m, "response")
	if !bytes.HasPrefix(m.Protocol, []byte("HTTP/1.")) {
		out = append(out, "http.response_invalid_protocol")
	}
	if tx.Status < 100 || tx.Status > 999 {
		out = append(out, "http.response_invalid_status")
	}
	coding := m.Get("Transfer-Encoding")
	switch {
	case coding == nil:
	case !bytes.EqualFold(coding, []byte("chunked")):
		out = append(out, "http.response_abnormal_transfer_encoding")
	case bytes.Equal(m.Protocol, []byte("HTTP/1.0")):
		out = append(out, "http.response_chunked_old_proto")
	}
	encoding := m.Get("Content-Encoding")
	if encoding != nil {
		parts := bytes.Split(encoding, []byte(","))
		if len(parts) > manyEncodings {
			out = append(out, "http.too_many_encoding_layers")
		}
		for _, p := range parts {
			if !knownEncoding(bytes.TrimSpace(p)) {
				out = append(out, "http.abnormal_ce_header")
				break
			}
		}
	}
	return out
}

// Odd implements http1.Handler.
func (c *conversation) Odd(tx *http1.Tx, dir int, o http1.Oddity) {
	name := strings.ReplaceAll(httpOddities[o], "SIDE", [...]string{"request", "response"}[dir])
	c.httpEvent(tx, flow.Direction(dir), name)
	if o == http1.OddBomb {
		c.httpEvent(tx, flow.Direction(dir), "http.compression_bomb_limit_reached")
	}
}

// httpEvent tells an event with its transaction: rules see it with the
// transaction's half, now or when that is complete.
func (c *conversation) httpEvent(tx *http1.Tx, dir flow.Direction, name string) {
	switch {
	case tx == nil:
		c.appEvent(dir, name)
	case !tx.Told(int(dir)):
		c.anomaly(dir, tx.ID, true, name)
		c.http.odd[dir] = append(c.http.odd[dir], name)
	default:
		c.anomaly(dir, tx.ID, true, name)
		if c.w.wants.App {
			c.inspectHTTPWith(dir, tx, nil, []string{name}, true)
		}
	}
}

// httpOddities are the events of what the parser noticed.
var httpOddities = [...]string{
	http1.OddUnknown: "http.unknown_error", http1.OddChunk: "http.invalid_SIDE_chunk_len",
	http1.OddChunkExtension: "http.SIDE_chunk_extension", http1.OddContinue: "http.100_continue_already_seen",
	http1.OddLine: "http.request_line_incomplete", http1.OddBody: "http.SIDE_body_unexpected",
	http1.OddDecompression: "http.gzip_decompression_failed", http1.OddBomb: "http.compression_bomb",
	http1.OddWindow: "http.lzma_memlimit_reached", http1.OddRange: "http.range_invalid",
	http1.OddFileName: "http.file_name_too_long", http1.OddUpgrade: "http.failed_protocol_change",
	http1.OddForm: "http.multipart_generic_error", http1.OddFormHeader: "http.multipart_invalid_header",
	http1.OddFormData: "http.multipart_no_filedata",
}

// manyWarnings is how many events of one connection are too many.
const manyWarnings = 512

// countWarnings adds the event of too many events, once in a connection.
func (c *conversation) countWarnings(out []string) []string {
	before := c.http.warnings
	c.http.warnings += len(out)
	if before <= manyWarnings && c.http.warnings > manyWarnings {
		out = append(out, "http.too_many_warnings")
	}
	return out
}

func knownEncoding(name []byte) bool {
	for _, known := range [...]string{"gzip", "x-gzip", "deflate", "x-deflate", "br", "zstd", "lzma", "identity", "none", "inflate"} {
		if bytes.EqualFold(name, []byte(known)) {
			return true
		}
	}
	return false
}

// headerEvents judges the header fields (RFC 9112 §5, RFC 9110 §8.6).
func headerEvents(out []string, m *http1.Message, side string) []string {
	lengths, repeated := 0, false
	for i := range m.Headers {
		h := &m.Headers[i]
		if bytes.EqualFold(h.Name, []byte("Content-Length")) {
			lengths++
			_, err := strconv.ParseUint(string(h.Value), 10, 63)
			if err != nil {
				out = append(out, "http.invalid_content_length_field_in_"+side)
			}
		}
		if len(h.Name)+len(h.Value) > longField {
			out = append(out, "http."+side+"_field_too_long")
		}
		for j := range i {
			repeated = repeated || !isCookie(h.Name) && bytes.EqualFold(m.Headers[j].Name, h.Name)
		}
	}
	if m.TooManyHeaders() {
		out = append(out, "http."+side+"_too_many_headers")
	}
	if lengths > 1 {
		out = append(out, "http.duplicate_content_length_field_in_"+side)
	}
	if repeated {
		out = append(out, "http."+side+"_header_repetition")
	}
	coding := m.Get("Transfer-Encoding")
	if coding != nil && !bytes.EqualFold(coding, []byte("chunked")) {
		out = append(out, "http.invalid_transfer_encoding_value_in_"+side)
	}
	return headEvents(out, m, side)
}

// headEvents judges the lines as they were sent.
func headEvents(out []string, m *http1.Message, side string) []string {
	first, folded, bare, invalid := true, false, false, false
	for line := range bytes.Lines(m.Head) {
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			first = false
		case len(line) == 0:
		case line[0] == ' ' || line[0] == '\t':
			folded = true
		default:
			at := bytes.IndexByte(line, ':')
			bare = bare || at < 0
			invalid = invalid || at >= 0 && !fieldName(line[:at])
		}
	}
	if invalid {
		out = append(out, "http."+side+"_header_invalid")
	}
	if folded {
		out = append(out, "http.invalid_"+side+"_field_folding")
	}
	if bare {
		out = append(out, "http."+side+"_field_missing_colon")
	}
	return out
}

// fieldName reports whether b is a field's name (RFC 9110 §5.1): a token, with
// nothing between it and the colon.
func fieldName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// lineEvents judges the request line (RFC 9112 §3).
func lineEvents(out []string, tx *http1.Tx) []string {
	line := tx.Request.Line
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		out = append(out, "http.request_line_leading_whitespace")
	}
	if len(tx.Request.Protocol) == 0 {
		out = append(out, "http.request_line_missing_protocol")
	} else if !bytes.HasPrefix(tx.Request.Protocol, []byte("HTTP/")) {
		out = append(out, "http.request_line_invalid")
	}
	rest, ok := bytes.CutPrefix(line, tx.Method)
	if ok && len(rest) > 1 && (rest[0] != ' ' || rest[1] == ' ' || rest[1] == '\t') {
		out = append(out, "http.method_delim_non_compliant")
	}
	at := bytes.LastIndex(line, tx.Request.Protocol)
	if len(tx.Request.Protocol) > 0 && at > 0 && (line[at-1] != ' ' || at > 1 && (line[at-2] == ' ' || line[at-2] == '\t')) {
		out = append(out, "http.uri_delim_non_compliant")
	}
	if doubleEncoded(tx.URI) {
		out = append(out, "http.double_encoded_uri")
	}
	auth := tx.Request.Get("Authorization")
	if auth != nil && !knownScheme(auth) {
		out = append(out, "http.request_auth_unrecognized")
	}
	return out
}

func knownScheme(value []byte) bool {
	for _, known := range [...]string{"Basic", "Digest", "Bearer"} {
		if len(value) >= len(known) && bytes.EqualFold(value[:len(known)], []byte(known)) {
			return true
		}
	}
	return false
}

// doubleEncoded finds an escaped percent sign before two hexadecimal digits.
func doubleEncoded(uri []byte) bool {
	for {
		at := bytes.Index(uri, []byte("%25"))
		if at < 0 {
			return false
		}
		uri = uri[at+3:]
		if len(uri) >= 2 && isHex(uri[0]) && isHex(uri[1]) {
			return true
		}
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// hostEvents judges whom the request is for (RFC 9112 §3.2).
func hostEvents(out []string, tx *http1.Tx, port uint16) []string {
	m := &tx.Request
	host := m.Get("Host")
	if host == nil {
		if bytes.Equal(m.Protocol, []byte("HTTP/1.1")) {
			out = append(out, "http.missing_host_header")
		}
	} else if !validHost(host) {
		out = append(out, "http.request_header_host_invalid")
	}
	if bytes.Equal(tx.Method, []byte("CONNECT")) && !validAuthority(tx.URI) {
		out = append(out, "http.invalid_authority_port")
	}
	_, rest, ok := bytes.Cut(tx.URI, []byte("://"))
	if !ok || bytes.HasPrefix(tx.URI, []byte("/")) {
		return portEvents(out, host, port)
	}
	authority := rest
	end := bytes.IndexAny(rest, "/?#")
	if end >= 0 {
		authority = rest[:end]
	}
	if !validHost(authority) {
		out = append(out, "http.request_uri_host_invalid")
	}
	if host != nil && !bytes.EqualFold(hostOnly(host), hostOnly(authority)) {
		out = append(out, "http.host_header_ambiguous")
	}
	return portEvents(out, authority, port)
}

// validAuthority reports whether b is a host and a port (RFC 9112 §3.2.3).
func validAuthority(b []byte) bool {
	at := bytes.LastIndexByte(b, ':')
	if at < 0 {
		return false
	}
	n, err := strconv.ParseUint(string(b[at+1:]), 10, 16)
	return err == nil && n > 0
}

func portEvents(out []string, host []byte, port uint16) []string {
	at := bytes.LastIndexByte(host, ':')
	if at < 0 || bytes.HasSuffix(host, []byte("]")) {
		return out
	}
	n, err := strconv.ParseUint(string(host[at+1:]), 10, 16)
	switch {
	case err != nil:
		out = append(out, "http.invalid_server_port_in_request")
	case uint16(n) != port:
		out = append(out, "http.request_server_port_tcp_port_mismatch")
	}
	return out
}

func hostOnly(host []byte) []byte {
	at := bytes.LastIndexByte(host, ':')
	if at >= 0 && !bytes.HasSuffix(host, []byte("]")) {
		return host[:at]
	}
	return host
}

// validHost allows what a registered name or an address may hold (RFC 3986
// §3.2.2).
func validHost(host []byte) bool {
	if len(host) == 0 {
		return false
	}
	for _, c := range host {
		ok := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || bytes.IndexByte([]byte("-._~:[]%"), c) >= 0 || c >= 0x80
		if !ok {
			return false
		}
	}
	return true
}
