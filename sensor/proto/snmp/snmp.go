// Package snmp reads SNMP versions 1, 2c and 3 (RFC 1157, RFC 3416, RFC 3412):
// community, kind and variables of each message.
//
// Not here: the values of variables, and what version 3 encrypts.
package snmp

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

// maxVars bounds the variables kept of a message.
const maxVars = 128

// userModel is the User-based Security Model (RFC 3411 §5).
const userModel = 3

// ErrMalformed means that a datagram is not SNMP.
var ErrMalformed = errors.New("snmp: malformed")

var pduNames = [...]string{
	"get_request", "get_next_request", "response", "set_request", "trap_v1", "get_bulk_request", "inform_request",
	"trap_v2", "report",
}

// Conn reads the messages of one flow. It implements proto.Parser.
type Conn struct {
	host proto.Host
	next uint64
	// version is that of the flow's first message.
	version int
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells SNMP by a message that parses.
func Probe(_ int, b []byte, _ proto.Hint) bool {
	_, err := parse(b)
	return err == nil
}

type message struct {
	version   int
	community []byte
	user      []byte
	pdu       string
	vars      []string
	// unknownModel is true of a version 3 message whose security model is not
	// the user-based one: what follows its head cannot be read.
	unknownModel bool
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	m, err := parse(b)
	if err != nil {
		c.host.Notice(dir, c.next, "malformed_data")
		c.next++
		return err
	}
	if c.version == 0 {
		c.version = m.version
	}
	if m.version != c.version {
		c.host.Notice(dir, c.next, "version_mismatch")
	}
	if m.unknownModel {
		c.host.Notice(dir, c.next, "unknown_security_model")
	}
	c.host.Record(proto.Event{Kind: "snmp", Tx: c.next, HasTx: true, From: dir, OneSided: true, Bodies: []encode.Body{m}})
	c.next++
	return nil
}

// Gap implements proto.Parser.
func (c *Conn) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Conn) Close() {}

func parse(b []byte) (*message, error) {
	in := cryptobyte.String(b)
	var body cryptobyte.String
	var version int
	if !in.ReadASN1(&body, tag.SEQUENCE) || !body.ReadASN1Integer(&version) {
		return nil, ErrMalformed
	}
	switch version {
	case 0, 1:
		m := &message{version: version + 1}
		var community cryptobyte.String
		if !body.ReadASN1(&community, tag.OCTET_STRING) || !m.readPDU(&body) {
			return nil, ErrMalformed
		}
		m.community = append([]byte{}, community...)
		return m, nil
	case 3:
		m := &message{version: 3}
		if !m.readV3(&body) {
			return nil, ErrMalformed
		}
		return m, nil
	}
	return nil, ErrMalformed
}

// readPDU reads the kind and the names of the variables (RFC 3416 §3).
func (m *message) readPDU(in *cryptobyte.String) bool {
	var pdu cryptobyte.String
	var t tag.Tag
	if !in.ReadAnyASN1(&pdu, &t) || t < 0xa0 || int(t-0xa0) >= len(pduNames) {
		return false
	}
	m.pdu = pduNames[t-0xa0]
	skip := []tag.Tag{tag.INTEGER, tag.INTEGER, tag.INTEGER}
	if m.pdu == "trap_v1" {
		skip = []tag.Tag{tag.OBJECT_IDENTIFIER, 0x40, tag.INTEGER, tag.INTEGER, 0x43}
	}
	for _, s := range skip {
		if !pdu.SkipASN1(s) {
			return false
		}
	}
	var list cryptobyte.String
	if !pdu.ReadASN1(&list, tag.SEQUENCE) {
		return false
	}
	for !list.Empty() && len(m.vars) < maxVars {
		var one cryptobyte.String
		var name asn1.ObjectIdentifier
		if !list.ReadASN1(&one, tag.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&name) {
			return false
		}
		m.vars = append(m.vars, name.String())
	}
	return true
}

// readV3 reads the user (RFC 3414 §2.4) and, when it is not encrypted, the
// kind.
func (m *message) readV3(in *cryptobyte.String) bool {
	var global, security, usm, user, scoped cryptobyte.String
	var model int
	if !in.ReadASN1(&global, tag.SEQUENCE) || !global.SkipASN1(tag.INTEGER) || !global.SkipASN1(tag.INTEGER) ||
		!global.SkipASN1(tag.OCTET_STRING) || !global.ReadASN1Integer(&model) || !in.ReadASN1(&security, tag.OCTET_STRING) {
		return false
	}
	if model != userModel {
		m.unknownModel = true
		return true
	}
	if !security.ReadASN1(&usm, tag.SEQUENCE) {
		return false
	}
	if !usm.SkipASN1(tag.OCTET_STRING) || !usm.SkipASN1(tag.INTEGER) || !usm.SkipASN1(tag.INTEGER) || !usm.ReadASN1(&user, tag.OCTET_STRING) {
		return false
	}
	m.user = append([]byte{}, user...)
	if in.PeekASN1Tag(tag.OCTET_STRING) {
		m.pdu = "encrypted"
		return true
	}
	return in.ReadASN1(&scoped, tag.SEQUENCE) && scoped.SkipASN1(tag.OCTET_STRING) &&
		scoped.SkipASN1(tag.OCTET_STRING) && m.readPDU(&scoped)
}

// Encode writes the snmp object.
func (m *message) Encode(e *encode.Encoder) {
	e.Open("snmp")
	e.Uint("version", uint64(m.version))
	if m.version == 3 {
		e.Bytes("usm", m.user)
	} else {
		e.Bytes("community", m.community)
	}
	if m.pdu != "" {
		e.String("pdu_type", m.pdu)
	}
	e.Strings("vars", m.vars)
	e.Close()
}
