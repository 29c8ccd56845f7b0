package hsm

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxConns bounds the connections of one worker: each process of the
	// program holds one.
	maxConns = 64
	// maxInFlight bounds the requests of one connection, except signatures, that
	// are worked on.
	maxInFlight = 128
	// frameTime bounds how long the rest of a begun frame may take.
	frameTime = 10 * time.Second
	// callTime bounds one request that is no signature (those: signTime); a
	// module that takes longer hangs, and the worker ends so that it is started
	// anew. RSA-4096 is made within it.
	callTime = 60 * time.Second
	// watchEvery is how often the calls into tokens are looked at.
	watchEvery = 500 * time.Millisecond
	// probeTime is callTime for a probe, which makes a key of each algorithm.
	probeTime = 5 * time.Minute
	// lockTries and lockPause say how long a worker tries for its socket.
	lockTries = 5
	lockPause = 5 * time.Millisecond
)

// errHung says that the module did not come back.
var errHung = errors.New("the PKCS#11 module did not answer in time")

// WorkerMain is the whole life of the child: it reads the start line from in,
// reports on out, serves, and ends when in ends, because then the parent is
// gone. It is what the hidden command of the key worker calls with the
// standard streams; the process should exit with its error.
func WorkerMain(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := hardenProcess()
	if err != nil {
		log.Warn("the key worker could not be hardened", slog.Any("error", err))
	}
	lines := bufio.NewReaderSize(in, maxStartLine)
	line, err := lines.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read start line: %w", err)
	}
	start, err := parseStart(line)
	clear(line) // it may hold a PIN
	start.Config.typed = start.PIN
	if err == nil && start.Init {
		err = initToken(start)
		return errors.Join(err, report(out, err))
	}
	if err == nil && start.Bare != nil {
		err = serveBare(start.Config, *start.Bare, lines, json.NewEncoder(out), log)
	}
	if err != nil {
		return errors.Join(err, report(out, err))
	}
	if start.Bare != nil {
		return nil
	}
	go func() {
		_, _ = io.Copy(io.Discard, lines) // any end means the same
		cancel()
	}()
	err = runWorker(ctx, start.Config, log, func() error { return report(out, nil) })
	if err != nil {
		return errors.Join(err, report(out, err))
	}
	return nil
}

// report writes the one line that the parent waits for.
func report(out io.Writer, cause error) error {
	r := workerReport{Ready: cause == nil}
	if cause != nil {
		r.Error, r.Message = codeOf(cause), cause.Error()
	}
	return json.NewEncoder(out).Encode(r)
}

// hardenProcess keeps the memory of the worker out of core dumps and out of
// reach of other processes of the same user, and forbids new privileges.
func hardenProcess() error {
	err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("PR_SET_DUMPABLE: %w", err)
	}
	err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
	}
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// RunWorker opens the token and serves it on cfg.SocketPath until ctx ends.
// Only the key worker process calls it.
func RunWorker(ctx context.Context, cfg WorkerConfig) error {
	return runWorker(ctx, cfg, slog.Default(), func() error { return nil })
}

// sparePlaces is how many threads may run Go code at a time, for each core.
const sparePlaces = 4

// runWorker is RunWorker with a logger and a call once the socket listens.
func runWorker(ctx context.Context, cfg WorkerConfig, log *slog.Logger, ready func() error) error {
	tokens, err := cfg.tokens()
	if err != nil {
		return err
	}
	// A call into a module keeps its place in Go's scheduler until the runtime
	// notices; with places to spare the next request is read meanwhile.
	runtime.GOMAXPROCS(sparePlaces * runtime.NumCPU())
	if cfg.SocketPath == "" {
		return errors.New("key worker: no socket path given")
	}
	err = cfg.setEnvironment()
	if err != nil {
		return err
	}
	ln, unlock, err := listen(cfg.SocketPath)
	if err != nil {
		return err
	}
	defer unlock()
	defer ln.Close()
	set, err := openTokens(ctx, tokens, log)
	if err != nil {
		return err
	}
	if cfg.RecycleAfter > 0 {
		set.leakMost = cfg.RecycleAfter
	}
	srv := &workerServer{tokens: set, log: log, started: time.Now(), hung: make(chan struct{})}
	var conns sync.WaitGroup
	serveCtx, stop := context.WithCancel(ctx)
	defer stop()
	conns.Go(func() { srv.accept(serveCtx, ln, &conns) })
	err = ready()
	if err == nil {
		err = srv.wait(ctx)
	}
	stop()
	ln.Close()
	if errors.Is(err, errHung) {
		return err // a thread is inside the module: waiting or closing would hang too
	}
	conns.Wait()
	return errors.Join(err, set.close())
}

