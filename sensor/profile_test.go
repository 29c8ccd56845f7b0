package sensor

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

func measuredRules(t *testing.T, after *rules.Engine) *rules.Engine {
	t.Helper()
	rs, refused := rules.Parse(strings.NewReader(`alert udp any any -> any any (msg:"x"; content:"xxxx"; sid:1;)
alert udp any any -> any any (msg:"y"; content:"y"; sid:2;)
`), "test.rules", rules.DefaultVars("[10.0.0.0/8]"))
	if len(refused) > 0 {
		t.Fatalf("%+v", refused)
	}
	e, err := rules.NewEngine(rs, rules.Options{After: after})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRulesInForceAreMeasuredForAWhile(t *testing.T) {
	c := clock.NewFake(time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC))
	sink, src := &kept{}, &wire{frames: make(chan capture.Frame)}
	e, err := New(Config{Clock: c, Sinks: []output.Sink{sink}, Checksums: ChecksumNone, Rules: measuredRules(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.RunLive(ctx, []LiveSource{src}, nil) }()
	send := func(frames int) {
		data := datagram(1, false)
		for range frames {
			src.frames <- capture.Frame{Data: data, Length: len(data), Time: c.Now(), Link: capture.LinkEthernet, Number: 1}
		}
	}
	begin := func() *rules.Profile {
		p, err := e.Profile()
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Profile()
		if !errors.Is(err, ErrProfiled) {
			t.Errorf("a second profile: %v", err)
		}
		return p
	}
	report := func(p *rules.Profile) rules.CostReport {
		r, err := p.Report(rules.ByTime, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// A frame is worked off when the next one is taken. Those before and after
	// are not measured.
	send(3)
	p := begin()
	send(11)
	if !e.EndProfile(p) {
		t.Error("the profile had ended before")
	}
	send(4)
	// Which of the frames at both ends are in is up to the worker.
	r := report(p)
	if r.Checked != 1 || r.Rules[0].SID != 1 || r.Alerts < 10 || r.Alerts > 12 || r.Alerts != r.Checks {
		t.Errorf("%+v", r)
	}
	p = begin()
	send(2)
	err = e.Reload(measuredRules(t, e.Rules()), "next", 2)
	if err != nil {
		t.Fatal(err)
	}
	send(2)
	if e.EndProfile(p) {
		t.Error("a reload left the old rules measured")
	}
	p = begin()
	send(2)
	cancel()
	err = <-ended
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(sink.Bytes(), []byte("alert ")); n != 24 {
		t.Errorf("%d alerts of 24", n)
	}
	if r := report(p); r.Alerts < 1 || r.Alerts > 3 {
		t.Errorf("after the reload: %+v", r)
	}
}

func TestWithoutRulesNothingIsMeasured(t *testing.T) {
	e, err := New(Config{Clock: clock.System{}, Sinks: []output.Sink{&kept{}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Profile()
	if !errors.Is(err, ErrNoRules) {
		t.Errorf("%v", err)
	}
}
