package spool

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A segment file: a head of headSize bytes, then frames one after another.
//
//	0   magic "antin spool 1\n"
//	15  class
//	16  salt of the segment's key, 32 bytes
//	48  proof of the key: the tag of an empty message over bytes 0-47
//	64  number of the next record that the hub has not acknowledged, 8 bytes,
//	    and its CRC-32C, 4 bytes; the only part that is written again
//
// A frame: length of its ciphertext (4), CRC-32C of what follows (4), nonce
// (4), records (2), flags (1), zero (1), number of its first record (8), then
// records encrypted with AES-256-GCM; bytes 8-23 are authenticated with them.
// The first frame holds the label. All numbers are little-endian.
const (
	magic     = "antin spool 1\n"
	headSize  = 80
	ackedAt   = 64
	frameHead = 24
	tagSize   = 16
	// maxFrame bounds what is believed of a length read from a disk.
	maxFrame = 4 << 20
)

const (
	flagStart = 1 << iota
	flagLabel
)

// nonceProof is the nonce of the proof; frames count up from zero.
const nonceProof = 1<<32 - 1

// extent is a batch within a segment.
type extent struct {
	first   uint64
	records int
	from    int64
	to      int64
	sealed  bool
}

// segment is one file of a class. Its writer is the spool's flusher; the
// fields are guarded by the spool's lock but for aead and f, which stay.
type segment struct {
	path   string
	number uint64
	class  Class
	label  []byte
	f      *os.File
	aead   cipher.AEAD
	nonce  uint32
	size   int64
	synced int64
	// batches are those that are not acknowledged.
	batches []extent
	active  bool
	// gone is set when the file is removed, why when it was given up.
	gone bool
	why  Cause
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func nonce(n uint32) []byte {
	b := make([]byte, 12)
	binary.LittleEndian.PutUint32(b, n)
	return b
}

// createSegment makes the file and reserves size bytes for it where there is
// room, so that others who fill the disk do not stop it at once.
func createSegment(path string, number uint64, class Class, key Key, label []byte, size int64) (seg *segment, err error) {
	head := make([]byte, headSize)
	copy(head, magic)
	head[15] = byte(class)
	_, err = rand.Read(head[16:48])
	if err != nil {
		return nil, fmt.Errorf("make spool segment: %w", err)
	}
	aead, err := key.segmentCipher(head[16:48])
	if err != nil {
		return nil, err
	}
	copy(head[48:64], aead.Seal(nil, nonce(nonceProof), nil, head[:48]))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make spool segment: %w", err)
	}
	seg = &segment{path: path, number: number, class: class, label: label, f: f, aead: aead, active: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, seg.remove())
			seg = nil
		}
	}()
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSPC) {
		return seg, fmt.Errorf("reserve spool segment: %w", err)
	}
	_, err = f.WriteAt(head, 0)
	if err != nil {
		return seg, fmt.Errorf("make spool segment: %w", err)
	}
	seg.size = headSize
	err = seg.append(&frame{flags: flagLabel, body: label})
	return seg, err
}

// append writes one frame at the end. After an error the file is as before.
func (s *segment) append(f *frame) error {
	b := make([]byte, frameHead, frameHead+len(f.body)+tagSize)
	n := s.nonce
	s.nonce++
	binary.LittleEndian.PutUint32(b, uint32(len(f.body)+tagSize))
	binary.LittleEndian.PutUint32(b[8:], n)
	binary.LittleEndian.PutUint16(b[12:], uint16(f.records))
	b[14] = f.flags
	binary.LittleEndian.PutUint64(b[16:], f.first)
	b = s.aead.Seal(b, nonce(n), f.body, b[8:frameHead])
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	_, err := s.f.WriteAt(b, s.size)
	if err != nil {
		return errors.Join(fmt.Errorf("write spool: %w", err), s.f.Truncate(s.size))
	}
	s.size += int64(len(b))
	return nil
}

// readFrame reads the frame at the place; next is where the following one
// would be, zero when that is not known.
func (s *segment) readFrame(at int64) (f *frame, next int64, err error) {
	var head [frameHead]byte
	_, err = s.f.ReadAt(head[:], at)
	if err != nil {
		return nil, 0, fmt.Errorf("read spool: %w", err)
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n < tagSize || n > maxFrame || at+frameHead+n > s.size {
		return nil, 0, fmt.Errorf("%w: frame at %d", ErrDamaged, at)
	}
	next = at + frameHead + n
	body := make([]byte, n)
	_, err = s.f.ReadAt(body, at+frameHead)
	if err != nil {
		return nil, next, fmt.Errorf("read spool: %w", err)
	}
	sum := crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, body)
	if sum != binary.LittleEndian.Uint32(head[4:]) {
		return nil, next, fmt.Errorf("%w: frame at %d", ErrDamaged, at)
	}
	plain, err := s.aead.Open(body[:0], nonce(binary.LittleEndian.Uint32(head[8:])), body, head[8:])
	if err != nil {
		return nil, next, fmt.Errorf("%w: frame at %d is not authentic", ErrDamaged, at)
	}
	return &frame{
		first: binary.LittleEndian.Uint64(head[16:]), records: int(binary.LittleEndian.Uint16(head[12:])),
		flags: head[14], body: plain,
	}, next, nil
}

