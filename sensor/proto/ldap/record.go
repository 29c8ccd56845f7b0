package ldap

import (
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/rules"
)

// Encode writes the ldap object.
func (tx *transaction) Encode(e *encode.Encoder) {
	e.Open("ldap")
	if m := tx.request; m != nil {
		e.Open("request")
		e.Uint("message_id", m.id)
		m.encode(e)
		e.Close()
	}
	if len(tx.responses) > 0 {
		e.Array("responses")
		for _, m := range tx.responses {
			e.Open("")
			if tx.request == nil {
				e.Uint("message_id", m.id)
			}
			m.encode(e)
			e.Close()
		}
		e.End()
	}
	e.Close()
}

// encode writes the operation, what it says under its name, and its controls.
func (m *message) encode(e *encode.Encoder) {
	name := rules.LDAPOperation(uint8(m.op))
	e.String("operation", name)
	if m.op != opUnbind && m.op != opReference && !m.cut {
		e.Open(name)
		m.encodeBody(e)
		e.Close()
	}
	if len(m.controls) == 0 {
		return
	}
	e.Array("controls")
	for _, c := range m.controls {
		e.Open("")
		e.Bytes("control_type", c.kind)
		e.Bool("criticality", c.critical)
		if c.hasValue {
			e.Hex("control_value", c.value)
		}
		e.Close()
	}
	e.End()
}

func (m *message) encodeBody(e *encode.Encoder) {
	switch m.op {
	case opBind:
		e.Uint("version", m.version)
		e.Bytes("name", m.dn)
		if m.sasl {
			e.Open("sasl")
			e.Bytes("mechanism", m.mechanism)
			m.encodeCredentials(e, "credentials")
			e.Close()
		}
	case opSearch:
		m.encodeSearch(e)
	case opModify:
		e.Bytes("object", m.dn)
		m.encodeChanges(e)
	case opAdd:
		e.Bytes("entry", m.dn)
		m.encodeAttributes(e, "name")
	case opEntry:
		e.Bytes("base_object", m.dn)
		m.encodeAttributes(e, "type")
	case opDelete:
		e.Bytes("dn", m.dn)
	case opRename:
		e.Bytes("entry", m.dn)
		e.Bytes("new_rdn", m.newRDN)
		e.Bool("delete_old_rdn", m.deleteOld)
		if m.hasSuperior {
			e.Bytes("new_superior", m.newSuperior)
		}
	case opCompare:
		e.Bytes("entry", m.dn)
		e.Open("attribute_value_assertion")
		for _, a := range m.attributes {
			e.Bytes("description", a.name)
			for _, v := range a.values {
				e.Bytes("value", v)
			}
		}
		e.Close()
	case opAbandon:
		e.Uint("message_id", m.abandoned)
	case opExtended, opIntermediate:
		m.encodeExtended(e)
	default:
		m.encodeResult(e)
	}
}

func (m *message) encodeSearch(e *encode.Encoder) {
	e.Bytes("base_object", m.dn)
	e.Uint("scope", m.scope)
	e.Uint("deref_alias", m.deref)
	e.Uint("size_limit", m.sizeLimit)
	e.Uint("time_limit", m.timeLimit)
	e.Bool("types_only", m.typesOnly)
	e.Open("filter")
	e.String("type", m.filterType)
	e.Bytes("value", m.filter)
	e.Close()
	if len(m.attributes) == 0 {
		return
	}
	e.Array("attributes")
	for _, a := range m.attributes {
		e.Bytes("", a.name)
	}
	e.End()
}

func (m *message) encodeChanges(e *encode.Encoder) {
	if len(m.attributes) == 0 {
		return
	}
	e.Array("changes")
	for _, a := range m.attributes {
		e.Open("")
		e.String("operation", changeName(a.change))
		e.Open("modification")
		e.Bytes("attribute_type", a.name)
		e.Texts("attribute_values", a.values)
		e.Close()
		e.Close()
	}
	e.End()
}

// changeName is the kind of a change.
func changeName(n uint64) string {
	names := [...]string{"add", "delete", "replace", "increment"}
	if n < uint64(len(names)) {
		return names[n]
	}
	return strconv.FormatUint(n, 10)
}

func (m *message) encodeAttributes(e *encode.Encoder, name string) {
	if len(m.attributes) == 0 {
		return
	}
	e.Array("attributes")
	for _, a := range m.attributes {
		e.Open("")
		e.Bytes(name, a.name)
		e.Texts("values", a.values)
		e.Close()
	}
	e.End()
}

func (m *message) encodeExtended(e *encode.Encoder) {
	if m.hasName {
		e.Bytes("name", m.name)
	}
	if m.hasValue {
		e.Bytes("value", m.value)
	}
}

func (m *message) encodeCredentials(e *encode.Encoder, name string) {
	if m.hasCredentials {
		e.Hex(name, m.credentials)
	}
}

func (m *message) encodeResult(e *encode.Encoder) {
	e.String("result_code", rules.LDAPResult(m.result))
	e.Bytes("matched_dn", m.dn)
	e.Bytes("message", m.text)
	m.encodeCredentials(e, "server_sasl_creds")
	m.encodeExtended(e)
}
