package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm/backup"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/hsm/custodian"
)

// maxBackup bounds a backup file that is read.
const maxBackup = 64 << 20

func (e *env) hsmBackup() *cobra.Command {
	var out, holders string
	var quorum int
	var labels []string
	cmd := &cobra.Command{
		Use: "backup --out DIR --holders FILE.yaml", Short: "Back up keys, wrapped in the token, with a share for each custodian", Args: cobra.NoArgs,
		Long: "Backs up the keys that were made for it (antin hsm key generate --backup, or backup: true in a ceremony). Writes DIR/ID.backup and\n" +
			"DIR/CUSTODIAN.share, each encrypted to its custodian. The custodians and the quorum are those of the file of a ceremony (--holders).\n" +
			"The custodians need not be present; with a signed transcript it is a ceremony of kind backup.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" || holders == "" {
				return fmt.Errorf("%w: --out and --holders are needed", errUse)
			}
			script, err := readScript(holders)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				b, err := s.Backup(ctx, labels, script.Custodians, quorum)
				if err != nil {
					return err
				}
				err = writeBackup(out, b)
				if err != nil {
					return err
				}
				return e.show(b.Header, "backup %s: %d keys, opened by %d of %d shares, in %s\n", b.Header.ID, b.Header.Count, b.Header.Quorum, len(b.Header.Shares), out)
			})
		},
	}
	cmd.AddCommand(e.backupShow())
	cmd.Flags().StringVar(&out, "out", "", "folder, new or empty")
	cmd.Flags().StringVar(&holders, "holders", "", "file of a ceremony whose custodians get the shares")
	cmd.Flags().IntVar(&quorum, "quorum", 0, "how many shares open it (default: the file's)")
	cmd.Flags().StringSliceVar(&labels, "key", nil, "labels of the keys (default: all that were made for backup)")
	return cmd
}

// writeBackup writes the shares and, last, the file, into a folder of their own.
func writeBackup(dir string, b *backup.Backup) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("folder %s is not empty; name a new one", dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, s := range b.Shares {
		err = writeSecret(filepath.Join(dir, s.Custodian+fileShare), s.File)
		if err != nil {
			return err
		}
	}
	return writeSecret(filepath.Join(dir, b.Header.ID+".backup"), b.File)
}

// shareFlags are the flags by which shares are brought.
type shareFlags struct {
	keys, shares string
	present      []string
}

func (f *shareFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.keys, "keys", ".", "folder with the custodians' key files NAME.key")
	cmd.Flags().StringVar(&f.shares, "shares", "", "folder with the shares NAME.share (default: the folder of the backup)")
	cmd.Flags().StringSliceVar(&f.present, "present", nil, "names of the custodians present")
}

// open reads a backup and opens the shares of the custodians present.
func (f *shareFlags) open(ctx context.Context, path string) (*backup.File, []backup.Share, error) {
	if len(f.present) == 0 {
		return nil, nil, fmt.Errorf("%w: --present is needed", errUse)
	}
	text, err := readBounded(path, maxBackup)
	if err != nil {
		return nil, nil, err
	}
	file, err := backup.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	dir := f.shares
	if dir == "" {
		dir = filepath.Dir(path)
	}
	c := &custodians{dir: f.keys}
	var shares []backup.Share
	for _, name := range f.present {
		share, err := openShare(ctx, c, name, filepath.Join(dir, name+fileShare))
		if err != nil {
			return nil, nil, err
		}
		shares = append(shares, share)
	}
	return file, shares, nil
}

func openShare(ctx context.Context, c *custodians, name, path string) (backup.Share, error) {
	err := custodian.CheckName(name)
	if err != nil {
		return backup.Share{}, fmt.Errorf("%w: %w", errUse, err)
	}
	sealed, err := readBounded(path, maxKeyFile)
	if err != nil {
		return backup.Share{}, err
	}
	opened, err := c.Open(ctx, ceremony.Member{Name: name})
	if err != nil {
		return backup.Share{}, fmt.Errorf("custodian %s: %w", name, err)
	}
	return backup.OpenShare(sealed, opened)
}

func (e *env) hsmRestore() *cobra.Command {
	var f shareFlags
	cmd := &cobra.Command{
		Use: "restore FILE.backup --keys DIR --present NAME,…", Short: "Restore the keys of a backup into the token, with the shares of a quorum", Args: cobra.ExactArgs(1),
		Long: "Each restored key signs a challenge, which is verified with the public key that the backup recorded. Nothing is overwritten.\n" +
			"With a signed transcript it is a ceremony of kind restore.",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, shares, err := f.open(cmd.Context(), args[0])
			if err != nil {
				return refused(err)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				restored, err := s.Restore(ctx, file, shares)
				if err != nil {
					return refused(err)
				}
				return e.showRestored(restored, "is back and signs")
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (e *env) hsmRestoreTest() *cobra.Command {
	var f shareFlags
	var out string
	cmd := &cobra.Command{
		Use: "restore-test FILE.backup -o REPORT.pdf --keys DIR --present NAME,…", Short: "Restore a backup into a throw-away token, let each key sign, and report", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is needed", errUse)
			}
			file, shares, err := f.open(cmd.Context(), args[0])
			if err != nil {
				return refused(err)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				restored, pdf, err := s.RestoreTest(ctx, file, shares)
				if err != nil {
					return refused(err)
				}
				err = os.WriteFile(out, pdf, 0o644)
				if err != nil {
					return err
				}
				return e.showRestored(restored, "was restored into a throw-away token and signs")
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file for the signed report (PDF)")
	return cmd
}

// refused tells a quorum or a file that does not fit as the answer no.
func refused(err error) error {
	for _, refusal := range []error{backup.ErrShares, backup.ErrFormat} {
		if errors.Is(err, refusal) {
			fmt.Fprintln(os.Stderr, "antin:", err)
			return answer(exitNo)
		}
	}
	return err
}

func (e *env) showRestored(restored []backup.Restored, what string) error {
	if e.json {
		return printJSON(restored)
	}
	for _, k := range restored {
		fmt.Printf("%s (%s) %s: sha256 %s\n", k.Label, k.Algorithm, what, k.Fingerprint)
	}
	return nil
}

func (e *env) backupShow() *cobra.Command {
	return &cobra.Command{
		Use: "show FILE.backup", Short: "Show what a backup tells without shares", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := readBounded(args[0], maxBackup)
			if err != nil {
				return err
			}
			file, err := backup.Parse(text)
			if err != nil {
				return refused(err)
			}
			if e.json {
				return printJSON(file.Header)
			}
			head, err := json.Marshal(file.Header)
			if err != nil {
				return err
			}
			fmt.Println(string(head))
			return nil
		},
	}
}
