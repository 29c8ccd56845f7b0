package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/workdays"
)

// Keys is what the authority needs of the token. Signer of a label that is not
// there returns hsm.ErrNotFound.
type Keys interface {
	Signer(ctx context.Context, label string) (crypto.Signer, error)
	Generate(ctx context.Context, label, algorithm string) (crypto.PublicKey, error)
}

// Deps is what the authority stands on.
type Deps struct {
	DB         *store.DB
	Keys       Keys
	Ledger     ledger.Appender
	Clock      clock.Clock
	Directory  *directory.Directory
	Authorizer auth.Authorizer
	Logger     *slog.Logger
	// Profiles are the kinds of certificates; nil means the product's.
	Profiles *profile.Set
	// Time says whether the clock can be trusted for time-stamps; nil means the
	// watch over the machine's clock that Config describes.
	Time tsa.TimeSource
	// History reads the ledger's entries for the comparison with the register;
	// nil leaves that out.
	History LedgerReader
	// HTTP gives the client that asks the public addresses in audits; nil has the
	// handler asked in this process.
	HTTP func() *http.Client
	// Workdays is the calendar of working days; the built-in one when nil.
	Workdays *workdays.Calendar
	// Terms are the working days of registration.
	Terms  ra.Terms
	Config Config
}

// Config is the authority's part of the configuration. The zero value of each
// field means its default.
type Config struct {
	// BaseURL is where the public handler is reached; it stands in every
	// certificate, so it must outlive them. Default http://127.0.0.1:8080.
	BaseURL string `yaml:"base_url"`
	// Name stands in the names of the authorities. Default "Ấn Tín".
	Name string `yaml:"name"`
	// Organization is the O of the authorities. Default "Ủy ban nhân dân tỉnh".
	Organization string `yaml:"organization"`
	// PolicyArc is the object identifier below which certificate policies
	// stand. The default lies below the number that RFC 5612 reserves for
	// documentation: a province puts its own here before its first root.
	PolicyArc string `yaml:"policy_arc"`
	// Backdate is subtracted from the time of issue, for clients whose clock is
	// behind. Default 1 minute.
	Backdate time.Duration `yaml:"backdate"`
	// CRLValidity is nextUpdate − thisUpdate of lists. Default 48 hours.
	CRLValidity time.Duration `yaml:"crl_validity"`
	// OCSPValidity is nextUpdate − thisUpdate of answers. Default 1 hour.
	OCSPValidity time.Duration `yaml:"ocsp_validity"`
	// OCSPMaxAge is how long a proxy may keep the answer to a GET without
	// nonce. Default 10 seconds; a revocation shows to POST at once.
	OCSPMaxAge time.Duration `yaml:"ocsp_max_age"`
	// Root says where the root's key is. Default RootHere.
	Root RootPlace `yaml:"root"`
	// StatusConfig says how status is told.
	StatusConfig `yaml:",inline"`
	// RootGeneration is the generation of the first root that is made here: above
	// those that other machines made for the same centre. Default 1.
	RootGeneration int64 `yaml:"root_generation"`
}

// RootPlace says where the key of the first root is.
type RootPlace string

// The places.
const (
	RootHere RootPlace = "here" // in the token of this system
	RootAway RootPlace = "away" // on another machine, or with an outside authority
	RootOnly RootPlace = "only" // this system is the root's machine and nothing else
)

const defaultPolicyArc = "1.3.6.1.4.1.32473.704"

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = "http://127.0.0.1:8080"
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if c.Name == "" {
		c.Name = "Ấn Tín"
	}
	if c.Organization == "" {
		c.Organization = "Ủy ban nhân dân tỉnh"
	}
	if c.PolicyArc == "" {
		c.PolicyArc = defaultPolicyArc
	}
	if c.Backdate == 0 {
		c.Backdate = time.Minute
	}
	if c.CRLValidity == 0 {
		c.CRLValidity = 48 * time.Hour
	}
	if c.OCSPValidity == 0 {
		c.OCSPValidity = time.Hour
	}
	if c.OCSPMaxAge == 0 {
		c.OCSPMaxAge = 10 * time.Second
	}
	if c.Root == "" {
		c.Root = RootHere
	}
	c.StatusConfig = c.StatusConfig.withDefaults(c.CRLValidity)
	if c.RootGeneration == 0 {
		c.RootGeneration = 1
	}
	return c
}

// maxBackdate keeps NotBefore honest.
const maxBackdate = time.Hour

func (c Config) check() error {
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "":
		// RFC 5280 §8: https here would need the very status it is to give.
		return fmt.Errorf("%w: base URL %q must be http://HOST[:PORT]", ErrConfig, c.BaseURL)
	case c.Backdate < 0 || c.Backdate > maxBackdate:
		return fmt.Errorf("%w: backdate %s", ErrConfig, c.Backdate)
	case c.Root != RootHere && c.Root != RootAway && c.Root != RootOnly:
		return fmt.Errorf("%w: root %q is none of here, away and only", ErrConfig, c.Root)
	case c.RootGeneration < 1 || c.RootGeneration > 1000:
		return fmt.Errorf("%w: generation %d of the root", ErrConfig, c.RootGeneration)
	}
	_, err = x509.ParseOID(c.PolicyArc)
	if err != nil {
		return fmt.Errorf("%w: policy arc %q", ErrConfig, c.PolicyArc)
	}
	return c.checkStatus()
}

// place says where a certificate of the issuer points to, and from when on it
// is valid: never from before its issuer.
func (c Config) place(issuer *authority, notBefore time.Time) profile.Place {
	if notBefore.Before(issuer.cert.NotBefore) {
		notBefore = issuer.cert.NotBefore
	}
	p := profile.Place{IssuerURL: c.BaseURL + "/aia/" + issuer.name + ".cer",
		PolicyArc: c.PolicyArc, NotBefore: notBefore, NotAfterLimit: issuer.limit()}
	if issuer.custody == CustodyToken {
		p.OCSP = c.BaseURL + "/ocsp"
	}
	c.placeLists(&p, issuer)
	return p
}

func (d Deps) check() error {
	if d.DB == nil || d.Keys == nil || d.Ledger == nil || d.Clock == nil || d.Directory == nil || d.Authorizer == nil || d.Logger == nil {
		return fmt.Errorf("%w: a dependency is missing", ErrConfig)
	}
	return d.Config.check()
}
