package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	// loginPause and loginPauseMax bound the pause between attempts to log in
	// when the token ends while the server is away; it doubles.
	loginPause    = 250 * time.Millisecond
	loginPauseMax = 15 * time.Second
	// revokeTime bounds the farewell.
	revokeTime = 2 * time.Second
)

// Session is a login at one server. Many goroutines may use it.
type Session struct {
	cfg    Config
	log    *slog.Logger
	client *api.Client

	// loggingIn is held during a login; it guards refusal and unwrapped.
	loggingIn sync.Mutex
	refusal   refusal
	unwrapped struct{ secretID, state string }

	// fresh hands a new login to the keeper.
	fresh chan *api.Secret
	stop  context.CancelFunc
	done  chan struct{}

	logins, renewals atomic.Uint64
}

// Stats count since the session began.
type Stats struct{ Logins, Renewals uint64 }

// Stats tells how often the session logged in and renewed its token.
func (s *Session) Stats() Stats {
	return Stats{Logins: s.logins.Load(), Renewals: s.renewals.Load()}
}

// Open checks the settings. The first request logs in.
func Open(cfg Config, log *slog.Logger) (*Session, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Session{cfg: cfg, log: log, client: client, fresh: make(chan *api.Secret, 1), stop: cancel, done: make(chan struct{})}
	go s.keep(ctx)
	return s, nil
}

// Close revokes the token, so that it does not outlive its use, and waits for
// the session's goroutines. A server that is away is no error: the token ends
// by itself.
func (s *Session) Close() {
	s.stop()
	<-s.done
	token := s.client.Token()
	if token != "" {
		ctx, cancel := context.WithTimeout(context.Background(), revokeTime)
		defer cancel()
		err := s.client.Auth().Token().RevokeSelfWithContext(ctx, "")
		if err != nil {
			s.log.Info("the token of vault was not revoked and ends by itself", slog.Any("error", classify(err)))
		}
		s.client.ClearToken()
	}
	s.client.CloneConfig().HttpClient.CloseIdleConnections()
}

// Address tells the server.
func (s *Session) Address() string { return s.cfg.Address }

// keep renews the token of each login and logs in again when renewal is over.
func (s *Session) keep(ctx context.Context) {
	defer close(s.done)
	for {
		select {
		case <-ctx.Done():
			return
		case secret := <-s.fresh:
			for secret != nil {
				secret = s.watch(ctx, secret)
			}
		}
	}
}

// watch renews one token until that ends; it gives the login that followed
// when one came in the meantime.
func (s *Session) watch(ctx context.Context, secret *api.Secret) *api.Secret {
	if secret.Auth.LeaseDuration <= 0 {
		return nil // a token without an end
	}
	renewer, err := s.bare()
	if err != nil {
		s.log.Error("the token of vault is not renewed", slog.Any("error", err))
		return nil
	}
	renewer.SetClientTimeout(s.cfg.Timeout)
	watcher, err := renewer.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: secret, RenewBehavior: api.RenewBehaviorIgnoreErrors})
	if err != nil {
		s.log.Error("the token of vault is not renewed", slog.Any("error", err))
		return nil
	}
	var running sync.WaitGroup
	running.Go(watcher.Start)
	defer running.Wait()
	defer watcher.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-s.fresh:
			return next
		case <-watcher.RenewCh():
			s.renewals.Add(1)
		case <-watcher.DoneCh():
			return s.again(ctx, secret.Auth.ClientToken)
		}
	}
}

// again logs in until it works, and gives the login.
func (s *Session) again(ctx context.Context, stale string) *api.Secret {
	pause := loginPause
	for {
		err := s.login(ctx, stale)
		if err == nil {
			select {
			case secret := <-s.fresh:
				return secret
			default:
				return nil
			}
		}
		s.log.Warn("the login at vault was not renewed", slog.Any("error", err), slog.Duration("pause", pause))
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case secret := <-s.fresh: // a request was faster
			timer.Stop()
			return secret
		case <-timer.C:
		}
		pause = min(2*pause, loginPauseMax)
	}
}

// bare gives a client with the same connections and no token.
func (s *Session) bare() (*api.Client, error) {
	client, err := s.client.CloneWithHeaders()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	client.ClearToken()
	return client, nil
}

// do makes a request with a login, and once more with a new login when the
// server does not know the token any more. wait bounds it, login included.
func (s *Session) do(ctx context.Context, wait time.Duration, call func(context.Context, *api.Logical) error) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for again := true; ; again = false {
		token := s.client.Token()
		if token == "" {
			err := s.login(ctx, "")
			if err != nil {
				return err
			}
			token = s.client.Token()
		}
		err := classify(call(ctx, s.client.Logical()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrPermission) || !again {
			return s.explain(ctx, err)
		}
		if s.client.Token() != token {
			continue // the keeper has logged in meanwhile
		}
		if s.tokenLives(ctx) {
			return err
		}
		err = s.login(ctx, token)
		if err != nil {
			return err
		}
	}
}

// tokenLives asks whether the server still knows the token: "permission denied"
// is what it says of a dead token and of a missing right alike.
func (s *Session) tokenLives(ctx context.Context) bool {
	_, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	return err == nil
}

// explain tells a sealed server from one that fails. Only the server's own
// status says so; the answer to a request does not.
func (s *Session) explain(ctx context.Context, err error) error {
	if !errors.Is(err, ErrUnreachable) || statusOf(err) == 0 {
		return err
	}
	client, bareErr := s.bare()
	if bareErr != nil {
		return err
	}
	client.ClearNamespace() // the status is the server's
	status, statusErr := client.Sys().SealStatusWithContext(ctx)
	if statusErr == nil && status.Sealed {
		return fmt.Errorf("%w: %s: %d of %d key parts given", ErrSealed, s.cfg.Address, status.Progress, status.T)
	}
	return err
}

// ServerInfo is what a server says of itself.
type ServerInfo struct{ Version, ClusterID string }

// Server asks the server for its version and the id of its cluster.
func (s *Session) Server(ctx context.Context) (ServerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	client, err := s.bare()
	if err != nil {
		return ServerInfo{}, err
	}
	client.ClearNamespace()
	health, err := client.Sys().HealthWithContext(ctx)
	if err != nil {
		return ServerInfo{}, classify(err)
	}
	return ServerInfo{Version: health.Version, ClusterID: health.ClusterID}, nil
}
