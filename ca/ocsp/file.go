package ocsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// The file keeps signatures made in advance over a restart, so that a million
// of them need not be made again. It holds nothing that is believed: an answer
// is put together from the register's state and leaves only when the signature
// from the file verifies over it.
//
// Form: fileMagic, then for each issuer a head (key hash 20, validity 8,
// width 2, number of entries 4, name length 2, name) and its entries (serial 20,
// kind 1, thisUpdate 4, state 1, reason 1, revokedAt 4, length 2, signature),
// big-endian.
const fileMagic = "antin-ocsp-1\n"

// maxFileEntries bounds what is read for one issuer.
const maxFileEntries = 20_000_000

// fileHead is the fixed part of an issuer's head.
type fileHead struct {
	KeyHash  [20]byte
	Validity int64
	Width    uint16
	Entries  uint32
	Name     uint16
}

// fileEntry is the fixed part of an entry.
type fileEntry struct {
	Serial    Serial
	Kind      uint8
	Made      uint32
	State     uint8
	Reason    uint8
	RevokedAt uint32
	Length    uint16
}

const fileEntrySize = SerialSize + 1 + 4 + 1 + 1 + 4 + 2

// writeFile writes the answers in memory to the file.
func (r *Responder) writeFile(ctx context.Context) {
	if r.cfg.File == "" {
		return
	}
	err := r.write1(r.cfg.File + ".new")
	if err == nil {
		err = os.Rename(r.cfg.File+".new", r.cfg.File)
	}
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "OCSP answers not kept for the next start", "error", err)
	}
}

func (r *Responder) write1(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = w.WriteString(fileMagic)
	for _, k := range r.keys() {
		if err == nil {
			err = k.memory.write(w, k, r.cfg.Validity)
		}
	}
	err = errors.Join(err, w.Flush(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// write writes the head and the entries of an issuer. Readers go on meanwhile.
func (m *memory) write(w io.Writer, k *issuerKey, validity time.Duration) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	head := fileHead{Validity: int64(validity), Width: uint16(m.width), Name: uint16(len(k.Name))}
	copy(head.KeyHash[:], k.ahead.hash)
	for i := range m.records {
		for kind := range kinds {
			if m.records[i].made[kind] != 0 {
				head.Entries++
			}
		}
	}
	err := binary.Write(w, binary.BigEndian, head)
	if err == nil {
		_, err = io.WriteString(w, k.Name)
	}
	buf := make([]byte, 0, fileEntrySize+m.width)
	for i := range m.records {
		rec := &m.records[i]
		for kind := range kinds {
			if rec.made[kind] == 0 || err != nil {
				continue
			}
			buf = append(buf[:0], rec.serial[:]...)
			buf = append(buf, uint8(kind))
			buf = binary.BigEndian.AppendUint32(buf, rec.made[kind])
			buf = append(buf, rec.state, rec.reason)
			buf = binary.BigEndian.AppendUint32(buf, rec.revokedAt)
			buf = binary.BigEndian.AppendUint16(buf, rec.length[kind])
			buf = append(buf, m.slot(uint32(i), kind)[:rec.length[kind]]...)
			_, err = w.Write(buf)
		}
	}
	return err
}

// readFile takes the answers of the file whose certificates are still in the
// state they were made for.
func (r *Responder) readFile(ctx context.Context) {
	if r.cfg.File == "" {
		return
	}
	f, err := os.Open(r.cfg.File)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	taken := 0
	if err == nil {
		taken, err = r.read(ctx, bufio.NewReaderSize(f, 1<<20))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "kept OCSP answers not read; they are made anew", "error", err)
	}
	r.cfg.Logger.InfoContext(ctx, "kept OCSP answers read", "answers", taken)
}

var errFile = errors.New("not a file of OCSP answers")

func (r *Responder) read(ctx context.Context, in *bufio.Reader) (int, error) {
	magic := make([]byte, len(fileMagic))
	_, err := io.ReadFull(in, magic)
	if err != nil || string(magic) != fileMagic {
		return 0, errFile
	}
	taken := 0
	for ctx.Err() == nil {
		var head fileHead
		err = binary.Read(in, binary.BigEndian, &head)
		if errors.Is(err, io.EOF) {
			return taken, nil
		}
		if err != nil || head.Entries > maxFileEntries || head.Width > 1024 {
			return taken, errFile
		}
		name := make([]byte, head.Name)
		_, err = io.ReadFull(in, name)
		if err != nil {
			return taken, errFile
		}
		var k *issuerKey
		for _, own := range r.keys() {
			if own.Name == string(name) && bytes.Equal(own.ahead.hash, head.KeyHash[:]) && head.Validity == int64(r.cfg.Validity) {
				k = own
			}
		}
		n, err := readEntries(in, head, k)
		taken += n
		if err != nil {
			return taken, err
		}
	}
	return taken, ctx.Err()
}

// readEntries reads the entries of one issuer, and takes them when k is given.
func readEntries(in *bufio.Reader, head fileHead, k *issuerKey) (int, error) {
	fixed, signature := make([]byte, fileEntrySize), make([]byte, head.Width)
	taken := 0
	for range head.Entries {
		_, err := io.ReadFull(in, fixed)
		if err != nil {
			return taken, errFile
		}
		var e fileEntry
		_, err = binary.Decode(fixed, binary.BigEndian, &e)
		if err != nil || e.Length > head.Width || e.Kind >= kinds {
			return taken, errFile
		}
		_, err = io.ReadFull(in, signature[:e.Length])
		if err != nil {
			return taken, errFile
		}
		if k == nil {
			continue
		}
		f, there := k.memory.find(e.Serial, int(e.Kind))
		if !there || f.made[e.Kind] != 0 || f.state != e.State || f.reason != e.Reason || f.revokedAt != e.RevokedAt {
			continue
		}
		k.memory.put(f, int(e.Kind), time.Unix(int64(e.Made), 0), signature[:e.Length], false)
		taken++
	}
	return taken, nil
}
