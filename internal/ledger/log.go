package ledger

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
)

const (
	// DefaultCheckpointInterval is the least time between two checkpoints. One
	// costs a signature of the token and two synchronous writes.
	DefaultCheckpointInterval = 250 * time.Millisecond
	// minCheckpointInterval and maxCheckpointInterval bound it: tessera's POSIX
	// driver takes no less, and people wait for proofs no more than a second.
	minCheckpointInterval = 100 * time.Millisecond
	maxCheckpointInterval = time.Second
	// batchAge is how long tessera waits for the rest of a batch. The batches
	// are made here (batch.go), so it only has to cover the calls of one.
	batchAge = time.Millisecond
	// collectInterval is how often partial tiles that full ones have replaced
	// are removed.
	collectInterval = 30 * time.Second
	// appendWait bounds an append whose context has no earlier end, and the
	// opening: another process may hold the append lock and not go on.
	appendWait = 30 * time.Second
	// closeWait bounds how long Close waits for the last checkpoint.
	closeWait = 10 * time.Second
)

// ErrKeyChanged says that the folder belongs to another ledger key or origin.
var ErrKeyChanged = errors.New("the ledger was begun with another key or origin")

// Options tell Open which log to open.
type Options struct {
	// Dir is the folder of the log. An outsider may be given all of it.
	Dir string
	// Origin names the log in checkpoints (C2SP tlog-checkpoint), such as
	// "antin.example.gov.vn/ledger".
	Origin string
	// Signer is the ledger key, ECDSA P-256, in the token.
	Signer crypto.Signer
	// Clock gives the time of entries that bring none; the machine's when nil.
	Clock clock.Clock
	// CheckpointInterval lies between 100 ms and 1 s; DefaultCheckpointInterval
	// when zero.
	CheckpointInterval time.Duration
	Logger             *slog.Logger
}

// Log is a ledger open for writing. Several processes of one machine may have
// the same folder open; one process opens it once.
type Log struct {
	*Reader
	clock    clock.Clock
	rules    entryRules
	size     func(context.Context) (uint64, error)
	batcher  *batcher
	shutdown func(context.Context) error
	cancel   context.CancelFunc
	presence *os.File
	// collector is held where this process removes partial tiles; else nil.
	collector *os.File
}

var _ Appender = (*Log)(nil)

// Open opens the log, or begins it when the folder is new. It refuses a folder
// of another key, and one whose right edge does not match its recorded state.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Dir == "" || o.Signer == nil {
		return nil, errors.New("ledger: folder and signer are needed")
	}
	if o.CheckpointInterval == 0 {
		o.CheckpointInterval = DefaultCheckpointInterval
	}
	if o.CheckpointInterval < minCheckpointInterval || o.CheckpointInterval > maxCheckpointInterval {
		return nil, fmt.Errorf("ledger: checkpoint interval %s is not between %s and %s", o.CheckpointInterval, minCheckpointInterval, maxCheckpointInterval)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	signer, vkey, err := newNoteSigner(o.Origin, o.Signer)
	if err != nil {
		return nil, err
	}
	err = os.MkdirAll(filepath.Join(o.Dir, stateDir), 0o755)
	if err != nil {
		return nil, fmt.Errorf("folder of the ledger: %w", err)
	}
	presence, err := claimPresence(o.Dir)
	if err != nil {
		return nil, err
	}
	collector, err := claimCollector(o.Dir)
	if err != nil {
		return nil, errors.Join(err, leavePresence(presence))
	}
	l, err := o.open(ctx, signer, vkey, collector != nil)
	if err != nil {
		return nil, errors.Join(err, leaveCollector(collector), leavePresence(presence))
	}
	l.presence, l.collector = presence, collector
	return l, nil
}

// open does the part of Open that holds the append lock, so that no other
// process writes meanwhile.
func (o Options) open(ctx context.Context, signer *noteSigner, vkey string, collects bool) (*Log, error) {
	lock, err := openAppendLock(o.Dir)
	if err != nil {
		return nil, err
	}
	l, err := o.openLocked(ctx, signer, vkey, lock, collects)
	if err != nil {
		return nil, errors.Join(err, lock.close())
	}
	return l, nil
}

