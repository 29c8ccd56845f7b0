package hsm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// firstBackoff and lastBackoff bound the pause before a dead worker is
	// started again; it doubles, and is the first again after steadyTime.
	firstBackoff = 10 * time.Millisecond
	lastBackoff  = 5 * time.Second
	steadyTime   = 10 * time.Second
	// readyTime bounds how long a worker may take until it listens: an HSM in
	// the network and a token with thousands of keys need seconds.
	readyTime = 30 * time.Second
	// stopTime is how long a worker may take to end after its input was closed.
	stopTime = 3 * time.Second
	// maxLogLine bounds a line that the worker writes to standard error.
	maxLogLine = 4 << 10
	// standbyPoll is how often a supervisor that stands by looks whether the
	// other worker is gone.
	standbyPoll = 100 * time.Millisecond
)

// Options tell how to start the key worker.
type Options struct {
	// Command is the program and the arguments of the key worker, such as the
	// program itself with its hidden command; it must call WorkerMain.
	Command []string
	// Env is added to the child's environment, which otherwise holds only the
	// search path, the home folder and the locale. It must hold no secret.
	Env    []string
	Config WorkerConfig
	// PIN is what a person typed, for tokens whose pin-source is PINTyped. It goes
	// to the worker over its standard input.
	PIN []byte
	// Standby accepts that the worker of another process serves the socket
	// (the command line beside the running server): the supervisor then waits
	// and starts its own worker when that one goes.
	Standby bool
	Logger  *slog.Logger
}

// Open gives a client of the worker at the socket: that of another process
// when one runs, its own otherwise. Close the client, then the supervisor.
func Open(ctx context.Context, opts Options, co ClientOptions) (*Client, *Supervisor, error) {
	opts.Standby = true
	s, err := StartWorker(ctx, opts)
	if err != nil {
		return nil, nil, err
	}
	c, err := Dial(ctx, opts.Config.SocketPath, co)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return c, s, nil
}

// Supervisor keeps a key worker running.
type Supervisor struct {
	opts   Options
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	child    *child // guarded by mu; nil while standing by
	restarts int    // guarded by mu
	err      error  // guarded by mu; set before done is closed
}

// StartWorker starts the key worker and returns when it listens, or with the
// reason why it never will: a refused PIN, a token that is not there. Later
// deaths are healed by starting it again, except a refused PIN, which ends the
// supervisor (see Done and Err). It ends with ctx too.
func StartWorker(ctx context.Context, opts Options) (*Supervisor, error) {
	if len(opts.Command) == 0 {
		return nil, errors.New("key worker: no command given")
	}
	if opts.Config.SocketPath == "" {
		return nil, errors.New("key worker: no socket path given")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.PIN = bytes.Clone(opts.PIN) // for workers that are started later; the caller wipes its own
	err := os.MkdirAll(filepath.Dir(opts.Config.SocketPath), 0o700)
	if err != nil {
		return nil, fmt.Errorf("folder of the key socket: %w", err)
	}
	c, err := startOnce(ctx, opts)
	if err != nil && !(opts.Standby && errors.Is(err, ErrWorkerRunning)) {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Supervisor{opts: opts, cancel: cancel, done: make(chan struct{}), child: c}
	go s.run(ctx, c)
	return s, nil
}

// startOnce starts a child and waits until it listens.
func startOnce(ctx context.Context, opts Options) (*child, error) {
	c, err := spawn(ctx, opts.Command, opts.Env, opts.Logger, workerStart{Config: opts.Config, PIN: opts.PIN})
	if err != nil {
		return nil, err
	}
	err = c.ready(ctx)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// run waits for the death of the child and starts the next.
func (s *Supervisor) run(ctx context.Context, c *child) {
	defer close(s.done)
	backoff := firstBackoff
	if c == nil {
		var ok bool
		c, ok = s.restart(ctx, &backoff)
		if !ok {
			return
		}
	}
	started := time.Now()
	for {
		select {
		case <-ctx.Done():
			err := c.stop()
			if err != nil {
				s.opts.Logger.Warn("the key worker did not end cleanly", slog.Any("error", err))
			}
			return
		case <-c.exited:
		}
		if time.Since(started) > steadyTime {
			backoff = firstBackoff
		}
		if c.err == nil {
			backoff = firstBackoff
			s.opts.Logger.Info("the key worker ended in good order and is started anew")
		} else {
			s.opts.Logger.Warn("the key worker died and is started again", slog.Any("cause", c.err), slog.Duration("pause", backoff))
		}
		var ok bool
		c, ok = s.restart(ctx, &backoff)
		if !ok {
			return
		}
		started = time.Now()
	}
}

// restart starts a child until it succeeds, ctx ends or the PIN is refused.
func (s *Supervisor) restart(ctx context.Context, backoff *time.Duration) (*child, bool) {
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(*backoff):
		}
		if s.opts.Standby && othersServe(s.opts.Config.SocketPath) {
			*backoff = standbyPoll
			continue
		}
		*backoff = min(2**backoff, lastBackoff)
		c, err := startOnce(ctx, s.opts)
		s.mu.Lock()
		s.restarts++
		if err == nil {
			s.child = c
			s.mu.Unlock()
			return c, true
		}
		if errors.Is(err, ErrPIN) {
			s.err = err
			s.mu.Unlock()
			s.opts.Logger.Error("the PIN was refused; the key worker stays down", slog.Any("error", err))
			return nil, false
		}
		s.mu.Unlock()
		if s.opts.Standby && errors.Is(err, ErrWorkerRunning) {
			// Another process was faster: it serves now.
			*backoff = standbyPoll
			continue
		}
		s.opts.Logger.Warn("the key worker did not start", slog.Any("error", err), slog.Duration("pause", *backoff))
	}
}

// othersServe says whether a worker holds the lock of the socket.
func othersServe(socket string) bool {
	lock, err := os.OpenFile(socket+".lock", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return errors.Is(unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// PID is the process id of the present worker; 0 while another process's
// worker serves.
func (s *Supervisor) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return 0
	}
	return s.child.cmd.Process.Pid
}

// Restarts tells how often a worker was started again.
func (s *Supervisor) Restarts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts
}

// Done is closed when no worker will be started any more.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// Err tells after Done why the supervisor gave up; nil after Close.
func (s *Supervisor) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the worker and waits for it.
func (s *Supervisor) Close() error {
	s.cancel()
	<-s.done
	return s.Err()
}

// child is one worker process.
type child struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	report chan error
	// lines is the rest of the child's output, after its report.
	lines  *bufio.Reader
	exited chan struct{}
	err    error // set before exited is closed
}

