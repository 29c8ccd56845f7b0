package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// fsyncBlock is what one write of the disk measurement holds: a page of the
// database.
const fsyncBlock = 4096

// BenchOptions say what Bench does.
type BenchOptions struct {
	// Dir is a folder on the disk of the system; the measurement writes and
	// removes a file in it.
	Dir string
	// Certificates is how many are issued, Callers how many at a time, Signers
	// how many callers the token's rate is measured with.
	Certificates, Callers, Signers int
	// Each is how long the rates of the disk and the token are measured.
	Each time.Duration
	// Progress, when not nil, is told after each certificate.
	Progress func()
}

// BenchResult is what Bench measured. Rates are per second.
type BenchResult struct {
	FsyncRate float64 `json:"fsync_per_second"`
	SignRate  float64 `json:"token_sign_per_second"`
	// Issued certificates are durable in the database and the ledger.
	Issued    int64   `json:"issued"`
	Failed    int64   `json:"failed"`
	Seconds   float64 `json:"seconds"`
	IssueRate float64 `json:"issued_per_second"`
	// OfFsync and OfSign are IssueRate over FsyncRate and over SignRate.
	OfFsync float64 `json:"ratio_to_fsync"`
	OfSign  float64 `json:"ratio_to_token"`
	// Median and Slowest are how long one issue took.
	Median  time.Duration `json:"median_ns"`
	Slowest time.Duration `json:"slowest_ns"`
	// Steps is the mean time of the steps of one issue, in the order of the act.
	Steps []BenchStep `json:"steps"`
	// FirstError is the first failure, when any.
	FirstError string `json:"first_error,omitempty"`
}

// BenchStep is a step of an issue.
type BenchStep struct {
	Name string        `json:"name"`
	Mean time.Duration `json:"mean_ns"`
}

// Bench measures the disk, the token with the issuer's key, and then issue to
// machines: the whole way of IssueService, smallstep's pipeline, lint, records
// and ledger included. The certificates are real ones of this system, for
// machines named bench-…; the disk and the token are measured before and after,
// and the mean is taken, so that a neighbour on the machine counts for all.
func (s *Service) Bench(ctx context.Context, o BenchOptions) (*BenchResult, error) {
	p, err := s.profiles.Get(benchProfile)
	if err != nil {
		return nil, err
	}
	issuer := s.hierarchy.active(p.Issuer)
	requests, err := benchRequests(o.Callers)
	if err != nil {
		return nil, err
	}
	r := &BenchResult{}
	err = r.rates(ctx, o, issuer.signer)
	if err != nil {
		return nil, err
	}
	before := s.engine.steps.total()
	err = s.benchIssue(ctx, o, requests, r)
	if err != nil {
		return nil, err
	}
	r.Steps = s.engine.steps.since(before)
	err = r.rates(ctx, o, issuer.signer)
	if err != nil {
		return nil, err
	}
	r.FsyncRate, r.SignRate = r.FsyncRate/2, r.SignRate/2
	r.OfFsync, r.OfSign = r.IssueRate/r.FsyncRate, r.IssueRate/r.SignRate
	return r, nil
}

// benchProfile is the profile of the certificates that Bench issues.
const benchProfile = "device"

// benchRequests makes the requests, one key for each caller.
func benchRequests(n int) ([][]byte, error) {
	var list [][]byte
	for range n {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("key of a request: %w", err)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
		list = append(list, der)
	}
	return list, nil
}

// rates adds one measurement of disk and token.
func (r *BenchResult) rates(ctx context.Context, o BenchOptions, signer crypto.Signer) error {
	disk, err := fsyncRate(ctx, o.Dir, o.Each)
	if err != nil {
		return err
	}
	token, err := signRate(ctx, signer, o.Signers, o.Each)
	r.FsyncRate += disk
	r.SignRate += token
	return err
}

// fsyncRate is how many times a second a page is written and made durable.
func fsyncRate(ctx context.Context, dir string, during time.Duration) (float64, error) {
	f, err := os.OpenFile(filepath.Join(dir, "bench.fsync"), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	page := make([]byte, fsyncBlock)
	began := time.Now()
	n := 0
	for time.Since(began) < during && ctx.Err() == nil {
		_, err = f.Write(page)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		n++
	}
	return float64(n) / time.Since(began).Seconds(), ctx.Err()
}

// signRate is how many digests a second the key signs.
func signRate(ctx context.Context, signer crypto.Signer, callers int, during time.Duration) (float64, error) {
	var n atomic.Int64
	var failed atomic.Value
	digest := sha256.Sum256([]byte("antin bench ca"))
	began := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(began) < during && ctx.Err() == nil {
				_, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
				if err != nil {
					failed.Store(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	err, broken := failed.Load().(error)
	if broken {
		return 0, fmt.Errorf("measure the token: %w", err)
	}
	return float64(n.Load()) / time.Since(began).Seconds(), ctx.Err()
}

// benchIssue issues, many at a time.
func (s *Service) benchIssue(ctx context.Context, o BenchOptions, requests [][]byte, r *BenchResult) error {
	var next, issued, lost atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	began := time.Now()
	var wg sync.WaitGroup
	for caller := range o.Callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(o.Certificates) && ctx.Err() == nil; i = next.Add(1) {
				start := time.Now()
				_, err := s.IssueService(ctx, ServiceForm{Profile: benchProfile, Machine: fmt.Sprintf("bench-%d", i), CSR: requests[caller], Actor: "system:bench"})
				mu.Lock()
				took = append(took, time.Since(start))
				if err != nil && r.FirstError == "" {
					r.FirstError = err.Error()
				}
				mu.Unlock()
				if err != nil {
					lost.Add(1)
				} else {
					issued.Add(1)
				}
				if o.Progress != nil {
					o.Progress()
				}
			}
		})
	}
	wg.Wait()
	r.Seconds = time.Since(began).Seconds()
	r.Issued, r.Failed = issued.Load(), lost.Load()
	r.IssueRate = float64(r.Issued) / r.Seconds
	r.Median, r.Slowest = middle(took)
	return ctx.Err()
}
