package sensor_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor"
)

// tshark lists fields of the packets that match a filter, one line a packet.
func tshark(t *testing.T, file, filter string, fields ...string) []string {
	t.Helper()
	bin, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	args := []string{"-r", file, "-Y", filter, "-T", "fields"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(bin, args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	slices.Sort(lines)
	return lines
}

func TestRecordsAgreeWithTshark(t *testing.T) {
	// A client that was told to try again says hello twice; that is one
	// connection and one record.
	const hello = "tls.handshake.type==1 and tcp.seq==1"
	request := []string{"http.host", "http.request.method", "http.request.uri"}
	cases := []struct {
		file, filter string
		fields       []string
		kind         string
		line         func(e *event.Event) string
	}{
		{"other/zeek__testing__btest__Traces__wikipedia.pcap", "dns and udp.port==53", []string{"dns.id", "dns.qry.name"}, "dns", dnsLine},
		{"other/ja4__pcap__tls3.pcapng", "dns and udp.port==53", []string{"dns.id", "dns.qry.name"}, "dns", dnsLine},
		{"suricata-verify/tests/smb2-ntlmssp-negotiateflags/input.pcap", "dns and udp.port==53", []string{"dns.id", "dns.qry.name"}, "dns", dnsLine},
		{"other/ja4__pcap__tls-handshake.pcapng", hello, []string{"tls.handshake.extensions_server_name"}, "tls", sniLine},
		{"other/ja4__pcap__browsers-x509.pcapng", hello, []string{"tls.handshake.extensions_server_name"}, "tls", sniLine},
		{"other/zeek__testing__btest__Traces__workshop_2011_browse.pcap", "http.request", request, "http", httpLine},
		{"other/ja4__pcap__http1.pcapng", "http.request and not ssdp", request, "http", httpLine},
		{"other/ja4__pcap__single-packets.pcap", "http.request", request, "http", httpLine},
		{"other/zeek__testing__btest__Traces__wikipedia.pcap", "http.request", request, "http", httpLine},
	}
	for _, c := range cases {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			file := testkit.Data(t, "pcap/"+c.file)
			want := tshark(t, file, c.filter, c.fields...)
			sink, _, _ := runFiles(t, sensor.Config{}, file)
			var got []string
			for _, e := range of(sink.events(t), c.kind) {
				if line := c.line(e); line != "" {
					got = append(got, line)
				}
			}
			slices.Sort(got)
			if len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%d records, tshark has %d\ngot  %.600q\nwant %.600q", len(got), len(want), got, want)
			}
		})
	}
}

func dnsLine(e *event.Event) string {
	d := part(e, "dns")
	id, _ := d["id"].(json.Number).Int64()
	var names []string
	queries, _ := d["queries"].([]any)
	for _, q := range queries {
		names = append(names, q.(map[string]any)["rrname"].(string))
	}
	return fmt.Sprintf("0x%04x\t%s", id, strings.Join(names, ","))
}

func sniLine(e *event.Event) string {
	sni, _ := part(e, "tls")["sni"].(string)
	return sni
}

func httpLine(e *event.Event) string {
	h := part(e, "http")
	if h["http_method"] == nil {
		// An answer whose question was not captured.
		return ""
	}
	host, _ := h["hostname"].(string)
	if port, ok := h["http_port"]; ok {
		host += ":" + fmt.Sprint(port)
	}
	return fmt.Sprintf("%s\t%v\t%v", host, h["http_method"], h["url"])
}
