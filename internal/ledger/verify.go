package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	logfmt "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
)

// maxProblems bounds the report; one cause can show in many files.
const maxProblems = 1000

// VerifyOptions tell Verify whom to believe.
type VerifyOptions struct {
	// VKey is the verifier key text that the outsider got by another way. When
	// empty, the key that stands in the folder is used and the report says so.
	VKey string
	// Progress, when set, is told how many of all bundles were read.
	Progress func(done, total uint64)
}

// Problem is one thing that is wrong.
type Problem struct {
	// File is the path in the folder of the log.
	File string `json:"file"`
	// Entry is the index of the first entry concerned, where one is known.
	Entry *uint64 `json:"entry,omitempty"`
	What  string  `json:"what"`
}

// Report is what Verify found.
type Report struct {
	Origin string `json:"origin"`
	// OwnKey says that the verifier key was taken from the folder itself.
	OwnKey  bool   `json:"own_key"`
	Entries uint64 `json:"entries"`
	// Tiles and Bundles count the files that were compared.
	Tiles   int `json:"tiles"`
	Bundles int `json:"bundles"`
	// Root is the root recomputed from the entries, hex.
	Root string `json:"root"`
	// Beyond counts files of entries that no checkpoint covers yet.
	Beyond int `json:"beyond"`
	// Strangers are files that have no place in a log; nothing reads them.
	Strangers []string  `json:"strangers,omitempty"`
	Problems  []Problem `json:"problems"`
}

// OK says whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// Verify checks a copy of the folder of a log, without its service and without
// .state: the signature of the checkpoint, each entry, each hash tile, whole
// or partial, and the root. What it finds is in the report; an error means that
// it could not look.
func Verify(ctx context.Context, dir string, o VerifyOptions) (*Report, error) {
	v := &verification{progress: o.Progress, report: &Report{OwnKey: o.VKey == "", Problems: []Problem{}}}
	var err error
	v.reader, err = OpenReader(dir, o.VKey)
	if o.VKey == "" && errors.Is(err, ErrVKey) {
		v.problem(VKeyFile, nil, "%v", err)
		return v.report, nil
	}
	if err != nil {
		return nil, err
	}
	v.report.Origin = v.reader.verifier.name
	v.ownKey(o.VKey)
	ok, err := v.head()
	if err != nil || !ok {
		return v.report, err
	}
	err = v.list()
	if err != nil {
		return nil, err
	}
	err = v.leaves(ctx)
	if err != nil {
		return nil, err
	}
	v.judge()
	return v.report, v.compare(ctx)
}

// verification is one run of Verify.
type verification struct {
	reader   *Reader
	progress func(done, total uint64)
	report   *Report

	size uint64
	root []byte
	// files are the tiles and bundles within the tree, in order.
	files []tilePath
	// fromEntries and fromTiles are the leaf hashes by bundle: computed from
	// the entries, and read from the tiles of level 0; nil where unreadable.
	fromEntries, fromTiles [][][]byte
	// nodes are the hashes believed, by level; level 0 are leaves. An empty
	// hash is one that nothing tells.
	nodes [][][]byte
}

// problem adds to the report.
func (v *verification) problem(file string, entry *uint64, format string, args ...any) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{File: file, Entry: entry, What: fmt.Sprintf(format, args...)})
	}
}

// ownKey compares the key that stands in the folder with the one given.
func (v *verification) ownKey(given string) {
	raw, err := readBounded(filepath.Join(v.reader.dir, VKeyFile), maxVKey)
	if given != "" && !errors.Is(err, fs.ErrNotExist) && (err != nil || string(raw) != strings.TrimSpace(given)+"\n") {
		v.problem(VKeyFile, nil, "not the verifier key that was given")
	}
}

// head checks the checkpoint. With a bad signature its unsigned content still
// serves to look at the rest.
func (v *verification) head() (bool, error) {
	raw, err := readBounded(filepath.Join(v.reader.dir, layout.CheckpointPath), maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		v.problem(layout.CheckpointPath, nil, "missing or too long")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("checkpoint: %w", err)
	}
	cp, err := openCheckpoint(raw, v.reader.verifier)
	if err == nil {
		v.size, v.root = cp.size, cp.root
	} else {
		v.problem(layout.CheckpointPath, nil, "%v", err)
		var unsigned logfmt.Checkpoint
		_, err := unsigned.Unmarshal(raw)
		if err != nil || len(unsigned.Hash) != 32 || unsigned.Size > v.plausible() {
			return false, nil
		}
		v.size, v.root = unsigned.Size, unsigned.Hash
	}
	v.report.Entries = v.size
	return true, nil
}

