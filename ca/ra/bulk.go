package ra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra/sheet"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

const (
	// checkers is how many rows are checked at a time.
	checkers = 4
	// insertRows is how many rows go into the database with one statement.
	insertRows = 200
)

// Actions on files of requests, beside those on requests: submitting one asks
// ActionCreate for every row, the decisions and the run are those of requests.
const (
	actBulkSubmit = "ca.bulk.submit"
	actBulkFinish = "ca.bulk.finish"
	actBulkFail   = "ca.bulk.fail"
)

// JobState is how far a file of requests has come.
type JobState string

// The states of a job.
const (
	JobSubmitted JobState = "submitted"
	JobConfirmed JobState = "confirmed"
	JobApproved  JobState = "approved"
	JobRunning   JobState = "running" // or broken off: it is run again
	JobDone      JobState = "done"
	JobRejected  JobState = "rejected"
	JobWithdrawn JobState = "withdrawn"
)

// Job is a file of requests. Its rows are durable before Submit returns.
type Job struct {
	bun.BaseModel `bun:"table:ca_bulk_job"`

	ID            string     `bun:"id,pk" json:"id"`
	Name          string     `bun:"name" json:"name"`
	SHA256        string     `bun:"sha256" json:"sha256"`
	State         JobState   `bun:"state" json:"state"`
	Total         int        `bun:"total" json:"total"`
	Refused       int        `bun:"refused" json:"refused"`
	HeadJSON      string     `bun:"head" json:"-"`
	Note          string     `bun:"note" json:"note,omitempty"`
	TopConfirmed  bool       `bun:"top_confirmed" json:"-"`
	CreatedBy     string     `bun:"created_by" json:"created_by"`
	CreatedPerson string     `bun:"created_person" json:"-"`
	CreatedAt     time.Time  `bun:"created_at" json:"created_at"`
	CreateIndex   int64      `bun:"create_index" json:"create_index"`
	ConfirmedBy   string     `bun:"confirmed_by" json:"confirmed_by,omitempty"`
	ConfirmPerson string     `bun:"confirmed_person" json:"-"`
	ConfirmedAt   *time.Time `bun:"confirmed_at" json:"confirmed_at,omitempty"`
	DecidedBy     string     `bun:"decided_by" json:"decided_by,omitempty"`
	DecidedAt     *time.Time `bun:"decided_at" json:"decided_at,omitempty"`
	DecisionNote  string     `bun:"decision_note" json:"decision_note,omitempty"`
	DueAt         *time.Time `bun:"due_at" json:"due_at,omitempty"`
	Runner        string     `bun:"runner" json:"-"`
	LeaseUntil    *time.Time `bun:"lease_until" json:"lease_until,omitempty"`
	FinishedAt    *time.Time `bun:"finished_at" json:"finished_at,omitempty"`

	// Counts are the rows by state.
	Counts map[ItemState]int `bun:"-" json:"counts"`
}

// ItemState is how far a row has come.
type ItemState string

// The states of a row.
const (
	ItemRefused   ItemState = "refused" // bad when it was submitted
	ItemWaiting   ItemState = "waiting"
	ItemDone      ItemState = "done"
	ItemFailed    ItemState = "failed" // could not be carried out, for good
	ItemRejected  ItemState = "rejected"
	ItemWithdrawn ItemState = "withdrawn"
)

// Item is a row of a job.
type Item struct {
	bun.BaseModel `bun:"table:ca_bulk_item"`

	JobID     string     `bun:"job_id,pk" json:"-"`
	Row       int        `bun:"row_number,pk" json:"row"`
	State     ItemState  `bun:"state" json:"state"`
	Reason    string     `bun:"reason" json:"reason,omitempty"`
	RequestID string     `bun:"request_id" json:"request_id,omitempty"`
	Serial    string     `bun:"serial" json:"serial,omitempty"`
	Until     *time.Time `bun:"not_after" json:"not_after,omitempty"`
	CellsJSON string     `bun:"cells" json:"-"`
}

// Checked is what a file holds and what is wrong with it.
type Checked struct {
	Total    int           `json:"total"`
	Good     int           `json:"good"`
	Problems []CheckedItem `json:"problems"`

	items    []Item
	requests []*Request
	head     []string
}

