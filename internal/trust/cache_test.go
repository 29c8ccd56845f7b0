package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

func cache(t testing.TB, dir string, limit int64) *trust.Cache {
	t.Helper()
	c, err := trust.OpenCache(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatWasCollectedIsFoundAgainWithoutTheNetwork(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	dir := t.TempDir()
	key := trusttest.ECKey(t)
	chain := p.Issue(t, "Nguyễn Văn A", key.Public())
	online := &trust.Collector{Clock: p.Clock, Cache: cache(t, dir, 0)}
	_, err := online.Collect(context.Background(), chain)
	if err != nil || online.CacheErr() != nil {
		t.Fatal(err, online.CacheErr())
	}
	hits := p.Hits(trusttest.OCSP)
	offline := &trust.Collector{Clock: p.Clock, Cache: cache(t, dir, 0), Offline: true}
	evidence, err := offline.Collect(context.Background(), chain)
	if err != nil || p.Hits(trusttest.OCSP) != hits {
		t.Fatalf("%v, asked %d times", err, p.Hits(trusttest.OCSP)-hits)
	}
	status := trust.CheckRevocation(trust.RevocationRequest{Certificate: chain[0], Issuer: chain[1], At: p.Clock.Now(), Evidence: evidence})
	if status.Status != trust.RevocationGood {
		t.Errorf("by the cache: %v", status)
	}
	other := p.Issue(t, "Trần Thị B", key.Public())
	_, err = offline.Collect(context.Background(), other)
	if !errors.Is(err, trust.ErrOffline) || p.Hits(trusttest.OCSP) != hits {
		t.Errorf("somebody who is not in it: %v", err)
	}
}

func TestADamagedRecordCountsAsNotThere(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	dir := t.TempDir()
	chain := p.Issue(t, "Nguyễn Văn A", trusttest.ECKey(t).Public())
	online := &trust.Collector{Clock: p.Clock, Cache: cache(t, dir, 0)}
	_, err := online.Collect(context.Background(), chain)
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		err = os.WriteFile(path, data, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	damaged := cache(t, dir, 0)
	offline := &trust.Collector{Clock: p.Clock, Cache: damaged, Offline: true}
	evidence, err := offline.Collect(context.Background(), chain)
	if !errors.Is(err, trust.ErrOffline) || !evidence.Empty() {
		t.Errorf("%v, %d answers", err, len(evidence.OCSPs))
	}
	entries, _, err := damaged.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range entries {
		if one.Whole {
			t.Errorf("%+v", one)
		}
	}
}

func TestACacheIsBoundedAndSharedByMany(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	dir := t.TempDir()
	const limit = 32 << 10
	key := trusttest.ECKey(t)
	var wait sync.WaitGroup
	for worker := range 2 {
		c := cache(t, dir, limit)
		var chains [][]*x509.Certificate
		for range 10 {
			chains = append(chains, p.Issue(t, "Người "+strings.Repeat("x", worker+1), key.Public()))
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			for _, chain := range chains {
				_, err := (&trust.Collector{Clock: p.Clock, Cache: c}).Collect(context.Background(), chain)
				if err != nil {
					t.Error(err)
				}
			}
			if c.Err() != nil {
				t.Error(c.Err())
			}
		}()
	}
	wait.Wait()
	c := cache(t, dir, limit)
	_, err := (&trust.Collector{Clock: p.Clock, Cache: c}).Collect(context.Background(), p.Issue(t, "Cuối", key.Public()))
	if err != nil {
		t.Fatal(err)
	}
	entries, size, err := c.Entries()
	if err != nil || size > 2*limit || len(entries) == 0 {
		t.Errorf("%d entries, %d bytes, %v", len(entries), size, err)
	}
	for _, one := range entries {
		if !one.Whole {
			t.Errorf("%+v", one)
		}
	}
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".new-") {
			t.Errorf("half-written %s", f.Name())
		}
	}
}
