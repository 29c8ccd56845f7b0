package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/signer/office"
)

func (e *env) officeDelegate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delegate", Short: "The register of who may sign for whom: KT., TM., TL., TUQ., Q. (NĐ 30/2020 Đ13)",
		Long: "Who signs needs an entry: head, TM or Q for the head of the agency; KT, TL or TUQ for whom the head lets sign (--for).\n" +
			"Nobody enters their own. TUQ needs types and an end, and is not given on.",
	}
	cmd.AddCommand(e.delegateAdd(), e.delegateList(), e.delegateRevoke())
	return cmd
}

func (e *env) delegateAdd() *cobra.Command {
	var d office.Delegation
	var form, from, to string
	cmd := &cobra.Command{
		Use: "add", Short: "Enter who may sign", Args: cobra.NoArgs,
		Example: "  antin office delegate add --agency ubnd --form KT --person p-lan --for p-binh --decision \"12/QĐ-UBND\" --until 2031-07-01T00:00:00+07:00",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.Form = office.Form(form)
			if from != "" {
				at, err := parseTime(from)
				if err != nil {
					return err
				}
				d.ValidFrom = at
			}
			if to != "" {
				at, err := parseTime(to)
				if err != nil {
					return err
				}
				d.ValidTo = &at
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				got, err := s.Office.Delegate(ctx, d)
				if errors.Is(err, office.ErrDelegation) {
					return fmt.Errorf("%w: %w", errUse, err)
				}
				if err != nil {
					return err
				}
				return e.show(got, "%s: %s signs %s for %s; ledger %d\n", got.ID, got.PersonID, got.Form, got.AgencyID, got.LedgerIndex)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.AgencyID, "agency", "", "agency whose documents are signed")
	flags.StringVar(&form, "form", "", "head, TM, Q, KT, TL or TUQ")
	flags.StringVar(&d.PersonID, "person", "", "who may sign")
	flags.StringVar(&d.GrantorID, "for", "", "for whom (KT, TL, TUQ)")
	flags.StringVar(&d.Kinds, "kinds", "", "types by their abbreviations, separated by spaces (default: all)")
	flags.StringVar(&d.Decision, "decision", "", "the deciding document")
	flags.StringVar(&from, "from", "", "from when (RFC 3339; default: now)")
	flags.StringVar(&to, "until", "", "until when (RFC 3339)")
	return cmd
}

func (e *env) delegateList() *cobra.Command {
	var agency string
	cmd := &cobra.Command{
		Use: "list", Short: "List the register of an agency", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := s.Office.Delegations(ctx, agency)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, d := range list {
					until := "-"
					if d.ValidTo != nil {
						until = d.ValidTo.Local().Format(time.DateOnly)
					}
					if d.RevokedAt != nil {
						until = "revoked " + d.RevokedAt.Local().Format(time.DateOnly)
					}
					rows = append(rows, []string{d.ID, string(d.Form), d.PersonID, d.GrantorID, d.Kinds, d.ValidFrom.Local().Format(time.DateOnly), until, d.Decision})
				}
				return table(os.Stdout, []string{"ENTRY", "FORM", "PERSON", "FOR", "TYPES", "FROM", "UNTIL", "DECISION"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&agency, "agency", "", "agency")
	return cmd
}

func (e *env) delegateRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke ENTRY", Short: "End an entry at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				d, err := s.Office.Revoke(ctx, args[0], reason)
				if err != nil {
					return err
				}
				return e.show(d, "%s: revoked\n", d.ID)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}
