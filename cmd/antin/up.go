package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) upCommand() *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the whole system on embedded defaults",
		Long: "Start the console, certification, the incident pipeline, drills, the data gateway and the ledger in one process.\n" +
			"A new data folder is initialised first. --demo loads the reference province.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.up(cmd.Context(), demo) },
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "load the reference province with people, keys, agreements and a data service")
	return cmd
}

func (e *env) up(ctx context.Context, demo bool) error {
	began := time.Now()
	step := func(what string) { fmt.Fprintf(os.Stderr, "[%5.1fs] %s\n", time.Since(began).Seconds(), what) }
	o := app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()}
	err := app.Init(ctx, o, step)
	if err != nil {
		return err
	}
	// The parts outlive the signal by which the system is told to end: they are
	// closed in order.
	s, err := app.Open(context.WithoutCancel(ctx), o)
	if err != nil {
		return err
	}
	if demo {
		err = s.LoadDemo(ctx, step)
	}
	if err == nil {
		err = s.Up(ctx, demo, func(a app.Addresses) { e.announce(a, demo, time.Since(began)) })
	}
	return errors.Join(err, s.Close())
}

// announce says where everything is and how to begin.
func (e *env) announce(a app.Addresses, demo bool, took time.Duration) {
	fmt.Printf(`
Ấn Tín is ready after %.1f s.

  Console            https://localhost%s   (also %s)
  Check a signature  https://localhost%s/verify   (open to anyone)
  OCSP, CRL, TSA     http://%s
  ACME for machines  https://localhost%s/acme/directory
  EST for machines   https://%s/.well-known/est/
  Data gateway       https://%s   (mutual TLS)
  Sensors (NATS)     tls://%s     (mutual TLS)
  Metrics            http://%s/metrics
  Data folder        %s
`, took.Seconds(), port(a.Console), a.Console, port(a.Console), a.PKI, port(a.Console), a.EST, a.Gateway, a.Bus, a.Metrics, e.data)
	if !demo {
		return
	}
	path := filepath.Join(e.data, app.CredentialsFile)
	text, err := os.ReadFile(path)
	if err == nil {
		fmt.Printf("\nFirst credentials (account, password, second factor), also in %s:\n%s", path, text)
		fmt.Printf("\nThe code of the second factor, without a phone:  antin account code binh.nv --data %s\nThe whole way, step by step:                     antin demo --data %s\n", e.data, e.data)
	}
}

func port(addr string) string {
	for i := len(addr) - 1; i >= 0; i-- {
		if addr[i] == ':' {
			return addr[i:]
		}
	}
	return ""
}