// plausible bounds the size that an unsigned checkpoint may claim: the copy
// must hold its last bundle.
func (v *verification) plausible() uint64 {
	var most uint64
	bundles := filepath.Join(v.reader.dir, "tile", "entries")
	_ = filepath.WalkDir(bundles, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what cannot be listed is found missing later
		}
		rel, err := filepath.Rel(v.reader.dir, path)
		if err != nil {
			return nil
		}
		tile, ok := parseTilePath(rel)
		if ok {
			most = max(most, tile.index*layout.EntryBundleWidth+tile.width())
		}
		return nil
	})
	return most
}

// list sorts the files into those of the tree, those beyond, and strangers.
func (v *verification) list() error {
	err := filepath.WalkDir(filepath.Join(v.reader.dir, "tile"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(v.reader.dir, path)
		if err != nil {
			return err
		}
		tile, ok := parseTilePath(rel)
		switch {
		case !ok:
			v.report.Strangers = append(v.report.Strangers, rel)
		case tile.width() > tile.have(v.size):
			v.report.Beyond++
		default:
			v.files = append(v.files, tile)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the ledger: %w", err)
	}
	return nil
}

// leaves reads what the checkpoint needs of each bundle and its tile.
func (v *verification) leaves(ctx context.Context) error {
	bundles := (v.size + layout.EntryBundleWidth - 1) / layout.EntryBundleWidth
	v.fromEntries = make([][][]byte, bundles)
	v.fromTiles = make([][][]byte, bundles)
	for n := range bundles {
		err := ctx.Err()
		if err != nil {
			return err
		}
		want := tilePath{entries: true, index: n}.have(v.size)
		name := tilePath{entries: true, index: n, partial: want % layout.EntryBundleWidth}.String()
		raw, err := v.reader.resource(uint8(want%layout.EntryBundleWidth), maxBundle, func(p uint8) string { return layout.EntriesPath(n, p) })
		if err == nil {
			v.fromEntries[n], err = v.bundle(n, raw, want)
		}
		if err != nil {
			first := n * layout.EntryBundleWidth
			v.problem(name, &first, "entry bundle unreadable: %v", err)
		}
		name = tilePath{index: n, partial: want % layout.TileWidth}.String()
		tile, err := v.reader.tile(ctx, 0, n, uint8(want%layout.TileWidth))
		if err == nil {
			v.fromTiles[n], err = splitTile(tile, want)
		}
		if err != nil {
			v.problem(name, nil, "hash tile unreadable: %v", err)
		}
		if v.progress != nil {
			v.progress(n+1, bundles)
		}
	}
	return nil
}

// bundle parses a bundle, checks each entry, and gives the leaf hashes.
func (v *verification) bundle(n uint64, raw []byte, want uint64) ([][]byte, error) {
	leaves, err := splitBundle(raw, want)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, want)
	for i, data := range leaves {
		_, err := parseLeaf(data)
		if err != nil {
			index := n*layout.EntryBundleWidth + uint64(i)
			v.problem(tilePath{entries: true, index: n, partial: want % layout.EntryBundleWidth}.String(), &index, "entry %d is not a ledger entry: %v", index, err)
		}
		out = append(out, rfc6962.DefaultHasher.HashLeaf(data))
	}
	return out, nil
}

// judge decides which leaf hashes to believe: those whose root the checkpoint
// signs. Where neither do, a whole bundle is judged by its parent tile.
func (v *verification) judge() {
	entriesRoot, tilesRoot := rootOf(v.fromEntries), rootOf(v.fromTiles)
	v.report.Root = hex.EncodeToString(entriesRoot)
	entriesHold, tilesHold := bytes.Equal(entriesRoot, v.root), bytes.Equal(tilesRoot, v.root)
	believed := make([][]byte, 0, v.size)
	for n := range v.fromEntries {
		want := tilePath{entries: true, index: uint64(n)}.have(v.size)
		fromE, fromT := v.fromEntries[n], v.fromTiles[n]
		pick := fromE
		switch {
		case entriesHold || fromT == nil:
		case tilesHold || fromE == nil:
			pick = fromT
		case !slices.EqualFunc(fromE, fromT, bytes.Equal):
			parent := v.parent(uint64(n))
			if parent != nil && bytes.Equal(parent, rootOf([][][]byte{fromT})) {
				pick = fromT
			}
		}
		if pick == nil {
			pick = make([][]byte, want) // unreadable twice: nothing to compare with
		}
		believed = append(believed, pick...)
	}
	v.nodes = levels(believed)
	if !entriesHold && !tilesHold {
		v.problem(layout.CheckpointPath, nil, "neither the entries nor the tiles give the root of the checkpoint")
	}
}

// parent reads the hash of a whole bundle from the tile above; nil without one.
func (v *verification) parent(n uint64) []byte {
	above := tilePath{level: 1, index: n / layout.TileWidth}
	have := above.have(v.size)
	if n%layout.TileWidth >= have {
		return nil
	}
	raw, err := v.reader.tile(context.Background(), 1, above.index, uint8(have%layout.TileWidth))
	if err != nil {
		return nil
	}
	hashes, err := splitTile(raw, have)
	if err != nil {
		return nil
	}
	return hashes[n%layout.TileWidth]
}

// compare holds each file within the tree against the believed hashes, also
// partial files that later ones have replaced.
func (v *verification) compare(ctx context.Context) error {
	seen := map[tilePath]bool{}
	for _, file := range v.files {
		err := ctx.Err()
		if err != nil {
			return err
		}
		seen[file] = true
		limit := int64(maxTile)
		if file.entries {
			limit = maxBundle
		}
		raw, err := readBounded(filepath.Join(v.reader.dir, file.String()), limit)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return fmt.Errorf("read %s: %w", file, err)
		}
		if file.entries {
			v.report.Bundles++
			v.compareBundle(file, raw)
		} else {
			v.report.Tiles++
			v.compareTile(file, raw)
		}
	}
	v.missing(seen)
	return nil
}

