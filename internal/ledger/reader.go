package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	logfmt "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
)

const (
	// VKeyFile is where the verifier key text stands in the folder of the log.
	VKeyFile = "ledger.vkey"
	// maxCheckpoint bounds a checkpoint with its signatures.
	maxCheckpoint = 64 << 10
	// maxBundle bounds an entry bundle: 256 entries and their lengths.
	maxBundle = 256 * (maxEntry + 2)
	// maxTile bounds a hash tile: 256 hashes.
	maxTile = 256 * 32
)

// Errors of reading.
var (
	// ErrNotFound says that the log has no entry with that index.
	ErrNotFound = errors.New("no such ledger entry")
	// ErrNotPublished says that no checkpoint covers the entry yet.
	ErrNotPublished = errors.New("ledger entry not yet published")
	// ErrCorrupt says that the folder of the log is not what it must be.
	ErrCorrupt = errors.New("ledger is damaged")
)

// Reader reads a log from its folder without a signing key.
type Reader struct {
	dir      string
	verifier *verifier
}

// OpenReader opens the folder of a log for reading. An empty vkey means the
// one that stands in the folder, which proves nothing to an outsider.
func OpenReader(dir, vkey string) (*Reader, error) {
	if vkey == "" {
		raw, err := readBounded(filepath.Join(dir, VKeyFile), maxVKey)
		if err != nil {
			return nil, fmt.Errorf("verifier key of the ledger: %w", err)
		}
		vkey = string(raw)
	}
	v, err := newVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir, verifier: v}, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", ErrCorrupt, path, limit)
	}
	return raw, nil
}

// checkpoint is a published and verified tree head.
type checkpoint struct {
	size uint64
	root []byte
	raw  string
}

// checkpoint reads the published checkpoint and verifies its signature.
func (r *Reader) checkpoint() (checkpoint, error) {
	raw, err := readBounded(filepath.Join(r.dir, layout.CheckpointPath), maxCheckpoint)
	if err != nil {
		return checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return openCheckpoint(raw, r.verifier)
}

// openCheckpoint verifies and parses a checkpoint (C2SP tlog-checkpoint).
func openCheckpoint(raw []byte, v *verifier) (checkpoint, error) {
	cp, _, _, err := logfmt.ParseCheckpoint(raw, v.Name(), v)
	if err != nil {
		return checkpoint{}, fmt.Errorf("%w: checkpoint: %w", ErrCorrupt, err)
	}
	if len(cp.Hash) != 32 {
		return checkpoint{}, fmt.Errorf("%w: checkpoint: root of %d bytes", ErrCorrupt, len(cp.Hash))
	}
	return checkpoint{size: cp.Size, root: cp.Hash, raw: string(raw)}, nil
}

// Size tells how many entries the published checkpoint covers.
func (r *Reader) Size(context.Context) (uint64, error) {
	cp, err := r.checkpoint()
	return cp.size, err
}

// Entry gives a published entry.
func (r *Reader) Entry(ctx context.Context, index uint64) (Entry, error) {
	cp, err := r.checkpoint()
	if err != nil {
		return Entry{}, err
	}
	raw, err := r.leaf(ctx, index, cp.size)
	if err != nil {
		return Entry{}, err
	}
	return parseLeaf(raw)
}

// leaf reads one leaf of a tree of that size.
func (r *Reader) leaf(_ context.Context, index, size uint64) ([]byte, error) {
	if index >= size {
		return nil, fmt.Errorf("%w: %d of %d", ErrNotFound, index, size)
	}
	n := index / layout.EntryBundleWidth
	raw, err := r.resource(layout.PartialTileSize(0, n, size), maxBundle, func(p uint8) string { return layout.EntriesPath(n, p) })
	if err != nil {
		return nil, fmt.Errorf("entry bundle %d: %w", n, err)
	}
	var bundle api.EntryBundle
	err = bundle.UnmarshalText(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: entry bundle %d: %w", ErrCorrupt, n, err)
	}
	at := int(index % layout.EntryBundleWidth)
	if at >= len(bundle.Entries) {
		return nil, fmt.Errorf("%w: entry bundle %d holds %d entries", ErrCorrupt, n, len(bundle.Entries))
	}
	return bundle.Entries[at], nil
}

// tile reads a hash tile for tessera's proof builder.
func (r *Reader) tile(_ context.Context, level, index uint64, p uint8) ([]byte, error) {
	return r.resource(p, maxTile, func(p uint8) string { return layout.TilePath(level, index, p) })
}

// resource reads a partial file, or the full one that has replaced it.
func (r *Reader) resource(p uint8, limit int64, path func(uint8) string) ([]byte, error) {
	raw, err := readBounded(filepath.Join(r.dir, path(p)), limit)
	if p > 0 && errors.Is(err, fs.ErrNotExist) {
		return readBounded(filepath.Join(r.dir, path(0)), limit)
	}
	return raw, err
}

// VKey gives the verifier key text.
func (r *Reader) VKey() (string, error) {
	vkey, err := VerifierKey(r.verifier.name, r.verifier.pub)
	return strings.TrimSpace(vkey), err
}

// publishedOver waits until the checkpoint covers index.
func (r *Reader) publishedOver(ctx context.Context, index uint64, wait time.Duration) (checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		cp, err := r.checkpoint()
		if err != nil {
			return checkpoint{}, err
		}
		if cp.size > index {
			return cp, nil
		}
		select {
		case <-ctx.Done():
			return checkpoint{}, fmt.Errorf("%w: entry %d, checkpoint covers %d: %w", ErrNotPublished, index, cp.size, ctx.Err())
		case <-time.After(publishPoll):
		}
	}
}
