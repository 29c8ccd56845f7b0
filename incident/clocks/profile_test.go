package clocks

import (
	"errors"
	"testing"
	"time"
)

func TestProfilesStateTheLegalTimes(t *testing.T) {
	t0 := time.Date(2026, 11, 20, 2, 0, 30, 0, time.UTC)
	for _, c := range []struct {
		profile, clock string
		after          time.Duration
		severity       string
	}{
		{"vn-2026", "first-notice", 24 * time.Hour, "high"},
		{"vn-2026", "report", 72 * time.Hour, ""},
		{"vn-2017", "report", 5 * 24 * time.Hour, ""},
	} {
		p, err := Load(c.profile)
		if err != nil {
			t.Fatal(err)
		}
		k := p.Clock(c.clock)
		if k == nil || !k.Due(t0).Equal(t0.Add(c.after)) || !k.WarnAt(t0).Before(k.Due(t0)) || k.MinSeverity != c.severity || k.Basis == "" {
			t.Errorf("%s %s: %+v", c.profile, c.clock, k)
		}
	}
	p, err := Load(Default)
	if err != nil || p.ID != "vn-2026" || p.Clock("none") != nil {
		t.Errorf("the default is %+v (%v)", p, err)
	}
}

func TestProfilesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown":            "profiles: [{id: y, clocks: [{id: a, after: 1h}]}]",
		"no clock":           "profiles: [{id: x}]",
		"a clock twice":      "profiles: [{id: x, clocks: [{id: a, after: 1h}, {id: a, after: 2h}]}]",
		"no time":            "profiles: [{id: x, clocks: [{id: a}]}]",
		"a warning too soon": "profiles: [{id: x, clocks: [{id: a, after: 1h, warn: 1h}]}]",
		"no YAML":            "profiles: {",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(text), "x")
			if !errors.Is(err, ErrProfile) {
				t.Errorf("got %v", err)
			}
		})
	}
}
