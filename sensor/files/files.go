// Package files follows files through the protocols that carry them: name,
// size, digests and the beginning of the content.
//
// A Store keeps them whole.
package files

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

	"github.com/antin-gov/antin/sensor/encode"
)

// State is how a file ended.
type State string

// The states, as EVE names them.
const (
	Closed    State = "CLOSED"
	Truncated State = "TRUNCATED"
)

// MaxName bounds a file's name.
const MaxName = 4096

// MaxData is how much of the beginning of the content is kept.
const MaxData = 100 << 10

// maxSIDs bounds the rules that are told to have chosen a file.
const maxSIDs = 16

// File is one file in transfer.
type File struct {
	Name []byte
	// Size is how many bytes were seen; with Gaps some are missing in it.
	Size  uint64
	Gaps  bool
	State State
	// Data is the beginning of the content.
	Data []byte
	// Ranged is true when this is a part: bytes Start to End.
	Ranged     bool
	Start, End uint64

	// Stored is true when a store has kept the file, as its ID-th.
	Stored bool
	ID     uint64

	md5, sha1, sha256 hash.Hash
	store             *Store
	copy              copying
	// chosen is true when somebody asked to keep it, settled when that is
	// decided; parts are what it gives to wholes.
	chosen, settled, needData bool
	parts                     []*Part
	// sids are the rules that asked.
	sids []uint32
}

// New returns a file of that name. The name is copied.
func New(name []byte) *File {
	return &File{Name: append([]byte(nil), name[:min(len(name), MaxName)]...)}
}

// Write adds content. After a gap it is only counted.
func (f *File) Write(b []byte) {
	if f.State != "" {
		return
	}
	f.Size += uint64(len(b))
	if f.Gaps {
		return
	}
	if f.store.digests() {
		f.start()
		f.md5.Write(b)
		f.sha1.Write(b)
		f.sha256.Write(b)
	}
	room := MaxData - len(f.Data)
	if room > 0 && (f.needData || f.store.Content()) {
		f.Data = append(f.Data, b[:min(room, len(b))]...)
	}
	if f.store.keeps() {
		f.store.copy(f, b)
	}
}

// start makes the digests when there is something to digest.
func (f *File) start() {
	if f.sha256 == nil {
		f.md5, f.sha1, f.sha256 = md5.New(), sha1.New(), sha256.New()
	}
}

// NeedData has the beginning of the content kept even where nobody else looks
// into it. It is called before the first Write.
func (f *File) NeedData() { f.needData = true }

// Gap counts n missing bytes.
func (f *File) Gap(n int) {
	f.Gaps = true
	f.Size += uint64(n)
}

// Finish closes the file: complete, or cut.
func (f *File) Finish(complete bool) {
	if f.State != "" {
		return
	}
	f.State = Truncated
	if complete && !f.Gaps {
		f.State = Closed
	}
}

// Keep asks the store to keep the file, and the whole that it is a part of, for the
// rules that chose it. After Settle it is too late.
func (f *File) Keep(sids ...uint32) {
	f.chosen = true
	for _, sid := range sids {
		if len(f.sids) < maxSIDs && !slices.Contains(f.sids, sid) {
			f.sids = append(f.sids, sid)
		}
	}
	for _, p := range f.parts {
		p.keep(sids)
	}
}

// wanted reports whether the store is to keep the file.
func (f *File) wanted() bool { return f.store.keeps() && (f.chosen || !f.store.care.Chosen) }

// Storing reports whether the file is about to be kept.
func (f *File) Storing() bool { return !f.settled && f.wanted() && !f.Gaps && !f.copy.failed }

// Settle keeps the file that ended, or lets it go.
func (f *File) Settle() {
	if f.settled {
		return
	}
	f.settled = true
	if f.store.keeps() {
		f.store.settle(f)
	}
}

// Discard lets the file go: it is none, or will never be whole.
func (f *File) Discard() {
	if f.settled {
		return
	}
	f.settled = true
	if f.store.keeps() {
		f.store.drop(&f.copy)
	}
}

// Digests returns the MD5, SHA-1 and SHA-256 of what was seen; there are none
// of a file with gaps, and none when nobody asked for them.
func (f *File) Digests() (sum5 [md5.Size]byte, sum1 [sha1.Size]byte, sum256 [sha256.Size]byte, ok bool) {
	if f.Gaps || !f.store.digests() {
		return sum5, sum1, sum256, false
	}
	f.start()
	f.md5.Sum(sum5[:0])
	f.sha1.Sum(sum1[:0])
	f.sha256.Sum(sum256[:0])
	return sum5, sum1, sum256, true
}

// Sums are the digests in hexadecimal digits; nil after a gap.
func (f *File) Sums() (md5sum, sha1sum, sha256sum []byte) {
	sum5, sum1, sum256, ok := f.Digests()
	if !ok {
		return nil, nil, nil
	}
	return hex.AppendEncode(nil, sum5[:]), hex.AppendEncode(nil, sum1[:]), hex.AppendEncode(nil, sum256[:])
}

// InAlert is the list of files in an alert. It implements encode.Body.
type InAlert struct {
	Files []*File
	Tx    uint64
}

// Encode implements encode.Body.
func (a InAlert) Encode(e *encode.Encoder) {
	e.Array("files")
	for _, f := range a.Files {
		e.Open("")
		e.Bytes("filename", f.Name)
		f.encodeRules(e)
		e.Bool("gaps", f.Gaps)
		e.String("state", string(f.State))
		f.encodeStored(e)
		e.Uint("size", f.Size)
		e.Uint("tx_id", a.Tx)
		e.Close()
	}
	e.End()
}

// encodeRules lists the rules that chose the file to be kept.
func (f *File) encodeRules(e *encode.Encoder) {
	if len(f.sids) == 0 {
		return
	}
	e.Array("sid")
	for _, sid := range f.sids {
		e.Uint("", uint64(sid))
	}
	e.End()
}

func (f *File) encodeStored(e *encode.Encoder) {
	e.Bool("stored", f.Stored)
	if f.Stored {
		e.Uint("file_id", f.ID)
	} else if f.Storing() {
		e.Bool("storing", true)
	}
}

// Body is the fileinfo object of a file. It implements encode.Body.
type Body struct {
	File *File
	Tx   uint64
}

// Encode implements encode.Body.
func (b Body) Encode(e *encode.Encoder) {
	f := b.File
	digests := f.store.digests()
	if digests {
		f.start()
	}
	e.Open("fileinfo")
	e.Bytes("filename", f.Name)
	f.encodeRules(e)
	e.Bool("gaps", f.Gaps)
	e.String("state", string(f.State))
	var sum [sha256.Size]byte
	if digests && !f.Gaps {
		e.Hex("md5", f.md5.Sum(sum[:0]))
		e.Hex("sha1", f.sha1.Sum(sum[:0]))
	}
	if digests {
		e.Hex("sha256", f.sha256.Sum(sum[:0]))
	}
	f.encodeStored(e)
	e.Uint("size", f.Size)
	if f.Ranged {
		e.Uint("start", f.Start)
		e.Uint("end", f.End)
	}
	e.Uint("tx_id", b.Tx)
	e.Close()
}
