package ldap

import "bytes"

// operation is the number of a protocol operation: that of its tag (RFC 4511
// §4.2 to §4.13).
type operation uint8

const (
	opBind         operation = 0
	opBindDone     operation = 1
	opUnbind       operation = 2
	opSearch       operation = 3
	opEntry        operation = 4
	opSearchDone   operation = 5
	opModify       operation = 6
	opModifyDone   operation = 7
	opAdd          operation = 8
	opAddDone      operation = 9
	opDelete       operation = 10
	opDeleteDone   operation = 11
	opRename       operation = 12
	opRenameDone   operation = 13
	opCompare      operation = 14
	opCompareDone  operation = 15
	opAbandon      operation = 16
	opReference    operation = 19
	opExtended     operation = 23
	opExtendedDone operation = 24
	opIntermediate operation = 25
)

// Bounds of what is kept of a message.
const (
	// maxText bounds one text.
	maxText = 4 << 10
	// maxList bounds attributes, values of one, changes and controls.
	maxList = 128
	// fixedCost is what a message takes without its texts.
	fixedCost = 256
)

// attribute is one with its values, of an entry or of a change.
type attribute struct {
	// change is the kind of a change: 0 add, 1 delete, 2 replace, 3 increment
	// (RFC 4511 §4.6, RFC 4525 §2).
	change uint64
	name   []byte
	values [][]byte
}

// control extends an operation (RFC 4511 §4.1.11).
type control struct {
	kind     []byte
	critical bool
	value    []byte
	hasValue bool
}

// message is what is kept of one message. Which fields say something depends on
// the operation.
type message struct {
	id uint64
	op operation
	// cut is true of a message that was too long: nothing more is known of it.
	cut bool
	// dn is the entry that is spoken of, or of a result the part of it that was
	// found.
	dn []byte
	// result and text are an answer's code and its words.
	result uint64
	text   []byte
	// version and, with sasl, mechanism and credentials are of a bind; the
	// password of a simple one is not kept.
	version     uint64
	sasl        bool
	mechanism   []byte
	credentials []byte
	// hasCredentials tells no credentials from empty ones.
	hasCredentials bool
	// Of a search.
	scope, deref, sizeLimit, timeLimit uint64
	typesOnly                          bool
	filterType                         string
	filter                             []byte
	// attributes are asked for, given, added or changed.
	attributes []attribute
	// newRDN, newSuperior and deleteOld are of a change of name.
	newRDN, newSuperior    []byte
	deleteOld, hasSuperior bool
	// name and value are of an extended operation and its answers.
	name, value       []byte
	hasName, hasValue bool
	// abandoned is the message that an abandon is about.
	abandoned uint64
	controls  []control
	// room is how many bytes of text may still be kept, cost what is.
	room, cost int
}

// request reports whether the client says this.
func (op operation) request() bool {
	switch op {
	case opBind, opUnbind, opSearch, opModify, opAdd, opDelete, opRename, opCompare, opAbandon, opExtended:
		return true
	}
	return false
}

// answers reports whether the server says this.
func (op operation) answers() bool {
	return op.final() || op == opEntry || op == opReference || op == opIntermediate
}

// final reports whether this is the last answer to a request.
func (op operation) final() bool {
	switch op {
	case opBindDone, opSearchDone, opModifyDone, opAddDone, opDeleteDone, opRenameDone, opCompareDone, opExtendedDone:
		return true
	}
	return false
}

// primitive reports whether the operation's body is no sequence (RFC 4511
// §4.3, §4.8, §4.11).
func (op operation) primitive() bool { return op == opUnbind || op == opDelete || op == opAbandon }

// start reads what comes before the operation's body.
func start(r *reader) (id uint64, op operation) {
	id = r.number(tagInteger)
	tag := r.peek()
	op = operation(tag & numberMask)
	want := byte(classApp)
	if !op.primitive() {
		want |= constructed
	}
	r.bad = r.bad || tag&classMask != want || !op.request() && !op.answers()
	return id, op
}

// parse reads a whole message (RFC 4511 §4.1.1) and keeps at most room bytes of
// texts.
func parse(b []byte, room int) (*message, error) {
	outer := reader{b: b}
	r := outer.inside(tagSequence)
	m := &message{room: room, cost: fixedCost}
	m.id, m.op = start(&r)
	_, body := r.next()
	if r.bad {
		return nil, ErrMalformed
	}
	in := reader{b: body}
	m.body(&in)
	if in.bad {
		return nil, ErrMalformed
	}
	list, has := r.optional(tagControls)
	if has {
		m.readControls(reader{b: list})
	}
	if r.bad {
		return nil, ErrMalformed
	}
	return m, nil
}

// keep copies a text as far as it may be kept.
func (m *message) keep(b []byte) []byte {
	b = b[:min(len(b), maxText, m.room)]
	m.room -= len(b)
	m.cost += len(b)
	return append([]byte{}, b...)
}

func (m *message) body(r *reader) {
	switch m.op {
	case opBind:
		m.bind(r)
	case opSearch:
		m.search(r)
	case opModify:
		m.modify(r)
	case opAdd, opEntry:
		m.dn = m.keep(r.take(tagOctets))
		m.attributes = m.readAttributes(r.inside(tagSequence), r)
	case opDelete:
		m.dn = m.keep(r.b)
	case opRename:
		m.dn = m.keep(r.take(tagOctets))
		m.newRDN = m.keep(r.take(tagOctets))
		m.deleteOld = r.truth(tagBoolean)
		var b []byte
		b, m.hasSuperior = r.optional(classContext)
		m.newSuperior = m.keep(b)
	case opCompare:
		m.dn = m.keep(r.take(tagOctets))
		in := r.inside(tagSequence)
		a := attribute{name: m.keep(in.take(tagOctets))}
		value := in.take(tagOctets)
		if !secret(a.name) {
			a.values = [][]byte{m.keep(value)}
		}
		m.attributes = []attribute{a}
		r.bad = r.bad || in.bad
	case opAbandon:
		m.abandoned = r.toNumber(r.b)
	case opExtended, opIntermediate:
		m.extended(r, 0)
	case opReference:
		for !r.empty() {
			r.take(tagOctets)
		}
	case opUnbind:
	default:
		m.outcome(r)
	}
}

