package trust_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/Netflix/bettertls/test-suites/certutil"
	"github.com/Netflix/bettertls/test-suites/nameconstraints"
	"github.com/Netflix/bettertls/test-suites/pathbuilding"
	test_case "github.com/Netflix/bettertls/test-suites/test-case"

	"github.com/antin-gov/antin/internal/trust"
)

// envFull asks for every case of the large suites.
const envFull = "ANTIN_FULL"

// betterTLSSample is the share of the name-constraint cases that is run without
// envFull: every third. They are combinations of the same few values.
const betterTLSSample = 3

// betterTLSScore counts how the cases of one suite came out.
type betterTLSScore struct {
	mu               sync.Mutex
	passed, total    int
	softPassed, soft int
	failures         []string
}

// TestBetterTLS generates Netflix's BetterTLS cases, the same that its
// export-tests writes, and judges each as a TLS client with Peers would. A hard
// expectation must be met. A soft one, where BetterTLS says what a client
// should but need not do, is counted apart and must be met as well: we do what
// it should.
func TestBetterTLS(t *testing.T) {
	root, key, err := certutil.GenerateSelfSignedCert("bettertls_trust_root")
	if err != nil {
		t.Fatal(err)
	}
	store, err := trust.NewStore([]*x509.Certificate{root}, nil)
	if err != nil {
		t.Fatal(err)
	}
	peers := &trust.Peers{Store: store}
	for _, suite := range []struct {
		provider test_case.TestCaseProvider
		step     uint
		least    int
	}{{pathbuilding.NewTestCaseProvider(), 1, 81}, {nameconstraints.NewTestCaseProvider(), betterTLSSample, 9491}} {
		t.Run(suite.provider.Name(), func(t *testing.T) {
			step := suite.step
			if os.Getenv(envFull) != "" {
				step = 1
			}
			count, err := suite.provider.GetTestCaseCount()
			if err != nil {
				t.Fatal(err)
			}
			if int(count) < suite.least {
				t.Errorf("%d cases generated, want %d", count, suite.least)
			}
			began := time.Now()
			score := runBetterTLS(t, suite.provider, peers, root, key, count, step)
			for _, failure := range score.failures {
				t.Error(failure)
			}
			t.Logf("BetterTLS %s: %d of %d passed (soft expectations: %d of %d), %d cases in the suite, %s",
				suite.provider.Name(), score.passed, score.total, score.softPassed, score.soft, count, time.Since(began).Round(time.Millisecond))
		})
	}
}

func runBetterTLS(t *testing.T, provider test_case.TestCaseProvider, peers *trust.Peers, root *x509.Certificate, key crypto.Signer, count, step uint) *betterTLSScore {
	t.Helper()
	score := &betterTLSScore{}
	work := make(chan uint)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range work {
				score.judge(provider, peers, root, key, n)
			}
		}()
	}
	for n := uint(0); n < count; n += step {
		work <- n
	}
	close(work)
	group.Wait()
	return score
}

func (s *betterTLSScore) judge(provider test_case.TestCaseProvider, peers *trust.Peers, root *x509.Certificate, key crypto.Signer, n uint) {
	accepted, got, want, err := runBetterTLSCase(provider, peers, root, key, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	if err != nil {
		s.failures = append(s.failures, fmt.Sprintf("case %d: %v", n, err))
		return
	}
	soft := want == test_case.EXPECTED_RESULT_SOFT_PASS || want == test_case.EXPECTED_RESULT_SOFT_FAIL
	expected := want == test_case.EXPECTED_RESULT_PASS || want == test_case.EXPECTED_RESULT_SOFT_PASS
	if soft {
		s.soft++
	}
	if accepted != expected {
		s.failures = append(s.failures, fmt.Sprintf("case %d: accepted %v (%v), expected %s", n, accepted, got, want))
		return
	}
	s.passed++
	if soft {
		s.softPassed++
	}
}

func runBetterTLSCase(provider test_case.TestCaseProvider, peers *trust.Peers, root *x509.Certificate, key crypto.Signer, n uint) (accepted bool, got error, want test_case.ExpectedResult, err error) {
	one, err := provider.GetTestCase(n)
	if err != nil {
		return false, nil, 0, err
	}
	pair, err := one.GetCertificates(root, key)
	if err != nil {
		return false, nil, 0, err
	}
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		// What cannot be read is refused, as a TLS client does.
		cert, err := trust.ParseCertificate(der)
		if err != nil {
			return false, err, one.ExpectedResult(), nil
		}
		chain = append(chain, cert)
	}
	_, got = peers.Verify(context.Background(), chain, trust.PurposeServer, one.GetHostname())
	return got == nil, got, one.ExpectedResult(), nil
}
