package ra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

const (
	// runners is how many requests of a job are carried out at a time.
	runners = 16
	// jobLease is how long a run holds a job without a sign of life: longer than
	// a run takes that cannot show one any more, silence and a beat or two and
	// the engine's half minute to record what it has signed.
	jobLease = time.Minute
	// beatEvery is how often a run shows that it lives, silence how long it goes
	// on without having been able to.
	beatEvery = 5 * time.Second
	silence   = 15 * time.Second
	// tries is how often a request is tried when the fault may pass.
	tries = 3
	// retryWait is the pause between two tries.
	retryWait = 2 * time.Second
	// leasePoll is how often a run looks whether a job has become free.
	leasePoll = time.Second
)

// Outcome is what carrying out a request gave.
type Outcome struct {
	Serial   string
	NotAfter *time.Time
}

// Run is how a job is carried out.
type Run struct {
	// Carry does what a request asks for; called again for the same request it
	// finds what it did before.
	Carry func(ctx context.Context, r *Request) (Outcome, error)
	// Progress is told how many rows of the job have come to an end; may be nil.
	Progress func(done, total int)
	// Waiting is told when another run, or one that was killed, still holds the
	// job; may be nil.
	Waiting func(until time.Time)
}

// RunJob carries out the requests of an approved job, several at a time. A run
// that ended in the middle, however, is gone on with by the next one: what was
// issued stays issued, once. It returns when every row has come to an end, or
// with the fault that keeps it from that.
func (d *Desk) RunJob(ctx context.Context, id string, run Run) (*Job, error) {
	_, err := d.Runnable(ctx, id)
	if err != nil {
		return nil, err
	}
	who := auth.SubjectFrom(ctx)
	runner := rand.Text()
	err = d.hold(ctx, id, runner, run.Waiting)
	if err != nil {
		return nil, err
	}
	held, stop := context.WithCancelCause(ctx)
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		d.beat(held, id, runner, stop)
	}()
	err = d.carryAll(held, id, run)
	if err != nil && context.Cause(held) != nil {
		err = context.Cause(held)
	}
	stop(nil)
	<-beating
	after := context.WithoutCancel(ctx)
	if err == nil {
		err = d.finish(after, who, id)
	}
	return d.letGo(after, id, runner, err)
}

// Runnable returns the job when the subject may carry it out now.
func (d *Desk) Runnable(ctx context.Context, id string) (*Job, error) {
	who, job, err := d.beginJob(ctx, id, "")
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionIssue, auth.Resource{Kind: ResourceKind, ID: id, CreatedBy: job.CreatedBy})
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	if job.State != JobApproved && job.State != JobRunning {
		return nil, fmt.Errorf("%w: job %s is %s", ErrState, id, job.State)
	}
	return d.count(ctx, job)
}

// hold takes the job for this run, once it is free.
func (d *Desk) hold(ctx context.Context, id, runner string, waiting func(time.Time)) error {
	for {
		now := d.cfg.Clock.Now().UTC()
		result, err := d.cfg.DB.NewUpdate().Model((*Job)(nil)).Set("state = ?", JobRunning).Set("runner = ?", runner).Set("lease_until = ?", now.Add(jobLease)).
			Where("id = ?", id).Where("state IN (?)", bun.List([]JobState{JobApproved, JobRunning})).Where("(runner = '' OR lease_until < ?)", now).Exec(ctx)
		if err != nil {
			return fmt.Errorf("hold job %s: %w", id, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("hold job %s: %w", id, err)
		}
		if n == 1 {
			return d.settle(ctx, id)
		}
		job, err := d.readJob(ctx, id)
		if err != nil {
			return err
		}
		if job.State != JobRunning && job.State != JobApproved {
			return fmt.Errorf("%w: job %s is %s", ErrState, id, job.State)
		}
		if waiting != nil && job.LeaseUntil != nil {
			waiting(*job.LeaseUntil)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leasePoll):
		}
	}
}

