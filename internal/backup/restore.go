package backup

import (
	"archive/tar"
	"bufio"
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
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Target is where a backup is restored to.
type Target struct {
	// Dir is the data folder, absolute: it must be missing or empty.
	Dir string
	// DSN names the database of the restored system, as its configuration has it:
	// called with the restored folder. An empty PostgreSQL, or a file that is not
	// there.
	DSN func(dir string) (string, error)
	// Ledger is the folder of a newer copy of the ledger, or empty: what was
	// recorded after the backup.
	Ledger string
	// Identities open an encrypted file.
	Identities []age.Identity
	// Progress, when set, is told each file.
	Progress func(name string)
}

// Restored is what was restored.
type Restored struct {
	Manifest *Manifest `json:"manifest"`
	// Ledger is the head of the ledger that the restored system goes on from.
	Ledger ledger.Head `json:"ledger"`
}

// Restore reads a backup into an empty folder. Everything is read and checked
// beside it first: when something is wrong, nothing is left behind.
func Restore(ctx context.Context, in io.Reader, t Target) (*Restored, error) {
	err := empty(t.Dir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(t.Dir), ".antin-restore-")
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	stream, err := open(in, t.Identities)
	if err != nil {
		return nil, err
	}
	m, err := extract(ctx, stream, work, t.Progress)
	if err != nil {
		return nil, err
	}
	head, err := t.ledger(ctx, filepath.Join(work, "ledger"))
	if err != nil {
		return nil, err
	}
	files := filepath.Join(work, "files")
	err = os.Rename(filepath.Join(work, "ledger"), filepath.Join(files, dirLedger))
	if err == nil {
		err = moved(files, m.Dir, t.Dir)
	}
	for _, dir := range left() {
		if err == nil {
			err = os.MkdirAll(filepath.Join(files, dir), 0o700)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	err = t.database(ctx, m, work, files)
	if err != nil {
		return nil, err
	}
	err = os.Remove(t.Dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(files, t.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return &Restored{Manifest: m, Ledger: head}, nil
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%w: %s", ErrNotEmpty, dir)
	}
	return nil
}

// open decrypts and unzips.
func open(in io.Reader, identities []age.Identity) (io.Reader, error) {
	buffered := bufio.NewReader(in)
	begin, err := buffered.Peek(len(encryptedTag))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var stream io.Reader = buffered
	if string(begin) == encryptedTag {
		if len(identities) == 0 {
			return nil, ErrEncrypted
		}
		stream, err = age.Decrypt(buffered, identities...)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEncrypted, err)
		}
	}
	zipped, err := gzip.NewReader(stream)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return zipped, nil
}

// extract writes the parts below dir and holds them against the manifest.
func extract(ctx context.Context, in io.Reader, dir string, progress func(string)) (*Manifest, error) {
	for _, part := range []string{partDatabase, partLedger, partFiles} {
		err := os.MkdirAll(filepath.Join(dir, part), 0o700)
		if err != nil {
			return nil, fmt.Errorf("restore: %w", err)
		}
	}
	digests := make(map[string]string)
	archive := tar.NewReader(in)
	for {
		err := ctx.Err()
		if err != nil {
			return nil, err
		}
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: it has no manifest; it was cut off", ErrDamaged)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if head.Name == manifestName {
			return readManifest(archive, digests)
		}
		digests[head.Name], err = extractOne(archive, head, dir)
		if err != nil {
			return nil, err
		}
		if progress != nil {
			progress(head.Name)
		}
	}
}

func extractOne(archive io.Reader, head *tar.Header, dir string) (string, error) {
	known := strings.HasPrefix(head.Name, partDatabase) || strings.HasPrefix(head.Name, partLedger) || strings.HasPrefix(head.Name, partFiles)
	if !known || !filepath.IsLocal(head.Name) || head.Typeflag != tar.TypeReg {
		return "", fmt.Errorf("%w: entry %q", ErrDamaged, head.Name)
	}
	path := filepath.Join(dir, filepath.FromSlash(head.Name))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), archive)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrDamaged, head.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func readManifest(in io.Reader, digests map[string]string) (*Manifest, error) {
	m := new(Manifest)
	err := json.NewDecoder(io.LimitReader(in, maxManifest)).Decode(m)
	if err != nil {
		return nil, fmt.Errorf("%w: manifest: %w", ErrDamaged, err)
	}
	if m.Version != formatVersion {
		return nil, fmt.Errorf("%w: form %d, this program reads %d", ErrDamaged, m.Version, formatVersion)
	}
	for name, want := range m.Files {
		if digests[name] != want {
			return nil, fmt.Errorf("%w: %s is not what was written", ErrDamaged, name)
		}
	}
	if len(digests) != len(m.Files) {
		return nil, fmt.Errorf("%w: %d files, the manifest names %d", ErrDamaged, len(digests), len(m.Files))
	}
	return m, nil
}

