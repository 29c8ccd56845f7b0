package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

func stream(h proto.Host) proto.Parser { return NewStream(h) }

// ber is an element with what it holds; its length is in four bytes, as Active
// Directory writes it.
func ber(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	n := len(body)
	return string([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + body
}

func num(tag byte, n byte) string { return ber(tag, string([]byte{n})) }

func text(s string) string { return ber(tagOctets, s) }

// msg is a message of number id.
func msg(id byte, op string, controls ...string) string {
	parts := []string{num(tagInteger, id), op}
	if len(controls) > 0 {
		parts = append(parts, ber(tagControls, controls...))
	}
	return ber(tagSequence, parts...)
}

func result(op byte, code byte, more ...string) string {
	return ber(op, num(tagEnum, code), text("dc=vn"), text("words"), strings.Join(more, ""))
}

func search(filter string) string {
	return ber(0x63, text("dc=vn"), num(tagEnum, 2), num(tagEnum, 0), num(tagInteger, 10), num(tagInteger, 30), num(tagBoolean, 0), filter, ber(tagSequence, text("cn"), text("mail")))
}

func entry(dn string, values ...string) string {
	return ber(0x64, text(dn), ber(tagSequence, ber(tagSequence, text("cn"), ber(tagSet, values...))))
}

var (
	present = ber(0x87, "objectClass")
	bind    = ber(0x60, num(tagInteger, 3), text("cn=a"), ber(0x80, "secret"))
	sasl    = ber(0x60, num(tagInteger, 3), text(""), ber(0xa3, text("GSSAPI"), text("\x01")))
	tls     = ber(0x77, ber(0x80, startTLS))
	turns   = []prototest.Turn{
		{Dir: 0, Data: msg(1, bind)}, {Dir: 1, Data: msg(1, result(0x61, 0))},
		{Dir: 0, Data: msg(2, search(present), ber(tagSequence, text("1.2.840.113556.1.4.319"), num(tagBoolean, 255), text("\x30\x00")))},
		{Dir: 1, Data: msg(2, entry("cn=b,dc=vn", text("b"), text("B"))) + msg(2, ber(0x73, text("ldap://x")))},
		{Dir: 1, Data: msg(2, result(0x65, 0))},
		{Dir: 0, Data: msg(3, ber(0x66, text("cn=b"), ber(tagSequence, ber(tagSequence, num(tagEnum, 2), ber(tagSequence, text("sn"), ber(tagSet, text("x")))))))},
		{Dir: 1, Data: msg(3, result(0x67, 50))},
		{Dir: 0, Data: msg(4, ber(0x68, text("cn=c"), ber(tagSequence, ber(tagSequence, text("userPassword"), ber(tagSet, text("secret"))))))},
		{Dir: 1, Data: msg(4, result(0x69, 68))},
		{Dir: 0, Data: msg(5, ber(0x4a, "cn=c")) + msg(6, ber(0x6c, text("cn=c"), text("cn=d"), num(tagBoolean, 1), ber(0x80, "dc=vn")))},
		{Dir: 1, Data: msg(6, result(0x6d, 0)) + msg(5, result(0x6b, 32))},
		{Dir: 0, Data: msg(7, ber(0x6e, text("cn=d"), ber(tagSequence, text("sn"), text("x"))))},
		{Dir: 1, Data: msg(7, result(0x6f, 6))},
		{Dir: 0, Data: msg(8, ber(0x50, "\x07"))},
		{Dir: 0, Data: msg(9, tls)},
		{Dir: 1, Data: msg(9, result(0x78, 0, ber(0x8a, startTLS)))},
	}
)

func TestRequestsAndTheirAnswers(t *testing.T) {
	r := prototest.Talk(t, stream, turns...)
	r.Want(t,
		`{"ldap":{"request":{"message_id":1,"operation":"bind_request","bind_request":{"version":3,"name":"cn=a"}},"responses":[{"operation":"bind_response","bind_response":{"result_code":"success","matched_dn":"dc=vn","message":"words"}}]}}`,
		`"search_request":{"base_object":"dc=vn","scope":2,"deref_alias":0,"size_limit":10,"time_limit":30,"types_only":false,"filter":{"type":"present","value":"objectClass"},"attributes":["cn","mail"]},"controls":[{"control_type":"1.2.840.113556.1.4.319","criticality":true,"control_value":"3000"}]},"responses":[{"operation":"search_result_entry","search_result_entry":{"base_object":"cn=b,dc=vn","attributes":[{"type":"cn","values":["b","B"]}]}},{"operation":"search_result_reference"},{"operation":"search_result_done"`,
		`"modify_request":{"object":"cn=b","changes":[{"operation":"replace","modification":{"attribute_type":"sn","attribute_values":["x"]}}]}},"responses":[{"operation":"modify_response","modify_response":{"result_code":"insufficient_access_rights"`,
		`"add_request":{"entry":"cn=c","attributes":[{"name":"userPassword"}]}},"responses":[{"operation":"add_response","add_response":{"result_code":"entry_already_exists"`,
		`"mod_dn_request":{"entry":"cn=c","new_rdn":"cn=d","delete_old_rdn":true,"new_superior":"dc=vn"}},"responses":[{"operation":"mod_dn_response"`,
		`"del_request":{"dn":"cn=c"}},"responses":[{"operation":"del_response","del_response":{"result_code":"no_such_object"`,
		`"compare_request":{"entry":"cn=d","attribute_value_assertion":{"description":"sn","value":"x"}}},"responses":[{"operation":"compare_response","compare_response":{"result_code":"compare_true"`,
		`{"message_id":8,"operation":"abandon_request","abandon_request":{"message_id":7}}}}`,
		`"extended_request":{"name":"1.3.6.1.4.1.1466.20037"}},"responses":[{"operation":"extended_response","extended_response":{"result_code":"success","matched_dn":"dc=vn","message":"words","name":"1.3.6.1.4.1.1466.20037"}}]`)
	if r.Upgrades != 1 || len(r.Notices) != 0 {
		t.Errorf("%d upgrades, noticed %v", r.Upgrades, r.Notices)
	}
	if all := strings.Join(r.Records, ""); strings.Contains(all, "secret") {
		t.Error("a password is in a record")
	}
}

func TestMessagesInPiecesAreTheSame(t *testing.T) {
	var pieces []prototest.Turn
	for _, turn := range turns {
		for i := range len(turn.Data) {
			pieces = append(pieces, prototest.Turn{Dir: turn.Dir, Data: turn.Data[i : i+1]})
		}
	}
	whole, split := prototest.Talk(t, stream, turns...), prototest.Talk(t, stream, pieces...)
	if !slices.Equal(whole.Records, split.Records) {
		t.Errorf("records of pieces differ:\n%s", strings.Join(split.Records, "\n"))
	}
}

func TestDatagrams(t *testing.T) {
	prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: msg(1, search(present))},
		prototest.Turn{Dir: 1, Data: msg(1, entry("", text("b"))) + msg(1, result(0x65, 0))}).Want(t, `"responses":[{"operation":"search_result_entry"`)
	for n := range len(turns[0].Data) {
		if ProbePacket(0, []byte(turns[0].Data[:n]), proto.Hint{}) {
			t.Errorf("the first %d bytes are taken for a message", n)
		}
	}
	if !ProbePacket(0, []byte(turns[0].Data), proto.Hint{}) || ProbePacket(1, []byte(turns[0].Data), proto.Hint{}) {
		t.Error("a request is not told from the client alone")
	}
}