// settle puts in order what an earlier run left: requests that it had taken are
// approved again, rows whose requests came to an end otherwise follow them.
func (d *Desk) settle(ctx context.Context, id string) error {
	return d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*Request)(nil)).Set("state = ?", StateApproved).Where("job_id = ?", id).Where("state = ?", StateIssuing).Exec(ctx)
		if err == nil {
			_, err = tx.NewUpdate().Model((*Item)(nil)).Set("state = ?", ItemWithdrawn).Where("job_id = ?", id).Where("state = ?", ItemWaiting).
				Where("request_id IN (?)", tx.NewSelect().Model((*Request)(nil)).Column("id").Where("job_id = ?", id).Where("state = ?", StateWithdrawn)).Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("settle job %s: %w", id, err)
		}
		return nil
	})
}

// errLease says that the run no longer holds the job.
var errLease = errors.New("ra: another run holds the job")

// beat shows that the run lives, and ends it when nobody could see that.
func (d *Desk) beat(ctx context.Context, id, runner string, stop context.CancelCauseFunc) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	seen := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		inner, cancel := context.WithTimeout(ctx, beatEvery)
		result, err := d.cfg.DB.NewUpdate().Model((*Job)(nil)).Set("lease_until = ?", d.cfg.Clock.Now().UTC().Add(jobLease)).
			Where("id = ?", id).Where("runner = ?", runner).Exec(inner)
		cancel()
		n := int64(-1)
		if err == nil {
			n, err = result.RowsAffected()
		}
		switch {
		case err == nil && n == 1:
			seen = time.Now()
		case err == nil && n == 0:
			stop(fmt.Errorf("%w: %s", errLease, id))
			return
		case time.Since(seen) > silence:
			stop(fmt.Errorf("job %s: no sign of life could be written: %w", id, err))
			return
		}
	}
}

// carryAll carries out every waiting row, pages of them at a time.
func (d *Desk) carryAll(ctx context.Context, id string, run Run) error {
	for {
		job, err := d.readJob(ctx, id)
		if err != nil {
			return err
		}
		var items []Item
		err = d.cfg.DB.NewSelect().Model(&items).Column("job_id", "row_number", "request_id").Where("job_id = ?", id).Where("state = ?", ItemWaiting).
			OrderExpr("row_number").Limit(listLimit).Scan(ctx)
		if err != nil {
			return fmt.Errorf("rows of %s: %w", id, err)
		}
		if len(items) == 0 {
			return nil
		}
		job, err = d.count(ctx, job)
		if err != nil {
			return err
		}
		ended := job.Total - job.Counts[ItemWaiting]
		progress := make(chan struct{})
		told := make(chan struct{})
		group, inner := errgroup.WithContext(ctx)
		group.SetLimit(runners)
		go func() {
			defer close(told)
			for range progress {
				ended++
				if run.Progress != nil {
					run.Progress(ended, job.Total)
				}
			}
		}()
		for i := range items {
			group.Go(func() error {
				err := d.carryItem(inner, &items[i], run)
				if err == nil {
					progress <- struct{}{}
				}
				return err
			})
		}
		err = group.Wait()
		close(progress)
		<-told
		if err != nil {
			return err
		}
	}
}

// carryItem carries out one row; only a fault of the system is an error.
func (d *Desk) carryItem(ctx context.Context, item *Item, run Run) error {
	var err error
	for try := range tries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(retryWait):
			}
		}
		err = d.carryOnce(ctx, item, run)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("row %d, request %s: %w", item.Row, item.RequestID, err)
}

