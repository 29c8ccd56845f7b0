package smb

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// setup is the detail of a session setup.
type setup struct {
	ntlm *ntlm
	// broken is true when the NTLM message cannot be read.
	broken            bool
	realm             []byte
	services          []string
	request, response *system
}

// system is what an end of SMB 1 tells of itself.
type system struct{ os, lm []byte }

// ntlm is what an NTLM authentication says ([MS-NLMP] §2.2.1.3).
type ntlm struct {
	domain, user, host []byte
	version            string
}

// setup opens the transaction of a session setup.
func (c *Conn) setup(h *head, blob []byte) {
	s := readSetup(blob)
	c.start(h.key, h, s)
	if s.broken {
		c.host.Notice(proto.ToServer, c.next-1, "malformed_ntlmssp_request")
	}
}

// readSetup reads the token of a session setup: NTLM, or a Kerberos ticket.
func readSetup(blob []byte) *setup {
	s := &setup{}
	i := bytes.Index(blob, []byte("NTLMSSP\x00"))
	if i >= 0 {
		s.ntlm, s.broken = readNTLM(blob[i:])
		return s
	}
	s.ticket(blob)
	return s
}

func readNTLM(b []byte) (n *ntlm, broken bool) {
	const fixed, authenticate, hasVersion, wide = 64, 3, 1 << 25, 1
	if len(b) < 12 {
		return nil, true
	}
	kind := binary.LittleEndian.Uint32(b[8:])
	if kind != authenticate || len(b) < fixed {
		return nil, kind == 0 || kind >= authenticate
	}
	flags := binary.LittleEndian.Uint32(b[60:])
	field := func(at int) []byte {
		v := span(b, int(binary.LittleEndian.Uint32(b[at+4:])), int(binary.LittleEndian.Uint16(b[at:])))
		if flags&wide != 0 {
			return text16(v)
		}
		return bytes.Clone(v[:min(len(v), maxText)])
	}
	n = &ntlm{domain: field(28), user: field(36), host: field(44)}
	if flags&hasVersion != 0 && len(b) >= fixed+8 {
		v := b[fixed:]
		n.version = fmt.Sprintf("%d.%d build %d rev %d", v[0], v[1], binary.LittleEndian.Uint16(v[2:]), v[7])
	}
	return n, false
}

// ticket finds the ticket of a Kerberos AP-REQ in the token (RFC 4178 §4.2.1,
// RFC 4121 §4.1, RFC 4120 §5.5.1).
func (s *setup) ticket(blob []byte) {
	// Ticket ::= [APPLICATION 1] SEQUENCE { [0] 5, [1] realm, [2] name … }
	for from := 0; from < len(blob); {
		i := bytes.IndexByte(blob[from:], 0x61)
		if i < 0 {
			return
		}
		in := cryptobyte.String(blob[from+i:])
		from += i + 1
		if s.readTicket(&in) {
			return
		}
	}
}

func (s *setup) readTicket(in *cryptobyte.String) bool {
	context := func(n uint8) tag.Tag { return tag.Tag(n).ContextSpecific().Constructed() }
	var ticket, seq, wrap, realm, names, one cryptobyte.String
	version := 0
	if !in.ReadASN1(&ticket, 0x61) || !ticket.ReadASN1(&seq, tag.SEQUENCE) || !seq.ReadASN1(&wrap, context(0)) ||
		!wrap.ReadASN1Integer(&version) || version != 5 {
		return false
	}
	if !seq.ReadASN1(&wrap, context(1)) || !wrap.ReadASN1(&realm, tag.GeneralString) ||
		!seq.ReadASN1(&wrap, context(2)) || !wrap.ReadASN1(&names, tag.SEQUENCE) ||
		!names.SkipASN1(context(0)) || !names.ReadASN1(&wrap, context(1)) || !wrap.ReadASN1(&names, tag.SEQUENCE) {
		return false
	}
	s.realm = bytes.Clone(realm[:min(len(realm), maxText)])
	for len(s.services) < 16 && names.ReadASN1(&one, tag.GeneralString) {
		s.services = append(s.services, string(one[:min(len(one), maxText)]))
	}
	return true
}

// logIn tells what the server said to a session setup: by success, or by one of
// the statuses of [MS-ERREF] §2.3.1 that speak of the account or its password.
// Guests and anonymous sessions have no name and are no log-ins.
func (t *transaction) logIn() (account string, refused, judged bool) {
	s, ok := t.detail.(*setup)
	if !ok || !t.hasStatus {
		return "", false, false
	}
	if s.ntlm != nil {
		account = string(s.ntlm.user)
	}
	if t.dos {
		// [MS-CIFS] §2.2.2.4: ERRSRV, ERRbadpw.
		return account, true, byte(t.status) == 2 && t.status>>16 == 2
	}
	switch t.status {
	case statusSuccess:
		return account, false, account != "" || s.realm != nil
	case 0xc0000064, 0xc000006a, 0xc000006d, 0xc0000072, 0xc0000234:
		return account, true, true
	}
	return "", false, false
}

// Encode implements encode.Body.
func (s *setup) Encode(e *encode.Encoder) {
	if s.ntlm != nil {
		e.Open("ntlmssp")
		e.Bytes("domain", s.ntlm.domain)
		e.Bytes("user", s.ntlm.user)
		e.Bytes("host", s.ntlm.host)
		if s.ntlm.version != "" {
			e.String("version", s.ntlm.version)
		}
		e.Close()
	}
	if s.realm != nil {
		e.Open("kerberos")
		e.Bytes("realm", s.realm)
		e.Array("snames")
		for _, name := range s.services {
			e.String("", name)
		}
		e.End()
		e.Close()
	}
	s.request.encode(e, "request")
	s.response.encode(e, "response")
}

func (s *system) encode(e *encode.Encoder, name string) {
	if s == nil {
		return
	}
	e.Open(name)
	e.Bytes("native_os", s.os)
	e.Bytes("native_lm", s.lm)
	e.Close()
}

// Fields implements proto.Fields.
func (s *setup) Fields(_ int, b *rules.Buffers) {
	if s.ntlm != nil {
		b.AddText(rules.BufferSMBUser, s.ntlm.user)
		b.AddText(rules.BufferSMBDomain, s.ntlm.domain)
	}
}
