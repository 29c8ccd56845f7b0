package csc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// Asynchronous signing (v2 §11.9 to §11.11): the request is judged and its
// digests are taken from the authorization at once, the key works afterwards,
// and the outcome waits in the database.

// Limits of asynchronous signing.
const (
	maxJobs = 5 // outcomes of an account that are kept at a time
	// jobLife is how long an outcome is kept, and the most that a program may
	// ask for.
	jobLife = time.Hour
	// jobLimit bounds the work. What has no outcome after it was cut off.
	jobLimit    = 5 * time.Minute
	jobWorkers  = 4
	notifyLimit = 10 * time.Second
)

// States of a job: running → done or failed.
const (
	jobRunning = "running"
	jobDone    = "done"
	jobFailed  = "failed"
)

// jobSchema keeps the outcomes.
func jobSchema() store.Migration {
	return store.Migration{ID: "csc/0002", SQL: `
CREATE TABLE csc_job (
	id TEXT PRIMARY KEY,
	secret_sha256 TEXT NOT NULL UNIQUE,
	account_id TEXT NOT NULL,
	method TEXT NOT NULL,
	status TEXT NOT NULL,
	fault BIGINT NOT NULL DEFAULT 0,
	answer TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	until TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX csc_job_account ON csc_job (account_id, expires_at);
`}
}

// job is one asynchronous request with its outcome.
type job struct {
	bun.BaseModel `bun:"table:csc_job"`

	ID           string    `bun:"id,pk"`
	SecretSHA256 string    `bun:"secret_sha256"` // of the responseID
	AccountID    string    `bun:"account_id"`
	Method       string    `bun:"method"`
	Status       string    `bun:"status"`
	Fault        int64     `bun:"fault"`  // the HTTP status of a failure
	Answer       string    `bun:"answer"` // JSON: the result, or the fault
	CreatedAt    time.Time `bun:"created_at"`
	Until        time.Time `bun:"until"` // when the work ends, done or not
	ExpiresAt    time.Time `bun:"expires_at"`
}

// mode is how a request wants its answer.
type mode struct {
	async  bool
	keep   time.Duration
	notify string // where to tell that the outcome is there; empty for nowhere
}

// readMode reads operationMode and what goes with it, and says whether the
// account may have one more outcome.
func (s *Server) readMode(ctx context.Context, p params) (mode, error) {
	operation, err := p.choice("operationMode", "S", "A")
	if err != nil {
		return mode{}, err
	}
	if operation == "S" {
		for _, name := range []string{"validity_period", "response_uri"} {
			if p.has(name) {
				return mode{}, badParameter(name)
			}
		}
		return mode{}, nil
	}
	m := mode{async: true, keep: jobLife}
	if p.has("validity_period") {
		n, err := p.number("validity_period")
		m.keep = time.Duration(n) * time.Millisecond
		if err != nil || m.keep < time.Second || m.keep > jobLife {
			return mode{}, badParameter("validity_period")
		}
	}
	m.notify, err = p.text("response_uri", false)
	if err != nil || m.notify != "" && !s.notifiable(m.notify) {
		return mode{}, badParameter("response_uri")
	}
	n, err := s.d.DB.NewSelect().Model((*job)(nil)).Where("account_id = ?", auth.SubjectFrom(ctx).AccountID).Where("expires_at > ?", s.d.Clock.Now()).Count(ctx)
	if err != nil {
		return mode{}, fmt.Errorf("count jobs: %w", err)
	}
	if n >= maxJobs {
		return mode{}, &Fault{http.StatusTooManyRequests, "temporarily_unavailable", "Too many outcomes are waiting"}
	}
	return m, nil
}

// notifiable says whether an address may be called: one that the configuration
// names for a program, so that nobody has the service call where it should not.
func (s *Server) notifiable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	for _, addresses := range s.d.Config.Clients {
		if slices.Contains(addresses, address) {
			return true
		}
	}
	return false
}

// signing makes the answer of a request that may be carried out.
type signing func(ctx context.Context) (map[string]any, error)