func (d *Desk) carryOnce(ctx context.Context, item *Item, run Run) error {
	r, err := d.take(ctx, item.RequestID, item.JobID)
	if lasting(err) {
		return d.fail(ctx, item, StateApproved, err)
	}
	if err != nil {
		return err
	}
	outcome, err := run.Carry(ctx, r)
	after := context.WithoutCancel(ctx)
	if lasting(err) {
		return d.fail(after, item, StateIssuing, err)
	}
	if err != nil {
		return errors.Join(err, d.Release(after, r))
	}
	return d.leave(after, r, ended(r.Kind), outcome.Serial, func(ctx context.Context, tx bun.Tx) error {
		return endItem(ctx, tx, item, ItemDone, "", outcome)
	})
}

func endItem(ctx context.Context, tx bun.Tx, item *Item, to ItemState, reason string, o Outcome) error {
	result, err := tx.NewUpdate().Model((*Item)(nil)).Set("state = ?", to).Set("reason = ?", reason).Set("serial = ?", o.Serial).Set("not_after = ?", o.NotAfter).
		Where("job_id = ?", item.JobID).Where("row_number = ?", item.Row).Where("state = ?", ItemWaiting).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record row %d: %w", item.Row, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return fmt.Errorf("%w: row %d came to an end meanwhile", ErrState, item.Row)
	}
	return nil
}

// fail ends a request that cannot be carried out.
func (d *Desk) fail(ctx context.Context, item *Item, from State, why error) error {
	who, err := actor(ctx)
	if err != nil {
		return err
	}
	r, err := d.read(ctx, item.RequestID)
	if err != nil {
		return err
	}
	index, err := d.append(ctx, actBulkFail, who.AccountID, r, r.detail())
	if err != nil {
		return err
	}
	now, reason := d.cfg.Clock.Now().UTC(), plain(why)
	return d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*Request)(nil)).Set("state = ?", StateRejected).Where("id = ?", r.ID).Where("state = ?", from).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record failure of %s: %w", r.ID, err)
		}
		err = record(ctx, tx, Event{RequestID: r.ID, At: now, Act: actBulkFail, State: StateRejected, Account: who.AccountID, Note: reason, Index: index})
		if err != nil {
			return err
		}
		return endItem(ctx, tx, item, ItemFailed, reason, Outcome{})
	})
}

// finish records that every row has come to an end.
func (d *Desk) finish(ctx context.Context, who auth.Subject, id string) error {
	job, err := d.readJob(ctx, id)
	if err != nil {
		return err
	}
	job, err = d.count(ctx, job)
	if err != nil {
		return err
	}
	detail := map[string]string{"done": fmt.Sprint(job.Counts[ItemDone]), "failed": fmt.Sprint(job.Counts[ItemFailed]), "refused": fmt.Sprint(job.Counts[ItemRefused])}
	_, err = d.cfg.Ledger.Append(ctx, ledger.Entry{Time: d.cfg.Clock.Now().UTC(), Kind: actBulkFinish, Actor: who.AccountID, Agency: who.AgencyID, Object: id, Digest: job.SHA256, Detail: detail})
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLedger, actBulkFinish, err)
	}
	now := d.cfg.Clock.Now().UTC()
	_, err = d.cfg.DB.NewUpdate().Model((*Job)(nil)).Set("state = ?", JobDone).Set("finished_at = ?", now).Where("id = ?", id).Where("state = ?", JobRunning).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record job %s as done: %w", id, err)
	}
	return nil
}

// letGo frees the job for the next run, and returns it as it stands.
func (d *Desk) letGo(ctx context.Context, id, runner string, why error) (*Job, error) {
	_, err := d.cfg.DB.NewUpdate().Model((*Job)(nil)).Set("runner = ''").Set("lease_until = NULL").Where("id = ?", id).Where("runner = ?", runner).Exec(ctx)
	if err != nil {
		return nil, errors.Join(why, fmt.Errorf("let go of job %s: %w", id, err))
	}
	if why != nil {
		return nil, fmt.Errorf("job %s stopped, run it again to go on: %w", id, why)
	}
	job, err := d.readJob(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.count(ctx, job)
}
