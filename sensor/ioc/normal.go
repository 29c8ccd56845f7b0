package ioc

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Narrowest networks that are taken: wider ones are mistakes in a list.
const (
	minBits4 = 8
	minBits6 = 16
)

// entry is an indicator in the form of the file: the kind and the key that is
// compared.
type entry struct {
	kind       Kind
	subdomains bool
	key        []byte
}

// digestSize is the length of the kinds that are digests in hexadecimal.
func digestSize(k Kind) int {
	switch k {
	case KindMD5, KindJA3, KindJA3S:
		return 16
	case KindSHA1:
		return 20
	case KindSHA256:
		return 32
	}
	return 0
}

// canonical reads the text of an indicator. A leading "*." or "." of a domain
// takes in what is under it.
func canonical(kind Kind, text string, private bool) (entry, error) {
	text = refang(strings.TrimSpace(text))
	if text == "" || len(text) > MaxValue {
		return entry{}, fmt.Errorf("%w: %d bytes", ErrValue, len(text))
	}
	switch kind {
	case KindAddress, KindNetwork:
		return network(text, private)
	case KindDomain:
		return domain(text)
	case KindURL:
		return address(text)
	case KindJA4:
		return fingerprint(text)
	}
	size := digestSize(kind)
	if size == 0 {
		return entry{}, fmt.Errorf("%w: kind %d", ErrValue, kind)
	}
	if len(text) != hex.EncodedLen(size) {
		return entry{}, fmt.Errorf("%w: %s has %d digits, not %d", ErrValue, kind, hex.EncodedLen(size), len(text))
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		return entry{}, fmt.Errorf("%w: %s: not hexadecimal", ErrValue, kind)
	}
	return entry{kind: kind, key: key}, nil
}

// refang undoes what lists do to keep readers from clicking.
func refang(s string) string {
	if !strings.ContainsAny(s, "[(") && !strings.HasPrefix(strings.ToLower(s), "hxx") {
		return s
	}
	s = strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "[dot]", ".", "[://]", "://").Replace(s)
	lower := strings.ToLower(s)
	if strings.HasPrefix(lower, "hxxp") {
		s = "http" + s[len("hxxp"):]
	}
	return s
}

// network reads an address or a network. A network of one address is an
// address.
func network(text string, private bool) (entry, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return entry{}, fmt.Errorf("%w: neither address nor network", ErrValue)
		}
		addr = addr.WithZone("").Unmap()
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	addr := prefix.Addr()
	if addr.Is4In6() {
		if prefix.Bits() < 96 {
			return entry{}, ErrBroad
		}
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	prefix = prefix.Masked()
	addr = prefix.Addr()
	narrowest := minBits6
	if addr.Is4() {
		narrowest = minBits4
	}
	if prefix.Bits() < narrowest {
		return entry{}, fmt.Errorf("%w: /%d", ErrBroad, prefix.Bits())
	}
	if addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return entry{}, fmt.Errorf("%w: loopback, link-local, multicast or no address", ErrBroad)
	}
	if addr.IsPrivate() && !private {
		return entry{}, fmt.Errorf("%w: a private address means another machine in every network", ErrBroad)
	}
	if prefix.Bits() == addr.BitLen() {
		return entry{kind: KindAddress, key: addr.AsSlice()}, nil
	}
	return entry{kind: KindNetwork, key: append(addr.AsSlice(), byte(prefix.Bits()))}, nil
}

// domain reads a name (RFC 1035 §2.3.1, with the underscore that is in use).
func domain(text string) (entry, error) {
	e := entry{kind: KindDomain}
	text = strings.ToLower(strings.TrimSuffix(text, "."))
	for _, all := range []string{"*.", "."} {
		rest, ok := strings.CutPrefix(text, all)
		if ok {
			text, e.subdomains = rest, true
			break
		}
	}
	if len(text) > maxName {
		return entry{}, fmt.Errorf("%w: name of %d bytes", ErrValue, len(text))
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 {
			return entry{}, fmt.Errorf("%w: not a domain name", ErrValue)
		}
		for _, c := range []byte(label) {
			if !nameByte(c) {
				return entry{}, fmt.Errorf("%w: not a domain name", ErrValue)
			}
		}
	}
	if !strings.Contains(text, ".") {
		return entry{}, fmt.Errorf("%w: a name of one label", ErrBroad)
	}
	_, err := netip.ParseAddr(text)
	if err == nil {
		return entry{}, fmt.Errorf("%w: an address, not a name", ErrValue)
	}
	suffix, listed := publicsuffix.PublicSuffix(text)
	if e.subdomains && listed && suffix == text {
		return entry{}, fmt.Errorf("%w: everybody's names end in it", ErrBroad)
	}
	e.key = []byte(text)
	return e, nil
}

