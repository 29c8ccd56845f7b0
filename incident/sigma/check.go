package sigma

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Report is the result of CheckDir.
type Report struct {
	Parsed int `json:"parsed"`
	Failed int `json:"failed"`
	// Unfed are the rules that parse but that no sensor feeds.
	Unfed []FileReason `json:"unfed"`
	// Failures are the files that do not parse.
	Failures []FileReason `json:"failures,omitempty"`
}

// FileReason is a file with what is to say about it.
type FileReason struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// maxRuleFiles bounds a folder; SigmaHQ has about 4,000 files.
const maxRuleFiles = 100_000

// ErrTooManyFiles is returned for a folder with more than maxRuleFiles rules.
var ErrTooManyFiles = errors.New("sigma: too many rule files")

// CheckDir parses all .yml and .yaml files under a folder and says which rules
// the system would not evaluate.
func CheckDir(dir string) (*Report, error) {
	m, err := DefaultMapping()
	if err != nil {
		return nil, err
	}
	rep := &Report{Unfed: []FileReason{}}
	rules, failures, err := LoadDir(dir)
	if err != nil {
		return nil, err
	}
	rep.Parsed, rep.Failed, rep.Failures = len(rules), len(failures), failures
	for _, r := range rules {
		reason := m.unfed(r)
		if reason != "" {
			rep.Unfed = append(rep.Unfed, FileReason{r.File, reason})
		}
	}
	return rep, nil
}

// LoadDir parses all .yml and .yaml files under a folder. Files that do not
// parse are returned beside the rules of those that do. Names are relative to
// the folder.
func LoadDir(dir string) (rules []*Rule, failures []FileReason, err error) {
	root := os.DirFS(dir)
	return loadFS(root)
}

func loadFS(root fs.FS) (rules []*Rule, failures []FileReason, err error) {
	files := 0
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ext := strings.ToLower(filepath.Ext(name))
		if d.IsDir() || ext != ".yml" && ext != ".yaml" {
			return nil
		}
		files++
		if files > maxRuleFiles {
			return ErrTooManyFiles
		}
		data, err := readLimited(root, name)
		if err != nil {
			return err
		}
		got, err := Parse(data)
		if err != nil {
			failures = append(failures, FileReason{name, err.Error()})
			return nil
		}
		for _, r := range got {
			r.File = name
		}
		rules = append(rules, got...)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sigma: read rules: %w", err)
	}
	return rules, failures, nil
}

// readLimited reads one byte more than a rule file may have, so that Parse
// refuses a larger one without its being read whole.
func readLimited(root fs.FS, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read-only
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}
