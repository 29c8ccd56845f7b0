package cos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// headerSearch is how far into a file its header may stand (ISO 32000-1,
// annex H.3, note 13).
const headerSearch = 1024

// tailSearch is how far from the end the last startxref may stand; Acrobat
// takes 1024 bytes, some producers add longer comments.
const tailSearch = 4096

// Options say how a file is opened.
type Options struct {
	Password string // tried after the empty user password, as user and as owner
	Repair   bool   // rebuild a broken cross-reference, for reading only
	Limits   Limits
}

// File is an opened PDF file.
type File struct {
	r          io.ReaderAt
	size       int64
	base       int64 // what offsets in the file count from
	limits     Limits
	sections   []*section // newest first
	revisions  []Revision // oldest first
	newest     []int      // revision index → index of its newest section
	repaired   bool
	irregular  Irregularity // why the chain is not one a signer may extend
	entryCount int
	scanned    int64
	named      uint32 // the highest object number referred to so far
	nested     int    // objects being read in order to read another
	crypt      *crypt
	cache      map[place]Object
	packs      map[place]*pack
	packBytes  int64
	version    string
	twice      []int64 // where objects stand that state a key twice
}

// Open reads the cross-reference chain of a file. The input must stay open and
// unchanged as long as the File is used.
func Open(r io.ReaderAt, size int64, o Options) (*File, error) {
	f := &File{r: r, size: size, limits: o.Limits.withDefaults(), cache: map[place]Object{}, packs: map[place]*pack{}}
	// An object takes at least a byte, so that entries beyond the size name nothing.
	f.limits.Entries = int(min(int64(f.limits.Entries), max(minEntries, size)))
	header, err := f.findHeader()
	if err != nil {
		return nil, err
	}
	err = f.readChain(header)
	if err != nil {
		if !o.Repair || errors.Is(err, ErrLimit) {
			return nil, fmt.Errorf("%w: %w", ErrNoXref, err)
		}
		err = f.rebuild(header)
		if err != nil {
			return nil, err
		}
	}
	err = f.openCrypt(o.Password)
	if err != nil {
		return nil, err
	}
	if f.repaired || !o.Repair {
		return f, nil
	}
	_, _, err = f.Latest().Root()
	if err == nil {
		return f, nil
	}
	again := &File{r: r, size: size, limits: f.limits, cache: map[place]Object{}, packs: map[place]*pack{}, version: f.version}
	err = again.rebuild(header)
	if err != nil {
		return nil, err
	}
	return again, again.openCrypt(o.Password)
}

// maxTwice bounds the list of objects that state a key twice.
const maxTwice = 1000

func (f *File) noteTwice(offset int64) {
	if len(f.twice) < maxTwice && !slices.Contains(f.twice, offset) {
		f.twice = append(f.twice, offset)
	}
}

// KeyTwice tells whether an object that was read so far and stands in the
// bytes [from, to) has a dictionary that states a key twice with different
// values: readers differ in which one they take (ISO 32000-2, 7.3.7). It gives the place of the object,
// or of the object stream that holds it.
func (f *File) KeyTwice(from, to int64) (int64, bool) {
	for _, at := range f.twice {
		if at >= from && at < to {
			return at, true
		}
	}
	return 0, false
}

// Size returns the length of the input.
func (f *File) Size() int64 { return f.size }

// Repaired tells whether the cross-reference had to be rebuilt.
func (f *File) Repaired() bool { return f.repaired }

// Irregularity says why the revisions of a file cannot be told apart safely.
type Irregularity string

// What may be irregular.
const (
	Rebuilt     Irregularity = "the cross-reference had to be rebuilt"
	Disordered  Irregularity = "revisions are not in the order of the file"
	Misnumbered Irregularity = "a cross-reference table is not numbered as it should be"
	Unclosed    Irregularity = "a revision is not closed by startxref and %%EOF of its own"
)

// Irregular says why revisions cannot be told apart safely; it is empty for a
// sound file.
func (f *File) Irregular() Irregularity { return f.irregular }

// Encrypted tells whether the file is encrypted.
func (f *File) Encrypted() bool { return f.crypt != nil }

// Version returns the version of the header, such as "1.7".
func (f *File) Version() string { return f.version }

func (f *File) findHeader() (int64, error) {
	head := make([]byte, min(headerSearch+16, f.size))
	_, err := f.r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0, fmt.Errorf("cos: read header: %w", err)
	}
	i := bytes.Index(head, []byte("%PDF-"))
	if i < 0 {
		return 0, ErrNotPDF
	}
	rest := head[i+5:]
	n := 0
	for n < len(rest) && n < 4 && (rest[n] == '.' || rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	f.version = string(rest[:n])
	return int64(i), nil
}

// lastStartxref gives the number behind the last startxref.
func (f *File) lastStartxref() (int64, error) {
	n := min(tailSearch, f.size)
	tail := make([]byte, n)
	_, err := f.r.ReadAt(tail, f.size-n)
	if err != nil && err != io.EOF {
		return 0, fmt.Errorf("cos: read end of file: %w", err)
	}
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return 0, &SyntaxError{Offset: f.size, What: "no startxref"}
	}
	s := newScanner(f.r, f.size-n+int64(i)+9, f.size)
	s.skip()
	v, ok := s.unsigned(maxObjectDigits)
	if !ok {
		return 0, &SyntaxError{Offset: s.pos, What: "startxref without an offset"}
	}
	return v, nil
}

// readChain reads all sections, newest first. Offsets count from the header
// when a section is found there, else from the first byte.
func (f *File) readChain(header int64) error {
	start, err := f.lastStartxref()
	if err != nil {
		return err
	}
	f.base = header
	first, err := f.readSection(start + header)
	if err != nil && header > 0 {
		f.base = 0
		first, err = f.readSection(start)
	}
	if err != nil {
		return err
	}
	seen := map[int64]bool{first.offset: true}
	f.sections = []*section{first}
	for sec := first; sec.prev >= 0; {
		if seen[sec.prev] {
			return &SyntaxError{Offset: sec.prev, What: "cross-reference chain loops"}
		}
		if len(f.sections) >= f.limits.Sections {
			return fmt.Errorf("cross-reference sections: %w", ErrLimit)
		}
		next, err := f.readSection(sec.prev)
		if err != nil {
			return err
		}
		seen[next.offset] = true
		f.sections = append(f.sections, next)
		sec = next
	}
	f.groupRevisions()
	return nil
}

// View returns the picture as of a revision, 0 being the oldest.
func (f *File) View(revision int) (*View, error) {
	if revision < 0 || revision >= len(f.revisions) {
		return nil, fmt.Errorf("revision %d of %d: %w", revision, len(f.revisions), ErrRevision)
	}
	return &View{file: f, revision: revision, sections: f.sections[f.newest[revision]:]}, nil
}

// Latest returns the picture as of the last revision.
func (f *File) Latest() *View {
	last := len(f.revisions) - 1
	return &View{file: f, revision: last, sections: f.sections[f.newest[last]:]}
}

// Revisions lists the revisions, oldest first.
func (f *File) Revisions() []Revision { return slices.Clone(f.revisions) }
