package tsa

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/antin-gov/antin/ca/internal/sigalg"
	"github.com/antin-gov/antin/internal/clock"
)

// Errors of the authority.
var (
	// ErrConfig says that the authority must not serve as configured.
	ErrConfig = errors.New("tsa: authority refused")
	// ErrClock is what a Journal returns when the time cannot be trusted.
	ErrClock = errors.New("tsa: clock not trusted")
)

// serialBits is the length of a token's serial number: EN 319 422 §5.2.2
// allows 160.
const serialBits = 127

// Stamp is what is recorded of a token. It holds no content: the imprint is a
// digest that only who has the document can tell.
type Stamp struct {
	Serial *big.Int
	// GenTime is the time of the token; under an ordered policy Reserve moves it
	// behind every earlier one.
	GenTime time.Time
	Hash    crypto.Hash
	Imprint []byte
	Policy  string
	// Ordered asks Reserve for a GenTime that no stamp of the policy has yet.
	Ordered bool
}

// Journal records stamps before they leave.
type Journal interface {
	// Reserve records the intent and returns the time of the token. It refuses a
	// serial number that was used and, with ErrClock, a time before that of an
	// earlier stamp.
	Reserve(ctx context.Context, s Stamp) (time.Time, error)
	// Complete records the token itself, by its SHA-256.
	Complete(ctx context.Context, s Stamp, token [sha256.Size]byte) error
}

// TimeSource says whether the clock can be trusted; an error wraps ErrClock.
type TimeSource interface {
	Check(now time.Time) error
}

// Policy is a time-stamp policy.
type Policy struct {
	// Name is the last part of its address, /tsa/NAME; empty for none.
	Name string
	OID  asn1.ObjectIdentifier
	// Hashes are the digests it accepts.
	Hashes []crypto.Hash
	// Accuracy is what tokens claim; EN 319 422 §5.2.2 has a second or better.
	Accuracy time.Duration
	// Ordering promises that tokens of the policy can be put in order by their
	// times alone (RFC 3161 §2.4.2); they have milliseconds then. EN 319 422
	// has it off.
	Ordering bool
	// NoCertificates has tokens never carry certificates: who asks for them is
	// told addInfoNotAvailable.
	NoCertificates bool
}

// Unit is a time-stamping unit: its key, its certificate and those above it,
// the root left out.
type Unit struct {
	Chain  []*x509.Certificate
	Signer crypto.Signer
}

// Config is what an authority needs.
type Config struct {
	Unit Unit
	// Policies are the policies; the first serves who asks for none.
	Policies []Policy
	Journal  Journal
	Clock    clock.Clock
	// Time says whether the clock can be trusted; nil for no check but that
	// against earlier stamps.
	Time   TimeSource
	Logger *slog.Logger
}

// Authority makes time-stamps. It is safe for concurrent use.
type Authority struct {
	cfg     Config
	unit    atomic.Pointer[unit]
	refused atomic.Uint64
	stamped atomic.Uint64
}

// maxAccuracy is EN 319 422 §5.2.2.
const maxAccuracy = time.Second

// New checks the unit and the policies and returns the authority.
func New(cfg Config) (*Authority, error) {
	if cfg.Journal == nil || cfg.Clock == nil || cfg.Logger == nil || len(cfg.Policies) == 0 {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	for i, p := range cfg.Policies {
		switch {
		case len(p.OID) < 2 || len(p.Hashes) == 0:
			return nil, fmt.Errorf("%w: policy %s has no identifier or no digest", ErrConfig, p.OID)
		case p.Accuracy < time.Microsecond || p.Accuracy > maxAccuracy:
			return nil, fmt.Errorf("%w: policy %s: accuracy %s is not above 0 and at most %s", ErrConfig, p.OID, p.Accuracy, maxAccuracy)
		case slices.ContainsFunc(cfg.Policies[:i], func(q Policy) bool { return q.OID.Equal(p.OID) || q.Name != "" && q.Name == p.Name }):
			return nil, fmt.Errorf("%w: policy %s stands twice", ErrConfig, p.OID)
		}
		for _, h := range p.Hashes {
			if hashOf(hashOID(h)) != h {
				return nil, fmt.Errorf("%w: policy %s: digest %s", ErrConfig, p.OID, h)
			}
		}
	}
	a := &Authority{cfg: cfg}
	return a, a.SetUnit(cfg.Unit)
}

// SetUnit checks the certificate (RFC 3161 §2.3) and takes the unit: tokens
// from now on are its.
func (a *Authority) SetUnit(u Unit) error {
	if len(u.Chain) == 0 || u.Signer == nil {
		return fmt.Errorf("%w: the unit's key or certificate is missing", ErrConfig)
	}
	algorithm, err := sigalg.For(u.Signer.Public())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	leaf := u.Chain[0]
	key, ok := u.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	now := a.cfg.Clock.Now()
	critical := false
	for _, e := range leaf.Extensions {
		critical = critical || e.Critical && e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37})
	}
	switch {
	case !ok || !key.Equal(leaf.PublicKey):
		return fmt.Errorf("%w: the certificate is of another key", ErrConfig)
	case !critical || len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(leaf.UnknownExtKeyUsage) > 0:
		return fmt.Errorf("%w: timeStamping must be the only purpose, and critical", ErrConfig)
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return fmt.Errorf("%w: the certificate is not valid at %s", ErrConfig, now.Format(time.RFC3339))
	}
	for i := 1; i < len(u.Chain); i++ {
		err = u.Chain[i-1].CheckSignatureFrom(u.Chain[i])
		if err != nil {
			return fmt.Errorf("%w: chain at %d: %w", ErrConfig, i, err)
		}
	}
	a.unit.Store(&unit{signer: u.Signer, algorithm: algorithm, chain: u.Chain})
	return nil
}

