package hsm_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

// TestEveryKindOfToken is the one body for all backends: find out what the
// token does, make a key of each algorithm, sign in each way, restart the
// worker, lose the token in the middle of the work and get it back.
func TestEveryKindOfToken(t *testing.T) {
	for _, b := range hsmtest.Backends() {
		t.Run(b.Name, func(t *testing.T) {
			r := b.Start(t)
			sup, err := hsm.StartWorker(t.Context(), hsmtest.Options(t, r.Config))
			if err != nil {
				t.Fatal(err)
			}
			defer sup.Close()
			c, err := hsm.Dial(t.Context(), r.Config.SocketPath, hsm.ClientOptions{MaxWait: 60 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			signers := signEachWay(t, c, b)
			pid := sup.PID()
			err = syscall.Kill(pid, syscall.SIGKILL)
			if err != nil {
				t.Fatal(err)
			}
			for label, s := range signers {
				err := signAndVerify(s, crypto.SHA256, nil)
				if err != nil {
					t.Errorf("%s after the restart: %v", label, err)
				}
			}
			if sup.PID() == pid {
				t.Error("the worker was not restarted")
			}
			loseUnderLoad(t, c, sup, r, b, signers)
		})
	}
}

// signEachWay probes, makes a key of each algorithm that works and signs in
// each way that works.
func signEachWay(t *testing.T, c *hsm.Client, b hsmtest.Backend) map[string]crypto.Signer {
	t.Helper()
	p, err := c.Probe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	signers := map[string]crypto.Signer{}
	ways := 0
	for _, a := range p.Algorithms {
		if !a.Works {
			t.Logf("%s: %s: %s %v", b.Name, a.Algorithm, a.Error, a.Signatures)
			if slices.Contains(b.Algorithms, a.Algorithm) {
				t.Errorf("%s does not work", a.Algorithm)
			}
			continue
		}
		if a.Algorithm == "RSA-4096" {
			continue // made and used by the probe; once is slow enough
		}
		_, err := c.Generate(t.Context(), a.Algorithm, a.Algorithm)
		if err != nil {
			t.Fatalf("%s: %v", a.Algorithm, err)
		}
		s, err := c.Signer(t.Context(), a.Algorithm)
		if err != nil {
			t.Fatal(err)
		}
		signers[a.Algorithm] = s
		for _, way := range a.Signatures {
			if !way.Works {
				t.Logf("%s: %s %s %s: %s", b.Name, a.Algorithm, way.Scheme, way.Hash, way.Error)
				continue
			}
			ways++
			h := map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}[way.Hash]
			var pss *rsa.PSSOptions
			if way.Scheme == "rsa-pss" {
				pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
			}
			err := signAndVerify(s, h, pss)
			if err != nil {
				t.Errorf("%s %s %s: %v", a.Algorithm, way.Scheme, way.Hash, err)
			}
		}
	}
	if len(signers) == 0 {
		t.Fatal("no algorithm works")
	}
	t.Logf("%s: %s %s, %s; %d algorithms, %d ways to sign, wrap %v, knee at %d sessions %v",
		b.Name, p.Manufacturer, p.Model, p.Means, len(signers), ways, p.Wrap, p.Knee, p.Rates)
	return signers
}

var errWrong = errors.New("the signature does not verify")

// signAndVerify makes one signature and verifies it with the standard library.
func signAndVerify(s crypto.Signer, h crypto.Hash, pss *rsa.PSSOptions) error {
	message := []byte("tài liệu " + time.Now().String())
	switch k := s.Public().(type) {
	case ed25519.PublicKey:
		sig, err := s.Sign(rand.Reader, message, crypto.Hash(0))
		if err == nil && !ed25519.Verify(k, message, sig) {
			err = errWrong
		}
		return err
	case *ecdsa.PublicKey:
		d := digestOf(h, string(message))
		sig, err := s.Sign(rand.Reader, d, h)
		if err == nil && !ecdsa.VerifyASN1(k, d, sig) {
			err = errWrong
		}
		return err
	case *rsa.PublicKey:
		d := digestOf(h, string(message))
		if pss != nil {
			sig, err := s.Sign(rand.Reader, d, pss)
			if err == nil && rsa.VerifyPSS(k, h, d, sig, pss) != nil {
				err = errWrong
			}
			return err
		}
		sig, err := s.Sign(rand.Reader, d, h)
		if err == nil && rsa.VerifyPKCS1v15(k, h, d, sig) != nil {
			err = errWrong
		}
		return err
	}
	return fmt.Errorf("%w: %T", hsm.ErrUnsupported, s.Public())
}

// loseUnderLoad takes the token away twice while signatures are made.
func loseUnderLoad(t *testing.T, c *hsm.Client, sup *hsm.Supervisor, r hsmtest.Running, b hsmtest.Backend, signers map[string]crypto.Signer) {
	t.Helper()
	s := signers["EC-P256"]
	if s == nil {
		s = signers["RSA-2048"]
	}
	const writers, losses = 4, 2
	restarts := sup.Restarts()
	total := int64(400)
	if b.Slow {
		total = 60
	}
	var next, done, wrong, lost atomic.Int64
	var mu sync.Mutex
	var longest time.Duration
	last := time.Now()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for next.Add(1) <= total {
				err := signAndVerify(s, crypto.SHA256, nil)
				mu.Lock()
				longest = max(longest, time.Since(last))
				last = time.Now()
				mu.Unlock()
				if errors.Is(err, errWrong) {
					wrong.Add(1)
				} else if err != nil {
					lost.Add(1)
					t.Errorf("lost: %v", err)
				}
				done.Add(1)
			}
		})
	}
	for n := range int64(losses) {
		for done.Load() < (n+1)*total/(losses+1) {
			time.Sleep(time.Millisecond)
		}
		r.Lose(t)
	}
	wg.Wait()
	tokens, err := c.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d signatures, token lost %d times, %d wrong, %d lost, longest gap %s",
		b.Name, done.Load(), losses, wrong.Load(), lost.Load(), longest.Round(time.Millisecond))
	// A module that hangs after the loss ends the worker, and the next counts
	// anew.
	counted := tokens[0].Losses > 0 || sup.Restarts() > restarts
	if wrong.Load()+lost.Load() != 0 || !counted || tokens[0].State != hsm.StateActive {
		t.Errorf("%d wrong, %d lost; %+v", wrong.Load(), lost.Load(), tokens[0])
	}
}
