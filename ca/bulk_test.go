package ca_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/ra/sheet"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
)

// staff adds people with positions to the directory.
func (w *world) staff(t *testing.T, n int) []string {
	t.Helper()
	f := &directory.File{}
	var ids []string
	for i := range n {
		id := fmt.Sprintf("cb-%03d", i)
		ids = append(ids, id)
		f.People = append(f.People, directory.Person{ID: id, Name: "Nguyễn Văn " + string(rune('A'+i%26))})
		f.Positions = append(f.Positions, directory.Position{ID: "pos-" + id, PersonID: id, AgencyID: []string{"stc", "skhcn"}[i%2], Title: "Chuyên viên",
			ValidFrom: time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)})
	}
	check(t, directory.Load(t.Context(), w.deps.DB, f))
	return ids
}

func requestsFile(t *testing.T, rows ...[]string) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, sheet.WriteXLSX(&b, sheet.Sheet{Name: "x", Head: []string{"Loại chứng thư", "Mã cán bộ", "Khóa", "csr", "Mã cơ quan"}, Rows: rows}))
	return b.Bytes()
}

// approvedFile submits a file and takes it through confirmation and approval.
func (w *world) approvedFile(t *testing.T, content []byte) *ra.Job {
	t.Helper()
	job, err := w.service.Desk().SubmitFile(as(t, minh), "x.xlsx", content, "")
	check(t, err)
	_, err = w.service.Desk().ConfirmJob(as(t, registrarUBND), job.ID, "")
	check(t, err)
	job, err = w.service.Desk().ApproveJob(as(t, thu), job.ID, "")
	check(t, err)
	return job
}

func TestFileOfRequestsIsIssuedRowByRow(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, _ *clock.Fake) {
		desk, ids := w.service.Desk(), w.staff(t, 6)
		block, _ := pem.Decode(csr(t, p256(t)))
		same := string(csr(t, p256(t)))
		content := requestsFile(t,
			[]string{"official", ids[0], "", string(csr(t, p256(t)))},
			[]string{"official", ids[1], "csr", base64.StdEncoding.EncodeToString(block.Bytes)},
			[]string{"official", ids[2], "token"},
			[]string{"official", "nobody", "", string(csr(t, p256(t)))},
			[]string{"oficial", ids[3], "", string(csr(t, p256(t)))},
			[]string{"official", ids[0], "", string(csr(t, p256(t)))},
			[]string{"official", ids[4], "", same},
			[]string{"official", ids[5], "", same},
			[]string{"official", ids[3], "token:RSA-1024"},
			[]string{"official", ids[3], "", "no-such-file.csr"},
			[]string{"official", ids[3], "", string(csr(t, p256(t))), "stc"},
		)
		checked, err := desk.CheckFile(as(t, minh), content)
		check(t, err)
		var bad []int
		for _, p := range checked.Problems {
			bad = append(bad, p.Row)
		}
		if fmt.Sprint(bad) != "[5 6 7 9 10 11 12]" || checked.Good != 4 {
			t.Fatalf("bad rows %v, %d good: %+v", bad, checked.Good, checked.Problems)
		}
		if n := w.count(t, "ca_request", "1 = 1"); n != 0 {
			t.Errorf("the check wrote %d requests", n)
		}
		job := w.approvedFile(t, content)
		r, err := desk.List(as(t, thu), ra.Filter{JobID: job.ID})
		check(t, err)
		_, err = w.service.Issue(as(t, thu), r.Requests[0].ID)
		if !errors.Is(err, ra.ErrState) {
			t.Errorf("a row was issued beside its file: %v", err)
		}
		var told []string
		job, err = w.service.RunBulk(as(t, thu), job.ID, ra.Run{Progress: func(done, total int) { told = append(told, fmt.Sprintf("%d/%d", done, total)) }}, nil)
		check(t, err)
		if job.State != ra.JobDone || job.Counts[ra.ItemDone] != 4 || job.Counts[ra.ItemRefused] != 7 || strings.Join(told, " ") != "8/11 9/11 10/11 11/11" {
			t.Errorf("job %+v, told %v", job, told)
		}
		result, err := desk.Result(as(t, minh), job.ID)
		check(t, err)
		for _, row := range result.Rows {
			state, reason, serial := row[5], row[6], row[8]
			if (state == "done") != (serial != "") || (state == "refused") != (reason != "") {
				t.Errorf("result %v", row)
			}
		}
		again, err := desk.CheckFile(as(t, minh), func() []byte {
			var b bytes.Buffer
			check(t, sheet.WriteCSV(&b, *result))
			return b.Bytes()
		}())
		check(t, err)
		if again.Total != 11 {
			t.Errorf("the result file has %d rows", again.Total)
		}
		report, err := w.service.Audit(context.Background())
		check(t, err)
		if len(report.Findings) != 0 {
			t.Errorf("audit: %+v", report.Findings)
		}
	})
}

