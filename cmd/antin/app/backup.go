package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/cmd/antin/room"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/backup"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/paper"
)

// backupKind is what the policy calls a backup.
const backupKind = "backup"

// backupAct asks the policy and records an act on a backup; the act takes place
// only when it returns nil.
func (s *System) backupAct(ctx context.Context, action, id, digest string, detail map[string]string) error {
	subject := auth.SubjectFrom(ctx)
	err := s.Policy.Authorize(ctx, subject, "hsm.backup."+action, auth.Resource{Kind: backupKind, ID: id})
	if err != nil {
		return err
	}
	_, err = s.Ledger.Append(ctx, ledger.Entry{Time: s.Clock.Now(), Kind: "hsm.backup." + action, Actor: subject.AccountID, Agency: subject.AgencyID, Object: id, Digest: digest, Detail: detail})
	if err != nil {
		return fmt.Errorf("record the backup: %w", err)
	}
	return nil
}

// Backup wraps keys of the system's token and splits the wrapping key over the
// custodians; quorum 0 means theirs.
func (s *System) Backup(ctx context.Context, labels []string, of ceremony.Custodians, quorum int) (*backup.Backup, error) {
	if quorum == 0 {
		quorum = of.Quorum
	}
	err := s.backupAct(ctx, "create", "intent", "", map[string]string{"quorum": fmt.Sprint(quorum)})
	if err != nil {
		return nil, err
	}
	health, err := s.Keys.Health(ctx)
	if err != nil {
		return nil, err
	}
	b, err := backup.Create(ctx, s.Keys, backup.Order{
		Labels: labels, Token: health.Token, Serial: health.Serial, Quorum: quorum, Holders: of.Holders(), Chain: s.chainOf, Now: s.Clock.Now(),
	})
	if err != nil {
		return nil, err
	}
	err = s.backupAct(ctx, "create", b.Header.ID, backup.Digest(b.File), map[string]string{"keys": fmt.Sprint(b.Header.Count), "quorum": fmt.Sprintf("%d/%d", quorum, len(b.Shares))})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// chainOf is the certificate chain that the register has for a key's label.
func (s *System) chainOf(ctx context.Context, label string) (string, error) {
	entries, err := s.Register.List(ctx)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Label == label {
			return e.Chain, nil
		}
	}
	return "", nil
}

// Restore puts the keys of a backup into the system's token.
func (s *System) Restore(ctx context.Context, f *backup.File, shares []backup.Share) ([]backup.Restored, error) {
	kek, keys, err := f.JoinShares(shares)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	err = s.backupAct(ctx, "restore", f.Header.ID, f.SHA256(), map[string]string{"keys": fmt.Sprint(len(keys)), "shares": fmt.Sprint(len(shares))})
	if err != nil {
		return nil, err
	}
	return backup.Restore(ctx, s.Keys, keys, kek, nil)
}

// RestoreTest restores a backup into a throw-away token, lets each key sign a
// challenge, and gives a signed report. The token is destroyed.
func (s *System) RestoreTest(ctx context.Context, f *backup.File, shares []backup.Share) (restored []backup.Restored, report []byte, err error) {
	kek, keys, err := f.JoinShares(shares)
	if err != nil {
		return nil, nil, err
	}
	defer clear(kek)
	err = s.backupAct(ctx, "test", f.Header.ID, f.SHA256(), map[string]string{"keys": fmt.Sprint(len(keys)), "shares": fmt.Sprint(len(shares))})
	if err != nil {
		return nil, nil, err
	}
	token, destroy, err := room.ThrowAwayToken(ctx, room.Options{Worker: s.workerCommand, WorkerEnv: s.workerEnv, Logger: s.Logger})
	if err != nil {
		return nil, nil, err
	}
	restored, err = backup.Restore(ctx, token, keys, kek, nil)
	err = errors.Join(err, destroy())
	if err != nil {
		return nil, nil, err
	}
	report, err = s.restoreReport(ctx, f, shares, restored)
	if err != nil {
		return nil, nil, err
	}
	err = s.backupAct(ctx, "test", f.Header.ID, backup.Digest(report), map[string]string{"result": "every key signs"})
	return restored, report, err
}

// restoreReport is the report of a restore test, signed by the platform.
func (s *System) restoreReport(ctx context.Context, f *backup.File, shares []backup.Share, restored []backup.Restored) ([]byte, error) {
	agency, err := s.Directory.Agency(ctx, agencyKeeper)
	if err != nil {
		return nil, err
	}
	facts := paper.Table{Small: true, Columns: []paper.Column{{Title: "Mục / Item", Share: 2}, {Title: "Nội dung / Content", Share: 3}}, Rows: [][]string{
		{"Bản sao lưu / Backup", f.Header.ID}, {"Lập lúc / Made at", f.Header.CreatedAt.Format(time.RFC3339)},
		{"Vân tay tệp (SHA-256) / File (SHA-256)", ceremony.Spaced(f.SHA256())}, {"Thiết bị nguồn / Token", f.Header.Token + " " + f.Header.Serial},
		{"Mảnh đã dùng / Shares used", fmt.Sprintf("%d / %d", len(shares), len(f.Header.Shares))}}}
	for _, share := range shares {
		facts.Rows = append(facts.Rows, []string{"Người giữ khoá / Custodian", share.Custodian})
	}
	keys := paper.Table{Small: true, Columns: []paper.Column{{Title: "Khoá / Key", Share: 1.4}, {Title: "Vân tay (SHA-256) / Fingerprint", Share: 2.4}, {Title: "Chuỗi thử / Challenge", Share: 2.4}}}
	for _, k := range restored {
		keys.Rows = append(keys.Rows, []string{k.Label + ", " + k.Algorithm, ceremony.Spaced(k.Fingerprint), ceremony.Spaced(k.Challenge)})
	}
	officer := paper.Signer{Title: "Quản trị hệ thống", Name: auth.SubjectFrom(ctx).AccountID}
	person, err := s.Directory.Person(ctx, auth.SubjectFrom(ctx).PersonID)
	if err == nil {
		officer = paper.Signer{Title: "Người kiểm tra", Name: person.Name}
	}
	doc := &paper.Document{Agency: agency.Name, Place: place, Date: s.Clock.Now(), Type: "Biên bản", Abstract: "Kiểm tra khôi phục bản sao lưu khoá / Restore test of a backup of keys",
		Body: []paper.Block{facts, keys, paper.Paragraph{Text: "Mỗi khoá được khôi phục vào một thiết bị dùng một lần, ký một chuỗi ngẫu nhiên, và chữ ký được kiểm bằng khoá công khai ghi trong bản sao lưu. Thiết bị dùng một lần đã bị huỷ. " +
			"Each key was restored into a throw-away token and signed random bytes; each signature was verified with the public key recorded in the backup. The throw-away token was destroyed."}},
		Signer: officer, Recipients: []string{"Lưu: VT"}}
	sheet, err := doc.Render()
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return reports{s.Signer}.SignReport(ctx, sheet.PDF, "restore-test "+f.Header.ID)
}

var _ backup.Token = (*hsm.Client)(nil)
