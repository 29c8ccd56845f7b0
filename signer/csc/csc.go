// Package csc is the remote signing service of the Cloud Signature Consortium:
// API v2 (2.0.0.2) at /csc/v2 and the facade of v1 (1.0.4.0) at /csc/v1, with
// its authorization server (OAuth 2.0, RFC 6749, code with PKCE, RFC 7636) at
// /csc/oauth2. A program prepares what is to be signed, the person authorises
// the digests with a second factor, and the key in the token signs them.
//
// The signature activation data (SAD) is bound to the account, the credential,
// the digests, their number and a time; each occurrence of a digest is signed
// once. Only its SHA-256 is kept. What the account may do is the policy's to
// say ("sign.remote"), and the acts stand in the database and the ledger before
// the key is used: the signer's own order.
//
// What is signed asynchronously waits in the database with its outcome. Programs
// keep their access by refresh tokens that change at each use.
//
// It does not do: seals, which follow a person's signature on the document
// itself; static passwords and PINs; client secrets.
package csc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer"
)

// Path is where everything of this package stands.
const Path = "/csc"

// Scope is the scope of credentials of programs that may call the service. It
// is OAuth's "service" under our own name.
const Scope = "sign.remote"

// ActionRemote is asked of the Authorizer for each key: whether its holder may
// sign with it from outside the console.
const ActionRemote = "sign.remote"

// Limits.
const (
	maxBody      = 1 << 20  // of a call, the base64 of a thousand digests and more
	maxDocuments = 48 << 20 // of the body of signDoc
	callsPer     = 20       // a second and account
	callsBurst   = 60
	strangers    = 5 // failed sign-ins a second, all together
	maxLimiters  = 10000
	// authorizations bounds the tries of a second factor, for each account.
	authorizationsPer   = time.Second
	authorizationsBurst = 10
)

// ErrStart means that the service cannot start as it is configured.
var ErrStart = errors.New("csc: remote signing cannot start")

// Config says how the service is reached and how much it allows.
type Config struct {
	// URL is the console's address, https://HOST[:PORT].
	URL string
	// MaxSignatures is how many signatures one authorization may allow.
	MaxSignatures int
	// MaxLive is how many authorizations of one account may be live.
	MaxLive int
	// Life is how long an authorization is good for.
	Life time.Duration
	// Clients are the programs that may use the authorization server, by their
	// client_id, each with the exact addresses that it may be answered at.
	Clients map[string][]string
}

// Signer is the part of signer.Service that is used here.
type Signer interface {
	OwnKeys(ctx context.Context) ([]signer.Key, error)
	CheckKey(ctx context.Context, k signer.Key) error
	SignHashes(ctx context.Context, q signer.HashRequest) ([][]byte, error)
	SignBytes(ctx context.Context, document []byte, q signer.Request) ([]byte, *signer.Act, error)
	SignDigest(ctx context.Context, q signer.DigestRequest) ([]byte, *signer.Act, error)
	Withdraw(ctx context.Context, act *signer.Act, why error) error
}

// Deps are what the service stands on.
type Deps struct {
	DB         *store.DB
	Signer     Signer
	Accounts   *auth.Accounts
	Passkeys   *auth.Passkeys
	Tokens     *auth.Tokens
	Ledger     ledger.Appender
	Clock      clock.Clock
	Authorizer auth.Authorizer
	Logger     *slog.Logger
	// Timestamp returns a time-stamp token (RFC 3161) with the nonce, or with one
	// of its own when that is nil.
	Timestamp func(ctx context.Context, h crypto.Hash, digest []byte, nonce *big.Int) ([]byte, error)
	Config    Config
}

// Server is the service.
type Server struct {
	d        Deps
	mux      *http.ServeMux
	logo     []byte
	stranger *rate.Limiter
	// notifier calls the addresses that wait for outcomes.
	notifier *http.Client

	// life ends with stop; jobs are those under way, workers how many work.
	life    context.Context
	stop    context.CancelFunc
	jobs    sync.WaitGroup
	workers chan struct{}

	mu       sync.Mutex
	limiters map[string]*limits // by account; guarded by mu
}

// limits are those of one account.
type limits struct{ calls, factors *rate.Limiter }

// New checks the dependencies and the configuration and returns the service.
func New(d Deps) (*Server, error) {
	if d.DB == nil || d.Signer == nil || d.Accounts == nil || d.Passkeys == nil || d.Tokens == nil || d.Ledger == nil || d.Clock == nil || d.Authorizer == nil || d.Logger == nil || d.Timestamp == nil {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrStart)
	}
	c := d.Config
	if c.MaxSignatures < 1 || c.MaxSignatures > signer.MaxHashes || c.MaxLive < 1 || c.Life < time.Second || c.Life > transactionLife {
		return nil, fmt.Errorf("%w: signatures %d (1 to %d), authorizations %d, life %s (1s to %s)", ErrStart, c.MaxSignatures, signer.MaxHashes, c.MaxLive, c.Life, transactionLife)
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%w: %q is not https://HOST[:PORT]", ErrStart, c.URL)
	}
	err = checkClients(c.Clients)
	if err != nil {
		return nil, err
	}
	s := &Server{d: d, mux: http.NewServeMux(), stranger: rate.NewLimiter(strangers, strangers*4), limiters: make(map[string]*limits), workers: make(chan struct{}, jobWorkers)}
	s.notifier = &http.Client{Timeout: notifyLimit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.life, s.stop = context.WithCancel(context.Background())
	s.logo, err = drawLogo()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	s.routes()
	return s, nil
}

// of returns the limits of an account.
func (s *Server) of(account string) *limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limiters[account]
	if l == nil {
		if len(s.limiters) > maxLimiters {
			clear(s.limiters)
		}
		l = &limits{calls: rate.NewLimiter(callsPer, callsBurst), factors: rate.NewLimiter(rate.Every(authorizationsPer), authorizationsBurst)}
		s.limiters[account] = l
	}
	return l
}
