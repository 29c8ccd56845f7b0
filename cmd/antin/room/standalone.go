package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/ceremony"
)

// Files of the folder of a machine without the system.
const (
	fileToken  = "token.json" // how to open the token that was made here
	dirLedger  = "ledger"
	dirRun     = "run"
	tokenLabel = "antin-offline"
)

// Standalone opens the workplace of a machine without the system: the token
// that the script names, or else a SoftHSM token of its own in dir, and a
// ledger in dir. Both stay.
func Standalone(ctx context.Context, o Options, s *ceremony.Script, dir string, parts Parts) (*Workplace, error) {
	w := &Workplace{Script: s}
	err := w.standalone(ctx, o, dir, parts)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *Workplace) standalone(ctx context.Context, o Options, dir string, parts Parts) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = os.MkdirAll(filepath.Join(dir, dirRun), 0o700)
	if err != nil {
		return fmt.Errorf("workplace: %w", err)
	}
	cfg := hsm.WorkerConfig{Tokens: []string{w.Script.Token}}
	if w.Script.Token == "" {
		cfg, err = ownToken(ctx, o, dir)
		if err != nil {
			return err
		}
	}
	cfg.SocketPath = filepath.Join(dir, dirRun, "s")
	client, supervisor, err := hsm.Open(ctx, hsm.Options{Command: o.Worker, Env: o.WorkerEnv, Config: cfg, Logger: o.Logger}, hsm.ClientOptions{})
	if err != nil {
		return fmt.Errorf("open the token: %w", err)
	}
	w.closers = append(w.closers, func() error { return errors.Join(client.Close(), supervisor.Close()) })
	return w.open(ctx, o, client, filepath.Join(dir, dirLedger), parts)
}

// ownToken finds or makes the workplace's SoftHSM token.
func ownToken(ctx context.Context, o Options, dir string) (hsm.WorkerConfig, error) {
	path := filepath.Join(dir, fileToken)
	text, err := os.ReadFile(path)
	if err == nil {
		var cfg hsm.WorkerConfig
		err = json.Unmarshal(text, &cfg)
		if err != nil {
			return cfg, fmt.Errorf("read %s: %w", path, err)
		}
		return cfg, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return hsm.WorkerConfig{}, fmt.Errorf("read %s: %w", path, err)
	}
	cfg, err := hsm.InitSoftToken(ctx, hsm.SoftToken{Dir: filepath.Join(dir, "token"), Label: tokenLabel, Command: o.Worker, Env: o.WorkerEnv, Logger: o.Logger})
	if err != nil {
		return cfg, fmt.Errorf("make token: %w", err)
	}
	text, err = json.MarshalIndent(cfg, "", "  ")
	if err != nil {
		return cfg, err
	}
	return cfg, os.WriteFile(path, text, 0o600)
}
