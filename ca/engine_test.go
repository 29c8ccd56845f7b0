package ca_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// approved is a request ready for issue.
func (w *world) approved(t testing.TB, f ra.Form) string {
	t.Helper()
	f.CSR = csr(t, p256(t))
	r, err := w.service.Request(as(t, minh), f)
	check(t, err)
	_, err = w.service.Approve(as(t, thu), r.ID, "")
	check(t, err)
	return r.ID
}

func TestLintErrorRefusesBeforeAnythingIsSigned(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		id := w.approved(t, ra.Form{Profile: "agency-seal", AgencyID: "ubnd"})
		// A profile that a careless hand could write: RFC 5280 §4.2.1.3 allows
		// keyCertSign to authorities only.
		broken, err := profile.Parse("broken.yaml", []byte(`profiles: {agency-seal: {issuer: official, kind: agency, usages: [digitalSignature, keyCertSign],
			purposes: [documentSigning], days: 365, policy: "1.2", keys: [EC-P256], subject: [{type: C, value: VN}, {type: CN, value: "{agency.name}"}]}}`))
		check(t, err)
		w.service.UseProfiles(broken)
		_, err = w.service.Issue(as(t, thu), id)
		if !errors.Is(err, profile.ErrLint) || !strings.Contains(err.Error(), "e_ext_key_usage_cert_sign_without_ca") {
			t.Fatalf("got %v", err)
		}
		if n := w.count(t, "ca_certificate", "profile = 'agency-seal' AND state = 'refused' AND der IS NULL AND intent_index IS NULL"); n != 1 {
			t.Errorf("%d refusals recorded", n)
		}
		good, err := profile.Builtin()
		check(t, err)
		w.service.UseProfiles(good)
		_, err = w.service.Issue(as(t, thu), id)
		check(t, err)
	})
}

func TestASerialNumberIsNeverUsedTwice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		first := w.official(t, "binh", "EC-P256")
		used, ok := new(big.Int).SetString(first.Serial, 16)
		if !ok {
			t.Fatal(first.Serial)
		}
		w.service.DrawSerials(func() (*big.Int, error) { return used, nil })
		id := w.approved(t, ra.Form{Profile: "agency-seal", AgencyID: "ubnd"})
		_, err := w.service.Issue(as(t, thu), id)
		if !errors.Is(err, ca.ErrSerial) {
			t.Fatalf("got %v", err)
		}
		draws := 0
		w.service.DrawSerials(func() (*big.Int, error) {
			draws++
			if draws == 1 {
				return used, nil
			}
			return ca.RandomSerial()
		})
		second, err := w.service.Issue(as(t, thu), id)
		check(t, err)
		if second.Serial == first.Serial || draws != 2 {
			t.Errorf("second serial %s after %d draws", second.Serial, draws)
		}
	})
}

func TestWhatWasNotPreparedIsNotSigned(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	block := csr(t, p256(t))
	request, err := x509.ParseCertificateRequest(pemBytes(t, block))
	check(t, err)
	entries := w.size(t)
	err = w.service.SignUnprepared(&x509.Certificate{PublicKey: request.PublicKey}, request)
	if !errors.Is(err, ca.ErrNotPrepared) || w.size(t) != entries {
		t.Errorf("got %v", err)
	}
}

func TestAListWithoutAHigherNumberIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		l, err := w.service.CRL(t.Context(), ca.OfficialName)
		check(t, err)
		for name, number := range map[string]int64{"the same number": l.Number, "a lower number": l.Number - 1} {
			older := *l
			older.Number = number
			err = w.service.PutList(t.Context(), &older)
			if !errors.Is(err, crl.ErrNotNewer) {
				t.Errorf("%s: %v", name, err)
			}
		}
		again, err := w.service.CRL(t.Context(), ca.OfficialName)
		check(t, err)
		if !bytes.Equal(again.DER, l.DER) {
			t.Error("a list without a revocation was made anew")
		}
	})
}

func TestTwoProcessesIssueAndRevokeTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		other, err := ca.New(t.Context(), w.deps) // as another process has it: nothing shared but database and token
		check(t, err)
		const n = 6
		ids := make([]string, n)
		for i := range ids {
			ids[i] = w.approved(t, ra.Form{Profile: "device", AgencyID: "ttcds", Machine: "device-" + string(rune('a'+i))})
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		issued := make(map[string]int)
		for _, s := range []*ca.Service{w.service, other} {
			for _, id := range ids {
				wg.Go(func() {
					row, err := s.Issue(as(t, thu), id)
					if errors.Is(err, ra.ErrState) {
						return // the other one was first
					}
					if err == nil {
						_, err = s.Revoke(as(t, thu), row.Serial, ca.CauseStopped, "")
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					issued[id]++
					mu.Unlock()
				})
			}
		}
		wg.Wait()
		for _, id := range ids {
			if issued[id] != 1 {
				t.Errorf("%s was issued %d times", id, issued[id])
			}
		}
		report, err := other.Audit(t.Context())
		check(t, err)
		list, err := w.service.CRL(t.Context(), ca.ServiceName)
		check(t, err)
		parsed, err := x509.ParseRevocationList(list.DER)
		check(t, err)
		if len(report.Findings) != 0 || len(parsed.RevokedCertificateEntries) != n {
			t.Errorf("%d on the list; audit %+v", len(parsed.RevokedCertificateEntries), report.Findings)
		}
	})
}

func TestOpenSSLSeesARevocationMadeByAnotherProcess(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	c := w.official(t, "binh", "EC-P256")
	leaf := w.file(t, c)
	other, err := ca.New(t.Context(), w.deps)
	check(t, err)
	if text := w.ocspText(t, leaf); !strings.Contains(text, ": good") {
		t.Fatal(text)
	}
	_, err = other.Revoke(as(t, thu), c.Serial, ca.CausePostChanged, "")
	check(t, err)
	begin := time.Now()
	text := w.ocspText(t, leaf, "-nonce")
	if !strings.Contains(text, ": revoked") || !strings.Contains(text, "affiliationChanged") || time.Since(begin) > time.Second {
		t.Errorf("after %s: %s", time.Since(begin), text)
	}
}

func BenchmarkIssue(b *testing.B) {
	w := sqlite(b, systemClock)
	ids := make([]string, 0, b.N)
	for range b.N {
		ids = append(ids, w.approved(b, ra.Form{Profile: "device", AgencyID: "ttcds", Machine: "device"}))
	}
	b.ResetTimer()
	for _, id := range ids {
		_, err := w.service.Issue(as(b, thu), id)
		check(b, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "issue/s")
}

func BenchmarkIssueParallel(b *testing.B) {
	w := sqlite(b, systemClock)
	ids := make(chan string, b.N)
	for range b.N {
		ids <- w.approved(b, ra.Form{Profile: "device", AgencyID: "ttcds", Machine: "device"})
	}
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := w.service.Issue(as(b, thu), <-ids)
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "issue/s")
}

func TestNothingIsStampedWhileTheClockIsBehindAnEarlierStamp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		now := clock.NewFake(time.Now())
		w := newWorld(t, db, now)
		request, err := timestamp.CreateRequest(bytes.NewReader([]byte("x")), &timestamp.RequestOptions{Certificates: true})
		check(t, err)
		stamp := func() error {
			_, err := timestamp.ParseResponse(w.serve(t, "/tsa", "application/timestamp-query", request))
			return err
		}
		check(t, stamp())
		now.Advance(-5 * time.Second)
		entries := w.size(t)
		err = stamp()
		if err == nil || w.size(t) != entries {
			t.Fatal("stamped in the past")
		}
		t.Log(err)
		now.Advance(5 * time.Second)
		check(t, stamp())
	})
}

func TestRunMakesTheListsAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.service.Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); w.count(t, "ca_crl_list", "1 = 1") < 8 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	check(t, <-done)
	if n := w.count(t, "ca_crl_list", "1 = 1"); n < 8 {
		t.Errorf("%d lists", n)
	}
}
