package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestWhoComesWhileAQuestionIsUnderWaySharesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer, issuer := &x509.Certificate{Raw: []byte("signer")}, &x509.Certificate{Raw: []byte("issuer")}
		var r Recent
		asked, answer := 0, make(chan error)
		ask := func() (*collection, error) {
			asked++
			return &collection{}, <-answer
		}
		var wg sync.WaitGroup
		come := func(ctx context.Context, want error) {
			wg.Go(func() {
				_, err := r.together(ctx, signer, issuer, ask)
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			})
			synctest.Wait()
		}
		refused := errors.New("refused")
		leaving, leave := context.WithCancel(t.Context())
		come(t.Context(), nil) // the first asks at once
		come(leaving, context.Canceled)
		for range 3 { // who led the second question leaves: one of these takes it over
			come(t.Context(), refused)
		}
		leave()
		synctest.Wait()
		if asked != 1 {
			t.Errorf("%d questions while the first was under way", asked)
		}
		answer <- nil
		synctest.Wait()
		come(t.Context(), nil) // too late for the second question
		answer <- refused
		synctest.Wait()
		answer <- nil
		wg.Wait()
		if asked != 3 || len(r.asking)+len(r.next) != 0 {
			t.Errorf("%d questions, %d and %d left", asked, len(r.asking), len(r.next))
		}
	})
}
