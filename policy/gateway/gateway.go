// Package gateway gives shared data to agencies: a reverse proxy with mutual
// TLS in front of the REST services of the databases' owners. The asking agency
// is the one that the client certificate names; the policy decides before the
// database is asked; the answer is filtered field by field, recorded in the
// access log and the ledger, and only then sent (R36, R37; NĐ 194/2025/NĐ-CP
// Đ16, NĐ 278/2025/NĐ-CP).
//
// Paths are /data/{dataset}/…; the purpose, the fields and the operation come
// as headers Antin-Purpose, Antin-Fields, Antin-Operation or as the query
// parameters purpose, fields, operation. Fields that are asked but not agreed
// are left out and named in the decision; a request of which nothing remains is
// refused. Only GET is served: the gateway changes nothing at an owner.
//
// A request that is malformed before it can be decided (400, 404, 405) is
// answered without a record; every decided one is recorded, whatever it became.
package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/record"
)

// Limits of the gateway.
const (
	// maxAnswer limits an owner's answer: 500 records of an enterprise are
	// 300 KiB; a larger transfer is made page by page.
	maxAnswer = 8 << 20
	// maxInFlight bounds the memory of answers being filtered to twice
	// maxInFlight × maxAnswer.
	maxInFlight    = 32
	maxHeaderBytes = 16 << 10

	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	upstreamTimeout = 20 * time.Second
	writeTimeout    = 60 * time.Second
	idleTimeout     = 2 * time.Minute
	closeWait       = 10 * time.Second
)

// Sharing decides on requests and records them; package policy's Service does.
type Sharing interface {
	Evaluate(ctx context.Context, q engine.Query) (*engine.Decision, error)
	Record(ctx context.Context, a *record.Access) error
}

// Upstream is the owner's service of a dataset.
type Upstream struct {
	// URL of the collection, such as http://127.0.0.1:9001/enterprises.
	URL *url.URL
	// Items names the member of a list's answer that holds the records; empty
	// when the answer is the array itself. Counts names members of that answer
	// that hold numbers to pass on (total, limit, offset).
	Items  string
	Counts []string
	// Client is used to reach the service; nil means one with the gateway's
	// limits. Redirects are never followed.
	Client *http.Client
}

// Config is what a gateway stands on.
type Config struct {
	Sharing   Sharing
	Clock     clock.Clock
	Logger    *slog.Logger
	Upstreams map[string]Upstream
	// Certificate gives the gateway's own certificate.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Clients verifies client certificates. Its store holds the issuer of
	// service certificates, and it alone: one with the root would let people's
	// certificates in.
	Clients *trust.Peers
	// CheckClient says whether the client certificate still stands (not
	// revoked); it is asked at every request, because a connection outlives a
	// revocation. Nil: not checked.
	CheckClient func(ctx context.Context, cert *x509.Certificate) error
	// Refused records that n connections got no TLS session because they
	// brought no certificate or one of no agency: at once for the first, then
	// gathered, so that strangers cannot flood the record. Nil: not recorded.
	Refused func(ctx context.Context, n uint64) error
}

// ErrConfig means that the gateway cannot be built from its configuration.
var ErrConfig = errors.New("gateway: incomplete configuration")

// Gateway answers data requests. It is safe for concurrent use.
type Gateway struct {
	Config
	upstreams map[string]Upstream
	slots     chan struct{}
	refusals  refusals
}

// New checks the configuration.
func New(c Config) (*Gateway, error) {
	switch {
	case c.Sharing == nil, c.Clock == nil, c.Logger == nil:
		return nil, fmt.Errorf("%w: sharing, clock and logger are needed", ErrConfig)
	case c.Certificate == nil || c.Clients == nil || c.Clients.Store == nil:
		return nil, fmt.Errorf("%w: a certificate and the issuer of client certificates are needed", ErrConfig)
	}
	g := &Gateway{Config: c, upstreams: map[string]Upstream{}, slots: make(chan struct{}, maxInFlight)}
	for dataset, upstream := range c.Upstreams {
		u := upstream.URL
		if !record.IsCode(dataset) || u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil, fmt.Errorf("%w: upstream of %q", ErrConfig, dataset)
		}
		client := &http.Client{Timeout: upstreamTimeout, Transport: transport()}
		if upstream.Client != nil {
			*client = *upstream.Client
		}
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		upstream.Client = client
		g.upstreams[dataset] = upstream
	}
	if c.CheckClient == nil {
		c.Logger.Warn("the gateway does not check revocation of client certificates")
	}
	return g, nil
}

// transport never uses a proxy of the environment: requests for personal data
// go to the configured owner and nowhere else.
func transport() *http.Transport {
	return &http.Transport{
		Proxy: nil, DisableCompression: true, MaxIdleConnsPerHost: maxInFlight, MaxConnsPerHost: maxInFlight,
		IdleConnTimeout: idleTimeout, ResponseHeaderTimeout: upstreamTimeout, MaxResponseHeaderBytes: maxHeaderBytes,
		TLSHandshakeTimeout: headerTimeout,
	}
}
