package pgsql

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

const (
	wishTLS = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	startup = "\x00\x00\x00\x20\x00\x03\x00\x00database\x00db\x00user\x00lan\x00\x00\x00\x00"
	askMD5  = "R\x00\x00\x00\x0c\x00\x00\x00\x05salt"
	letIn   = "R\x00\x00\x00\x08\x00\x00\x00\x00"
	wrong   = "E\x00\x00\x00\x16SFATAL\x00C28P01\x00Mno\x00\x00"
	missing = "E\x00\x00\x00\x16SFATAL\x00C3D000\x00Mno\x00\x00"
)

func TestTheLogInAndItsAnswerAreTold(t *testing.T) {
	ask := []prototest.Turn{{Dir: 0, Data: wishTLS}, {Dir: 1, Data: "N"}, {Dir: 0, Data: startup}, {Dir: 1, Data: askMD5}, {Dir: 0, Data: "p\x00\x00\x00\x06md\x00"}}
	for _, tt := range []struct {
		answer string
		want   []string
	}{{letIn, []string{"lan accepted"}}, {wrong, []string{"lan refused"}}, {missing, nil}, {"", nil}} {
		r := prototest.Talk(t, open, append(ask[:len(ask):len(ask)], prototest.Turn{Dir: 1, Data: tt.answer})...)
		r.WantLogIns(t, tt.want...)
		if r.Upgrades != 0 {
			t.Error("TLS that was refused")
		}
	}
}

func TestTLSIsHandedOver(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: wishTLS[:5]}, prototest.Turn{Dir: 0, Data: wishTLS[5:]}, prototest.Turn{Dir: 1, Data: "S"})
	if r.Upgrades != 1 {
		t.Error(r.Upgrades)
	}
}

func TestWhatIsNotPostgreSQLIsRefused(t *testing.T) {
	for _, turns := range [][]prototest.Turn{
		{{Dir: 0, Data: "\x00\x00\xff\xff\x00\x03\x00\x00"}},
		{{Dir: 0, Data: wishTLS}, {Dir: 1, Data: "H"}},
		{{Dir: 0, Data: startup}, {Dir: 1, Data: "HTTP/1.1 400 Bad Request"}},
		{{Dir: 0, Data: startup}, {Dir: 1, Data: "Z\x00\x00\x00\x04"}},
	} {
		prototest.Refuses(t, open, turns...)
	}
}

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		b         string
		yes, more bool
	}{
		{wishTLS, true, false}, {startup, true, false}, {startup[:9], true, false}, {startup[:8], false, true}, {"\x00", false, true},
		{wishTLS + "x", false, false}, {"\x00\x00\x00\x08\x00\x00\x00\x01", false, false}, {"GET / HTTP", false, false},
	} {
		yes, more := Probe(proto.ToServer, []byte(tt.b), proto.Hint{})
		if yes != tt.yes || more != tt.more {
			t.Errorf("%q: %t %t", tt.b, yes, more)
		}
	}
}

func FuzzPgSQL(f *testing.F) {
	prototest.Fuzz(f, open, prototest.Turn{Dir: 0, Data: wishTLS}, prototest.Turn{Dir: 1, Data: "N"}, prototest.Turn{Dir: 0, Data: startup},
		prototest.Turn{Dir: 1, Data: askMD5}, prototest.Turn{Dir: 1, Data: wrong})
}