// CheckedItem is a row that was refused.
type CheckedItem struct {
	Row    int    `json:"row"`
	Reason string `json:"reason"`
}

// CheckFile reads a file of requests and judges every row as Submit would, and
// writes nothing.
func (d *Desk) CheckFile(ctx context.Context, content []byte) (*Checked, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionCreate, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, fmt.Errorf("file of requests: %w", err)
	}
	table, err := sheet.Read(content)
	if err != nil {
		return nil, err
	}
	at, err := places(table.Head)
	if err != nil {
		return nil, err
	}
	if len(table.Rows) == 0 {
		return nil, fmt.Errorf("%w: the file holds no row below its head", ErrForm)
	}
	c := &Checked{Total: len(table.Rows), Problems: []CheckedItem{}, head: table.Head,
		items: make([]Item, len(table.Rows)), requests: make([]*Request, len(table.Rows))}
	errs := make([]error, len(table.Rows))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(checkers)
	for i, row := range table.Rows {
		group.Go(func() error {
			c.requests[i], errs[i] = d.checkRow(inner, who, at, row, table.Files)
			if errs[i] != nil && !refusal(errs[i]) {
				return fmt.Errorf("row %d: %w", row.Number, errs[i])
			}
			return nil
		})
	}
	err = group.Wait()
	if err != nil {
		return nil, err
	}
	return c, c.judge(table.Rows, errs)
}

// checkRow makes a request of a row, or says why it is refused.
func (d *Desk) checkRow(ctx context.Context, who auth.Subject, at map[string]int, row sheet.Row, files map[string][]byte) (*Request, error) {
	f, err := readRow(at, row, files)
	if err != nil {
		return nil, err
	}
	r, csr, err := d.prepare(ctx, f)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionCreate, r.resource())
	if err != nil {
		return nil, err
	}
	err = d.checkContent(ctx, r, csr)
	if err != nil {
		return nil, err
	}
	return r, d.born(r, who)
}

// refusal says whether an error is one of the row, not of the system.
func refusal(err error) bool {
	return lasting(err) || errors.Is(err, directory.ErrNotFound) || errors.Is(err, auth.ErrDenied) || errors.Is(err, profile.ErrInvalid)
}

// judge sorts the rows, and refuses those that stand twice in the file.
func (c *Checked) judge(rows []sheet.Row, errs []error) error {
	seen := make(map[string]int)
	for i, row := range rows {
		cells, err := json.Marshal(row.Cells)
		if err != nil {
			return fmt.Errorf("row %d: %w", row.Number, err)
		}
		item := Item{Row: row.Number, State: ItemWaiting, CellsJSON: string(cells)}
		err = errs[i]
		if err == nil {
			err = twice(seen, c.requests[i], row.Number)
		}
		if err != nil {
			item.State, item.Reason = ItemRefused, plain(err)
			c.requests[i] = nil
			c.Problems = append(c.Problems, CheckedItem{Row: row.Number, Reason: item.Reason})
		} else {
			item.RequestID = c.requests[i].ID
			c.Good++
		}
		c.items[i] = item
	}
	return nil
}

// twice refuses a row that asks for what an earlier row asks for, or by the
// same key.
func twice(seen map[string]int, r *Request, number int) error {
	marks := []string{"holder " + strings.Join([]string{r.Profile, r.PersonID, r.AgencyID, r.Facts.MachineName, r.OldSerial}, "|")}
	if r.SPKI != "" && !r.Kind.sameKey() {
		marks = append(marks, "key "+r.SPKI)
	}
	for _, mark := range marks {
		if seen[mark] != 0 {
			what, _, _ := strings.Cut(mark, " ")
			return fmt.Errorf("%w: the same %s stands in row %d", ErrForm, what, seen[mark])
		}
	}
	for _, mark := range marks {
		seen[mark] = number
	}
	return nil
}

