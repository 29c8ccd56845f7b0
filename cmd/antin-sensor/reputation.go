package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/sensor/rules"
)

// Names of the lists of addresses beside rule files.
const (
	categoriesFile = "categories.txt"
	scoresFile     = "iprep.list"
)

// reputation reads the lists that iprep asks: those that are named, or those
// beside the rules, where they may be absent. Their digest is the rules' too, so
// that other lists are another version.
func (s *ruleSet) reputation(names rules.ReputationFiles, files []string) error {
	s.data.Reputation = nil
	optional := names.Categories == ""
	if optional {
		if len(files) == 0 {
			return nil
		}
		dir := filepath.Dir(files[0])
		names = rules.ReputationFiles{Categories: filepath.Join(dir, categoriesFile), Scores: []string{filepath.Join(dir, scoresFile)}}
	}
	var known *rules.Reputation
	err := s.list(names.Categories, func(r io.Reader) (refused []rules.Refusal) {
		known, refused = rules.ParseCategories(r, names.Categories)
		return refused
	})
	for _, name := range names.Scores {
		if err == nil {
			err = s.list(name, func(r io.Reader) []rules.Refusal { return known.Add(r, name) })
		}
	}
	if optional && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		s.data.Reputation = known
	}
	return err
}

func (s *ruleSet) list(name string, read func(io.Reader) []rules.Refusal) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read reputations: %w", err)
	}
	defer f.Close()
	s.refused = append(s.refused, read(io.TeeReader(f, s.digest))...)
	return nil
}
