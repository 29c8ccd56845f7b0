package dns

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// Resource record types whose data is read (IANA "DNS Parameters").
const (
	typeA      = 1
	typeNS     = 2
	typeCNAME  = 5
	typeSOA    = 6
	typeNULL   = 10
	typePTR    = 12
	typeMX     = 15
	typeTXT    = 16
	typeAAAA   = 28
	typeSRV    = 33
	typeDNAME  = 39
	typeOPT    = 41
	typeSSHFP  = 44
	maxTXT     = 4096
	sshfpFixed = 2
)

// data fills in the record's data as text; data that breaks its type's form is
// left out.
func (r *Record) data(b []byte, from, to int) {
	raw := b[from:to]
	switch r.Type {
	case typeA, typeAAAA:
		addr, ok := netip.AddrFromSlice(raw)
		if ok {
			r.Data = encode.AppendAddr(nil, addr)
		}
	case typeNS, typeCNAME, typePTR, typeDNAME:
		r.Data = r.nameAt(b, from, to)
	case typeMX:
		if len(raw) > 2 {
			r.Data = r.nameAt(b, from+2, to)
		}
	case typeTXT, typeNULL:
		r.Data = text(r.Type, raw)
	case typeSOA:
		r.SOA = r.soa(b, from, to)
	case typeSRV:
		if len(raw) > 6 {
			r.SRV = &SRV{
				Priority: binary.BigEndian.Uint16(raw), Weight: binary.BigEndian.Uint16(raw[2:]),
				Port: binary.BigEndian.Uint16(raw[4:]), Name: r.nameAt(b, from+6, to),
			}
		}
	case typeOPT:
		r.Raw = bytes.Clone(raw)
	case typeSSHFP:
		if len(raw) > sshfpFixed {
			r.SSHFP = &SSHFP{Algorithm: raw[0], Type: raw[1], Fingerprint: bytes.Clone(raw[sshfpFixed:])}
		}
	}
}

// nameAt reads a name that must end where the record does.
func (r *Record) nameAt(b []byte, from, to int) []byte {
	name, end, odd, err := readName(b, from)
	r.odd |= odd
	if err != nil || end > to {
		return nil
	}
	r.DataCut = odd&OddName != 0
	return name
}

// text joins the character strings of a TXT record (RFC 1035 §3.3.14).
func text(kind uint16, raw []byte) []byte {
	if kind == typeNULL {
		return append([]byte(nil), raw[:min(len(raw), maxTXT)]...)
	}
	var out []byte
	for len(raw) > 0 && len(out) < maxTXT {
		n := int(raw[0])
		if 1+n > len(raw) {
			n = len(raw) - 1
		}
		out = append(out, raw[1:1+n]...)
		raw = raw[1+n:]
	}
	return out
}

func (r *Record) soa(b []byte, from, to int) *SOA {
	mname, next, odd, err := readName(b, from)
	r.odd |= odd
	if err != nil || next > to {
		return nil
	}
	cut := odd&OddName != 0
	rname, next, odd, err := readName(b, next)
	r.odd |= odd
	if err != nil || next+20 > to {
		return nil
	}
	u := func(i int) uint32 { return binary.BigEndian.Uint32(b[next+4*i:]) }
	return &SOA{
		MName: mname, RName: rname, Serial: u(0), Refresh: u(1), Retry: u(2), Expire: u(3), Minimum: u(4),
		MNameCut: cut,
	}
}

// EncodeObject writes data that has parts as an object under its type's name, and
// reports whether it did.
func (r *Record) EncodeObject(e *encode.Encoder) bool {
	name := r.objectName()
	if name == "" {
		return false
	}
	r.encodeObject(e, name)
	return true
}

// objectName names the object that the data is, empty when it is a text.
func (r *Record) objectName() string {
	switch {
	case r.SSHFP != nil:
		return "sshfp"
	case r.SOA != nil:
		return "soa"
	case r.SRV != nil:
		return "srv"
	}
	return ""
}

func (r *Record) encodeObject(e *encode.Encoder, name string) {
	e.Open(name)
	switch {
	case r.SSHFP != nil:
		e.Colons("fingerprint", r.SSHFP.Fingerprint, encode.LowerDigits)
		e.Uint("algo", uint64(r.SSHFP.Algorithm))
		e.Uint("type", uint64(r.SSHFP.Type))
	case r.SOA != nil:
		e.Bytes("mname", r.SOA.MName)
		if r.SOA.MNameCut {
			e.Bool("mname_truncated", true)
		}
		e.Bytes("rname", r.SOA.RName)
		e.Uint("serial", uint64(r.SOA.Serial))
		e.Uint("refresh", uint64(r.SOA.Refresh))
		e.Uint("retry", uint64(r.SOA.Retry))
		e.Uint("expire", uint64(r.SOA.Expire))
		e.Uint("minimum", uint64(r.SOA.Minimum))
	case r.SRV != nil:
		e.Uint("priority", uint64(r.SRV.Priority))
		e.Uint("weight", uint64(r.SRV.Weight))
		e.Uint("port", uint64(r.SRV.Port))
		e.Bytes("name", r.SRV.Name)
	}
	e.Close()
}

// EncodeOptions writes the options of an OPT record (RFC 6891 §6.1.2) under a
// name.
func (r *Record) EncodeOptions(e *encode.Encoder, name string) {
	e.Array(name)
	in := wire.Reader{B: r.Raw}
	for len(in.B) > 0 {
		code := in.U16()
		value := in.Take(int(in.U16()))
		if in.Short {
			break
		}
		e.Open("")
		e.Uint("code", uint64(code))
		e.Hex("data", value)
		e.Close()
	}
	e.End()
}

// HasOptions reports whether an OPT record says anything.
func (r *Record) HasOptions() bool {
	in := wire.Reader{B: r.Raw}
	in.U16()
	in.Take(int(in.U16()))
	return !in.Short
}

// DataName is the name that the record's data is, or leads to: an alias, a
// server, the source of a zone. It is nil for other types.
func (r *Record) DataName() []byte {
	if r.SOA != nil {
		return r.SOA.MName
	}
	switch r.Type {
	case typeNS, typeCNAME, typePTR, typeMX:
		return r.Data
	}
	return nil
}
