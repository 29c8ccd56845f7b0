package main

import (
	"encoding/json"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antin-gov/antin/sensor/conformance"
	"github.com/antin-gov/antin/sensor/rules"
)

func compareCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "compare", Short: "Compare the sensor's records with those of other readers of the same captures"}
	cmd.AddCommand(compareSuricataCommand(), compareTsharkCommand())
	return cmd
}

type compareFlags struct {
	asJSON  bool
	rules   []string
	require float64
}

func compareSuricataCommand() *cobra.Command {
	f := &compareFlags{}
	cmd := &cobra.Command{
		Use:   "suricata DIR",
		Short: "Alerts and counts of records beside what Suricata made of the same captures",
		Long: "DIR holds summary.jsonl: for each capture, named from the folder that DIR lies in, Suricata's records by type and alerts\n" +
			"by rule. Differences between alerts are listed with what explains them.\n" +
			"Exit status: 0 the same rules alerted in the required share of the captures with alerts and every difference is explained,\n" +
			"1 not so, 3 the folder cannot be read.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := expand(f.rules)
			if err != nil {
				return could(err)
			}
			set, err := loadRules(files, "", rules.DefaultVars("[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"))
			if err != nil {
				return could(err)
			}
			engine, err := set.engine()
			if err != nil {
				return could(err)
			}
			captures, err := conformance.CompareSuricata(cmd.Context(), args[0], engine, progress())
			if err != nil {
				return could(err)
			}
			tally := conformance.SumUp(captures)
			if f.asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(struct {
					Sum      conformance.PeerTally     `json:"sum"`
					Captures []conformance.PeerCapture `json:"captures"`
				}{tally, captures})
			} else {
				err = conformance.PrintPeer(cmd.OutOrStdout(), captures, tally)
			}
			if err != nil {
				return could(err)
			}
			if tally.Share() < f.require || tally.Unexplained > 0 {
				return &exitError{exitNo, errNo}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.asJSON, "json", false, "answer as JSON, with every capture")
	fl.StringArrayVarP(&f.rules, "rules", "S", nil, "rule file or glob that Suricata had; repeatable")
	fl.Float64Var(&f.require, "require", 95, "share of the captures with alerts in which the same rules must alert, in percent")
	return cmd
}

func compareTsharkCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "tshark DIR|FILE...",
		Short: "DNS messages, TLS hellos and HTTP requests beside what tshark reads in the same captures",
		Long: "What one of the two finds more often than the other is listed with what explains it.\n" +
			"Exit status: 0 every difference is explained, 1 not so, 3 a capture cannot be read or tshark is not there.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var files []string
			for _, arg := range args {
				list, err := conformance.Captures(arg)
				if err != nil {
					return could(err)
				}
				files = append(files, list...)
			}
			captures, err := conformance.CompareTshark(cmd.Context(), files, progress())
			if err != nil {
				return could(err)
			}
			tallies := conformance.SumUpReads(captures)
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(struct {
					Sum      []conformance.ReadTally   `json:"sum"`
					Captures []conformance.ReadCapture `json:"captures"`
				}{tallies, captures})
			} else {
				err = conformance.PrintReads(cmd.OutOrStdout(), captures, tallies)
			}
			if err != nil {
				return could(err)
			}
			for _, t := range tallies {
				if t.Explained < t.Ours+t.Theirs {
					return &exitError{exitNo, errNo}
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON, with every capture")
	return cmd
}

// progress shows how far a run is, on a terminal.
func progress() func(done, all int) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionClearOnFinish())
	return func(done, all int) {
		bar.ChangeMax(all)
		// A terminal that went away must not end the run.
		_ = bar.Set(done)
	}
}
