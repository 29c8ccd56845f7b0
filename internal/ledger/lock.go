package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stateDir is tessera's folder for what is not part of the public log; our own
// lock files stand there too.
const stateDir = ".state"

// ErrOpenTwice says that this process has the log open already.
var ErrOpenTwice = errors.New("this process has the ledger open already")

// claimPresence marks that this process has the log open. Tessera's own locks
// (fcntl) keep processes apart but not two logs in one process. The file is
// named by process id and its name space, because containers may share a
// folder.
func claimPresence(dir string) (*os.File, error) {
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		space = "pid" // no /proc: one name space is all there is
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, space)
	path := filepath.Join(dir, stateDir, fmt.Sprintf("open-%s-%d.lock", digits, os.Getpid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock of the ledger: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrOpenTwice, dir), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock of the ledger: %w", err), f.Close())
	}
	return f, nil
}

// leavePresence takes the mark away.
func leavePresence(f *os.File) error {
	err := os.Remove(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// appendLock is held by one writer of the folder at a time. Its file holds one
// byte: '1' while a batch is written, so that the next writer learns that the
// last one died in the middle. After a loss of power the byte may be wrong;
// Open does not rely on it.
type appendLock struct{ f *os.File }

func openAppendLock(dir string) (*appendLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, stateDir, "append.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock of the ledger: %w", err)
	}
	return &appendLock{f: f}, nil
}

// claimCollector makes this process the one that removes partial tiles, and
// gives nil where another one is. If several did, one that publishes and one
// that collects could wait for each other's process: the kernel, which counts
// tessera's locks by process, takes that for a deadlock and refuses both, and a
// checkpoint is published an interval late.
func claimCollector(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, stateDir, "collect.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock of the ledger: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock of the ledger: %w", err), f.Close())
	}
	return f, nil
}

// leaveCollector lets another process collect.
func leaveCollector(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// ErrLocked says that another process holds the lock of the ledger and does not
// go on.
var ErrLocked = errors.New("another process holds the ledger and does not go on")

// lockPoll is the pause between two looks at a lock that another process holds.
const lockPoll = 5 * time.Millisecond

// acquireWithin is acquire with an end: ErrLocked after d.
func (l *appendLock) acquireWithin(ctx context.Context, d time.Duration) (dirty bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for {
		err := unix.Flock(int(l.f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return l.acquire() // it is ours: this reads the mark
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("lock of the ledger: %w", err)
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %s", ErrLocked, l.f.Name())
		case <-time.After(lockPoll):
		}
	}
}

// acquire waits for the lock and tells whether the last writer died.
func (l *appendLock) acquire() (dirty bool, err error) {
	for {
		err := unix.Flock(int(l.f.Fd()), unix.LOCK_EX)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("lock of the ledger: %w", err)
		}
		break
	}
	var mark [1]byte
	_, err = l.f.ReadAt(mark[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		l.release()
		return false, fmt.Errorf("lock of the ledger: %w", err)
	}
	return mark[0] == '1', nil
}

// release gives the lock to the next writer.
func (l *appendLock) release() { _ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN) }

// markDirty notes that a batch begins. The file is opened anew for that, so
// that a folder that became read-only is found out here: tessera ends the
// process when it cannot open its own lock (storage/posix, sequenceBatch).
func (l *appendLock) markDirty() error {
	again, err := os.OpenFile(l.f.Name(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the ledger cannot be written: %w", err)
	}
	defer again.Close()
	_, err = l.f.WriteAt([]byte{'1'}, 0)
	if err != nil {
		return fmt.Errorf("lock of the ledger: %w", err)
	}
	return nil
}

// markClean notes that the batch is whole; a failure only costs the next
// writer a tidy run.
func (l *appendLock) markClean() { _, _ = l.f.WriteAt([]byte{'0'}, 0) }

func (l *appendLock) close() error { return l.f.Close() }
