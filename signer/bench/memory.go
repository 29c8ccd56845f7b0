package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// Who signs or reads a file whose memory is measured.
const (
	Ours   = "antin"
	Peer   = "pdfsign"
	Verify = "verify"
)

// ErrUsage means that a process of Measure was started wrongly.
var ErrUsage = errors.New("not a measure")

// Memory is what one file took in a process of its own.
type Memory struct {
	Who      string  `json:"who"`
	Document int64   `json:"document_bytes"`
	Idle     int64   `json:"idle_bytes"` // resident before
	Peak     int64   `json:"peak_bytes"` // most that was resident
	Seconds  float64 `json:"seconds"`
}

// Above is what the work added to the idle process.
func (m Memory) Above() int64 { return m.Peak - m.Idle }

// MemoryOf measures what signing or verifying a document of a size takes, in a
// process of its own. The signature is made with a key in memory, as only the
// document matters here; what is verified is what was signed last.
func (s System) MemoryOf(ctx context.Context, who string, size int64) (Memory, error) {
	path, signed := filepath.Join(s.Dir, fmt.Sprintf("document-%d.pdf", size)), filepath.Join(s.Dir, "measured.pdf")
	_, err := os.Stat(path)
	if err != nil {
		path, err = documentFile(s.Dir, size)
	}
	if err != nil {
		return Memory{}, err
	}
	if who == Verify {
		path, signed = signed, filepath.Join(s.Dir, "nothing")
	}
	cmd := exec.CommandContext(ctx, s.Child[0], append(append([]string{}, s.Child[1:]...), who, path, signed)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return Memory{}, fmt.Errorf("measure %s on %s: %w: %s", who, filepath.Base(path), err, said.String())
	}
	var m Memory
	err = json.Unmarshal(out, &m)
	return m, err
}

// Measure is the process: it signs or verifies the file args[1] and writes what that took
// to w as JSON. A signed file goes to args[2].
func Measure(ctx context.Context, args []string, w io.Writer) error {
	if len(args) != 3 {
		return ErrUsage
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	in, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(args[2], os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	m := Memory{Who: args[0], Document: info.Size()}
	m.Idle, err = peak()
	if err != nil {
		return err
	}
	began := time.Now()
	switch args[0] {
	case Ours:
		_, err = pades.Sign(ctx, in, info.Size(), out, pades.Options{Signer: key, Chain: []*x509.Certificate{leaf}, Now: now})
	case Peer:
		err = SignPeer(in, info.Size(), out, key, []*x509.Certificate{leaf})
	case Verify:
		_, err = validate.Validate(ctx, in, info.Size(), validate.Options{})
	default:
		err = ErrUsage
	}
	if err != nil {
		return err
	}
	m.Seconds = time.Since(began).Seconds()
	m.Peak, err = peak()
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(m)
}

// peak is the most that this process had resident so far (proc_pid_status(5)).
func peak() (int64, error) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		value, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		return kilobytes << 10, err
	}
	return 0, fmt.Errorf("%w: the kernel tells no peak", ErrUsage)
}
