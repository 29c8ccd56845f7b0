package validate_test

import (
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/validate"
)

// The authorities are down: whatever is judged is judged by the cache.
func TestOfflineASignatureIsJudgedByTheCacheAndItsAge(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "Nguyễn Văn A")
	doc := newPDF()
	doc.pades(t, params, p)
	kept, err := trust.OpenCache(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := trust.OpenCache(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	online := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: &trust.Collector{Clock: p.Clock, Cache: kept}}
	report := run(t, doc.data, online)
	if report.Verdict != validate.Passed {
		t.Fatal(explain(report))
	}
	hits := p.Hits(trusttest.OCSP) + p.Hits(trusttest.CRL)
	offline := func(c *trust.Cache) validate.Options {
		return validate.Options{Store: p.Store(t), Clock: p.Clock, Offline: true, Collector: &trust.Collector{Clock: p.Clock, Cache: c, Offline: true}}
	}
	old := offline(kept)
	old.Policy = policy(t, "{name: a, revocation: {max_age: 1m, max_age_authority: 1m}}")
	start := p.Clock.Now()
	for _, c := range []struct {
		name    string
		later   time.Duration
		options validate.Options
		verdict validate.Verdict
		sub     validate.SubIndication
		code    validate.Code
	}{
		{"by fresh data it passes, and the age is told", 10 * time.Minute, offline(kept), validate.Passed, "", validate.CodeRevocationOffline},
		{"data older than the policy allows is not enough", 10 * time.Minute, old, validate.Indeterminate, validate.SubTryLater, validate.CodeRevocationOld},
		{"data past its nextUpdate is not enough", 60 * 24 * time.Hour, offline(kept), validate.Indeterminate, validate.SubTryLater, validate.CodeRevocationUnknown},
		{"without data nothing is known", 0, offline(empty), validate.Indeterminate, validate.SubTryLater, validate.CodeRevocationUnknown},
	} {
		p.Clock.Set(start.Add(c.later))
		report := run(t, doc.data, c.options)
		s := report.Signatures[0]
		if s.Verdict != c.verdict || s.SubIndication != c.sub || !has(s, c.code) {
			t.Errorf("%s: %s", c.name, explain(report))
		}
	}
	if p.Hits(trusttest.OCSP)+p.Hits(trusttest.CRL) != hits {
		t.Error("the network was asked")
	}
}