func TestFileOfRequestsNeedsThreePersons(t *testing.T) {
	t.Parallel()
	w := sqlite(t, clock.NewFake(monday))
	desk, ids := w.service.Desk(), w.staff(t, 2)
	content := requestsFile(t, []string{"official", ids[0], "", string(csr(t, p256(t)))}, []string{"official", ids[1], "", string(csr(t, p256(t)))})
	_, err := desk.SubmitFile(as(t, lan), "x.xlsx", content, "")
	if !errors.Is(err, auth.ErrDenied) {
		t.Errorf("submitted without the right: %v", err)
	}
	job, err := desk.SubmitFile(as(t, minh), "x.xlsx", content, "")
	check(t, err)
	officer := auth.Subject{AccountID: "o", PersonID: "p-o", AgencyID: "ubnd", Roles: []string{auth.RoleRegistrar, auth.RoleCAOfficer}}
	for _, c := range []struct {
		name string
		who  auth.Subject
		act  func(context.Context, string, string) (*ra.Job, error)
		want error
	}{
		{"who submitted confirms", minh, desk.ConfirmJob, ra.ErrSamePerson},
		{"an agency that does not manage them confirms", registrarSTC, desk.ConfirmJob, auth.ErrDenied},
		{"it is approved before it is confirmed", thu, desk.ApproveJob, ra.ErrState},
		{"the managing agency confirms", officer, desk.ConfirmJob, nil},
		{"who submitted approves", minh, desk.ApproveJob, ra.ErrSamePerson},
		{"who confirmed approves", officer, desk.ApproveJob, ra.ErrSamePerson},
		{"another withdraws it", thu, desk.WithdrawJob, auth.ErrDenied},
		{"a third person approves", thu, desk.ApproveJob, nil},
	} {
		_, err = c.act(as(t, c.who), job.ID, "x")
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	withdrawn, err := desk.WithdrawJob(as(t, minh), job.ID, "")
	check(t, err)
	if withdrawn.State != ra.JobWithdrawn || withdrawn.Counts[ra.ItemWithdrawn] != 2 {
		t.Errorf("withdrawn: %+v", withdrawn)
	}
	_, err = w.service.RunBulk(as(t, thu), job.ID, ra.Run{}, nil)
	if !errors.Is(err, ra.ErrState) {
		t.Errorf("run after it was withdrawn: %v", err)
	}
}

func TestBrokenOffRunIsGoneOnWithAndIssuesNothingTwice(t *testing.T) {
	t.Parallel()
	at(t, func(t *testing.T, w *world, now *clock.Fake) {
		ids := w.staff(t, 12)
		var rows [][]string
		for _, id := range ids {
			rows = append(rows, []string{"official", id, "", string(csr(t, p256(t)))})
		}
		job := w.approvedFile(t, requestsFile(t, rows...))
		before := w.count(t, "ca_certificate", "state = 'issued'")
		// The ledger goes away in the middle: some rows are issued, some are
		// signed and not released.
		var n atomic.Int32
		w.ledger.close(func(e ledger.Entry) bool { return e.Kind == "ca.certificate.issue" && n.Add(1) > 4 })
		_, err := w.service.RunBulk(as(t, thu), job.ID, ra.Run{}, nil)
		if !errors.Is(err, errShut) {
			t.Fatalf("got %v", err)
		}
		w.ledger.close(nil)
		// A process that was killed leaves its lease and what it had taken.
		_, err = w.deps.DB.ExecContext(t.Context(), "UPDATE ca_bulk_job SET runner = 'dead', lease_until = ? WHERE id = ?", now.Now().Add(time.Minute), job.ID)
		check(t, err)
		_, err = w.deps.DB.ExecContext(t.Context(), "UPDATE ca_request SET state = 'issuing', issuing_since = ? WHERE job_id = ? AND state = 'approved'", now.Now(), job.ID)
		check(t, err)
		restarted, err := ca.New(t.Context(), w.deps)
		check(t, err)
		waited := false
		job, err = restarted.RunBulk(as(t, thu), job.ID, ra.Run{Waiting: func(until time.Time) { waited = true; now.Set(until.Add(time.Second)) }}, nil)
		check(t, err)
		if !waited || job.State != ra.JobDone || job.Counts[ra.ItemDone] != len(ids) {
			t.Errorf("waited %v, job %+v", waited, job)
		}
		if got := w.count(t, "ca_certificate", "state = 'issued'") - before; got != len(ids) {
			t.Errorf("%d certificates, want %d", got, len(ids))
		}
		if got := w.count(t, "ca_certificate", "state NOT IN ('issued', 'abandoned')"); got != 0 {
			t.Errorf("%d left half done", got)
		}
	})
}

func TestRowThatCannotBeCarriedOutFailsAlone(t *testing.T) {
	t.Parallel()
	w := sqlite(t, clock.NewFake(monday))
	ids := w.staff(t, 3)
	var rows [][]string
	for _, id := range ids {
		rows = append(rows, []string{"official", id, "", string(csr(t, p256(t)))})
	}
	job := w.approvedFile(t, requestsFile(t, rows...))
	_, err := w.deps.DB.ExecContext(t.Context(), "UPDATE position SET title = 'Trưởng phòng' WHERE person_id = ?", ids[1])
	check(t, err)
	r, err := w.service.Desk().List(as(t, thu), ra.Filter{JobID: job.ID, PersonID: ids[2]})
	check(t, err)
	_, err = w.service.Desk().Withdraw(as(t, minh), r.Requests[0].ID, "")
	check(t, err)
	job, err = w.service.RunBulk(as(t, thu), job.ID, ra.Run{}, nil)
	check(t, err)
	if job.Counts[ra.ItemDone] != 1 || job.Counts[ra.ItemFailed] != 1 || job.Counts[ra.ItemWithdrawn] != 1 || job.State != ra.JobDone {
		t.Errorf("job %+v", job)
	}
}
