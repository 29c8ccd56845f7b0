package http1

import (
	"bytes"
	"slices"
)

// longLine is how much of a request line without its end is taken for HTTP on
// the strength of its method alone: overlong lines are themselves worth a
// record.
const longLine = 1024

// methods are those of the IANA registry that are in use, and TRACK.
var methods = [][]byte{
	[]byte("GET"), []byte("POST"), []byte("HEAD"), []byte("PUT"), []byte("DELETE"), []byte("OPTIONS"),
	[]byte("PATCH"), []byte("CONNECT"), []byte("TRACE"), []byte("PROPFIND"), []byte("TRACK"),
}

// ProbeRequest reports whether the first bytes from a client are an HTTP/1
// request: yes, no, or more bytes are needed.
func ProbeRequest(b []byte) (yes, more bool) {
	b = bytes.TrimLeft(b, "\r\n")
	method, rest, ok := bytes.Cut(b, []byte{' '})
	if !ok {
		return false, len(b) == 0 || token(b)
	}
	if !token(method) {
		return false, false
	}
	i := bytes.IndexByte(rest, '\n')
	if i < 0 {
		if len(b) < longLine {
			return false, printable(rest)
		}
		return slices.ContainsFunc(methods, func(m []byte) bool { return bytes.Equal(m, method) }), false
	}
	line := bytes.TrimRight(rest[:i], "\r ")
	at := bytes.LastIndexByte(line, ' ')
	if at > 0 {
		return bytes.HasPrefix(line[at+1:], []byte("HTTP/1.")), false
	}
	// Without the version it takes a known method and a path; servers answer
	// that as well.
	return len(line) > 0 && line[0] == '/' && slices.ContainsFunc(methods, func(m []byte) bool { return bytes.Equal(m, method) }), false
}

// ProbeResponse is the same for the first bytes from a server.
func ProbeResponse(b []byte) (yes, more bool) {
	want := []byte("HTTP/1.")
	if len(b) < len(want) {
		return false, bytes.HasPrefix(want, b)
	}
	return bytes.HasPrefix(b, want), false
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
