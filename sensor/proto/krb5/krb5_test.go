package krb5

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

func stream(h proto.Host) proto.Parser { return NewStream(h) }

func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// asReq asks for krbtgt/EX in the realm EX for the user u.
var asReq = unhex("6a 4b 30 49 a103020105 a20302010a a43d303b" +
	"a00703050000000000 a10e300c a003020101 a1053003 1b0175 a2041b024558" +
	"a31730 15 a003020102 a10e300c 1b066b7262746774 1b024558 a80130")

// refused is KDC_ERR_PREAUTH_REQUIRED for the same.
var refused = unhex("7e 48 30 46 a003020105 a10302011e a411180f32303236313132383030303030305a" +
	"a503020100 a603020119 a9041b024558 aa1730 15 a003020102 a10e300c 1b066b7262746774 1b024558")

var turns = []prototest.Turn{{Dir: 0, Data: asReq}, {Dir: 1, Data: refused}}

func TestARequestAndItsRefusal(t *testing.T) {
	want := []string{
		`{"krb5":{"msg_type":"KRB_AS_REQ","cname":"u","realm":"EX","sname":"krbtgt/EX","encryption":"<none>","weak_encryption":false}}`,
		`{"krb5":{"msg_type":"KRB_ERROR","failed_request":"KRB_AS_REQ","error_code":"KDC_ERR_PREAUTH_REQUIRED","cname":"<empty>","realm":"<empty>","sname":"krbtgt/EX"`,
	}
	prototest.Talk(t, open, turns...).Want(t, want...)
	framed := func(s string) string { return "\x00\x00\x00" + string(rune(len(s))) + s }
	one := framed(asReq)
	prototest.Talk(t, stream, prototest.Turn{Dir: 0, Data: one[:20]}, prototest.Turn{Dir: 0, Data: one[20:]},
		prototest.Turn{Dir: 1, Data: framed(refused)}).Want(t, want...)
}

// der is an element of ASN.1 with what it holds.
func der(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	return string([]byte{tag, byte(len(body))}) + body
}

// asRep gives u a ticket for krbtgt/EX, both encrypted with the algorithm.
func asRep(etype string) string {
	sealed := der(0x30, unhex("a0030201"+etype+"a2060404deadbeef"))
	ticket := der(0x61, der(0x30, unhex("a003020105 a1041b024558 a2173015a003020102a10e300c1b066b7262746774 1b024558"), der(0xa3, sealed)))
	return der(0x6b, der(0x30, unhex("a003020105 a10302010b a3041b024558 a40e300c a003020101 a10530031b0175"), der(0xa5, ticket), der(0xa6, sealed)))
}

func TestNoticesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		open  func(proto.Host) proto.Parser
		turns []prototest.Turn
		want  []string
	}{
		{"an ordinary exchange", open, turns, nil},
		{"a message cut short", open, []prototest.Turn{{Dir: 0, Data: asReq}, {Dir: 0, Data: asReq[:20]}}, []string{"malformed_data"}},
		{"a length over the limit", stream, []prototest.Turn{{Dir: 0, Data: "\x7f\xff\xff\xff"}}, []string{"malformed_data"}},
		{"a ticket by RC4", open, []prototest.Turn{{Dir: 1, Data: asRep("17")}}, []string{"weak_encryption"}},
		{"a ticket by AES", open, []prototest.Turn{{Dir: 1, Data: asRep("12")}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prototest.Heard(c.open, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzKerberos(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func FuzzKerberosStream(f *testing.F) { prototest.Fuzz(f, stream, turns...) }

func TestTheServersWordOnAPasswordIsTold(t *testing.T) {
	wrong := strings.Replace(refused, "\xa6\x03\x02\x01\x19", "\xa6\x03\x02\x01\x18", 1)
	ask := prototest.Turn{Dir: 0, Data: asReq}
	prototest.Talk(t, open, turns...).WantLogIns(t)
	prototest.Talk(t, open, ask, prototest.Turn{Dir: 1, Data: wrong}).WantLogIns(t, "u refused")
	prototest.Talk(t, open, ask, prototest.Turn{Dir: 1, Data: asRep("a003020112")}).WantLogIns(t, "u accepted")
}
