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
	e.open("dns")
	e.uint("version", 3)
	if m.Response() {
		e.string("type", "response")
	} else {
		e.string("type", "request")
	}
	e.uint("tx_id", tx)
	e.uint("id", uint64(m.ID))
	e.string("flags", strconv.FormatUint(uint64(m.Flags), 16))
	flags := [...]struct {
		name string
		set  bool
	}{
		{"qr", m.Response()}, {"aa", m.Authoritative()}, {"tc", m.Truncated()},
		{"rd", m.RecursionDesired()}, {"ra", m.RecursionAvailable()}, {"z", m.Zero()},
	}
	for _, f := range flags {
		if f.set {
			e.bool(f.name, true)
		}
	}
	e.uint("opcode", uint64(m.Opcode()))
	e.string("rcode", dns.RcodeName(m.Rcode()))
	if len(m.Queries) > 0 {
		e.array("queries")
		for _, q := range m.Queries {
			e.open("")
			e.bytes("rrname", q.Name)
			e.string("rrtype", dns.TypeName(q.Type))
			e.close()
		}
		e.end()
	}
	if m.Response() {
		e.records("answers", m.Answers)
		e.records("authorities", m.Authorities)
	}
	e.close()
}

func (e *encoder) records(name string, rs []dns.Record) {
	if len(rs) == 0 {
		return
	}
	e.array(name)
	for i := range rs {
		e.record(&rs[i])
	}
	e.end()
}

func (e *encoder) record(r *dns.Record) {
	e.open("")
	e.bytes("rrname", r.Name)
	e.string("rrtype", dns.TypeName(r.Type))
	e.uint("ttl", uint64(r.TTL))
	switch {
	case r.Data != nil:
		e.bytes("rdata", r.Data)
	case r.SOA != nil:
		e.open("soa")
		e.bytes("mname", r.SOA.MName)
		e.bytes("rname", r.SOA.RName)
		e.uint("serial", uint64(r.SOA.Serial))
		e.uint("refresh", uint64(r.SOA.Refresh))
		e.uint("retry", uint64(r.SOA.Retry))
		e.uint("expire", uint64(r.SOA.Expire))
		e.uint("minimum", uint64(r.SOA.Minimum))
		e.close()
	case r.SRV != nil:
		e.open("srv")
		e.uint("priority", uint64(r.SRV.Priority))
		e.uint("weight", uint64(r.SRV.Weight))
		e.uint("port", uint64(r.SRV.Port))
		e.bytes("name", r.SRV.Name)
		e.close()
	}
	e.close()
}
