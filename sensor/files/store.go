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

	"github.com/antin-gov/antin/sensor/scratch"
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
	// Chosen keeps only files of which Keep is called, NoFiles none at all.
	Chosen, NoFiles bool
	// Memory is the worker's; the store is then its alone.
	Memory *scratch.Memory
}

// With returns a store that spares what nobody asks for and is otherwise s.
func (s *Store) With(c Care) *Store {
	if s == nil || c.NoFiles {
		return &Store{care: c}
	}
	return &Store{folder: s.folder, care: c}
}

// Content reports whether the beginning of the content is wanted.
func (s *Store) Content() bool { return s == nil || !s.care.NoContent }

func (s *Store) digests() bool { return s == nil || s.folder != nil || !s.care.NoDigests }

// keeps reports whether files may be kept.
func (s *Store) keeps() bool { return s != nil && s.folder != nil }

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

// New returns a file of that name, kept by the store when it is settled.
func (s *Store) New(name []byte) *File {
	f := New(name)
	f.store = s
	return f
}

// Stats returns the counts so far.
func (s *Store) Stats() StoreStats {
	if !s.keeps() {
		return StoreStats{}
	}
	return StoreStats{Stored: s.stored.Load(), Refused: s.refused.Load()}
}

// copying is a file on its way into the store.
type copying struct {
	// out takes the content from the moment on at which the beginning that is
	// kept anyway is not all of it.
	out *os.File
	// size is what of the store's room it has taken.
	size int64
	// failed is true when it will not be kept.
	failed bool
}

// copy writes a part of a file that has just been added to it.
func (s *folder) copy(f *File, b []byte) {
	c := &f.copy
	if c.failed {
		return
	}
	if f.Size > s.largest {
		s.drop(c)
		return
	}
	if c.out == nil && uint64(len(f.Data)) == f.Size {
		return
	}
	if c.out == nil {
		before := f.Data[:min(uint64(len(f.Data)), f.Size-uint64(len(b)))]
		if !s.begin(c) || !s.write(c, before) {
			return
		}
	}
	s.write(c, b)
}

// begin opens the file that a copy is written to.
func (s *folder) begin(c *copying) bool {
	if s.open.Add(1) > maxOpen {
		s.open.Add(-1)
		c.failed = true
		return false
	}
	out, err := os.CreateTemp(s.tmp(), "f")
	if err != nil {
		s.open.Add(-1)
		c.failed = true
		return false
	}
	c.out = out
	return true
}

func (s *folder) write(c *copying, b []byte) bool {
	c.size += int64(len(b))
	if s.room.Add(-int64(len(b))) < 0 {
		s.drop(c)
		return false
	}
	_, err := c.out.Write(b)
	if err != nil {
		s.drop(c)
		return false
	}
	return true
}

// drop gives up what was written of a file.
func (s *folder) drop(c *copying) {
	c.failed = true
	s.room.Add(c.size)
	c.size = 0
	if c.out == nil {
		return
	}
	s.open.Add(-1)
	// The content is lost either way: nothing is left to report.
	_ = errors.Join(c.out.Close(), os.Remove(c.out.Name()))
	c.out = nil
}

// settle puts a file that ended in its place when it is wanted. One with gaps
// is not kept: its content is not what was sent.
func (s *folder) settle(f *File) {
	c := &f.copy
	if !f.wanted() || f.Size == 0 {
		s.drop(c)
		return
	}
	if !f.Gaps && !c.failed && s.place(f) {
		f.Stored, f.ID = true, s.stored.Add(1)
		c.failed = true
		return
	}
	s.drop(c)
	s.refused.Add(1)
}

// place moves what was written to where it stays.
func (s *folder) place(f *File) bool {
	c := &f.copy
	if c.out == nil && (!s.begin(c) || !s.write(c, f.Data)) {
		return false
	}
	var sum [sha256.Size]byte
	name := hex.EncodeToString(f.sha256.Sum(sum[:0]))
	path := filepath.Join(s.dir, name[:2], name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	if err == nil {
		// It is there already.
		s.drop(c)
		return true
	}
	err = c.out.Close()
	if err == nil {
		err = os.Rename(c.out.Name(), path)
	}
	if err != nil {
		return false
	}
	s.open.Add(-1)
	c.out, c.size = nil, 0
	return true
}
