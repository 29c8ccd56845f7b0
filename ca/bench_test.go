package ca_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/digitorus/timestamp"
	xocsp "golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/ca"
)

func pemBytes(t testing.TB, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("not PEM")
	}
	return block.Bytes
}

// serve answers one POST without a network.
func (w *world) serve(t testing.TB, path, kind string, body []byte) []byte {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	rec := httptest.NewRecorder()
	w.service.Handler().ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Errorf("%s: %d", path, rec.Code)
	}
	out, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Error(err)
	}
	return out
}

func BenchmarkOCSP(b *testing.B) {
	w := sqlite(b, systemClock)
	c := w.official(b, "binh", "EC-P256")
	leaf, err := c.X509()
	check(b, err)
	chain, err := w.service.Chain(leaf)
	check(b, err)
	request, err := xocsp.CreateRequest(leaf, chain[1], nil)
	check(b, err)
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			der := w.serve(b, "/ocsp", "application/ocsp-request", request)
			if len(der) < 100 {
				b.Errorf("answer %x", der)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

func BenchmarkTimeStamp(b *testing.B) {
	w := sqlite(b, systemClock)
	request, err := timestamp.CreateRequest(bytes.NewReader([]byte("x")), &timestamp.RequestOptions{Certificates: true})
	check(b, err)
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			der := w.serve(b, "/tsa", "application/timestamp-query", request)
			if len(der) < 200 {
				b.Errorf("answer %x", der)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "stamps/s")
}

// BenchmarkIssueTogether issues to machines, many at a time: the whole way from
// request to release, without the desk.
func BenchmarkIssueTogether(b *testing.B) {
	w := sqlite(b, systemClock)
	request := csr(b, p256(b))
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := w.service.IssueService(b.Context(), ca.ServiceForm{Profile: "device", Machine: "device-1", CSR: request, Actor: "system:bench"})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "issue/s")
}
