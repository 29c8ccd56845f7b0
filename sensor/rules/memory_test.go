package rules

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// after builds the engine of a reload.
func after(t *testing.T, before *Engine, text string) *Engine {
	t.Helper()
	rs, refused := Parse(strings.NewReader(text), "test.rules", DefaultVars("any"))
	if len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
	e, err := NewEngine(rs, Options{After: before})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatRulesRememberOutlivesAReload(t *testing.T) {
	const setter = `alert tcp-pkt any any -> any any (msg:"s"; content:"login"; flowbits:set,in; xbits:set,seen,track ip_src,expire 60; flowint:n,+,1; noalert; sid:1;)`
	const limited = `alert tcp-pkt any any -> any any (msg:"l"; content:"limit"; threshold:type limit,track by_src,count 1,seconds 60; sid:3;)`
	first := mustEngine(t, strings.Join([]string{
		`alert tcp-pkt any any -> any any (msg:"other"; content:"zz"; flowbits:set,other; sid:9;)`, setter, limited,
	}, "\n"))
	flow := &FlowState{}
	see := func(e *Engine, f *FlowState, text string, at time.Duration) []uint32 {
		in := toServer(text)
		in.Flow, in.Time = f, start.Add(at)
		return sids(e.Inspect(e.NewContext(), in))
	}
	see(first, flow, "login", 0)
	if got := see(first, &FlowState{}, "limit", time.Second); !slices.Equal(got, []uint32{3}) {
		t.Fatalf("the first match is %v", got)
	}
	second := after(t, first, strings.Join([]string{
		limited,
		`alert tcp-pkt any any -> any any (msg:"new"; content:"new"; flowbits:isset,in; flowint:n,==,1; sid:4;)`,
		`alert tcp-pkt any any -> any any (msg:"host"; content:"host"; xbits:isset,seen,track ip_src; sid:5;)`,
	}, "\n"))
	for _, c := range []struct {
		name, text string
		flow       *FlowState
		at         time.Duration
		want       []uint32
	}{
		{"a flow keeps its bits and counters", "new", flow, 2 * time.Second, []uint32{4}},
		{"another flow has none", "new", &FlowState{}, 2 * time.Second, nil},
		{"a host keeps its bits", "host", &FlowState{}, 3 * time.Second, []uint32{5}},
		{"a limit that is used up stays so", "limit", &FlowState{}, 4 * time.Second, nil},
		{"and ends with its window", "limit", &FlowState{}, 62 * time.Second, []uint32{3}},
	} {
		if got := see(second, c.flow, c.text, c.at); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if n := second.Stats().Suppressed; n != 1 {
		t.Errorf("%d suppressed", n)
	}
}

func TestAClockSetBackDoesNotProlongALimit(t *testing.T) {
	e := mustEngine(t, `alert tcp-pkt any any -> any any (msg:"l"; content:"a"; threshold:type limit,track by_src,count 1,seconds 60; sid:1;)`)
	see := func(at time.Duration) int {
		in := toServer("a")
		in.Time = start.Add(at)
		return len(e.Inspect(e.NewContext(), in))
	}
	if a, b := see(0), see(30*time.Second); a != 1 || b != 0 {
		t.Fatalf("the limit does not hold: %d, %d", a, b)
	}
	e.Step(-time.Hour)
	if see(31*time.Second-time.Hour) != 0 {
		t.Error("the window ended with the step")
	}
	if see(61*time.Second-time.Hour) != 1 {
		t.Error("the window did not end after its minute")
	}
}

func TestTheVariablesOfAFlowAreToldByName(t *testing.T) {
	first := mustEngine(t, strings.Join([]string{
		`alert tcp-pkt any any -> any any (msg:"s"; content:"login"; flowbits:set,in; flowint:n,+,3; noalert; sid:1;)`,
		`alert tcp-pkt any any -> any any (msg:"t"; content:"gone"; flowbits:set,gone; noalert; sid:2;)`,
		`alert tcp-pkt any any -> any any (msg:"u"; content:"back"; flowbits:unset,gone; noalert; sid:3;)`,
		`alert tcp-pkt any any -> any any (msg:"c"; content:"x"; flowbits:isset,other; flowint:m,isset; sid:4;)`,
	}, "\n"))
	flow := &FlowState{}
	see := func(e *Engine, text string) {
		in := toServer(text)
		in.Flow = flow
		e.Inspect(e.NewContext(), in)
	}
	bits, counters := first.Remembered(flow, nil, nil)
	if len(bits) > 0 || len(counters) > 0 {
		t.Errorf("a new flow has %v %v", bits, counters)
	}
	see(first, "login gone")
	bits, counters = first.Remembered(flow, nil, nil)
	if !slices.Contains(bits, "in") || !slices.Contains(bits, "gone") || len(bits) != 2 || !slices.Equal(counters, []Counter{{"n", 3}}) {
		t.Errorf("%v %v", bits, counters)
	}
	see(first, "back")
	second := after(t, first, `alert tcp-pkt any any -> any any (msg:"new"; content:"new"; flowbits:set,new; flowint:k,=,1; noalert; sid:5;)`)
	see(second, "new")
	bits, counters = second.Remembered(flow, nil, nil)
	if !slices.Equal(bits, []string{"in", "new"}) || !slices.Equal(counters, []Counter{{"n", 3}, {"k", 1}}) {
		t.Errorf("after a reload %v %v", bits, counters)
	}
	// The engine before does not know what was named since.
	bits, _ = first.Remembered(flow, nil, nil)
	if !slices.Equal(bits, []string{"in"}) {
		t.Errorf("by the engine before %v", bits)
	}
}
