package signer

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer/bench"
)

// BenchmarkSign compares the service with pdfsign's own signer, over the same
// token key and the same document. The service does more each time: it asks
// for the certificate's status over HTTP, writes the record twice, waits for
// two durable ledger entries, and asks the independent reader before and after.
func BenchmarkSign(b *testing.B) {
	w := newWorld(b, sqlite(b))
	leaf := w.key(b, "ec", "EC-P256", "p-binh")
	document := directive(b)
	private, err := w.token.Client.Signer(b.Context(), "ec")
	if err != nil {
		b.Fatal(err)
	}
	ctx := auth.WithSubject(b.Context(), binh)
	for _, level := range []string{"B-B", "B-LT"} {
		for _, atOnce := range []int{1, 8} {
			b.Run("service/"+level+"/"+strconv.Itoa(atOnce), func(b *testing.B) {
				dir := b.TempDir()
				var n atomic.Int64
				b.SetParallelism(atOnce)
				body := func(next func() bool) {
					for next() {
						path := filepath.Join(dir, strconv.FormatInt(n.Add(1), 10)+".pdf")
						_, err := w.Sign(ctx, Request{In: bytes.NewReader(document), Size: int64(len(document)), Name: "x.pdf", Key: "ec", Level: level, Factor: FactorTOTP}, path)
						if err != nil {
							b.Error(err)
							return
						}
					}
				}
				if atOnce == 1 {
					body(b.Loop)
				} else {
					b.RunParallel(func(pb *testing.PB) { body(pb.Next) })
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
			})
		}
	}
	b.Run("pdfsign/no-record", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "out.pdf")
		for b.Loop() {
			err := peerSign(document, private, []*x509.Certificate{leaf, w.pki.Issuer, w.pki.Root}, path)
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
	})
}

// peerSign signs with pdfsign and writes the result as durably as the service
// does.
func peerSign(document []byte, key crypto.Signer, chain []*x509.Certificate, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	err = bench.SignPeer(bytes.NewReader(document), int64(len(document)), out, key, chain)
	if err != nil {
		return err
	}
	return out.Sync()
}