// plain is an error for a person who reads a result file.
func plain(err error) string {
	text := strings.ToValidUTF8(err.Error(), "?")
	for _, prefix := range []string{"ra: form refused: ", "ra: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text[:min(len(text), maxReason)]
}

const maxReason = 500

// SubmitFile makes a job of a file: rows that hold become requests, the others
// are kept with the reason. All of it is written at once or nothing is. Another
// person confirms the job and a third one approves it.
func (d *Desk) SubmitFile(ctx context.Context, name string, content []byte, note string) (*Job, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	err = checkForm(&Form{Note: note}, nil)
	if err != nil {
		return nil, err
	}
	c, err := d.CheckFile(ctx, content)
	if err != nil {
		return nil, err
	}
	if c.Good == 0 {
		return nil, fmt.Errorf("%w: no row of the file holds; the first: row %d: %s", ErrForm, c.Problems[0].Row, c.Problems[0].Reason)
	}
	job, err := d.newJob(ctx, who, name, content, c)
	if err != nil {
		return nil, err
	}
	job.Note = note
	sum := sha256.New()
	for _, r := range c.requests {
		if r != nil {
			sum.Write([]byte(r.digest()))
		}
	}
	receipt, err := d.cfg.Ledger.Append(ctx, ledger.Entry{Time: job.CreatedAt, Kind: actBulkSubmit, Actor: who.AccountID, Agency: who.AgencyID, Object: job.ID,
		Digest: job.SHA256, Detail: map[string]string{"rows": fmt.Sprint(c.Total), "refused": fmt.Sprint(job.Refused), "requests_sha256": hex.EncodeToString(sum.Sum(nil))}})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLedger, actBulkSubmit, err)
	}
	job.CreateIndex = int64(receipt.Index)
	err = d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error { return writeJob(ctx, tx, job, c) })
	if err != nil {
		return nil, err
	}
	return d.count(ctx, job)
}

func (d *Desk) newJob(ctx context.Context, who auth.Subject, name string, content []byte, c *Checked) (*Job, error) {
	random := make([]byte, 6)
	_, err := rand.Read(random)
	if err != nil {
		return nil, fmt.Errorf("job id: %w", err)
	}
	head, err := json.Marshal(c.head)
	if err != nil {
		return nil, fmt.Errorf("write head: %w", err)
	}
	top := d.cfg.Authorizer.Authorize(ctx, who, ActionConfirmTop, auth.Resource{Kind: ResourceKind})
	if top != nil && !errors.Is(top, auth.ErrDenied) {
		return nil, fmt.Errorf("file of requests: %w", top)
	}
	sum := sha256.Sum256(content)
	now := d.cfg.Clock.Now().UTC()
	name = path.Base(strings.ToValidUTF8(name, "?"))
	return &Job{ID: "bulk-" + now.Format("20060102") + "-" + hex.EncodeToString(random), Name: name[:min(len(name), maxNameLength)],
		SHA256: hex.EncodeToString(sum[:]), State: JobSubmitted, Total: c.Total, Refused: c.Total - c.Good, HeadJSON: string(head),
		TopConfirmed: top == nil, CreatedBy: who.AccountID, CreatedPerson: who.PersonID, CreatedAt: now}, nil
}

func writeJob(ctx context.Context, tx bun.Tx, job *Job, c *Checked) error {
	_, err := tx.NewInsert().Model(job).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record job: %w", err)
	}
	var requests []*Request
	var events []Event
	for i := range c.items {
		c.items[i].JobID = job.ID
		r := c.requests[i]
		if r == nil {
			continue
		}
		r.JobID, r.CreateIndex, r.CreatedAt = job.ID, job.CreateIndex, job.CreatedAt
		requests = append(requests, r)
		events = append(events, Event{RequestID: r.ID, At: job.CreatedAt, Act: actBulkSubmit, State: r.State, Account: job.CreatedBy, Note: job.ID, Index: job.CreateIndex})
	}
	for first := 0; first < len(c.items); first += insertRows {
		part := c.items[first:min(first+insertRows, len(c.items))]
		_, err = tx.NewInsert().Model(&part).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record rows: %w", err)
		}
	}
	for first := 0; first < len(requests); first += insertRows {
		last := min(first+insertRows, len(requests))
		part, acts := requests[first:last], events[first:last]
		_, err = tx.NewInsert().Model(&part).Exec(ctx)
		if err == nil {
			_, err = tx.NewInsert().Model(&acts).ExcludeColumn("id").Exec(ctx)
		}
		if err != nil {
			return fmt.Errorf("record requests: %w", err)
		}
	}
	return nil
}

