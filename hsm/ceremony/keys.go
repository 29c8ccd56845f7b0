package ceremony

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/hsm/backup"
)

// Names of the files of a backup in its folder.
const (
	backupSuffix = ".backup"
	shareSuffix  = ".share"
)

// backupStep makes a backup: the file and a share for each custodian, present
// or not.
func (r *run) backupStep(ctx context.Context) error {
	name := r.s.Name + backupSuffix
	_, before := r.journal.find(eventOutput, name)
	if before {
		return r.backupAgain(ctx, name)
	}
	b, err := backup.Create(ctx, r.room.Token, backup.Order{
		Labels: r.s.Keys, Token: r.room.TokenName, Serial: r.room.TokenSerial, Quorum: r.s.Custodians.Quorum, Holders: r.s.Custodians.Holders(), Now: r.now(),
	})
	if err != nil {
		return err
	}
	// The shares first: without them the file is of no use, and the file in the
	// journal says that they are all there.
	for _, s := range b.Shares {
		file := s.File
		share := s.Custodian + shareSuffix
		// Shares of an attempt that did not reach its file are of another key.
		err = r.forget(share)
		if err != nil {
			return err
		}
		_, err = r.make(ctx, share, func() ([]byte, error) { return file, nil })
		if err != nil {
			return err
		}
	}
	_, err = r.make(ctx, name, func() ([]byte, error) { return b.File, nil })
	if err != nil {
		return err
	}
	r.backupFacts(b.Header)
	for _, k := range b.Keys {
		r.fact("Khoá "+k.Label+", "+k.Algorithm, "Key "+k.Label, Spaced(k.Fingerprint()))
	}
	return nil
}

// backupAgain takes the backup that was made before the ceremony was interrupted.
func (r *run) backupAgain(ctx context.Context, name string) error {
	for _, m := range r.s.Custodians.Members {
		_, err := r.make(ctx, m.Name+shareSuffix, errNotRecorded)
		if err != nil {
			return err
		}
	}
	content, err := r.make(ctx, name, errNotRecorded)
	if err != nil {
		return err
	}
	f, err := backup.Parse(content)
	if err != nil {
		return err
	}
	r.backupFacts(f.Header)
	return nil
}

func errNotRecorded() ([]byte, error) {
	return nil, fmt.Errorf("%w: a file of the backup is not in the journal", ErrCheck)
}

// forget removes a file of an unfinished step.
func (r *run) forget(name string) error {
	for _, path := range []string{filepath.Join(r.dir, name), filepath.Join(r.dir, name+".part")} {
		err := os.Remove(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	kept := r.journal.lines[:0:0]
	for _, l := range r.journal.lines {
		if l.Event != eventOutput || l.Name != name {
			kept = append(kept, l)
		}
	}
	r.journal.lines = kept
	return nil
}

func (r *run) backupFacts(h backup.Header) {
	r.fact("Bản sao lưu", "Backup", h.ID)
	r.fact("Thiết bị nguồn", "Token", h.Token+" "+h.Serial)
	r.fact("Số khoá", "Keys", fmt.Sprint(h.Count))
	r.fact("Số mảnh cần để mở", "Shares that open it", fmt.Sprintf("%d / %d", h.Quorum, len(h.Shares)))
	for _, s := range h.Shares {
		r.fact("Mảnh của "+s.Custodian+" (SHA-256)", "Share of "+s.Custodian+" (SHA-256)", Spaced(s.SHA256))
	}
}

// restoreStep joins the shares of the custodians present and puts the keys of
// the backup into the token.
func (r *run) restoreStep(ctx context.Context) error {
	content, err := readInput(r.s.Backup)
	if err != nil {
		return err
	}
	f, err := backup.Parse(content)
	if err != nil {
		return err
	}
	var shares []backup.Share
	for _, a := range r.present {
		sealed, err := readInput(filepath.Join(r.s.Shares, a.Name+shareSuffix))
		if err != nil {
			return err
		}
		share, err := backup.OpenShare(sealed, a.custodian)
		if err != nil {
			return err
		}
		shares = append(shares, share)
	}
	kek, keys, err := f.JoinShares(shares)
	if err != nil {
		return err
	}
	defer clear(kek)
	restored, err := backup.Restore(ctx, r.room.Token, keys, kek, func(done, total int) {
		r.room.Console.Say(fmt.Sprintf("  key %d of %d is back and signs: %s", done, total, keys[done-1].Label))
	})
	if err != nil {
		return err
	}
	r.fact("Bản sao lưu", "Backup", f.Header.ID)
	r.fact("Lập lúc", "Made at", f.Header.CreatedAt.Format("2006-01-02T15:04:05Z07:00"))
	r.fact("Vân tay tệp sao lưu (SHA-256)", "Fingerprint of the backup file (SHA-256)", Spaced(hexSum(content)))
	for _, k := range restored {
		what := "khôi phục, chữ ký thử đúng / restored, its test signature verifies: "
		if k.Before {
			what = "đã có, chữ ký thử đúng / was there, its test signature verifies: "
		}
		r.fact("Khoá "+k.Label+", "+k.Algorithm, "Key "+k.Label, what+Spaced(k.Fingerprint))
		_, err = r.append(ctx, "hsm.ceremony.restored", k.Fingerprint, map[string]string{"label": k.Label, "backup": f.Header.ID})
		if err != nil {
			return err
		}
	}
	return nil
}
