package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/config"
)

func (e *env) accountCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: "Accounts of people"}
	list := &cobra.Command{
		Use: "list", Short: "List the accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				accounts, err := s.Accounts.List(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(accounts)
				}
				rows := [][]string{}
				for _, a := range accounts {
					rows = append(rows, []string{a.ID, a.PersonID, a.AgencyID, a.RoleList})
				}
				return table(os.Stdout, []string{"ACCOUNT", "PERSON", "AGENCY", "ROLES"}, rows)
			})
		},
	}
	var n auth.NewAccount
	create := &cobra.Command{
		Use: "create ACCOUNT", Short: "Make an account; prints the otpauth URI of its second factor once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				password, err := readPassword(args[0])
				if err != nil {
					return err
				}
				n.ID, n.Password = args[0], password
				uri, err := s.Accounts.Create(ctx, n)
				if err != nil {
					return err
				}
				fmt.Println(uri)
				return nil
			})
		},
	}
	create.Flags().StringVar(&n.PersonID, "person", "", "person of the directory")
	create.Flags().StringVar(&n.AgencyID, "agency", "", "agency of the directory")
	create.Flags().StringSliceVar(&n.Roles, "role", nil, "roles")
	code := &cobra.Command{
		Use: "code ACCOUNT", Short: "The second factor of a demonstration account, now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				code, err := s.Accounts.DemoCode(ctx, args[0])
				if err != nil {
					return err
				}
				fmt.Println(code)
				return nil
			})
		},
	}
	cmd.AddCommand(list, create, code, e.accountToken())
	return cmd
}

func (e *env) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "The configuration"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check", Short: "Check the configuration file and the environment", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				c, err := config.Load(e.data, os.Environ())
				if err != nil {
					fmt.Fprintln(os.Stderr, "antin:", err)
					return answer(exitNo)
				}
				return e.show(c, "configuration of %s is good\n", e.data)
			},
		},
		&cobra.Command{
			Use: "template", Short: "Print the configuration with every key and its default", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := os.Stdout.Write(config.Template())
				return err
			},
		})
	return cmd
}

func (e *env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Version of this program", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			version, golang := "(devel)", ""
			if ok {
				version, golang = info.Main.Version, info.GoVersion
			}
			return e.show(map[string]string{"version": version, "go": golang}, "antin %s %s\n", version, golang)
		},
	}
}

func (e *env) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Make the token, the authorities, the database and the ledger in the data folder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := app.Init(cmd.Context(), app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()}, func(step string) {
				fmt.Fprintln(os.Stderr, "making", step)
			})
			if errors.Is(err, ca.ErrWaiting) {
				// as far as it goes without the root, which is elsewhere
				fmt.Fprintln(os.Stderr, err)
				return nil
			}
			return err
		},
	}
}
