package conformance

import (
	"encoding/json"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestConditions(t *testing.T) {
	const line = `{"event_type":"dns","n":7,"f":1.5,"dns":{"rrname":"abc","answers":[{"ttl":1},{"ttl":2}]},"l":["x","y"]}`
	var record map[string]any
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	err := dec.Decode(&record)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, match string
		want        bool
	}{
		{"a value is equal", "event_type: dns", true},
		{"a number is equal to its text", "n: '7'", true},
		{"a path has an index", "'dns.answers[1].ttl': 2", true},
		{"an index out of the list is no match", "'dns.answers[2].ttl': 2", false},
		{"a missing key is no match", "dns.x: 1", false},
		{"has-key takes a list", "has-key: [dns.rrname, n]", true},
		{"not-has-key refuses what is there", "not-has-key: dns.rrname", false},
		{"the length of a list", "dns.answers.__len: 2", true},
		{"a part of a text", "dns.rrname__find: bc", true},
		{"the beginning of a text", "dns.rrname__startswith: ab", true},
		{"the end of a text", "dns.rrname__endswith: ab", false},
		{"a greater number", "f__gt: 1", true},
		{"an element of a list", "l__contains: y", true},
		{"a whole list", "l: [x, y]", true},
		{"all conditions hold", "{event_type: dns, n: 8}", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f filterSpec
			err := yaml.Unmarshal([]byte("match: {"+strings.Trim(c.match, "{}")+"}"), &f)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.matches(record); got != c.want {
				t.Errorf("%s: %v", c.match, got)
			}
		})
	}
}

func TestVersionsAreComparedByTheirCommonParts(t *testing.T) {
	for _, c := range []struct {
		r     requires
		unmet bool
	}{
		{requires{Min: "8"}, false}, {requires{Min: "8.0.7"}, false}, {requires{Min: "9"}, true},
		{requires{Less: "8"}, true}, {requires{Less: "9.0.0"}, false}, {requires{Features: []string{"HAVE_LUA"}}, true},
	} {
		if got := c.r.unmet(); (got != "") != c.unmet {
			t.Errorf("%+v: %q", c.r, got)
		}
	}
}

func TestAFolderIsSummedUpByCategory(t *testing.T) {
	r := &Result{Checks: []Check{
		{"alert", NotApplicable, "lua"}, {"alert", Passed, ""}, {"dns", Failed, "x"}, {"dns", Passed, ""}, {"tls", NotApplicable, "y"},
	}}
	for category, want := range map[string]Outcome{"alert": Passed, "dns": Failed, "tls": NotApplicable, "ssh": "", "": Failed} {
		got, _ := r.Outcome(category)
		if got != want {
			t.Errorf("%s: %q", category, got)
		}
	}
}

func TestARefusedRuleMakesItsOwnChecksNotApplicable(t *testing.T) {
	refused := []refusal{{sid: 7, reason: "no such keyword", rule: `alert tcp any any -> any any (msg:"seven"; sid:7;)`}}
	for _, c := range []struct {
		name, match string
		want        bool
	}{
		{"its number is asked for", "alert.signature_id: 7", true},
		{"another number is asked for", "alert.signature_id: 8", false},
		{"its text is asked for", "alert.signature: seven", true},
		{"another text is asked for", "{event_type: alert, alert.signature: eight}", false},
		{"all alerts are counted", "event_type: alert", true},
		{"other records are counted", "event_type: dns", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f filterSpec
			err := yaml.Unmarshal([]byte("match: {"+strings.Trim(c.match, "{}")+"}"), &f)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.refusedFor(refused); (got != "") != c.want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestAnAlertMayComeSomePacketsSooner(t *testing.T) {
	record := func(number, packets int) map[string]any {
		return map[string]any{
			"event_type": "alert", "proto": "TCP", "pcap_cnt": number, "flow": map[string]any{"pkts_toserver": packets},
		}
	}
	f := filterSpec{Count: 1, Match: map[string]any{"event_type": "alert", "pcap_cnt": 10, "flow.pkts_toserver": 5}}
	for _, c := range []struct {
		number, packets int
		want            bool
	}{{9, 4, true}, {10, 4, true}, {11, 5, false}, {9, 6, false}, {1, 1, false}} {
		if got := f.otherPacket([]map[string]any{record(c.number, c.packets)}); got != c.want {
			t.Errorf("packet %d with %d: %v", c.number, c.packets, got)
		}
	}
}
