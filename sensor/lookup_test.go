package sensor_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor"
)

// TestDNSInHTTP1IsRecordedAndJudged plays a question in a path and one in a body,
// with their answers, and wants the records and alerts that DNS has.
func TestDNSInHTTP1IsRecordedAndJudged(t *testing.T) {
	const (
		question = "\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02vn\x00\x00\x01\x00\x01"
		answer   = "\x00\x00\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x02vn\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x01\x02\x03"
		media    = "Content-Type: application/dns-message\r\n"
	)
	body := func(b string) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", media, len(b), b) }
	w := newWire(t)
	talk(w, "10.0.0.1:40000", "10.0.0.2:8080", []turn{
		{0, "GET /dns-query?dns=" + base64.RawURLEncoding.EncodeToString([]byte(question)) + " HTTP/1.1\r\nHost: dns.vn\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\n" + body(answer)},
		{0, "POST /dns-query HTTP/1.1\r\nHost: dns.vn\r\n" + body(question)},
		{1, "HTTP/1.1 200 OK\r\n" + body(answer)},
		{0, "GET /?dns=other HTTP/1.1\r\nHost: dns.vn\r\n\r\n"},
		{1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	}, 0)
	path := w.file()
	const rules = `
alert dns any any -> any any (dns.query; content:"a.vn"; sid:1;)
alert dns any any -> any any (dns.answers.rrname; content:"a.vn"; sid:2;)
alert http any any -> any any (http.method; content:"POST"; sid:3;)
`
	for _, cfg := range []sensor.Config{{}, {Rules: ruleEngine(t, rules)}} {
		sink, _, _ := runFiles(t, cfg, path)
		events := sink.events(t)
		var got []string
		for _, e := range of(events, "dns") {
			got = append(got, fmt.Sprint(part(e, "dns")["type"], part(e, "dns")["tx_id"], part(e, "http")["hostname"]))
		}
		if want := []string{"request0dns.vn", "response0dns.vn", "request1dns.vn", "response1dns.vn"}; !slices.Equal(got, want) {
			t.Errorf("records %q, want %q", got, want)
		}
		alerts := map[string]int{}
		for _, e := range of(events, "alert") {
			alerts[fmt.Sprint(part(e, "alert")["signature_id"])]++
		}
		if cfg.Rules != nil && (alerts["1"] != 2 || alerts["2"] != 2 || alerts["3"] != 1) {
			t.Errorf("alerts %v", alerts)
		}
	}
}
