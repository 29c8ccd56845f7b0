package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
)

// Errors of comparing a log with what is known of it.
var (
	// ErrBehind says that the log is shorter than it is known to have been: an
	// older copy.
	ErrBehind = errors.New("the ledger is an older copy")
	// ErrForked says that the log does not go on from what it is known to have
	// been: entries were changed or another log was put in its place.
	ErrForked = errors.New("the ledger was rewritten")
)

// Head is a published state of the log.
type Head struct {
	Size uint64 `json:"size"`
	// Root is the hash of the tree, hex.
	Root string `json:"root"`
	// Note is the signed checkpoint.
	Note string `json:"note"`
}

// Head gives the published state.
func (r *Reader) Head(context.Context) (Head, error) {
	cp, err := r.checkpoint()
	if err != nil {
		return Head{}, err
	}
	return Head{Size: cp.size, Root: hex.EncodeToString(cp.root), Note: cp.raw}, nil
}

// ParseHead reads a copy of a checkpoint of this log, and verifies its
// signature.
func (r *Reader) ParseHead(note []byte) (Head, error) {
	if len(note) > maxCheckpoint {
		return Head{}, fmt.Errorf("%w: checkpoint of %d bytes", ErrCorrupt, len(note))
	}
	cp, err := openCheckpoint(note, r.verifier)
	if err != nil {
		return Head{}, err
	}
	return Head{Size: cp.size, Root: hex.EncodeToString(cp.root), Note: cp.raw}, nil
}

// Extends says whether the published log goes on from an earlier state of it:
// ErrBehind when it is shorter, ErrForked when it had other entries then.
func (r *Reader) Extends(ctx context.Context, size uint64, root string) error {
	cp, err := r.checkpoint()
	if err != nil {
		return err
	}
	old, err := hex.DecodeString(root)
	if err != nil {
		return fmt.Errorf("%w: root %q", ErrCorrupt, root)
	}
	switch {
	case size > cp.size:
		return fmt.Errorf("%w: it has %d entries, and had %d", ErrBehind, cp.size, size)
	case size == 0:
		return nil
	case size == cp.size:
		if !bytes.Equal(old, cp.root) {
			return fmt.Errorf("%w: another root over its %d entries", ErrForked, size)
		}
		return nil
	}
	builder, err := client.NewProofBuilder(ctx, cp.size, r.tile)
	if err != nil {
		return fmt.Errorf("compare with %d entries: %w", size, err)
	}
	hashes, err := builder.ConsistencyProof(ctx, size, cp.size)
	if err != nil {
		return fmt.Errorf("compare with %d entries: %w", size, err)
	}
	err = proof.VerifyConsistency(rfc6962.DefaultHasher, size, cp.size, hashes, old, cp.root)
	if err != nil {
		return fmt.Errorf("%w: it does not go on from its first %d entries: %w", ErrForked, size, err)
	}
	return nil
}

// Extends waits until the published log is as long as the earlier state, which
// may have been published by a process that has just ended.
func (l *Log) Extends(ctx context.Context, size uint64, root string) error {
	durable, err := l.size(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if durable < size {
		return fmt.Errorf("%w: it has %d entries, and had %d", ErrBehind, durable, size)
	}
	if size > 0 {
		_, err = l.publishedOver(ctx, size-1, proofWait)
		if err != nil {
			return err
		}
	}
	return l.Reader.Extends(ctx, size, root)
}

// Scan gives the published entries from the index on, in order, and returns
// how many there are in all.
func (r *Reader) Scan(ctx context.Context, from uint64, take func(index uint64, e Entry) error) (uint64, error) {
	cp, err := r.checkpoint()
	if err != nil {
		return 0, err
	}
	return cp.size, r.scan(ctx, from, cp.size, take)
}

// Scan gives the durable entries from the index on, published or not.
func (l *Log) Scan(ctx context.Context, from uint64, take func(index uint64, e Entry) error) (uint64, error) {
	size, err := l.size(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return size, l.scan(ctx, from, size, take)
}

func (r *Reader) scan(ctx context.Context, from, size uint64, take func(index uint64, e Entry) error) error {
	for index := from; index < size; {
		err := ctx.Err()
		if err != nil {
			return err
		}
		leaves, err := r.bundle(index/layout.EntryBundleWidth, size)
		if err != nil {
			return err
		}
		for at := index % layout.EntryBundleWidth; at < uint64(len(leaves)) && index < size; at++ {
			e, err := parseLeaf(leaves[at])
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			err = take(index, e)
			if err != nil {
				return err
			}
			index++
		}
	}
	return nil
}

// bundle reads a bundle of a tree of that size; it holds at least what the tree
// needs of it.
func (r *Reader) bundle(n, size uint64) ([][]byte, error) {
	partial := layout.PartialTileSize(0, n, size)
	raw, err := r.resource(partial, maxBundle, func(p uint8) string { return layout.EntriesPath(n, p) })
	if err != nil {
		return nil, fmt.Errorf("entry bundle %d: %w", n, err)
	}
	var b api.EntryBundle
	err = b.UnmarshalText(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: entry bundle %d: %w", ErrCorrupt, n, err)
	}
	want := int(partial)
	if want == 0 {
		want = layout.EntryBundleWidth
	}
	if len(b.Entries) < want {
		return nil, fmt.Errorf("%w: entry bundle %d holds %d entries", ErrCorrupt, n, len(b.Entries))
	}
	return b.Entries, nil
}

// WaitPublished waits until a checkpoint covers all that was durable when it
// was called.
func (l *Log) WaitPublished(ctx context.Context, wait time.Duration) (Head, error) {
	size, err := l.size(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if size > 0 {
		_, err = l.publishedOver(ctx, size-1, wait)
		if err != nil {
			return Head{}, err
		}
	}
	return l.Head(ctx)
}
