package dns

import (
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
)

// Encode writes the dns object (version 3) of a message in transaction tx.
func (m *Message) Encode(e *encode.Encoder, tx uint64) {
	e.Open("dns")
	e.Uint("version", 3)
	if m.Response() {
		e.String("type", "response")
	} else {
		e.String("type", "request")
	}
	e.Uint("tx_id", tx)
	e.Uint("id", uint64(m.ID))
	e.String("flags", strconv.FormatUint(uint64(m.Flags), 16))
	flags := [...]struct {
		name string
		set  bool
	}{
		{"qr", m.Response()}, {"aa", m.Authoritative()}, {"tc", m.Truncated()},
		{"rd", m.RecursionDesired()}, {"ra", m.RecursionAvailable()}, {"z", m.Zero()},
	}
	for _, f := range flags {
		if f.set {
			e.Bool(f.name, true)
		}
	}
	e.Uint("opcode", uint64(m.Opcode()))
	e.String("rcode", RcodeName(m.Rcode()))
	if len(m.Queries) > 0 {
		e.Array("queries")
		for _, q := range m.Queries {
			e.Open("")
			e.Bytes("rrname", q.Name)
			e.String("rrtype", TypeName(q.Type))
			e.Close()
		}
		e.End()
	}
	if m.Response() {
		records(e, "answers", m.Answers)
		records(e, "authorities", m.Authorities)
		grouped(e, m.Answers)
	}
	e.Close()
}

// groupedTypes are the kinds of answers that are listed together: A, NS,
// CNAME, PTR, MX, TXT and AAAA.
var groupedTypes = [...]uint16{1, 2, 5, 12, 15, 16, 28}

// grouped lists the answers' data by kind, for those who only search.
func grouped(e *encode.Encoder, rs []Record) {
	opened := false
	for _, kind := range groupedTypes {
		listed := false
		for i := range rs {
			if rs[i].Type != kind || rs[i].Data == nil {
				continue
			}
			if !opened {
				opened = true
				e.Open("grouped")
			}
			if !listed {
				listed = true
				e.Array(TypeName(kind))
			}
			e.Bytes("", rs[i].Data)
		}
		if listed {
			e.End()
		}
	}
	if opened {
		e.Close()
	}
}

func records(e *encode.Encoder, name string, rs []Record) {
	if len(rs) == 0 {
		return
	}
	e.Array(name)
	for i := range rs {
		rs[i].encode(e)
	}
	e.End()
}

func (r *Record) encode(e *encode.Encoder) {
	e.Open("")
	e.Bytes("rrname", r.Name)
	e.String("rrtype", TypeName(r.Type))
	e.Uint("ttl", uint64(r.TTL))
	if !r.EncodeObject(e) && r.Data != nil {
		e.Bytes("rdata", r.Data)
	}
	e.Close()
}
