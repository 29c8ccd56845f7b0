package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/ca/internal/sigalg"
	"github.com/antin-gov/antin/internal/clock"
)

// ErrConfig says that the responder must not serve as configured.
var ErrConfig = errors.New("ocsp: responder refused")

// Source tells the state of certificates. It is asked at each request, so a
// revocation made by another process shows at once.
type Source interface {
	Status(ctx context.Context, issuer string, serial *big.Int) (Status, error)
}

// Issuer is an authority with the certificate of its responder.
type Issuer struct {
	Name        string
	Certificate *x509.Certificate
	Responder   *x509.Certificate
}

// Config is what a responder needs.
type Config struct {
	Issuers []Issuer
	// Signer holds the key of all responder certificates.
	Signer crypto.Signer
	Source Source
	Clock  clock.Clock
	Logger *slog.Logger
	// Validity is nextUpdate − thisUpdate.
	Validity time.Duration
	// MaxAge is how long a proxy may keep an answer to a GET without nonce
	// (RFC 5019 §6.2).
	MaxAge time.Duration
}

// Responder answers status requests. It is safe for concurrent use.
type Responder struct {
	cfg       Config
	issuers   []issuerKey
	keyHash   []byte
	algorithm sigalg.Algorithm
}

// issuerKey is an issuer with the digests by which CertIDs name it.
type issuerKey struct {
	Issuer
	name, key map[crypto.Hash][]byte
}

// New checks that each responder certificate is fit to answer for its issuer
// (RFC 6960 §4.2.2.2) and returns the responder.
func New(cfg Config) (*Responder, error) {
	if len(cfg.Issuers) == 0 || cfg.Signer == nil || cfg.Source == nil || cfg.Clock == nil || cfg.Logger == nil {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	if cfg.Validity < time.Minute || cfg.MaxAge < 0 || cfg.MaxAge > cfg.Validity {
		return nil, fmt.Errorf("%w: validity %s, age in proxies %s", ErrConfig, cfg.Validity, cfg.MaxAge)
	}
	algorithm, err := sigalg.For(cfg.Signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	r := &Responder{cfg: cfg, algorithm: algorithm}
	for _, i := range cfg.Issuers {
		err = i.check(cfg.Signer.Public(), cfg.Clock.Now())
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrConfig, i.Name, err)
		}
		key, err := newIssuerKey(i)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrConfig, i.Name, err)
		}
		r.issuers = append(r.issuers, key)
	}
	bits, err := keyBits(cfg.Issuers[0].Responder)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	r.keyHash = digest(crypto.SHA1, bits) // RFC 6960 §4.2.1: KeyHash is SHA-1 by definition
	return r, nil
}

func (i Issuer) check(pub crypto.PublicKey, now time.Time) error {
	if i.Name == "" || i.Certificate == nil || i.Responder == nil {
		return errors.New("name or certificate is missing")
	}
	own, ok := pub.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !own.Equal(i.Responder.PublicKey) {
		return errors.New("the responder certificate is of another key")
	}
	err := i.Responder.CheckSignatureFrom(i.Certificate)
	if err != nil {
		return fmt.Errorf("the responder certificate is not the issuer's: %w", err)
	}
	purpose, noCheck := false, false
	for _, u := range i.Responder.ExtKeyUsage {
		purpose = purpose || u == x509.ExtKeyUsageOCSPSigning
	}
	for _, e := range i.Responder.Extensions {
		noCheck = noCheck || e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5})
	}
	switch {
	case !purpose || !noCheck:
		return errors.New("the responder certificate lacks ocspSigning or ocsp-nocheck")
	case now.After(i.Responder.NotAfter) || now.Before(i.Responder.NotBefore):
		return fmt.Errorf("the responder certificate is not valid at %s", now.Format(time.RFC3339))
	}
	return nil
}

func newIssuerKey(i Issuer) (issuerKey, error) {
	bits, err := keyBits(i.Certificate)
	if err != nil {
		return issuerKey{}, err
	}
	k := issuerKey{Issuer: i, name: make(map[crypto.Hash][]byte), key: make(map[crypto.Hash][]byte)}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		k.name[h], k.key[h] = digest(h, i.Certificate.RawSubject), digest(h, bits)
	}
	return k, nil
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// keyBits are the bits of the subject public key, without tag and length.
func keyBits(c *x509.Certificate) ([]byte, error) {
	input := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var spki, key cryptobyte.String
	var unused uint8
	if !input.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.SkipASN1(cbasn1.SEQUENCE) ||
		!spki.ReadASN1(&key, cbasn1.BIT_STRING) || !key.ReadUint8(&unused) || unused != 0 {
		return nil, errors.New("public key of an unknown form")
	}
	return key, nil
}

// Answer is a response with what the transport needs of it.
type Answer struct {
	DER  []byte
	Code Code
	// Cacheable says that a proxy may keep it: successful and without nonce.
	Cacheable  bool
	ThisUpdate time.Time
}

// Respond answers a request as DER. It always has an answer; an error of the
// database or the token is logged and told as internalError or tryLater.
func (r *Responder) Respond(ctx context.Context, der []byte) Answer {
	request, err := ParseRequest(der)
	if err != nil {
		return refuse(MalformedRequest)
	}
	answer, err := r.respond(ctx, request)
	if err != nil {
		r.cfg.Logger.ErrorContext(ctx, "OCSP answer failed", "error", err)
		if ctx.Err() != nil {
			return refuse(TryLater)
		}
		return refuse(InternalError)
	}
	return answer
}

func refuse(code Code) Answer { return Answer{DER: errorResponse(code), Code: code} }

func (r *Responder) respond(ctx context.Context, request *Request) (Answer, error) {
	now := r.cfg.Clock.Now().UTC().Truncate(time.Second)
	out := &basic{
		keyHash: r.keyHash, produced: now, this: now, next: now.Add(r.cfg.Validity),
		nonce: request.Nonce, signer: r.cfg.Signer, algorithm: r.algorithm,
	}
	used := make(map[string]bool)
	for _, id := range request.IDs {
		s := single{id: id}
		issuer := r.issuer(id)
		if issuer != nil {
			if now.After(issuer.Responder.NotAfter) {
				return Answer{}, fmt.Errorf("%w: responder certificate of %s expired", ErrConfig, issuer.Name)
			}
			var err error
			s.status, err = r.cfg.Source.Status(ctx, issuer.Name, id.Serial)
			if err != nil {
				return Answer{}, fmt.Errorf("status: %w", err)
			}
			s.cutoff = issuer.Certificate.NotBefore
			if !used[issuer.Name] {
				used[issuer.Name] = true
				out.certificates = append(out.certificates, issuer.Responder.Raw)
			}
		}
		out.singles = append(out.singles, s)
	}
	if len(used) == 0 {
		// RFC 6960 §2.3: not authoritative for any of them.
		return refuse(Unauthorized), nil
	}
	der, err := out.der()
	if err != nil {
		return Answer{}, err
	}
	return Answer{DER: der, Code: Successful, Cacheable: len(request.Nonce) == 0, ThisUpdate: now}, nil
}

// issuer finds whom the CertID names; nil when nobody of ours.
func (r *Responder) issuer(id CertID) *issuerKey {
	for i := range r.issuers {
		k := &r.issuers[i]
		name, known := k.name[id.Hash]
		if known && bytes.Equal(name, id.NameHash) && bytes.Equal(k.key[id.Hash], id.KeyHash) {
			return k
		}
	}
	return nil
}