func TestProbeTellsTheHead(t *testing.T) {
	for _, turn := range turns {
		for n := range len(turn.Data) {
			yes, more := Probe(turn.Dir, []byte(turn.Data[:n]), proto.Hint{})
			if !yes && !more {
				t.Fatalf("%x is given up after %d bytes", turn.Data, n)
			}
		}
	}
	for _, other := range []string{"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x04\x00\x00\x00\x01\x02\x01\x00\x02\x01\x00", "\x30\x80\x02\x01\x01\x60\x07", "\x16\x03\x01\x02\x00", "0\x05\x02\x03\x60\x60\x60"} {
		yes, more := Probe(0, []byte(other), proto.Hint{})
		if yes || more {
			t.Errorf("%x: %t %t", other, yes, more)
		}
	}
}

func TestNoticesWhatIsWrong(t *testing.T) {
	many, found := "", ""
	for range maxOpen + 1 {
		many += msg(1, search(present))
	}
	for range maxResponses + 1 {
		found += msg(1, ber(0x73))
	}
	prototest.Notices(t, stream,
		prototest.Case("a notice of disconnection", []prototest.Turn{{Dir: 1, Data: msg(0, result(0x78, 52))}}, nil),
		prototest.Case("an answer to nothing", []prototest.Turn{{Dir: 1, Data: msg(7, result(0x65, 0))}}, []string{"request_not_found"}),
		prototest.Case("a sequence that is no message", []prototest.Turn{{Dir: 0, Data: ber(tagSequence, text("a"))}}, []string{"invalid_data"}),
		prototest.Case("an answer from the client", []prototest.Turn{{Dir: 0, Data: msg(7, result(0x65, 0))}}, []string{"invalid_data"}),
		prototest.Case("a length that is not told", []prototest.Turn{{Dir: 0, Data: "\x30\x80\x02\x01\x01"}}, []string{"invalid_data"}),
		prototest.Case("more requests than are kept", []prototest.Turn{{Dir: 0, Data: many}}, []string{"too_many_transactions"}),
		prototest.Case("more answers than are kept", []prototest.Turn{{Dir: 0, Data: msg(1, search(present))}, {Dir: 1, Data: found}}, []string{"too_many_responses"}),
	)
	prototest.Notices(t, open, prototest.Case("a datagram that ends early", []prototest.Turn{{Dir: 0, Data: msg(1, bind)[:30]}}, []string{"incomplete_data"}))
}

