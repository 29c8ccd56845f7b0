package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/offline"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/trust"
)

// maxChainFile bounds a file of certificates that is read.
const maxChainFile = 1 << 20

// withAuthorities opens the authorities of the data folder, lets f act on them
// as the account of --as, and closes it.
func (e *env) withAuthorities(ctx context.Context, f func(ctx context.Context, a *ca.Authorities) error) error {
	s, a, err := app.OpenAuthorities(ctx, app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()})
	if err != nil {
		return err
	}
	ctx, err = e.actor(ctx, s)
	if err == nil {
		err = f(ctx, a)
	}
	closed := s.Close()
	if closed != nil && e.verbose {
		fmt.Fprintln(os.Stderr, "antin: close:", closed)
	}
	return err
}

func (e *env) caRoot() *cobra.Command {
	cmd := &cobra.Command{
		Use: "root", Short: "Roots: outside ones, one on a machine of its own, cross-certificates, the next generation",
		Long: "Roots. On a machine that holds only a root (ca.root: only in its configuration):\n" +
			"  antin ca root show REQUEST\n" +
			"  antin ca root sign REQUEST --digest HEX -o ANSWER\n" +
			"For an issuing authority under an outside root:\n" +
			"  antin ca root export-csr NAME -o FILE\n" +
			"  antin ca root import NAME CHAIN.pem",
	}
	cmd.AddCommand(e.caRootExportCSR(), e.caRootImport(), e.caRootShow(), e.caRootSign(), e.caRootCross(), e.caRootCertificate(),
		e.caRollover("rollover", "Make the next generation of the root; it and the one before certify each other",
			func(ctx context.Context, a *ca.Authorities, _ string) (*ca.AuthorityInfo, error) {
				return a.Rollover(ctx, "root")
			}, false),
		e.caRollover("switch", "Let the next generation of the root certify from now on",
			func(ctx context.Context, a *ca.Authorities, _ string) (*ca.AuthorityInfo, error) {
				return a.Switch(ctx, "root")
			}, false))
	return cmd
}

func (e *env) caIssuer() *cobra.Command {
	cmd := &cobra.Command{
		Use: "issuer", Short: "Issuing authorities: list, request to a root elsewhere, import, the next generation",
		Long: "Issuing authorities. With the root on another machine (ca.root: away in the configuration):\n" +
			"  antin init\n" +
			"  antin ca issuer request -o REQUEST        carry it there, compare the digest\n" +
			"  antin ca issuer import ANSWER --root-sha256 HEX\n" +
			"  antin init\n" +
			"The same way brings revocations there and the root's list back, at least every 180 days.",
	}
	cmd.AddCommand(e.caIssuerList(), e.caIssuerRequest(), e.caIssuerImport(),
		e.caRollover("rollover LINE", "Make the next generation of a line (official, service, tsa): it serves, and issues from switch on",
			func(ctx context.Context, a *ca.Authorities, line string) (*ca.AuthorityInfo, error) {
				return a.Rollover(ctx, line)
			}, true),
		e.caRollover("switch LINE", "Let the next generation of a line issue from now on",
			func(ctx context.Context, a *ca.Authorities, line string) (*ca.AuthorityInfo, error) {
				return a.Switch(ctx, line)
			}, true))
	return cmd
}

func (e *env) caIssuerList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the authorities of every generation, roots with them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				list, err := a.List(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, i := range list {
					until := ""
					if i.NotAfter != nil {
						until = i.NotAfter.Format("2006-01-02")
					}
					rows = append(rows, []string{i.Name, i.Kind, i.Line, string(i.State), string(i.Custody), until, i.Subject, i.Anchor})
				}
				return table(os.Stdout, []string{"NAME", "KIND", "LINE", "STATE", "KEY", "UNTIL", "SUBJECT", "ANCHOR"}, rows)
			})
		},
	}
}

func (e *env) caRollover(use, short string, act func(context.Context, *ca.Authorities, string) (*ca.AuthorityInfo, error), line bool) *cobra.Command {
	args := cobra.NoArgs
	if line {
		args = cobra.ExactArgs(1)
	}
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				info, err := act(ctx, a, name)
				if err != nil {
					return err
				}
				return e.showAuthority(info)
			})
		},
	}
}

func (e *env) showAuthority(info *ca.AuthorityInfo) error {
	if info.State == ca.AuthorityWaiting {
		return e.show(info, "%s %s: its key is made, it waits for its certificate: antin ca issuer request, or antin ca root export-csr %s\n", info.Kind, info.Name, info.Name)
	}
	return e.show(info, "%s %s: %s, %s, until %s, SHA-256 %s\nA running system takes it up when it is started again.\n",
		info.Kind, info.Name, info.State, info.Subject, info.NotAfter.Format("2006-01-02"), info.SHA256)
}

func (e *env) caRootExportCSR() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export-csr NAME", Short: "Write the PKCS#10 request of an authority, for an outside root", Args: cobra.ExactArgs(1),
		Long: "Write the PKCS#10 request of an authority, for an outside root. NAME is an authority that exists (the outside\n" +
			"certificate then stands beside its own), one that waits, or the next generation of a line, such as official-g2.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				text, err := a.ExportCSR(ctx, args[0])
				if err != nil {
					return err
				}
				return writeOut(out, text)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file; standard output without it")
	return cmd
}

