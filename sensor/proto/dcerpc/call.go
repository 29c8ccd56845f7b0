package dcerpc

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Interface is one that a client asked for.
type Interface struct {
	uuid           [16]byte
	major, minor   uint16
	context        uint16
	call           uint32
	result, reason uint16
	acked          bool
}

// Call is a unit that was asked and its answer. It implements encode.Body and
// proto.Fields.
type Call struct {
	// Tx numbers the transaction.
	Tx uint64

	id                uint32
	minor             byte
	request, response byte
	asked, answered   bool
	// lost is true when the request was not seen.
	lost    bool
	opnum   uint16
	context uint16
	parts   [2]uint64
	size    [2]uint64
	stub    [2][]byte
	over    *Association
	bound   []Interface
	pipe    bool
	// datagram is set of a call without a connection.
	datagram *datagram
}

// Lost reports whether the request was not seen.
func (c *Call) Lost() bool { return c.lost }

// Answered reports whether an answer was seen.
func (c *Call) Answered() bool { return c.answered }

// InPipe tells that the call came through a named pipe, where EVE writes the
// number of the call elsewhere.
func (c *Call) InPipe() { c.pipe = true }

func event(kind string, c *Call) proto.Event {
	return proto.Event{Kind: kind, Tx: c.Tx, HasTx: true, Bodies: []encode.Body{c}}
}

// addRequest reads a part of a request (C706 §12.6.4.9).
func (c *Call) addRequest(u *unit) {
	b := u.body
	c.asked = u.flags&flagLast != 0 || len(b) < requestHead
	if len(b) < requestHead {
		return
	}
	if c.parts[0] == 0 {
		c.context, c.opnum = u.order().Uint16(b[4:]), u.order().Uint16(b[6:])
	}
	c.addStub(proto.ToServer, b[requestHead:])
}

// addResponse reads a part of a response (C706 §12.6.4.10).
func (c *Call) addResponse(u *unit) {
	c.addStub(proto.ToClient, u.body[min(len(u.body), c.over.head):])
}

// addStub keeps arguments, with the object before them and what vouches for
// them at their end: rules are written for that.
func (c *Call) addStub(dir int, b []byte) {
	c.parts[dir]++
	c.size[dir] += uint64(len(b))
	c.stub[dir] = append(c.stub[dir], b[:min(len(b), maxStub-len(c.stub[dir]))]...)
}

// settle notes the interfaces that concern the call.
func (c *Call) settle() {
	if c.over == nil {
		return
	}
	c.bound = c.bound[:0]
	for _, i := range c.over.interfaces {
		if c.request == kindRequest && !c.lost && i.context == c.context || c.request == kindBind && i.call == c.id {
			c.bound = append(c.bound, i)
		}
	}
}

// Fields implements proto.Fields.
func (c *Call) Fields(dir int, b *rules.Buffers) {
	if c.lost || c.request != kindRequest {
		return
	}
	b.AddNumber(rules.BufferDCEOpnum, uint64(c.opnum))
	if c.parts[dir] > 0 {
		b.Add(rules.BufferDCEStub, c.stub[dir])
	}
	for _, i := range c.bound {
		if !i.acked || i.result == 0 {
			b.Add(rules.BufferDCEIface, binary.BigEndian.AppendUint16(append([]byte{}, i.uuid[:]...), i.major))
		}
	}
}

// Encode writes the dcerpc object.
func (c *Call) Encode(e *encode.Encoder) {
	e.Open("dcerpc")
	c.encodeRequest(e)
	if c.answered {
		e.String("response", kindName(c.response))
	} else {
		e.String("response", "UNREPLIED")
	}
	if c.answered && c.response == kindResponse {
		e.Open("res")
		e.Uint("frag_cnt", c.parts[1])
		e.Uint("stub_data_size", c.size[1])
		e.Close()
	}
	switch {
	case c.datagram != nil:
		e.String("activityuuid", uuidText(c.datagram.activity))
		e.Uint("seqnum", uint64(c.datagram.sequence))
		e.String("rpc_version", "4.0")
	case c.pipe:
		e.Uint("call_id", uint64(c.id))
	default:
		e.Uint("call_id", uint64(c.id))
		e.String("rpc_version", "5."+strconv.Itoa(int(c.minor)))
	}
	e.Close()
}

func (c *Call) encodeRequest(e *encode.Encoder) {
	if c.lost || !c.asked {
		e.String("request", "REQUEST_LOST")
		return
	}
	e.String("request", kindName(c.request))
	if c.request == kindRequest {
		if c.pipe {
			e.Uint("opnum", uint64(c.opnum))
		}
		e.Open("req")
		if !c.pipe {
			e.Uint("opnum", uint64(c.opnum))
		}
		e.Uint("frag_cnt", c.parts[0])
		e.Uint("stub_data_size", c.size[0])
		e.Close()
	}
	if len(c.bound) == 0 {
		return
	}
	e.Array("interfaces")
	for _, i := range c.bound {
		e.Open("")
		e.String("uuid", uuidText(i.uuid))
		e.String("version", strconv.Itoa(int(i.major))+"."+strconv.Itoa(int(i.minor)))
		if i.acked && (c.request == kindBind || !c.pipe) {
			e.Uint("ack_result", uint64(i.result))
			if c.pipe {
				e.Uint("ack_reason", uint64(i.reason))
			}
		}
		e.Close()
	}
	e.End()
}

func uuidText(u [16]byte) string {
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
