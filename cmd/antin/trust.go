package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/validate"
)

func (e *env) trustCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "trust", Short: "Revocation data kept for verifying without the network"}
	var f verifyFlags
	fetch := &cobra.Command{
		Use:   "fetch [FILE…]",
		Short: "Fetch revocation data into the cache: of the authorities, and of the certificates in signed files or PEM files",
		Long: "Ask the authorities about their own certificates, about those in PEM files, and about signers and time-stamps of signed files, and keep the\n" +
			"answers in the cache that `antin verify --offline` judges by. Every certificate must lead to an anchor.\n" +
			"Exit status 1: something could not be had; what could is kept.",
		Example: "  antin trust fetch\n  antin trust fetch van-ban/*.pdf --trust pki --cache offline",
		RunE:    func(cmd *cobra.Command, args []string) error { return e.trustFetch(cmd.Context(), args, f) },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List what the cache holds and how old it is",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return e.trustList(cmd.Context(), f) },
	}
	for _, c := range []*cobra.Command{fetch, list} {
		c.Flags().StringVar(&f.trust, "trust", "", "folder with CA certificates (root-*.pem are anchors) instead of the system's own")
		c.Flags().StringVar(&f.tsaRoots, "tsa-roots", "", "folder with certificates of outside time-stamping authorities")
		c.Flags().StringVar(&f.cache, "cache", "", "folder of the cache (default: trust-cache in the data folder; with --trust in the user's cache folder)")
		cmd.AddCommand(c)
	}
	return cmd
}

// fetched is what became of one certificate or file.
type fetched struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func (e *env) trustFetch(ctx context.Context, files []string, f verifyFlags) error {
	options, err := e.verifyOptions(ctx, f)
	if err != nil {
		return err
	}
	defer options.close()
	if options.Store == nil {
		return fmt.Errorf("%w: no anchors: name a folder with --trust, or a system with --data", errUse)
	}
	results := []fetched{}
	note := func(name string, err error) {
		one := fetched{Name: name, OK: err == nil}
		if err != nil {
			one.Error = err.Error()
		}
		results = append(results, one)
		if !e.json {
			fmt.Printf("%s: %s\n", name, map[bool]string{true: "kept", false: one.Error}[one.OK])
		}
	}
	for _, cert := range options.Store.Intermediates() {
		if len(cert.OCSPServer)+len(cert.CRLDistributionPoints) == 0 {
			continue // nothing tells about it: a responder
		}
		note(cert.Subject.CommonName, fetchOne(ctx, options, cert, nil))
	}
	for _, name := range files {
		note(name, fetchFile(ctx, options, name))
	}
	if e.json {
		err = printJSON(results)
		if err != nil {
			return err
		}
	}
	err = options.Collector.CacheErr()
	if err != nil {
		return err
	}
	for _, one := range results {
		if !one.OK {
			return answer(exitNo)
		}
	}
	return nil
}

// fetchOne asks about a certificate and those above it.
func fetchOne(ctx context.Context, o verifyOptions, cert *x509.Certificate, more []*x509.Certificate) error {
	now := o.Clock.Now()
	var path *trust.Path
	var err error
	for _, purpose := range []trust.Purpose{trust.PurposeAny, trust.PurposeTimestamp} {
		path, err = o.Store.ValidatePath(ctx, cert, trust.Request{At: now, Purpose: purpose, Intermediates: more})
		if err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	_, err = o.Collector.Collect(ctx, path.Certificates)
	var revoked *trust.RevokedError
	if errors.As(err, &revoked) {
		return nil // that, too, is worth keeping
	}
	return err
}

// fetchFile asks about the certificates of a PEM file, or about those of the
// signatures and time-stamps of a signed file.
func fetchFile(ctx context.Context, o verifyOptions, name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	certs, err := trust.ParsePEM(data)
	if err == nil {
		for _, cert := range certs {
			err = errors.Join(err, fetchOne(ctx, o, cert, certs))
		}
		return err
	}
	report, err := verifyFile(ctx, name, "", o.Options)
	if err != nil {
		return err
	}
	for _, s := range report.Signatures {
		// The verdict may rest on what the file brings along; later that is too old.
		for _, path := range s.Paths() {
			_, failed := o.Collector.Collect(ctx, path.Certificates)
			var revoked *trust.RevokedError
			if failed != nil && !errors.As(failed, &revoked) {
				err = errors.Join(err, failed)
			}
		}
	}
	if len(report.Signatures) == 0 {
		return fmt.Errorf("%w: neither PEM certificates nor a signed file", validate.ErrUnreadable)
	}
	return err
}

func (e *env) trustList(ctx context.Context, f verifyFlags) error {
	options, err := e.verifyOptions(ctx, f)
	if err != nil {
		return err
	}
	defer options.close()
	if options.Collector == nil || options.Collector.Cache == nil {
		return fmt.Errorf("%w: no cache: name one with --cache, or a system with --data", errUse)
	}
	entries, size, err := options.Collector.Cache.Entries()
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(struct {
			Bytes   int64              `json:"bytes"`
			Entries []trust.CacheEntry `json:"entries"`
		}{size, entries})
	}
	now := options.Clock.Now()
	var rows [][]string
	for _, one := range entries {
		state := "whole"
		if !one.Whole {
			state = "DAMAGED, not used"
		}
		rows = append(rows, []string{one.Subject, one.Serial, now.Sub(one.FetchedAt).Round(time.Second).String(), strconv.Itoa(one.OCSPs), strconv.Itoa(one.CRLs), state})
	}
	err = table(os.Stdout, []string{"CERTIFICATE", "SERIAL", "AGE", "OCSP", "CRL", "STATE"}, rows)
	if err != nil {
		return err
	}
	fmt.Printf("%d certificates, %d bytes\n", len(entries), size)
	return nil
}