// compareTile compares a hash tile.
func (v *verification) compareTile(file tilePath, raw []byte) {
	got, err := splitTile(raw, file.width())
	if err == nil && uint64(len(raw)) != file.width()*32 {
		err = fmt.Errorf("%w: more than %d hashes", ErrCorrupt, file.width())
	}
	if err != nil {
		v.once(file, nil, "hash tile unreadable: %v", err)
		return
	}
	want := v.nodes[file.level][file.index*layout.TileWidth:][:file.width()]
	for i := range got {
		if want[i] != nil && !bytes.Equal(got[i], want[i]) {
			v.once(file, nil, "hash %d of the tile is not the hash of what it covers", i)
			return
		}
	}
}

// compareBundle compares an entry bundle.
func (v *verification) compareBundle(file tilePath, raw []byte) {
	first := file.index * layout.EntryBundleWidth
	got, err := splitBundle(raw, file.width())
	if err == nil && file.width() < layout.EntryBundleWidth {
		_, more := splitBundle(raw, file.width()+1)
		if more == nil {
			err = fmt.Errorf("%w: more than %d entries", ErrCorrupt, file.width())
		}
	}
	if err != nil {
		v.once(file, &first, "entry bundle unreadable: %v", err)
		return
	}
	want := v.nodes[0][first:][:file.width()]
	for i, data := range got {
		if want[i] != nil && !bytes.Equal(rfc6962.DefaultHasher.HashLeaf(data), want[i]) {
			index := first + uint64(i)
			v.once(file, &index, "entry %d is not the one that was recorded", index)
			return
		}
	}
}

// once adds a problem of a file unless the same was found before.
func (v *verification) once(file tilePath, entry *uint64, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for _, p := range v.report.Problems {
		if p.File == file.String() && p.What == what {
			return
		}
	}
	v.problem(file.String(), entry, "%s", what)
}

// missing names tiles above level 0 that the tree needs and the copy lacks;
// those of level 0 and the bundles were found unreadable before.
func (v *verification) missing(seen map[tilePath]bool) {
	for level := 1; level < len(v.nodes); level++ {
		for first := 0; first < len(v.nodes[level]); first += layout.TileWidth {
			t := tilePath{level: uint64(level), index: uint64(first / layout.TileWidth)}
			whole := seen[t]
			t.partial = t.have(v.size) % layout.TileWidth
			if !whole && !seen[t] {
				v.problem(t.String(), nil, "missing")
			}
		}
	}
}
