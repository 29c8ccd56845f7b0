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
	copy(core[8:], "\x01\xca\x03\xaa\x2a\x04")
	copy(core[16:], "\x28\x0a\x00\x00M\x00E\x00")
	copy(core[52:], "\x04\x00\x00\x00\x00\x00\x00\x00\x0c")
	copy(core[128:], "\x03\xca\x01\x00")
	copy(core[140:], "\x05\x00")
	copy(core[142:], "5\x005\x00")
	network := []byte("\x01\x00\x00\x00rdpdr\x00\x00\x00\x00\x00\x00\x80")
	blocks := block(0xc001, core) + block(0xc003, network)
	data := string(binary.BigEndian.AppendUint16(nil, uint16(len(blocks))|0x8000)) + blocks
	return []prototest.Turn{
		{Dir: 0, Data: unit("\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=me\r\n\x01\x00\x08\x00\x00\x00\x00\x00")},
		{Dir: 1, Data: unit("\x0e\xd0\x00\x00\x12\x34\x00\x02\x01\x08\x00\x00\x00\x00\x00")},
		{Dir: 0, Data: unit("\x02\xf0\x80\x7f\x65\x82\x01\x00Duca" + data)},
		{Dir: 0, Data: "what is enciphered is not read"},
		{Dir: 1, Data: unit("\x02\xf0\x80\x7f\x66\x82\x01\x00McDn")},
		{Dir: 1, Data: "nor is this"},
	}
}

func TestWhatTheSidesTell(t *testing.T) {
	prototest.Talk(t, open, turns()...).Want(t, `{"rdp":{"tx_id":1,"event_type":"initial_request","cookie":"me"}}`,
		`{"rdp":{"tx_id":2,"event_type":"initial_response","server_supports":["extended_client_data"],"protocol":"rdp"}}`,
		`{"rdp":{"tx_id":3,"event_type":"connect_request","client":{"version":"v5","desktop_width":1024,"desktop_height":864,"color_depth":16,"keyboard_layout":"vi-VN",`+
			`"build":"Windows XP","client_name":"ME","keyboard_type":"enhanced","function_keys":12,"product_id":1,`+
			`"capabilities":["support_errinfo_pdf","support_statusinfo_pdu"],"id":"55"},"channels":["rdpdr"]}}`,
		`{"rdp":{"tx_id":4,"event_type":"connect_response"}}`)
}

func TestWhatIsMissingIsLeftOut(t *testing.T) {
	confirm := func(negotiation string) prototest.Turn {
		return prototest.Turn{Dir: 1, Data: unit("\x0e\xd0\x00\x00\x12\x34\x00" + negotiation)}
	}
	for name, c := range map[string]struct {
		turn prototest.Turn
		want string
	}{
		"a server that supports nothing more":   {confirm("\x02\x00\x08\x00\x00\x00\x00\x00"), `{"rdp":{"tx_id":1,"event_type":"initial_response","protocol":"rdp"}}`},
		"a protocol that there is not":          {confirm("\x02\x03\x08\x00\x00\x00\x00\x02"), `{"rdp":{"tx_id":1,"event_type":"initial_response"}}`},
		"a server of before the negotiation":    {confirm(""), `{"rdp":{"tx_id":1,"event_type":"initial_response"}}`},
		"a refusal":                             {confirm("\x03\x00\x08\x00\x05\x00\x00\x00"), `{"rdp":{"tx_id":1,"event_type":"initial_response","error_code":5,"reason":"hybrid required by server"}}`},
		"a refusal of a kind that there is not": {confirm("\x03\x00\x08\x00\x07\x00\x00\x00"), `{"rdp":{"tx_id":1,"event_type":"initial_response"}}`},
		"a client of the shortest kind": {
			prototest.Turn{Dir: 0, Data: unit("\x02\xf0\x80\x7f\x65Duca\x80\x84" + block(0xc001, make([]byte, 128)))},
			`{"rdp":{"tx_id":1,"event_type":"connect_request","client":{"version":"unknown","desktop_width":0,"desktop_height":0,"keyboard_layout":"unknown","build":"unknown"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) { prototest.Talk(t, open, c.turn).Want(t, c.want) })
	}
}

func TestNumbersHaveNames(t *testing.T) {
	for build, want := range map[uint32]string{7601: "Windows 7 SP1", 17763: "Windows 10 RS5", 19041: "Windows 10", 22631: "Windows 11", 1: unknown} {
		if got := buildName(build); got != want {
			t.Errorf("build %d is %q, not %q", build, got, want)
		}
	}
	for colours, want := range map[[3]uint16]uint64{{}: 0, {0xca00}: 4, {0xca01, 0xca02}: 15, {0xca01, 0xca04, 8}: 8} {
		c := client{colours: colours[0], colours2: colours[1], colours3: colours[2]}
		if got := c.depth(); got != want {
			t.Errorf("depth of %x is %d, not %d", colours, got, want)
		}
	}
}

func TestTLSIsHandedOver(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: unit("\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x02\x00\x00\x00")})
	if r.Upgrades != 1 {
		t.Errorf("%d upgrades", r.Upgrades)
	}
}

func FuzzRDP(f *testing.F) { prototest.Fuzz(f, open, turns()...) }
