package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/signer/nd30"
)

func (e *env) nd30Command() *cobra.Command {
	cmd := &cobra.Command{Use: "nd30", Short: "The form of documents (NĐ 30/2020/NĐ-CP)"}
	cmd.AddCommand(e.nd30CheckCommand(), e.nd30DeclareCommand())
	return cmd
}

func (e *env) nd30CheckCommand() *cobra.Command {
	var password string
	cmd := &cobra.Command{
		Use:   "check FILE.pdf…",
		Short: "Tell what a document breaks of NĐ 30/2020 Appendix I, by page and place",
		Long: "Tell what a document breaks of NĐ 30/2020 Appendix I: page, margins, type, the parts of the head and the foot, page numbers,\n" +
			"and marks of secrecy. Places are millimetres from the page's top left.\n" +
			"Exit status 0: nothing is broken; 1: something is, or the document is marked as a state secret; 3: not readable.",
		Example: "  antin nd30 check chi-thi.pdf\n  antin nd30 check --json *.pdf",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%w: name at least one file", errUse)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return e.nd30Check(args, password) },
	}
	cmd.Flags().StringVar(&password, "password-file", "", "file with the password that opens an encrypted document")
	return cmd
}

// nd30Result is the answer on one file.
type nd30Result struct {
	*nd30.Report
	Secret string `json:"secret,omitempty"`
}

func (e *env) nd30Check(files []string, passwordFile string) error {
	password := ""
	if passwordFile != "" {
		text, err := documentPassword(passwordFile)
		if err != nil {
			return err
		}
		password = text
	}
	results := []nd30Result{}
	status := exitDone
	for _, name := range files {
		r, err := nd30File(name, password)
		if err != nil {
			fmt.Fprintf(os.Stderr, "antin: %s: %v\n", name, err)
			status = exitCould
			continue
		}
		if (!r.Conforms() || r.Secret != "") && status == exitDone {
			status = exitNo
		}
		results = append(results, r)
		if !e.json {
			printND30(r)
		}
	}
	if e.json {
		err := printJSON(results)
		if err != nil {
			return err
		}
	}
	if status != exitDone {
		return answer(status)
	}
	return nil
}

func nd30File(name, password string) (nd30Result, error) {
	f, err := os.Open(name)
	if err != nil {
		return nd30Result{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nd30Result{}, err
	}
	d, err := nd30.Open(f, info.Size(), password)
	if err != nil {
		return nd30Result{}, err
	}
	r := nd30Result{Report: nd30.Check(d)}
	r.File = name
	err = d.Secret()
	if err != nil {
		r.Secret = err.Error()
	}
	return r, nil
}

func printND30(r nd30Result) {
	vi := language() == "vi"
	if r.Secret != "" {
		fmt.Printf("%s: %s\n", r.File, r.Secret)
	}
	for _, f := range r.Findings {
		text, place := f.Message.En, ""
		if vi {
			text = f.Message.Vi
		}
		if f.Page > 0 {
			place = fmt.Sprintf(" page %d", f.Page)
		}
		if f.Place != nil {
			place += fmt.Sprintf(" at %.0f,%.0f mm", f.Place.X, f.Place.Y)
		}
		if f.Text != "" {
			text += fmt.Sprintf(" (%q)", f.Text)
		}
		fmt.Printf("%s:%s: %s: %s [%s; %s]\n", r.File, place, f.Severity, text, f.Rule, f.Clause)
	}
	if len(r.Findings) == 0 && r.Secret == "" {
		fmt.Printf("%s: %d pages, nothing to find\n", r.File, r.Pages)
	}
}