// spawn starts a process and gives it its start line.
func spawn(ctx context.Context, command, env []string, log *slog.Logger, start workerStart) (*child, error) {
	err := ctx.Err()
	if err != nil {
		return nil, err
	}
	if len(command) == 0 {
		return nil, errors.New("key worker: no command given")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	line, err := json.Marshal(start)
	if err != nil {
		return nil, fmt.Errorf("key worker configuration: %w", err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(plainEnv(), env...)
	cmd.Stderr = &logWriter{log: log}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("key worker: %w", err)
	}
	// A pipe of our own: Wait would close cmd's one before its last line is read.
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("key worker: %w", err)
	}
	cmd.Stdout = outWrite
	err = cmd.Start()
	outWrite.Close()
	if err != nil {
		outRead.Close()
		return nil, fmt.Errorf("start key worker: %w", err)
	}
	c := &child{cmd: cmd, input: input, report: make(chan error, 1), lines: bufio.NewReader(outRead), exited: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.exited)
	}()
	go func() {
		c.report <- readReport(c.lines)
		<-c.exited
		outRead.Close()
	}()
	_, err = input.Write(append(line, '\n'))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("key worker configuration: %w", err), c.stop())
	}
	return c, nil
}

// plainEnv is the part of the environment that a child may have: a server's
// environment can hold secrets.
func plainEnv() []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR", envCredentials} {
		value, ok := os.LookupEnv(name)
		if ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// ready waits for the child's report.
func (c *child) ready(ctx context.Context) error {
	timer := time.NewTimer(readyTime)
	defer timer.Stop()
	select {
	case err := <-c.report:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: the key worker was not ready within %s", ErrUnavailable, readyTime)
	}
}

// stop closes the child's input, which ends it, and kills it if it will not.
func (c *child) stop() error {
	c.input.Close()
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopTime):
	}
	err := c.cmd.Process.Kill()
	<-c.exited
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop key worker: %w", err)
	}
	return nil
}

// logWriter hands the child's lines on standard error to a logger.
type logWriter struct {
	log  *slog.Logger
	line []byte
}

// Write takes bytes; each whole line becomes a record. exec calls it from one
// goroutine.
func (w *logWriter) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' {
			w.log.Info("key worker", slog.String("line", string(w.line)))
			w.line = w.line[:0]
			continue
		}
		if len(w.line) < maxLogLine {
			w.line = append(w.line, b)
		}
	}
	return len(p), nil
}
