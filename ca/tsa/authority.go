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
	Serial  *big.Int
	GenTime time.Time
	Hash    crypto.Hash
	Imprint []byte
	Policy  string
}

// Journal records stamps before they leave.
type Journal interface {
	// Reserve records the intent. It refuses a serial number that was used and,
	// with ErrClock, a time before that of an earlier stamp.
	Reserve(ctx context.Context, s Stamp) error
	// Complete records the token itself, by its SHA-256.
	Complete(ctx context.Context, s Stamp, token [sha256.Size]byte) error
}

// Config is what an authority needs.
type Config struct {
	// Chain is the unit's certificate and those above it, the root left out.
	Chain   []*x509.Certificate
	Signer  crypto.Signer
	Policy  asn1.ObjectIdentifier
	Journal Journal
	Clock   clock.Clock
	Logger  *slog.Logger
}

// Authority makes time-stamps. It is safe for concurrent use.
type Authority struct {
	cfg  Config
	unit unit
}

// New checks the certificate (RFC 3161 §2.3) and returns the authority.
func New(cfg Config) (*Authority, error) {
	if len(cfg.Chain) == 0 || cfg.Signer == nil || cfg.Journal == nil || cfg.Clock == nil || cfg.Logger == nil || len(cfg.Policy) < 2 {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	algorithm, err := sigalg.For(cfg.Signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	leaf := cfg.Chain[0]
	key, ok := cfg.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	now := cfg.Clock.Now()
	critical := false
	for _, e := range leaf.Extensions {
		critical = critical || e.Critical && e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37})
	}
	switch {
	case !ok || !key.Equal(leaf.PublicKey):
		return nil, fmt.Errorf("%w: the certificate is of another key", ErrConfig)
	case !critical || len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(leaf.UnknownExtKeyUsage) > 0:
		return nil, fmt.Errorf("%w: timeStamping must be the only purpose, and critical", ErrConfig)
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return nil, fmt.Errorf("%w: the certificate is not valid at %s", ErrConfig, now.Format(time.RFC3339))
	}
	for i := 1; i < len(cfg.Chain); i++ {
		err = cfg.Chain[i-1].CheckSignatureFrom(cfg.Chain[i])
		if err != nil {
			return nil, fmt.Errorf("%w: chain at %d: %w", ErrConfig, i, err)
		}
	}
	return &Authority{cfg: cfg, unit: unit{signer: cfg.Signer, algorithm: algorithm, chain: cfg.Chain}}, nil
}

// Respond answers a request as DER. The error tells why a token was refused;
// the response that says so to the client is returned with it.
func (a *Authority) Respond(ctx context.Context, der []byte) ([]byte, error) {
	token, err := a.Stamp(ctx, der)
	if err == nil {
		return granted(token)
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Info: SystemFailure, Text: "system failure", Err: err}
	}
	response, writeErr := rejection(f)
	return response, errors.Join(f, writeErr)
}

// Stamp returns the TimeStampToken for the request. Its serial number stands
// in the journal before the key signs, and the token before it leaves.
func (a *Authority) Stamp(ctx context.Context, der []byte) ([]byte, error) {
	request, err := ParseRequest(der)
	if err != nil {
		return nil, err
	}
	if request.Policy != nil && !request.Policy.Equal(a.cfg.Policy) {
		return nil, fail(UnacceptedPolicy, "policy other than "+a.cfg.Policy.String())
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	now := a.cfg.Clock.Now().UTC().Truncate(time.Second)
	if now.After(a.unit.chain[0].NotAfter) {
		return nil, fmt.Errorf("%w: the certificate expired", ErrConfig)
	}
	stamp := Stamp{Serial: serial, GenTime: now, Hash: request.Hash, Imprint: request.Imprint, Policy: a.cfg.Policy.String()}
	err = a.cfg.Journal.Reserve(ctx, stamp)
	if errors.Is(err, ErrClock) {
		return nil, &Failure{Info: TimeNotAvailable, Text: "the time source is not trusted", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("record time-stamp: %w", err)
	}
	content, err := (&info{policy: a.cfg.Policy, imprint: request.imprint, serial: serial, genTime: now, nonce: request.Nonce}).der()
	if err != nil {
		return nil, fmt.Errorf("write TSTInfo: %w", err)
	}
	token, err := a.unit.token(content, request.CertReq)
	if err != nil {
		return nil, err
	}
	err = a.cfg.Journal.Complete(ctx, stamp, sha256.Sum256(token))
	if err != nil {
		return nil, fmt.Errorf("record time-stamp: %w", err)
	}
	return token, nil
}

// ServeHTTP answers POST (RFC 3161 §3.4).
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	response, err := a.Respond(r.Context(), der)
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
