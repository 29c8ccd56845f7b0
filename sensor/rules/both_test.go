package rules

import (
	"slices"
	"testing"
)

// bothSides shows both sides of one transaction, as a protocol's parser does.
func bothSides(e *Engine, flow *FlowState, tx uint64, request, response fieldsOf) []uint32 {
	var out []uint32
	for i, f := range []fieldsOf{request, response} {
		in := toServer("")
		in.View, in.AppProto, in.Buffers, in.Flow = ViewTransaction, "http", f.buffers(), flow
		in.ToServer, in.Unit = i == 0, 1<<63|tx<<1|uint64(i)
		if i == 1 {
			in.Src, in.Dst = in.Dst, in.Src
		}
		out = append(out, sids(e.Inspect(e.NewContext(), in))...)
	}
	return out
}

func TestARuleOverBothDirectionsWantsOneTransaction(t *testing.T) {
	e := mustEngine(t, `
alert http any any => any any (msg:"both"; http.uri; content:"/down"; http.stat_code; content:"200"; sid:1;)
alert http any any => any any (msg:"another status"; http.uri; content:"/down"; http.stat_code; content:"404"; sid:2;)
alert http any any => any any (msg:"a field of both"; http.connection: to_client; content:"close"; http.uri; content:"/down"; sid:3;)
alert http any any => any any (msg:"the request's"; http.connection: to_server; content:"close"; http.stat_code; content:"200"; sid:4;)
alert http any any => any any (msg:"a size"; http.uri; content:"/down"; filesize: to_client, >100; sid:5;)
alert http any any => any any (msg:"bits"; flowbits:set,x; http.uri; content:"/down"; http.stat_code; content:"200"; flowbits:noalert; sid:6;)
alert http any any => any any (msg:"the other way round"; http.uri; content:"/down"; http.stat_code; content:"200"; flowbits:isset,x; sid:7;)
`)
	if e.Stats().Rules != 7 {
		t.Errorf("%d rules", e.Stats().Rules)
	}
	request := text(BufferHTTPURI, "/download")
	response := fieldsOf{
		texts:   map[Buffer][]string{BufferHTTPStatCode: {"200"}, BufferHTTPConnection: {"close"}},
		numbers: map[Buffer][]uint64{BufferFileSize: {200}},
	}
	flow := &FlowState{}
	got := bothSides(e, flow, 0, request, response)
	slices.Sort(got)
	if !slices.Equal(got, []uint32{1, 3, 5, 7}) {
		t.Errorf("%v", got)
	}
	// The sides of two transactions are not one.
	flow = &FlowState{}
	got = append(bothSides(e, flow, 1, request, text(BufferHTTPStatCode, "500")), bothSides(e, flow, 2, text(BufferHTTPURI, "/x"), response)...)
	if len(got) != 0 {
		t.Errorf("%v over two transactions", got)
	}
}

func TestRulesOverBothDirectionsThatCannotBeAreRefused(t *testing.T) {
	for _, options := range []string{
		`http.uri; content:"a";`, `http.uri; content:"a"; http.connection; content:"b";`, `content:"a"; http.stat_code; content:"2";`,
		`http.uri; content:"a"; http.stat_code; content:"2"; flow:to_server;`, `http.uri; content:"a"; http.stat_code; content:"2"; dsize:1;`,
		`content:"a"; http_uri; http.stat_code; content:"2";`,
	} {
		rs, refused := parseText("alert http any any => any any (" + options + " sid:1;)")
		if len(rs) != 0 || len(refused) != 1 {
			t.Errorf("%s was loaded", options)
		}
	}
}

func TestThresholdsByFlowCountInTheFlow(t *testing.T) {
	e := mustEngine(t, `
alert tcp any any -> any any (content:"a"; threshold:type limit, track by_flow, count 1, seconds 60; sid:1;)
alert tcp any any -> any any (content:"a"; threshold:type both, track by_flow, count 2, seconds 60; sid:2;)
alert tcp any any -> any any (content:"a"; detection_filter:track by_flow, count 2, seconds 60; sid:3;)
`)
	for _, flow := range []*FlowState{{}, {}} {
		var got []uint32
		for i := range 3 {
			in := toServer("a")
			in.View, in.Flow, in.Unit = ViewStream, flow, uint64(i)
			got = append(got, sids(e.Inspect(e.NewContext(), in))...)
		}
		if !slices.Equal(got, []uint32{1, 2, 3}) {
			t.Errorf("%v", got)
		}
	}
}

func TestARuleMayHaveSeveralTags(t *testing.T) {
	rs, refused := parseText("alert tcp any any -> any any (content:\"a\"; tag:session,5,packets; tag:host,60,seconds,src; sid:1;)")
	if len(refused) > 0 || len(rs[0].Tags) != 2 || rs[0].Tags[0].Packets != 5 || !rs[0].Tags[1].Host {
		t.Errorf("%+v %+v", rs, refused)
	}
}
