package modbus

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

// pdu puts the head of transaction 7 and unit 1 before a function and its data.
func pdu(data string) string {
	return "\x00\x07\x00\x00\x00" + string(rune(len(data)+1)) + "\x01" + data
}

func ask(data string) prototest.Turn    { return prototest.Turn{Dir: proto.ToServer, Data: pdu(data)} }
func answer(data string) prototest.Turn { return prototest.Turn{Dir: proto.ToClient, Data: pdu(data)} }

var turns = []prototest.Turn{
	ask("\x01\x00\x13\x00\x13"), answer("\x01\x03\x41\x6b\x05"),
	ask("\x0f\x00\x13\x00\x0a\x02\x41\x01"), answer("\x0f\x00\x13\x00\x0a"),
	ask("\x17\x00\x03\x00\x01\x00\x0e\x00\x01\x02\x41\x42"), answer("\x17\x02\x43\x44"),
	ask("\x16\x00\x04\x00\x41\x00\x25"), answer("\x16\x00\x04\x00\x41\x00\x25"),
	ask("\x06\x00\x01\x00\x03"), answer("\x86\x02"),
	ask("\x08\x00\x04\x00\x00"),
	ask("\x2b\x0e\x01\x00"), answer("\x2b\x0eOK"),
	ask("\x11"), answer("\x11id"),
}

func TestRequestsAndTheirAnswersAreOneRecord(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t,
		`{"modbus":{"id":1,"request":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":1,"function_code":"RdCoils",`+
			`"access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":19,"quantity":19}},`+
			`"response":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":1,"function_code":"RdCoils",`+
			`"access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"Ak\u0005"}}}}`,
		`"write":{"address":19,"quantity":10,"data":"A\u0001"}},"response":{`,
		`"access_type":"READ | WRITE | HOLDING | MULTIPLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":3,"quantity":1},"write":{"address":14,"quantity":1,"data":"AB"}`,
		`"write":{"address":4,"and_mask":65,"or_mask":37}},"response":{`,
		`"function_raw":134,"function_code":"WrSingleReg","access_type":"WRITE | HOLDING | SINGLE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","exception":{"raw":2,"code":"IllegalDataAddr"}`,
		`"response":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":43,"function_code":"MEI","access_type":"NONE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","mei":{"raw":14,"code":"RdDevId","data":"OK"}`,
		`"function_code":"ReportServerID","access_type":"NONE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","data":"id"`,
		`{"modbus":{"id":6,"request":{"transaction_id":7,"protocol_id":0,"unit_id":1,"function_raw":8,"function_code":"Diagnostic","access_type":"NONE","category":"PUBLIC_ASSIGNED","error_flags":"NONE","diagnostic":{"raw":4,"code":"ForceListenOnlyMode","data":"\u0000\u0000"}}}}`,
	)
}

func TestNoticesWhatIsWrong(t *testing.T) {
	short := prototest.Turn{Dir: proto.ToServer, Data: "\x00\x07\x00\x00\x00\x01\x01"}
	long := prototest.Turn{Dir: proto.ToServer, Data: "\x00\x07\x00\x00\x01\x00" + strings.Repeat("x", 256) + turns[0].Data}
	foreign := prototest.Turn{Dir: proto.ToServer, Data: "\x00\x07\x00\x09\x00\x02\x01\x11"}
	prototest.Notices(t, open,
		prototest.Case("an ordinary talk", turns, nil),
		prototest.Case("a length that holds no function", []prototest.Turn{short}, []string{"invalid_length"}),
		prototest.Case("a length over a whole message, which is passed over", []prototest.Turn{long, turns[1]}, []string{"invalid_length"}),
		prototest.Case("data after a request's fields", []prototest.Turn{ask("\x01\x00\x00\x00\x01\x00")}, []string{"invalid_length"}),
		prototest.Case("a request without its fields", []prototest.Turn{ask("\x01\x00")}, []string{"invalid_value", "invalid_length"}),
		prototest.Case("another protocol", []prototest.Turn{foreign}, []string{"invalid_protocol_id"}),
		prototest.Case("function 0", []prototest.Turn{ask("\x00")}, []string{"invalid_function_code"}),
		prototest.Case("an exception that is asked for", []prototest.Turn{ask("\x81\x01")}, []string{"invalid_function_code"}),
		prototest.Case("no coil to read", []prototest.Turn{ask("\x01\x00\x00\x00\x00")}, []string{"invalid_value"}),
		prototest.Case("a coil that is neither on nor off", []prototest.Turn{ask("\x05\x00\x00\x00\x01")}, []string{"invalid_value"}),
		prototest.Case("registers whose bytes are not counted right", []prototest.Turn{ask("\x10\x00\x00\x00\x02\x02ab")}, []string{"invalid_value"}),
		prototest.Case("an exception that does not exist", []prototest.Turn{turns[0], answer("\x81\x09")}, []string{"invalid_exception_code"}),
		prototest.Case("an answer of too few bits", []prototest.Turn{turns[0], answer("\x01\x01\x41")}, []string{"value_mismatch"}),
		prototest.Case("an answer of another address", []prototest.Turn{ask("\x06\x00\x01\x00\x03"), answer("\x06\x00\x02\x00\x03")}, []string{"value_mismatch"}),
		prototest.Case("an answer to nothing", []prototest.Turn{turns[1]}, []string{"unsolicited_response"}),
		prototest.Case("many requests without answer", []prototest.Turn{{Dir: proto.ToServer, Data: strings.Repeat(turns[0].Data, maxOpen+2)}}, []string{"flooded"}),
	)
}

func TestAFloodIsToldAndKeptSmall(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: proto.ToServer, Data: strings.Repeat(turns[0].Data, maxOpen+20)})
	if len(r.Records) != maxOpen+20 {
		t.Errorf("%d records of %d requests", len(r.Records), maxOpen+20)
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name string
		dir  int
		port uint16
		data string
		want bool
	}{
		{"a request on its port", proto.ToServer, port, turns[0].Data, true},
		{"an answer on its port", proto.ToClient, port, turns[1].Data, true},
		{"a sound request elsewhere", proto.ToServer, 1502, turns[0].Data, true},
		{"a request of too much elsewhere", proto.ToServer, 1502, pdu("\x01\x00\x00\xff\xff"), false},
		{"a request with more behind it elsewhere", proto.ToServer, 1502, turns[0].Data + "x", false},
		{"another protocol's number", proto.ToServer, port, "\x00\x07\x00\x01\x00\x02\x01\x11", false},
		{"text", proto.ToServer, port, "GET / HTTP/1.1\r\n", false},
	} {
		hint := proto.Hint{Ports: [2]uint16{50000, c.port}}
		yes, more := Probe(c.dir, []byte(c.data), hint)
		if yes != c.want || more {
			t.Errorf("%s: %v, %v", c.name, yes, more)
		}
		for n := range min(len(c.data), headSize+least) {
			yes, more = Probe(c.dir, []byte(c.data[:n]), hint)
			if yes || c.want && !more {
				t.Errorf("%s cut at %d: %v, %v", c.name, n, yes, more)
			}
		}
	}
}

func FuzzModbus(f *testing.F) { prototest.Fuzz(f, open, turns...) }
