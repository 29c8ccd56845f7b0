package ntp

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{{Dir: 0, Data: "\x23" + string(make([]byte, 47))}, {Dir: 1, Data: "\x1c\x02" + string(make([]byte, 10)) + "LOCL" + string(make([]byte, 32))}}

func TestRequestAndAnswer(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t, `{"ntp":{"version":4,"mode":3,"stratum":0,"reference_id":"00:00:00:00"}}`,
		`{"ntp":{"version":3,"mode":4,"stratum":2,"reference_id":"4c:4f:43:4c"}}`)
}

func FuzzNTP(f *testing.F) { prototest.Fuzz(f, open, turns...) }
