package rules

import (
	"net/netip"
	"testing"
	"time"
)

func TestByteVariablesAndDecodedContent(t *testing.T) {
	for _, c := range []struct {
		name, options, payload string
		want                   bool
	}{
		{"an extracted length bounds a content", `content:"L"; byte_extract:1,0,n,relative; content:"z"; within:n; distance:0;`, "L\x03abz", true},
		{"a content beyond the extracted length", `content:"L"; byte_extract:1,0,n,relative; content:"z"; within:n;`, "L\x02abz", false},
		{"an extracted offset and depth", `byte_extract:1,0,o; byte_extract:1,1,d; content:"z"; offset:o; depth:d;`, "\x03\x02.z.", true},
		{"an extracted depth that is too short", `byte_extract:1,0,o; byte_extract:1,1,d; content:"z"; offset:o; depth:d;`, "\x02\x01.z.", false},
		{"byte_test compares with a variable", `byte_extract:2,0,n; byte_test:2,>,n,2;`, "\x00\x05\x00\x06", true},
		{"byte_test fails against a variable", `byte_extract:2,0,n; byte_test:2,>,n,2;`, "\x00\x05\x00\x05", false},
		{"byte_jump takes its offset from a variable", `byte_extract:1,0,o; byte_jump:1,o; content:"z"; within:1;`, "\x02.\x01.z", true},
		{"isdataat takes a variable", `byte_extract:1,0,n; isdataat:!n;`, "\x03ab", true},
		{"an extracted number is multiplied", `byte_extract:1,0,n,multiplier 2; content:"z"; offset:n; depth:1;`, "\x02...z", true},
		{"an extracted number is aligned", `byte_extract:1,0,n,align 4; content:"z"; offset:n; depth:1;`, "\x03...z", true},
		{"an extracted text number", `content:"n="; byte_extract:2,0,n,relative,string,dec; content:"z"; offset:n; depth:1;`, "n=05.z", true},
		{"extraction is tried again at a later match", `content:"L"; byte_extract:1,0,n,relative; content:"z"; within:1; distance:n;`, "L\x09L\x01.z", true},
		{"byte_math adds", `byte_math:bytes 1, offset 0, oper +, rvalue 2, result r; content:"z"; offset:r; depth:1;`, "\x02...z", true},
		{"byte_math subtracts nothing below zero", `byte_math:bytes 1, offset 0, oper -, rvalue 9, result r; content:"z"; offset:r;`, "\x02z", false},
		{"byte_math multiplies a variable", `byte_extract:1,0,v; byte_math:bytes 1, offset 1, oper *, rvalue v, result r; content:"z"; offset:r; depth:1;`, "\x02\x02..z", true},
		{"byte_math does not divide by zero", `byte_extract:1,0,v; byte_math:bytes 1, offset 1, oper /, rvalue v, result r; content:"z"; offset:r;`, "\x00\x02z", false},
		{"byte_math shifts, little endian", `byte_math:bytes 2, offset 0, oper >>, rvalue 1, result r, endian little; content:"z"; offset:r; depth:1;`, "\x06\x00.z", true},
		{"base64 is decoded and tested", `content:"d="; base64_decode:relative; base64_data; content:"hello"; startswith; content:"world"; endswith;`, "d=aGVsbG8gd29ybGQ=", true},
		{"base64 stops at a foreign byte", `content:"d="; base64_decode:relative; base64_data; content:"world";`, "d=aGVsbG8g!d29ybGQ=", false},
		{"base64 passes over line ends", `content:"d="; base64_decode:relative; base64_data; content:"world";`, "d=aGVsbG8g\r\nd29ybGQ=", true},
		{"base64 reads as many bytes as asked", `content:"d="; base64_decode:bytes 8, offset 0, relative; base64_data; content:"world";`, "d=aGVsbG8gd29ybGQ=", false},
		{"base64 starts at its offset", `base64_decode:offset 2; base64_data; content:"hello";`, "!!aGVsbG8=", true},
		{"base64 is decoded after a later match too", `content:"d="; base64_decode:relative; base64_data; content:"hello";`, "d=!d=aGVsbG8=", true},
		{"tests go on in the payload after pkt_data", `content:"d="; base64_decode:relative; base64_data; content:"hello"; pkt_data; content:"!x";`, "d=aGVsbG8=!x", true},
		{"pcre tests decoded bytes", `base64_decode; base64_data; pcre:"/^he(?=llo)/";`, "aGVsbG8=", true},
		{"asn1 finds a length beyond the limit", `content:"A"; asn1:oversize_length 100, relative_offset 0;`, "A\x30\x82\x01\x00\x02\x01\x01", true},
		{"asn1 lets ordinary lengths pass", `content:"A"; asn1:oversize_length 500, relative_offset 0;`, "A\x30\x03\x02\x01\x01", false},
		{"asn1 finds a bit string with more unused bits than bits", `asn1:bitstring_overflow, absolute_offset 1;`, ".\x03\x02\xff\x00", true},
		{"asn1 lets an ordinary bit string pass", `asn1:bitstring_overflow, absolute_offset 1;`, ".\x03\x02\x04\xf0", false},
		{"asn1 looks into constructed elements", `asn1:oversize_length 9;`, "\x30\x05\x30\x03\x04\x20.", true},
		{"asn1 finds a long decimal", `asn1:double_overflow;`, "\x09\x82\x01\x01\x03", true},
		{"ftpbounce finds another host", `ftpbounce;`, "PORT 10,9,8,7,4,1\r\n", true},
		{"ftpbounce lets the client's own address pass", `ftpbounce;`, "PORT 192,168,1,10,4,1\r\n", false},
		{"prefilter is a hint", `content:"a"; prefilter;`, "a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert tcp-pkt any any -> any any (msg:"m"; `+c.options+` sid:1;)`)
			got := len(e.Inspect(e.NewContext(), toServer(c.payload))) == 1
			if got != c.want {
				t.Errorf("%s on %q: %v, want %v", c.options, c.payload, got, c.want)
			}
		})
	}
}

