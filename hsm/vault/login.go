package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
)

// refusedPause is how long a refused credential rests when its file has not
// changed: Vault locks an AppRole for a quarter of an hour after five failures.
const refusedPause = 5 * time.Minute

// refusal remembers that the server refused a credential.
type refusal struct {
	state string
	until time.Time
	err   error
}

// login makes a new login unless another goroutine did since the token stale
// was taken. It makes one attempt.
func (s *Session) login(ctx context.Context, stale string) error {
	s.loggingIn.Lock()
	defer s.loggingIn.Unlock()
	if s.client.Token() != stale {
		return nil
	}
	state := s.credentialState()
	if s.refusal.err != nil && s.refusal.state == state && time.Now().Before(s.refusal.until) {
		return s.refusal.err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	secret, err := s.authenticate(ctx)
	if err != nil {
		err = s.explain(ctx, fmt.Errorf("log in to %s: %w", s.cfg.Address, err))
		if errors.Is(err, ErrPermission) || errors.Is(err, ErrRefused) {
			err = fmt.Errorf("%w: %w", ErrCredential, err)
		}
		if errors.Is(err, ErrCredential) {
			s.refusal = refusal{state: state, until: time.Now().Add(refusedPause), err: err}
		}
		return err
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return fmt.Errorf("%w: a login without a token", ErrAnswer)
	}
	s.refusal = refusal{}
	s.client.SetToken(secret.Auth.ClientToken)
	s.logins.Add(1)
	s.log.Info("logged in to vault", slog.String("address", s.cfg.Address), slog.String("method", s.cfg.Auth),
		slog.Int("lease_seconds", secret.Auth.LeaseDuration), slog.Bool("renewable", secret.Auth.Renewable))
	select {
	case <-s.fresh: // the keeper has not yet taken the one before
	default:
	}
	s.fresh <- secret
	return nil
}

// authenticate asks for a token with the configured method. It uses a client
// without a token: a spent one would be refused before the login is looked at.
func (s *Session) authenticate(ctx context.Context) (*api.Secret, error) {
	if s.cfg.Auth == AuthNone {
		return nil, fmt.Errorf("%w: no login is configured", ErrConfig)
	}
	client, err := s.bare()
	if err != nil {
		return nil, err
	}
	if s.cfg.Auth == AuthCert {
		data := map[string]any{}
		if s.cfg.Role != "" {
			data["name"] = s.cfg.Role
		}
		secret, err := client.Logical().WriteWithContext(ctx, "auth/"+s.cfg.Mount+"/login", data)
		return secret, classify(err)
	}
	role, err := readCredential(s.cfg.RoleIDFile, "RoleID")
	if err != nil {
		return nil, err
	}
	secretID, err := s.secretID(ctx)
	if err != nil {
		return nil, err
	}
	method, err := approle.NewAppRoleAuth(role, &approle.SecretID{FromString: secretID}, approle.WithMountPath(s.cfg.Mount))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	secret, err := method.Login(ctx, client)
	return secret, classify(err)
}

// secretID reads the SecretID, or unwraps it once; the caller holds loggingIn.
func (s *Session) secretID(ctx context.Context) (string, error) {
	text, err := readCredential(s.cfg.SecretIDFile, "SecretID")
	if err != nil && (!s.cfg.SecretIDWrapped || s.unwrapped.secretID == "") {
		return "", err
	}
	if !s.cfg.SecretIDWrapped {
		return text, nil
	}
	state := fileState(s.cfg.SecretIDFile)
	if s.unwrapped.secretID != "" && (err != nil || s.unwrapped.state == state) {
		return s.unwrapped.secretID, nil
	}
	var data struct {
		SecretID string `json:"secret_id"`
	}
	err = s.unwrap(ctx, text, &data)
	if err != nil {
		return "", err
	}
	if data.SecretID == "" {
		return "", fmt.Errorf("%w: the wrapping token of %s holds no SecretID", ErrCredential, s.cfg.SecretIDFile)
	}
	s.unwrapped.secretID, s.unwrapped.state = data.SecretID, state
	return data.SecretID, nil
}

// credentialState changes when a file of the credential is written anew.
func (s *Session) credentialState() string {
	var all []string
	for _, path := range []string{s.cfg.RoleIDFile, s.cfg.SecretIDFile, s.cfg.CertFile, s.cfg.KeyFile} {
		if path != "" {
			all = append(all, fileState(path))
		}
	}
	return strings.Join(all, "\n")
}
