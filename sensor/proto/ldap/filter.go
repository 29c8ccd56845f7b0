package ldap

const (
	// maxDepth bounds filters in filters, maxFilter the text of one.
	maxDepth  = 16
	maxFilter = 1 << 10
)

// filterTypes are the choices of a filter by their tag's number (RFC 4511
// §4.5.1.7).
var filterTypes = [...]string{
	"and", "or", "not", "equality_match", "substrings", "greater_or_equal", "less_or_equal", "present", "approx_match",
	"extensible_match",
}

// Choices of a filter.
const (
	filterNot        = 2
	filterSubstrings = 4
	filterPresent    = 7
	filterExtensible = 9
)

// readFilter reads the filter of a search: its kind, and its text as RFC 4515
// writes it; of a mere test for an attribute the attribute.
func (m *message) readFilter(r *reader) {
	tag, body := r.next()
	n := int(tag & numberMask)
	if tag&^(constructed|numberMask) != classContext || n >= len(filterTypes) {
		r.bad = true
		return
	}
	m.filterType = filterTypes[n]
	if n == filterPresent {
		m.filter = m.keep(body)
		return
	}
	m.filter = m.keep(appendFilter(nil, n, body, maxDepth))
}

// appendFilter appends a filter in parentheses. What cannot be read, is too
// deep or too long ends in "...".
func appendFilter(out []byte, n int, body []byte, depth int) []byte {
	if depth == 0 || len(out) > maxFilter || n >= len(filterTypes) {
		return append(out, "..."...)
	}
	out = append(out, '(')
	in := reader{b: body}
	switch {
	case n <= filterNot:
		out = append(out, "&|!"[n])
		for !in.empty() && len(out) <= maxFilter {
			tag, inner := in.next()
			if !in.bad {
				out = appendFilter(out, int(tag&numberMask), inner, depth-1)
			}
		}
	case n == filterSubstrings:
		out = append(appendValue(out, in.take(tagOctets)), '=')
		out = appendSubstrings(out, in.inside(tagSequence))
	case n == filterPresent:
		out = append(appendValue(out, body), "=*"...)
	case n == filterExtensible:
		out = appendExtensible(out, &in)
	default:
		out = appendValue(out, in.take(tagOctets))
		out = append(out, [...]string{3: "=", 5: ">=", 6: "<=", 8: "~="}[n]...)
		out = appendValue(out, in.take(tagOctets))
	}
	return append(out, ')')
}

// appendSubstrings appends "begin*middle*end", of which each may be missing.
func appendSubstrings(out []byte, list reader) []byte {
	const initial, final = 0, 2
	ended := false
	for i := 0; !list.empty() && len(out) <= maxFilter; i++ {
		tag, part := list.next()
		kind := tag & numberMask
		if i > 0 || kind != initial {
			out = append(out, '*')
		}
		out = appendValue(out, part)
		ended = kind == final
	}
	if !ended {
		out = append(out, '*')
	}
	return out
}

// appendExtensible appends "attribute:dn:rule:=value" (RFC 4511 §4.5.1.7.7).
func appendExtensible(out []byte, in *reader) []byte {
	rule, hasRule := in.optional(classContext | 1)
	kind, _ := in.optional(classContext | 2)
	value, _ := in.optional(classContext | 3)
	dn, _ := in.optional(classContext | 4)
	out = appendValue(out, kind)
	if len(dn) == 1 && dn[0] != 0 {
		out = append(out, ":dn"...)
	}
	if hasRule {
		out = appendValue(append(out, ':'), rule)
	}
	return appendValue(append(out, ":="...), value)
}

// appendValue appends a value, escaped (RFC 4515 §3).
func appendValue(out, v []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range v[:min(len(v), maxFilter)] {
		if c < ' ' || c == 0x7f || c == '*' || c == '(' || c == ')' || c == '\\' {
			out = append(out, '\\', digits[c>>4], digits[c&15])
			continue
		}
		out = append(out, c)
	}
	return out
}
