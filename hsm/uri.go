package hsm

import (
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// Schemes of token URIs.
const (
	schemePKCS11 = "pkcs11"
	schemeVault  = "vault"
)

// maxURI bounds a token URI.
const maxURI = 4 << 10

// URI names a token, and with an object a key in it, by RFC 7512:
//
//	pkcs11:token=ca;serial=0123?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/antin/pin
//
// The scheme "vault" has the same form (its attributes are the backend's own).
// A URI holds no secret: pin-value is refused.
type URI struct {
	Scheme string
	// Path are the attributes before "?": token, serial, model, manufacturer,
	// object, id and the like (RFC 7512 §2.3).
	Path map[string]string
	// Query are those after it: module-path, pin-source (RFC 7512 §2.4) and our
	// own, such as sessions.
	Query map[string]string
}

// ParseURI reads a token URI.
func ParseURI(text string) (URI, error) {
	if len(text) > maxURI {
		return URI{}, fmt.Errorf("%w: token URI of %d bytes", ErrBadRequest, len(text))
	}
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || (scheme != schemePKCS11 && scheme != schemeVault) {
		return URI{}, fmt.Errorf("%w: token URI %q does not begin with %q or %q", ErrBadRequest, text, schemePKCS11+":", schemeVault+":")
	}
	path, query, _ := strings.Cut(rest, "?")
	u := URI{Scheme: scheme}
	var err error
	u.Path, err = uriAttributes(path, ";")
	if err != nil {
		return URI{}, fmt.Errorf("token URI %q: %w", text, err)
	}
	u.Query, err = uriAttributes(query, "&")
	if err != nil {
		return URI{}, fmt.Errorf("token URI %q: %w", text, err)
	}
	if _, ok := u.Query["pin-value"]; ok {
		// RFC 7512 §5 warns of it; a URI stands in files and in listings.
		return URI{}, fmt.Errorf("%w: a token URI must not hold the PIN; name its file with pin-source=file:PATH", ErrBadRequest)
	}
	return u, nil
}

// uriAttributes reads name=value pairs; a name may stand once (RFC 7512 §2.3).
func uriAttributes(text, separator string) (map[string]string, error) {
	out := map[string]string{}
	if text == "" {
		return out, nil
	}
	for pair := range strings.SplitSeq(text, separator) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || strings.ContainsAny(name, "%/?#") {
			return nil, fmt.Errorf("%w: %q is not NAME=VALUE", ErrBadRequest, pair)
		}
		plain, err := url.PathUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("%w: value of %s", ErrBadRequest, name)
		}
		if strings.ContainsRune(plain, 0) {
			return nil, fmt.Errorf("%w: NUL in the value of %s", ErrBadRequest, name)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%w: %s stands twice", ErrBadRequest, name)
		}
		out[name] = plain
	}
	return out, nil
}

// String writes the URI with its attributes in order of their names.
func (u URI) String() string {
	var b strings.Builder
	b.WriteString(u.Scheme)
	b.WriteByte(':')
	writeAttributes(&b, u.Path, ";")
	if len(u.Query) > 0 {
		b.WriteByte('?')
		writeAttributes(&b, u.Query, "&")
	}
	return b.String()
}

func writeAttributes(b *strings.Builder, attributes map[string]string, separator string) {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(name)
		b.WriteByte('=')
		writeEscaped(b, attributes[name])
	}
}

// writeEscaped writes a value; what stands unescaped is allowed in path and
// query alike (RFC 7512 §2.3: pk11-res-avail without "&", and "/" for files).
func writeEscaped(b *strings.Builder, value string) {
	for _, c := range []byte(value) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~:[]@!$'()*+,=/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}

// name is how people call the token: its label.
func (u URI) name() string { return u.Path["token"] }

// number reads a whole number of the query; fallback when it is absent.
func (u URI) number(name string, fallback, least, most int) (int, error) {
	text, ok := u.Query[name]
	if !ok {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%w: %s=%q of a token URI is not a number from %d to %d", ErrBadRequest, name, text, least, most)
	}
	return n, nil
}