// Stats are the figures of an authority since its start.
type Stats struct {
	Stamped, Refused uint64
	// Clock is why the clock is not trusted now; empty when it is.
	Clock string
}

// Stats returns the figures.
func (a *Authority) Stats() Stats {
	s := Stats{Stamped: a.stamped.Load(), Refused: a.refused.Load()}
	if a.cfg.Time != nil {
		err := a.cfg.Time.Check(a.cfg.Clock.Now())
		if err != nil {
			s.Clock = err.Error()
		}
	}
	return s
}

// Respond answers a request as DER. The error tells why a token was refused;
// the response that says so to the client is returned with it.
func (a *Authority) Respond(ctx context.Context, der []byte) ([]byte, error) {
	return a.respond(ctx, der, a.cfg.Policies[0])
}

func (a *Authority) respond(ctx context.Context, der []byte, usual Policy) ([]byte, error) {
	token, err := a.stamp(ctx, der, usual)
	if err == nil {
		a.stamped.Add(1)
		return granted(token)
	}
	a.refused.Add(1)
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Info: SystemFailure, Text: "system failure", Err: err}
	}
	response, writeErr := rejection(f)
	return response, errors.Join(f, writeErr)
}

// policy chooses the policy of a request.
func (a *Authority) policy(request *Request, usual Policy) (Policy, error) {
	p := usual
	if request.Policy != nil {
		at := slices.IndexFunc(a.cfg.Policies, func(p Policy) bool { return p.OID.Equal(request.Policy) })
		if at < 0 {
			return Policy{}, fail(UnacceptedPolicy, "no such policy here")
		}
		p = a.cfg.Policies[at]
	}
	switch {
	case !slices.Contains(p.Hashes, request.Hash):
		return Policy{}, fail(BadAlg, "the policy "+p.OID.String()+" does not accept the digest")
	case p.NoCertificates && request.CertReq:
		return Policy{}, fail(AddInfoNotAvailable, "tokens of the policy "+p.OID.String()+" carry no certificates")
	}
	return p, nil
}

// Stamp returns the TimeStampToken for the request. Its serial number stands
// in the journal before the key signs, and the token before it leaves.
func (a *Authority) Stamp(ctx context.Context, der []byte) ([]byte, error) {
	return a.stamp(ctx, der, a.cfg.Policies[0])
}

func (a *Authority) stamp(ctx context.Context, der []byte, usual Policy) ([]byte, error) {
	request, err := ParseRequest(der)
	if err != nil {
		return nil, err
	}
	p, err := a.policy(request, usual)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	u := a.unit.Load()
	now := a.cfg.Clock.Now().UTC()
	if now.After(u.chain[0].NotAfter) {
		return nil, fmt.Errorf("%w: the certificate expired", ErrConfig)
	}
	precision := time.Second
	if p.Ordering {
		precision = time.Millisecond
	}
	stamp := Stamp{Serial: serial, GenTime: now.Truncate(precision), Hash: request.Hash, Imprint: request.Imprint, Policy: p.OID.String(), Ordered: p.Ordering}
	if a.cfg.Time != nil {
		err = a.cfg.Time.Check(now)
	}
	if err == nil {
		stamp.GenTime, err = a.cfg.Journal.Reserve(ctx, stamp)
	}
	if errors.Is(err, ErrClock) {
		return nil, &Failure{Info: TimeNotAvailable, Text: "the time source is not trusted", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("record time-stamp: %w", err)
	}
	content, err := (&info{policy: p.OID, imprint: request.imprint, serial: serial, genTime: stamp.GenTime,
		accuracy: p.Accuracy, ordering: p.Ordering, nonce: request.Nonce}).der()
	if err != nil {
		return nil, fmt.Errorf("write TSTInfo: %w", err)
	}
	token, err := u.token(content, request.CertReq)
	if err != nil {
		return nil, err
	}
	err = a.cfg.Journal.Complete(ctx, stamp, sha256.Sum256(token))
	if err != nil {
		return nil, fmt.Errorf("record time-stamp: %w", err)
	}
	return token, nil
}

// ServeHTTP answers POST (RFC 3161 §3.4) to /tsa and, with that policy for who
// asks for none, to /tsa/NAME.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	usual := a.cfg.Policies[0]
	_, name, named := strings.Cut(r.URL.Path, "/tsa/")
	if named {
		at := slices.IndexFunc(a.cfg.Policies, func(p Policy) bool { return p.Name != "" && p.Name == name })
		if at < 0 {
			http.NotFound(w, r)
			return
		}
		usual = a.cfg.Policies[at]
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/timestamp-query" {
		http.Error(w, "want application/timestamp-query", http.StatusUnsupportedMediaType)
		return
	}
	der, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // the client went away
	}
	response, err := a.respond(r.Context(), der, usual)
	if err != nil {
		a.cfg.Logger.WarnContext(r.Context(), "time-stamp refused", "error", err)
	}
	if response == nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(response)
	if err != nil {
		a.cfg.Logger.DebugContext(r.Context(), "time-stamp client went away", "error", err)
	}
}
