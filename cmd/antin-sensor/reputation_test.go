package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/sensor/rules"
)

func TestReputationsBesideTheRulesAreReadAndChangeTheVersion(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	rule := write("a.rules", "alert ip any any -> any any (iprep:any,bad,>,10; sid:1;)\n")
	load := func(names rules.ReputationFiles) *ruleSet {
		vars := rules.DefaultVars("any")
		vars.Reputation = names
		set, err := loadRules([]string{rule}, "", vars)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	if set := load(rules.ReputationFiles{}); len(set.refused) != 1 {
		t.Errorf("without lists: %+v", set.refused)
	}
	write(categoriesFile, "1,bad,Bad\n")
	write(scoresFile, "192.0.2.1,1,50\n")
	first := load(rules.ReputationFiles{})
	if len(first.refused) != 0 || first.data.Reputation.Len() != 1 {
		t.Errorf("%+v", first.refused)
	}
	write(scoresFile, "192.0.2.1,1,60\n192.0.2.2,1,60\nrubbish\n")
	second := load(rules.ReputationFiles{})
	if second.version() == first.version() || second.data.Reputation.Len() != 2 || len(second.refused) != 1 {
		t.Errorf("after a change: %s %s %+v", first.version(), second.version(), second.refused)
	}
	elsewhere := rules.ReputationFiles{Categories: write("c.txt", "1,bad,Bad\n"), Scores: []string{write("s.txt", "192.0.2.0/24,1,9\n")}}
	if set := load(elsewhere); len(set.refused) != 0 || set.data.Reputation.Len() != 1 {
		t.Errorf("%+v", set.refused)
	}
	vars := rules.DefaultVars("any")
	vars.Reputation.Categories = filepath.Join(dir, "none.txt")
	_, err := loadRules([]string{rule}, "", vars)
	if err == nil {
		t.Error("a list that is named and not there is no error")
	}
}
