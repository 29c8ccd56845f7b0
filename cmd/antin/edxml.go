package main

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/edxml"
	"github.com/antin-gov/antin/signer/validate"
	"github.com/antin-gov/antin/signer/xades"
)

func (e *env) edxmlCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "edxml", Short: "Envelopes in which agencies exchange documents (QCVN 102:2016/BTTTT)",
		Example: "  antin edxml build thu.json quyet-dinh.pdf -o thu.edxml\n  antin edxml sign thu.edxml -o thu.signed.edxml --key demo-agency\n" +
			"  antin edxml verify thu.signed.edxml\n  antin edxml status thu.signed.edxml -o tra-loi.edxml --code 02 --reason 'Chữ ký hết hạn' --organ 28.22.H17 --name 'Sở Nội vụ'",
	}
	cmd.AddCommand(e.edxmlBuild(), e.edxmlSign(), e.edxmlVerify(), e.edxmlStatus(), e.edxmlRefuse(), e.edxmlWithdraw(), e.edxmlExtract())
	return cmd
}

func outFlag(cmd *cobra.Command, out *string, what string) {
	cmd.Flags().StringVarP(out, "out", "o", "", what)
}

func (e *env) edxmlBuild() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "build META.json [FILE…] -o OUT.edxml", Short: "Build an envelope from its description and files", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var envelope edxml.Envelope
			data, err := readUpTo(args[0], 1<<20)
			if err != nil {
				return err
			}
			err = json.Unmarshal(data, &envelope)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", errUse, args[0], err)
			}
			for _, name := range args[1:] {
				content, err := readUpTo(name, xades.MaxBytes)
				if err != nil {
					return err
				}
				envelope.Attachments = append(envelope.Attachments, edxml.Attachment{Name: filepath.Base(name), Description: filepath.Base(name), Data: content})
			}
			made, err := envelope.Write()
			return writeMade(out, made, err)
		},
	}
	outFlag(cmd, &out, "the envelope")
	return cmd
}

// writeMade writes a message, or says what it lacks as wrong use.
func writeMade(out string, data []byte, err error) error {
	if errors.Is(err, edxml.ErrInvalid) || errors.Is(err, edxml.ErrLimit) {
		return fmt.Errorf("%w: %w", errUse, err)
	}
	if err != nil {
		return err
	}
	if out == "" {
		return fmt.Errorf("%w: --out is needed", errUse)
	}
	err = os.WriteFile(out, data, 0o644)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, not signed\n", out, len(data))
	return nil
}

func readUpTo(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", errUse, name, info.Size(), most)
	}
	return os.ReadFile(name)
}

func readMessage(name string) (*edxml.Message, error) {
	data, err := readUpTo(name, xades.MaxBytes)
	if err != nil {
		return nil, err
	}
	m, err := edxml.Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func (e *env) edxmlSign() *cobra.Command {
	f := signFlags{format: string(signer.FormatXAdES), packaging: string(signer.PackagingEnveloped)}
	cmd := &cobra.Command{
		Use: "sign IN.edxml -o OUT.edxml --key NAME", Short: "Sign an envelope or a status inside its header", Args: cobra.ExactArgs(1),
		Long: "Sign an envelope or a status inside its header (XAdES; RSA or ECDSA with SHA-256).\n" +
			"An agency's key signs an envelope only when every PDF in it carries a person's valid signature.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.out == "" || f.key == "" {
				return fmt.Errorf("%w: --out and --key are needed", errUse)
			}
			_, err := readMessage(args[0])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if f.scheme == "" {
					f.scheme, err = exchangeScheme(ctx, s, f.key)
					if err != nil {
						return err
					}
				}
				act, err := signFile(ctx, s, f, args[0], f.out)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(act)
				}
				fmt.Printf("%s: signed %s %s by certificate %s; ledger %d\n", f.out, act.Level, act.Scheme, act.CertificateSerial, act.ReleaseIndex)
				return nil
			})
		},
	}
	outFlag(cmd, &f.out, "the signed envelope")
	cmd.Flags().StringVar(&f.key, "key", "", "name of the key")
	cmd.Flags().StringVar(&f.level, "level", "B-LT", "B-B, B-T, B-LT or B-LTA")
	cmd.Flags().StringVar(&f.scheme, "scheme", "", "rsa-pkcs1 (default of RSA keys, as other systems read it) or rsa-pss")
	return cmd
}

// exchangeScheme is how a key signs what other systems read: PKCS#1 v1.5 for
// RSA, the only RSA signature that QCVN 102:2016 envelopes in use carry.
func exchangeScheme(ctx context.Context, s *app.System, key string) (string, error) {
	entry, err := s.Register.Get(ctx, key)
	if err != nil {
		return "", err
	}
	chain, err := entry.Certificates()
	if err != nil {
		return "", err
	}
	_, isRSA := chain[0].PublicKey.(*rsa.PublicKey)
	if isRSA {
		return string(signer.SchemePKCS1), nil
	}
	return "", nil
}

// edxmlResult is what is known of one message.
type edxmlResult struct {
	File string `json:"file"`
	*edxml.Message
	Verdict validate.Verdict `json:"verdict"`
	Report  *validate.Report `json:"report"`
}

