package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
)

// treeState is tessera's record of the tree, published or not.
type treeState struct {
	Size uint64 `json:"size"`
	Root []byte `json:"root"`
}

// readTreeState reads it; fs.ErrNotExist for a new log.
func readTreeState(dir string) (treeState, error) {
	raw, err := readBounded(filepath.Join(dir, stateDir, "treeState"), 4<<10)
	if err != nil {
		return treeState{}, err
	}
	var s treeState
	err = json.Unmarshal(raw, &s)
	if err != nil {
		return treeState{}, fmt.Errorf("%w: tree state: %w", ErrCorrupt, err)
	}
	return s, nil
}

// checkEdge refuses a log whose recorded state, right edge and checkpoint do
// not fit: new entries would be built on something false. A full check is
// Verify's.
func checkEdge(ctx context.Context, r *Reader) error {
	state, err := readTreeState(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		_, err := os.Stat(filepath.Join(r.dir, layout.CheckpointPath))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a new log
		}
		return fmt.Errorf("%w: a checkpoint but no %s/treeState; a copy is for verifying, not for writing", ErrCorrupt, stateDir)
	}
	if err != nil {
		return err
	}
	cp, err := r.checkpoint()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if cp.size > state.Size {
		return fmt.Errorf("%w: the checkpoint covers %d entries, the tree has %d", ErrCorrupt, cp.size, state.Size)
	}
	root, err := edgeRoot(ctx, r, state.Size)
	if err != nil {
		return fmt.Errorf("%w: right edge of the tree: %w", ErrCorrupt, err)
	}
	if !bytes.Equal(root, state.Root) {
		return fmt.Errorf("%w: the tiles at the right edge do not give the recorded root", ErrCorrupt)
	}
	return nil
}

// edgeRoot computes the root from the tiles at the right edge.
func edgeRoot(ctx context.Context, r *Reader, size uint64) ([]byte, error) {
	if size == 0 {
		return rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	hashes, err := client.FetchRangeNodes(ctx, size, r.tile)
	if err != nil {
		return nil, err
	}
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	rng, err := factory.NewRange(0, size, hashes)
	if err != nil {
		return nil, err
	}
	return rng.GetRootHash(nil)
}

// tilePath is a file under tile/: a hash tile of a level or an entry bundle.
type tilePath struct {
	level   uint64 // of a hash tile
	entries bool   // an entry bundle
	index   uint64
	partial uint64 // 0 for a full tile
}

// parseTilePath reads a path relative to the log; false for any other file.
func parseTilePath(rel string) (tilePath, bool) {
	parts := strings.Split(filepath.ToSlash(rel), "/")
	if len(parts) < 3 || parts[0] != "tile" {
		return tilePath{}, false
	}
	var t tilePath
	if parts[1] == "entries" {
		t.entries = true
	} else {
		level, err := strconv.ParseUint(parts[1], 10, 6)
		if err != nil {
			return tilePath{}, false
		}
		t.level = level
	}
	index := strings.Join(parts[2:], "/")
	base, p, isPartial := strings.Cut(index, ".p/")
	if isPartial {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil || n == 0 {
			return tilePath{}, false
		}
		t.partial = n
	}
	var err error
	t.index, _, err = layout.ParseTileIndexPartial(base)
	// One way to write each path only, or a copy could hold a file twice.
	if err != nil || t.String() != rel {
		return tilePath{}, false
	}
	return t, true
}

// String gives the path relative to the log.
func (t tilePath) String() string {
	if t.entries {
		return layout.EntriesPath(t.index, uint8(t.partial))
	}
	return layout.TilePath(t.level, t.index, uint8(t.partial))
}

// width is how many hashes or entries the file holds.
func (t tilePath) width() uint64 {
	if t.partial > 0 {
		return t.partial
	}
	return layout.TileWidth
}

// have is how many hashes or entries a tree of that size has for the tile.
func (t tilePath) have(size uint64) uint64 {
	nodes := size >> (8 * t.level)
	first := t.index * layout.TileWidth
	if nodes <= first {
		return 0
	}
	return min(nodes-first, layout.TileWidth)
}

// tidier puts aside what a writer killed in the middle of a batch left beyond
// the tree, and removes partial tiles that full ones have replaced. Its caller
// holds the append lock.
type tidier struct {
	dir string
	log *slog.Logger
}

// run walks over the tiles. Nothing of the recorded tree is touched.
func (t *tidier) run() error {
	state, err := readTreeState(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = filepath.WalkDir(filepath.Join(t.dir, "tile"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another process collects partial tiles
		}
		if err != nil || d.IsDir() {
			return err
		}
		return t.file(path, state.Size)
	})
	if err != nil {
		return fmt.Errorf("tidy the ledger: %w", err)
	}
	return nil
}

// file decides about one file.
func (t *tidier) file(path string, size uint64) error {
	rel, err := filepath.Rel(t.dir, path)
	if err != nil {
		return err
	}
	tile, ok := parseTilePath(rel)
	if !ok || tile.width() > tile.have(size) {
		t.log.Warn("a file beyond the ledger's tree is put aside", slog.String("file", rel))
		aside := filepath.Join(t.dir, stateDir, "aside")
		err := os.MkdirAll(aside, 0o755)
		if err != nil {
			return err
		}
		return ignoreGone(os.Rename(path, filepath.Join(aside, strings.ReplaceAll(rel, "/", "_"))))
	}
	if tile.partial > 0 && tile.have(size) == layout.TileWidth {
		full := tile
		full.partial = 0
		_, err := os.Stat(filepath.Join(t.dir, full.String()))
		if err == nil {
			return ignoreGone(os.Remove(path))
		}
	}
	return nil
}

// ignoreGone takes a file that is gone for a file that was removed.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
