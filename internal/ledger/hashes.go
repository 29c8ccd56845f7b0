package ledger

import (
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
)

// splitTile cuts a hash tile into hashes and keeps the first want.
func splitTile(raw []byte, want uint64) ([][]byte, error) {
	const size = 32
	if len(raw)%size != 0 || uint64(len(raw)/size) < want || len(raw) > maxTile {
		return nil, fmt.Errorf("%w: a hash tile of %d bytes for %d hashes", ErrCorrupt, len(raw), want)
	}
	out := make([][]byte, 0, want)
	for i := range want {
		out = append(out, raw[i*size:(i+1)*size])
	}
	return out, nil
}

// splitBundle cuts an entry bundle into leaves and keeps the first want.
func splitBundle(raw []byte, want uint64) ([][]byte, error) {
	var b api.EntryBundle
	err := b.UnmarshalText(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if uint64(len(b.Entries)) < want || len(b.Entries) > layout.EntryBundleWidth {
		return nil, fmt.Errorf("%w: %d entries instead of %d", ErrCorrupt, len(b.Entries), want)
	}
	return b.Entries[:want], nil
}

// rootOf gives the root over leaf hashes (RFC 6962 §2.1); nil when some are
// unreadable.
func rootOf(bundles [][][]byte) []byte {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	rng := factory.NewEmptyRange(0)
	for _, hashes := range bundles {
		if hashes == nil {
			return nil
		}
		for _, h := range hashes {
			if h == nil {
				return nil
			}
			err := rng.Append(h, nil)
			if err != nil {
				return nil
			}
		}
	}
	root, err := rng.GetRootHash(nil)
	if err != nil {
		return nil
	}
	if root == nil {
		return rfc6962.DefaultHasher.EmptyRoot()
	}
	return root
}

// levels gives the nodes of the tile levels over leaf hashes: each is the root
// of 256 whole nodes of the level below (C2SP tlog-tiles). A node over an
// unknown hash is unknown.
func levels(leaves [][]byte) [][][]byte {
	out := [][][]byte{leaves}
	for {
		below := out[len(out)-1]
		if len(below) < layout.TileWidth {
			return out
		}
		var nodes [][]byte
		for len(below) >= layout.TileWidth {
			nodes = append(nodes, rootOf([][][]byte{below[:layout.TileWidth]}))
			below = below[layout.TileWidth:]
		}
		out = append(out, nodes)
	}
}
