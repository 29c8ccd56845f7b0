package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/seal"
	"github.com/antin-gov/antin/internal/store"
)

// actorName is who acts in the ledger when the server does.
const actorName = "system:acme"

// Authority is what the server needs of ca.Service.
type Authority interface {
	IssueService(ctx context.Context, f ca.ServiceForm) (*ca.Certificate, error)
	Get(ctx context.Context, serial string) (*ca.Certificate, error)
	Revoke(ctx context.Context, serial string, cause ca.Cause, note string) (*ca.Certificate, error)
	Chain(cert *x509.Certificate) ([]*x509.Certificate, error)
	// Issuers are the certificates between holders and roots, cross-certificates
	// with them.
	Issuers() []*x509.Certificate
	MachineProfiles() []*profile.Profile
}

// Validation says how control of names is proved.
type Validation struct {
	// Networks are the only ranges that are connected to.
	Networks []netip.Prefix
	// Resolver is the DNS server, HOST:PORT; empty means the machine's.
	Resolver string
	// HTTPPort and TLSPort default to 80 and 443.
	HTTPPort, TLSPort int
	// SkipChallenges lets credentials that were made so have their names
	// without a challenge.
	SkipChallenges bool
	// Timeout bounds one try; default 10 s. A try that fails is repeated twice,
	// RetryWait apart; default 2 s.
	Timeout, RetryWait time.Duration
}

// Limits bound what one account may ask for.
type Limits struct {
	// OrdersPerHour of an account; default 300.
	OrdersPerHour int64
	// OpenOrders of an account, neither valid nor invalid; default 100.
	OpenOrders int64
	// FailuresPerHour of an account and identifier; default 20.
	FailuresPerHour int64
}

// Config is what a server needs.
type Config struct {
	DB        *store.DB
	Authority Authority
	Desk      *enrol.Desk
	Ledger    ledger.Appender
	Clock     clock.Clock
	Directory *directory.Directory
	// Seal holds the key that nonces are made with; replicas share it.
	Seal *seal.Key
	// BaseURL is the address by which clients reach the server, https://HOST[:PORT].
	BaseURL    string
	Validation Validation
	Limits     Limits
	Logger     *slog.Logger
}

// ErrConfig says that the server must not start as configured.
var ErrConfig = errors.New("acme: refused to start")

// Server answers ACME. It is safe for concurrent use; Run must run beside it.
type Server struct {
	cfg      Config
	nonces   *nonces
	dialer   *net.Dialer
	resolver *net.Resolver
	profiles map[string]*profile.Profile
	work     chan string
	mux      *http.ServeMux
}

// New returns a server.
func New(cfg Config) (*Server, error) {
	if cfg.DB == nil || cfg.Authority == nil || cfg.Desk == nil || cfg.Ledger == nil || cfg.Clock == nil || cfg.Directory == nil || cfg.Seal == nil || cfg.Logger == nil {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrConfig)
	}
	u, err := url.Parse(cfg.BaseURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		// RFC 8555 §6.1
		return nil, fmt.Errorf("%w: base URL %q must be https://HOST[:PORT]", ErrConfig, cfg.BaseURL)
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	cfg.Validation, cfg.Limits = cfg.Validation.withDefaults(), cfg.Limits.withDefaults()
	key, err := cfg.Seal.Derive("acme nonce")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s := &Server{cfg: cfg, nonces: &nonces{key: key, db: cfg.DB, clock: cfg.Clock}, profiles: make(map[string]*profile.Profile),
		work: make(chan string, workQueue)}
	for _, p := range cfg.Authority.MachineProfiles() {
		s.profiles[p.Name] = p
	}
	s.resolver = cfg.Validation.resolver()
	s.dialer = cfg.Validation.dialer(s.resolver)
	s.routes()
	return s, nil
}

func (v Validation) withDefaults() Validation {
	if v.HTTPPort == 0 {
		v.HTTPPort = 80
	}
	if v.TLSPort == 0 {
		v.TLSPort = 443
	}
	if v.Timeout == 0 {
		v.Timeout = 10 * time.Second
	}
	if v.RetryWait == 0 {
		v.RetryWait = 2 * time.Second
	}
	return v
}

func (l Limits) withDefaults() Limits {
	if l.OrdersPerHour == 0 {
		l.OrdersPerHour = 300
	}
	if l.OpenOrders == 0 {
		l.OpenOrders = 100
	}
	if l.FailuresPerHour == 0 {
		l.FailuresPerHour = 20
	}
	return l
}

// Paths of the resources.
const (
	pathDirectory  = "/acme/directory"
	pathNewNonce   = "/acme/new-nonce"
	pathNewAccount = "/acme/new-account"
	pathNewOrder   = "/acme/new-order"
	pathRevoke     = "/acme/revoke-cert"
	pathKeyChange  = "/acme/key-change"
	pathAccount    = "/acme/account/"
	pathOrder      = "/acme/order/"
	pathAuthz      = "/acme/authz/"
	pathChallenge  = "/acme/challenge/"
	pathCert       = "/acme/cert/"
	pathRenewal    = "/acme/renewal-info"
)

func (s *Server) url(parts ...string) string { return s.cfg.BaseURL + strings.Join(parts, "") }

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET "+pathDirectory, s.directory)
	s.mux.HandleFunc("GET "+pathNewNonce, s.newNonce) // and HEAD
	s.mux.HandleFunc("GET "+pathRenewal+"/{id}", s.renewalInfo)
	for pattern, h := range map[string]handler{
		pathNewAccount:                  {act: s.newAccount, by: byKey},
		pathNewOrder:                    {act: s.newOrder},
		pathRevoke:                      {act: s.revoke, by: byEither},
		pathKeyChange:                   {act: s.keyChange},
		pathAccount + "{id}":            {act: s.account},
		pathAccount + "{id}/orders":     {act: s.orders},
		pathOrder + "{id}":              {act: s.order},
		pathOrder + "{id}/finalize":     {act: s.finalize},
		pathAuthz + "{id}":              {act: s.authorization},
		pathChallenge + "{id}":          {act: s.challenge},
		pathCert + "{serial}":           {act: s.certificate},
		pathCert + "{serial}/{variant}": {act: s.certificate},
	} {
		s.mux.Handle("POST "+pattern, s.post(h))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			s.fail(w, r, problem(kindMalformed, http.StatusMethodNotAllowed, "resources are fetched by POST (RFC 8555 §6.3)"))
			return
		}
		s.fail(w, r, missing("resource"))
	})
}

// Handler serves everything below /acme/.
func (s *Server) Handler() http.Handler { return s.mux }

// directory answers RFC 8555 §7.1.1.
func (s *Server) directory(w http.ResponseWriter, r *http.Request) {
	titles := make(map[string]string, len(s.profiles))
	for name, p := range s.profiles {
		titles[name] = p.TitleEN
	}
	s.write(w, r, &answer{body: map[string]any{
		"newNonce": s.url(pathNewNonce), "newAccount": s.url(pathNewAccount), "newOrder": s.url(pathNewOrder),
		"revokeCert": s.url(pathRevoke), "keyChange": s.url(pathKeyChange), "renewalInfo": s.url(pathRenewal),
		"meta": map[string]any{"externalAccountRequired": true, "profiles": titles},
	}})
}

// newNonce answers RFC 8555 §7.2.
func (s *Server) newNonce(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNoContent
	if r.Method == http.MethodHead {
		status = http.StatusOK
	}
	s.write(w, r, &answer{status: status, nonce: true})
}
