package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/directory"
)

// maxDirectory is the most that is read of a directory file.
const maxDirectory = 32 << 20

func (e *env) directoryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "directory", Short: "Agencies, people and positions"}
	cmd.AddCommand(&cobra.Command{
		Use: "import FILE", Short: "Add agencies, people, positions and networks: YAML, or CSV of people with their positions", Args: cobra.ExactArgs(1),
		Long: "Adds what the file holds and the directory does not, all of it or nothing; an entry that is there in another form is an error.\n" +
			"YAML: agencies, people, positions, networks, as in the demonstration's own file. CSV: person,name,email,phone,agency,title,title_en,valid_from.",
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := readLimited(args[0], maxDirectory)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				importer := &directory.Importer{DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Authorizer: s.Policy}
				done, err := importer.Import(ctx, content)
				if err != nil {
					return err
				}
				return e.show(done, "added %d agencies, %d people, %d positions, %d networks; %d were there already\n",
					done.Agencies, done.People, done.Positions, done.Networks, done.Same)
			})
		},
	})
	return cmd
}
