// Package atomicfile writes files whole or not at all: readers, and a machine
// that loses its power, see the old content or the new one.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts what fill writes in place of the file: beside it at first, on disk,
// then renamed, with the mode. What stood there stays when anything fails, and
// nothing is left beside it.
func Write(path string, mode os.FileMode, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// WriteBytes is Write of bytes that are there already.
func WriteBytes(path string, mode os.FileMode, content []byte) error {
	return Write(path, mode, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	})
}
