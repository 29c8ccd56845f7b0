// Package backup copies the data folder of a running system into one file, and
// puts it into an empty folder again.
//
// The file is a tar archive in gzip: the database first, then the ledger, then
// everything else, the tokens last, and a manifest with the digest of each. In
// that order whatever the database names stands in the ledger, and every key
// that it names in the tokens. With recipients or a passphrase the whole file
// is encrypted (age, https://age-encryption.org/v1).
//
// It does not copy what the bus has not delivered yet, sensors' captures, and
// hardware tokens, which have backups of their own.
package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Errors of backups.
var (
	// ErrNotEmpty says that a restore would write over something.
	ErrNotEmpty = errors.New("backup: the target is not empty")
	// ErrDamaged says that the file is not a whole backup.
	ErrDamaged = errors.New("backup: file is damaged")
	// ErrEncrypted says that the file needs an identity or a passphrase.
	ErrEncrypted = errors.New("backup: file is encrypted")
	// ErrLedger says that a newer ledger does not go on from that of the backup.
	ErrLedger = errors.New("backup: the ledger does not fit")
)

// formatVersion changes when older programs cannot read the file.
const formatVersion = 1

// Names in the archive and in the data folder.
const (
	manifestName = "manifest.json"
	partDatabase = "database/"
	partLedger   = "ledger/"
	partFiles    = "files/"
	dirLedger    = "ledger"
	dirTokens    = "hsm"
	sqliteName   = "antin.db"
	dumpName     = "antin.dump"
)

// Limits.
const (
	maxTokens    = 256 << 20
	maxManifest  = 256 << 20
	stableTries  = 20
	stablePause  = 200 * time.Millisecond
	encryptedTag = "age-encryption.org/"
)

// left lists what is not copied: sockets and answers that are made anew, the
// bus's buffer, captures; database and ledger are copied apart.
func left() []string { return []string{"run", "bus", "sensor", dirLedger} }

// Manifest says what a backup holds.
type Manifest struct {
	Version int       `json:"version"`
	Program string    `json:"program"`
	Time    time.Time `json:"time"`
	// Dir is the data folder that was copied; files that name it are changed when
	// it is restored elsewhere.
	Dir string `json:"dir"`
	// Database is "sqlite" or "postgres".
	Database string `json:"database"`
	// Ledger is the published head of the copied ledger.
	Ledger ledger.Head `json:"ledger"`
	// Files are the digests of all files, by their name in the archive.
	Files map[string]string `json:"files"`
}

// Source is what is copied.
type Source struct {
	// Dir is the data folder, absolute.
	Dir string
	DB  *store.DB
	// DSN names the database; the password of PostgreSQL stands in its own file.
	DSN     string
	Program string
	Time    time.Time
	// Recipients encrypt the file; none leaves it readable.
	Recipients []age.Recipient
	// Progress, when set, is told each file.
	Progress func(name string)
}

// Write writes a backup.
func Write(ctx context.Context, out io.Writer, s Source) (*Manifest, error) {
	if len(s.Recipients) > 0 {
		sealed, err := age.Encrypt(out, s.Recipients...)
		if err != nil {
			return nil, fmt.Errorf("encrypt the backup: %w", err)
		}
		m, err := s.write(ctx, sealed)
		return m, errors.Join(err, sealed.Close())
	}
	return s.write(ctx, out)
}

func (s Source) write(ctx context.Context, out io.Writer) (*Manifest, error) {
	zipped := gzip.NewWriter(out)
	w := &writer{tar: tar.NewWriter(zipped), progress: s.Progress, manifest: &Manifest{Version: formatVersion, Program: s.Program, Time: s.Time.UTC(),
		Dir: s.Dir, Files: make(map[string]string)}}
	for _, part := range []func(context.Context, *writer) error{s.database, s.ledger, s.files, s.tokens} {
		err := part(ctx, w)
		if err != nil {
			return nil, err
		}
	}
	b, err := json.MarshalIndent(w.manifest, "", " ")
	if err == nil {
		err = w.bytes(manifestName, b)
	}
	err = errors.Join(err, w.tar.Close(), zipped.Close())
	if err != nil {
		return nil, fmt.Errorf("write the backup: %w", err)
	}
	return w.manifest, nil
}

