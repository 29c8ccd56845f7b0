package room

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
)

// Options say how to start key workers.
type Options struct {
	// Worker is the command of the key worker, WorkerEnv its environment.
	Worker    []string
	WorkerEnv []string
	Logger    *slog.Logger
}

// Parts are what a command brings to a ceremony.
type Parts struct {
	Presence ceremony.Presence
	Console  ceremony.Console
}

// Workplace is a token of its own with a ledger of its own, outside any system:
// thrown away after a rehearsal, or kept on a machine without the system.
type Workplace struct {
	Room   ceremony.Room
	Client *hsm.Client
	// Script is what is to be run: with stand-ins at a rehearsal.
	Script *ceremony.Script

	closers []func() error
}

// Close ends token and ledger; those of a rehearsal are destroyed.
func (w *Workplace) Close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	w.closers = nil
	return errors.Join(errs...)
}

// localOnly lets the administrator of the machine act, where no system with its
// accounts and its policy is.
type localOnly struct{}

// Authorize allows what the local administrator does.
func (localOnly) Authorize(_ context.Context, s auth.Subject, action string, _ auth.Resource) error {
	if !s.Has(auth.RoleAdmin) {
		return &auth.DeniedError{Action: action, Code: "role"}
	}
	return nil
}

// labelCeremonyLedger is the key of a workplace's ledger.
const labelCeremonyLedger = "ledger"

// ThrowAwayToken makes a SoftHSM token that is destroyed when it is closed.
func ThrowAwayToken(ctx context.Context, o Options) (*hsm.Client, func() error, error) {
	dir, err := os.MkdirTemp("", "antin-throwaway-")
	if err != nil {
		return nil, nil, fmt.Errorf("throw-away token: %w", err)
	}
	client, stop, err := softToken(ctx, o, dir, "antin-rehearsal")
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return client, func() error { return errors.Join(stop(), os.RemoveAll(dir)) }, nil
}

// softToken makes a SoftHSM token in dir and serves it.
func softToken(ctx context.Context, o Options, dir, label string) (*hsm.Client, func() error, error) {
	cfg, err := hsm.InitSoftToken(ctx, hsm.SoftToken{Dir: filepath.Join(dir, "token"), Label: label, Command: o.Worker, Env: o.WorkerEnv, Logger: o.Logger})
	if err != nil {
		return nil, nil, fmt.Errorf("make token: %w", err)
	}
	cfg.SocketPath = filepath.Join(dir, "run", "s")
	client, supervisor, err := hsm.Open(ctx, hsm.Options{Command: o.Worker, Env: o.WorkerEnv, Config: cfg, Logger: o.Logger}, hsm.ClientOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("open token: %w", err)
	}
	return client, func() error { return errors.Join(client.Close(), supervisor.Close()) }, nil
}

// Rehearsal makes the room of a rehearsal: a throw-away token, a throw-away
// ledger, and stand-ins for what the script takes for granted.
func Rehearsal(ctx context.Context, o Options, s *ceremony.Script, parts Parts) (*Workplace, error) {
	w := &Workplace{}
	err := w.rehearse(ctx, o, s, parts)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *Workplace) rehearse(ctx context.Context, o Options, s *ceremony.Script, parts Parts) error {
	client, stop, err := ThrowAwayToken(ctx, o)
	if err != nil {
		return err
	}
	w.closers = append(w.closers, stop)
	dir, err := os.MkdirTemp("", "antin-rehearsal-")
	if err != nil {
		return fmt.Errorf("rehearsal: %w", err)
	}
	w.closers = append(w.closers, func() error { return os.RemoveAll(dir) })
	err = w.open(ctx, o, client, filepath.Join(dir, "ledger"), parts)
	if err != nil {
		return err
	}
	w.Room.Rehearsal, w.Room.LedgerName = true, "sổ diễn tập, đã huỷ / rehearsal ledger, destroyed"
	source := client
	if s.Kind == ceremony.KindRestore {
		var stop func() error
		source, stop, err = ThrowAwayToken(ctx, o)
		if err != nil {
			return err
		}
		defer func() { _ = stop() }()
	}
	w.Script, err = ceremony.StandIns(ctx, s, client, source, dir, w.Room.Clock.Now())
	return err
}

// open makes the room over a token, with a ledger of its own.
func (w *Workplace) open(ctx context.Context, o Options, client *hsm.Client, ledgerDir string, parts Parts) error {
	w.Client = client
	_, err := client.Generate(ctx, labelCeremonyLedger, "EC-P256")
	if err != nil && !errors.Is(err, hsm.ErrExists) {
		return fmt.Errorf("ledger key: %w", err)
	}
	key, err := client.Signer(ctx, labelCeremonyLedger)
	if err != nil {
		return fmt.Errorf("ledger key: %w", err)
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	book, err := ledger.Open(ctx, ledger.Options{Dir: ledgerDir, Origin: "antin/ceremony", Signer: key, Clock: clock.System{}, Logger: log})
	if err != nil {
		return fmt.Errorf("ledger of the ceremony: %w", err)
	}
	w.closers = append(w.closers, book.Close)
	profiles, err := NewCertificates(nil, "")
	if err != nil {
		return err
	}
	health, err := client.Health(ctx)
	if err != nil {
		return err
	}
	w.Room = ceremony.Room{
		Token: client, TokenName: health.Token, TokenSerial: health.Serial, Certificates: profiles, Documents: Documents{},
		Presence: parts.Presence, Console: parts.Console, Ledger: book, LedgerName: "antin/ceremony", Authorizer: localOnly{},
		Clock: clock.System{}, Logger: log, Version: Version(),
	}
	return nil
}
