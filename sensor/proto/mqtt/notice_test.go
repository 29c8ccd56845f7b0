package mqtt

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("an answer to nothing", []prototest.Turn{{Dir: 1, Data: "\x20\x02\x00\x00"}}, []string{"missing_connect"}),
		prototest.Case("answers to nothing once connected", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 1, Data: "\x40\x02\x00\x01" + "\x90\x03\x00\x01\x00" + "\xb0\x02\x00\x01"}}, []string{"missing_publish", "missing_subscribe", "missing_unsubscribe"}),
		prototest.Case("a second CONNECT", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: connect}}, []string{"double_connect"}),
		prototest.Case("a message before the connection stands", []prototest.Turn{{Dir: 0, Data: "\xc0\x00"}}, []string{"unintroduced_message"}),
		prototest.Case("a quality that does not exist", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: "\x36\x05\x00\x01t\x00\x01"}}, []string{"invalid_qos_level"}),
		prototest.Case("a publication without identifier", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: "\x32\x05\x00\x01t\x00\x00"}}, []string{"missing_msg_id"}),
		prototest.Case("a reserved type", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: "\x00\x00"}}, []string{"unassigned_msg_type"}),
		prototest.Case("a length without end", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: "\x30\xff\xff\xff\xff\x01"}}, []string{"malformed_traffic"}),
		prototest.Case("more open than are kept", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: many(maxOpen + 1)}}, []string{"too_many_transactions"}),
		prototest.Case("an exchange without end", []prototest.Turn{{Dir: 0, Data: connect}, {Dir: 1, Data: connack}, {Dir: 0, Data: "\x34\x05\x00\x01t\x00\x01"}, {Dir: 1, Data: strings.Repeat("\x50\x02\x00\x01", maxMessages)}}, []string{"too_many_messages"}),
	)
}

const (
	connect = "\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01a"
	connack = "\x20\x02\x00\x00"
)

// many are publications that wait for their answer.
func many(n int) string {
	var out []byte
	for i := range n {
		out = append(out, 0x32, 5, 0, 1, 't', byte((i+1)>>8), byte(i+1))
	}
	return string(out)
}
