package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/sensor/conformance"
	"github.com/antin-gov/antin/sensor/rules"
)

type verifyFlags struct {
	asJSON, failures, features bool
	match                      string
	require                    float64
}

func verifyCommand() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify-captures DIR",
		Short: "Apply the checks of suricata-verify folders to the sensor's records",
		Long: "Run the sensor over each folder that has a test.yaml and apply its checks, counted by category:\n" +
			"passed, failed, or not applicable with the feature that is missing.\n" +
			"Exit status: 0 at least the required share passed, 1 less, 3 the folder cannot be read.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.asJSON, "json", false, "answer as JSON, with every check")
	fl.BoolVar(&f.failures, "failures", false, "list the checks that failed")
	fl.BoolVar(&f.features, "features", false, "list the features that are missing")
	fl.StringVar(&f.match, "match", "", "only folders whose name contains this")
	fl.Float64Var(&f.require, "require", 90, "share of the applicable judgements that must pass, in percent")
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, dir string) error {
	o := conformance.Options{Rules: testRules, Workers: runtime.GOMAXPROCS(0), Match: f.match, Progress: progress()}
	results, err := conformance.Run(cmd.Context(), dir, o)
	if err != nil {
		return could(err)
	}
	list := conformance.Summarise(results)
	all := &list[len(list)-1]
	err = f.print(cmd.OutOrStdout(), results, list)
	if err != nil {
		return could(err)
	}
	if all.Share() < f.require {
		return &exitError{exitNo, errNo}
	}
	return nil
}

func (f *verifyFlags) print(w io.Writer, results []*conformance.Result, list []conformance.Tally) error {
	if f.asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Categories []conformance.Tally   `json:"categories"`
			Folders    []*conformance.Result `json:"folders"`
		}{list, results})
	}
	if f.failures {
		for _, r := range results {
			for _, c := range r.Checks {
				if c.Outcome != conformance.Failed {
					continue
				}
				_, err := fmt.Fprintf(w, "%s: %s: %s\n", r.Folder, c.Category, c.Detail)
				if err != nil {
					return err
				}
			}
		}
	}
	if f.features {
		err := conformance.PrintFeatures(w, &list[len(list)-1])
		if err != nil {
			return err
		}
	}
	return conformance.PrintTable(w, list)
}

// testRules loads the rules of a test folder.
func testRules(files []string, vars rules.Vars) (*rules.Engine, []rules.Refusal, error) {
	set, err := loadRules(files, "", vars)
	if err != nil {
		return nil, nil, err
	}
	engine, err := set.engine()
	return engine, set.refused, err
}
