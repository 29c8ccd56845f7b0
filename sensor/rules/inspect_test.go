package rules

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	client = netip.MustParseAddrPort("192.168.1.10:40000")
	server = netip.MustParseAddrPort("203.0.113.5:80")
	start  = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
)

// mustEngine parses rules that must all load.
func mustEngine(tb testing.TB, text string) *Engine {
	tb.Helper()
	rs, refused := Parse(strings.NewReader(text), "test.rules", DefaultVars("[192.168.0.0/16,10.0.0.0/8]"))
	if len(refused) > 0 {
		tb.Fatalf("refused: %+v", refused)
	}
	e, err := NewEngine(rs, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func toServer(payload string) *Input {
	return &Input{
		Time: start, Proto: ProtoTCP, Src: client, Dst: server, ToServer: true, Established: true,
		View: ViewPacket, Payload: []byte(payload), TCPFlags: 0x18, Flow: &FlowState{},
	}
}

func sids(ms []Match) (out []uint32) {
	for _, m := range ms {
		out = append(out, m.Rule.SID)
	}
	return out
}

func TestContentSemantics(t *testing.T) {
	for _, c := range []struct {
		name, options, payload string
		want                   bool
	}{
		{"content is found anywhere", `content:"bc";`, "abcd", true},
		{"content respects case", `content:"BC";`, "abcd", false},
		{"nocase ignores case", `content:"BC"; nocase;`, "abcd", true},
		{"nocase ignores the case of the data", `content:"bc"; nocase;`, "aBCd", true},
		{"hex parts are bytes", `content:"a|00 ff|b";`, "xa\x00\xffb", true},
		{"an escaped quote and semicolon are literal", `content:"a\"\;b";`, `xa";b`, true},
		{"a colon needs no escape", `content:"a:b";`, "a:b", true},
		{"depth ends the search", `content:"bc"; depth:2;`, "abcd", false},
		{"depth includes its last byte", `content:"bc"; depth:3;`, "abcd", true},
		{"offset starts the search", `content:"ab"; offset:1;`, "abcd", false},
		{"depth counts from offset", `content:"cd"; offset:2; depth:2;`, "abcd", true},
		{"startswith wants the first byte", `content:"bc"; startswith;`, "abcd", false},
		{"startswith matches at the start", `content:"ab"; startswith;`, "abcd", true},
		{"endswith wants the last byte", `content:"bc"; endswith;`, "abcd", false},
		{"endswith matches a second occurrence at the end", `content:"ab"; endswith;`, "abxab", true},
		{"startswith and endswith together want equality", `content:"ab"; startswith; endswith;`, "abab", false},
		{"negated content must be absent", `content:"a"; content:!"d";`, "abcd", false},
		{"negated content may be outside its depth", `content:"a"; content:!"d"; depth:3;`, "abcd", true},
		{"negated endswith looks at the end only", `content:"a"; content:!"ab"; endswith;`, "abx", true},
		{"distance skips bytes", `content:"a"; content:"d"; distance:2;`, "abcd", true},
		{"distance skips no fewer", `content:"a"; content:"d"; distance:3;`, "abcd", false},
		{"negative distance goes back", `content:"cd"; content:"bc"; distance:-3;`, "abcd", true},
		{"distance before the start counts as the start", `content:"b"; content:"a"; distance:-9;`, "abcd", true},
		{"within ends the search", `content:"a"; content:"d"; within:2;`, "abcd", false},
		{"within includes its last byte", `content:"a"; content:"d"; within:3;`, "abcd", true},
		{"within counts after distance", `content:"a"; content:"d"; distance:1; within:2;`, "abcd", true},
		{"a later first match is tried", `content:"a"; content:"b"; within:1;`, "axxab", true},
		{"three links are backtracked", `content:"a"; content:"b"; distance:0; content:"c"; within:1;`, "abxabxabc", true},
		{"a relative chain does not cross what is not relative", `content:"x"; content:"a"; content:"b"; within:1;`, "abx", true},
		{"negated within looks only there", `content:"a"; content:!"d"; within:2;`, "abcd", true},
		{"negated within fails when found, wherever the first is", `content:"a"; content:!"b"; within:1;`, "ab", false},
		{"negated within may hold for a later first match", `content:"a"; content:!"b"; within:1;`, "abac", true},
		{"isdataat relative finds data", `content:"c"; isdataat:1,relative;`, "abcd", true},
		{"isdataat negated means the end", `content:"cd"; isdataat:!1,relative;`, "abcd", true},
		{"isdataat negated fails before the end", `content:"bc"; isdataat:!1,relative;`, "abcd", false},
		{"isdataat absolute counts bytes", `content:"a"; isdataat:3;`, "abcd", true},
		{"isdataat absolute is an index", `content:"a"; isdataat:4;`, "abcd", false},
		{"dsize equals", `content:"a"; dsize:4;`, "abcd", true},
		{"dsize between leaves out its ends", `content:"a"; dsize:4<>8;`, "abcd", false},
		{"pcre matches", `content:"a"; pcre:"/b[c-e]d/";`, "abcd", true},
		{"pcre reads bytes", `content:"a"; pcre:"/\xff.\x00$/";`, "a\xff\x80\x00", true},
		{"pcre end allows a last line feed", `content:"a"; pcre:"/d$/";`, "abcd\n", true},
		{"pcre with E does not", `content:"a"; pcre:"/d$/E";`, "abcd\n", false},
		{"relative pcre is anchored after the match", `content:"ab"; pcre:"/^cd/R";`, "abcd", true},
		{"relative pcre backtracks its content", `content:"a"; pcre:"/^b/R";`, "axab", true},
		{"negated pcre must not match", `content:"a"; pcre:!"/c./";`, "abcd", false},
		{"content follows a pcre", `content:"a"; pcre:"/b+/"; content:"c"; within:1;`, "abbc", true},
		{"byte_test compares big endian", `content:"a"; byte_test:2,>,256,0,relative;`, "a\x01\x01", true},
		{"byte_test compares little endian", `content:"a"; byte_test:2,=,1,0,relative,little;`, "a\x01\x00", true},
		{"byte_test tests bits", `content:"a"; byte_test:1,&,128,0,relative;`, "a\x81", true},
		{"byte_test reads text", `content:"n="; byte_test:3,>,99,0,relative,string,dec;`, "n=100", true},
		{"byte_test without a count reads all digits", `content:"n="; byte_test:0,=,1234,0,relative,string,dec;`, "n=1234;", true},
		{"byte_test fails outside the data", `content:"a"; byte_test:4,>,0,0,relative;`, "a\x01", false},
		{"byte_jump moves the position", `content:"a"; byte_jump:1,0,relative; content:"z"; within:1;`, "a\x02..z", true},
		{"byte_jump from the beginning", `content:"a"; byte_jump:1,0,relative,from_beginning; content:"z"; within:1;`, "a\x03.z", true},
		{"a short pattern of one byte is prefiltered", `content:"z";`, "xyz", true},
		{"a short pattern of two bytes is prefiltered", `content:"yz";`, "xyz", true},
		{"a short pattern of three bytes is prefiltered", `content:"xyZ"; nocase;`, "wXyz", true},
		{"flags match exactly", `content:"a"; flags:PA;`, "a", true},
		{"flags with plus match more", `content:"a"; flags:+A;`, "a", true},
		{"flags with bang must miss one", `content:"a"; flags:!S;`, "a", true},
		{"flags ignore the mask", `content:"a"; flags:A,P;`, "a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert tcp-pkt any any -> any any (msg:"m"; `+c.options+` sid:1;)`)
			in := toServer(c.payload)
			got := len(e.Inspect(e.NewContext(), in)) == 1
			if got != c.want {
				t.Errorf("%s on %q: %v, want %v", c.options, c.payload, got, c.want)
			}
		})
	}
}

func TestHeaderSemantics(t *testing.T) {
	for _, c := range []struct {
		name, header string
		change       func(*Input)
		want         bool
	}{
		{"home to external matches", "alert tcp $HOME_NET any -> $EXTERNAL_NET 80", nil, true},
		{"the arrow has a direction", "alert tcp $EXTERNAL_NET any -> $HOME_NET any", nil, false},
		{"the double arrow has none", "alert tcp $EXTERNAL_NET 80 <> $HOME_NET any", nil, true},
		{"a list of ports", "alert tcp any any -> any [22,80:90]", nil, true},
		{"a port with an exception", "alert tcp any any -> any [1:1024,!80]", nil, false},
		{"an open port range", "alert tcp any 1024: -> any :100", nil, true},
		{"a negated address", "alert tcp any any -> !203.0.113.0/24 any", nil, false},
		{"a nested list with an exception", "alert tcp [192.168.0.0/16, ![192.168.1.0/24, 10.0.0.1]] any -> any any", nil, false},
		{"an address range", "alert tcp 192.168.1.9-192.168.1.11 any -> any any", nil, true},
		{"a netmask", "alert tcp 192.168.1.0/255.255.255.0 any -> any any", nil, true},
		{"another protocol", "alert udp any any -> any any", nil, false},
		{"ip is every protocol", "alert ip any any -> any any", nil, true},
		{"IPv6 is in any", "alert tcp any any -> any any", toV6, true},
		{"IPv6 is outside a home of IPv4", "alert tcp $EXTERNAL_NET any -> any any", toV6, true},
		{"an IPv6 prefix", "alert tcp 2001:db8::/32 any -> any any", toV6, true},
		{"an IPv6 exception", "alert tcp !2001:db8::/32 any -> any any", toV6, false},
		{"drop alerts", "drop tcp any any -> any any", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, c.header+` (msg:"m"; sid:1;)`)
			in := toServer("x")
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

func toV6(in *Input) { in.Src = netip.MustParseAddrPort("[2001:db8::1]:40000") }

func TestFlowSemantics(t *testing.T) {
	for _, c := range []struct {
		name, flow            string
		toServer, established bool
		want                  bool
	}{
		{"to_server in its direction", "to_server", true, true, true},
		{"to_server against it", "to_server", false, true, false},
		{"from_server is to_client", "from_server", false, true, true},
		{"from_client is to_server", "from_client", true, true, true},
		{"established wants the handshake", "established", true, false, false},
		{"not_established wants none", "not_established", true, false, true},
		{"stateless asks nothing", "stateless", true, false, true},
		{"both parts count", "established,to_client", true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert tcp-pkt any any -> any any (msg:"m"; flow:`+c.flow+`; content:"a"; sid:1;)`)
			in := toServer("a")
			in.ToServer, in.Established = c.toServer, c.established
			got := len(e.Inspect(e.NewContext(), in)) == 1
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestViewsFollowSuricata(t *testing.T) {
	for _, c := range []struct {
		name, rule           string
		packet, stream, both bool
	}{
		{"plain TCP content is for the stream", `alert tcp any any -> any any (content:"abc"; sid:1;)`, false, true, false},
		{"anchored TCP content is for both, once a packet", `alert tcp any any -> any any (content:"abc"; depth:3; sid:1;)`, true, true, true},
		{"tcp-pkt is for packets", `alert tcp-pkt any any -> any any (content:"abc"; sid:1;)`, true, false, false},
		{"dsize is for packets", `alert tcp any any -> any any (content:"abc"; dsize:3; sid:1;)`, true, false, false},
		{"only_stream is for the stream", `alert tcp any any -> any any (flow:only_stream; content:"abc"; depth:3; sid:1;)`, false, true, false},
		{"no_stream is for packets", `alert tcp any any -> any any (flow:no_stream; content:"abc"; sid:1;)`, true, false, false},
		{"no content is for packets", `alert tcp any any -> any any (sid:1;)`, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, c.rule)
			ctx := e.NewContext()
			packet, stream := toServer("abc"), toServer("abc")
			stream.View = ViewStream
			p, s := len(e.Inspect(ctx, packet)) == 1, len(e.Inspect(ctx, stream)) == 1
			if p != c.packet || s != c.stream {
				t.Errorf("packet %v stream %v, want %v %v", p, s, c.packet, c.stream)
			}
			stream.Flow = packet.Flow
			if c.both && len(e.Inspect(ctx, stream)) != 0 {
				t.Errorf("the packet alerted again in the stream")
			}
		})
	}
}

func TestAnchorsCountFromTheStreamsStart(t *testing.T) {
	for _, c := range []struct {
		name, options string
		offset        uint64
		want          bool
	}{
		{"depth at the start", `content:"abc"; depth:3;`, 0, true},
		{"depth in a later piece", `content:"abc"; depth:3;`, 1000, false},
		{"offset already passed", `content:"abc"; offset:500;`, 1000, true},
		{"offset not reached", `content:"abc"; offset:2000;`, 1000, false},
		{"depth that reaches into the piece", `content:"abc"; depth:1003;`, 1000, true},
		{"a gigabyte later", `content:"abc"; depth:3;`, 1 << 40, false},
		{"content without an anchor", `content:"abc";`, 1000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert tcp-stream any any -> any any (`+c.options+` sid:1;)`)
			in := toServer("abc")
			in.View, in.StreamOffset = ViewStream, c.offset
			got := len(e.Inspect(e.NewContext(), in)) == 1
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func transaction(toServer bool, add func(*Buffers)) *Input {
	in := &Input{
		Time: start, Proto: ProtoTCP, Src: client, Dst: server, ToServer: toServer, Established: true,
		View: ViewTransaction, AppProto: "http", Buffers: &Buffers{}, Flow: &FlowState{},
	}
	if !toServer {
		in.Src, in.Dst = server, client
	}
	add(in.Buffers)
	return in
}

func TestBufferSemantics(t *testing.T) {
	request := func(b *Buffers) {
		b.Add(BufferHTTPMethod, []byte("POST"))
		b.Add(BufferHTTPURI, []byte("/gate.php?id=1"))
		b.Add(BufferHTTPHost, []byte("evil.example.com"))
		b.Add(BufferHTTPUserAgent, []byte("Mozilla/5.0"))
	}
	dns := func(b *Buffers) {
		b.Add(BufferDNSQuery, []byte("ok.example.org"))
		b.Add(BufferDNSQuery, []byte("Bad.Example.COM"))
	}
	for _, c := range []struct {
		name, rule string
		fill       func(*Buffers)
		app        string
		want       bool
	}{
		{"sticky buffers are judged together", `alert http any any -> any any (http.method; content:"POST"; http.uri; content:"/gate.php"; startswith; sid:1;)`, request, "http", true},
		{"a content stays in its buffer", `alert http any any -> any any (http.uri; content:"POST"; sid:1;)`, request, "http", false},
		{"the old modifiers name the same buffers", `alert http any any -> any any (content:"POST"; http_method; content:"/gate"; http_uri; depth:5; sid:1;)`, request, "http", true},
		{"uricontent is the oldest form", `alert http any any -> any any (uricontent:"gate"; sid:1;)`, request, "http", true},
		{"the old pcre modifiers name buffers", `alert http any any -> any any (content:"gate"; http_uri; pcre:"/id=\d$/U"; sid:1;)`, request, "http", true},
		{"bsize is the buffer's length", `alert http any any -> any any (http.uri; bsize:14; content:"gate"; sid:1;)`, request, "http", true},
		{"urilen is the URI's", `alert http any any -> any any (urilen:>14; http.method; content:"POST"; sid:1;)`, request, "http", false},
		{"dotprefix makes a domain anchor", `alert http any any -> any any (http.host; dotprefix; content:".example.com"; endswith; sid:1;)`, request, "http", true},
		{"dotprefix does not match inside a label", `alert http any any -> any any (http.host; dotprefix; content:".ample.com"; endswith; sid:1;)`, request, "http", false},
		{"a rule for another protocol is silent", `alert tls any any -> any any (tls.sni; content:"evil"; sid:1;)`, request, "http", false},
		{"an absent buffer fails even a negated content", `alert http any any -> any any (http.method; content:"POST"; http.cookie; content:!"x"; sid:1;)`, request, "http", false},
		{"a rule without content is judged by its buffer", `alert http any any -> any any (http.uri; pcre:"/gate\.php/"; sid:1;)`, request, "http", true},
		{"any instance may match", `alert dns any any -> any any (dns.query; content:"bad.example.com"; nocase; bsize:15; sid:1;)`, dns, "dns", true},
		{"one instance must hold all", `alert dns any any -> any any (dns.query; content:"ok"; content:"com"; nocase; endswith; sid:1;)`, dns, "dns", false},
		{"to_lowercase changes the data", `alert dns any any -> any any (dns.query; to_lowercase; content:"bad.example.com"; sid:1;)`, dns, "dns", true},
		{"tcp rules may use buffers", `alert tcp any any -> any 80 (http.uri; content:"gate"; sid:1;)`, request, "http", true},
		{"a response buffer is absent in a request", `alert http any any -> any any (http.stat_code; content:"200"; sid:1;)`, request, "http", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, c.rule)
			in := transaction(true, c.fill)
			in.AppProto = c.app
			ctx := e.NewContext()
			got := len(e.Inspect(ctx, in)) == 1
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			if got && len(e.Inspect(ctx, in)) != 0 {
				t.Errorf("the same transaction alerted twice")
			}
			in.Unit = 2
			if got && len(e.Inspect(ctx, in)) != 1 {
				t.Errorf("the next transaction was silent")
			}
		})
	}
}

func TestFlowbitsConnectRules(t *testing.T) {
	e := mustEngine(t, `
alert tcp-pkt any any -> any any (msg:"second"; content:"two"; flowbits:isset,a; sid:2;)
alert tcp-pkt any any -> any any (msg:"first"; content:"one"; flowbits:set,a; flowbits:noalert; sid:1;)
alert tcp-pkt any any -> any any (msg:"or"; content:"two"; flowbits:isset,zz|a; sid:3;)
alert tcp-pkt any any -> any any (msg:"not"; content:"two"; flowbits:isnotset,a; sid:4;)
`)
	ctx := e.NewContext()
	in := toServer("two")
	if got := sids(e.Inspect(ctx, in)); len(got) != 1 || got[0] != 4 {
		t.Fatalf("before the bit is set: %v, want [4]", got)
	}
	in.Payload = []byte("one then two")
	if got := sids(e.Inspect(ctx, in)); len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Fatalf("setter and checkers on one packet: %v, want [2 3]", got)
	}
	if got := e.Inspect(ctx, toServer("two")); len(got) != 1 {
		t.Fatalf("another flow has its own bits: %v", sids(got))
	}
}

func TestPassSilencesItsFlow(t *testing.T) {
	e := mustEngine(t, `
alert tcp-pkt any any -> any any (content:"bad"; sid:1;)
pass tcp-pkt 192.168.1.10 any -> any any (content:"scanner"; sid:2;)
`)
	ctx := e.NewContext()
	in := toServer("scanner bad")
	if got := e.Inspect(ctx, in); len(got) != 0 {
		t.Fatalf("alert beside pass: %v", sids(got))
	}
	in.Payload = []byte("bad")
	if got := e.Inspect(ctx, in); len(got) != 0 {
		t.Fatalf("alert after pass in the same flow: %v", sids(got))
	}
	if got := e.Inspect(ctx, toServer("bad")); len(got) != 1 {
		t.Fatalf("another flow: %v", sids(got))
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		name, option string
		// want has one letter a second: A for alert, - for silence.
		want string
	}{
		{"limit alerts the first ones of a window", "threshold:type limit, track by_src, count 2, seconds 5;", "AA----AA----AA"},
		{"threshold alerts every nth", "threshold:type threshold, track by_src, count 3, seconds 60;", "--A--A--A--A"},
		{"both alerts once a window, at the nth", "threshold:type both, track by_dst, count 2, seconds 5;", "-A-----A----"},
		{"detection_filter is silent up to count", "detection_filter:track by_src, count 3, seconds 60;", "---AAAAA"},
		{"by_rule counts all addresses", "threshold:type limit, track by_rule, count 1, seconds 60;", "A-------"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert tcp-pkt any any -> any any (content:"a"; `+c.option+` sid:1;)`)
			ctx := e.NewContext()
			got := ""
			for i := range len(c.want) {
				in := toServer("a")
				in.Time = start.Add(time.Duration(i) * time.Second)
				if len(e.Inspect(ctx, in)) == 1 {
					got += "A"
				} else {
					got += "-"
				}
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestThresholdMemoryIsBounded(t *testing.T) {
	e := mustEngine(t, `alert tcp-pkt any any -> any any (content:"a"; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)`)
	ctx := e.NewContext()
	in := toServer("a")
	for i := range maxThresholds + 1000 {
		in.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		in.Flow = &FlowState{}
		if len(e.Inspect(ctx, in)) != 1 {
			t.Fatalf("source %d was silent", i)
		}
	}
	if n := len(e.thresholds.states); n > maxThresholds {
		t.Errorf("%d counters, want at most %d", n, maxThresholds)
	}
}

func TestAddressListsAreIndexed(t *testing.T) {
	e := mustEngine(t, `
alert ip [198.51.100.0/24,203.0.113.5] any -> $HOME_NET any (msg:"list"; sid:1;)
alert ip 203.0.113.0/24 any -> any any (msg:"wider"; sid:2;)
alert tcp any any -> [203.0.113.5,2001:db8::5] any (msg:"destination"; flags:S; sid:3;)
`)
	if n := e.Stats().Unfiltered; n != 0 {
		t.Errorf("%d lists are scanned, want all indexed", n)
	}
	ctx := e.NewContext()
	in := toServer("")
	in.TCPFlags = 2
	if got := sids(e.Inspect(ctx, in)); len(got) != 1 || got[0] != 3 {
		t.Errorf("to the listed server: %v, want [3]", got)
	}
	in.Src, in.Dst, in.ToServer = server, client, false
	if got := sids(e.Inspect(ctx, in)); len(got) != 2 {
		t.Errorf("from the listed server: %v, want [1 2]", got)
	}
	if got := e.Inspect(ctx, in); len(got) != 0 {
		t.Errorf("address lists alerted on the flow's second packet: %v", sids(got))
	}
}

func TestInspectDoesNotAllocate(t *testing.T) {
	e := mustEngine(t, `
alert tcp-pkt any any -> any any (content:"needle"; nocase; content:"x"; distance:0; sid:1;)
alert http any any -> any any (http.host; dotprefix; content:".example.com"; endswith; sid:2;)
`)
	ctx := e.NewContext()
	packet := toServer(strings.Repeat("haystack ", 100) + "NEEDLE y")
	tx := transaction(true, func(b *Buffers) { b.Add(BufferHTTPHost, []byte("www.example.com")) })
	run := func() {
		e.Inspect(ctx, packet)
		e.Inspect(ctx, tx)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations per packet and transaction, want none", n)
	}
}

func TestHostileTrafficIsBounded(t *testing.T) {
	for _, c := range []struct{ name, options string }{
		{"contents that backtrack", strings.Repeat(`content:"a"; distance:0; `, 8) + `content:"b"; within:1;`},
		{"contents that search to the end", `content:"a"; ` + strings.Repeat(`content:"ab"; distance:0; `, 3)},
		{"an expression that is tried again and again", `content:"a"; pcre:"/a+?x?/R"; content:"b"; within:1;`},
		{"a relative expression after every match", `content:"a"; pcre:"/^a*b/R";`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, `alert tcp-pkt any any -> any any (content:"needle"; fast_pattern; `+c.options+` sid:1;)`)
			in := toServer("needleb" + strings.Repeat("a", 1<<16))
			begin := time.Now()
			got := e.Inspect(e.NewContext(), in)
			took := time.Since(begin)
			t.Logf("%v", took)
			if len(got) != 0 || took > 30*time.Second { // without a limit these take hours
				t.Errorf("%d alerts in %v", len(got), took)
			}
			if e.Stats().Exhausted != 1 {
				t.Errorf("the limit was not counted: %+v", e.Stats())
			}
		})
	}
}