func TestWhatIsSealedIsNotRead(t *testing.T) {
	r := prototest.Talk(t, stream, prototest.Turn{Dir: 0, Data: msg(1, sasl)}, prototest.Turn{Dir: 1, Data: msg(1, result(0x61, 0))},
		prototest.Turn{Dir: 0, Data: "\x00\x00\x00\x04abcd"}, prototest.Turn{Dir: 1, Data: "\x00\x00\x00\x04abcd"})
	r.Want(t, `"sasl":{"mechanism":"GSSAPI","credentials":"01"}`)
	if len(r.Notices) != 0 {
		t.Error(r.Notices)
	}
	plain := ber(0x60, num(tagInteger, 3), text(""), ber(0xa3, text("plain"), text("\x00a\x00secret")))
	prototest.Talk(t, stream, prototest.Turn{Dir: 0, Data: msg(1, plain)}).Want(t, `"sasl":{"mechanism":"plain"}`)
}

func TestPasswordsInClearAreNamed(t *testing.T) {
	for _, c := range []struct{ message, want string }{
		{msg(1, bind), "LDAP simple bind"},
		{msg(1, ber(0x60, num(tagInteger, 3), text(""), ber(0x80))), ""},
		{msg(1, ber(0x60, num(tagInteger, 3), text(""), ber(0xa3, text("plain"), text("x")))), "LDAP SASL PLAIN"},
		{msg(1, sasl), ""}, {msg(1, search(present)), ""}, {msg(1, bind)[:20], ""}, {"", ""},
	} {
		got := ClearPassword([]byte(c.message))
		if got != c.want {
			t.Errorf("%x: %q instead of %q", c.message, got, c.want)
		}
	}
}

