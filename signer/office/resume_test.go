package office_test

import (
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/office"
)

// killed is the signing service of a process that is killed in the middle of an
// act: it never comes back, as with kill -9, before the key was used or after.
type killed struct {
	office.Signer
	after bool
}

func (k killed) SignAs(ctx context.Context, act string, q signer.Request, path string) (*signer.Act, error) {
	if k.after {
		_, err := k.Signer.SignAs(ctx, act, q, path)
		if err != nil {
			return nil, err
		}
	}
	runtime.Goexit()
	return nil, nil
}

// killedIn runs a move in a process that is killed in the middle of it.
func (w *world) killedIn(t testing.TB, after bool, who auth.Subject, move func(*office.Service, context.Context) error) {
	t.Helper()
	deps := w.deps
	deps.Signer = killed{w.signer, after}
	dying, err := office.New(deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, done := as(t, who), make(chan error, 1)
	go func() {
		defer close(done)
		done <- move(dying, ctx)
	}()
	err, came := <-done
	if came {
		t.Fatalf("the move came to an end: %v", err)
	}
}

func TestAMoveThatWasKilledIsCompletedOrTakenBack(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.equip(t, 0)
		doc, err := w.submit(t, 0)
		if err != nil {
			t.Fatal(err)
		}
		moves := []struct {
			who     string
			do      func(*office.Service, context.Context) error
			was, is office.State
		}{
			{"head", func(s *office.Service, ctx context.Context) error { _, err := s.Sign(ctx, doc.ID, use()); return err }, office.StateDraft, office.StateSigned},
			{"clerk", func(s *office.Service, ctx context.Context) error { _, err := s.Number(ctx, doc.ID, use()); return err }, office.StateSigned, office.StateNumbered},
			{"clerk", func(s *office.Service, ctx context.Context) error { _, err := s.Seal(ctx, doc.ID, use()); return err }, office.StateNumbered, office.StateSealed},
		}
		for _, m := range moves {
			for _, after := range []bool{false, true} {
				w.killedIn(t, after, subject(m.who, 0), m.do)
				n, err := w.Resume(t.Context())
				want := m.was
				if after {
					want = m.is
				}
				got, err2 := w.Get(as(t, local()), doc.ID)
				if err != nil || err2 != nil || n != 1 || got.State != want {
					t.Fatalf("killed in %s (after the signature: %v): %d settled, %+v, %v, %v", m.was, after, n, got, err, err2)
				}
				again, err := w.Resume(t.Context())
				if err != nil || again != 0 {
					t.Errorf("settled again: %d, %v", again, err)
				}
			}
		}
		got, err := w.Get(as(t, local()), doc.ID)
		if err != nil || got.Number != 1 || got.SignedBy != "head0" || got.DelegationID == "" {
			t.Errorf("%+v, %v", got, err)
		}
		w.whole(t, w.content(t, doc.ID), 3)
		next, err := w.submit(t, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Sign(as(t, subject("head", 0)), next.ID, use())
		if err != nil {
			t.Fatal(err)
		}
		// Killed with a number in hand: the next to come goes on without Resume.
		w.killedIn(t, false, subject("clerk", 0), func(s *office.Service, ctx context.Context) error {
			_, err := s.Number(ctx, next.ID, use())
			return err
		})
		got, err = w.Number(as(t, subject("clerk", 0)), next.ID, use())
		if err != nil || got.Number != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		want := []string{"office.draft", "office.undone", "office.sign", "office.undone", "office.number", "office.undone", "office.seal"}
		if kinds := w.kinds(t, doc.ID); !slices.Equal(kinds, want) {
			t.Errorf("ledger: %v", kinds)
		}
	})
}
