package ca

import (
	"context"

	"github.com/antin-gov/antin/ca/ra"
)

// RunBulk carries out an approved file of requests; see ra.Desk.RunJob. after
// is told of each certificate that was made, before its row counts as done; it
// is told again when a run that ended there is gone on with. It may be nil.
func (s *Service) RunBulk(ctx context.Context, id string, run ra.Run, after func(ctx context.Context, r *ra.Request, c *Certificate) error) (*ra.Job, error) {
	run.Carry = func(ctx context.Context, r *ra.Request) (ra.Outcome, error) {
		row, err := s.fulfil(ctx, r)
		if err != nil {
			return ra.Outcome{}, err
		}
		if after != nil && r.Kind.Certifies() {
			err = after(ctx, r, row)
			if err != nil {
				return ra.Outcome{}, err
			}
		}
		return ra.Outcome{Serial: row.Serial, NotAfter: row.NotAfter}, nil
	}
	return s.desk.RunJob(ctx, id, run)
}
