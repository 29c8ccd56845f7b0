package mysql

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

func packet(order byte, b string) string {
	return string([]byte{byte(len(b)), byte(len(b) >> 8), 0, order}) + b
}

var (
	hello   = packet(0, "\x0a8.0.36\x00\x01\x00\x00\x00saltsalt\x00\xff\xff\xff\x02\x00\xff\xdf\x15"+strings.Repeat("\x00", 10)+"saltsaltsalt\x00mysql_native_password\x00")
	wishTLS = packet(1, "\x05\xae\x0f\x00\x00\x00\x00\x01\x2d"+strings.Repeat("\x00", 23))
	login   = packet(1, "\x05\xa6\x0f\x00\x00\x00\x00\x01\x2d"+strings.Repeat("\x00", 23)+"lan\x00\x14secretsecretsecret..")
)

func TestTheLogInAndItsAnswerAreTold(t *testing.T) {
	for _, tt := range []struct {
		answer string
		want   []string
	}{
		{packet(2, "\x00\x00\x00\x02\x00\x00\x00"), []string{"lan accepted"}},
		{packet(2, "\xff\x15\x04#28000Access denied"), []string{"lan refused"}},
		{packet(2, "\xfemysql_native_password\x00salt") + packet(4, "\x01\x04") + packet(5, "\xff\x15\x04#28000no"), []string{"lan refused"}},
		{packet(2, "\xff\x19\x04#42000Unknown database"), nil},
	} {
		prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: hello}, prototest.Turn{Dir: 0, Data: login}, prototest.Turn{Dir: 1, Data: tt.answer}).WantLogIns(t, tt.want...)
	}
}

func TestTLSIsHandedOver(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: hello[:20]}, prototest.Turn{Dir: 1, Data: hello[20:]}, prototest.Turn{Dir: 0, Data: wishTLS})
	if r.Upgrades != 1 {
		t.Error(r.Upgrades)
	}
}

func TestWhatIsNotMySQLIsRefused(t *testing.T) {
	for _, turns := range [][]prototest.Turn{
		{{Dir: 1, Data: packet(0, "\x09old")}},
		{{Dir: 1, Data: hello}, {Dir: 0, Data: packet(1, "short")}},
		{{Dir: 1, Data: hello}, {Dir: 0, Data: login}, {Dir: 1, Data: packet(2, "\x77")}},
		{{Dir: 1, Data: "\xff\xff\xff\x00"}},
	} {
		prototest.Refuses(t, open, turns...)
	}
}

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		b         string
		yes, more bool
	}{
		{hello, true, false}, {hello[:7], false, true}, {hello[:12], true, false}, {"\x4a", false, true}, {"SSH-2.0-x", false, false},
		{hello + "x", false, false}, {"\x4a\x00\x00\x00\x0a\x01\x00", false, false},
	} {
		yes, more := Probe(proto.ToClient, []byte(tt.b), proto.Hint{})
		if yes != tt.yes || more != tt.more {
			t.Errorf("%q: %t %t", tt.b, yes, more)
		}
	}
}

func FuzzMySQL(f *testing.F) {
	prototest.Fuzz(f, open, prototest.Turn{Dir: 1, Data: hello}, prototest.Turn{Dir: 0, Data: login}, prototest.Turn{Dir: 1, Data: packet(2, "\xff\x15\x04#28000no")})
}
