// Package clocks knows by when what must be told to whom: the legal deadlines
// of an incident, counted from its detection time T0. Profiles are data
// (profiles.yaml): vn-2026 follows NĐ 331/2026 Đ31.2.d, vn-2017 QĐ 05/2017 Đ11
// and TT 20/2017. The package computes; it keeps no state and rings no bell.
package clocks

import (
	_ "embed"
	"errors"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

// Default is the profile in force.
const Default = "vn-2026"

// ErrProfile means that a profile is unknown or malformed.
var ErrProfile = errors.New("clocks: profile")

//go:embed profiles.yaml
var profilesYAML []byte

// Profile is a set of clocks with one legal basis.
type Profile struct {
	ID     string  `yaml:"id"`
	Basis  string  `yaml:"basis"`
	Clocks []Clock `yaml:"clocks"`
}

// Clock is one duty with its time.
type Clock struct {
	ID string `yaml:"id"`
	// After is the time from T0 to the deadline.
	After time.Duration `yaml:"after"`
	// Warn is how long before the deadline the duty is called to mind.
	Warn time.Duration `yaml:"warn"`
	// MinSeverity is the word of the least severity the duty applies to, empty
	// for all.
	MinSeverity string `yaml:"min_severity"`
	Basis       string `yaml:"basis"`
	To          string `yaml:"to"`
}

// Load returns the named profile.
func Load(id string) (*Profile, error) {
	return parse(profilesYAML, id)
}

func parse(b []byte, id string) (*Profile, error) {
	var all struct {
		Profiles []Profile `yaml:"profiles"`
	}
	err := yaml.Unmarshal(b, &all)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	for _, p := range all.Profiles {
		if p.ID == id {
			return &p, p.check()
		}
	}
	return nil, fmt.Errorf("%w: %q is unknown", ErrProfile, id)
}

func (p *Profile) check() error {
	seen := map[string]bool{}
	for _, c := range p.Clocks {
		if c.ID == "" || seen[c.ID] || c.After <= 0 || c.Warn < 0 || c.Warn >= c.After {
			return fmt.Errorf("%w: %s: clock %q stands twice or has no sensible time", ErrProfile, p.ID, c.ID)
		}
		seen[c.ID] = true
	}
	if len(p.Clocks) == 0 {
		return fmt.Errorf("%w: %s has no clock", ErrProfile, p.ID)
	}
	return nil
}

// Clock returns the clock with the id, nil when the profile has none.
func (p *Profile) Clock(id string) *Clock {
	for i := range p.Clocks {
		if p.Clocks[i].ID == id {
			return &p.Clocks[i]
		}
	}
	return nil
}

// Due is when the duty falls due for an incident detected at t0.
func (c *Clock) Due(t0 time.Time) time.Time { return t0.Add(c.After) }

// WarnAt is when to call the duty to mind.
func (c *Clock) WarnAt(t0 time.Time) time.Time { return t0.Add(c.After - c.Warn) }
