package snmp

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("a message cut short", []prototest.Turn{{Dir: 0, Data: "\x30\x05\x02"}}, []string{"malformed_data"}),
		prototest.Case("another version in the same flow", []prototest.Turn{{Dir: 0, Data: ask(0)}, {Dir: 0, Data: ask(1)}}, []string{"version_mismatch"}),
		prototest.Case("a security model that is not known", []prototest.Turn{{Dir: 0, Data: "\x30\x13\x02\x01\x03\x30\x0c\x02\x01\x01\x02\x01\x01\x04\x01\x00\x02\x01\x63\x04\x00"}}, []string{"unknown_security_model"}),
	)
}

// ask asks for nothing in a version.
func ask(version byte) string {
	return "\x30\x18\x02\x01" + string(version) + "\x04\x06public\xa0\x0b\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x00"
}
