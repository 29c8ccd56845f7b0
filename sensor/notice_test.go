package sensor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor"
)

// TestWhatIsOddAboutAConnectionIsRecordedAndSeenByRules plays connections and
// wants each event in a record, and an alert of the rule that asks for it.
func TestWhatIsOddAboutAConnectionIsRecordedAndSeenByRules(t *testing.T) {
	const client, server = "10.0.0.1:40000", "10.0.0.2:8080"
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	hello := "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + strings.Repeat("r", 32) + "\x00\x00\x02\x13\x01\x01\x00\x00\x00"
	beat := func(n int) string {
		return "\x17\x03\x03\x00\x01x\x18\x03\x03" + string([]byte{byte(n >> 8), byte(n)}) + strings.Repeat("b", n)
	}
	for _, c := range []struct {
		name  string
		turns []turn
		want  []string
	}{
		{"an ordinary exchange", []turn{{0, get}, {1, ok}}, nil},
		{"an answer of another protocol", []turn{{0, get}, {1, "SSH-2.0-x\r\n"}}, []string{"applayer_mismatch_protocol_both_directions"}},
		{"a server that speaks first", []turn{{1, ok}, {0, get}}, []string{"applayer_wrong_direction_first_data", "http.unable_to_match_response_to_request"}},
		{"an answer that is nothing", []turn{{1, "\x99\x98nothing that is known at all"}, {0, get}}, []string{"applayer_wrong_direction_first_data", "applayer_detect_protocol_only_one_direction"}},
		{"a request that never ends", []turn{{0, "INVITE sip:" + strings.Repeat("a", 9000)}}, []string{"applayer_proto_detection_skipped"}},
		{"no TLS after STARTTLS", []turn{
			{1, "220 mx\r\n"}, {0, "EHLO c\r\n"}, {1, "250 mx\r\n"}, {0, "STARTTLS\r\n"}, {1, "220 go\r\n"}, {0, get},
		}, []string{"applayer_unexpected_protocol", "applayer_no_tls_after_starttls"}},
		{"an upgrade to something else", []turn{
			{0, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: %\r\n\r\n"},
			{1, "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"}, {0, "SSH-2.0-x\r\n"},
		}, []string{"applayer_unexpected_protocol"}},
		{"an upgrade with broken settings", []turn{
			{0, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: %\r\n\r\n"},
			{1, "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"}, {0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		}, []string{"http2.invalid_http1_settings"}},
		{"a TLS record that is none", []turn{{0, hello + "\x01\x09\x00\x00\x04abcd"}}, []string{"tls.invalid_record_type", "tls.invalid_tls_header"}},
		{"an empty SSLv2 record", []turn{{0, hello + "\x80\x00\x00\x00\x04abcd"}}, []string{"tls.invalid_record_type", "tls.invalid_sslv2_header"}},
		{"a heartbeat answered with more", []turn{{0, hello + beat(40)}, {1, "\x16\x03\x03\x00\x04\x0e\x00\x00\x00" + beat(200)}}, []string{"tls.heartbeat_message", "tls.heartbeat_message", "tls.dataleak_heartbeat_mismatch"}},
		{"a body that was not announced", []turn{{0, get + "more\r\n"}}, []string{"http.request_body_unexpected"}},
		{"many fields", []turn{{0, "GET / HTTP/1.1\r\nHost: a\r\n" + manyFields(1100) + "\r\n"}}, []string{"http.request_too_many_headers"}},
		{"a field name that is none", []turn{{0, "GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n"}}, []string{"http.request_header_invalid"}},
		{"a tunnel to no port", []turn{{0, "CONNECT a:x HTTP/1.1\r\nHost: a\r\n\r\n"}}, []string{"http.invalid_authority_port"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t)
			talk(w, client, server, c.turns, 0)
			var text strings.Builder
			for i, name := range c.want {
				fmt.Fprintf(&text, "alert ip any any -> any any (app-layer-event:%s; sid:%d;)\n", name, i+1)
			}
			if len(c.want) == 0 {
				text.WriteString("alert ip any any -> any any (app-layer-event:applayer_unexpected_protocol; sid:1;)\n")
			}
			sink, _, _ := runFiles(t, sensor.Config{Rules: ruleEngine(t, text.String())}, w.file())
			events := sink.events(t)
			var got []string
			for _, e := range of(events, "anomaly") {
				a := part(e, "anomaly")
				got = append(got, fmt.Sprint(a["event"]))
			}
			var want []string
			for _, name := range c.want {
				app, rest, cut := strings.Cut(name, ".")
				if !cut {
					rest = app
				}
				if app != "http2" {
					rest = strings.ToUpper(rest)
				}
				want = append(want, rest)
			}
			if !slices.Equal(got, want) {
				t.Errorf("recorded %v, want %v", got, want)
			}
			sids := map[string]bool{}
			for _, e := range of(events, "alert") {
				sids[fmt.Sprint(part(e, "alert")["signature_id"])] = true
			}
			for i, name := range c.want {
				if !sids[fmt.Sprint(i+1)] {
					t.Errorf("no alert for %s", name)
				}
			}
		})
	}
}

func TestOddHeadersAreRecordedWithoutRules(t *testing.T) {
	w := newWire(t)
	w.frame([]byte{1, 2, 3})
	sink, _, _ := runFiles(t, sensor.Config{HeaderAnomalies: true}, w.file())
	all := of(sink.events(t), "anomaly")
	if len(all) != 1 || part(all[0], "anomaly")["event"] != "decoder.ethernet.pkt_too_small" {
		t.Errorf("recorded %v", all)
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-%d: a\r\n", i)
	}
	return b.String()
}
