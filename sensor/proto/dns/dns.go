// Package dns reads DNS messages (RFC 1035 §4) as seen on the wire, over UDP
// and over TCP (RFC 7766), for the record: header, questions and resource
// records with the data of the common types as text.
//
// It tells DNS from other traffic by content (Probe). Not here: validation of
// DNSSEC, DNS over TLS or QUIC, and the siblings mDNS (package mdns), LLMNR and
// NetBIOS names, whose messages look alike.
package dns

import (
	"encoding/binary"
	"errors"
)

// Limits of a message.
const (
	headerSize = 12
	// MaxMessage is the largest message the two-byte length over TCP allows.
	MaxMessage = 65535
	// maxRecords bounds the records read of one message; zone transfers have
	// more, their record here is cut and says so.
	maxRecords = 512
	// maxName is how much of a name is kept, as Suricata does; RFC 1035 §2.3.4
	// allows 255 octets.
	maxName = 1025
	// maxJumps bounds compression pointers (RFC 9267 §2), maxLabels the labels of
	// a name.
	maxJumps  = 64
	maxLabels = 255
)

// Errors of Parse.
var (
	ErrShort = errors.New("dns: message ends early")
	ErrName  = errors.New("dns: malformed name")
)

// Header bits (RFC 1035 §4.1.1, RFC 4035 §3).
const (
	flagQR = 0x8000
	flagAA = 0x0400
	flagTC = 0x0200
	flagRD = 0x0100
	flagRA = 0x0080
	flagZ  = 0x0040
	flagAD = 0x0020
	flagCD = 0x0010
)

// Message is one DNS message.
type Message struct {
	ID          uint16
	Flags       uint16
	Queries     []Question
	Answers     []Record
	Authorities []Record
	Additionals []Record
	// Cut is true when the message has more records than are kept, or ends
	// before its counts say.
	Cut bool
	// Odd is what is wrong with it, though it can be read.
	Odd Oddity
}

// Oddity is a set of what is wrong with a message.
type Oddity uint8

// The oddities.
const (
	// OddName is a name over maxName; OddLoop one whose pointers lead nowhere;
	// OddLabels one of too many labels. Such a name is cut.
	OddName Oddity = 1 << iota
	OddLoop
	OddLabels
	// OddAuthorities and OddAdditionals are sections that cannot be read.
	OddAuthorities
	OddAdditionals
)

// Question is one entry of the question section.
type Question struct {
	// Name without the final dot, as sent; bytes that are not printable
	// ASCII stay as they are.
	Name        []byte
	Type, Class uint16
	// NameCut is true when the name is longer than what is kept of it.
	NameCut bool
}

// Record is one resource record.
type Record struct {
	Name        []byte
	Type, Class uint16
	TTL         uint32
	// Data is the record's data as text for the common types; nil for others.
	Data []byte
	// Raw is the record's data as sent, valid as long as the message's bytes;
	// that of OPT, the options, for good.
	Raw []byte
	// NameCut and DataCut are true when the name, or the name that Data is, is
	// longer than what is kept of it.
	NameCut, DataCut bool
	// SOA is set for a start of authority.
	SOA *SOA
	// SRV is set for a service record.
	SRV *SRV
	// SSHFP is set for a fingerprint of an SSH key.
	SSHFP *SSHFP

	odd Oddity
}

// SOA is RFC 1035 §3.3.13.
type SOA struct {
	MName, RName                            []byte
	Serial, Refresh, Retry, Expire, Minimum uint32
	// MNameCut is true when MName is longer than what is kept of it.
	MNameCut bool
}

// SSHFP is RFC 4255 §3.1.
type SSHFP struct {
	Algorithm, Type uint8
	Fingerprint     []byte
}

// SRV is RFC 2782.
type SRV struct {
	Priority, Weight, Port uint16
	Name                   []byte
}

// Response reports whether the message is an answer.
func (m *Message) Response() bool { return m.Flags&flagQR != 0 }

// Opcode is the kind of query.
func (m *Message) Opcode() uint8 { return uint8(m.Flags >> 11 & 15) }

// Rcode is the response code without its extension.
func (m *Message) Rcode() uint8 { return uint8(m.Flags & 15) }

// Authoritative, Truncated, RecursionDesired, RecursionAvailable and Zero are
// the header's bits.
func (m *Message) Authoritative() bool { return m.Flags&flagAA != 0 }

// Truncated is the TC bit.
func (m *Message) Truncated() bool { return m.Flags&flagTC != 0 }

