package trust_test

import (
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

func TestAuthoritiesAreAskedOnceAMinuteAndSignersEachTime(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public())
	c := p.Collector()
	c.Recent = &trust.Recent{}
	collect := func() (trust.Evidence, int) {
		t.Helper()
		before := p.Hits(trusttest.OCSP)
		e, err := c.Collect(t.Context(), chain)
		if err != nil {
			t.Fatal(err)
		}
		return e, p.Hits(trusttest.OCSP) - before
	}
	first, asked := collect()
	if asked != 2 {
		t.Errorf("first time: %d questions, want 2", asked)
	}
	second, asked := collect()
	if asked != 1 {
		t.Errorf("second time: %d questions, want 1 (the signer)", asked)
	}
	if len(second.OCSPs) != len(first.OCSPs) || len(second.CRLs) != len(first.CRLs) || len(second.Certificates) != len(first.Certificates) {
		t.Errorf("evidence: first %d %d %d, then %d %d %d", len(first.Certificates), len(first.OCSPs), len(first.CRLs),
			len(second.Certificates), len(second.OCSPs), len(second.CRLs))
	}
	p.Clock.Advance(time.Minute)
	_, asked = collect()
	if asked != 2 {
		t.Errorf("after a minute: %d questions, want 2", asked)
	}
	p.Revoke(chain[0], p.Clock.Now(), 1)
	_, err := c.Collect(t.Context(), chain)
	var revoked *trust.RevokedError
	if !errors.As(err, &revoked) {
		t.Errorf("a signer revoked meanwhile: %v", err)
	}
}

func TestARevokedAuthorityIsNotRemembered(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	chain := p.Issue(t, "A", trusttest.ECKey(t).Public())
	p.Revoke(p.Issuer, p.Clock.Now(), 2)
	c := p.Collector()
	c.Recent = &trust.Recent{}
	for n := range 2 {
		_, err := c.Collect(t.Context(), chain)
		var revoked *trust.RevokedError
		if !errors.As(err, &revoked) {
			t.Errorf("time %d: %v", n+1, err)
		}
	}
}
