package tsp

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/signer/cms"
)

// ErrNoServer says that a list of authorities is empty.
var ErrNoServer = errors.New("tsp: no time-stamping authority")

const (
	// penalty is how long an authority that failed is asked last: a batch must
	// not wait for a dead one at each document.
	penalty = time.Minute
	// attemptsBefore another authority is asked instead.
	attemptsBefore = 2
)

// Servers asks several authorities in order until one gives a token over the
// digest. It may be used by many at once.
type Servers struct {
	list   []*Client
	clock  clock.Clock
	logger *slog.Logger

	mu     sync.Mutex
	failed map[*Client]time.Time
}

// NewServers makes a list of authorities, the preferred one first.
func NewServers(c clock.Clock, logger *slog.Logger, list ...*Client) (*Servers, error) {
	if len(list) == 0 {
		return nil, ErrNoServer
	}
	return &Servers{list: list, clock: c, logger: logger, failed: map[*Client]time.Time{}}, nil
}

// Timestamp returns a token over a digest, as Client.Timestamp does. Which
// authority gave it is noted in the context's Answers.
func (s *Servers) Timestamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	return s.TimestampFor(ctx, h, digest, nil)
}

// TimestampFor asks with somebody else's nonce; nil means one of our own.
func (s *Servers) TimestampFor(ctx context.Context, h crypto.Hash, digest []byte, nonce *big.Int) ([]byte, error) {
	var failures []error
	order := s.order()
	for n, c := range order {
		try := *c
		try.Nonce = nonce
		if n+1 < len(order) && try.Attempts == 0 {
			try.Attempts = attemptsBefore
		}
		token, err := try.Timestamp(ctx, h, digest)
		if err == nil {
			s.mark(c, false)
			note(ctx, c.URL)
			return token, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil || errors.Is(err, cms.ErrRefused) {
			break // nobody would answer that
		}
		s.mark(c, true)
		s.logger.WarnContext(ctx, "time-stamping authority did not answer as it should", slog.String("url", c.URL), slog.Any("error", err))
	}
	return nil, errors.Join(failures...)
}

// order puts those that failed a short while ago behind the others.
func (s *Servers) order() []*Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	late := func(c *Client) int {
		at, ok := s.failed[c]
		if ok && now.Sub(at) < penalty {
			return 1
		}
		return 0
	}
	order := slices.Clone(s.list)
	slices.SortStableFunc(order, func(a, b *Client) int { return late(a) - late(b) })
	return order
}

func (s *Servers) mark(c *Client, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed {
		s.failed[c] = s.clock.Now()
		return
	}
	delete(s.failed, c)
}

// Answers notes which authorities gave the tokens of one act.
type Answers struct {
	mu   sync.Mutex
	urls []string
}

// URLs are the authorities' addresses, each once, in order.
func (a *Answers) URLs() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.urls)
}

type answersKey struct{}

// WithAnswers returns a context under which answering authorities are noted.
func WithAnswers(ctx context.Context) (context.Context, *Answers) {
	a := &Answers{}
	return context.WithValue(ctx, answersKey{}, a), a
}

func note(ctx context.Context, url string) {
	a, ok := ctx.Value(answersKey{}).(*Answers)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.urls, url) {
		a.urls = append(a.urls, url)
	}
}