func (e *env) caRootImport() *cobra.Command {
	return &cobra.Command{
		Use: "import NAME CHAIN.pem", Short: "Take the certificate that an outside root made for an authority, with its chain", Args: cobra.ExactArgs(2),
		Long: "Take the certificate that an outside root made for an authority, with its chain up to the self-signed root, as PEM.\n" +
			"The outside root becomes a trust anchor of this system: look at its fingerprint first.",
		RunE: func(cmd *cobra.Command, args []string) error {
			chain, err := readBounded(args[1], maxChainFile)
			if err != nil {
				return err
			}
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				info, err := a.ImportChain(ctx, args[0], chain)
				if err != nil {
					return err
				}
				return e.showAuthority(info)
			})
		},
	}
}

func (e *env) caRootShow() *cobra.Command {
	return &cobra.Command{
		Use: "show REQUEST", Short: "Show what a request to the root asks for, and its digest", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := readBounded(args[0], offline.MaxFile)
			if err != nil {
				return err
			}
			r, _, digest, err := offline.OpenRequest(file)
			if err != nil {
				return err
			}
			if e.json {
				return printJSON(map[string]any{"digest": digest, "request": r})
			}
			fmt.Printf("request by %s at %s for the centre %s\n", r.CreatedBy, r.CreatedAt.Format("2006-01-02T15:04:05Z07:00"), r.BaseURL)
			for _, c := range r.Certificates {
				fmt.Printf("  certify  %s: %s, profile %s\n", c.Authority, c.Facts.MachineName, c.Profile)
			}
			for _, c := range r.Revocations {
				fmt.Printf("  revoked  %s: %s at %s\n", c.Serial, c.Cause, c.At.Format("2006-01-02"))
			}
			fmt.Printf("  list     for %d days\ndigest   %s\n", r.ListDays, digest)
			return nil
		},
	}
}

func (e *env) caRootSign() *cobra.Command {
	var digest, out string
	cmd := &cobra.Command{
		Use: "sign REQUEST", Short: "Sign what a request asks for, on the root's machine", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if digest == "" {
				return fmt.Errorf("%w: --digest is what the people of the centre told you; antin ca root show %s shows that of the file", errUse, args[0])
			}
			file, err := readBounded(args[0], offline.MaxFile)
			if err != nil {
				return err
			}
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				answer, err := a.AnswerRequest(ctx, file, strings.ToLower(digest))
				if err != nil {
					return err
				}
				return writeOut(out, answer)
			})
		},
	}
	cmd.Flags().StringVar(&digest, "digest", "", "digest of the request, as told by the people of the centre")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file of the answer; standard output without it")
	return cmd
}

func (e *env) caRootCross() *cobra.Command {
	var by, outside, out string
	cmd := &cobra.Command{
		Use: "cross [NAME] --by ROOT", Short: "Certify another root (by its name) or an outside authority (--certificate)", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if by == "" || (len(args) == 1) == (outside != "") {
				return fmt.Errorf("%w: antin ca root cross NAME --by ROOT, or antin ca root cross --certificate FILE --by ROOT", errUse)
			}
			name := strings.Join(args, "")
			var cert *x509.Certificate
			if outside != "" {
				text, err := readBounded(outside, maxChainFile)
				if err != nil {
					return err
				}
				certs, err := trust.ParsePEM(text)
				if err != nil {
					return err
				}
				cert = certs[0]
			}
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				made, err := a.Cross(ctx, name, cert, by)
				if err != nil {
					return err
				}
				return writeOut(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Raw}))
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "the root that certifies")
	cmd.Flags().StringVar(&outside, "certificate", "", "the self-signed certificate of an outside authority, PEM")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file; standard output without it")
	return cmd
}

func (e *env) caRootCertificate() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "certificate NAME", Short: "Write the certificate of an authority as PEM, also before the system is complete", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				cert, err := a.Certificate(ctx, args[0])
				if err != nil {
					return err
				}
				return writeOut(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file; standard output without it")
	return cmd
}

func (e *env) caIssuerRequest() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "request -o FILE", Short: "Write the request to a root on another machine: authorities to certify, revocations", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return fmt.Errorf("%w: antin ca issuer request -o FILE", errUse)
			}
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				file, digest, err := a.RequestRoot(ctx)
				if err != nil {
					return err
				}
				err = os.WriteFile(out, file, 0o600)
				if err != nil {
					return err
				}
				return e.show(map[string]string{"file": out, "digest": digest}, "request in %s; tell the people at the root's machine its digest, not by the same way as the file:\n%s\n", out, digest)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file")
	return cmd
}

func (e *env) caIssuerImport() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use: "import ANSWER", Short: "Take the answer of the root's machine", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root = strings.ToLower(strings.ReplaceAll(root, ":", ""))
			_, err := hex.DecodeString(root)
			if err != nil {
				return fmt.Errorf("%w: --root-sha256 %q is not hex", errUse, root)
			}
			file, err := readBounded(args[0], offline.MaxFile)
			if err != nil {
				return err
			}
			return e.withAuthorities(cmd.Context(), func(ctx context.Context, a *ca.Authorities) error {
				infos, err := a.ImportAnswer(ctx, file, root)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(infos)
				}
				for _, i := range infos {
					fmt.Printf("%s %s: %s, under %s, until %s\n", i.Kind, i.Name, i.State, i.Anchor, i.NotAfter.Format("2006-01-02"))
				}
				fmt.Println("the root's list is taken; run antin init to make what is missing, and start the system again")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&root, "root-sha256", "", "SHA-256 of the root's certificate, compared at its machine; needed the first time")
	return cmd
}

// writeOut writes to a file, or to standard output without one.
func writeOut(path string, text []byte) error {
	if path == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
