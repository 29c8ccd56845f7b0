package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/appearance"
)

type signFlags struct {
	out, key, level, field, visible, place, image, reason, scheme, batch, password string
	format, packaging                                                              string
	number, copyForm, pages                                                        string
	page, certify                                                                  int
	diameter                                                                       float64
	seal                                                                           bool
	result                                                                         string
	workers                                                                        int
	hash                                                                           string
	own                                                                            tokenFlags
}

func (e *env) signCommand() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign IN -o OUT --key NAME",
		Short: "Sign a PDF (PAdES), XML (XAdES) or any file (CAdES) with a key of the token",
		Long: "Sign a PDF with a key of the token. The input is never changed; the output begins with its bytes.\n" +
			"The document's digest is recorded before the key is used, and the result is read by a second verifier before it leaves.",
		Example: "  antin sign chi-thi.pdf -o chi-thi.signed.pdf --key demo-official\n" +
			"  antin sign chi-thi.signed.pdf -o chi-thi.sealed.pdf --key demo-agency --visible seal\n" +
			"  antin sign hop-dong.pdf -o hop-dong.signed.pdf --key demo-official --visible person --pages all --place 150,270,30,12\n" +
			"  antin sign phu-luc.pdf -o phu-luc.signed.pdf --key demo-official --visible attachment --number 07/CT-UBND\n" +
			"  antin sign du-lieu.csv -o du-lieu.csv.p7s --key demo-official --format cades\n" +
			"  antin sign ho-so.xml -o ho-so.signed.xml --key demo-official --format xades\n" +
			"  antin sign --batch incoming --key demo-official -o signed --result ket-qua.csv\n" +
			"  antin sign chi-thi.pdf -o chi-thi.signed.pdf --pkcs11 /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so --tsa http://127.0.0.1:8080/tsa\n" +
			"  antin sign --batch danh-sach.txt --key demo-official -o signed --format cades",
		Args: func(_ *cobra.Command, args []string) error {
			if (f.batch == "") != (len(args) == 1) {
				return fmt.Errorf("%w: give one file, or a folder or list with --batch", errUse)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.pages != "" && (f.visible == "" || f.page != 0 || f.place == "" && (f.visible == string(appearance.Person) || f.visible == string(appearance.Seal))) {
				return fmt.Errorf("%w: --pages goes with --visible and --place, and stands instead of --page", errUse)
			}
			if f.own.module != "" {
				if f.out == "" || f.seal {
					return fmt.Errorf("%w: --pkcs11 needs --out and does not seal for an agency", errUse)
				}
				if !cmd.Flags().Changed("level") {
					f.level = "" // the highest that is possible without more
				}
				return e.signLocal(cmd.Context(), f, args)
			}
			if f.out == "" || f.key == "" {
				return fmt.Errorf("%w: --out and --key are needed", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if f.batch != "" {
					return e.signBatch(ctx, f, func(ctx context.Context, in, out string) (*signer.Act, error) { return signFile(ctx, s, f, in, out) })
				}
				act, err := signFile(ctx, s, f, args[0], f.out)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(act)
				}
				fmt.Printf("%s: signed %s %s by certificate %s; second reader: %s; ledger %d\n",
					f.out, act.Level, act.Scheme, act.CertificateSerial, act.Opinion, act.ReleaseIndex)
				return nil
			})
		},
	}
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "the signed file, or the folder of --batch")
	cmd.Flags().StringVar(&f.key, "key", "", "name of the key")
	cmd.Flags().StringVar(&f.level, "level", "B-LT", "B-B, B-T, B-LT or B-LTA")
	cmd.Flags().StringVar(&f.format, "format", "pades", "pades; xades for XML; cades or asic for a file of any kind")
	cmd.Flags().StringVar(&f.packaging, "packaging", "", "where the signature stands: detached or attached (cades); enveloped, enveloping or detached (xades)")
	cmd.Flags().StringVar(&f.field, "field", "", "existing signature field, or the name of a new one")
	cmd.Flags().StringVar(&f.visible, "visible", "", "the visible mark: person, seal, attachment, copy or text (NĐ 30/2020, Appendix I)")
	cmd.Flags().StringVar(&f.place, "place", "", "place of the mark: X,Y,WIDTH,HEIGHT in millimetres from the page's top left (default: where the document's own text has it)")
	cmd.Flags().StringVar(&f.image, "image", "", "PNG of the hand-written signature or of the seal; white paper becomes transparent")
	cmd.Flags().Float64Var(&f.diameter, "diameter", 0, "the seal's real diameter in millimetres (default: what the PNG says, else 36)")
	cmd.Flags().StringVar(&f.number, "number", "", "attachment: number and symbol of the document that it belongs to")
	cmd.Flags().StringVar(&f.copyForm, "copy", "", "copy: sao-y, sao-luc or trich-sao")
	cmd.Flags().IntVar(&f.page, "page", 0, "page of the mark, -1 for the last (default: that of the signature block; with --place the first)")
	cmd.Flags().StringVar(&f.pages, "pages", "", "several pages that show the one signature, each at --place: all, or numbers and ranges such as 1,3-5 or 2-last")
	cmd.Flags().StringVar(&f.hash, "hash", "", "digest algorithm: sha256 (default), sha384, sha512, sha3-256, sha3-384 or sha3-512")
	f.own.add(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "reason")
	cmd.Flags().StringVar(&f.scheme, "scheme", "", "rsa-pss (default of RSA keys) or rsa-pkcs1")
	cmd.Flags().IntVar(&f.certify, "certify", 0, "certify with P = 1, 2 or 3")
	cmd.Flags().BoolVar(&f.seal, "seal", false, "the agency's seal: refuse a document that no person has validly signed (always so for an agency's key)")
	cmd.Flags().StringVar(&f.batch, "batch", "", "sign the files of this folder (PDF: *.pdf, enveloped XML: *.xml, else all), or those that this text file lists, into the folder --out")
	cmd.Flags().StringVar(&f.result, "result", "", "batch: write what became of each file to this CSV file")
	cmd.Flags().IntVar(&f.workers, "workers", 2, "batch: files signed at once")
	cmd.Flags().StringVar(&f.password, "password-file", "", "file with the password that opens an encrypted document")
	return cmd
}

