package socks

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

const (
	four4  = "\x04\x01\x01\xbb\x0a\x01\x00\x46lan\x00"
	four4a = "\x04\x01\x01\xbb\x00\x00\x00\x01lan\x00dv.gov.vn\x00"
	yes4   = "\x00\x5a\x00\x00\x00\x00\x00\x00"
	no4    = "\x00\x5b\x00\x00\x00\x00\x00\x00"
	plain  = "\x05\x01\x00"
	both   = "\x05\x02\x00\x02"
	named  = "\x01\x03lan\x01p"
	ask    = "\x05\x01\x00\x03\x09dv.gov.vn\x01\xbb"
	askUDP = "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"
	yes5   = "\x05\x00\x00\x01\x0a\x01\x00\x46\x01\xbb"
	no5    = "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
)

func TestWhatFollowsIsCarried(t *testing.T) {
	for name, tt := range map[string]struct {
		turns   []prototest.Turn
		carries int
		logIns  []string
	}{
		"4":           {[]prototest.Turn{{Dir: 0, Data: four4}, {Dir: 1, Data: yes4}}, 1, nil},
		"4 with name": {[]prototest.Turn{{Dir: 0, Data: four4a}, {Dir: 1, Data: yes4}}, 1, nil},
		"4 refused":   {[]prototest.Turn{{Dir: 0, Data: four4}, {Dir: 1, Data: no4}}, 0, nil},
		"5":           {[]prototest.Turn{{Dir: 0, Data: plain}, {Dir: 1, Data: "\x05\x00"}, {Dir: 0, Data: ask}, {Dir: 1, Data: yes5}}, 1, nil},
		"5 refused":   {[]prototest.Turn{{Dir: 0, Data: plain}, {Dir: 1, Data: "\x05\x00"}, {Dir: 0, Data: ask}, {Dir: 1, Data: no5}}, 0, nil},
		"UDP":         {[]prototest.Turn{{Dir: 0, Data: plain}, {Dir: 1, Data: "\x05\x00"}, {Dir: 0, Data: askUDP}, {Dir: 1, Data: yes5}}, 0, nil},
		"password": {[]prototest.Turn{{Dir: 0, Data: both}, {Dir: 1, Data: "\x05\x02"}, {Dir: 0, Data: named}, {Dir: 1, Data: "\x01\x00"},
			{Dir: 0, Data: ask[:7]}, {Dir: 0, Data: ask[7:]}, {Dir: 1, Data: yes5}}, 1, []string{"lan accepted"}},
		"wrong password": {[]prototest.Turn{{Dir: 0, Data: both}, {Dir: 1, Data: "\x05\x02"}, {Dir: 0, Data: named}, {Dir: 1, Data: "\x01\x01"}}, 0, []string{"lan refused"}},
		"GSS-API":        {[]prototest.Turn{{Dir: 0, Data: both}, {Dir: 1, Data: "\x05\x01"}, {Dir: 0, Data: "\x01\x01\x00\x00"}}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := prototest.Talk(t, open, tt.turns...)
			if r.Carries != tt.carries {
				t.Errorf("%d carried", r.Carries)
			}
			r.WantLogIns(t, tt.logIns...)
		})
	}
}

func TestWhatIsNotSOCKSIsRefused(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 400", "\x05\x00\x04\x00"} {
		prototest.Refuses(t, open, prototest.Turn{Dir: 0, Data: plain}, prototest.Turn{Dir: 1, Data: answer}, prototest.Turn{Dir: 0, Data: "GET /"})
	}
	prototest.Refuses(t, open, prototest.Turn{Dir: 0, Data: four4}, prototest.Turn{Dir: 1, Data: "SSH-2.0"})
}

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		b         string
		yes, more bool
	}{
		{plain, true, false}, {both, true, false}, {plain + "x", false, false}, {"\x05", false, true}, {"\x05\x02\x00", false, true},
		{"\x05\xff\x00", false, false}, {"\x05\x01\x09", false, false}, {four4, true, false}, {four4a, true, false}, {four4a[:14], false, true},
		{"\x04\x09\x00", false, false}, {"\x04\x01\x01\xbb\x0a\x01\x00\x46\xff\x00", false, false}, {"GET", false, false},
	} {
		yes, more := Probe(proto.ToServer, []byte(tt.b), proto.Hint{})
		if yes != tt.yes || more != tt.more {
			t.Errorf("%q: %t %t", tt.b, yes, more)
		}
	}
}

func FuzzSOCKS(f *testing.F) {
	prototest.Fuzz(f, open, prototest.Turn{Dir: 0, Data: both}, prototest.Turn{Dir: 1, Data: "\x05\x02"}, prototest.Turn{Dir: 0, Data: named},
		prototest.Turn{Dir: 1, Data: "\x01\x00"}, prototest.Turn{Dir: 0, Data: ask}, prototest.Turn{Dir: 1, Data: yes5})
}
