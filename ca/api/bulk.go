package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/ra/sheet"
)

// maxRuns is how many files are carried out at a time by one process.
const maxRuns = 2

// errRunning says that a file is being carried out here already, or that as
// many are as this process takes.
var errRunning = errors.New("ca/api: the file is being carried out, or too many others are")

type fileInput struct {
	Name    string `query:"name" maxLength:"200" doc:"name of the file"`
	Note    string `query:"note" maxLength:"2000"`
	RawBody []byte `contentType:"application/octet-stream"`
}

func (a *API) bulk(h huma.API) {
	desk := a.deps.CA.Desk()
	register(a, h, operation{"check-bulk", http.MethodPost, "/bulk/check", "Judge every row of a file and write nothing", "bulk", ScopeRequest, 0, sheet.MaxFile + 1},
		func(ctx context.Context, in *fileInput) (*body[*ra.Checked], error) {
			return answer(desk.CheckFile(ctx, in.RawBody))
		})
	register(a, h, operation{"submit-bulk", http.MethodPost, "/bulk", "File the requests of an XLSX, CSV or zip folder; the body is the file", "bulk", ScopeRequest, http.StatusCreated, sheet.MaxFile + 1},
		func(ctx context.Context, in *fileInput) (*body[*ra.Job], error) {
			return answer(desk.SubmitFile(ctx, in.Name, in.RawBody, in.Note))
		})
	register(a, h, operation{"list-bulk", http.MethodGet, "/bulk", "List the newest files", "bulk", ScopeRead, 0, 0},
		func(ctx context.Context, in *struct {
			Limit int `query:"limit" minimum:"0" maximum:"500"`
		}) (*body[[]ra.Job], error) {
			return answer(desk.Jobs(ctx, in.Limit))
		})
	register(a, h, operation{"get-bulk", http.MethodGet, "/bulk/{id}", "How far a file has come", "bulk", ScopeRead, 0, 0},
		func(ctx context.Context, in *idInput) (*body[*ra.Job], error) { return answer(desk.Job(ctx, in.ID)) })
	register(a, h, operation{"list-bulk-items", http.MethodGet, "/bulk/{id}/items", "Rows of a file, in their order", "bulk", ScopeRead, 0, 0},
		func(ctx context.Context, in *struct {
			ID    string       `path:"id" maxLength:"64"`
			State ra.ItemState `query:"state" doc:"waiting, done, refused, failed, rejected, withdrawn"`
			After int          `query:"after" minimum:"0" doc:"number of the last row of the page before"`
			Limit int          `query:"limit" minimum:"1" maximum:"1000" default:"500"`
		}) (*body[[]ra.Item], error) {
			return answer(desk.Items(ctx, in.ID, in.State, in.After, in.Limit))
		})
	for _, act := range []struct {
		verb, summary, scope string
		do                   func(ctx context.Context, id, note string) (*ra.Job, error)
	}{
		{"confirm", "Confirm a file for the managing agencies", ScopeDecide, desk.ConfirmJob},
		{"approve", "Approve a file", ScopeDecide, desk.ApproveJob},
		{"reject", "Reject a file; the note says why", ScopeDecide, desk.RejectJob},
		{"withdraw", "Take a file back", ScopeRequest, desk.WithdrawJob},
	} {
		register(a, h, operation{act.verb + "-bulk", http.MethodPost, "/bulk/{id}/" + act.verb, act.summary, "bulk", act.scope, 0, 0},
			func(ctx context.Context, in *actInput) (*body[*ra.Job], error) {
				return answer(act.do(ctx, in.ID, in.Body.Note))
			})
	}
	register(a, h, operation{"run-bulk", http.MethodPost, "/bulk/{id}/run", "Carry out an approved file, or go on with it; get-bulk shows how far it is", "bulk", ScopeIssue, http.StatusAccepted, 0},
		func(ctx context.Context, in *idInput) (*body[*ra.Job], error) { return answer(a.run(ctx, in.ID)) })
	register(a, h, operation{"get-bulk-result", http.MethodGet, "/bulk/{id}/result", "The file again with what became of each row", "bulk", ScopeRead, 0, 0},
		func(ctx context.Context, in *struct {
			ID     string `path:"id" maxLength:"64"`
			Format string `query:"format" enum:"xlsx,csv" default:"xlsx"`
		}) (*file, error) {
			return a.result(ctx, in.ID, in.Format)
		})
}

// run starts to carry out a file, which goes on after the call.
func (a *API) run(ctx context.Context, id string) (*ra.Job, error) {
	job, err := a.deps.CA.Desk().Runnable(ctx, id)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running[id] || len(a.running) >= maxRuns || a.ctx.Err() != nil {
		return nil, errRunning
	}
	a.running[id] = true
	// The run keeps who asked for it and ends with the interface, not the call.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(a.ctx, cancel)
	a.runs.Add(1)
	go func() {
		defer a.runs.Done()
		defer stop()
		defer cancel()
		_, err := a.deps.RunBulk(inner, id, ra.Run{})
		if err != nil && a.ctx.Err() == nil {
			a.deps.Logger.ErrorContext(inner, "file of requests stopped", slog.String("job", id), slog.Any("error", err))
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.running, id)
	}()
	return job, nil
}

func (a *API) result(ctx context.Context, id, format string) (*file, error) {
	result, err := a.deps.CA.Desk().Result(ctx, id)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	kind := "text/csv; charset=utf-8"
	if format == "csv" {
		err = sheet.WriteCSV(&b, *result)
	} else {
		kind, err = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", sheet.WriteXLSX(&b, *result)
	}
	if err != nil {
		return nil, err
	}
	return &file{ContentType: kind, Disposition: `attachment; filename="` + id + "." + format + `"`, Body: b.Bytes()}, nil
}