// openSegment reads the file of an earlier run. What follows a torn or damaged
// frame that cannot be stepped over is given up; torn is how many bytes. The
// segment is nil when the file holds nothing.
func openSegment(path string, number uint64, key Key) (seg *segment, torn int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("open spool segment: %w", err)
	}
	defer func() {
		if err != nil || seg == nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("open spool segment: %w", err)
	}
	head := make([]byte, headSize)
	_, err = f.ReadAt(head, 0)
	if errors.Is(err, io.EOF) || err == nil && string(head[:len(magic)]) != magic {
		// The machine went down while the file was made.
		return nil, info.Size(), nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open spool segment: %w", err)
	}
	aead, err := key.segmentCipher(head[16:48])
	if err != nil {
		return nil, 0, err
	}
	_, err = aead.Open(nil, nonce(nonceProof), head[48:64], head[:48])
	if err != nil || head[15] >= classes {
		return nil, 0, fmt.Errorf("%w: %s was written with another key, or is damaged: bring the key back, or move the file away", ErrKey, path)
	}
	s := &segment{
		path: path, number: number, class: Class(head[15]), f: f, aead: aead, size: info.Size(), synced: info.Size(),
	}
	acked := binary.LittleEndian.Uint64(head[ackedAt:])
	if crc32.Checksum(head[ackedAt:ackedAt+8], castagnoli) != binary.LittleEndian.Uint32(head[ackedAt+8:]) {
		acked = 0
	}
	torn = s.scan(acked)
	// What the segment had reserved and did not use is given back.
	err = f.Truncate(s.size)
	if err != nil {
		return nil, 0, fmt.Errorf("open spool segment: %w", err)
	}
	if s.label == nil {
		return nil, info.Size(), nil
	}
	return s, torn, nil
}

// scan lists the batches that are not acknowledged and returns the bytes that
// no frame could be read from.
func (s *segment) scan(acked uint64) (torn int64) {
	at, last := int64(headSize), uint64(0)
	for at < s.size {
		f, next, err := s.readFrame(at)
		if err != nil && next == 0 {
			return torn + s.size - at
		}
		switch {
		case err != nil:
			torn += next - at
			last = 0
		case f.flags&flagLabel != 0:
			s.label = f.body
		case f.first+uint64(f.records) > acked:
			s.note(f, at, next, last)
			last = f.first + uint64(f.records)
		}
		at = next
	}
	s.seal()
	return torn
}

// note adds a frame to the batches: to the last one when it goes on there.
func (s *segment) note(f *frame, from, to int64, last uint64) {
	n := len(s.batches)
	if f.flags&flagStart == 0 && n > 0 && f.first == last && !s.batches[n-1].sealed {
		s.batches[n-1].records += f.records
		s.batches[n-1].to = to
		return
	}
	s.seal()
	s.batches = append(s.batches, extent{first: f.first, records: f.records, from: from, to: to})
}

func (s *segment) seal() {
	if n := len(s.batches); n > 0 {
		s.batches[n-1].sealed = true
	}
}

// read returns the records of a batch.
func (s *segment) read(e extent) ([]byte, error) {
	var body []byte
	for at := e.from; at < e.to; {
		f, next, err := s.readFrame(at)
		if err != nil {
			return nil, err
		}
		body = append(body, f.body...)
		at = next
	}
	return body, nil
}

// acknowledge notes on the disk where the hub stands. It is not synced: an
// older note only means that a batch is sent twice.
func (s *segment) acknowledge(next uint64) error {
	b := make([]byte, 12)
	binary.LittleEndian.PutUint64(b, next)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, err := s.f.WriteAt(b, ackedAt)
	if err != nil {
		return fmt.Errorf("note acknowledgement: %w", err)
	}
	return nil
}

// held is the number of records not acknowledged.
func (s *segment) held() (n uint64) {
	for _, e := range s.batches {
		n += uint64(e.records)
	}
	return n
}

func (s *segment) remove() error {
	return errors.Join(s.f.Close(), os.Remove(s.path))
}
