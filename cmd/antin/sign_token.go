package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/token"
	"github.com/antin-gov/antin/signer/tsp"
)

// tokenFlags say with which token of one's own a file is signed.
type tokenFlags struct {
	module, label, serial, cert, trust, pinFile string
	pinFD                                       int
	tsa                                         []string
	environment                                 map[string]string
}

func (f *tokenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.module, "pkcs11", "", "sign with a token of one's own: path of its PKCS#11 module; needs no data folder")
	cmd.Flags().StringVar(&f.label, "token", "", "pkcs11: label of the token, when the module shows several")
	cmd.Flags().StringVar(&f.serial, "token-serial", "", "pkcs11: serial number of the token")
	cmd.Flags().StringToStringVar(&f.environment, "pkcs11-env", nil, "pkcs11: NAME=VALUE that the module reads from its environment, such as NSS_LIB_PARAMS; no secrets")
	cmd.Flags().StringVar(&f.cert, "cert", "", "pkcs11: PEM file with the certificate and its issuers, when the token has them not")
	cmd.Flags().StringVar(&f.trust, "trust", "", "pkcs11: folder with CA certificates that the signer's must lead to (root-*.pem are anchors)")
	cmd.Flags().StringVar(&f.pinFile, "pin-file", "", "pkcs11: file of mode 0600 with the PIN (default: asked at the terminal)")
	cmd.Flags().IntVar(&f.pinFD, "pin-fd", -1, "pkcs11: open file descriptor from which the PIN is read")
	cmd.Flags().StringSliceVar(&f.tsa, "tsa", nil, "pkcs11: URL of a time-stamping authority; several are tried in turn")
}

// maxTyped bounds a PIN that is read.
const maxTyped = 256

// pin reads the PIN from where it was said, never from an argument; nil when a
// file of the token's own has it.
func (f *tokenFlags) pin() ([]byte, error) {
	if f.pinFile != "" {
		return nil, nil
	}
	if f.pinFD >= 0 {
		file := os.NewFile(uintptr(f.pinFD), "PIN")
		if file == nil {
			return nil, fmt.Errorf("%w: --pin-fd %d is not open", errUse, f.pinFD)
		}
		text, err := io.ReadAll(io.LimitReader(file, maxTyped))
		closed := file.Close()
		if err != nil || closed != nil {
			return nil, fmt.Errorf("%w: --pin-fd: %w", errUse, errors.Join(err, closed))
		}
		return bytes.TrimRight(text, "\r\n"), nil
	}
	return askSecret("PIN of the token (or use --pin-file or --pin-fd)")
}

// localSigner is an open token with what it signs with.
type localSigner struct {
	token *token.Token
	signer.Local
}

// openLocal opens the token and finds key and certificates.
func (e *env) openLocal(ctx context.Context, f signFlags) (*localSigner, error) {
	pin, err := f.own.pin()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t, err := token.Open(ctx, token.Options{
		Module: f.own.module, Label: f.own.label, Serial: f.own.serial, PIN: pin, PINFile: f.own.pinFile,
		Worker: []string{self, app.WorkerCommand}, SoftHSMConf: os.Getenv("SOFTHSM2_CONF"), Environment: f.own.environment, Logger: e.logger(),
	})
	clear(pin)
	if err != nil {
		return nil, err
	}
	l := &localSigner{token: t, Local: signer.Local{
		Clock: clock.System{}, SecondReader: []string{self, app.ReaderCommand}, SecondOpinionMax: maxRead, Logger: e.logger(), Collector: &trust.Collector{},
	}}
	err = l.find(ctx, f)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return l, nil
}

// find chooses the key, its chain, anchors and time-stamping authorities.
func (l *localSigner) find(ctx context.Context, f signFlags) error {
	key, err := l.token.Choose(f.key)
	if err != nil {
		return err
	}
	more, err := f.own.certificates(key.Public)
	if err != nil {
		return err
	}
	if f.own.trust != "" {
		l.Anchors, err = trust.LoadDir(f.own.trust)
		if err != nil {
			return err
		}
		more = append(more, append(l.Anchors.Intermediates(), l.Anchors.Anchors()...)...)
	}
	chain, err := l.token.Chain(key, more)
	if err != nil {
		return fmt.Errorf("%w; give it with --cert", err)
	}
	l.Key = &signer.Key{Name: key.Label, Label: key.Label, Chain: chain}
	l.Private, err = l.token.Signer(ctx, key)
	if err != nil {
		return err
	}
	if len(f.own.tsa) > 0 {
		l.Timestamp = f.own.stamp
	}
	return nil
}

// certificates reads --cert, which must have one of the key's own.
func (f *tokenFlags) certificates(public crypto.PublicKey) ([]*x509.Certificate, error) {
	if f.cert == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.cert)
	if err != nil {
		return nil, fmt.Errorf("--cert: %w", err)
	}
	list, err := trust.ParsePEM(text)
	if err != nil {
		return nil, fmt.Errorf("--cert %s: %w", f.cert, err)
	}
	for _, c := range list {
		if token.Fits(public, c) {
			return list, nil
		}
	}
	return nil, fmt.Errorf("%w: no certificate in %s is of that key of the token", signer.ErrKey, f.cert)
}

// stamp asks the authorities in turn.
func (f *tokenFlags) stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	var failed error
	for _, url := range f.tsa {
		answer, err := (&tsp.Client{URL: url}).Timestamp(ctx, h, digest)
		if err == nil {
			return answer, nil
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", url, err))
	}
	return nil, failed
}

// signLocal signs one file or a batch with a token of one's own.
func (e *env) signLocal(ctx context.Context, f signFlags, args []string) (err error) {
	l, err := e.openLocal(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.token.Close()) }()
	sign := func(ctx context.Context, in, out string) (*signer.Act, error) { return l.file(ctx, f, in, out) }
	if f.batch != "" {
		return e.signBatch(ctx, f, sign)
	}
	act, err := sign(ctx, args[0], f.out)
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(act)
	}
	fmt.Printf("%s: signed %s %s by certificate %s; second reader: %s; SHA-256 %s\n", f.out, act.Level, act.Scheme, act.CertificateSerial, act.Opinion, act.ResultSHA256)
	return nil
}

func (l *localSigner) file(ctx context.Context, f signFlags, in, out string) (*signer.Act, error) {
	if f.level == "" {
		f.level = string(pades.LevelB)
		if l.Timestamp != nil {
			f.level = string(pades.LevelLT)
		}
	}
	q, err := f.request(filepath.Base(in))
	if err != nil {
		return nil, err
	}
	if f.visible != "" {
		q.Visible, err = mark(f, l.Key.Chain[0].Subject.CommonName)
		if err != nil {
			return nil, err
		}
	}
	return signInput(q, in, out, func(q signer.Request) (*signer.Act, error) { return l.Sign(ctx, q, out) })
}
