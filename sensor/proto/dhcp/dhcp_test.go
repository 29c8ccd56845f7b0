package dhcp

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{{Dir: 0, Data: "\x01\x01\x06\x00\x00\x00\x00\x07" + string(make([]byte, 20)) + "\x00\x0c\x29\x01\x02\x03" + string(make([]byte, 202)) +
	"\x63\x82\x53\x63\x35\x01\x03\x32\x04\x0a\x00\x00\x05\x37\x02\x01\x06\x0c\x02pc\xff"}}

func TestARequest(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t, `{"dhcp":{"type":"request","id":7,"client_mac":"00:0c:29:01:02:03","client_ip":"0.0.0.0","assigned_ip":"0.0.0.0","next_server_ip":"0.0.0.0","relay_ip":"0.0.0.0","dhcp_type":"request","hostname":"pc","requested_ip":"10.0.0.5","params":["subnet_mask","dns_server"]}}`)
}

func TestOptionsWithoutNameAreNoList(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Data: strings.Replace(turns[0].Data, "\x37\x02\x01\x06", "\x37\x02\xfd\xfc", 1)})
	r.Want(t, `"requested_ip":"10.0.0.5"}}`)
}

func FuzzDHCP(f *testing.F) { prototest.Fuzz(f, open, turns...) }