// ledger verifies the ledger of the backup, and puts a newer copy in its place.
func (t Target) ledger(ctx context.Context, dir string) (ledger.Head, error) {
	own, err := ledger.OpenReader(dir, "")
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	head, err := own.Head(ctx)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	vkey, err := own.VKey()
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	if t.Ledger == "" {
		return head, whole(ctx, dir, vkey)
	}
	newer, err := ledger.OpenReader(t.Ledger, vkey)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	err = newer.Extends(ctx, head.Size, head.Root)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %s against the backup: %w", ErrLedger, t.Ledger, err)
	}
	err = os.RemoveAll(dir)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("restore: %w", err)
	}
	err = ledger.Copy(ctx, t.Ledger, func(path string, _ int64, r io.Reader) error {
		to := filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(to), 0o755)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o600)
	})
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	err = whole(ctx, dir, vkey)
	if err == nil {
		err = ledger.MakeWritable(ctx, dir)
	}
	if err != nil {
		return ledger.Head{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	copied, err := ledger.OpenReader(dir, vkey)
	if err != nil {
		return ledger.Head{}, err
	}
	return copied.Head(ctx)
}

// whole verifies every entry and tile.
func whole(ctx context.Context, dir, vkey string) error {
	report, err := ledger.Verify(ctx, dir, ledger.VerifyOptions{VKey: vkey})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	if !report.OK() {
		return fmt.Errorf("%w: %d problems, the first: %s: %s", ErrLedger, len(report.Problems), report.Problems[0].File, report.Problems[0].What)
	}
	return nil
}

// moved changes the files that name the data folder.
func moved(files, from, to string) error {
	if from == to {
		return nil
	}
	for _, name := range []string{"worker.json", "softhsm2.conf"} {
		path := filepath.Join(files, dirTokens, name)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = os.WriteFile(path, []byte(strings.ReplaceAll(string(b), from+"/", to+"/")), 0o600)
		if err != nil {
			return err
		}
	}
	return nil
}

// database puts the database where the restored configuration has it.
func (t Target) database(ctx context.Context, m *Manifest, work, files string) error {
	dsn, err := t.DSN(files)
	if err != nil {
		return err
	}
	if m.Database == "sqlite" {
		if dsn != "" && !strings.HasPrefix(dsn, "sqlite:") {
			return fmt.Errorf("%w: the backup holds an SQLite database, the configuration names another", ErrDamaged)
		}
		to := filepath.Join(files, sqliteName)
		path := strings.TrimPrefix(dsn, "sqlite:")
		if path != "" {
			_, err = os.Stat(path)
			if err == nil {
				return fmt.Errorf("%w: %s", ErrNotEmpty, path)
			}
			to = path
		}
		return os.Rename(filepath.Join(work, partDatabase, sqliteName), to)
	}
	db, err := store.Open(ctx, dsn)
	if err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	n, err := db.NewSelect().TableExpr("information_schema.tables").Where("table_schema = 'public'").Count(ctx)
	err = errors.Join(err, db.Close())
	if err != nil {
		return fmt.Errorf("restore the database: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%w: the PostgreSQL database has %d tables; make an empty one and name it in database.dsn (ANTIN_DATABASE_DSN)", ErrNotEmpty, n)
	}
	return run(ctx, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--dbname="+dsn,
		filepath.Join(work, partDatabase, dumpName))
}
