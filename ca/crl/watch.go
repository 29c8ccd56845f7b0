package crl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Health is the state of a list in force.
type Health struct {
	Name       string        `json:"name"`
	Number     int64         `json:"number"`
	ThisUpdate time.Time     `json:"this_update"`
	NextUpdate time.Time     `json:"next_update"`
	Entries    int           `json:"entries"`
	Bytes      int           `json:"bytes"`
	Left       time.Duration `json:"left_ns"`
	// Late says that the list should have been made anew long ago.
	Late bool `json:"late"`
	// Error is why the list could not be read or made; empty when it could.
	Error string `json:"error,omitempty"`
}

// lateShare is the share of its validity that a list in force has left at
// least: it is made anew at half of it.
const lateShare = 4

// Names lists the lists that certificates may name.
func (p *Publisher) Names(ctx context.Context) ([]string, error) {
	p.mu.Lock()
	issuers := maps.Clone(p.issuers)
	p.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(issuers)) {
		most, err := p.cfg.Store.Partitions(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read partitions of %s: %w", name, err)
		}
		for n := range max(most, issuers[name].Partitions) + 1 {
			s := Scope{Issuer: name, Partition: n}
			names = append(names, s.Name(false))
			if p.cfg.DeltaValidity > 0 && issuers[name].Signer != nil {
				names = append(names, s.Name(true))
			}
		}
	}
	return names, nil
}

// Refresh makes the lists that are due, and tells how every list stands. A list
// with less than a quarter of its life left is late: something keeps it from
// being made.
func (p *Publisher) Refresh(ctx context.Context) ([]Health, error) {
	names, err := p.Names(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]Health, 0, len(names))
	for _, name := range names {
		h := Health{Name: name}
		l, err := p.Current(ctx, name)
		if err != nil {
			h.Error, h.Late = err.Error(), true
			states = append(states, h)
			continue
		}
		now := p.cfg.Clock.Now()
		h.Number, h.ThisUpdate, h.NextUpdate, h.Entries, h.Bytes = l.Number, l.ThisUpdate, l.NextUpdate, l.Entries, len(l.DER)
		h.Left = l.NextUpdate.Sub(now)
		h.Late = h.Left < l.NextUpdate.Sub(l.ThisUpdate)/lateShare
		states = append(states, h)
	}
	return states, nil
}