// answered carries a request out, now or afterwards.
func (s *Server) answered(ctx context.Context, method string, m mode, do signing) (int, any, error) {
	if !m.async {
		return ok(do(ctx))
	}
	now := s.d.Clock.Now().UTC()
	secret := "antinjob_" + rand.Text()
	j := &job{
		ID: "job-" + strings.ToLower(rand.Text()[:16]), SecretSHA256: hexDigest(secret), AccountID: auth.SubjectFrom(ctx).AccountID, Method: method,
		Status: jobRunning, CreatedAt: now, Until: now.Add(jobLimit), ExpiresAt: now.Add(m.keep),
	}
	_, err := s.d.DB.NewDelete().Model((*job)(nil)).Where("expires_at < ?", now).Exec(ctx)
	if err == nil {
		_, err = s.d.DB.NewInsert().Model(j).Exec(ctx)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("keep job: %w", err)
	}
	// The work outlives the request, not the server.
	ctx = context.WithoutCancel(ctx)
	s.jobs.Go(func() { s.work(ctx, j, secret, m, do) })
	return ok(map[string]any{"responseID": secret}, nil)
}

// work carries a job out and writes its outcome down.
func (s *Server) work(ctx context.Context, j *job, secret string, m mode, do signing) {
	inner, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	stop := context.AfterFunc(s.life, cancel)
	defer stop()
	var answer map[string]any
	var err error
	select {
	case s.workers <- struct{}{}:
		answer, err = s.guarded(inner, j, do)
		<-s.workers
	case <-inner.Done():
		err = inner.Err()
	}
	j.Status = jobDone
	var told any = answer
	if err != nil {
		fault := s.faultOf(inner, j.Method, err)
		j.Status, j.Fault, told = jobFailed, int64(fault.Status), fault
	}
	b, err := json.Marshal(told)
	if err == nil {
		j.Answer = string(b)
		_, err = s.d.DB.NewUpdate().Model(j).WherePK().Exec(ctx)
	}
	if err != nil {
		s.d.Logger.ErrorContext(ctx, "outcome of remote signing could not be kept", slog.String("job", j.ID), slog.Any("error", err))
		return
	}
	s.notify(inner, j, secret, m.notify)
}

// guarded turns a panic into an error: a job has no server around it.
func (s *Server) guarded(ctx context.Context, j *job, do signing) (answer map[string]any, err error) {
	defer func() {
		fault := recover()
		if fault != nil {
			s.d.Logger.ErrorContext(ctx, "remote signing failed", slog.String("job", j.ID), slog.Any("fault", fault))
			err = errServer()
		}
	}()
	return do(ctx)
}

// notify tells the program's address, once, that an outcome is there. What
// comes of it is the program's matter: it can ask as well.
func (s *Server) notify(ctx context.Context, j *job, secret, address string) {
	if address == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, notifyLimit)
	defer cancel()
	b, err := json.Marshal(map[string]string{"responseID": secret})
	if err != nil {
		return
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(b))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json;charset=UTF-8")
	res, err := s.notifier.Do(r)
	if err != nil {
		s.d.Logger.WarnContext(ctx, "program was not told of an outcome", slog.String("job", j.ID), slog.Any("error", err))
		return
	}
	_ = res.Body.Close()
}

// signPolling gives the outcome of an asynchronous request, as often as asked
// while it is kept: 202 while the key works.
func (s *Server) signPolling(ctx context.Context, c caller, p params) (int, any, error) {
	id, err := p.text("responseID", true)
	if err != nil {
		return 0, nil, err
	}
	var j job
	err = s.d.DB.NewSelect().Model(&j).Where("secret_sha256 = ?", hexDigest(id)).Where("account_id = ?", c.subject.AccountID).
		Where("expires_at > ?", s.d.Clock.Now()).Scan(ctx)
	if store.IsNotFound(err) {
		return 0, nil, badParameter("responseID")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read job: %w", err)
	}
	switch {
	case j.Status == jobDone:
		return ok(json.RawMessage(j.Answer), nil)
	case j.Status == jobFailed:
		fault := &Fault{Status: int(j.Fault)}
		err = json.Unmarshal([]byte(j.Answer), fault)
		if err != nil {
			return 0, nil, fmt.Errorf("read job: %w", err)
		}
		return 0, nil, fault
	case s.d.Clock.Now().After(j.Until):
		return 0, nil, &Fault{http.StatusInternalServerError, "server_error", "The signing was cut off: authorise it anew"}
	}
	return http.StatusAccepted, map[string]any{"responseID": id}, nil
}

// Close ends what is under way, which is then told as failed, and waits for it.
func (s *Server) Close() error {
	s.stop()
	s.jobs.Wait()
	return nil
}
