// Package hsmtest gives tests a real SoftHSM token behind a real key worker.
// The test binary itself becomes the worker, so each package that uses it has
//
//	func TestMain(m *testing.M) { hsmtest.Main(m) }
//
// It does not imitate a token: without SoftHSM the tests skip.
package hsmtest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/hsm"
)

// workerEnv makes the test binary a key worker.
const workerEnv = "ANTIN_HSMTEST_WORKER"

// quickExit lets a worker that was built with the race detector end at once; it
// would sleep a second, in every test with a token.
const quickExit = "GORACE=atexit_sleep_ms=0"

// Main is TestMain: it runs the tests, or the key worker when the binary was
// started as one.
func Main(m *testing.M) {
	RunIfWorker()
	os.Exit(m.Run())
}

// RunIfWorker becomes the key worker when the binary was started as one, and
// returns otherwise. It is for packages whose TestMain does more.
func RunIfWorker() {
	if os.Getenv(workerEnv) == "" {
		return
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := hsm.WorkerMain(context.Background(), os.Stdin, os.Stdout, log)
	if err != nil {
		log.Error("key worker", slog.Any("error", err))
		os.Exit(3)
	}
	os.Exit(0)
}

// Token is a fresh token with its worker and a client.
type Token struct {
	Client     *hsm.Client
	Supervisor *hsm.Supervisor
	Config     hsm.WorkerConfig
}

// New gives a client of a fresh SoftHSM token.
func New(t testing.TB) *hsm.Client {
	t.Helper()
	return NewToken(t).Client
}

// NewToken gives a fresh SoftHSM token in t.TempDir with a running worker;
// everything is ended with the test. The test is skipped when SoftHSM is not
// installed.
func NewToken(t testing.TB) Token {
	t.Helper()
	cfg := Init(t)
	// The test's context ends before its clean-up, which may need the worker
	// for a last signature (a ledger's checkpoint).
	sup, err := hsm.StartWorker(context.WithoutCancel(t.Context()), Options(t, cfg))
	if err != nil {
		t.Fatalf("start key worker: %v", err)
	}
	t.Cleanup(func() {
		err := sup.Close()
		if err != nil {
			t.Errorf("close key worker: %v", err)
		}
	})
	client, err := hsm.Dial(t.Context(), cfg.SocketPath, hsm.ClientOptions{})
	if err != nil {
		t.Fatalf("reach key worker: %v", err)
	}
	t.Cleanup(func() { client.Close() })
	return Token{Client: client, Supervisor: sup, Config: cfg}
}

// Init makes a fresh SoftHSM token and no worker. The configuration names a
// socket with a short path, because a socket's path may have 107 bytes only.
func Init(t testing.TB) hsm.WorkerConfig {
	t.Helper()
	_, err := os.Stat(hsm.DefaultModule)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("SoftHSM is not installed (apt install softhsm2): the test needs a real token")
	}
	opts := Options(t, hsm.WorkerConfig{})
	cfg, err := hsm.InitSoftToken(t.Context(), hsm.SoftToken{
		Dir: filepath.Join(t.TempDir(), "token"), Label: "antin-test", Command: opts.Command, Env: opts.Env, Logger: opts.Logger,
	})
	if err != nil {
		t.Fatalf("make token: %v", err)
	}
	dir, err := os.MkdirTemp("", "hsm")
	if err != nil {
		t.Fatalf("folder for the socket: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg.SocketPath = filepath.Join(dir, "s")
	return cfg
}

// Options tell hsm.StartWorker to run this test binary as the worker.
func Options(t testing.TB, cfg hsm.WorkerConfig) hsm.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("path of the test binary: %v", err)
	}
	return hsm.Options{
		Command: []string{self}, Env: []string{workerEnv + "=1", quickExit}, Config: cfg,
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// testWriter writes the worker's log to the test's.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}
