package ocspbench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loadConns is how many connections are kept alive and busy.
const loadConns = 32

// load asks for paths at random over kept connections for that long, and
// returns the answers a second. Every answer must be 200 and of the length that
// is wanted for its path.
func load(ctx context.Context, address string, paths []string, lengths []int, d time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	requests := make([][]byte, len(paths))
	for i, path := range paths {
		requests[i] = []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n")
	}
	var answers atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	began := time.Now()
	for range loadConns {
		wg.Go(func() {
			err := oneConn(ctx, address, requests, lengths, &answers)
			if err != nil && ctx.Err() == nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return float64(answers.Load()) / time.Since(began).Seconds(), failed
}

func oneConn(ctx context.Context, address string, requests [][]byte, lengths []int, answers *atomic.Int64) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	in := bufio.NewReaderSize(conn, 16<<10)
	for ctx.Err() == nil {
		i := rand.IntN(len(requests))
		_, err = conn.Write(requests[i])
		if err != nil {
			return err
		}
		n, err := readAnswer(in)
		if err != nil {
			return err
		}
		if n != lengths[i] {
			return fmt.Errorf("answer of %d bytes, want %d", n, lengths[i])
		}
		answers.Add(1)
	}
	return nil
}

// readAnswer reads one answer and returns the length of its body.
func readAnswer(in *bufio.Reader) (int, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("answer %q", strings.TrimSpace(string(line)))
	}
	length := -1
	for {
		line, err = in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("answer without a length")
	}
	_, err = in.Discard(length)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return length, err
}