// bind reads RFC 4511 §4.2. The password of a simple bind stays unread.
func (m *message) bind(r *reader) {
	m.version = r.number(tagInteger)
	m.dn = m.keep(r.take(tagOctets))
	tag, body := r.next()
	if tag != classContext|constructed|3 {
		return
	}
	in := reader{b: body}
	m.sasl, m.mechanism = true, m.keep(in.take(tagOctets))
	body, m.hasCredentials = in.optional(tagOctets)
	if isPlain(m.mechanism) {
		body, m.hasCredentials = nil, false
	}
	m.credentials = m.keep(body)
	r.bad = r.bad || in.bad
}

// isPlain reports whether a mechanism's credentials are name and password in
// clear text (RFC 4616).
func isPlain(mechanism []byte) bool { return bytes.EqualFold(mechanism, []byte("PLAIN")) }

// search reads RFC 4511 §4.5.1.
func (m *message) search(r *reader) {
	m.dn = m.keep(r.take(tagOctets))
	m.scope = r.number(tagEnum)
	m.deref = r.number(tagEnum)
	m.sizeLimit = r.number(tagInteger)
	m.timeLimit = r.number(tagInteger)
	m.typesOnly = r.truth(tagBoolean)
	m.readFilter(r)
	list := r.inside(tagSequence)
	for !list.empty() {
		name := list.take(tagOctets)
		if m.place(len(m.attributes)) {
			m.attributes = append(m.attributes, attribute{name: m.keep(name)})
		}
	}
	r.bad = r.bad || list.bad
}

// listCost is what one place in a list takes.
const listCost = 64

// place reports whether a list of n has room for one more.
func (m *message) place(n int) bool {
	if n == maxList || m.room < listCost {
		return false
	}
	m.room -= listCost
	m.cost += listCost
	return true
}

// modify reads RFC 4511 §4.6.
func (m *message) modify(r *reader) {
	m.dn = m.keep(r.take(tagOctets))
	changes := r.inside(tagSequence)
	for !changes.empty() && m.place(len(m.attributes)) {
		change := changes.inside(tagSequence)
		kind := change.number(tagEnum)
		a := m.attribute(&change)
		a.change = kind
		m.attributes = append(m.attributes, a)
		changes.bad = changes.bad || change.bad
	}
	r.bad = r.bad || changes.bad
}

func (m *message) readAttributes(list reader, r *reader) []attribute {
	var out []attribute
	for !list.empty() && m.place(len(out)) {
		out = append(out, m.attribute(&list))
	}
	r.bad = r.bad || list.bad
	return out
}

// attribute reads one with its values (RFC 4511 §4.1.7).
func (m *message) attribute(r *reader) attribute {
	in := r.inside(tagSequence)
	a := attribute{name: m.keep(in.take(tagOctets))}
	values := in.inside(tagSet)
	for !values.empty() {
		v := values.take(tagOctets)
		if !secret(a.name) && m.place(len(a.values)) {
			a.values = append(a.values, m.keep(v))
		}
	}
	r.bad = r.bad || in.bad || values.bad
	return a
}

// passwordModify names the request that changes a password (RFC 3062).
const passwordModify = "1.3.6.1.4.1.4203.1.11.1"

// secret reports whether an attribute's values are passwords, which are not kept.
func secret(name []byte) bool {
	name, _, _ = bytes.Cut(name, []byte{';'})
	for _, s := range [...]string{"userPassword", "unicodePwd", "authPassword", "sambaNTPassword"} {
		if bytes.EqualFold(name, []byte(s)) {
			return true
		}
	}
	return false
}

// outcome reads an LDAPResult (RFC 4511 §4.1.9) and what some answers add.
func (m *message) outcome(r *reader) {
	m.result = r.number(tagEnum)
	m.dn = m.keep(r.take(tagOctets))
	m.text = m.keep(r.take(tagOctets))
	// Referrals are not told.
	r.optional(classContext | constructed | 3)
	var b []byte
	switch m.op {
	case opBindDone:
		b, m.hasCredentials = r.optional(classContext | 7)
		m.credentials = m.keep(b)
	case opExtendedDone:
		m.extended(r, 10)
	}
}

// extended reads the name and the value of RFC 4511 §4.12 and §4.13, whose tags
// are counted from first.
func (m *message) extended(r *reader, first byte) {
	var b []byte
	b, m.hasName = r.optional(classContext | first)
	m.name = m.keep(b)
	b, m.hasValue = r.optional(classContext | first + 1)
	if string(m.name) == passwordModify {
		b, m.hasValue = nil, false
	}
	m.value = m.keep(b)
	r.bad = r.bad || m.op == opExtended && !m.hasName
}

func (m *message) readControls(list reader) {
	for !list.empty() && m.place(len(m.controls)) {
		in := list.inside(tagSequence)
		c := control{kind: m.keep(in.take(tagOctets))}
		if in.peek() == tagBoolean {
			c.critical = in.truth(tagBoolean)
		}
		var b []byte
		b, c.hasValue = in.optional(tagOctets)
		c.value = m.keep(b)
		if in.bad {
			return
		}
		m.controls = append(m.controls, c)
	}
}
