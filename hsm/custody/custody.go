// Package custody is what officers do with tokens and keys: each act is asked
// of the authoriser and stands in the ledger before its result leaves. It also
// watches the tokens and writes their losses and returns to the ledger.
//
// The acts themselves are hsm.Client's. What is not here: ceremonies
// (hsm/ceremony), backups (hsm/backup), devices that people carry
// (hsm/device).
package custody

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// Tokens is what custody needs of the key worker; *hsm.Client has it.
type Tokens interface {
	Tokens(ctx context.Context) ([]hsm.TokenInfo, error)
	SetState(ctx context.Context, token string, state hsm.TokenState) error
	Probe(ctx context.Context, token string) (hsm.Probe, error)
	GenerateKey(ctx context.Context, k hsm.NewKey) (crypto.PublicKey, error)
	ImportCertificate(ctx context.Context, label string, der []byte) error
}

// Deps are what custody needs.
type Deps struct {
	Tokens     Tokens
	Ledger     ledger.Appender
	Authorizer auth.Authorizer
	Logger     *slog.Logger
}

// Service is custody.
type Service struct{ d Deps }

// New checks the dependencies and returns the service.
func New(d Deps) (*Service, error) {
	if d.Tokens == nil || d.Ledger == nil || d.Authorizer == nil || d.Logger == nil {
		return nil, errors.New("custody of keys: a dependency is missing")
	}
	return &Service{d: d}, nil
}

// may asks for an act and writes it to the ledger: an act that cannot be
// recorded is not done.
func (s *Service) may(ctx context.Context, action, object string, detail map[string]string) error {
	subject := auth.SubjectFrom(ctx)
	err := s.d.Authorizer.Authorize(ctx, subject, "hsm."+action, auth.Resource{Kind: "token", ID: object})
	if err != nil {
		return err
	}
	_, err = s.d.Ledger.Append(ctx, ledger.Entry{Kind: "hsm." + action, Actor: subject.AccountID, Object: identifier(object), Detail: detail})
	if err != nil {
		return fmt.Errorf("record %s of %s: %w", action, object, err)
	}
	return nil
}

// identifier makes a label fit for the ledger, whose objects are ASCII without
// blanks.
func identifier(label string) string { return url.PathEscape(label) }

// List tells the state of each token.
func (s *Service) List(ctx context.Context) ([]hsm.TokenInfo, error) {
	err := s.d.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), "hsm.token.read", auth.Resource{Kind: "token"})
	if err != nil {
		return nil, err
	}
	return s.d.Tokens.Tokens(ctx)
}

// SetState drains, quarantines or activates a token.
func (s *Service) SetState(ctx context.Context, token string, state hsm.TokenState) error {
	err := s.may(ctx, "token.state", token, map[string]string{"state": string(state)})
	if err != nil {
		return err
	}
	return s.d.Tokens.SetState(ctx, token, state)
}

// Probe finds out what a token does; empty means the first.
func (s *Service) Probe(ctx context.Context, token string) (hsm.Probe, error) {
	if token == "" {
		infos, err := s.d.Tokens.Tokens(ctx)
		if err != nil {
			return hsm.Probe{}, err
		}
		token = infos[0].Name // a worker has one at least
	}
	err := s.may(ctx, "token.probe", token, nil)
	if err != nil {
		return hsm.Probe{}, err
	}
	return s.d.Tokens.Probe(ctx, token)
}

// Generate makes a key. What was made is in the ledger by the digest of its
// public key before it is given out.
func (s *Service) Generate(ctx context.Context, k hsm.NewKey) (crypto.PublicKey, error) {
	err := s.may(ctx, "key.generate", k.Label, map[string]string{"algorithm": k.Algorithm, "token": k.Token, "backup": strconv.FormatBool(k.Backup)})
	if err != nil {
		return nil, err
	}
	public, err := s.d.Tokens.GenerateKey(ctx, k)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.Label, err)
	}
	digest := sha256.Sum256(spki)
	_, err = s.d.Ledger.Append(ctx, ledger.Entry{Kind: "hsm.key.generated", Actor: auth.SubjectFrom(ctx).AccountID, Object: identifier(k.Label), Digest: hex.EncodeToString(digest[:])})
	if err != nil {
		return nil, fmt.Errorf("record key %q: %w", k.Label, err)
	}
	return public, nil
}

// ImportCertificate keeps a certificate (DER) beside its key in the token.
func (s *Service) ImportCertificate(ctx context.Context, label string, der []byte) error {
	digest := sha256.Sum256(der)
	err := s.may(ctx, "key.certificate", label, map[string]string{"certificate_sha256": hex.EncodeToString(digest[:])})
	if err != nil {
		return err
	}
	return s.d.Tokens.ImportCertificate(ctx, label, der)
}

// watchEvery is how often the tokens are looked at.
const watchEvery = 2 * time.Second

// Watch writes changes of the tokens' states to the ledger until ctx ends. A
// loss that was healed between two looks is seen by its count.
func (s *Service) Watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	seen := map[string]hsm.TokenInfo{}
	for {
		infos, err := s.d.Tokens.Tokens(ctx)
		if err != nil {
			s.d.Logger.Warn("the tokens cannot be looked at", slog.Any("error", err))
		}
		for _, now := range infos {
			before, known := seen[now.Name]
			err := s.note(ctx, before, now, known)
			if err != nil {
				s.d.Logger.Error("a change of a token is not recorded yet", slog.String("token", now.Name), slog.Any("error", err))
				continue // it is tried again at the next look
			}
			seen[now.Name] = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// note records what changed between two looks at a token.
func (s *Service) note(ctx context.Context, before, now hsm.TokenInfo, known bool) error {
	if !known {
		before = hsm.TokenInfo{State: hsm.StateActive}
	}
	if now.Losses < before.Losses {
		before.Losses = 0 // the worker was started again and counts anew
	}
	if before.State == now.State && before.Losses == now.Losses {
		return nil
	}
	s.d.Logger.Warn("a token changed", slog.String("token", now.Name), slog.String("state", string(now.State)), slog.Uint64("losses", now.Losses))
	_, err := s.d.Ledger.Append(ctx, ledger.Entry{Kind: "hsm.token.changed", Actor: "system:hsm", Object: identifier(now.Name), Detail: map[string]string{
		"from": string(before.State), "to": string(now.State), "losses": strconv.FormatUint(now.Losses-before.Losses, 10), "serial": now.Serial}})
	return err
}