// writer writes the archive and notes the digests.
type writer struct {
	tar      *tar.Writer
	manifest *Manifest
	progress func(string)
}

func (w *writer) stream(name string, size int64, r io.Reader) error {
	err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: w.manifest.Time, Format: tar.FormatPAX})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(w.tar, h), r, size)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if name != manifestName {
		w.manifest.Files[name] = hex.EncodeToString(h.Sum(nil))
	}
	if w.progress != nil {
		w.progress(name)
	}
	return nil
}

func (w *writer) bytes(name string, b []byte) error {
	return w.stream(name, int64(len(b)), strings.NewReader(string(b)))
}

func (w *writer) file(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return w.stream(name, info.Size(), f)
}

// database copies the database as it stands at one moment.
func (s Source) database(ctx context.Context, w *writer) error {
	dir, err := os.MkdirTemp(s.Dir, ".backup-")
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if !s.DB.Postgres() {
		w.manifest.Database = "sqlite"
		path := filepath.Join(dir, sqliteName)
		_, err = s.DB.ExecContext(ctx, "VACUUM INTO ?", path)
		if err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
		return w.file(partDatabase+sqliteName, path)
	}
	w.manifest.Database = "postgres"
	path := filepath.Join(dir, dumpName)
	err = run(ctx, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+path, "--dbname="+s.DSN)
	if err != nil {
		return err
	}
	return w.file(partDatabase+dumpName, path)
}

// run runs a program of PostgreSQL's client package.
func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed (apt-get install postgresql-client): %w", name, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s Source) ledger(ctx context.Context, w *writer) error {
	dir := filepath.Join(s.Dir, dirLedger)
	err := ledger.Copy(ctx, dir, func(path string, size int64, r io.Reader) error {
		return w.stream(partLedger+filepath.ToSlash(path), size, r)
	})
	if err != nil {
		return err
	}
	r, err := ledger.OpenReader(dir, "")
	if err != nil {
		return err
	}
	// The head at this moment may be newer than the copied one: what counts is
	// what the copy says, read at the restore. This one is for people.
	w.manifest.Ledger, err = r.Head(ctx)
	return err
}

// files copies what else stands in the data folder, but for the tokens.
func (s Source) files(ctx context.Context, w *writer) error {
	skip := append(left(), dirTokens)
	return filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != s.Dir {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("copy the data folder: %w", err)
		}
		rel, err := filepath.Rel(s.Dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skip, rel) || strings.HasPrefix(d.Name(), ".backup-") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || strings.HasPrefix(rel, sqliteName) || strings.HasSuffix(rel, ".tmp") {
			return nil
		}
		err = w.file(partFiles+filepath.ToSlash(rel), path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// tokens copies the software tokens when they stand still: keys that are being
// made change several files.
func (s Source) tokens(ctx context.Context, w *writer) error {
	dir := filepath.Join(s.Dir, dirTokens)
	before, err := snapshot(dir)
	for range stableTries {
		if err != nil {
			return fmt.Errorf("copy the tokens: %w", err)
		}
		content := make(map[string][]byte)
		for rel := range before {
			content[rel], err = os.ReadFile(filepath.Join(dir, rel))
			if err != nil {
				break
			}
		}
		after, afterErr := snapshot(dir)
		if err == nil && afterErr == nil && same(before, after) {
			for _, rel := range slices.Sorted(mapKeys(content)) {
				err = w.bytes(partFiles+dirTokens+"/"+filepath.ToSlash(rel), content[rel])
				if err != nil {
					return err
				}
			}
			return nil
		}
		before, err = after, afterErr
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stablePause):
		}
	}
	return errors.New("copy the tokens: they keep changing; try again when no keys are being made")
}

// stamp is what tells that a file was changed.
type stamp struct {
	size int64
	time time.Time
}

func snapshot(dir string) (map[string]stamp, error) {
	files, total := make(map[string]stamp), int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[rel] = stamp{info.Size(), info.ModTime()}
		total += info.Size()
		return err
	})
	if err == nil && total > maxTokens {
		err = fmt.Errorf("%d bytes, the limit is %d", total, maxTokens)
	}
	return files, err
}

func same(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, there := b[k]
		if !there || w.size != v.size || !w.time.Equal(v.time) {
			return false
		}
	}
	return true
}

func mapKeys(m map[string][]byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
