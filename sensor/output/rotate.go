package output

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/antin-gov/antin/internal/atomicfile"
)

// stampFormat is the time in the name of an old file; names sort by it.
const stampFormat = "20060102-150405"

// Reopen opens the file by its name again, as log rotation needs that has
// moved the old one away.
func (s *File) Reopen() error {
	s.atDisk.Lock()
	defer s.atDisk.Unlock()
	s.flush()
	return s.open()
}

// Rotate begins a new file now.
func (s *File) Rotate() error {
	s.atDisk.Lock()
	defer s.atDisk.Unlock()
	s.flush()
	return s.rotate()
}

// rotate needs atDisk. It moves the file away and begins a new one; where
// that fails, the old one goes on.
func (s *File) rotate() error {
	to, err := s.oldName()
	if err == nil {
		err = os.Rename(s.o.Path, to)
	}
	if err == nil {
		err = s.open()
		if err != nil {
			err = errors.Join(err, os.Rename(to, s.o.Path))
		}
	}
	if err != nil {
		s.begun = s.o.Clock.Now()
		s.o.Logger.Error("record file not rotated, the old one goes on", "file", s.o.Path, "error", err)
		return fmt.Errorf("rotate record file: %w", err)
	}
	select {
	case s.old <- to:
	default:
		s.o.Logger.Warn("old record file neither packed nor counted: the disk is too slow", "file", to)
	}
	return nil
}

// oldName is a free name for the file as it is now.
func (s *File) oldName() (string, error) {
	ext := filepath.Ext(s.o.Path)
	base := strings.TrimSuffix(s.o.Path, ext) + "-" + s.o.Clock.Now().UTC().Format(stampFormat)
	for n := range 1000 {
		name := base + ext
		if n > 0 {
			name = fmt.Sprintf("%s.%03d%s", base, n, ext)
		}
		_, err := os.Lstat(name)
		_, packed := os.Lstat(name + ".gz")
		if errors.Is(err, os.ErrNotExist) && errors.Is(packed, os.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("rotate record file: no free name like %s%s", base, ext)
}

// keeper packs old files and removes those beyond the number to keep.
func (s *File) keeper() {
	for name := range s.old {
		if s.o.Compress {
			err := pack(name)
			if err != nil {
				s.o.Logger.Error("old record file not packed", "file", name, "error", err)
			}
		}
		err := s.prune()
		if err != nil {
			s.o.Logger.Error("old record files not removed", "file", s.o.Path, "error", err)
		}
	}
}

// pack puts the packed file in the place of the file.
func pack(name string) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	err = atomicfile.Write(name+".gz", 0o640, func(f *os.File) error {
		zw, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
		if err != nil {
			return err
		}
		_, err = io.Copy(zw, from)
		if err != nil {
			return err
		}
		return zw.Close()
	})
	if err != nil {
		return err
	}
	return os.Remove(name)
}

// prune removes the oldest of the old files.
func (s *File) prune() error {
	if s.o.Keep <= 0 {
		return nil
	}
	ext := filepath.Ext(s.o.Path)
	base := filepath.Base(strings.TrimSuffix(s.o.Path, ext))
	old := regexp.MustCompile("^" + regexp.QuoteMeta(base) + `-\d{8}-\d{6}(\.\d{3})?` + regexp.QuoteMeta(ext) + `(\.gz)?$`)
	entries, err := os.ReadDir(filepath.Dir(s.o.Path))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if old.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	// The first of a second has no number and sorts before those that have.
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(rank(a, ext), rank(b, ext)) })
	var errs error
	for len(names) > s.o.Keep {
		errs = errors.Join(errs, os.Remove(filepath.Join(filepath.Dir(s.o.Path), names[0])))
		names = names[1:]
	}
	return errs
}

// rank is an old file's name without its endings.
func rank(name, ext string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ext)
}
