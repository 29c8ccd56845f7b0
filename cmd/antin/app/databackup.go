package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"filippo.io/age"

	"github.com/antin-gov/antin/internal/backup"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/config"
	"github.com/antin-gov/antin/internal/store"
)

// Backup copies the data folder and its database into a new file, whether or
// not a process serves them. A file that is there is not written over.
func Backup(ctx context.Context, o Options, file string, to []age.Recipient, progress func(string)) (*backup.Manifest, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	_, err = os.Stat(filepath.Join(dir, dirHSM, fileWorker))
	if err != nil {
		return nil, ErrNotInitialised
	}
	cfg, err := config.Load(dir, o.Environ)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, databaseDSN(cfg, dir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	_, err = os.Lstat(file)
	if err == nil {
		return nil, fmt.Errorf("%s is there already", file)
	}
	f, err := os.OpenFile(file+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write the backup: %w", err)
	}
	m, err := backup.Write(ctx, f, backup.Source{Dir: dir, DB: db, DSN: databaseDSN(cfg, dir), Program: program(), Time: clock.System{}.Now(),
		Recipients: to, Progress: progress})
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(file+".part", file)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(file+".part"))
	}
	return m, nil
}

func program() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "antin"
	}
	return "antin " + info.Main.Version
}

// databaseDSN is the database of the configuration, by default SQLite in the
// data folder.
func databaseDSN(cfg *config.Config, dir string) string {
	if cfg.Database.DSN == "" {
		return "sqlite:" + filepath.Join(dir, fileDatabase)
	}
	return cfg.Database.DSN
}

// RestoreOptions say what is restored where.
type RestoreOptions struct {
	Options
	// File is the backup, Ledger the folder of a newer ledger or empty.
	File, Ledger string
	Identities   []age.Identity
	Progress     func(string)
}

// Restore puts a backup into the empty data folder. The next opening replays
// what the ledger knows and the database lacks.
func Restore(ctx context.Context, o RestoreOptions) (*backup.Restored, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.Open(o.File)
	if err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	return backup.Restore(ctx, f, backup.Target{Dir: dir, Ledger: o.Ledger, Identities: o.Identities, Progress: o.Progress,
		DSN: func(restored string) (string, error) {
			cfg, err := config.Load(restored, o.Environ)
			if err != nil {
				return "", err
			}
			return cfg.Database.DSN, nil
		}})
}
