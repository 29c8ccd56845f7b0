package policy

import (
	"context"
	"fmt"

	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/bundle"
	"github.com/antin-gov/antin/policy/catalogue"
)

// Finding is something that Check found wrong.
type Finding struct {
	Object string `json:"object"`
	Text   string `json:"text"`
}

// Test runs the Rego tests of the bundle in force with coverage.
func (s *Service) Test(ctx context.Context) (*bundle.Report, error) { return s.source.Test(ctx) }

// Check says what is wrong with the bundle (compiles, formatted), the
// catalogue (owners that exist today, fields classified) and the agreements
// (twelve items, fields within the catalogue). No finding means all is well.
func (s *Service) Check(ctx context.Context) ([]Finding, error) {
	findings := []Finding{}
	add := func(object string, err error) {
		if err != nil {
			findings = append(findings, Finding{Object: object, Text: err.Error()})
		}
	}
	add("bundle", s.source.Check())
	agencies, err := s.Directory.Agencies(ctx, s.now())
	if err != nil {
		return nil, err
	}
	alive := map[string]bool{}
	for _, a := range agencies {
		alive[a.ID] = true
	}
	datasets, err := catalogue.List(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	byID := map[string]*catalogue.Dataset{}
	for i := range datasets {
		d := &datasets[i]
		byID[d.ID] = d
		add("dataset "+d.ID, d.Check())
		if !alive[d.OwnerID] {
			add("dataset "+d.ID, fmt.Errorf("%w: its owner %s does not exist today", catalogue.ErrInvalid, d.OwnerID))
		}
	}
	agreements, err := agreement.List(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	for i := range agreements {
		a := &agreements[i]
		if a.State == agreement.StateSuperseded || a.State == agreement.StateTerminated {
			continue
		}
		add("agreement "+a.Key(), a.Check(byID[a.DatasetID]))
	}
	return findings, nil
}
