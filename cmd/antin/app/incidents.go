package app

import (
	"context"
	"fmt"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/sigma"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/signer"
)

// sigmaRules shows the Sigma engine to the incident pipeline.
type sigmaRules struct{ engine *sigma.Engine }

// Match returns the rules that the event meets.
func (r sigmaRules) Match(ev *event.Event) []incident.RuleMatch {
	var matches []incident.RuleMatch
	for _, m := range r.engine.Eval(ev) {
		matches = append(matches, incident.RuleMatch{RuleID: m.Rule.ID, Title: m.Rule.Title, Level: m.Rule.Level, Tags: m.Rule.Tags})
	}
	return matches
}

func (s *System) openIncidents(context.Context) error {
	rules, err := sigma.BuiltinRules()
	if err != nil {
		return err
	}
	mapping, err := sigma.DefaultMapping()
	if err != nil {
		return err
	}
	engine, err := sigma.NewEngine(rules, mapping)
	if err != nil {
		return err
	}
	s.Incidents, err = incident.New(incident.Deps{
		DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Authorizer: s.Policy, Rules: sigmaRules{engine}, Logger: s.Logger,
	})
	return err
}

// reports signs the documents that the platform itself makes, with the seal of
// the agency that operates it (R45).
type reports struct{ signer *signer.Service }

// SignReport signs a report as the operating agency.
func (r reports) SignReport(ctx context.Context, pdf []byte, purpose string) ([]byte, error) {
	ctx = auth.WithSubject(ctx, auth.Subject{AccountID: "system:reports", AgencyID: agencyOperator, Roles: []string{auth.RolePlatform}})
	signed, _, err := r.signer.SignBytes(ctx, pdf, signer.Request{Key: KeyReports, Level: "B-LT", Reason: purpose, Factor: signer.FactorLocal, Name: purpose + ".pdf"})
	if err != nil {
		return nil, fmt.Errorf("sign report: %w", err)
	}
	return signed, nil
}
