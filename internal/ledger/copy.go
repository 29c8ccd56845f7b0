package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
)

// Copy gives every file of the folder of a log as it stood at one moment, also
// while it is being written to: paths are relative to the folder, with .state.
// Appends wait while the files that change are read; whole tiles, which never
// change, are given before.
func Copy(ctx context.Context, dir string, take func(path string, size int64, r io.Reader) error) error {
	given := map[string]bool{}
	err := walkFiles(ctx, dir, func(rel string) error {
		tile, ok := parseTilePath(rel)
		if !ok || tile.partial != 0 {
			return nil
		}
		given[rel] = true
		return giveFile(dir, rel, take)
	})
	if err != nil {
		return fmt.Errorf("copy ledger: %w", err)
	}
	unlock, err := holdStill(dir)
	if err != nil {
		return fmt.Errorf("copy ledger: %w", err)
	}
	defer unlock()
	err = walkFiles(ctx, dir, func(rel string) error {
		if given[rel] || strings.HasSuffix(rel, ".lock") || strings.HasSuffix(rel, ".tmp") {
			return nil
		}
		err := giveFile(dir, rel, take)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a partial tile that a whole one has replaced
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("copy ledger: %w", err)
	}
	return nil
}

// holdStill has appends wait; a copy without the writer's state has none.
func holdStill(dir string) (release func(), err error) {
	_, err = os.Stat(filepath.Join(dir, stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	lock, err := openAppendLock(dir)
	if err != nil {
		return nil, err
	}
	dirty, err := lock.acquire()
	if err != nil {
		return nil, errors.Join(err, lock.close())
	}
	release = func() {
		lock.release()
		_ = lock.close()
	}
	if dirty {
		release()
		return nil, fmt.Errorf("%w: a writer died in the middle of a batch; start antin once", ErrCorrupt)
	}
	return release, nil
}

func walkFiles(ctx context.Context, dir string, f func(rel string) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return f(rel)
	})
}

func giveFile(dir, rel string, take func(string, int64, io.Reader) error) error {
	f, err := os.Open(filepath.Join(dir, rel))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return take(rel, info.Size(), io.LimitReader(f, info.Size()))
}

// MakeWritable gives a copy of a log that was made for verifying, without the
// writer's state, that state again: what its checkpoint covers, nothing beyond.
// The copy must have been verified.
func MakeWritable(ctx context.Context, dir string) error {
	_, err := readTreeState(dir)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r, err := OpenReader(dir, "")
	if err != nil {
		return err
	}
	cp, err := r.checkpoint()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(treeState{Size: cp.size, Root: cp.root})
	if err != nil {
		return fmt.Errorf("tree state: %w", err)
	}
	err = os.MkdirAll(filepath.Join(dir, stateDir), 0o755)
	if err != nil {
		return fmt.Errorf("state of the ledger: %w", err)
	}
	// Files beyond the checkpoint would be taken for entries.
	err = walkFiles(ctx, dir, func(rel string) error {
		tile, ok := parseTilePath(rel)
		if !ok || tile.width() <= tile.have(cp.size) {
			return nil
		}
		return os.Remove(filepath.Join(dir, rel))
	})
	if err != nil {
		return fmt.Errorf("state of the ledger: %w", err)
	}
	return writeDurably(filepath.Join(dir, stateDir, "treeState"), raw)
}

// CheckpointFile is the path of the published checkpoint in the folder of a log.
func CheckpointFile(dir string) string { return filepath.Join(dir, layout.CheckpointPath) }
