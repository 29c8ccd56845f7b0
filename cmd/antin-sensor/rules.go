package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/sensor/rules"
)

var errNoRules = errors.New("no such rule file")

// ruleSet is what was read from rule files.
type ruleSet struct {
	rules   []*rules.Rule
	refused []rules.Refusal
	files   []fileResult
	classes map[string]rules.Classification
	data    *rules.Data
	adjust  []rules.Adjustment
	digest  hash.Hash
	// after is the engine that these rules take over from.
	after *rules.Engine
}

// version names the rules: the beginning of the SHA-256 over their files.
func (s *ruleSet) version() string { return hex.EncodeToString(s.digest.Sum(nil)[:8]) }

// tell writes what became of the rules into the log.
func (s *ruleSet) tell(log *slog.Logger, what string) {
	for _, r := range s.refused {
		log.Warn("rule refused", "file", r.File, "line", r.Line, "sid", r.SID, "reason", r.Reason)
	}
	log.Info(what, "loaded", len(s.rules), "refused", len(s.refused), "version", s.version())
}

// refusals are the rules that were refused, each by what it is and why.
func (s *ruleSet) refusals() map[string]bool {
	m := make(map[string]bool, len(s.refused))
	for _, r := range s.refused {
		m[refusal(r)] = true
	}
	return m
}

// refusal names a refused rule by what stays when lines move: its number, or
// else its place.
func refusal(r rules.Refusal) string {
	if r.SID != 0 {
		return fmt.Sprintf("%s sid %d: %s", r.File, r.SID, r.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Reason)
}

// fileResult is what became of one rule file.
type fileResult struct {
	File    string `json:"file"`
	Loaded  int    `json:"loaded"`
	Refused int    `json:"refused"`
}

// expand resolves globs; a name that matches nothing is an error.
func expand(patterns []string) ([]string, error) {
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("rules %s: %w", p, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%w: %s", errNoRules, p)
		}
		files = append(files, found...)
	}
	return files, nil
}

func loadRules(files []string, classification string, vars rules.Vars) (*ruleSet, error) {
	set := &ruleSet{classes: rules.DefaultClassifications(), digest: sha256.New()}
	if vars.Data == nil {
		vars.Data = &rules.Data{}
	}
	set.data = vars.Data
	err := set.reputation(vars.Reputation, files)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
		dir := filepath.Dir(name)
		vars.Data.Dir = dir
		vars.Data.Open = func(list string) (io.ReadCloser, error) { return openList(dir, list) }
		rs, refused := rules.Parse(io.TeeReader(f, set.digest), name, vars)
		f.Close()
		set.rules = append(set.rules, rs...)
		set.refused = append(set.refused, refused...)
		set.files = append(set.files, fileResult{File: name, Loaded: len(rs), Refused: len(refused)})
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		err := set.thresholds(filepath.Join(dir, "threshold.config"), vars)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if classification != "" {
		return set, set.classify(classification)
	}
	for _, dir := range dirs {
		err := set.classify(filepath.Join(dir, "classification.config"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return set, nil
}

// thresholds reads a threshold.config; a line that cannot be used is refused
// like a rule.
func (s *ruleSet) thresholds(path string, vars rules.Vars) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read thresholds: %w", err)
	}
	defer f.Close()
	list, refused := rules.ParseThresholds(f, path, vars)
	s.adjust = append(s.adjust, list...)
	s.refused = append(s.refused, refused...)
	return nil
}

// openList opens a list that a rule names, beside the rule file unless its
// path is absolute.
func openList(dir, name string) (io.ReadCloser, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	return f, nil
}

func (s *ruleSet) classify(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read classifications: %w", err)
	}
	defer f.Close()
	classes, err := rules.ParseClassifications(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for name, class := range classes {
		s.classes[name] = class
	}
	return nil
}

func (s *ruleSet) engine() (*rules.Engine, error) {
	if len(s.rules) == 0 {
		return nil, nil
	}
	return rules.NewEngine(s.rules, rules.Options{Classifications: s.classes, Adjustments: s.adjust, After: s.after})
}

// checkResult is the answer of "rules check --json".
type checkResult struct {
	Loaded  int             `json:"loaded"`
	Refused int             `json:"refused"`
	Reasons []rules.Refusal `json:"reasons"`
	Files   []fileResult    `json:"files"`
}

func rulesCommand() *cobra.Command {
	parent := &cobra.Command{Use: "rules", Short: "Detection rules"}
	var asJSON bool
	var config string
	check := &cobra.Command{
		Use:   "check FILE...",
		Short: "Tell which rules load and why others do not",
		Long:  "Tell which rules load and why others do not.\nExit status: 0 all load, 1 some are refused, 3 a file cannot be read.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := readSettings(config)
			if err != nil {
				return could(err)
			}
			files, err := expand(args)
			if err != nil {
				return could(err)
			}
			set, err := loadRules(files, s.Classification, s.ruleVars())
			if err != nil {
				return could(err)
			}
			err = printCheck(cmd.OutOrStdout(), set, asJSON)
			if err != nil {
				return could(err)
			}
			if len(set.refused) > 0 {
				return &exitError{exitNo, errNo}
			}
			return nil
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	check.Flags().StringVarP(&config, "config", "c", "", "configuration file with the variables")
	parent.AddCommand(check, rulesProfileCommand())
	return parent
}

func printCheck(w io.Writer, set *ruleSet, asJSON bool) error {
	if asJSON {
		result := checkResult{Loaded: len(set.rules), Refused: len(set.refused), Reasons: set.refused, Files: set.files}
		if result.Reasons == nil {
			result.Reasons = []rules.Refusal{}
		}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	for _, r := range set.refused {
		_, err := fmt.Fprintf(w, "%s:%d: rule %d refused: %s\n", r.File, r.Line, r.SID, r.Reason)
		if err != nil {
			return err
		}
	}
	if len(set.files) > 1 {
		for _, f := range set.files {
			_, err := fmt.Fprintf(w, "%s: %d loaded, %d refused\n", f.File, f.Loaded, f.Refused)
			if err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d rules loaded, %d refused\n", len(set.rules), len(set.refused))
	return err
}
