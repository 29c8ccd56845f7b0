// Package tour drives the whole way once against a running system, as
// `antin demo` does: enrolment, a directive signed and sealed, an attack from
// packets to a case, a drill, two data requests, and the ledger. Each step acts
// as the person whose work it is, by the same services and over the same wires
// as the console, sensors and data clients, and leaves evidence in a table.
package tour

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/cmd/antin/app"
)

// ErrStep means that a step did not come out as it must.
var ErrStep = errors.New("the demonstration failed")

// Line is a row of the closing table.
type Line struct {
	Step     string        `json:"step"`
	Result   string        `json:"result"`
	Evidence string        `json:"evidence"`
	Took     time.Duration `json:"took_ns"`
}

// Tour is one run.
type Tour struct {
	s *app.System
	// dir takes the documents that the run makes.
	dir      string
	progress func(step string)
	lines    []Line
	stamp    string
}

// Run drives the whole way and returns the evidence; the documents that it
// makes stand in dir. The system must be served by another process or by this
// one, with the reference province.
func Run(ctx context.Context, s *app.System, dir string, progress func(step string)) ([]Line, error) {
	t := &Tour{s: s, dir: dir, progress: progress, stamp: s.Clock.Now().Format("150405")}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"enrol an official and an agency", t.enrol},
		{"sign, seal and verify a directive", t.directive},
		{"an attack from packets to a case", t.attack},
		{"a drill on the same pipeline", t.drill},
		{"data requests through the gateway", t.gateway},
		{"verify the ledger", t.ledger},
	} {
		progress(step.name)
		err := step.do(ctx)
		if err != nil {
			return t.lines, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return t.lines, nil
}

// note adds a row; began is when its work began.
func (t *Tour) note(began time.Time, step, result, evidence string, args ...any) {
	t.lines = append(t.lines, Line{Step: step, Result: result, Evidence: fmt.Sprintf(evidence, args...), Took: time.Since(began).Round(time.Millisecond)})
	t.progress("  " + step + ": " + result)
}

// as returns a context in which the account acts, after its second factor has
// been checked: a fresh code, as the person would type it.
func (t *Tour) as(ctx context.Context, account string) (context.Context, error) {
	code, err := t.s.Accounts.DemoCode(ctx, account)
	if err != nil {
		return nil, err
	}
	err = t.s.Accounts.CheckCode(ctx, account, code)
	if err != nil {
		return nil, fmt.Errorf("second factor of %s: %w", account, err)
	}
	return t.s.As(ctx, account)
}

// must returns an error when a step came out otherwise.
func must(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf("%w: "+format, append([]any{ErrStep}, args...)...)
}
