package ra

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
)

// listLimit bounds one page of requests, pageSize is one without a wish.
const (
	listLimit = 500
	pageSize  = 100
)

// Filter chooses requests; its zero value chooses all that the subject may see.
type Filter struct {
	States    []State
	Kind      Kind
	Profile   string
	AgencyID  string
	ManagerID string
	PersonID  string
	CreatedBy string
	JobID     string
	// Open leaves out what has come to an end, Overdue also what is in time.
	Open, Overdue bool
	// After is the Next of the page before.
	After string
	// Limit is at most 500; 100 when zero.
	Limit int
}

// Page is a part of a list, newest first.
type Page struct {
	Requests []Request `json:"requests"`
	// Next is the After of the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Get returns a request to who may read it: those whom the policy lets read
// all, and its maker.
func (d *Desk) Get(ctx context.Context, id string) (*Request, error) {
	r, err := d.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return r, d.mayRead(ctx, r)
}

func (d *Desk) mayRead(ctx context.Context, r *Request) error {
	who := auth.SubjectFrom(ctx)
	err := d.cfg.Authorizer.Authorize(ctx, who, ActionRead, r.resource())
	if err == nil {
		return nil
	}
	if errors.Is(err, auth.ErrDenied) && who.AccountID != "" && samePerson(who, r.CreatedBy, r.CreatedPerson) {
		return nil
	}
	return fmt.Errorf("request %s: %w", r.ID, err)
}

// History returns the acts on a request, oldest first.
func (d *Desk) History(ctx context.Context, id string) ([]Event, error) {
	_, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	events := []Event{}
	err = d.cfg.DB.NewSelect().Model(&events).Where("request_id = ?", id).OrderExpr("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", id, err)
	}
	return events, nil
}

// List returns a page of requests. Who may not read all of them sees their own.
func (d *Desk) List(ctx context.Context, f Filter) (*Page, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionRead, auth.Resource{Kind: ResourceKind})
	if errors.Is(err, auth.ErrDenied) {
		f.CreatedBy, err = who.AccountID, nil
	}
	if err != nil {
		return nil, fmt.Errorf("requests: %w", err)
	}
	if f.Limit <= 0 {
		f.Limit = pageSize
	}
	f.Limit = min(f.Limit, listLimit)
	page := &Page{Requests: []Request{}}
	q, err := d.choose(d.cfg.DB.NewSelect().Model(&page.Requests), f)
	if err != nil {
		return nil, err
	}
	err = q.OrderExpr("create_index DESC, id DESC").Limit(int64(f.Limit) + 1).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	if len(page.Requests) > f.Limit {
		page.Requests = page.Requests[:f.Limit]
		last := page.Requests[f.Limit-1]
		page.Next = fmt.Sprintf("%d.%s", last.CreateIndex, last.ID)
	}
	for i := range page.Requests {
		err = d.fill(&page.Requests[i])
		if err != nil {
			return nil, err
		}
	}
	return page, nil
}

func (d *Desk) choose(q *bun.SelectQuery, f Filter) (*bun.SelectQuery, error) {
	for column, value := range map[string]string{"kind": string(f.Kind), "profile": f.Profile, "agency_id": f.AgencyID, "manager_id": f.ManagerID,
		"person_id": f.PersonID, "created_by": f.CreatedBy, "job_id": f.JobID} {
		if value != "" {
			q = q.Where("? = ?", bun.Ident(column), value)
		}
	}
	if len(f.States) > 0 {
		q = q.Where("state IN (?)", bun.List(f.States))
	}
	if f.Open || f.Overdue {
		q = q.Where("state IN (?)", bun.List(open()))
	}
	if f.Overdue {
		q = q.Where("due_at < ?", d.cfg.Clock.Now().UTC())
	}
	if f.After == "" {
		return q, nil
	}
	index, id, found := strings.Cut(f.After, ".")
	n, err := strconv.ParseInt(index, 10, 64)
	if err != nil || !found {
		return nil, fmt.Errorf("%w: place %q in the list", ErrForm, f.After)
	}
	return q.Where("(create_index < ? OR (create_index = ? AND id < ?))", n, n, id), nil
}
