package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) backupCommand() *cobra.Command {
	var recipients []string
	var passphrase string
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Copy the data folder and its database into one file, while the system runs or not", Args: cobra.ExactArgs(1),
		Long: "Copy the data folder and its database into one file. It holds the keys of a software token: keep it as carefully as those,\n" +
			"or encrypt it (age): --recipient for the key of whoever restores, --passphrase-file for a passphrase.",
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := seals(recipients, passphrase)
			if err != nil {
				return err
			}
			bar := progress(-1, "copying")
			m, err := app.Backup(cmd.Context(), app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()}, args[0], to, func(string) { _ = bar.Add(1) })
			_ = bar.Finish()
			if err != nil {
				return err
			}
			return e.show(m, "%s: %d files, %s, ledger of %d entries\n", args[0], len(m.Files), m.Database, m.Ledger.Size)
		},
	}
	cmd.Flags().StringArrayVar(&recipients, "recipient", nil, "public key of age (age1…) that can open the file; may be given several times")
	cmd.Flags().StringVar(&passphrase, "passphrase-file", "", "file with a passphrase that opens the file")
	return cmd
}

func seals(recipients []string, passphrase string) ([]age.Recipient, error) {
	var list []age.Recipient
	for _, text := range recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fmt.Errorf("%w: --recipient: %w", errUse, err)
		}
		list = append(list, r)
	}
	if passphrase == "" {
		return list, nil
	}
	if len(list) > 0 {
		return nil, fmt.Errorf("%w: either --recipient or --passphrase-file", errUse)
	}
	text, err := readSecret(passphrase)
	if err != nil {
		return nil, err
	}
	r, err := age.NewScryptRecipient(text)
	if err != nil {
		return nil, fmt.Errorf("%w: --passphrase-file: %w", errUse, err)
	}
	return []age.Recipient{r}, nil
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func (e *env) restoreCommand() *cobra.Command {
	var newer, identity, passphrase string
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup into an empty data folder", Args: cobra.ExactArgs(1),
		Long: "Put a backup into an empty data folder. What was recorded after it, revocations above all, is in the ledger: name the newest copy\n" +
			"of the ledger folder with --ledger. The next start replays it before anything is answered.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := opens(identity, passphrase)
			if err != nil {
				return err
			}
			bar := progress(-1, "restoring")
			o := app.RestoreOptions{Options: app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()}, File: args[0], Ledger: newer,
				Identities: ids, Progress: func(string) { _ = bar.Add(1) }}
			r, err := app.Restore(cmd.Context(), o)
			_ = bar.Finish()
			if err != nil {
				return err
			}
			err = e.show(r, "%s: backup of %s restored; ledger of %d entries\n", e.data, r.Manifest.Time.Local().Format("2006-01-02 15:04:05"), r.Ledger.Size)
			if err == nil && newer == "" && !e.json {
				fmt.Println("Without --ledger, what was recorded after the backup is not known here. Only one copy of a ledger may go on: end the old system for good.")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&newer, "ledger", "", "folder with a newer copy of the ledger")
	cmd.Flags().StringVar(&identity, "identity", "", "file with the private key of age")
	cmd.Flags().StringVar(&passphrase, "passphrase-file", "", "file with the passphrase")
	return cmd
}

func opens(identity, passphrase string) ([]age.Identity, error) {
	var list []age.Identity
	if identity != "" {
		f, err := os.Open(filepath.Clean(identity))
		if err != nil {
			return nil, err
		}
		ids, err := age.ParseIdentities(f)
		err = errors.Join(err, f.Close())
		if err != nil {
			return nil, fmt.Errorf("%w: --identity: %w", errUse, err)
		}
		list = append(list, ids...)
	}
	if passphrase != "" {
		text, err := readSecret(passphrase)
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(text)
		if err != nil {
			return nil, fmt.Errorf("%w: --passphrase-file: %w", errUse, err)
		}
		list = append(list, id)
	}
	return list, nil
}
