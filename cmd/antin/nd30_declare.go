package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/signer"
)

func (e *env) nd30DeclareCommand() *cobra.Command {
	var reason, passwordFile string
	cmd := &cobra.Command{
		Use: "declare FILE.pdf", Short: "Say that the levels of secrecy on a page list the levels and do not mark the document", Args: cobra.ExactArgs(1),
		Long: "A document that shows several levels of secrecy on a page (MẬT, TỐI MẬT, TUYỆT MẬT, each on a line of its own) is refused as a state\n" +
			"secret, as a mark could hide among them. A leader of the agency who has read it may say that it only lists the levels: that word is kept\n" +
			"in the ledger, holds for the text as it stands, in the leader's agency, and for the signatures of others than the leader.\n" +
			"Exit status 1: the document carries a mark that no list explains, or nothing is to be declared.",
		Example: "  antin nd30 declare quy-che.pdf --reason \"Phụ lục liệt kê các độ mật theo Điều 8 Luật Bảo vệ bí mật nhà nước\" --as binh.nv",
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return fmt.Errorf("%w: say why with --reason", errUse)
			}
			password := ""
			if passwordFile != "" {
				text, err := documentPassword(passwordFile)
				if err != nil {
					return err
				}
				password = text
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				l, err := s.Signer.DeclareLevels(ctx, f, info.Size(), password, reason)
				if errors.Is(err, signer.ErrRequest) || errors.Is(err, signer.ErrSecret) {
					fmt.Fprintf(os.Stderr, "antin: %s: %v\n", args[0], err)
					return answer(exitNo)
				}
				if err != nil {
					return err
				}
				return e.show(l, "%s: %s on page %d is declared part of a list; ledger %d\n", args[0], l.Level, l.Page, l.LedgerAt)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password that opens an encrypted document")
	return cmd
}
