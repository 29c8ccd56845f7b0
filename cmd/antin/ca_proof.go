package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/trust"
)

// maxProofFile bounds a proof: an entry, a checkpoint and at most 63 hashes.
const maxProofFile = 256 << 10

func (e *env) caProof() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "proof SERIAL", Short: "Write the proof that a certificate stands in the ledger", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			serial, ok := new(big.Int).SetString(strings.ReplaceAll(args[0], ":", ""), 16)
			if !ok {
				return fmt.Errorf("%w: %q is not a serial number in hex", errUse, args[0])
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				proof, err := s.CA.Proof(ctx, profile.FormatSerial(serial))
				if err != nil {
					return err
				}
				text, err := json.MarshalIndent(proof, "", "  ")
				if err != nil {
					return err
				}
				return writeOut(out, append(text, '\n'))
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file; standard output without it")
	return cmd
}

func (e *env) ledgerVerifyProof() *cobra.Command {
	var vkey, certificate string
	cmd := &cobra.Command{
		Use: "verify-proof FILE", Short: "Verify the proof of a certificate off-line", Args: cobra.ExactArgs(1),
		Long: "Verify a proof of antin ca proof or of /proof/SERIAL.json with nothing but the ledger's verifier key, off-line.\n" +
			"Exit status 1: the proof does not hold.",
		RunE: func(_ *cobra.Command, args []string) error { return e.verifyProof(args[0], vkey, certificate) },
	}
	cmd.Flags().StringVar(&vkey, "vkey", "", "the ledger's verifier key that you were given, or a file with it; without it that of the data folder")
	cmd.Flags().StringVar(&certificate, "certificate", "", "the certificate (PEM) that it must be of")
	return cmd
}

func (e *env) verifyProof(path, vkey, certificate string) error {
	text, err := readBounded(path, maxProofFile)
	if err != nil {
		return err
	}
	var proof ca.CertificateProof
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err = dec.Decode(&proof)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	vkey, err = e.verifierKey(vkey)
	if err != nil {
		return err
	}
	var der []byte
	if certificate != "" {
		pem, err := readBounded(certificate, maxChainFile)
		if err != nil {
			return err
		}
		certs, err := trust.ParsePEM(pem)
		if err != nil {
			return fmt.Errorf("%s: %w", certificate, err)
		}
		der = certs[0].Raw
	}
	entry, err := ca.VerifyCertificateProof(&proof, vkey, der)
	if errors.Is(err, ca.ErrProof) || errors.Is(err, ledger.ErrProof) {
		fmt.Println("NOT VERIFIED:", err)
		return answer(exitNo)
	}
	if err != nil {
		return err
	}
	return e.show(map[string]any{"verified": true, "index": proof.Ledger.Index, "tree_size": proof.Ledger.TreeSize, "entry": entry},
		"verified: certificate %s is entry %d of %d, %s\n", proof.Serial, proof.Ledger.Index, proof.Ledger.TreeSize, entry.Time.Format("2006-01-02T15:04:05Z07:00"))
}

// verifierKey is a verifier key given as text or as a file, or that of the data
// folder.
func (e *env) verifierKey(given string) (string, error) {
	path := filepath.Join(e.data, app.LedgerDir, ledger.VKeyFile)
	if given != "" {
		_, err := os.Stat(given)
		if err != nil {
			return given, nil
		}
		path = given
	}
	text, err := readBounded(path, maxProofFile)
	return strings.TrimSpace(string(text)), err
}
