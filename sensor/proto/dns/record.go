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
			if q.NameCut {
				e.Bool("rrname_truncated", true)
			}
			e.String("rrtype", TypeName(q.Type))
			e.Close()
		}
		e.End()
	}
	if m.Response() {
		m.answers(e)
		m.authorities(e)
		m.additionals(e)
		grouped(e, m.Answers)
	}
	e.Close()
}

// answers are the resource records that were asked for.
func (m *Message) answers(e *encode.Encoder) {
	if len(m.Answers) == 0 {
		return
	}
	e.Array("answers")
	for i := range m.Answers {
		r := &m.Answers[i]
		r.begin(e, false)
		if !r.EncodeObject(e) && r.Data != nil {
			e.Bytes("rdata", r.Data)
		}
		e.Close()
	}
	e.End()
}

// authorities have, of the data with parts, soa alone.
func (m *Message) authorities(e *encode.Encoder) {
	if len(m.Authorities) == 0 {
		return
	}
	e.Array("authorities")
	for i := range m.Authorities {
		r := &m.Authorities[i]
		r.begin(e, r.NameCut)
		switch {
		case r.SOA != nil:
			r.EncodeObject(e)
		case r.Data != nil:
			e.Bytes("rdata", r.Data)
			if r.DataCut {
				e.Bool("rdata_truncated", true)
			}
		}
		e.Close()
	}
	e.End()
}

// additionals have, of the data with parts, the options of OPT alone; one
// without any says nothing.
func (m *Message) additionals(e *encode.Encoder) {
	opened := false
	for i := range m.Additionals {
		r := &m.Additionals[i]
		if r.Type == typeOPT && !r.HasOptions() {
			continue
		}
		if !opened {
			opened = true
			e.Array("additionals")
		}
		r.begin(e, false)
		switch {
		case r.Type == typeOPT:
			r.EncodeOptions(e, "opt")
		case r.Data != nil:
			e.Bytes("rdata", r.Data)
		}
		e.Close()
	}
	if opened {
		e.End()
	}
}

// begin opens the object of a resource record.
func (r *Record) begin(e *encode.Encoder, cut bool) {
	e.Open("")
	e.Bytes("rrname", r.Name)
	if cut {
		e.Bool("rrname_truncated", true)
	}
	e.String("rrtype", TypeName(r.Type))
	e.Uint("ttl", uint64(r.TTL))
}

// groupedTypes are the kinds of answers that are listed together: A, NS, CNAME,
// SOA, NULL, PTR, MX, TXT, AAAA, SRV and SSHFP.
var groupedTypes = [...]uint16{
	typeA, typeNS, typeCNAME, typeSOA, typeNULL, typePTR, typeMX, typeTXT, typeAAAA, typeSRV, typeSSHFP,
}

// grouped lists the answers' data by kind, for those who only search.
func grouped(e *encode.Encoder, rs []Record) {
	opened := false
	for _, kind := range groupedTypes {
		listed := false
		for i := range rs {
			r := &rs[i]
			if r.Type != kind || r.Data == nil && r.objectName() == "" {
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
			if r.Data == nil {
				r.encodeObject(e, "")
				continue
			}
			e.Bytes("", r.Data)
		}
		if listed {
			e.End()
		}
	}
	if opened {
		e.Close()
	}
}
