package app_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Signatures of the kill test, and how many are made at the same time.
const (
	killSignatures = 1000
	killWorkers    = 8
)

func (p *platform) testKilledWorker(t *testing.T) {
	key, err := p.sys.Keys.Signer(t.Context(), "demo-official")
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public().(*ecdsa.PublicKey)
	before := p.sys.Worker.PID()
	var mu sync.Mutex
	last, gap := time.Now(), time.Duration(0)
	var wg sync.WaitGroup
	var next, done, wrong, lost, kills atomic.Int64
	for range killWorkers {
		wg.Go(func() {
			for i := next.Add(1); i <= killSignatures; i = next.Add(1) {
				digest := sha256.Sum256(fmt.Append(nil, "kill ", i))
				signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
				switch {
				case err != nil:
					lost.Add(1)
				case !ecdsa.VerifyASN1(public, digest[:], signature):
					wrong.Add(1)
				}
				n := done.Add(1)
				mu.Lock()
				gap, last = max(gap, time.Since(last)), time.Now()
				mu.Unlock()
				if n == killSignatures/4 || n == killSignatures/2 || n == 3*killSignatures/4 {
					err := syscall.Kill(p.sys.Worker.PID(), syscall.SIGKILL)
					if err == nil {
						kills.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d signatures, %d kills: %d wrong, %d lost, longest gap %s", done.Load(), kills.Load(), wrong.Load(), lost.Load(), gap.Round(time.Millisecond))
	if done.Load() != killSignatures || wrong.Load() != 0 || lost.Load() != 0 {
		t.Error("a killed key worker cost signatures")
	}
	if kills.Load() == 0 || p.sys.Worker.PID() == before {
		t.Errorf("the worker was not killed: %d kills, process %d", kills.Load(), before)
	}
	health, err := p.sys.Keys.Health(t.Context())
	if err != nil || health.PID == before {
		t.Errorf("health after the kills: %+v, %v", health, err)
	}
}
