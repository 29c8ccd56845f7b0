package mdns

import (
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// Types whose data is written apart (RFC 1035 §3.2.2, RFC 6891 §6.1).
const (
	typeTXT = 16
	typeOPT = 41
)

// flagNames are the header's bits (RFC 1035 §4.1.1, RFC 4035 §3).
var flagNames = [...]struct {
	bit  uint16
	name string
}{
	{0x0400, "aa"}, {0x0200, "tc"}, {0x0100, "rd"}, {0x0080, "ra"}, {0x0040, "z"}, {0x0020, "ad"}, {0x0010, "cd"},
}

// Encode writes the mdns object.
func (m message) Encode(e *encode.Encoder) {
	e.Open("mdns")
	if m.Response() {
		e.String("type", "response")
	} else {
		e.String("type", "request")
	}
	e.Uint("id", uint64(m.ID))
	var flags []string
	for _, f := range flagNames {
		if m.Flags&f.bit != 0 {
			flags = append(flags, f.name)
		}
	}
	e.Strings("flags", flags)
	e.Uint("opcode", uint64(m.Opcode()))
	e.Uint("rcode", uint64(m.Rcode()))
	if len(m.Queries) > 0 {
		e.Array("queries")
		for i := range m.Queries {
			e.Open("")
			named(e, m.Queries[i].Name, m.Queries[i].NameCut)
			e.String("rrtype", typeName(m.Queries[i].Type))
			e.Close()
		}
		e.End()
	}
	records(e, "answers", m.Answers)
	records(e, "authorities", m.Authorities)
	records(e, "additionals", m.Additionals)
	e.Close()
}

// named writes a name, and whether its end was left out.
func named(e *encode.Encoder, name []byte, cut bool) {
	e.Bytes("rrname", name)
	if cut {
		e.Bool("rrname_truncated", true)
	}
}

func typeName(t uint16) string { return strings.ToLower(dns.TypeName(t)) }

// records writes a section; OPT without options says nothing.
func records(e *encode.Encoder, name string, list []dns.Record) {
	open := false
	for i := range list {
		r := &list[i]
		if r.Type == typeOPT && !r.HasOptions() {
			continue
		}
		if !open {
			open = true
			e.Array(name)
		}
		e.Open("")
		named(e, r.Name, r.NameCut)
		data(e, typeName(r.Type), r)
		e.Close()
	}
	if open {
		e.End()
	}
}

// data writes a record's data under its type's name.
func data(e *encode.Encoder, name string, r *dns.Record) {
	switch {
	case r.Type == typeTXT && len(r.Raw) == 0:
	case r.Type == typeTXT:
		e.Array(name)
		in := wire.Reader{B: r.Raw}
		for len(in.B) > 0 {
			n := int(in.U8())
			e.Bytes("", in.Take(min(n, len(in.B))))
		}
		e.End()
	case r.Type == typeOPT:
		r.EncodeOptions(e, name)
	case r.EncodeObject(e):
		// Its type's name stands before it.
	case r.Data != nil:
		e.Bytes(name, r.Data)
	default:
		e.Bytes(name, r.Raw)
	}
}
