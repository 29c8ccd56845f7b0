package rules

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

const costlyRules = `alert tcp any any -> any any (msg:"slow"; content:"GET"; pcre:"/(a+)+(b+)+(a+)+c\d{40}x/"; sid:1;)
alert tcp any any -> any any (msg:"quick"; content:"GET"; sid:2;)
alert tcp any any -> any any (msg:"never found"; content:"absent"; sid:3;)
alert tcp any any -> any any (msg:"silent"; content:"GET"; noalert; sid:4;)
alert http any any -> any any (msg:"uri"; http.uri; content:"/x"; sid:5;)
`

func TestProfileSaysWhatRulesCost(t *testing.T) {
	e := mustEngine(t, costlyRules)
	p := e.NewProfile()
	const workers, units = 4, 50
	var wg sync.WaitGroup
	var mu sync.Mutex
	alerts := map[uint32]uint64{}
	for range workers {
		wg.Go(func() {
			ctx := e.NewContext()
			p.Measure(ctx)
			for i := range units {
				in := toServer("GET " + strings.Repeat("aab", 1000))
				in.View, in.Unit = ViewStream, uint64(i)
				for _, m := range e.Inspect(ctx, in) {
					mu.Lock()
					alerts[m.Rule.SID]++
					mu.Unlock()
				}
			}
			b := &Buffers{}
			b.Add(BufferHTTPURI, []byte("/x"))
			in := toServer("GET /x")
			in.View, in.AppProto, in.Buffers = ViewTransaction, "http", b
			for _, m := range e.Inspect(ctx, in) {
				mu.Lock()
				alerts[m.Rule.SID]++
				mu.Unlock()
			}
		})
	}
	// A report may be asked for while traffic is judged.
	_, err := p.Report(ByTime, 0)
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	r, err := p.Report(ByTime, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Loaded != 5 || r.Checked != 4 || len(r.Rules) != 4 {
		t.Fatalf("%d loaded, %d checked, %d listed", r.Loaded, r.Checked, len(r.Rules))
	}
	slow := r.Rules[0]
	if slow.SID != 1 || slow.Checks != workers*units || slow.Matches != 0 || slow.Share < 50 || slow.Most < slow.Average || slow.AvgFailed != slow.Average {
		t.Errorf("the slow rule is not the first: %+v", slow)
	}
	var spent int64
	for _, c := range r.Rules {
		spent += c.Time
		if c.Alerts != alerts[c.SID] {
			t.Errorf("rule %d: %d alerts, %d were raised", c.SID, c.Alerts, alerts[c.SID])
		}
		if c.SID == 4 && (c.Matches != workers*units || c.Alerts != 0) {
			t.Errorf("the silent rule: %+v", c)
		}
	}
	if spent != r.Judged || r.Found <= 0 {
		t.Errorf("the rules' times are %d, that of all is %d; found in %d", spent, r.Judged, r.Found)
	}
	if r.Alerts != alerts[2]+alerts[5] || alerts[2] != workers*units || alerts[5] != workers {
		t.Errorf("%d alerts in the report, raised were %v", r.Alerts, alerts)
	}
	if len(r.Buffers) != 2 || r.Buffers[0].Buffer != "payload" || r.Buffers[1].Buffer != "http.uri" || r.Buffers[1].Checks != workers {
		t.Errorf("buffers: %+v", r.Buffers)
	}
	if len(r.Groups) != 2 || r.Groups[0].Candidates == 0 || r.Groups[0].Bytes == 0 {
		t.Errorf("groups: %+v", r.Groups)
	}
	if v := r.Views[ViewTransaction]; v.View != "transaction" || v.Units != workers || v.Matches != workers {
		t.Errorf("transactions: %+v", v)
	}
}

func TestProfileIsSortedAndCutAsAsked(t *testing.T) {
	e := mustEngine(t, costlyRules)
	p, ctx := e.NewProfile(), e.NewContext()
	p.Measure(ctx)
	for i := range 3 {
		in := toServer(fmt.Sprint("GET ", i))
		in.View = ViewStream
		e.Inspect(ctx, in)
	}
	for _, order := range []CostOrder{ByTime, ByAverage, ByMost, ByChecks, ByMatches} {
		r, err := p.Report(order, 2)
		if err != nil || len(r.Rules) != 2 || r.Checked != 3 {
			t.Fatalf("%s: %+v, %v", order, r.Rules, err)
		}
		x, _ := order.of(&r.Rules[0])
		y, _ := order.of(&r.Rules[1])
		if x < y {
			t.Errorf("by %s: %d before %d", order, x, y)
		}
	}
	_, err := p.Report("size", 0)
	if !errors.Is(err, ErrCostOrder) {
		t.Errorf("by size: %v", err)
	}
}

func TestContextsOutsideAProfileMeasureNothing(t *testing.T) {
	e, other := mustEngine(t, costlyRules), mustEngine(t, costlyRules)
	p, ctx := e.NewProfile(), other.NewContext()
	p.Measure(ctx)
	for _, c := range []*Context{ctx, e.NewContext()} {
		in := toServer("GET")
		in.View = ViewStream
		if len(c.engine.Inspect(c, in)) == 0 {
			t.Fatal("no rule held")
		}
	}
	r, err := p.Report(ByTime, 0)
	if err != nil || r.Checks != 0 || len(r.Rules) != 0 || ctx.meter != nil {
		t.Errorf("%+v, %v", r, err)
	}
}
