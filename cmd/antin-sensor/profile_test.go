package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

func TestRulesAreMeasuredOnCaptures(t *testing.T) {
	file := testkit.Data(t, "pcap/other/ja4__pcap__tls3.pcapng")
	list := write(t, "a.rules", goodRule+`
alert tcp any any -> any any (msg:"slow"; flow:to_client; pcre:"/(?:[\x00-\xff]{1,3}){4,9}(a|b|[^c]|\d)+no such end/"; sid:2;)
`)
	status, stdout, stderr := call("rules", "profile", "-S", list, file, "-k", "none", "--json")
	var p profiled
	err := json.Unmarshal([]byte(stdout), &p)
	if err != nil || status != exitDone {
		t.Fatalf("status %d, %v\n%s%s", status, err, stdout, stderr)
	}
	if p.Captures != 1 || p.Packets == 0 || len(p.Rules) != 2 || p.Rules[0].SID != 2 || p.Rules[0].Share < 50 || p.Rules[0].Matches != 0 {
		t.Errorf("the slow rule is not the first: %+v", p.Rules)
	}
	dir := t.TempDir()
	status, _, stderr = call("run", "-r", file, "-S", list, "-k", "none", "-l", dir, "-q")
	if status != exitDone {
		t.Fatal(stderr)
	}
	alerts := uint64(0)
	for _, r := range readRecords(t, filepath.Join(dir, eveFile)) {
		if r["event_type"] == "alert" {
			alerts++
		}
	}
	if p.Alerts != alerts || p.Rules[1].Alerts != alerts || alerts == 0 {
		t.Errorf("%d alerts measured, %d recorded", p.Alerts, alerts)
	}
	status, stdout, stderr = call("rules", "profile", "-S", list, file, "-k", "none", "-n", "1", "--sort", "matches")
	if status != exitDone || !strings.Contains(stdout, "1:1  name") || strings.Contains(stdout, "slow") || !strings.Contains(stdout, "dns.query") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
}

func TestRulesProfileSaysWhatItCannot(t *testing.T) {
	list, text := write(t, "a.rules", goodRule), write(t, "text.pcap", "this is no capture file, it is text")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"without a capture", []string{"-S", list}, exitUse, "requires at least 1 arg"},
		{"without rules", []string{text}, exitUse, "say which rules"},
		{"an order that is none", []string{"-S", list, text, "--sort", "size"}, exitUse, `not by "size"`},
		{"a file that is no capture", []string{"-S", list, text}, exitCould, "not a readable capture file"},
		{"a capture that is not there", []string{"-S", list, text + ".not"}, exitCould, "no such file"},
		{"rules of which none loads", []string{"-S", text, text}, exitCould, "no rules"},
	} {
		status, stdout, stderr := call(append([]string{"rules", "profile"}, c.args...)...)
		if status != c.status || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("%s: status %d\n%s%s", c.name, status, stdout, stderr)
		}
	}
}
