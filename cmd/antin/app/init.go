package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/config"
)

// Init makes in the data folder what is missing: the configuration, the token
// with its keys, the database, the ledger and the authorities. It may be run
// any number of times. progress is told what is being made.
func Init(ctx context.Context, o Options, progress func(step string)) error {
	for _, dir := range []string{"", dirHSM, dirLedger, dirRun, dirTLS, dirDocuments, dirOffice, dirBus, dirSensor} {
		err := os.MkdirAll(filepath.Join(o.Dir, dir), 0o700)
		if err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	err := writeOnce(filepath.Join(o.Dir, config.File), config.Template())
	if err != nil {
		return err
	}
	err = initToken(ctx, o, progress)
	if err != nil {
		return err
	}
	// The services need what is made here, so the parts are opened by hand.
	s, err := openBare(ctx, o)
	if err != nil {
		return err
	}
	progress("ledger key and ledger")
	_, err = s.Keys.Generate(ctx, labelLedger, "EC-P256")
	if err == nil || errors.Is(err, hsm.ErrExists) {
		err = s.openLedger(ctx)
	}
	if err == nil {
		progress("root, issuing, OCSP and time-stamping authorities")
		err = s.initAuthorities(ctx)
	}
	return errors.Join(err, s.Close())
}

func initToken(ctx context.Context, o Options, progress func(string)) error {
	path := filepath.Join(o.Dir, dirHSM, fileWorker)
	_, err := os.Stat(path)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token settings: %w", err)
	}
	cfg, err := config.Load(o.Dir, o.Environ)
	if err != nil {
		return err
	}
	command, err := workerCommand(o)
	if err != nil {
		return err
	}
	progress("token " + cfg.HSM.Token)
	// A module of another maker has its token already: its label and PIN file
	// (or its URI, which stays in the configuration) are all that is needed.
	worker := hsm.WorkerConfig{Module: cfg.HSM.Module, TokenLabel: cfg.HSM.Token, PINFile: cfg.HSM.PINFile}
	if cfg.HSM.PINFile == "" && len(cfg.HSM.Tokens) == 0 {
		worker, err = hsm.InitSoftToken(ctx, hsm.SoftToken{
			Dir: filepath.Join(o.Dir, dirHSM), Label: cfg.HSM.Token, Module: cfg.HSM.Module, Command: command, Env: o.WorkerEnv, Logger: o.Logger,
		})
		if err != nil {
			return fmt.Errorf("make the token: %w", err)
		}
	}
	b, err := json.MarshalIndent(worker, "", "  ")
	if err != nil {
		return err
	}
	return writeOnce(path, b)
}

// openBare opens database and keys only.
func openBare(ctx context.Context, o Options) (*System, error) {
	cfg, err := config.Load(o.Dir, o.Environ)
	if err != nil {
		return nil, err
	}
	s := newSystem(o, cfg)
	worker, err := s.workerConfig()
	if err == nil {
		err = s.openDatabase(ctx)
	}
	if err == nil {
		err = s.openKeys(ctx, o, worker)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *System) initAuthorities(ctx context.Context) error {
	err := s.openPolicy()
	if err != nil {
		return err
	}
	deps, err := s.caDeps()
	if err != nil {
		return err
	}
	return ca.Init(ctx, deps, deps.Config)
}

// writeOnce writes a file of mode 0600 unless it is there.
func writeOnce(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return nil
}
