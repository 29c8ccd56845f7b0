package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Limits of a store.
const (
	// DefaultLargest is the largest file that is kept, DefaultTotal what a
	// store may hold, in bytes.
	DefaultLargest = 64 << 20
	DefaultTotal   = 10 << 30
	// maxOpen bounds the files that are written at a time.
	maxOpen = 256
)

// Store says what becomes of files. It keeps whole ones in a folder, each once:
// DIR/ab/abcd… by the SHA-256 of its content; the nil store, and
// what With makes of it, keep none. It is safe for concurrent use. What it cannot keep
// is counted and ends nothing.
type Store struct {
	*folder
	care Care
}

// Care says what nobody asks for, and is therefore not done.
type Care struct {
	// NoContent leaves the beginning of the content out, NoDigests the digests,
	// unless the file is kept.
	NoContent, NoDigests bool
}

// With returns a store that spares what nobody asks for and is otherwise s.
func (s *Store) With(c Care) *Store {
	if s == nil {
		return &Store{care: c}
	}
	return &Store{folder: s.folder, care: c}
}

// Content reports whether the beginning of the content is wanted.
func (s *Store) Content() bool { return s == nil || !s.care.NoContent }

func (s *Store) digests() bool { return s == nil || s.folder != nil || !s.care.NoDigests }

// folder is where a store keeps files; nil keeps none.
type folder struct {
	dir     string
	largest uint64
	// room is how many bytes may still come in, open how many files are
	// written now.
	room, open      atomic.Int64
	stored, refused atomic.Uint64
}

// StoreStats counts files: Stored are kept, Refused would have been but for a
// limit or the disk.
type StoreStats struct{ Stored, Refused uint64 }

// OpenStore opens a folder, and makes it when it is not there. Zero limits are
// the defaults; what the folder holds already counts.
func OpenStore(dir string, largest, total int64) (*Store, error) {
	if largest <= 0 {
		largest = DefaultLargest
	}
	if total <= 0 {
		total = DefaultTotal
	}
	s := &Store{folder: &folder{dir: dir, largest: uint64(largest)}}
	err := os.RemoveAll(s.tmp())
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	err = os.MkdirAll(s.tmp(), 0o700)
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	held := int64(0)
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			held += info.Size()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	s.room.Store(total - held)
	return s, nil
}

// tmp is where files are written that have not ended. It is emptied at the start,
// so its name must be nobody else's.
func (s *folder) tmp() string { return filepath.Join(s.dir, ".antin-unfinished") }

// New returns a file of that name, kept by the store when it ends.
func (s *Store) New(name []byte) *File {
	f := New(name)
	f.store = s
	return f
}

// Stats returns the counts so far.
func (s *Store) Stats() StoreStats {
	if s == nil || s.folder == nil {
		return StoreStats{}
	}
	return StoreStats{Stored: s.stored.Load(), Refused: s.refused.Load()}
}

// copying is a file on its way into the store.
type copying struct {
	out *os.File
	// failed is true when it will not be kept.
	failed bool
}

// keep writes a part of a file.
func (s *folder) keep(f *File, b []byte) {
	if f.copy == nil {
		f.copy = &copying{}
		if s.open.Add(1) > maxOpen {
			s.giveUp(f)
			return
		}
		out, err := os.CreateTemp(s.tmp(), "f")
		if err != nil {
			s.giveUp(f)
			return
		}
		f.copy.out = out
	}
	if f.copy.failed {
		return
	}
	if f.Size > s.largest || s.room.Add(-int64(len(b))) < 0 {
		s.giveUp(f)
		return
	}
	_, err := f.copy.out.Write(b)
	if err != nil {
		s.giveUp(f)
	}
}

// giveUp drops what was written of a file.
func (s *folder) giveUp(f *File) {
	c := f.copy
	c.failed = true
	s.open.Add(-1)
	s.refused.Add(1)
	if c.out == nil {
		return
	}
	s.room.Add(written(c.out))
	// The content is lost either way: nothing is left to report.
	_ = errors.Join(c.out.Close(), os.Remove(c.out.Name()))
	c.out = nil
}

func written(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// finish puts a file that ended in its place. One with gaps is not kept: its
// content is not what was sent.
func (s *folder) finish(f *File) {
	c := f.copy
	if c == nil || c.failed {
		return
	}
	if f.Gaps {
		s.giveUp(f)
		return
	}
	var sum [sha256.Size]byte
	name := hex.EncodeToString(f.sha256.Sum(sum[:0]))
	path := filepath.Join(s.dir, name[:2], name)
	n := written(c.out)
	err := c.out.Close()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		s.giveUp(f)
		return
	}
	_, err = os.Stat(path)
	if err == nil {
		// It is there already.
		s.room.Add(n)
		err = os.Remove(c.out.Name())
	} else {
		err = os.Rename(c.out.Name(), path)
	}
	if err != nil {
		s.giveUp(f)
		return
	}
	f.Stored, c.out = true, nil
	s.open.Add(-1)
	s.stored.Add(1)
}
