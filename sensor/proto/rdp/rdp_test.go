package rdp

import (
	"encoding/binary"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

func unit(body string) string {
	return string(binary.BigEndian.AppendUint16([]byte{3, 0}, uint16(len(body)+4))) + body
}

func block(kind uint16, body []byte) string {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	return string(append(binary.LittleEndian.AppendUint16(b, uint16(len(body)+4)), body...))
}

func turns() []prototest.Turn {
	core := make([]byte, 214)
	copy(core, "\x04\x00\x08\x00\x00\x04\x60\x03")
	copy(core[16:], "\x28\x0a\x00\x00M\x00E\x00")
	copy(core[140:], "\x01\x00")
	copy(core[142:], "5\x005\x00")
	network := []byte("\x01\x00\x00\x00rdpdr\x00\x00\x00\x00\x00\x00\x80")
	blocks := block(0xc001, core) + block(0xc003, network)
	data := string(binary.BigEndian.AppendUint16(nil, uint16(len(blocks))|0x8000)) + blocks
	return []prototest.Turn{
		{Dir: 0, Data: unit("\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=me\r\n\x01\x00\x08\x00\x00\x00\x00\x00")},
		{Dir: 1, Data: unit("\x0e\xd0\x00\x00\x12\x34\x00\x02\x01\x08\x00\x00\x00\x00\x00")},
		{Dir: 0, Data: unit("\x02\xf0\x80\x7f\x65\x82\x01\x00Duca" + data)},
	}
}

func TestWhatTheSidesTell(t *testing.T) {
	prototest.Talk(t, open, turns()...).Want(t, `{"rdp":{"event_type":"initial_request","cookie":"me"}}`,
		`{"rdp":{"event_type":"initial_response","server_supports":["extended_client_data"],"protocol":"rdp"}}`,
		`"client":{"version":"v5","desktop_width":1024,"desktop_height":864,"keyboard_layout":0,"build":"Windows XP","client_name":"ME",`+
			`"keyboard_type":0,"function_keys":0,"product_id":0,"capabilities":["support_errinfo_pdf"],"id":"55"},"channels":["rdpdr"]`)
}

func TestTLSIsHandedOver(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: unit("\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x02\x00\x00\x00")})
	if r.Upgrades != 1 {
		t.Errorf("%d upgrades", r.Upgrades)
	}
}

func FuzzRDP(f *testing.F) { prototest.Fuzz(f, open, turns()...) }
