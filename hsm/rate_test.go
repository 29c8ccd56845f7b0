package hsm_test

import (
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

func TestRatesAreMeasuredAndTheKeyIsDestroyed(t *testing.T) {
	tok := hsmtest.NewToken(t)
	for _, alg := range []string{"EC-P256", "Ed25519"} {
		r, err := hsm.CompareRates(t.Context(), tok.Client, hsm.RateOptions{
			Worker: hsmtest.Options(t, tok.Config), Algorithm: alg, Callers: 4, Rounds: 1, Time: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if r.Bare <= 0 || r.Signed == 0 || r.Wrong != 0 || r.Lost != 0 {
			t.Errorf("%+v", r)
		}
	}
	keys, err := tok.Client.Keys(t.Context())
	if err != nil || len(keys) != 0 {
		t.Errorf("%d keys are left: %v", len(keys), err)
	}
}

// BenchmarkAgainstTheBareLoop reports the share of the token's own rate that
// comes through the worker at 8 callers.
func BenchmarkAgainstTheBareLoop(b *testing.B) {
	tok := hsmtest.NewToken(b)
	for _, alg := range []string{"EC-P256", "RSA-2048", "RSA-3072", "Ed25519"} {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				r, err := hsm.CompareRates(b.Context(), tok.Client, hsm.RateOptions{Worker: hsmtest.Options(b, tok.Config), Algorithm: alg, Rounds: 6, Time: 500 * time.Millisecond})
				if err != nil {
					b.Fatal(err)
				}
				if r.Wrong+r.Lost > 0 {
					b.Errorf("%+v", r)
				}
				b.ReportMetric(r.Bare, "bare/s")
				b.ReportMetric(r.Worker, "worker/s")
				b.ReportMetric(r.Ratio, "ratio")
				b.ReportMetric(r.BareCPU, "bare-µs")
				b.ReportMetric(r.WorkerCPU, "worker-µs")
				b.ReportMetric(r.CPURatio, "cpu-ratio")
			}
		})
	}
}
