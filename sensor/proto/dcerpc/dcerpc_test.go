package dcerpc

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

func openPackets(h proto.Host) proto.Parser { return NewPackets(h) }

// mapper is the endpoint mapper's interface, little endian.
const mapper = "\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa"

// pdu is a unit of a connection.
func pdu(kind, flags byte, call uint32, body string) string {
	b := []byte{5, 0, kind, flags, 0x10, 0, 0, 0}
	b = binary.LittleEndian.AppendUint16(b, uint16(16+len(body)))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, call)
	return string(b) + body
}

func bind(call uint32, flags byte) string {
	return pdu(kindBind, flags, call, "\xd0\x16\xd0\x16\x00\x00\x00\x00\x01\x00\x00\x00"+
		"\x00\x00\x01\x00"+mapper+"\x03\x00\x00\x00"+strings.Repeat("\x01", 20))
}

func bindAck(call uint32) string {
	return pdu(kindBindAck, 3, call, "\xd0\x16\xd0\x16\x01\x00\x00\x00\x04\x00135\x00\x00\x00"+
		"\x01\x00\x00\x00\x00\x00\x00\x00"+strings.Repeat("\x01", 20))
}

func request(call uint32, flags byte, stub string) string {
	return pdu(kindRequest, flags, call, "\x00\x00\x00\x00\x00\x00\x03\x00"+stub)
}

func response(call uint32, flags byte, stub string) string {
	return pdu(kindResponse, flags, call, "\x00\x00\x00\x00\x00\x00\x00\x00"+stub)
}

var turns = []prototest.Turn{
	{Dir: 0, Data: bind(1, 3)}, {Dir: 1, Data: bindAck(1)},
	{Dir: 0, Data: request(2, flagFirst, "abcd") + request(2, flagLast, "ef")},
	{Dir: 1, Data: response(2, flagFirst, "12")}, {Dir: 1, Data: response(2, flagLast, "3456")},
	{Dir: 0, Data: request(3, 3, "x")},
}

func TestABindAndItsCalls(t *testing.T) {
	const uuid = `"uuid":"e1af8308-5d1f-11c9-91a4-08002b14a0fa","version":"3.0","ack_result":0`
	r := prototest.Talk(t, open, turns...)
	r.Want(t,
		`{"dcerpc":{"request":"BIND","interfaces":[{`+uuid+`}],"response":"BINDACK","call_id":1,"rpc_version":"5.0"}}`,
		`"request":"REQUEST","req":{"opnum":3,"frag_cnt":2,"stub_data_size":6},"interfaces":[{`+uuid+
			`}],"response":"RESPONSE","res":{"frag_cnt":2,"stub_data_size":22},"call_id":2`,
		`"request":"REQUEST","req":{"opnum":3,"frag_cnt":1,"stub_data_size":1},"interfaces":[{`+uuid+`}],"response":"UNREPLIED","call_id":3`,
	)
	for _, want := range []string{`0 dcerpc.stub_data "abcdef"`, `0 dcerpc.opnum.value "\x00\x00\x00\x00\x00\x00\x00\x03"`} {
		if !slices.Contains(r.Fields, want) {
			t.Errorf("rules do not see %s among %q", want, r.Fields)
		}
	}
}

func TestAResponseWithoutItsRequest(t *testing.T) {
	prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: response(7, 3, "ab")}).
		Want(t, `{"dcerpc":{"request":"REQUEST_LOST","response":"RESPONSE","res":{"frag_cnt":1,"stub_data_size":10},"call_id":7,`)
}

func TestABindWithoutItsFirstFlagBindsNothing(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: bind(1, 2)}, prototest.Turn{Dir: 0, Data: request(2, 3, "a")})
	if strings.Contains(strings.Join(r.Records, ""), "interfaces") {
		t.Error(r.Records)
	}
}

func TestAGapInAUnitLosesThatUnitAlone(t *testing.T) {
	var r prototest.Recorder
	c := New(&r)
	first := request(1, 3, strings.Repeat("a", 100))
	for _, step := range []error{
		c.Feed(0, []byte(first[:40])), nil, c.Feed(0, nil),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	c.Gap(0, 50)
	err := c.Feed(0, []byte(first[90:]+request(2, 3, "b")))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	r.Want(t, `"call_id":2`)
}

func packetOf(kind, flags byte, body string) string {
	b := make([]byte, packetHead)
	b[0], b[1], b[2], b[4] = 4, kind, flags, 0x10
	copy(b[24:], mapper)
	copy(b[40:], "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10")
	binary.LittleEndian.PutUint32(b[60:], 3)
	binary.LittleEndian.PutUint16(b[68:], 5)
	binary.LittleEndian.PutUint16(b[74:], uint16(len(body)))
	return string(b) + body
}

var packetTurns = []prototest.Turn{
	{Dir: 0, Data: packetOf(kindRequest, 0, "abc")}, {Dir: 1, Data: packetOf(kindResponse, 0, "de")},
}

func TestACallByDatagrams(t *testing.T) {
	for _, turn := range packetTurns {
		if !ProbePacket(turn.Dir, []byte(turn.Data), proto.Hint{}) {
			t.Errorf("not found: %q", turn.Data)
		}
	}
	prototest.Talk(t, openPackets, packetTurns...).Want(t,
		`"req":{"opnum":5,"frag_cnt":1,"stub_data_size":3},"interfaces":[{"uuid":"e1af8308-5d1f-11c9-91a4-08002b14a0fa","version":"3.0"}],`+
			`"response":"RESPONSE","res":{"frag_cnt":1,"stub_data_size":2},"activityuuid":"04030201-0605-0807-090a-0b0c0d0e0f10","seqnum":0,"rpc_version":"4.0"`)
}

func FuzzDCERPC(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func FuzzDCERPCPackets(f *testing.F) { prototest.Fuzz(f, openPackets, packetTurns...) }