// Job returns a job to who may read requests, and to its maker.
func (d *Desk) Job(ctx context.Context, id string) (*Job, error) {
	job, err := d.readJob(ctx, id)
	if err != nil {
		return nil, err
	}
	err = d.mayRead(ctx, &Request{ID: id, CreatedBy: job.CreatedBy, CreatedPerson: job.CreatedPerson})
	if err != nil {
		return nil, err
	}
	return d.count(ctx, job)
}

func (d *Desk) readJob(ctx context.Context, id string) (*Job, error) {
	var job Job
	err := d.cfg.DB.NewSelect().Model(&job).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: job %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read job %s: %w", id, err)
	}
	return &job, nil
}

func (d *Desk) count(ctx context.Context, job *Job) (*Job, error) {
	var rows []struct {
		State ItemState `bun:"state"`
		N     int       `bun:"n"`
	}
	err := d.cfg.DB.NewSelect().Model((*Item)(nil)).Column("state").ColumnExpr("COUNT(*) AS n").Where("job_id = ?", job.ID).Group("state").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("count rows of %s: %w", job.ID, err)
	}
	job.Counts = make(map[ItemState]int, len(rows))
	for _, row := range rows {
		job.Counts[row.State] = row.N
	}
	return job, nil
}

// Jobs lists the newest jobs, at most limit; who may not read all requests
// sees their own.
func (d *Desk) Jobs(ctx context.Context, limit int) ([]Job, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > listLimit {
		limit = pageSize
	}
	list := []Job{}
	q := d.cfg.DB.NewSelect().Model(&list).OrderExpr("create_index DESC").Limit(int64(limit))
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionRead, auth.Resource{Kind: ResourceKind})
	if errors.Is(err, auth.ErrDenied) {
		q, err = q.Where("created_by = ?", who.AccountID), nil
	}
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	for i := range list {
		_, err = d.count(ctx, &list[i])
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Items returns rows of a job above the number after, at most limit, in their
// order; only those in the state, when one is named.
func (d *Desk) Items(ctx context.Context, id string, state ItemState, after, limit int) ([]Item, error) {
	_, err := d.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > sheet.MaxRows {
		limit = sheet.MaxRows
	}
	items := []Item{}
	q := d.cfg.DB.NewSelect().Model(&items).Where("job_id = ?", id).Where("row_number > ?", after).OrderExpr("row_number").Limit(int64(limit))
	if state != "" {
		q = q.Where("state = ?", state)
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("rows of %s: %w", id, err)
	}
	return items, nil
}

// Result is the file again with what became of each row.
func (d *Desk) Result(ctx context.Context, id string) (*sheet.Sheet, error) {
	job, err := d.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	items, err := d.Items(ctx, id, "", 0, 0)
	if err != nil {
		return nil, err
	}
	var head []string
	err = json.Unmarshal([]byte(job.HeadJSON), &head)
	if err != nil {
		return nil, fmt.Errorf("read head of %s: %w", id, err)
	}
	at, err := places(head)
	if err != nil {
		return nil, err
	}
	// A result file that was corrected and submitted again has the columns.
	old := make(map[int]bool)
	for _, c := range resultColumns() {
		i, there := at[c.name]
		if there {
			old[i] = true
		}
	}
	var keep []int
	for i := range head {
		if !old[i] {
			keep = append(keep, i)
		}
	}
	s := &sheet.Sheet{Name: "Kết quả"}
	for _, i := range keep {
		s.Head = append(s.Head, head[i])
	}
	for _, c := range resultColumns() {
		s.Head = append(s.Head, c.title)
	}
	for _, item := range items {
		var cells []string
		err = json.Unmarshal([]byte(item.CellsJSON), &cells)
		if err != nil {
			return nil, fmt.Errorf("read row %d of %s: %w", item.Row, id, err)
		}
		row := make([]string, 0, len(s.Head))
		for _, i := range keep {
			cell := ""
			if i < len(cells) {
				cell = cells[i]
			}
			row = append(row, cell)
		}
		until := ""
		if item.Until != nil {
			until = item.Until.UTC().Format(time.RFC3339)
		}
		s.Rows = append(s.Rows, append(row, string(item.State), item.Reason, item.RequestID, item.Serial, until))
	}
	return s, nil
}
