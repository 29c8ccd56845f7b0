// Package conformance applies the test folders of suricata-verify
// (github.com/OISF/suricata-verify) to the sensor: a capture, perhaps rules,
// and the checks of test.yaml on the records that must come out.
//
// A folder's checks are judged by category (the kind of record), so that what
// does not concern the sensor in one check hides nothing of the others. What
// asks for something the sensor does not have is "not applicable", with the
// feature named. Not here: checks by shell commands, comparison of other
// outputs, inline (IPS) and firewall mode.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/antin-gov/antin/sensor/rules"
)

// Outcome of a check or of all checks of a category in a folder.
type Outcome string

// The outcomes.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	NotApplicable Outcome = "not applicable"
)

// Check is the outcome of one check.
type Check struct {
	Category string  `json:"category"`
	Outcome  Outcome `json:"outcome"`
	// Detail is what was found, or the feature that is missing.
	Detail string `json:"detail,omitempty"`
}

// Result is what a folder gave.
type Result struct {
	// Folder is relative to the root.
	Folder string  `json:"folder"`
	Checks []Check `json:"checks"`
}

// Outcome sums up the folder's checks of a category, or all of them when the
// category is empty, and names the first detail: one failure fails it, and
// what was applied counts before what was not.
func (r *Result) Outcome(category string) (Outcome, string) {
	var out Outcome
	detail := ""
	for _, c := range r.Checks {
		if category != "" && c.Category != category {
			continue
		}
		switch {
		case out == Failed:
		case c.Outcome == Failed, out == "", c.Outcome == Passed && (out == NotApplicable || c.Detail != ""):
			out, detail = c.Outcome, c.Detail
		}
	}
	return out, detail
}

// ErrEmpty means that no test folder was found.
var ErrEmpty = errors.New("conformance: no test.yaml under the folder")

// RuleLoader makes a rule engine from rule files; it returns the refused ones
// beside it.
type RuleLoader func(files []string, vars rules.Vars) (*rules.Engine, []rules.Refusal, error)

// Options of a run.
type Options struct {
	// Rules loads the rule files of a folder.
	Rules RuleLoader
	// Workers is how many folders are worked at a time; at least one.
	Workers int
	// Match, when set, picks the folders whose name contains it.
	Match string
	// Progress, when set, is told how many folders of all are done.
	Progress func(done, all int)
}

// Run applies all test folders under the root, in the order of their names.
func Run(ctx context.Context, root string, o Options) ([]*Result, error) {
	folders, err := find(root, o.Match)
	if err != nil {
		return nil, err
	}
	results := make([]*Result, len(folders))
	next := make(chan int)
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	for range max(1, o.Workers) {
		wg.Go(func() {
			for i := range next {
				results[i] = runFolder(ctx, root, folders[i], o.Rules)
				mu.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, len(folders))
				}
				mu.Unlock()
			}
		})
	}
	for i := range folders {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("verify captures: %w", ctx.Err())
	}
	return results, nil
}

func find(root, match string) ([]string, error) {
	var folders []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "test.yaml" {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err == nil && strings.Contains(dir, match) {
			folders = append(folders, dir)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find tests: %w", err)
	}
	if len(folders) == 0 {
		return nil, ErrEmpty
	}
	slices.Sort(folders)
	return folders, nil
}
