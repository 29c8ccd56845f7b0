package hsm_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

func TestNoSignatureIsLostOrWrongWhileTheWorkerIsKilled(t *testing.T) {
	tok := hsmtest.NewToken(t)
	pub, err := tok.Client.Generate(t.Context(), "busy", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	s, err := tok.Client.Signer(t.Context(), "busy")
	if err != nil {
		t.Fatal(err)
	}
	const signatures, writers, kills = 1000, 50, 5
	var wrong, lost, done atomic.Int64
	var mu sync.Mutex
	var longest time.Duration
	last := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range signatures / writers {
				d := digestOf(crypto.SHA256, fmt.Sprint(w, i))
				sig, err := s.Sign(rand.Reader, d, crypto.SHA256)
				if err != nil {
					lost.Add(1)
					t.Errorf("signature lost: %v", err)
					continue
				}
				if !ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), d, sig) {
					wrong.Add(1)
				}
				mu.Lock()
				longest = max(longest, time.Since(last))
				last = time.Now()
				mu.Unlock()
				done.Add(1)
			}
		})
	}
	killed := 0
	for killed < kills {
		// Kill at even steps of the work, so that each kill meets signatures.
		if done.Load() < int64((killed+1)*signatures/(kills+1)) {
			time.Sleep(time.Millisecond)
			continue
		}
		pid := tok.Supervisor.PID()
		err := syscall.Kill(pid, syscall.SIGKILL)
		if err != nil {
			t.Fatalf("kill worker: %v", err)
		}
		killed++
		for tok.Supervisor.PID() == pid && done.Load() < signatures {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Wait()
	t.Logf("%d signatures, %d kills, %d wrong, %d lost, longest gap %s, %d restarts",
		done.Load(), killed, wrong.Load(), lost.Load(), longest.Round(time.Millisecond), tok.Supervisor.Restarts())
	if wrong.Load() != 0 || lost.Load() != 0 || done.Load() != signatures {
		t.Errorf("%d done, %d wrong, %d lost", done.Load(), wrong.Load(), lost.Load())
	}
}

func TestAWornWorkerIsReplacedInGoodOrder(t *testing.T) {
	cfg := hsmtest.Init(t)
	cfg.RecycleAfter = 100
	sup, err := hsm.StartWorker(t.Context(), hsmtest.Options(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer sup.Close()
	c, err := hsm.Dial(t.Context(), cfg.SocketPath, hsm.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Generate(t.Context(), "ed", "Ed25519")
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Signer(t.Context(), "ed")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				err := signAndVerify(s, crypto.Hash(0), nil)
				if err != nil {
					t.Errorf("signature lost: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if sup.Restarts() < 3 {
		t.Errorf("400 signatures with a worker for each 100: %d restarts", sup.Restarts())
	}
}

func TestAWorkerThatStaysAwayGivesATypedErrorInTime(t *testing.T) {
	tok := hsmtest.NewToken(t)
	_, err := tok.Client.Generate(t.Context(), "k", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	c, err := hsm.Dial(t.Context(), tok.Config.SocketPath, hsm.ClientOptions{MaxWait: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Signer(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	err = tok.Supervisor.Close()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = s.Sign(rand.Reader, digestOf(crypto.SHA256, "x"), crypto.SHA256)
	if !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if wait := time.Since(begin); wait > 2*time.Second {
		t.Errorf("the error took %s", wait)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = tok.Client.Keys(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context gave %v", err)
	}
}

func TestAWrongPINIsTriedOnce(t *testing.T) {
	cfg := hsmtest.Init(t)
	right, err := os.ReadFile(cfg.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	write := func(pin string) {
		err := os.WriteFile(cfg.PINFile, []byte(pin), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	write("000000\n")
	opts := hsmtest.Options(t, cfg)
	_, err = hsm.StartWorker(t.Context(), opts)
	if !errors.Is(err, hsm.ErrPIN) || !strings.Contains(err.Error(), "CKR_PIN_INCORRECT") {
		t.Fatalf("the first start gave %v", err)
	}
	if strings.Contains(err.Error(), "000000") {
		t.Error("the PIN stands in the error")
	}
	_, err = hsm.StartWorker(t.Context(), opts)
	if !errors.Is(err, hsm.ErrPIN) || strings.Contains(err.Error(), "CKR_") {
		t.Fatalf("the second start must not ask the token, it gave %v", err)
	}
	write(string(right))
	sup, err := hsm.StartWorker(t.Context(), opts)
	if err != nil {
		t.Fatalf("the right PIN is refused after a wrong one: %v", err)
	}
	// A PIN that becomes wrong while the service runs ends the supervisor.
	write("000000\n")
	err = syscall.Kill(sup.PID(), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-sup.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the supervisor went on with a wrong PIN")
	}
	if !errors.Is(sup.Err(), hsm.ErrPIN) {
		t.Errorf("the supervisor ended with %v", sup.Err())
	}
	write(string(right))
	err = os.Chmod(cfg.PINFile, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = hsm.StartWorker(t.Context(), opts)
	if !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("a PIN file that all can read gave %v", err)
	}
}

func TestThePINIsInNoArgumentAndNoEnvironment(t *testing.T) {
	tok := hsmtest.NewToken(t)
	pin, err := os.ReadFile(tok.Config.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(tok.Config.PINFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("PIN file: %v, %v", info.Mode(), err)
	}
	for _, pid := range []int{tok.Supervisor.PID(), os.Getpid()} {
		for _, name := range []string{"cmdline", "environ"} {
			raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if errors.Is(err, os.ErrPermission) {
				continue // not dumpable: nobody but root reads it
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), strings.TrimSpace(string(pin))) {
				t.Errorf("the PIN stands in %s of process %d", name, pid)
			}
		}
	}
}

func TestTheWorkerEndsWithItsParent(t *testing.T) {
	tok := hsmtest.NewToken(t)
	pid := tok.Supervisor.PID()
	err := tok.Supervisor.Close()
	if err != nil {
		t.Fatal(err)
	}
	err = syscall.Kill(pid, 0)
	if !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the worker still runs: %v", err)
	}
}

func TestASecondWorkerIsRefused(t *testing.T) {
	tok := hsmtest.NewToken(t)
	_, err := hsm.StartWorker(t.Context(), hsmtest.Options(t, tok.Config))
	if !errors.Is(err, hsm.ErrWorkerRunning) {
		t.Errorf("got %v", err)
	}
	_, err = tok.Client.Health(t.Context())
	if err != nil {
		t.Errorf("the first worker no longer answers: %v", err)
	}
}

func TestASupervisorThatStandsByTakesOver(t *testing.T) {
	first := hsmtest.NewToken(t)
	_, err := first.Client.Generate(t.Context(), "k", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	c, standby, err := hsm.Open(t.Context(), hsmtest.Options(t, first.Config), hsm.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	defer c.Close()
	if standby.PID() != 0 {
		t.Errorf("a second worker %d was started", standby.PID())
	}
	s, err := c.Signer(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = s.Sign(rand.Reader, digestOf(crypto.SHA256, "x"), crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		err = first.Supervisor.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	if standby.PID() == 0 {
		t.Error("no worker was started when the first one went")
	}
}

func TestHostileBytesCloseOneConnectionOnly(t *testing.T) {
	tok := hsmtest.NewToken(t)
	info, err := os.Stat(tok.Config.SocketPath)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	for name, raw := range map[string]string{
		"a frame that claims 4 GiB":       "\xff\xff\xff\xff{}",
		"an empty frame":                  "\x00\x00\x00\x00",
		"a frame that is not JSON":        "\x00\x00\x00\x05hello",
		"a frame with an unknown field":   "\x00\x00\x00\x09{\"pin\":1}",
		"a frame with data after it":      "\x00\x00\x00\x04{}{}",
		"an HTTP request":                 "GET / HTTP/1.1\r\n\r\n",
		"an array nested very deep":       "\x00\x00\x20\x00" + strings.Repeat("[", 0x2000),
		"half a frame and then the close": "\x00\x00\x00\x10{\"id\"",
	} {
		conn, err := net.Dial("unix", tok.Config.SocketPath)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Write([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		conn.(*net.UnixConn).CloseWrite()
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(make([]byte, 1))
		if n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the worker neither closed nor stayed silent: %d, %v", name, n, err)
		}
		conn.Close()
	}
	h, err := tok.Client.Health(t.Context())
	if err != nil || h.PID != tok.Supervisor.PID() || tok.Supervisor.Restarts() != 0 {
		t.Errorf("the worker did not survive: %+v, %v", h, err)
	}
}

func BenchmarkSignThroughSocket(b *testing.B) {
	c := hsmtest.New(b)
	for _, alg := range []string{"EC-P256", "RSA-2048", "RSA-3072"} {
		_, err := c.Generate(b.Context(), alg, alg)
		if err != nil {
			b.Fatal(err)
		}
		s, err := c.Signer(b.Context(), alg)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg, func(b *testing.B) {
			d := digestOf(crypto.SHA256, "x")
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, err := s.Sign(rand.Reader, d, crypto.SHA256)
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}