func TestLongMessagesAndGapsArePassedOver(t *testing.T) {
	long := msg(1, entry("cn=b", text(strings.Repeat("a", maxMessage))))
	talk := []prototest.Turn{{Dir: 0, Data: msg(1, search(present))}}
	for at := 0; at < len(long); at += 1400 {
		talk = append(talk, prototest.Turn{Dir: 1, Data: long[at:min(at+1400, len(long))]})
	}
	talk = append(talk, prototest.Turn{Dir: 1, Data: msg(1, result(0x65, 0))})
	prototest.Talk(t, stream, talk...).Want(t, `"responses":[{"operation":"search_result_entry"},{"operation":"search_result_done"`)

	r := &prototest.Recorder{}
	p := NewStream(r)
	for _, step := range []func() error{
		func() error { return p.Feed(0, []byte(msg(1, bind)[:9])) },
		func() error { p.Gap(0, 100); return p.Feed(0, []byte("rest of a message")) },
		func() error { return p.Feed(0, []byte(msg(2, bind))) },
	} {
		err := step()
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	r.Want(t, `"message_id":2`)
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	r := &prototest.Recorder{}
	p := NewStream(r)
	big := msg(1, entry("cn=b", slices.Repeat([]string{text(strings.Repeat("a", 3000))}, 10)...))
	err := p.Feed(0, []byte(msg(1, search(present))))
	for range 1000 {
		if err == nil {
			err = p.Feed(1, []byte(big))
		}
	}
	if err != nil || p.kept > maxKept+maxOpen*fixedCost {
		t.Fatalf("%d bytes are kept: %v", p.kept, err)
	}
	p.Close()
	if p.kept != 0 || len(r.Records) != 1 {
		t.Errorf("%d bytes are left, %d records", p.kept, len(r.Records))
	}
}

func TestFilters(t *testing.T) {
	eq := func(a, v string) string { return ber(0xa3, text(a), text(v)) }
	deep := present
	for range 40 {
		deep = ber(0xa2, deep)
	}
	cases := []struct{ filter, kind, want string }{
		{present, "present", "objectClass"},
		{ber(0xa0, eq("cn", "a*"), ber(0xa1, ber(0xa2, present), ber(0xa5, text("n"), text("5")), ber(0xa6, text("n"), text("5")), ber(0xa8, text("n"), text("5")))), "and", `(&(cn=a\\2a)(|(!(objectClass=*))(n>=5)(n<=5)(n~=5)))`},
		{ber(0xa4, text("cn"), ber(tagSequence, ber(0x80, "a"), ber(0x81, "b"), ber(0x82, "c"))), "substrings", "(cn=a*b*c)"},
		{ber(0xa4, text("cn"), ber(tagSequence, ber(0x81, "b"))), "substrings", "(cn=*b*)"},
		{ber(0xa9, ber(0x81, "1.2"), ber(0x82, "cn"), ber(0x83, "v"), ber(0x84, "\xff")), "extensible_match", "(cn:dn:1.2:=v)"},
		{deep, "not", "(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!(!...))))))))))))))))"},
	}
	for _, c := range cases {
		prototest.Talk(t, stream, prototest.Turn{Dir: 0, Data: msg(1, search(c.filter))}).Want(t, fmt.Sprintf(`"filter":{"type":%q,"value":"%s"}`, c.kind, c.want))
	}
}

func TestFieldsForRules(t *testing.T) {
	r := prototest.Talk(t, stream, turns[2:5]...)
	for _, want := range []string{`0 ldap.request.dn "dc=vn"`, `0 ldap.request.attribute_type "mail"`, `1 ldap.responses.dn "cn=b,dc=vn"`, `1 ldap.responses.attribute_type "cn"`,
		`1 ldap.responses.message "words"`, `1 ldap.responses.result_code ""`, "1 ldap.responses.count \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03\"", "0 ldap.request.operation \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03\""} {
		if !slices.Contains(r.Fields, want) {
			t.Errorf("%s is missing in %q", want, r.Fields)
		}
	}
}

func FuzzLDAP(f *testing.F) { prototest.Fuzz(f, stream, turns...) }

func FuzzDatagrams(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestBindsAreLogIns(t *testing.T) {
	bind := prototest.Turn{Dir: 0, Data: "\x30\x1a\x02\x01\x01\x60\x15\x02\x01\x03\x04\x06cn=abc\x80\x08not-kept"}
	anonymous := prototest.Turn{Dir: 0, Data: "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"}
	done := func(code string) prototest.Turn {
		return prototest.Turn{Dir: 1, Data: "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01" + code + "\x04\x00\x04\x00"}
	}
	prototest.Talk(t, stream, bind, done("\x00")).WantLogIns(t, "cn=abc accepted")
	prototest.Talk(t, stream, bind, done("\x31")).WantLogIns(t, "cn=abc refused")
	prototest.Talk(t, stream, bind, done("\x34")).WantLogIns(t)
	prototest.Talk(t, stream, anonymous, done("\x00")).WantLogIns(t)
	prototest.Talk(t, stream, bind).WantLogIns(t)
}
