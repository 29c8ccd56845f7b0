// Package batch signs many files, one after the other or several at once: a
// file that fails does not stop the rest, one whose result is there already is
// passed over, and what became of each is written down. How a file is signed is
// the caller's.
package batch

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/antin-gov/antin/signer"
)

// State is what became of a file.
type State string

// States.
const (
	Signed State = "signed"
	There  State = "there"  // the result of an earlier run
	Failed State = "failed" // with the reason
	Left   State = "left"   // not begun when the batch was stopped
)

// ErrList says that the list of files cannot be used.
var ErrList = errors.New("batch: list of files")

const (
	maxFiles   = 1_000_000
	maxWorkers = 64
)

// Result is the outcome of one file.
type Result struct {
	File  string      `json:"file"`
	Out   string      `json:"out"`
	State State       `json:"state"`
	Act   *signer.Act `json:"act,omitempty"`
	Error string      `json:"error,omitempty"`
}

// Files lists what a batch is over: the regular files of a folder, or those
// that a text file names, one a line, where # begins a remark. Hidden files and
// those of a folder that do not end in one of the endings are left out; without
// endings all are taken.
func Files(source string, endings ...string) ([]string, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	if !info.IsDir() {
		return readList(source)
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	var files []string
	for _, e := range entries {
		fits := len(endings) == 0 || slices.ContainsFunc(endings, func(x string) bool { return strings.EqualFold(filepath.Ext(e.Name()), x) })
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && fits {
			files = append(files, filepath.Join(source, e.Name()))
		}
	}
	return files, nil
}

func readList(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	defer func() { _ = f.Close() }()
	var files []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(files) == maxFiles {
			return nil, fmt.Errorf("%w: more than %d files", ErrList, maxFiles)
		}
		files = append(files, line)
	}
	err = lines.Err()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrList, path, err)
	}
	return files, nil
}

// Job says how the files are signed.
type Job struct {
	// Folder takes the results under the files' own names and Ending.
	Folder, Ending string
	// Workers sign at once; one when zero.
	Workers int
	Sign    func(ctx context.Context, in, out string) (*signer.Act, error)
	// Done is told of each outcome, one at a time; it may be nil.
	Done func(Result)
}

// Run signs the files and gives the outcomes in their order. The error is that
// of the context; then files may be left.
func (j Job) Run(ctx context.Context, files []string) ([]Result, error) {
	results := j.plan(files)
	queue := make(chan int)
	var lock sync.Mutex // of results' outcomes as Done is told them
	var workers sync.WaitGroup
	for range max(1, min(j.Workers, maxWorkers)) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := range queue {
				r := j.one(ctx, results[n])
				lock.Lock()
				results[n] = r
				if j.Done != nil {
					j.Done(r)
				}
				lock.Unlock()
			}
		}()
	}
	for n := range results {
		if ctx.Err() != nil {
			break
		}
		queue <- n
	}
	close(queue)
	workers.Wait()
	return results, ctx.Err()
}

// plan gives each file the name of its result; two files must not share one.
func (j Job) plan(files []string) []Result {
	taken := map[string]string{}
	results := make([]Result, 0, len(files))
	for _, file := range files {
		r := Result{File: file, Out: filepath.Join(j.Folder, filepath.Base(file)+j.Ending), State: Left}
		first, double := taken[r.Out]
		if double {
			r.State, r.Error = Failed, fmt.Sprintf("its result would have the name of that of %s", first)
		}
		taken[r.Out] = file
		results = append(results, r)
	}
	return results
}

func (j Job) one(ctx context.Context, r Result) Result {
	if r.State == Failed || ctx.Err() != nil {
		return r
	}
	_, err := os.Stat(r.Out)
	if err == nil {
		r.State = There
		return r
	}
	r.Act, err = j.Sign(ctx, r.File, r.Out)
	r.State = Signed
	if err != nil {
		r.State, r.Error, r.Act = Failed, err.Error(), nil
	}
	return r
}

// Count counts the outcomes of one state.
func Count(results []Result, s State) int {
	n := 0
	for _, r := range results {
		if r.State == s {
			n++
		}
	}
	return n
}

// WriteCSV writes a table of the outcomes.
func WriteCSV(w io.Writer, results []Result) error {
	out := csv.NewWriter(w)
	err := out.Write([]string{"file", "result", "state", "level", "act", "document_sha256", "result_sha256", "ledger", "error"})
	for _, r := range results {
		if err != nil {
			break
		}
		row := []string{r.File, r.Out, string(r.State), "", "", "", "", "", r.Error}
		if r.Act != nil {
			row[3], row[4], row[5], row[6], row[7] = r.Act.Level, r.Act.ID, r.Act.DocumentSHA256, r.Act.ResultSHA256, strconv.FormatInt(r.Act.ReleaseIndex, 10)
		}
		err = out.Write(row)
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("batch: write results: %w", err)
	}
	return nil
}
