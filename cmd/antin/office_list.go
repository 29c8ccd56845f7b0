package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/signer/office"
)

func (e *env) officeList() *cobra.Command {
	var f office.Filter
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List documents: those of the agency, or those that wait for the account", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.State = office.State(state)
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				docs, err := s.Office.List(ctx, f)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(docs)
				}
				rows := [][]string{}
				for _, d := range docs {
					rows = append(rows, []string{d.ID, string(d.State), d.Symbol, d.Kind, string(d.Form) + " " + d.SignerID, d.MovedAt.Local().Format(time.DateTime), d.Name})
				}
				return table(os.Stdout, []string{"DOCUMENT", "STATE", "NUMBER", "TYPE", "SIGNER", "MOVED", "NAME"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&f.Waiting, "waiting", false, "those that wait for the account")
	cmd.Flags().StringVar(&state, "state", "", "draft, signed, numbered, sealed, issued, returned or withdrawn")
	cmd.Flags().StringVar(&f.AgencyID, "agency", "", "agency (default: that of the account)")
	cmd.Flags().StringVar(&f.Search, "search", "", "part of number, abstract or name")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "how many at most")
	return cmd
}

// officeView is a document with everything about it.
type officeView struct {
	*office.Document
	Attachments []office.Attachment `json:"attachments"`
	Steps       []office.Step       `json:"steps"`
}

func (e *env) officeShow() *cobra.Command {
	return &cobra.Command{
		Use: "show DOCUMENT", Short: "Show a document, its attachments and its trail", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				var v officeView
				var err error
				v.Document, err = s.Office.Get(ctx, args[0])
				if err != nil {
					return err
				}
				v.Attachments, err = s.Office.Attachments(ctx, args[0])
				if err != nil {
					return err
				}
				v.Steps, err = s.Office.Steps(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(v)
				}
				fmt.Printf("%s  %s  %s  %s\n%s %s signs %s for %s\n", v.ID, v.State, v.Symbol, v.Name, v.Form, v.SignerID, v.Kind, v.AgencyID)
				for _, a := range v.Attachments {
					fmt.Printf("attachment %d: %s, %d bytes, sealed: %v\n", a.Position, a.Name, a.Size, a.SealedSHA256 != "")
				}
				rows := [][]string{}
				for _, step := range v.Steps {
					rows = append(rows, []string{step.At.Local().Format(time.DateTime), step.Move, string(step.State), step.AccountID, fmt.Sprint(step.LedgerAt), step.Reason})
				}
				return table(os.Stdout, []string{"AT", "MOVE", "STATE", "ACCOUNT", "LEDGER", "REASON"}, rows)
			})
		},
	}
}
