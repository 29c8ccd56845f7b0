package storetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/store"
)

// Server is a PostgreSQL server of one test, which may be stopped and started.
type Server struct {
	// DSN is the address of an empty database.
	DSN string

	tb   testing.TB
	bin  string
	dir  string
	port int
	cmd  *exec.Cmd
}

// NewServer starts a PostgreSQL server that ends with the test; the test is
// skipped where PostgreSQL is not installed.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	bin, err := binDir()
	if err != nil {
		tb.Skipf("PostgreSQL absent: %v", err)
	}
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, bin: bin, dir: dir, port: ln.Addr().(*net.TCPAddr).Port}
	_ = ln.Close()
	s.DSN = fmt.Sprintf("postgres://antin@127.0.0.1:%d/postgres", s.port)
	out, err := s.command("initdb", "-D", filepath.Join(dir, "data"), "-A", "trust", "-U", "antin", "-E", "UTF8", "--locale=C.UTF-8", "-N").CombinedOutput()
	if err != nil {
		tb.Fatalf("initdb: %v: %s", err, out)
	}
	s.Start()
	tb.Cleanup(s.Stop)
	return s
}

// command is a program of PostgreSQL as a user that it accepts.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	s.tb.Helper()
	cred, err := credential(s.dir)
	if err != nil {
		s.tb.Fatalf("user of PostgreSQL: %v", err)
	}
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// Start starts the server on its data and waits until it answers.
func (s *Server) Start() {
	s.tb.Helper()
	s.cmd = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", s.dir, "-F")
	err := s.cmd.Start()
	if err != nil {
		s.tb.Fatalf("start postgres: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		db, err := store.Open(ctx, s.DSN)
		if err == nil {
			_ = db.Close()
			return
		}
		select {
		case <-ctx.Done():
			s.tb.Fatalf("postgres did not answer: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends the server at once, as a crash would: connections break, and the
// next start recovers.
func (s *Server) Stop() {
	s.tb.Helper()
	if s.cmd == nil {
		return
	}
	err := s.cmd.Process.Signal(syscall.SIGQUIT)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("stop postgres: %v", err)
	}
	_ = s.cmd.Wait() // it leaves with a status that tells of the signal
	s.cmd = nil
}
