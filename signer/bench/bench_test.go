package bench_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"os"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/bench"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
)

// measureEnv makes the test binary the process whose memory is measured.
const measureEnv = "ANTIN_BENCHTEST_MEASURE"

func TestMain(m *testing.M) {
	if os.Getenv(measureEnv) != "" {
		err := bench.Measure(context.Background(), os.Args[1:], os.Stdout)
		if err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	hsmtest.Main(m)
}

// system is a real token with a real authority beside it.
func system(t *testing.T) bench.System {
	t.Helper()
	p, token := trusttest.New(t, time.Time{}), hsmtest.NewToken(t)
	p.Clock.Set(time.Now())
	public, err := token.Client.Generate(t.Context(), "key", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	chain := p.Issue(t, "A", public)
	anchors, stamps := p.Store(t), &tsp.Client{URL: p.TSAURL()}
	t.Setenv(measureEnv, "1")
	worker := hsmtest.Options(t, token.Config)
	worker.Env = append(worker.Env, measureEnv+"=")
	return bench.System{
		Rates: func(ctx context.Context, o hsm.RateOptions) (hsm.Rates, error) {
			o.Worker = worker
			return hsm.CompareRates(ctx, token.Client, o)
		},
		Signer: token.Client.Signer, Collect: p.Collector().Collect, Dir: t.TempDir(), Child: []string{os.Args[0]},
		Chain:   func(context.Context, string) ([]*x509.Certificate, error) { return chain, nil },
		Anchors: func(context.Context) (*trust.Store, error) { return anchors, nil },
		Spent: func(ctx context.Context) (uint64, int, error) {
			health, err := token.Client.Health(ctx)
			return health.Signatures, health.PID, err
		},
		Timestamp: func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
			return stamps.Timestamp(ctx, h, digest)
		},
	}
}

func TestRatesCountEverySignatureAndStayBelowTheBoundOfTheDigest(t *testing.T) {
	s := system(t)
	o := bench.Options{Keys: []string{"key"}, Callers: 2, Rounds: 1, Time: 300 * time.Millisecond}
	rates, err := s.Sign(t.Context(), o, pades.LevelLT, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rates {
		if r.Documents <= 0 || r.CPU <= 0 || r.Spent < 0.9 || r.OfCPU <= 0 || r.OfCPU > 1 || r.Bound <= 0 || r.Bound > 1 {
			t.Errorf("apart %v: %+v", r.Apart, r)
		}
	}
}

func TestManySignaturesPassAndMemoryIsMeasured(t *testing.T) {
	s := system(t)
	o := bench.Options{Keys: []string{"key"}, Callers: 1, Rounds: 1, Time: 50 * time.Millisecond}
	v, err := s.Verify(t.Context(), o, pades.LevelLT, 50_000, 3, func() {})
	if err != nil || v.Passed != 3 || v.Revisions != 7 {
		t.Errorf("%+v, %v", v, err)
	}
	beside, err := s.BesidePeer(t.Context(), o, "key", 50_000)
	if err != nil || beside.Faster <= 0 {
		t.Errorf("%+v, %v", beside, err)
	}
	for _, who := range []string{bench.Ours, bench.Peer} {
		m, err := s.MemoryOf(t.Context(), who, 2_000_000)
		if err != nil || m.Idle <= 0 || m.Above() < 0 {
			t.Errorf("%s: %+v, %v", who, m, err)
		}
	}
}
