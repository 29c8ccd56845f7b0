package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Load programs"}
	cmd.AddCommand(e.benchHSM(), e.benchCA(), e.benchOCSP(), e.benchSign(), e.benchVerify())
	return cmd
}

type keyBench struct {
	Signed     int64         `json:"signed"`
	Wrong      int64         `json:"wrong"`
	Lost       int64         `json:"lost"`
	Seconds    float64       `json:"seconds"`
	PerSecond  float64       `json:"per_second"`
	LongestGap time.Duration `json:"longest_gap_ns"`
}

// benchKeys signs n digests; each is verified with the public key, and the
// longest time without a finished signature is measured.
func benchKeys(ctx context.Context, s *app.System, label string, n, workers int) (keyBench, error) {
	signer, err := s.Keys.Signer(ctx, label)
	if err != nil {
		return keyBench{}, err
	}
	var r keyBench
	var next atomic.Int64
	var mu sync.Mutex
	began := time.Now()
	last := began
	bar := progress(int64(n), "signing")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n) && ctx.Err() == nil; i = next.Add(1) {
				digest := sha256.Sum256(fmt.Append(nil, "antin bench ", i))
				signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
				good := err == nil && verifies(signer.Public(), digest[:], signature)
				mu.Lock()
				now := time.Now()
				r.LongestGap = max(r.LongestGap, now.Sub(last))
				last = now
				switch {
				case err != nil:
					r.Lost++
				case good:
					r.Signed++
				default:
					r.Wrong++
				}
				mu.Unlock()
				_ = bar.Add(1)
			}
		})
	}
	wg.Wait()
	_ = bar.Finish()
	r.Seconds = time.Since(began).Seconds()
	r.PerSecond = float64(r.Signed) / r.Seconds
	return r, errors.Join(ctx.Err())
}

func verifies(public crypto.PublicKey, digest, signature []byte) bool {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
	}
	return false
}
