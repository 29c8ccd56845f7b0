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
	"os"
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
	// Apart says that the token had a processor of its own, as a hardware token
	// has it; otherwise token and signing shared all of them.
	Apart bool `json:"apart"`
	// Document is its size in bytes.
	Document int64 `json:"document_bytes"`
	// Documents is how many were signed a second, and CPU the processor time of
	// one, in microseconds: this process, in which time-stamps and status are
	// answered as well, and the key worker.
	Documents float64 `json:"documents_per_second"`
	CPU       float64 `json:"document_cpu_us"`
	// Spent is how many signatures of the token each took: its own, and those
	// of the time-stamping authority, of responders and of the ledger, which are P-256.
	Spent float64 `json:"signatures_per_document"`
	// OfToken and OfWorker are the share of the token's bare loop, and of keys
	// alone behind the worker: each signature spent counts for the time that it
	// takes there by itself, those of authorities at the rate of P-256. OfCPU is
	// the same of processor time, which others on the machine do not blur.
	OfToken  float64 `json:"of_token"`
	OfWorker float64 `json:"of_worker"`
	OfCPU    float64 `json:"of_token_cpu"`
	// Digests is how many documents of this size the processors of the signing
	// program digest a second when they do nothing else, and Bound the ratio to
	// the token that could be reached if signing took nothing but the token's
	// time and the digest.
	Digests float64 `json:"digests_per_second"`
	Bound   float64 `json:"bound"`
	made    int64
}

// algorithmOfAuthorities is that of the keys that stamp and answer.
const algorithmOfAuthorities = "EC-P256"

// Sign measures signing at a level on documents of a size with each key, the
// token sharing the processors and, where there are two, apart.
func (s System) Sign(ctx context.Context, o Options, level pades.Level, size int64) ([]SignRate, error) {
	var document bytes.Buffer
	err := Document(&document, size)
	if err != nil {
		return nil, err
	}
	var all []SignRate
	for _, apart := range []bool{false, true} {
		if apart && runtime.NumCPU() < 2 {
			continue
		}
		others, err := s.Rates(ctx, hsm.RateOptions{Algorithm: algorithmOfAuthorities, Callers: o.Callers, Rounds: o.Rounds, Time: o.Time, Apart: apart})
		if err != nil {
			return nil, err
		}
		for _, key := range o.Keys {
			r, err := s.rate(ctx, o, key, level, document.Bytes(), apart)
			if err != nil {
				return nil, fmt.Errorf("%s with %s: %w", level, key, err)
			}
			r.conclude(others)
			all = append(all, r)
		}
	}
	return all, nil
}

func (s System) rate(ctx context.Context, o Options, key string, level pades.Level, document []byte, apart bool) (SignRate, error) {
	chain, err := s.Chain(ctx, key)
	if err != nil {
		return SignRate{}, err
	}
	r := SignRate{Key: key, Level: string(level), Document: int64(len(document)), Apart: apart}
	var took, cpu time.Duration
	var spent uint64
	also := func(ctx context.Context, private crypto.Signer) error {
		before, err := s.usage(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		outputs, err := s.signMany(ctx, o, s.options(private, chain, level), document, &r.made)
		if err != nil {
			return err
		}
		took += time.Since(began)
		after, err := s.usage(ctx)
		if err != nil {
			return err
		}
		spent += after.signatures - before.signatures
		cpu += after.cpu - before.cpu
		r.Digests += digests(document, o.Time/4) / float64(o.Rounds)
		return intact(ctx, outputs)
	}
	r.Rates, err = s.Rates(ctx, hsm.RateOptions{Key: key, Callers: o.Callers, Rounds: o.Rounds, Time: o.Time, Also: also, Apart: apart})
	if err != nil {
		return r, err
	}
	r.Documents = float64(r.made) / took.Seconds()
	r.Spent = float64(spent) / float64(r.made)
	r.CPU = float64(cpu.Microseconds()) / float64(r.made)
	return r, nil
}

// conclude computes the ratios; others are the rates of the authorities' keys.
func (r *SignRate) conclude(others hsm.Rates) {
	more := max(r.Spent-1, 0)
	token := 1/r.Bare + more/others.Bare
	r.OfToken = r.Documents * token
	r.OfWorker = r.Documents * (1/r.Worker + more/others.Worker)
	r.OfCPU = (r.BareCPU + more*others.BareCPU) / r.CPU
	digest := 1 / r.Digests
	r.Bound = token / (token + digest)
	if r.Apart {
		r.Bound = min(1, token/digest)
	}
}

// used is what has been spent so far.
type used struct {
	signatures uint64
	cpu        time.Duration
}

// usage is that of this process and of the key worker.
func (s System) usage(ctx context.Context) (used, error) {
	signatures, worker, err := s.Spent(ctx)
	if err != nil {
		return used{}, err
	}
	own, err := hsm.ProcessTime(os.Getpid())
	if err != nil {
		return used{}, err
	}
	other, err := hsm.ProcessTime(worker)
	return used{signatures, own + other}, err
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
