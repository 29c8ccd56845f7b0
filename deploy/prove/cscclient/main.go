// Command cscclient is a program that signs PDF documents through a remote
// signing service (CSC API v1 or v2): it prepares them, asks for an
// authorization over the digests with a one-time password, has them signed,
// completes them and says how long the steps took. The demonstration of the
// claims uses it; it holds no key.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/antin-gov/antin/signer/csc/client"
)

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cscclient:", err)
		os.Exit(1)
	}
}

type options struct {
	base, root, token, credential, code, in, out string
	copies                                       int
	pss                                          bool
}

func run() error {
	var o options
	flag.StringVar(&o.base, "url", "", "address with the version: https://HOST/csc/v2")
	flag.StringVar(&o.root, "root", "", "PEM file of the root of the service's TLS")
	flag.StringVar(&o.token, "token", "", "file with the access token")
	flag.StringVar(&o.credential, "credential", "", "credential to sign with")
	flag.StringVar(&o.code, "code", "", "file with the one-time password")
	flag.StringVar(&o.in, "in", "", "PDF document")
	flag.StringVar(&o.out, "out", "", "folder for the signed documents")
	flag.IntVar(&o.copies, "copies", 1, "how many documents to sign in one authorization: copies of the one")
	flag.BoolVar(&o.pss, "pss", false, "RSASSA-PSS with an RSA key")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := o.client()
	if err != nil {
		return err
	}
	code, err := os.ReadFile(o.code)
	if err != nil {
		return err
	}
	info, err := c.Info(ctx, o.credential)
	if err != nil {
		return err
	}
	a, err := client.AlgorithmOf(info, o.pss)
	if err != nil {
		return err
	}
	papers, done, err := o.papers()
	if err != nil {
		return err
	}
	defer done()
	watch := time.Now()
	took := map[string]any{"documents": len(papers)}
	lap := func(step string) { took[step+"_ms"] = time.Since(watch).Milliseconds(); watch = time.Now() }
	digests, err := client.Prepare(ctx, papers, info.Chain, a, true, time.Now())
	if err != nil {
		return err
	}
	lap("prepare")
	sad, err := c.Authorize(ctx, o.credential, strings.TrimSpace(string(code)), digests)
	if err != nil {
		return err
	}
	lap("authorize")
	signatures, err := c.SignHash(ctx, o.credential, sad, a, digests)
	if err != nil {
		return err
	}
	lap("sign")
	err = client.Complete(ctx, papers, info.Chain, a, signatures, c.Timestamp)
	if err != nil {
		return err
	}
	lap("stamp_and_complete")
	return json.NewEncoder(os.Stdout).Encode(took)
}

func (o options) client() (*client.Client, error) {
	token, err := os.ReadFile(o.token)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(o.root)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", o.root)
	}
	return &client.Client{Base: o.base, Token: strings.TrimSpace(string(token)), Tries: 20, HTTP: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}}, nil
}

// papers opens the document once for each copy, with the file that its signed
// one goes to.
func (o options) papers() ([]*client.Paper, func(), error) {
	var files []*os.File
	done := func() {
		for _, f := range files {
			err := f.Close()
			if err != nil {
				fmt.Fprintln(os.Stderr, "cscclient:", err)
			}
		}
	}
	var papers []*client.Paper
	for i := range o.copies {
		in, err := os.Open(o.in)
		if err != nil {
			return nil, done, err
		}
		files = append(files, in)
		stat, err := in.Stat()
		if err != nil {
			return nil, done, err
		}
		out, err := os.Create(filepath.Join(o.out, fmt.Sprintf("%03d.pdf", i+1)))
		if err != nil {
			return nil, done, errors.Join(err, in.Close())
		}
		files = append(files, out)
		papers = append(papers, &client.Paper{In: in, Size: stat.Size(), Out: out})
	}
	return papers, done, nil
}