func signFile(ctx context.Context, s *app.System, f signFlags, in, out string) (*signer.Act, error) {
	q, err := f.request(filepath.Base(in))
	if err != nil {
		return nil, err
	}
	entry, err := s.Register.Get(ctx, f.key)
	if err != nil {
		return nil, err
	}
	// An agency's key seals; the rules of the seal are not to be forgotten.
	q.Seal = q.Seal || entry.PersonID == ""
	if f.visible != "" {
		chain, err := entry.Certificates()
		if err != nil {
			return nil, err
		}
		q.Visible, err = mark(f, chain[0].Subject.CommonName)
		if err != nil {
			return nil, err
		}
	}
	return signInput(q, in, out, func(q signer.Request) (*signer.Act, error) { return s.Signer.Sign(ctx, q, out) })
}

// request is what the flags ask for, without the document and its mark.
func (f signFlags) request(name string) (signer.Request, error) {
	q := signer.Request{Key: f.key, Level: f.level, Field: f.field, Reason: f.reason, Scheme: signer.Scheme(f.scheme), Certify: f.certify,
		Seal: f.seal, Factor: signer.FactorLocal, Name: name, Format: signer.Format(f.format), Packaging: signer.Packaging(f.packaging)}
	if f.format == "pades" {
		q.Format = signer.FormatPAdES
	}
	if f.hash != "" {
		known := map[string]crypto.Hash{
			"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
			"sha3-256": crypto.SHA3_256, "sha3-384": crypto.SHA3_384, "sha3-512": crypto.SHA3_512,
		}
		h, ok := known[f.hash]
		if !ok {
			return q, fmt.Errorf("%w: --hash %s is not known or too weak", errUse, f.hash)
		}
		q.Hash = h
	}
	if f.password != "" {
		text, err := documentPassword(f.password)
		if err != nil {
			return q, err
		}
		q.Password = text
	}
	return q, nil
}

// signInput lets sign sign the file in into out.
func signInput(q signer.Request, in, out string, sign func(q signer.Request) (*signer.Act, error)) (*signer.Act, error) {
	file, size, err := openInput(in, out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	q.In, q.Size = file, size
	act, err := sign(q)
	if errors.Is(err, signer.ErrRequest) {
		return nil, fmt.Errorf("%w: %w", errUse, err)
	}
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", in, err)
	}
	return act, nil
}

// openInput opens a document that is signed or extended into another file, and
// tells its size in bytes.
func openInput(in, out string) (*os.File, int64, error) {
	file, err := os.Open(in)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil {
		same, missing := os.Stat(out)
		if missing == nil && os.SameFile(info, same) {
			err = fmt.Errorf("%w: the output must be another file than the input", errUse)
		}
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func documentPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the document's password: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// mark is the visible mark that the flags describe, with the holder's name for
// the drawn default.
func mark(f signFlags, holder string) (*appearance.Spec, error) {
	spec, err := preset(f, holder)
	if err != nil {
		return nil, fmt.Errorf("%w: --visible %s: %w", errUse, f.visible, err)
	}
	spec.Time, spec.Name, spec.Diameter = clock.System{}.Now(), holder, f.diameter
	if f.page != 0 {
		spec.Page = f.page
	}
	spec.Pages, err = appearance.ParsePages(f.pages)
	if err != nil {
		return nil, fmt.Errorf("%w: --pages: %w", errUse, err)
	}
	if f.visible == string(appearance.Text) {
		spec.Lines = []string{spec.Name}
	}
	if f.place != "" {
		spec.Box, err = parseBox(f.place)
		if err != nil {
			return nil, err
		}
	}
	if f.image != "" {
		spec.Image, err = os.ReadFile(f.image)
		if err != nil {
			return nil, fmt.Errorf("read image: %w", err)
		}
	}
	return spec, nil
}

// preset is the mark that --visible names.
func preset(f signFlags, holder string) (*appearance.Spec, error) {
	var spec appearance.Spec
	var err error
	switch f.visible {
	case "attachment":
		spec, err = appearance.Attachment(f.number)
	case "copy":
		spec, err = appearance.CopyOf(appearance.Copy(f.copyForm), holder)
	default:
		spec.Preset = appearance.Preset(f.visible)
	}
	return &spec, err
}

// parseBox reads a place in millimetres: X,Y,WIDTH,HEIGHT.
func parseBox(text string) (appearance.Box, error) {
	var v [4]float64
	parts := strings.Split(text, ",")
	if len(parts) != len(v) {
		return appearance.Box{}, fmt.Errorf("%w: --place wants X,Y,WIDTH,HEIGHT", errUse)
	}
	for i, part := range parts {
		var err error
		v[i], err = strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return appearance.Box{}, fmt.Errorf("%w: --place: %w", errUse, err)
		}
	}
	return appearance.Box{X: v[0], Y: v[1], Width: v[2], Height: v[3]}, nil
}