func (e *env) edxmlVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use: "verify FILE…", Short: "Verify envelopes and tell what they carry", Args: cobra.MinimumNArgs(1),
		Long: "Verify the signatures of envelopes and tell what they carry. RSA-SHA1 is told as weak and is never enough.\n" +
			"Exit status 0: all TOTAL-PASSED; 1: any TOTAL-FAILED or without a signature; 4: any INDETERMINATE; 3: not readable.",
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := e.verifyOptions(cmd.Context(), f)
			if err != nil {
				return err
			}
			defer options.close()
			results, status := []edxmlResult{}, exitDone
			for _, name := range args {
				m, err := readMessage(name)
				if err != nil {
					fmt.Fprintf(os.Stderr, "antin: %v\n", err)
					status = worse(status, exitCould)
					continue
				}
				report, err := verifyFile(cmd.Context(), name, "", options.Options)
				if err != nil {
					return err
				}
				r := edxmlResult{File: name, Message: m, Verdict: report.Verdict, Report: report}
				status = worse(status, report.ExitCode())
				if len(report.Signatures) == 0 {
					status = worse(status, exitNo)
				}
				results = append(results, r)
				if !e.json {
					printMessage(r)
				}
			}
			if e.json {
				err = printJSON(results)
				if err != nil {
					return err
				}
			}
			if status != exitDone {
				return answer(status)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&f.trust, "trust", "", "folder with CA certificates (root-*.pem are anchors) instead of the system's own")
	cmd.Flags().StringVar(&f.at, "at", "", "judge as of this time (RFC 3339)")
	return cmd
}

func printMessage(r edxmlResult) {
	switch {
	case r.Status != nil:
		fmt.Printf("%s: %s: status %s %s of %s, from %s", r.File, r.Verdict, r.Status.Code, r.Status.Code.Text(), r.Status.Answers.DocumentID, r.Status.From.Name)
		if r.Status.Reason != "" {
			fmt.Printf(": %s", r.Status.Reason)
		}
		fmt.Println()
	case r.Envelope != nil:
		v := r.Envelope
		what := map[edxml.Business]string{edxml.New: "new", edxml.Withdraw: "withdraws " + v.About, edxml.Update: "updates " + v.About, edxml.Replace: "replaces " + v.About}[v.Business]
		fmt.Printf("%s: %s: %s %s/%s of %s, %s, from %s to %d, %d files\n", r.File, r.Verdict, v.TypeName, v.Number, v.Notation, v.Date, what, v.From.Name, len(v.To), len(v.Attachments))
	}
	if !r.Signed {
		fmt.Println("  no signature")
	}
	for _, weak := range r.Weak {
		fmt.Printf("  weak: %s\n", weak)
	}
}

func (e *env) edxmlStatus() *cobra.Command {
	var out, code, reason string
	var from edxml.Organ
	cmd := &cobra.Command{
		Use: "status IN.edxml -o OUT.edxml --code CODE --organ ID --name NAME", Short: "Answer an envelope: receipt, refusal with a reason, progress", Args: cobra.ExactArgs(1),
		Long: "Answer an envelope. Codes: 01 arrived, 02 refused (with --reason), 03 taken in, 04 assigned, 05 being worked on, 06 done,\n" +
			"13 asked back, 15 given back, 16 not given back (with --reason). The answer is not signed yet: antin edxml sign.",
		RunE: func(_ *cobra.Command, args []string) error {
			return answerEnvelope(args[0], out, from, edxml.StatusCode(code), reason)
		},
	}
	outFlag(cmd, &out, "the answer")
	cmd.Flags().StringVar(&code, "code", string(edxml.Arrived), "what became of the document")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for a refusal")
	organFlags(cmd, &from)
	return cmd
}

func (e *env) edxmlWithdraw() *cobra.Command {
	var out, reason string
	cmd := &cobra.Command{
		Use: "withdraw IN.edxml -o OUT.edxml --reason TEXT", Short: "Take back an envelope that was sent", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := readMessage(args[0])
			if err != nil {
				return err
			}
			if m.Envelope == nil {
				return fmt.Errorf("%w: %s is a status", errUse, args[0])
			}
			var made []byte
			back, err := m.Envelope.Withdrawal(reason)
			if err == nil {
				made, err = back.Write()
			}
			return writeMade(out, made, err)
		},
	}
	outFlag(cmd, &out, "the withdrawal")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func (e *env) edxmlExtract() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "extract IN.edxml -o DIR", Short: "Write the files of an envelope into a folder; existing ones are not overwritten", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := readMessage(args[0])
			if err != nil {
				return err
			}
			if m.Envelope == nil || out == "" {
				return fmt.Errorf("%w: an envelope with files and --out are needed", errUse)
			}
			err = os.MkdirAll(out, 0o755)
			if err != nil {
				return err
			}
			for _, a := range m.Envelope.Attachments {
				name := filepath.Join(out, filepath.Base(filepath.Clean("/"+a.Name)))
				f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
				if err != nil {
					return err
				}
				_, err = f.Write(a.Data)
				err = errors.Join(err, f.Close())
				if err != nil {
					return fmt.Errorf("write %s: %w", name, err)
				}
				fmt.Printf("%s: %d bytes\n", name, len(a.Data))
			}
			return nil
		},
	}
	outFlag(cmd, &out, "the folder")
	return cmd
}
