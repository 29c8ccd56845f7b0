package signer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// The independent reader is a library that on some damaged files reads for
// ever and takes all memory (an unfinished string in an object stream), so it
// runs in a process of its own, with these limits.
const (
	readerTime   = 20 * time.Second
	readerMemory = 1 << 30
	// readerAnswer bounds what is read of its answer.
	readerAnswer = 1 << 10
)

// ErrReader means that the independent reader gave no answer.
var ErrReader = errors.New("independent reader gave no answer")

// reader counts the right and wrong signatures of a file.
type reader func(ctx context.Context, file io.ReaderAt, size int64) (count, error)

// counted is what the process of the reader writes.
type counted struct {
	Right int    `json:"right"`
	Wrong int    `json:"wrong"`
	Error string `json:"error,omitempty"`
}

// reader is a process of its own where one is configured.
func (s *Service) reader() reader {
	if len(s.d.SecondReader) == 0 {
		return func(_ context.Context, file io.ReaderAt, size int64) (count, error) { return readHere(file, size) }
	}
	return s.readElsewhere
}

func (s *Service) readElsewhere(ctx context.Context, file io.ReaderAt, size int64) (count, error) {
	ctx, cancel := context.WithTimeout(ctx, readerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.d.SecondReader[0], s.d.SecondReader[1:]...)
	// The child needs nothing of ours: no folder, no setting, no secret.
	cmd.Env = append([]string{"GOMAXPROCS=1"}, s.d.SecondReaderEnv...)
	cmd.Dir = "/"
	cmd.Stdin = io.NewSectionReader(file, 0, size)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	if err != nil {
		return count{}, fmt.Errorf("%w: %w", ErrReader, err)
	}
	var a counted
	err = json.NewDecoder(io.LimitReader(&out, readerAnswer)).Decode(&a)
	if err != nil {
		return count{}, fmt.Errorf("%w: %w", ErrReader, err)
	}
	if a.Error != "" {
		return count{}, fmt.Errorf("%w: %s", ErrReader, a.Error)
	}
	return count{right: a.Right, wrong: a.Wrong}, nil
}

// ReaderMain is the whole life of the reader's process: it reads one file of at
// most limit bytes from in and writes its answer to out.
func ReaderMain(in io.Reader, out io.Writer, limit int64) error {
	bound := unix.Rlimit{Cur: readerMemory, Max: readerMemory}
	err := unix.Setrlimit(unix.RLIMIT_DATA, &bound)
	if err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	seconds := uint64(readerTime / time.Second)
	err = unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds})
	if err != nil {
		return fmt.Errorf("limit time: %w", err)
	}
	pdf, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	a := counted{Error: "file over the limit"}
	if int64(len(pdf)) <= limit {
		a = counted{}
		n, err := readHere(bytes.NewReader(pdf), int64(len(pdf)))
		if err != nil {
			a.Error = "not readable"
		}
		a.Right, a.Wrong = n.right, n.wrong
	}
	return json.NewEncoder(out).Encode(a)
}
