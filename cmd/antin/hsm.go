package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm"
)

func (e *env) hsmCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hsm", Short: "The token and its keys"}
	key := &cobra.Command{Use: "key", Short: "Keys of the token"}
	list := &cobra.Command{
		Use: "list", Short: "List the keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				keys, err := s.ListKeys(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(keys)
				}
				rows := [][]string{}
				for _, k := range keys {
					rows = append(rows, []string{k.Label, k.Algorithm, k.Name, k.Holder, k.Until})
				}
				return table(os.Stdout, []string{"LABEL", "ALGORITHM", "NAME", "HOLDER", "CERTIFICATE UNTIL"}, rows)
			})
		},
	}
	var algorithm string
	var forBackup bool
	generate := &cobra.Command{
		Use: "generate LABEL", Short: "Make a key in the token", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				public, err := s.Keys.GenerateKey(ctx, hsm.NewKey{Label: args[0], Algorithm: algorithm, Backup: forBackup})
				if err != nil {
					return err
				}
				return e.show(map[string]string{"label": args[0], "algorithm": hsm.AlgorithmOf(public)}, "key %s: %s\n", args[0], hsm.AlgorithmOf(public))
			})
		},
	}
	generate.Flags().StringVar(&algorithm, "algorithm", "EC-P256", "EC-P256, EC-P384, EC-P521, RSA-2048, RSA-3072 or RSA-4096")
	generate.Flags().BoolVar(&forBackup, "backup", false, "a key that can leave the token wrapped, for a backup; it cannot be decided later")
	key.AddCommand(list, generate)
	token := &cobra.Command{
		Use: "token", Short: "State of the token and its key worker", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				health, err := s.Keys.Health(ctx)
				if err != nil {
					return err
				}
				return e.show(health, "token %s (%s): %d keys, %d signatures, worker %d since %s\n", health.Token, health.Serial, health.Keys, health.Signatures, health.PID, health.StartedAt.Format("2006-01-02 15:04:05"))
			})
		},
	}
	cmd.AddCommand(
		e.hsmBackup(),
		e.hsmCeremony(),
		e.hsmCustodian(),
		e.hsmDevice(),
		e.hsmRestore(),
		e.hsmRestoreTest(),
		key,
		token,
	)
	return cmd
}
