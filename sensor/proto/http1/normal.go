package http1

import "bytes"

// NormalURI is the request target as rules see it: without scheme and host,
// with percent escapes decoded once.
func (tx *Tx) NormalURI() []byte {
	uri := tx.URI
	if i := bytes.Index(uri, []byte("://")); i > 0 && i < 8 {
		rest := uri[i+3:]
		slash := bytes.IndexByte(rest, '/')
		if slash < 0 {
			return []byte("/")
		}
		uri = rest[slash:]
	}
	if bytes.IndexByte(uri, '%') < 0 {
		return uri
	}
	out := make([]byte, 0, len(uri))
	for i := 0; i < len(uri); i++ {
		if uri[i] == '%' && i+2 < len(uri) {
			hi, lo := unhex(uri[i+1]), unhex(uri[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, uri[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Host is the host asked for, in lower case and without port, and the port
// when one was given. It comes from the target of a proxy request, else from
// the Host field.
func (tx *Tx) Host() (host, port []byte) {
	authority := tx.Request.Get("Host")
	if i := bytes.Index(tx.URI, []byte("://")); i > 0 && i < 8 {
		authority = tx.URI[i+3:]
		if slash := bytes.IndexByte(authority, '/'); slash >= 0 {
			authority = authority[:slash]
		}
	} else if string(tx.Method) == "CONNECT" {
		authority = tx.URI
	}
	return SplitHost(authority)
}

// SplitHost cuts an authority into its host, in small letters, and its port (RFC
// 9110 §7.2).
func SplitHost(authority []byte) (host, port []byte) {
	host = authority
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && bytes.IndexByte(authority[i:], ']') < 0 {
		host, port = authority[:i], authority[i+1:]
	}
	return bytes.ToLower(host), port
}