// RecursionDesired is the RD bit.
func (m *Message) RecursionDesired() bool { return m.Flags&flagRD != 0 }

// RecursionAvailable is the RA bit.
func (m *Message) RecursionAvailable() bool { return m.Flags&flagRA != 0 }

// Zero is the reserved bit.
func (m *Message) Zero() bool { return m.Flags&flagZ != 0 }

// Parse reads a message. A message that breaks off after its questions is
// returned with Cut set.
func Parse(b []byte) (*Message, error) {
	if len(b) < headerSize {
		return nil, ErrShort
	}
	m := &Message{ID: binary.BigEndian.Uint16(b), Flags: binary.BigEndian.Uint16(b[2:])}
	at := headerSize
	questions := int(binary.BigEndian.Uint16(b[4:]))
	for range questions {
		if len(m.Queries) == maxRecords {
			m.Cut = true
			return m, nil
		}
		name, next, odd, err := readName(b, at)
		m.Odd |= odd
		if err != nil {
			return nil, err
		}
		if next+4 > len(b) {
			return nil, ErrShort
		}
		m.Queries = append(m.Queries, Question{
			Name: name, Type: binary.BigEndian.Uint16(b[next:]), Class: binary.BigEndian.Uint16(b[next+2:]),
			NameCut: odd&OddName != 0,
		})
		at = next + 4
	}
	for i, section := range []*[]Record{&m.Answers, &m.Authorities, &m.Additionals} {
		count := int(binary.BigEndian.Uint16(b[6+2*i:]))
		for range count {
			if len(*section) == maxRecords {
				m.Cut = true
				return m, nil
			}
			r, next, odd, err := readRecord(b, at)
			m.Odd |= odd
			if err != nil {
				m.Cut = true
				m.Odd |= [...]Oddity{0, OddAuthorities, OddAdditionals}[i]
				return m, nil
			}
			*section = append(*section, r)
			at = next
		}
	}
	return m, nil
}

// readName reads a name at b[at:], following compression pointers. They should
// point backwards, but resolvers follow others too; their number is bounded.
// It also returns where the name ends in place. A name that is too long or has
// no end is cut, once it is known where it ends.
func readName(b []byte, at int) (name []byte, next int, odd Oddity, err error) {
	name = make([]byte, 0, 32)
	end, jumps, labels := -1, 0, 0
	for {
		if at >= len(b) {
			return nil, 0, odd, ErrShort
		}
		n := int(b[at])
		switch {
		case n == 0:
			if end < 0 {
				end = at + 1
			}
			return name, end, odd, nil
		case n&0xc0 == 0xc0:
			if at+1 >= len(b) {
				return nil, 0, odd, ErrShort
			}
			to := n&0x3f<<8 | int(b[at+1])
			if end < 0 {
				end = at + 2
			}
			jumps++
			if jumps > maxJumps {
				return name, end, odd | OddLoop, nil
			}
			at = to
		case n&0xc0 != 0:
			return nil, 0, odd, ErrName
		default:
			if at+1+n > len(b) {
				return nil, 0, odd, ErrShort
			}
			labels++
			if labels > maxLabels {
				odd |= OddLabels
				if end >= 0 {
					return name, end, odd, nil
				}
			} else if odd&OddName == 0 {
				name = appendLabel(name, b[at+1:at+1+n])
			}
			if len(name) > maxName {
				name, odd = name[:maxName], odd|OddName
			}
			at += 1 + n
		}
	}
}

func appendLabel(name, label []byte) []byte {
	if len(name) > 0 {
		name = append(name, '.')
	}
	return append(name, label...)
}

func readRecord(b []byte, at int) (Record, int, Oddity, error) {
	name, next, odd, err := readName(b, at)
	if err != nil {
		return Record{}, 0, odd, err
	}
	if next+10 > len(b) {
		return Record{}, 0, odd, ErrShort
	}
	r := Record{
		Name: name, Type: binary.BigEndian.Uint16(b[next:]), Class: binary.BigEndian.Uint16(b[next+2:]),
		TTL: binary.BigEndian.Uint32(b[next+4:]), NameCut: odd&OddName != 0,
	}
	from := next + 10
	to := from + int(binary.BigEndian.Uint16(b[next+8:]))
	if to > len(b) {
		return Record{}, 0, odd, ErrShort
	}
	r.Raw = b[from:to]
	r.data(b, from, to)
	return r, to, odd | r.odd, nil
}
