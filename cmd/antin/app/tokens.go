package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/config"
)

// fileSessions holds the numbers of sessions that probes found best.
const fileSessions = "sessions.json"

// InitToken makes one more software token beside that of the data folder and
// gives its URI.
func InitToken(ctx context.Context, o Options, label string) (string, error) {
	_, err := os.Stat(filepath.Join(o.Dir, dirHSM, "softhsm2.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w, with a software token", ErrNotInitialised)
	}
	cfg, err := config.Load(o.Dir, o.Environ)
	if err != nil {
		return "", err
	}
	command, err := workerCommand(o)
	if err != nil {
		return "", err
	}
	worker, err := hsm.InitSoftToken(ctx, hsm.SoftToken{
		Dir: filepath.Join(o.Dir, dirHSM), Label: label, Module: cfg.HSM.Module, Beside: true, Command: command, Env: o.WorkerEnv, Logger: o.Logger,
	})
	if err != nil {
		return "", fmt.Errorf("make the token: %w", err)
	}
	uris, err := worker.URIs()
	if err != nil {
		return "", err
	}
	return uris[0], nil
}

// ProbeToken probes a token and keeps the number of sessions that was found
// best for the next start of the key worker.
func (s *System) ProbeToken(ctx context.Context, token string) (hsm.Probe, error) {
	p, err := s.Custody.Probe(ctx, token)
	if err != nil || p.Knee == 0 {
		return p, err
	}
	measured := s.measuredSessions()
	measured[p.Token] = p.Knee
	b, err := json.MarshalIndent(measured, "", "  ")
	if err != nil {
		return p, err
	}
	path := s.Path(dirHSM, fileSessions)
	err = os.WriteFile(path+".new", append(b, '\n'), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return p, fmt.Errorf("keep what the probe measured: %w", err)
	}
	return p, nil
}

// measuredSessions reads what probes found; a file that cannot be read says
// nothing, as the numbers are hints.
func (s *System) measuredSessions() map[string]int {
	out := map[string]int{}
	b, err := os.ReadFile(s.Path(dirHSM, fileSessions))
	if err != nil || json.Unmarshal(b, &out) != nil {
		return map[string]int{}
	}
	return out
}

// CompareRates measures the first token and the key worker against each other.
func (s *System) CompareRates(ctx context.Context, o hsm.RateOptions) (hsm.Rates, error) {
	worker, err := s.workerConfig()
	if err != nil {
		return hsm.Rates{}, err
	}
	command, err := workerCommand(Options{})
	if err != nil {
		return hsm.Rates{}, err
	}
	o.Worker = hsm.Options{Command: command, Config: worker, Logger: s.Logger}
	return hsm.CompareRates(ctx, s.Keys, o)
}

// SignaturesMade counts the signatures that the key worker's tokens have made
// since it began, and names its process.
func (s *System) SignaturesMade(ctx context.Context) (signatures uint64, worker int, err error) {
	health, err := s.Keys.Health(ctx)
	return health.Signatures, health.PID, err
}