func (o Options) openLocked(ctx context.Context, signer *noteSigner, vkey string, lock *appendLock, collects bool) (*Log, error) {
	_, err := lock.acquireWithin(ctx, appendWait)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	err = claimKey(o.Dir, vkey)
	if err != nil {
		return nil, err
	}
	reader := &Reader{dir: o.Dir, verifier: &signer.verifier}
	tidy := &tidier{dir: o.Dir, log: o.Logger}
	err = checkEdge(ctx, reader)
	if err != nil {
		return nil, err
	}
	err = tidy.run()
	if err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: o.Dir})
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	collect := time.Duration(0) // never
	if collects {
		collect = collectInterval
	}
	// The log lives until Close, not until the caller's context ends.
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	appender, shutdown, logReader, err := tessera.NewAppender(background, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(maxBatch, batchAge).
		WithCheckpointInterval(o.CheckpointInterval).
		WithCheckpointRepublishInterval(0).
		WithGarbageCollectionInterval(collect).
		WithShutdownTimeout(closeWait))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &Log{
		Reader: reader, clock: o.Clock, rules: newEntryRules(), size: logReader.IntegratedSize,
		batcher: newBatcher(appender.Add, lock, tidy), shutdown: shutdown, cancel: cancel,
	}, nil
}

// claimKey writes the verifier key of a new log, or compares it.
func claimKey(dir, vkey string) error {
	path := filepath.Join(dir, VKeyFile)
	old, err := readBounded(path, maxVKey)
	if errors.Is(err, fs.ErrNotExist) {
		return writeDurably(path, []byte(vkey+"\n"))
	}
	if err != nil {
		return fmt.Errorf("verifier key of the ledger: %w", err)
	}
	if string(old) != vkey+"\n" {
		return fmt.Errorf("%w: %s holds another verifier key", ErrKeyChanged, path)
	}
	return nil
}

// writeDurably writes a file so that it is whole after a crash or not there.
func writeDurably(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = os.Rename(tmp, path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Append writes an entry and returns when it is durable and part of the tree.
// An entry without a time gets the clock's. On an error the act must not take
// place; the entry may stand in the log nevertheless when ctx ended while it
// was being written.
func (l *Log) Append(ctx context.Context, e Entry) (Receipt, error) {
	if e.Time.IsZero() {
		e.Time = l.clock.Now()
	}
	e.Time = e.Time.UTC()
	err := l.rules.check(e)
	if err != nil {
		return Receipt{}, err
	}
	raw, err := leaf(e)
	if err != nil {
		return Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, appendWait)
	defer cancel()
	index, err := l.batcher.add(ctx, raw)
	if err != nil {
		return Receipt{}, fmt.Errorf("append to the ledger: %w", err)
	}
	return Receipt{Index: index, LeafHash: hex.EncodeToString(rfc6962.DefaultHasher.HashLeaf(raw))}, nil
}

// Size tells how many entries are durable; the newest may not be published yet.
func (l *Log) Size(ctx context.Context) (uint64, error) { return l.size(ctx) }

// Entry gives an entry as soon as it is durable.
func (l *Log) Entry(ctx context.Context, index uint64) (Entry, error) {
	size, err := l.size(ctx)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	raw, err := l.leaf(ctx, index, size)
	if err != nil {
		return Entry{}, err
	}
	return parseLeaf(raw)
}

// Close refuses further entries, waits until those under way are durable and
// a checkpoint covers them, and ends.
func (l *Log) Close() error {
	l.batcher.close()
	err := l.shutdown(context.Background())
	l.cancel()
	if err != nil {
		err = fmt.Errorf("close ledger: the last checkpoint: %w", err)
	}
	return errors.Join(err, l.batcher.lock.close(), leaveCollector(l.collector), leavePresence(l.presence))
}
