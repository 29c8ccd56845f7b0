package rules

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// adjusted counts the alerts of a rule on packets one second apart.
func adjusted(t *testing.T, config string, packets int) int {
	t.Helper()
	vars := DefaultVars("[192.168.0.0/16]")
	list, refused := ParseThresholds(strings.NewReader(config), "threshold.config", vars)
	if len(refused) > 0 {
		t.Fatal(refused[0].Reason)
	}
	rs, _ := Parse(strings.NewReader(`alert tcp any any -> any any (msg:"m"; flags:A; sid:7;)`), "t", vars)
	e, err := NewEngine(rs, Options{Adjustments: list})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ctx := e.NewContext()
	for i := range packets {
		in := toServer("x")
		in.TCPFlags = 16
		in.Src = netip.MustParseAddrPort("192.168.1.10:40000")
		in.Time = time.Unix(int64(i), 0)
		n += len(e.Inspect(ctx, in))
	}
	return n
}

func TestThresholdConfigAdjustsRules(t *testing.T) {
	for _, c := range []struct {
		name, config string
		want         int
	}{
		{"nothing", "# nothing\n", 10},
		{"suppress a rule", "suppress gen_id 1, sig_id 7", 0},
		{"suppress another rule", "suppress gen_id 1, sig_id 8", 10},
		{"suppress by source", "suppress gen_id 1, sig_id 7, track by_src, ip 192.168.1.0/24", 0},
		{"suppress by another source", "suppress gen_id 1, sig_id 7, track by_src, ip 10.0.0.0/8", 10},
		{"suppress by either, from a list with a variable", "suppress gen_id 0, sig_id 0, track by_either, ip [10.0.0.1,$HOME_NET]", 0},
		{"limit", "threshold gen_id 1, sig_id 7, type limit, track by_src, count 2, seconds 60", 2},
		{"event_filter for all rules", "event_filter gen_id 1, sig_id 0, type both, track by_dst, count 3, seconds 60", 1},
		{"one rule's line goes before all rules'", "threshold gen_id 1, sig_id 7, type limit, track by_src, count 2, seconds 60\nthreshold gen_id 1, sig_id 0, type limit, track by_src, count 1, seconds 60", 2},
		{"a continued line", "suppress gen_id 1, \\\n sig_id 7", 0},
		{"a rate filter that passes", "rate_filter gen_id 1, sig_id 7, track by_src, count 3, seconds 60, new_action pass, timeout 100", 3},
		{"a rate filter that ends", "rate_filter gen_id 1, sig_id 7, track by_src, count 3, seconds 60, new_action pass, timeout 2", 6},
		{"a rate filter that drops", "rate_filter gen_id 1, sig_id 7, track by_rule, count 3, seconds 60, new_action drop, timeout 100", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := adjusted(t, c.config, 10); got != c.want {
				t.Errorf("%d alerts, want %d", got, c.want)
			}
		})
	}
}

func TestThresholdConfigRefusesByLine(t *testing.T) {
	for _, line := range []string{
		"this is not correct", "suppress gen_id 1", "suppress gen_id 1, sig_id 2, track by_src",
		"suppress gen_id 1, sig_id 2, ip 10.0.0.1", "suppress gen_id 1, sig_id 2, track by_moon, ip 10.0.0.1",
		"threshold gen_id 1, sig_id 2, type limit", "rate_filter gen_id 1, sig_id 2, track by_src, count 1, seconds 2, new_action sing, timeout 3",
	} {
		list, refused := ParseThresholds(strings.NewReader("\n"+line+"\n"), "t", Vars{})
		if len(list) != 0 || len(refused) != 1 || refused[0].Line != 2 {
			t.Errorf("%q: %d taken, refused %v", line, len(list), refused)
		}
	}
}
