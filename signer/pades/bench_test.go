package pades_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/bench"
	"github.com/antin-gov/antin/signer/pades"
)

// memory is an Output that keeps the file in memory.
type memory struct{ data []byte }

func (m *memory) Write(p []byte) (int, error) {
	m.data = append(m.data, p...)
	return len(p), nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) { return copy(m.data[at:], p), nil }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func BenchmarkSignOnePage(b *testing.B) {
	p := newPKI(b)
	path := filepath.Join(testkit.Data(b, "pdf/pyhanko"), "internal__common-test-utils__src__pyhanko_testing_commons__test_data__data__pdf__minimal.pdf")
	in, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range p.schemes() {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				out := &memory{}
				_, err := pades.Sign(context.Background(), &memory{data: in}, int64(len(in)), out, pades.Options{Signer: s.key, Chain: s.chain, PSS: s.pss, Now: time.Now()})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// largeFile writes a large PDF.
func largeFile(tb testing.TB, megabytes int) string {
	tb.Helper()
	out, err := os.CreateTemp(tb.TempDir(), "large-*.pdf")
	if err != nil {
		tb.Fatal(err)
	}
	err = bench.Document(out, int64(megabytes)<<20)
	if err != nil {
		tb.Fatal(err)
	}
	err = out.Close()
	if err != nil {
		tb.Fatal(err)
	}
	return out.Name()
}

func TestSigning200MegabytesNeedsLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 400 MB")
	}
	p := newPKI(t)
	path := largeFile(t, 200)
	s := p.schemes()[0]
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	out, r, err := signFile(t, path, pades.Options{Signer: s.key, Chain: s.chain})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
	t.Logf("%d MB in %v, %d MB allocated in all", r.Size>>20, took, allocated)
	if allocated > 16 {
		t.Errorf("%d MB allocated", allocated)
	}
	need(t, "pdfsig")
	said, err := exec.Command("pdfsig", "-nocert", out).CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte("Signature is Valid")) {
		t.Errorf("pdfsig: %v %s", err, said)
	}
}

func BenchmarkSign200MB(b *testing.B) {
	p := newPKI(b)
	path := largeFile(b, 200)
	s := p.schemes()[0]
	b.SetBytes(200 << 20)
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := signFile(b, path, pades.Options{Signer: s.key, Chain: s.chain})
		if err != nil {
			b.Fatal(err)
		}
	}
}
