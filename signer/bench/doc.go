// Package bench measures signing and verifying of PDF documents: against the
// token's own rate, against digitorus/pdfsign on the same files and keys, and
// with the size of a document and the number of its revisions. What is compared
// is measured in the same run and in turns, because the machine's load changes;
// the figures that count are ratios.
//
// What is measured is the engine (signer/pades, signer/validate) with a key of
// the token behind the key worker. Records, ledger and second reader, which the
// service adds to each act, are not in it.
package bench

import (
	"context"
	"crypto"
	"crypto/x509"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/trust"
)

// System is what is measured.
type System struct {
	// Rates compares a key through the key worker with the token's bare loop.
	Rates func(ctx context.Context, o hsm.RateOptions) (hsm.Rates, error)
	// Signer and Chain give a key and its certificates by its label.
	Signer func(ctx context.Context, label string) (crypto.Signer, error)
	Chain  func(ctx context.Context, label string) ([]*x509.Certificate, error)
	// Spent counts the signatures that the token has made so far and names the
	// process of the key worker.
	Spent func(ctx context.Context) (signatures uint64, worker int, err error)
	// Timestamp and Collect are those of signing.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	Collect   func(ctx context.Context, chain []*x509.Certificate) (trust.Evidence, error)
	// Anchors are those of verifying.
	Anchors func(ctx context.Context) (*trust.Store, error)
	// Dir takes files of up to three times the largest document.
	Dir string
	// Child is the command that measures memory in a process of its own: it must
	// call Measure.
	Child []string
}

// Options say how much is measured.
type Options struct {
	Keys    []string      // labels of keys with certificates
	Callers int           // at the same time
	Rounds  int           // of each contender, in turns
	Time    time.Duration // of one round
}
