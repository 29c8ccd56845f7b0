package krb5

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/sensor/encode"
)

// Message types (RFC 4120 §7.5.7).
const (
	typeASReq  = 10
	typeASRep  = 11
	typeTGSReq = 12
	typeTGSRep = 13
	typeAPReq  = 14
	typeAPRep  = 15
	typeError  = 30
)

// maxText bounds a name in a record.
const maxText = 1 << 10

// message is what is told of one message. It implements encode.Body.
type message struct {
	kind int
	// failed is the request that an error answers, 0 when not seen.
	failed, code       int
	cname, realm       []byte
	sname              []byte
	etype, ticketEtype int
	hasEtype           bool
	hasTicket          bool
}

// explicit is the context tag [n].
func explicit(n uint8) tag.Tag { return tag.Tag(n).ContextSpecific().Constructed() }

// parse reads a message (RFC 4120 §5.4, §5.9).
func parse(b []byte) (*message, error) {
	in := cryptobyte.String(b)
	var outer, seq cryptobyte.String
	var t tag.Tag
	if !in.ReadAnyASN1(&outer, &t) || t&0xe0 != 0x60 || !outer.ReadASN1(&seq, tag.SEQUENCE) {
		return nil, ErrMalformed
	}
	m := &message{kind: int(t & 0x1f)}
	ok := false
	switch m.kind {
	case typeASReq, typeTGSReq:
		ok = m.request(&seq)
	case typeASRep, typeTGSRep:
		ok = m.reply(&seq)
	case typeError:
		ok = m.failure(&seq)
	case typeAPReq, typeAPRep:
		ok = true
	}
	if !ok {
		return nil, ErrMalformed
	}
	return m, nil
}

func (m *message) request(in *cryptobyte.String) bool {
	var wrap, body cryptobyte.String
	var has bool
	if !in.SkipASN1(explicit(1)) || !in.SkipASN1(explicit(2)) || !in.SkipOptionalASN1(explicit(3)) {
		return false
	}
	if !in.ReadASN1(&wrap, explicit(4)) || !wrap.ReadASN1(&body, tag.SEQUENCE) || !body.SkipASN1(explicit(0)) {
		return false
	}
	if !body.ReadOptionalASN1(&wrap, &has, explicit(1)) || has && !principal(&wrap, &m.cname) {
		return false
	}
	if !body.ReadASN1(&wrap, explicit(2)) || !text(&wrap, &m.realm) {
		return false
	}
	return body.ReadOptionalASN1(&wrap, &has, explicit(3)) && (!has || principal(&wrap, &m.sname))
}

func (m *message) reply(in *cryptobyte.String) bool {
	var wrap, ticket, seq cryptobyte.String
	if !in.SkipASN1(explicit(0)) || !in.SkipASN1(explicit(1)) || !in.SkipOptionalASN1(explicit(2)) {
		return false
	}
	if !in.ReadASN1(&wrap, explicit(3)) || !text(&wrap, &m.realm) ||
		!in.ReadASN1(&wrap, explicit(4)) || !principal(&wrap, &m.cname) {
		return false
	}
	// Ticket ::= [APPLICATION 1] SEQUENCE.
	if !in.ReadASN1(&wrap, explicit(5)) || !wrap.ReadASN1(&ticket, 0x61) || !ticket.ReadASN1(&seq, tag.SEQUENCE) {
		return false
	}
	if !seq.SkipASN1(explicit(0)) || !seq.SkipASN1(explicit(1)) ||
		!seq.ReadASN1(&wrap, explicit(2)) || !principal(&wrap, &m.sname) {
		return false
	}
	m.hasTicket = seq.ReadASN1(&wrap, explicit(3)) && encrypted(&wrap, &m.ticketEtype)
	m.hasEtype = in.ReadASN1(&wrap, explicit(6)) && encrypted(&wrap, &m.etype)
	return true
}

func (m *message) failure(in *cryptobyte.String) bool {
	var wrap cryptobyte.String
	for _, n := range [...]uint8{0, 1, 2, 3, 4, 5} {
		if !in.SkipOptionalASN1(explicit(n)) {
			return false
		}
	}
	if !in.ReadASN1(&wrap, explicit(6)) || !wrap.ReadASN1Integer(&m.code) {
		return false
	}
	// The client's realm and name, the server's realm: of them EVE tells none.
	if !in.SkipOptionalASN1(explicit(7)) || !in.SkipOptionalASN1(explicit(8)) || !in.SkipASN1(explicit(9)) {
		return false
	}
	return in.ReadASN1(&wrap, explicit(10)) && principal(&wrap, &m.sname)
}

// principal reads the parts of a name (§5.2.2), joined by slashes.
func principal(in *cryptobyte.String, out *[]byte) bool {
	var seq, wrap, list cryptobyte.String
	if !in.ReadASN1(&seq, tag.SEQUENCE) || !seq.SkipASN1(explicit(0)) ||
		!seq.ReadASN1(&wrap, explicit(1)) || !wrap.ReadASN1(&list, tag.SEQUENCE) {
		return false
	}
	var parts [][]byte
	size := 0
	for !list.Empty() && size < maxText {
		var part []byte
		if !text(&list, &part) {
			return false
		}
		size += len(part) + 1
		parts = append(parts, part)
	}
	*out = bytes.Join(parts, []byte{'/'})
	return true
}

// text reads a KerberosString (§5.2.1).
func text(in *cryptobyte.String, out *[]byte) bool {
	var s cryptobyte.String
	if !in.ReadASN1(&s, tag.GeneralString) {
		return false
	}
	*out = bytes.Clone(s[:min(len(s), maxText)])
	return true
}

// logIn tells what the server said of a password: by a ticket, or by one of the
// errors of RFC 4120 §7.5.9 that speak of the account or its key.
func (m *message) logIn() (refused, judged bool) {
	const unknown, revoked, wrong = 6, 18, 24
	switch {
	case m.kind == typeASRep:
		return false, true
	case m.kind == typeError && (m.code == unknown || m.code == revoked || m.code == wrong) && m.failed != typeTGSReq:
		return true, true
	}
	return false, false
}

// encrypted reads the algorithm of EncryptedData (§5.2.9).
func encrypted(in *cryptobyte.String, etype *int) bool {
	var seq, wrap cryptobyte.String
	return in.ReadASN1(&seq, tag.SEQUENCE) && seq.ReadASN1(&wrap, explicit(0)) && wrap.ReadASN1Integer(etype)
}

// Encode writes the krb5 object.
func (m *message) Encode(e *encode.Encoder) {
	e.Open("krb5")
	e.String("msg_type", typeName(m.kind))
	if m.kind == typeError {
		e.String("failed_request", typeName(m.failed))
		e.String("error_code", errorName(m.code))
	}
	orEmpty(e, "cname", m.cname)
	orEmpty(e, "realm", m.realm)
	orEmpty(e, "sname", m.sname)
	e.String("encryption", etypeName(m.etype, m.hasEtype))
	e.Bool("weak_encryption", m.hasEtype && weak(m.etype))
	if m.hasTicket {
		e.String("ticket_encryption", etypeName(m.ticketEtype, true))
		e.Bool("ticket_weak_encryption", weak(m.ticketEtype))
	}
	e.Close()
}

func orEmpty(e *encode.Encoder, name string, v []byte) {
	if len(v) == 0 {
		v = []byte("<empty>")
	}
	e.Bytes(name, v)
}
