package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm"
)

// maxCertificate bounds the file of a certificate.
const maxCertificate = 64 << 10

func (e *env) hsmKey() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Keys of the tokens"}
	cmd.AddCommand(e.hsmKeyList(), e.hsmKeyGenerate(), e.hsmKeyCertificate())
	return cmd
}

func (e *env) hsmKeyList() *cobra.Command {
	return &cobra.Command{
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
}

func (e *env) hsmKeyGenerate() *cobra.Command {
	var key hsm.NewKey
	cmd := &cobra.Command{
		Use: "generate LABEL", Short: "Make a key in a token", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				key.Label = args[0]
				public, err := s.Custody.Generate(ctx, key)
				if err != nil {
					return err
				}
				return e.show(map[string]string{"label": args[0], "algorithm": hsm.AlgorithmOf(public)}, "key %s: %s\n", args[0], hsm.AlgorithmOf(public))
			})
		},
	}
	cmd.Flags().StringVar(&key.Algorithm, "algorithm", "EC-P256", strings.Join(hsm.Algorithms(), ", "))
	cmd.Flags().StringVar(&key.Token, "token", "", "the token; the first active one when empty")
	cmd.Flags().BoolVar(&key.Backup, "backup", false, "the key may leave the token encrypted (antin hsm backup); cannot be decided later")
	return cmd
}

func (e *env) hsmKeyCertificate() *cobra.Command {
	return &cobra.Command{
		Use: "import-certificate LABEL FILE", Short: "Keep a certificate (PEM or DER) beside its key in the token", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			der, err := readCertificate(args[1])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				err := s.Custody.ImportCertificate(ctx, args[0], der)
				if err != nil {
					return err
				}
				return e.show(map[string]string{"label": args[0]}, "certificate of key %s is in the token\n", args[0])
			})
		},
	}
}

// readCertificate reads one certificate in PEM or DER.
func readCertificate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxCertificate+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(raw) > maxCertificate {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", errUse, path, maxCertificate)
	}
	block, _ := pem.Decode(raw)
	if block != nil {
		return block.Bytes, nil
	}
	return raw, nil
}
