package rules

import (
	"slices"
	"testing"
)

func TestEventNamesAreSorted(t *testing.T) {
	if !slices.IsSorted(raisedEvents[:]) {
		t.Error("the names are looked up by halves and must be sorted")
	}
}

func TestEventRules(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		view       View
		events     []string
		want       bool
	}{
		{"a decode event", `alert pkthdr any any -> any any (decode-event:ipv4.trunc_pkt; sid:1;)`, ViewPacket, []string{"decode.ipv4.trunc_pkt"}, true},
		{"another decode event", `alert pkthdr any any -> any any (decode-event:ipv4.trunc_pkt; sid:1;)`, ViewPacket, []string{"decode.ipv4.pkt_too_small"}, false},
		{"no event", `alert pkthdr any any -> any any (decode-event:ipv4.trunc_pkt; sid:1;)`, ViewPacket, nil, false},
		{"a stream event", `alert tcp any any -> any any (stream-event:est_invalid_ack; sid:1;)`, ViewPacket, []string{"stream.pkt_invalid_ack", "stream.est_invalid_ack"}, true},
		{"a checksum", `alert tcp any any -> any any (tcpv4-csum:invalid; sid:1;)`, ViewPacket, []string{"csum.tcpv4"}, true},
		{"an event of an application", `alert http any any -> any any (app-layer-event:http.missing_host_header; sid:1;)`, ViewTransaction, []string{"http.missing_host_header"}, true},
		{"an event of another application", `alert dns any any -> any any (app-layer-event:dns.z_flag_set; sid:1;)`, ViewTransaction, []string{"dns.z_flag_set"}, false},
		{"an event and a counter", `alert http any any -> any any (app-layer-event:http.missing_host_header; flowint:n,isnotset; sid:1;)`, ViewTransaction, []string{"http.missing_host_header"}, true},
		{"an event in the wrong version of IP", `alert ipv6 any any -> any any (decode-event:ipv4.trunc_pkt; sid:1;)`, ViewPacket, []string{"decode.ipv4.trunc_pkt"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEngine(t, c.rule)
			in := toServer("")
			in.View, in.Events, in.AppProto = c.view, c.events, "http"
			in.EventsOnly = true
			got := len(e.Inspect(e.NewContext(), in)) == 1
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestAnEventAloneSeesTheBuffersOfItsTransaction(t *testing.T) {
	e := mustEngine(t, `
alert http any any -> any any (http.method; content:"POST"; app-layer-event:http.request_body_unexpected; sid:1;)
alert http any any -> any any (http.method; content:"GET"; app-layer-event:http.request_body_unexpected; sid:2;)
alert http any any -> any any (http.method; content:"POST"; sid:3;)`)
	var b Buffers
	b.Add(BufferHTTPMethod, []byte("POST"))
	in := toServer("")
	in.View, in.Events, in.AppProto, in.Buffers, in.EventsOnly = ViewTransaction, []string{"http.request_body_unexpected"}, "http", &b, true
	if got := sids(e.Inspect(e.NewContext(), in)); !slices.Equal(got, []uint32{1}) {
		t.Errorf("%v, want [1]", got)
	}
}

func TestAnEventThatNobodyRaisesIsRefused(t *testing.T) {
	for _, option := range []string{"decode-event:ipv6.exthdr_dupl_eh", "stream-event:wrong_thread", "app-layer-event:gopher.bad", "tcpv4-csum:valid"} {
		rs, refused := parseText("alert ip any any -> any any (" + option + "; sid:1;)")
		if len(rs) != 0 || len(refused) != 1 {
			t.Errorf("%s was loaded", option)
		}
	}
}

func TestBrokenPacketsAreForEventRulesAlone(t *testing.T) {
	e := mustEngine(t, `
alert ip any any -> any any (msg:"header only"; sid:1;)
alert pkthdr any any -> any any (decode-event:tcp.pkt_too_small; sid:2;)`)
	in := &Input{Time: start, View: ViewPacket, Events: []string{"decode.tcp.pkt_too_small"}, EventsOnly: true}
	if got := sids(e.Inspect(e.NewContext(), in)); len(got) != 1 || got[0] != 2 {
		t.Errorf("%v, want [2]", got)
	}
}

func TestBackoffAlertsMoreAndMoreSeldom(t *testing.T) {
	e := mustEngine(t, `alert tcp-pkt any any -> any any (content:"a"; threshold:type backoff, track by_flow, count 1, multiplier 10; sid:1;)`)
	ctx, in := e.NewContext(), toServer("a")
	var at []int
	for i := 1; i <= 200; i++ {
		if len(e.Inspect(ctx, in)) == 1 {
			at = append(at, i)
		}
	}
	if !slices.Equal(at, []int{1, 10, 100}) {
		t.Errorf("alerts at %v, want 1, 10 and 100", at)
	}
}