// listen takes the lock of the socket and listens. The lock decides, so a
// socket file left by a killed worker is no obstacle.
func listen(path string) (net.Listener, func(), error) {
	dir := filepath.Dir(path)
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, nil, fmt.Errorf("folder of the key socket: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("folder of the key socket: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, nil, fmt.Errorf("folder of the key socket: %s has mode %s, must be 0700", dir, info.Mode().Perm())
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("lock of the key socket: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for try := 1; errors.Is(err, unix.EWOULDBLOCK) && try < lockTries; try++ {
		// A supervisor that stands by holds it for a moment when it looks.
		time.Sleep(lockPause)
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		lock.Close()
		return nil, nil, fmt.Errorf("%w: %s", ErrWorkerRunning, path)
	}
	err = os.Remove(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		lock.Close()
		return nil, nil, fmt.Errorf("old key socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		lock.Close()
		return nil, nil, fmt.Errorf("listen on the key socket: %w", err)
	}
	err = os.Chmod(path, 0o600)
	if err != nil {
		ln.Close()
		lock.Close()
		return nil, nil, fmt.Errorf("key socket: %w", err)
	}
	return ln, func() { lock.Close() }, nil
}

// workerServer answers requests from the tokens.
type workerServer struct {
	tokens  *tokenSet
	log     *slog.Logger
	started time.Time

	hungOnce sync.Once
	hung     chan struct{}
}

// wait ends with ctx, or when the worker must not go on.
func (s *workerServer) wait(ctx context.Context) error {
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.tokens.worn:
			s.log.Info("the key worker ends in good order, to be started anew")
			return nil
		case <-s.tokens.pinRefused:
			return fmt.Errorf("%w while logging in again", ErrPIN)
		case <-s.hung:
			return errHung
		case now := <-watch.C:
			if s.tokens.hung(now) {
				return errHung
			}
		}
	}
}

// accept serves connections until ctx ends.
func (s *workerServer) accept(ctx context.Context, ln net.Listener, conns *sync.WaitGroup) {
	places := make(chan struct{}, maxConns)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		conn, err := ln.Accept()
		if err != nil {
			<-places
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("a connection to the key worker was not accepted", slog.Any("error", err))
			time.Sleep(throttleWait) // out of descriptors: give others time to close
			continue
		}
		conns.Go(func() {
			defer func() { <-places }()
			s.serve(ctx, conn)
		})
	}
}

// sameUser says whether the peer runs as the same user or as root
// (SO_PEERCRED); the mode of the socket says so too, but modes get changed.
func sameUser(conn net.Conn) bool {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return false
	}
	allowed := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		allowed = err == nil && (int(cred.Uid) == os.Getuid() || cred.Uid == 0)
	})
	return err == nil && allowed
}

// guarded answers one request and raises the alarm when the module hangs.
func (s *workerServer) guarded(ctx context.Context, req request) response {
	limit := callTime
	if req.Op == opProbe {
		limit = probeTime
	}
	alarm := time.AfterFunc(limit, func() { s.hungOnce.Do(func() { close(s.hung) }) })
	defer alarm.Stop()
	resp, err := s.answer(ctx, req)
	if err != nil {
		resp = response{Error: codeOf(err), Message: err.Error()}
	}
	resp.ID = req.ID
	return resp
}

// answer does what a request asks for.
func (s *workerServer) answer(ctx context.Context, req request) (response, error) {
	switch req.Op {
	case opPublic:
		r, err := s.tokens.find(ctx, req.Label)
		if err != nil {
			return response{}, err
		}
		return keyResponse(r)
	case opGenerate:
		r, err := s.tokens.generate(ctx, req.Token, generateRequest{Label: req.Label, Algorithm: req.Algorithm, ID: req.KeyID, Backup: req.Backup})
		if err != nil {
			return response{}, err
		}
		return keyResponse(r)
	case opKeys:
		return s.keys(ctx)
	case opHealth:
		return response{Health: s.health()}, nil
	default:
		return s.answerToken(ctx, req)
	}
}

// answerToken does what is asked of one token.
func (s *workerServer) answerToken(ctx context.Context, req request) (response, error) {
	switch req.Op {
	case opTokens:
		return response{Tokens: s.tokens.infos()}, nil
	case opSetState:
		return response{}, s.tokens.setState(req.Token, req.State)
	case opProbe:
		p, err := s.tokens.probe(ctx, req.Token)
		return response{Probe: &p}, err
	case opImportCertificate:
		return response{}, s.tokens.importCertificate(ctx, req.Label, req.Certificate)
	case opCertificates:
		certificates, err := s.tokens.certificates(ctx)
		return response{Certificates: certificates}, err
	case opDelete:
		return response{}, s.tokens.deleteKey(ctx, req.Token, req.Label, req.KeyID)
	case opWrap:
		wrapped, err := s.tokens.wrapKey(ctx, req.Token, req.Label, req.KEK)
		return response{Wrapped: wrapped}, err
	case opUnwrap:
		pub, err := x509.ParsePKIXPublicKey(req.SPKI)
		if err != nil {
			return response{}, fmt.Errorf("%w: public key: %w", ErrBadRequest, err)
		}
		return response{}, s.tokens.unwrapKey(ctx, req.Token, unwrapRequest{
			Label: req.Label, ID: req.KeyID, KEK: req.KEK, Wrapped: req.Wrapped, Public: pub})
	default:
		return response{}, fmt.Errorf("%w: unknown operation", ErrBadRequest)
	}
}
