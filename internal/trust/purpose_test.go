package trust_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

func TestAnAnchorForTimestampsAnchorsNoSigners(t *testing.T) {
	own := trusttest.New(t, time.Time{})
	other := trusttest.New(t, own.Clock.Now())
	key := trusttest.ECKey(t)
	signer := other.Issue(t, "Người ngoài", key.Public())
	strangers := other.Store(t)
	store, err := own.Store(t).With(strangers.Anchors(), strangers.Intermediates(), trust.PurposeTimestamp)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		chain   int // 0 the outside time-stamping unit, 1 the outside signer
		purpose trust.Purpose
		stands  bool
	}{
		{"an outside time-stamping unit for time-stamps", 0, trust.PurposeTimestamp, true},
		{"an outside time-stamping unit for anything", 0, trust.PurposeAny, false},
		{"an outside signer for signing", 1, trust.PurposeSignature, false},
		{"an outside signer for anything", 1, trust.PurposeAny, false},
	} {
		leaf := other.TSA
		if c.chain == 1 {
			leaf = signer[0]
		}
		path, err := store.ValidatePath(context.Background(), leaf, trust.Request{At: own.Clock.Now(), Purpose: c.purpose, Intermediates: signer[1:]})
		if (err == nil) != c.stands {
			t.Errorf("%s: %v", c.name, err)
		}
		var failure *trust.PathError
		if err != nil && (!errors.As(err, &failure) || failure.Reason != trust.PathNoAnchor) {
			t.Errorf("%s: refused as %v", c.name, err)
		}
		if err != nil {
			continue
		}
		// What speaks about its revocation ends in the same anchor.
		evidence, err := other.Collector().Collect(context.Background(), path.Certificates)
		if err != nil {
			t.Fatal(err)
		}
		status := store.CheckRevocation(context.Background(), trust.RevocationRequest{Certificate: leaf, Issuer: path.Issuer(0), Anchor: path.Anchor(), At: own.Clock.Now(), Evidence: evidence})
		if status.Status != trust.RevocationGood {
			t.Errorf("%s: revocation %v", c.name, status)
		}
	}
	mine := own.Issue(t, "Người trong", key.Public())
	_, err = store.ValidatePath(context.Background(), mine[0], trust.Request{At: own.Clock.Now(), Purpose: trust.PurposeSignature, Intermediates: mine[1:]})
	if err != nil {
		t.Errorf("an own signer: %v", err)
	}
	if len(store.Anchors()) != 1 || len(store.Limited()) != 1 || store.IsAnchor(store.Limited()[0]) {
		t.Errorf("%d anchors, %d of them limited", len(store.Anchors()), len(store.Limited()))
	}
}
