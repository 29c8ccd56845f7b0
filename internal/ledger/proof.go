package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"
)

const (
	// proofWait bounds how long Proof waits for a checkpoint; checkpoints come
	// at least each second, later only while the token is being healed.
	proofWait = 20 * time.Second
	// publishPoll is the pause between two looks at the checkpoint.
	publishPoll = 20 * time.Millisecond
	// maxProof is the longest inclusion proof: the height of a tree of 2^63.
	maxProof = 63
)

// ErrProof says that a proof does not hold.
var ErrProof = errors.New("inclusion proof does not hold")

// Proof shows that an entry stands in the log at Index, to anybody who has the
// verifier key (RFC 6962 §2.1.1). It is complete in itself.
type Proof struct {
	Index    uint64 `json:"index"`
	TreeSize uint64 `json:"tree_size"`
	// LeafHash and Hashes are hex; Hashes go from the leaf to the root.
	LeafHash string   `json:"leaf_hash"`
	Hashes   []string `json:"hashes"`
	// Checkpoint is the signed note (C2SP tlog-checkpoint).
	Checkpoint string `json:"checkpoint"`
	// Entry is the leaf. Its canonical form is what was hashed, so the proof
	// survives being passed on as JSON.
	Entry json.RawMessage `json:"entry"`
}

// Proof gives the inclusion proof of an entry. It waits until a checkpoint
// covers it, at most until ctx ends or proofWait is over (ErrNotPublished).
func (r *Reader) Proof(ctx context.Context, index uint64) (*Proof, error) {
	cp, err := r.publishedOver(ctx, index, proofWait)
	if err != nil {
		return nil, err
	}
	raw, err := r.leaf(ctx, index, cp.size)
	if err != nil {
		return nil, err
	}
	builder, err := client.NewProofBuilder(ctx, cp.size, r.tile)
	if err != nil {
		return nil, fmt.Errorf("proof of entry %d: %w", index, err)
	}
	hashes, err := builder.InclusionProof(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("proof of entry %d: %w", index, err)
	}
	hash := rfc6962.DefaultHasher.HashLeaf(raw)
	err = proof.VerifyInclusion(rfc6962.DefaultHasher, index, cp.size, hash, hashes, cp.root)
	if err != nil {
		return nil, fmt.Errorf("%w: entry %d: %w", ErrCorrupt, index, err)
	}
	out := &Proof{Index: index, TreeSize: cp.size, LeafHash: hex.EncodeToString(hash), Checkpoint: cp.raw, Entry: raw}
	for _, h := range hashes {
		out.Hashes = append(out.Hashes, hex.EncodeToString(h))
	}
	return out, nil
}

// VerifyProof checks a proof with nothing but the verifier key, and gives the
// entry that it proves.
func VerifyProof(p *Proof, vkey string) (Entry, error) {
	v, err := newVerifier(vkey)
	if err != nil {
		return Entry{}, err
	}
	if p == nil || len(p.Hashes) > maxProof || len(p.Checkpoint) > maxCheckpoint || len(p.Entry) > 2*maxEntry {
		return Entry{}, fmt.Errorf("%w: too long or empty", ErrProof)
	}
	cp, err := openCheckpoint([]byte(p.Checkpoint), v)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if cp.size != p.TreeSize {
		return Entry{}, fmt.Errorf("%w: the checkpoint is of a tree of %d, the proof of %d", ErrProof, cp.size, p.TreeSize)
	}
	raw, err := Canonical(p.Entry)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	entry, err := parseLeaf(raw)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	hash := rfc6962.DefaultHasher.HashLeaf(raw)
	told, err := hex.DecodeString(p.LeafHash)
	if err != nil || !bytes.Equal(told, hash) {
		return Entry{}, fmt.Errorf("%w: the leaf hash is not the entry's", ErrProof)
	}
	hashes := make([][]byte, len(p.Hashes))
	for i, text := range p.Hashes {
		hashes[i], err = hex.DecodeString(text)
		if err != nil || len(hashes[i]) != 32 {
			return Entry{}, fmt.Errorf("%w: hash %d", ErrProof, i)
		}
	}
	err = proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, cp.size, hash, hashes, cp.root)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return entry, nil
}
