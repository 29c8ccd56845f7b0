package ceremony

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// JournalFile is the journal in the folder of a ceremony.
const JournalFile = "journal.jsonl"

const (
	maxJournal = 4 << 20
	maxLines   = 10_000
)

// Events of the journal.
const (
	eventBegin    = "begin"
	eventResume   = "resume"
	eventPresence = "presence"
	eventStep     = "step"
	eventKey      = "key"
	eventIntent   = "key-intent"
	eventOutput   = "output"
	eventStop     = "stop"
	eventEnd      = "end"
)

// line is a line of the journal: what happened, with the ledger's position.
type line struct {
	At     time.Time         `json:"at"`
	Event  string            `json:"event"`
	Name   string            `json:"name,omitempty"`
	SHA256 string            `json:"sha256,omitempty"`
	Ledger int64             `json:"ledger"`
	Data   map[string]string `json:"data,omitempty"`
}

// journal is the open journal of a ceremony; its lock keeps a second process
// out of the folder.
type journal struct {
	dir   string
	file  *os.File
	lines []line
}

// openJournal opens the journal of a folder, or begins it in a folder that is
// new or empty.
func openJournal(dir string) (*journal, error) {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("folder of the ceremony: %w", err)
	}
	path := filepath.Join(dir, JournalFile)
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("folder of the ceremony: %w", err)
		}
		if len(entries) > 0 {
			return nil, fmt.Errorf("%w: folder %s holds %s and no journal; name a new folder", ErrOverwrite, dir, entries[0].Name())
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal of the ceremony: %w", err)
	}
	j := &journal{dir: dir, file: f}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: another process holds this ceremony now: %s", ErrUnfinished, dir), j.close())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err == nil {
		j.lines, err = parseJournal(text)
	}
	whole := int64(bytes.LastIndexByte(text, '\n') + 1)
	if err == nil && whole < int64(len(text)) {
		err = f.Truncate(whole) // the line that a crash left must not run into the next
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", path, err), j.close())
	}
	return j, nil
}

// parseJournal reads a journal. A last line without its end is what a crash
// left: it was never acted upon, and is passed over.
func parseJournal(text []byte) ([]line, error) {
	if len(text) > maxJournal {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrScript, maxJournal)
	}
	var out []line
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		raw, err := in.ReadBytes('\n')
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		var l line
		err = json.Unmarshal(raw, &l)
		if err != nil || l.Event == "" || len(out) == maxLines {
			return nil, fmt.Errorf("%w: line %d of the journal cannot be read", ErrScript, len(out)+1)
		}
		out = append(out, l)
	}
}

// add writes a line and makes it durable.
func (j *journal) add(l line) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("%w: journal: %w", ErrRecord, err)
	}
	_, err = j.file.Write(append(raw, '\n'))
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: journal: %w", ErrRecord, err)
	}
	j.lines = append(j.lines, l)
	return nil
}

// find gives the last line of an event with that name.
func (j *journal) find(event, name string) (line, bool) {
	for i := len(j.lines) - 1; i >= 0; i-- {
		if j.lines[i].Event == event && j.lines[i].Name == name {
			return j.lines[i], true
		}
	}
	return line{}, false
}

func (j *journal) close() error { return j.file.Close() }

// writeNew writes a file that must not be there, durable.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrOverwrite, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// rename puts a finished file in place and makes that last.
func rename(from, to string) error {
	_, err := os.Stat(to)
	if err == nil {
		return fmt.Errorf("%w: %s", ErrOverwrite, to)
	}
	err = os.Rename(from, to)
	if err != nil {
		return fmt.Errorf("put %s in place: %w", to, err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("put %s in place: %w", to, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
