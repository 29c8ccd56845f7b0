package eve

import (
	"strconv"

	"github.com/antin-gov/antin/sensor/proto/dns"
)

// DNS writes a dns record (version 3) of one message.
func (w *Writer) DNS(h *Header, m *dns.Message) []byte {
	e := w.begin(h)
	e.dns(m, h.TxID)
	return w.finish()
}

func (e *encoder) dns(m *dns.Message, tx uint64) {
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
	e.String("rcode", dns.RcodeName(m.Rcode()))
	if len(m.Queries) > 0 {
		e.Array("queries")
		for _, q := range m.Queries {
			e.Open("")
			e.Bytes("rrname", q.Name)
			e.String("rrtype", dns.TypeName(q.Type))
			e.Close()
		}
		e.End()
	}
	if m.Response() {
		e.records("answers", m.Answers)
		e.records("authorities", m.Authorities)
		e.grouped(m.Answers)
	}
	e.Close()
}

// groupedTypes are the kinds of answers that are listed together: A, NS,
// CNAME, PTR, MX, TXT and AAAA.
var groupedTypes = [...]uint16{1, 2, 5, 12, 15, 16, 28}

// grouped lists the answers' data by kind, for those who only search.
func (e *encoder) grouped(rs []dns.Record) {
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
				e.Array(dns.TypeName(kind))
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

func (e *encoder) records(name string, rs []dns.Record) {
	if len(rs) == 0 {
		return
	}
	e.Array(name)
	for i := range rs {
		e.record(&rs[i])
	}
	e.End()
}

func (e *encoder) record(r *dns.Record) {
	e.Open("")
	e.Bytes("rrname", r.Name)
	e.String("rrtype", dns.TypeName(r.Type))
	e.Uint("ttl", uint64(r.TTL))
	if !r.EncodeObject(&e.Encoder) && r.Data != nil {
		e.Bytes("rdata", r.Data)
	}
	e.Close()
}