// maxName is RFC 1035 §2.3.4.
const maxName = 255

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// address reads a URL into the form of appendURL.
func address(text string) (entry, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return entry{}, fmt.Errorf("%w: a URL has a scheme", ErrValue)
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return entry{}, fmt.Errorf("%w: URLs of scheme %.20q are not seen on the wire", ErrValue, scheme)
	}
	host, path := rest, ""
	at := strings.IndexAny(rest, "/?#")
	if at >= 0 {
		host, path = rest[:at], rest[at:]
	}
	user := strings.LastIndexByte(host, '@')
	host = host[user+1:]
	if host == "" {
		return entry{}, fmt.Errorf("%w: a URL without a host", ErrValue)
	}
	for _, c := range []byte(host + path) {
		if c <= ' ' || c == 0x7f {
			return entry{}, fmt.Errorf("%w: a URL with blanks", ErrValue)
		}
	}
	return entry{kind: KindURL, key: appendURL(nil, []byte(host), []byte(path))}, nil
}

// appendURL appends the form in which URLs are compared: the host in lower
// case without a usual port, then path and query, without scheme and fragment.
func appendURL(b, host, path []byte) []byte {
	for _, port := range [...]string{":80", ":443"} {
		if len(host) > len(port) && string(host[len(host)-len(port):]) == port {
			host = host[:len(host)-len(port)]
			break
		}
	}
	b = appendLower(b, host)
	if len(path) == 0 || path[0] != '/' {
		b = append(b, '/')
	}
	for _, c := range path {
		if c == '#' {
			break
		}
		b = append(b, c)
	}
	return b
}

func appendLower(b, s []byte) []byte {
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// fingerprint reads a JA4 (technical_details/JA4.md): a_b_c.
func fingerprint(text string) (entry, error) {
	text = strings.ToLower(text)
	parts := strings.Split(text, "_")
	if len(parts) != 3 || len(parts[0]) != 10 || len(parts[1]) != 12 || len(parts[2]) != 12 {
		return entry{}, fmt.Errorf("%w: JA4 is 10, 12 and 12 characters joined by underscores", ErrValue)
	}
	for _, c := range []byte(parts[0] + parts[1] + parts[2]) {
		if !nameByte(c) {
			return entry{}, fmt.Errorf("%w: JA4 of other characters", ErrValue)
		}
	}
	return entry{kind: KindJA4, key: []byte(text)}, nil
}

// text is the canonical text of an entry.
func (e entry) text() string {
	switch e.kind {
	case KindAddress:
		addr, _ := netip.AddrFromSlice(e.key)
		return addr.String()
	case KindNetwork:
		last := len(e.key) - 1
		if last < 0 {
			return ""
		}
		addr, _ := netip.AddrFromSlice(e.key[:last])
		return netip.PrefixFrom(addr, int(e.key[last])).String()
	case KindURL:
		return "http://" + string(e.key)
	case KindDomain, KindJA4:
		return string(e.key)
	}
	return hex.EncodeToString(e.key)
}

// guess tells the kind of a value that came without one.
func guess(text string) (Kind, bool) {
	text = refang(strings.TrimSpace(text))
	switch {
	case strings.Contains(text, "://"):
		return KindURL, true
	case strings.Count(text, "_") == 2 && len(text) == 36:
		return KindJA4, true
	}
	_, err := network(text, true)
	if err == nil {
		return KindAddress, true
	}
	_, err = hex.DecodeString(text)
	if err == nil {
		switch len(text) {
		case 32:
			return KindMD5, true
		case 40:
			return KindSHA1, true
		case 64:
			return KindSHA256, true
		}
	}
	_, err = domain(text)
	if err == nil {
		return KindDomain, true
	}
	return 0, false
}
