package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/signer"
)

func (e *env) extendCommand() *cobra.Command {
	var out, level, password, content string
	cmd := &cobra.Command{
		Use:   "extend IN -o OUT",
		Short: "Raise a signed PDF, CMS, XML or ASiC file to B-LT or B-LTA, or renew its archive time-stamp",
		Long: "Add what keeps signatures provable after their certificates end: validation data (B-LT) and an archive time-stamp over it (B-LTA):\n" +
			"in a PDF a document time-stamp, in CMS an archive-time-stamp-v3, in XML an ArchiveTimeStamp, in an ASiC container in each of its\n" +
			"signatures. On a file that is at B-LTA the archive time-stamp is renewed. Whoever signed it, every signature must be TOTAL-PASSED now.\n" +
			"The input is never changed; an extended PDF begins with its bytes. A detached signature (.p7s) is extended beside the file that\n" +
			"--content names, or the one beside it without .p7s.",
		Example: "  antin extend signed.pdf -o archived.pdf\n" +
			"  antin extend archived.pdf -o archived.2036.pdf --level B-LTA\n" +
			"  antin extend du-lieu.csv.p7s -o du-lieu.archived.p7s",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is needed", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				result, err := extendFile(ctx, s, args[0], out, level, password, content)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(result)
				}
				fmt.Printf("%s: extended to %s: %d signatures, %d time-stamps added, %d certificates, %d OCSP responses, %d CRLs; ledger %d\n",
					out, result.Act.Level, result.Signatures, len(result.Stamps), result.Certificates, result.OCSPs, result.CRLs, result.Act.ReleaseIndex)
				return nil
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "the extended file")
	cmd.Flags().StringVar(&level, "level", "B-LTA", "B-LT or B-LTA")
	cmd.Flags().StringVar(&content, "content", "", "the file that a detached signature is over")
	cmd.Flags().StringVar(&password, "password-file", "", "file with the password that opens an encrypted document")
	return cmd
}

func extendFile(ctx context.Context, s *app.System, in, out, level, password, content string) (*signer.ExtendResult, error) {
	q := signer.ExtendRequest{Level: level, Factor: signer.FactorLocal, Name: filepath.Base(in)}
	if password != "" {
		text, err := documentPassword(password)
		if err != nil {
			return nil, err
		}
		q.Password = text
	}
	file, size, err := openInput(in, out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	q.In, q.Size = file, size
	if content == "" {
		content = contentBeside(in)
	}
	if content != "" {
		signed, size, err := openInput(content, out)
		if err != nil {
			return nil, err
		}
		defer func() { _ = signed.Close() }()
		q.Content, q.ContentSize = signed, size
	}
	result, err := s.Signer.Extend(ctx, q, out)
	if errors.Is(err, signer.ErrRequest) {
		return nil, fmt.Errorf("%w: %w", errUse, err)
	}
	if err != nil {
		return nil, fmt.Errorf("extend %s: %w", in, err)
	}
	return result, nil
}
