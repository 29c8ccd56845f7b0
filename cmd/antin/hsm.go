package main

import "github.com/spf13/cobra"

func (e *env) hsmCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hsm", Short: "Tokens and their keys"}
	cmd.AddCommand(
		e.hsmBackup(),
		e.hsmCeremony(),
		e.hsmCustodian(),
		e.hsmDevice(),
		e.hsmKey(),
		e.hsmRestore(),
		e.hsmRestoreTest(),
		e.hsmToken(),
	)
	return cmd
}
