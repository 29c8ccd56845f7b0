package signer

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
)

// Local signs with a key that a person holds in hand, on a machine without the
// system: there is no database and no ledger, so nothing is recorded but the
// answer. The result is examined before it leaves as that of the Service.
type Local struct {
	Key     *Key
	Private crypto.Signer
	Clock   clock.Clock
	// Anchors are whom the signer's certificate must lead to; nil: its dates,
	// its usage and its key alone are judged.
	Anchors *trust.Store
	// Collector fetches revocation data for B-LT, B-LTA and with Anchors.
	Collector *trust.Collector
	// Timestamp is needed above B-B.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
	// SecondReader and SecondOpinionMax are as in Deps.
	SecondReader     []string
	SecondOpinionMax int64
	Logger           *slog.Logger
}

// Sign signs the document and writes the result to the file path, whole or not
// at all.
func (l Local) Sign(ctx context.Context, q Request, path string) (*Act, error) {
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	ctx, stamps := tsp.WithAnswers(ctx)
	q, err := q.checked()
	if err != nil {
		return nil, err
	}
	if q.Level != string(pades.LevelB) && l.Timestamp == nil {
		return nil, fmt.Errorf("%w: level %s needs a time-stamping authority", ErrRequest, q.Level)
	}
	scheme, err := schemeFor(l.Private.Public(), q.Scheme)
	if err != nil {
		return nil, err
	}
	q.Digest, err = digestOf(q)
	if err != nil {
		return nil, err
	}
	s := &Service{d: Deps{
		Clock: l.Clock, Collector: l.Collector, Timestamp: l.Timestamp, SecondReader: l.SecondReader, SecondOpinionMax: l.SecondOpinionMax, Logger: l.Logger,
		Anchors: func(context.Context) (*trust.Store, error) { return l.Anchors, nil },
	}}
	q.Visible, err = s.readForm(ctx, q)
	if err != nil {
		return nil, err
	}
	err = l.checkCertificate(ctx, s)
	if err != nil {
		return nil, err
	}
	act := s.newAct(ctx, rand.Text(), l.Key, q, scheme)
	out, err := os.CreateTemp(filepath.Dir(path), ".signing-*"+filepath.Ext(path))
	if err != nil {
		return nil, fmt.Errorf("write beside %s: %w", path, err)
	}
	defer func() { _ = os.Remove(out.Name()) }()
	defer func() { _ = out.Close() }()
	err = s.produce(ctx, act, l.Key, l.Private, q, scheme, out)
	if err == nil {
		err = errors.Join(out.Chmod(0o644), out.Sync())
	}
	if err == nil {
		err = putInPlace(out.Name(), path)
	}
	if err != nil {
		return nil, err
	}
	now := l.Clock.Now()
	act.State, act.EndedAt, act.StampedBy = StateReleased, &now, stamps.URLs()
	return act, nil
}

// checkCertificate refuses a certificate that a verifier would refuse, as far
// as it can be told from what is at hand.
func (l Local) checkCertificate(ctx context.Context, s *Service) error {
	leaf, now := l.Key.Chain[0], l.Clock.Now()
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%w: it expired on %s", ErrCertificate, leaf.NotAfter.Format("2006-01-02 15:04 MST"))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%w: it is not valid before %s", ErrCertificate, leaf.NotBefore.Format("2006-01-02 15:04 MST"))
	case leaf.KeyUsage != 0 && leaf.KeyUsage&signs == 0:
		return fmt.Errorf("%w: it is not for signing documents", ErrCertificate)
	case l.Anchors == nil:
		return nil
	case len(l.Key.Chain) < 2:
		return fmt.Errorf("%w: the certificate of its issuer is not at hand", ErrCertificate)
	}
	return s.checkCertificate(ctx, l.Key.Chain)
}