// ipv4 is an IPv4 header with the given fields: TOS 0x10, id 0x1234, DF and
// fragment offset 5, TTL 64, and a router alert.
var ipv4 = []byte{0x46, 0x10, 0, 64, 0x12, 0x34, 0x40, 5, 64, 6, 0, 0, 192, 168, 1, 10, 203, 0, 113, 5, 148, 4, 0, 0}

// tcpSYN has sequence 7, acknowledgement 9, window 1024, MSS 1460 and window
// scale 7.
var tcpSYN = []byte{0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x70, 0x02, 4, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4, 1, 3, 3, 7}

func TestHeaderFields(t *testing.T) {
	echo := func(in *Input) {
		in.Proto, in.ICMPType, in.Transport = ProtoICMP, 8, []byte{8, 0, 0, 0, 0, 77, 0, 3}
	}
	tooBig := func(in *Input) {
		in.Proto, in.ICMPType, in.Transport = ProtoICMPv6, 2, []byte{2, 0, 0, 0, 0, 0, 5, 0}
	}
	for _, c := range []struct {
		name, options string
		change        func(*Input)
		want          bool
	}{
		{"ttl", "ttl:64;", nil, true},
		{"ttl below", "ttl:<64;", nil, false},
		{"ttl in a range", "ttl:60-70;", nil, true},
		{"tos in hexadecimal", "tos:x10;", nil, true},
		{"tos negated", "tos:!16;", nil, false},
		{"id", "id:4660;", nil, true},
		{"seq", "seq:7;", nil, true},
		{"ack", "ack:9;", nil, true},
		{"window negated", "window:!1024;", nil, false},
		{"tcp.mss above", "tcp.mss:>1400;", nil, true},
		{"tcp.wscale", "tcp.wscale:7;", nil, true},
		{"fragbits", "fragbits:D;", nil, true},
		{"fragbits must be all", "fragbits:M;", nil, false},
		{"fragbits any of", "fragbits:*MD;", nil, true},
		{"fragoffset", "fragoffset:>4;", nil, true},
		{"ipopts by name", "ipopts:rtralt;", nil, true},
		{"ipopts any", "ipopts:any;", nil, true},
		{"ipopts that is not there", "ipopts:lsrr;", nil, false},
		{"sameip", "sameip;", nil, false},
		{"sameip of a packet to itself", "sameip;", func(in *Input) { in.Dst = in.Src }, true},
		{"ip_proto by number", "ip_proto:6;", nil, true},
		{"ip_proto by name, negated", "ip_proto:!tcp;", nil, false},
		{"l3_proto", "l3_proto:ip4;", nil, true},
		{"icmp_id", "icmp_id:77;", echo, true},
		{"icmp_seq", "icmp_seq:3;", echo, true},
		{"icmp_id of another protocol", "icmp_id:77;", nil, false},
		{"itype in a range", "itype:7<>9;", echo, true},
		{"icmpv6.mtu", "icmpv6.mtu:<1300;", tooBig, true},
		{"a field that the packet does not have", "ttl:0;", func(in *Input) { in.IP = nil }, false},
		{"a header cut short", "seq:7;", func(in *Input) { in.Transport = in.Transport[:12] }, false},
		{"stream_size of the client", "stream_size:client,<,10;", nil, true},
		{"stream_size of the server", "stream_size:server,=,500;", nil, true},
		{"stream_size of both", "stream_size:both,>,10;", nil, false},
		{"stream_size of either", "stream_size:either,>=,500;", nil, true},
		{"stream_size of no stream", "stream_size:client,<,10;", echo, false},
		{"app-layer-protocol", "app-layer-protocol:http;", func(in *Input) { in.AppProto = "http" }, true},
		{"app-layer-protocol negated", "app-layer-protocol:!http;", func(in *Input) { in.AppProto = "tls" }, true},
		{"app-layer-protocol is silent as long as nothing is known", "app-layer-protocol:!http;", nil, false},
		{"app-layer-protocol negated in a flow that failed", "app-layer-protocol:!http;", func(in *Input) { in.AppFailed = true }, true},
		{"app-layer-protocol failed", "app-layer-protocol:failed;", func(in *Input) { in.AppFailed = true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert ip any any -> any any (msg:"m"; `+c.options+` sid:1;)`)
			in := toServer("")
			in.IP, in.Transport, in.StreamSize = ipv4, tcpSYN, [2]uint32{5, 500}
			if c.change != nil {
				c.change(in)
			}
			got := len(e.Inspect(e.NewContext(), in)) == 1
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestXbitsConnectFlowsOfAHost(t *testing.T) {
	for _, c := range []struct {
		name, set, check string
		change           func(*Input)
		want             bool
	}{
		{"by source", "xbits:set,a,track ip_src,expire 10;", "xbits:isset,a,track ip_src;", nil, true},
		{"by source, from another one", "xbits:set,a,track ip_src;", "xbits:isset,a,track ip_src;", func(in *Input) { in.Src = server }, false},
		{"set by source, checked by destination", "xbits:set,a,track ip_src;", "xbits:isset,a,track ip_dst;", func(in *Input) { in.Src, in.Dst = in.Dst, in.Src }, true},
		{"by pair, either way", "xbits:set,a,track ip_pair;", "xbits:isset,a,track ip_pair;", func(in *Input) { in.Src, in.Dst = in.Dst, in.Src }, true},
		{"after it has expired", "xbits:set,a,track ip_src,expire 10;", "xbits:isset,a,track ip_src;", func(in *Input) { in.Time = in.Time.Add(11 * time.Second) }, false},
		{"isnotset", "xbits:set,a,track ip_src;", "xbits:isnotset,a,track ip_src;", nil, false},
		{"another name", "xbits:set,a,track ip_src;", "xbits:isset,b,track ip_src;", nil, false},
		{"unset after set", "xbits:set,a,track ip_src; xbits:unset,a,track ip_src;", "xbits:isset,a,track ip_src;", nil, false},
		{"toggle", "xbits:toggle,a,track ip_src;", "xbits:isset,a,track ip_src;", nil, true},
		{"hostbits of the destination", "hostbits:set,a,dst;", "hostbits:isset,a,dst;", nil, true},
		{"hostbits of both", "hostbits:set,a,both;", "hostbits:isset,a,src;", nil, true},
		{"hostbits are no xbits", "hostbits:set,a,src;", "xbits:isset,a,track ip_src;", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `
alert tcp-pkt any any -> any any (content:"check"; `+c.check+` sid:2;)
alert tcp-pkt any any -> any any (content:"set"; noalert; `+c.set+` sid:1;)`)
			ctx := e.NewContext()
			e.Inspect(ctx, toServer("set"))
			in := toServer("check")
			if c.change != nil {
				c.change(in)
			}
			got := len(e.Inspect(ctx, in)) == 1
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestXbitsMemoryIsBounded(t *testing.T) {
	e := mustEngine(t, `alert tcp-pkt any any -> any any (content:"a"; xbits:set,a,track ip_src,expire 60; sid:1;)`)
	ctx := e.NewContext()
	in := toServer("a")
	for i := range maxXbits + 1000 {
		in.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		in.Flow = &FlowState{}
		e.Inspect(ctx, in)
	}
	if n := len(e.xbits.until); n > maxXbits {
		t.Errorf("%d bits, want at most %d", n, maxXbits)
	}
}

func TestFlowintCountsInAFlow(t *testing.T) {
	e := mustEngine(t, `
alert tcp-pkt any any -> any any (content:"a"; flowint:n,+,1; noalert; sid:1;)
alert tcp-pkt any any -> any any (content:"a"; flowint:n,==,3; sid:2;)
alert tcp-pkt any any -> any any (content:"b"; flowint:n,isnotset; sid:3;)
alert tcp-pkt any any -> any any (content:"c"; flowint:limit,=,2; noalert; sid:4;)
alert tcp-pkt any any -> any any (content:"d"; flowint:n,>,limit; sid:5;)
`)
	ctx := e.NewContext()
	in := toServer("")
	for _, step := range []struct {
		payload string
		want    int
	}{{"b", 1}, {"a", 0}, {"a", 0}, {"b", 0}, {"d", 0}, {"c", 0}, {"d", 0}, {"a", 1}, {"d", 1}, {"a", 0}} {
		in.Payload = []byte(step.payload)
		if got := e.Inspect(ctx, in); len(got) != step.want {
			t.Fatalf("%q: %v, want %d alerts", step.payload, sids(got), step.want)
		}
	}
}

func TestBypassEndsTheFlowsJudgement(t *testing.T) {
	e := mustEngine(t, `
alert tcp-pkt any any -> any any (content:"big"; bypass; sid:1;)
alert tcp-pkt any any -> any any (content:"bad"; sid:2;)`)
	ctx := e.NewContext()
	in := toServer("big")
	if got := sids(e.Inspect(ctx, in)); len(got) != 1 {
		t.Fatalf("the bypassing rule: %v", got)
	}
	in.Payload = []byte("bad")
	if got := sids(e.Inspect(ctx, in)); len(got) != 0 {
		t.Errorf("after the bypass: %v", got)
	}
}

func TestKeywordsRefuseWhatTheyCannotMean(t *testing.T) {
	for _, options := range []string{
		"byte_extract:1,0;", "byte_extract:9,0,n;", "byte_extract:1,0,9n;", "byte_test:1,>,n,0;", "content:\"a\"; offset:n;",
		"byte_math:bytes 1, offset 0, oper %, rvalue 1, result r;", "byte_math:bytes 1;", "byte_math:bytes 1, offset 0, oper +, rvalue x, result r;",
		"base64_data; content:\"a\";", "base64_decode:bytes 0;", "base64_decode; base64_decode;",
		"asn1:;", "asn1:oversize_length x;", "xbits:set,a;", "xbits:set,a,track ip_all;", "xbits:grow,a,track ip_src;", "xbits:set,a,track ip_src,expire 0;",
		"flowint:a;", "flowint:a,+;", "flowint:a,~,1;", "tag:session,x;", "tag:flow,1,packets;", "tag:session,1,hours;",
		"stream_size:client,<;", "stream_size:peer,<,1;", "stream_size:client,~,1;", "ttl:256;", "tos:x;", "fragbits:;", "fragbits:Q;", "ipopts:none;",
		"ip_proto:300;", "app-layer-protocol:gopher;", "l3_proto:ipx;", "hostbits:set;",
	} {
		rs, refused := parseText("alert tcp any any -> any any (" + options + " sid:1;)")
		if len(rs) != 0 || len(refused) != 1 {
			t.Errorf("%s was loaded", options)
		}
	}
}

func TestVLANNumbers(t *testing.T) {
	for _, c := range []struct {
		option string
		vlans  []uint16
		want   bool
	}{
		{"vlan.id:200,0", []uint16{200, 300}, true},
		{"vlan.id:300,0", []uint16{200, 300}, false},
		{"vlan.id:300", []uint16{200, 300}, true},
		{"vlan.id:300,-1", []uint16{200, 300}, true},
		{"vlan.id:>100,all", []uint16{200, 300}, true},
		{"vlan.id:!200,all", []uint16{200, 300}, false},
		{"vlan.id:300", nil, false},
		{"vlan.layers:2", []uint16{200, 300}, true},
		{"vlan.layers:0", nil, true},
	} {
		t.Run(c.option, func(t *testing.T) {
			e := mustEngine(t, "alert ip any any -> any any ("+c.option+"; sid:1;)")
			in := toServer("a")
			in.VLANs = c.vlans
			if got := len(e.Inspect(e.NewContext(), in)) == 1; got != c.want {
				t.Errorf("%v: %v, want %v", c.vlans, got, c.want)
			}
		})
	}
}

func TestStatesAndVersionsOfTLS(t *testing.T) {
	for option, want := range map[string]bool{
		"ssl_state:client_hello": true, "ssl_state:server_hello": true, "ssl_version:tls1.2": true, "ssl_version:sslv3": false,
		"ssl_version:tls1.1,tls1.2": true, "ssl_version:!tls1.2": false, "ssl_version:!tls1.3,tls1.1": true, "ssl_version:tls1.0,tls1.1": false,
	} {
		e := mustEngine(t, "alert tls any any -> any any ("+option+"; sid:1;)")
		var b Buffers
		b.AddNumber(BufferSSLState, SSLClientHello)
		b.AddNumber(BufferSSLState, SSLServerHello)
		b.AddNumber(BufferSSLVersion, 0x303)
		in := toServer("")
		in.View, in.AppProto, in.Buffers = ViewTransaction, "tls", &b
		if got := len(e.Inspect(e.NewContext(), in)) == 1; got != want {
			t.Errorf("%s: %v, want %v", option, got, want)
		}
	}
	for _, option := range []string{"ssl_state:client_keyx", "ssl_version:tls1.0,tls9"} {
		rs, refused := parseText("alert tls any any -> any any (" + option + "; sid:1;)")
		if len(rs) != 0 || len(refused) != 1 {
			t.Errorf("%s was loaded", option)
		}
	}
}
