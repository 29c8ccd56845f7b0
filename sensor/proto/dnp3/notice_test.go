package dnp3

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func valid(s string) bool { return json.Valid([]byte(s)) }

func TestNoticesWhatIsWrong(t *testing.T) {
	one := func(data string) []prototest.Turn { return []prototest.Turn{{Data: data}} }
	broken := []byte(request(readClasses))
	broken[len(broken)-1] ^= 1
	prototest.Notices(t, open,
		prototest.Case("nothing", turns, nil),
		prototest.Case("a head with a wrong checksum", one("\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x22"+request(readClasses)), []string{"bad_link_crc"}),
		prototest.Case("a block with a wrong checksum", one(string(broken)), []string{"bad_transport_crc"}),
		prototest.Case("user data without data", one(frame(fromMaster, "")), []string{"len_too_small"}),
		prototest.Case("a length below the least", one(short()), []string{"len_too_small"}),
		prototest.Case("an answer without indications", one(answer("\xc1\x81\x00")), []string{"len_too_small"}),
		prototest.Case("values of an object that is not known", one(answer("\xc1\x81\x00\x00\x63\x01\x00\x00\x00\x00")), []string{"unknown_object"}),
		prototest.Case("a request for an object that is not known", one(request("\xc1\x01\x63\x01\x06")), []string{"unknown_object"}),
		prototest.Case("more points than are read", one(request("\xc1\x02\x01\x01\x01\x00\x00\xfe\xff\x00")), []string{"too_many_points"}),
		prototest.Case("more objects than are read", segments("\xc1\x01"+strings.Repeat("\x3c\x02\x06", maxObjects+1)), []string{"too_many_objects"}),
		prototest.Case("as many objects as are read", segments("\xc1\x01"+strings.Repeat("\x3c\x02\x06", maxObjects)), nil),
		prototest.Case("a fragment without end", segments(strings.Repeat("\x00", maxFragment+1)), []string{"too_long_reassembly"}),
		prototest.Case("requests that nobody answers", one(strings.Repeat(request(operate), 2*maxUnanswered)), []string{"flooded"}),
		prototest.Case("as many as may be", one(strings.Repeat(request(operate), maxUnanswered)), nil),
		prototest.Case("a flow of heads with wrong checksums", one(strings.Repeat("\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x22", 2*maxBad)), slicesOf("bad_link_crc", maxBad+1)),
	)
}

// short is a frame whose length leaves no room for its own addresses.
func short() string {
	b := []byte{5, 0x64, 4, fromMaster, 2, 0, 3, 0}
	n := sum(b)
	return string(append(b, byte(n), byte(n>>8)))
}

// segments are the frames of a fragment.
func segments(app string) (out []prototest.Turn) {
	for i := 0; len(app) > 0; i++ {
		n := min(249, len(app))
		control := byte(i) & segmentNumber
		if i == 0 {
			control |= segmentFirst
		}
		if n == len(app) {
			control |= segmentLast
		}
		out = append(out, prototest.Turn{Data: frame(fromMaster, string([]byte{control})+app[:n])})
		app = app[n:]
	}
	return out
}

func slicesOf(name string, n int) (out []string) {
	for range n {
		out = append(out, name)
	}
	return out
}
