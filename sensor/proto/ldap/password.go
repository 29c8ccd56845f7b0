package ldap

// ClearPassword names how the message at the front of b, a client's, shows a
// password to whoever listens: by a simple bind or by SASL PLAIN (RFC 4513
// §5.1, §5.2). It is empty when there is none; an anonymous bind has none.
func ClearPassword(b []byte) string {
	outer := reader{b: b}
	r := outer.inside(tagSequence)
	_, op := start(&r)
	_, body := r.next()
	if r.bad || op != opBind {
		return ""
	}
	in := reader{b: body}
	in.number(tagInteger)
	in.take(tagOctets)
	switch tag, choice := in.next(); {
	case tag == classContext && len(choice) > 0:
		return "LDAP simple bind"
	case tag == classContext|constructed|3:
		sasl := reader{b: choice}
		if isPlain(sasl.take(tagOctets)) {
			return "LDAP SASL PLAIN"
		}
	}
	return ""
}
