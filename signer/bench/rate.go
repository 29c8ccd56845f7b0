package bench

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// ErrWrong means that a signature made for a measure is not intact.
var ErrWrong = errors.New("a measured signature is wrong")

// SignRate is what documents a second a key signs, beside what it signs alone.
type SignRate struct {
	hsm.Rates
	Key   string `json:"key"`
	Level string `json:"level"`
	// Document is its size in bytes.
	Document int64 `json:"document_bytes"`
	// Documents is how many were signed a second.
	Documents float64 `json:"documents_per_second"`
	// Spent is how many signatures of the token each took: its own, and those
	// of the time-stamping authority and of responders.
	Spent float64 `json:"signatures_per_document"`
	// OfToken and OfWorker are Documents times Spent against the token's bare
	// loop and against the key alone behind the worker.
	OfToken  float64 `json:"of_token"`
	OfWorker float64 `json:"of_worker"`
	// Digests is how many documents of this size all processors digest a second
	// when they do nothing else, and Bound the ratio to the token that could be
	// reached if signing took nothing but the token's time and the digest.
	Digests float64 `json:"digests_per_second"`
	Bound   float64 `json:"bound"`
	made    int64
}

// Sign measures signing at a level on documents of a size with each key.
func (s System) Sign(ctx context.Context, o Options, level pades.Level, size int64) ([]SignRate, error) {
	var document bytes.Buffer
	err := Document(&document, size)
	if err != nil {
		return nil, err
	}
	var all []SignRate
	for _, key := range o.Keys {
		r, err := s.rate(ctx, o, key, level, document.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s with %s: %w", level, key, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func (s System) rate(ctx context.Context, o Options, key string, level pades.Level, document []byte) (SignRate, error) {
	chain, err := s.Chain(ctx, key)
	if err != nil {
		return SignRate{}, err
	}
	r := SignRate{Key: key, Level: string(level), Document: int64(len(document))}
	var took time.Duration
	var spent uint64
	also := func(ctx context.Context, private crypto.Signer) error {
		before, err := s.Spent(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		outputs, err := s.signMany(ctx, o, s.options(private, chain, level), document, &r.made)
		if err != nil {
			return err
		}
		took += time.Since(began)
		after, err := s.Spent(ctx)
		if err != nil {
			return err
		}
		spent += after - before
		r.Digests += digests(document, o.Time/4) / float64(o.Rounds)
		return intact(ctx, outputs)
	}
	r.Rates, err = s.Rates(ctx, hsm.RateOptions{Key: key, Callers: o.Callers, Rounds: o.Rounds, Time: o.Time, Also: also})
	if err != nil {
		return r, err
	}
	r.Documents = float64(r.made) / took.Seconds()
	r.Spent = float64(spent) / float64(r.made)
	r.OfToken, r.OfWorker = r.Documents*r.Spent/r.Bare, r.Documents*r.Spent/r.Worker
	r.Bound = 1 / (1 + r.Bare/r.Spent/r.Digests)
	return r, nil
}

// options are those of signing with a key; RSA keys sign with PSS, as they do
// by default.
func (s System) options(private crypto.Signer, chain []*x509.Certificate, level pades.Level) pades.Options {
	_, isRSA := private.Public().(*rsa.PublicKey)
	return pades.Options{Signer: private, Chain: chain, PSS: isRSA, Level: level, Timestamp: s.Timestamp, Collect: s.Collect, Now: time.Now()}
}

// signMany signs the document for a while and returns each caller's last
// result.
func (s System) signMany(ctx context.Context, o Options, how pades.Options, document []byte, made *int64) ([]*memory, error) {
	outputs := make([]*memory, o.Callers)
	failed := make([]error, o.Callers)
	var count atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for i := range outputs {
		wg.Go(func() {
			out := &memory{data: make([]byte, 0, len(document)+256<<10)}
			outputs[i] = out
			for time.Since(began) < o.Time && failed[i] == nil {
				out.data = out.data[:0]
				_, failed[i] = pades.Sign(ctx, bytes.NewReader(document), int64(len(document)), out, how)
				count.Add(1)
			}
		})
	}
	wg.Wait()
	*made += count.Load()
	return outputs, errors.Join(failed...)
}

// intact judges results; nobody is trusted for it, so only the signature and
// what it covers count.
func intact(ctx context.Context, outputs []*memory) error {
	for _, out := range outputs {
		report, err := validate.Validate(ctx, out, int64(len(out.data)), validate.Options{})
		if err != nil {
			return err
		}
		if len(report.Signatures) != 1 || report.Signatures[0].Integrity != validate.Intact {
			return ErrWrong
		}
	}
	return nil
}

// digests is how many times a second all processors digest the document.
func digests(document []byte, during time.Duration) float64 {
	var count atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(began) < during {
				sha256.Sum256(document)
				count.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(count.Load()) / time.Since(began).Seconds()
}
