package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/internal/paper"
)

// officeLink leads from the list of the office to a document that waits.
const officeLink = `#main a[href^="/office/document/"]`

// openOffice opens a document that waits for the leader, and brings one when
// none does: `antin demo` leaves nothing in the office.
func (c *camera) openOffice(ctx context.Context) error {
	open := c.follow("/office", officeLink)
	err := open(ctx)
	if errors.Is(err, errNothing) {
		err = c.bringDraft(ctx)
		if err == nil {
			err = open(ctx)
		}
	}
	if err != nil {
		return err
	}
	return c.drawn(ctx)
}

// bringDraft enters who may sign, and submits a directive without number and
// date for the leader.
func (c *camera) bringDraft(ctx context.Context) error {
	draft, err := paper.Directive{
		Agency: "ỦY BAN NHÂN DÂN TỈNH", Symbol: "CT-UBND", Place: "Tân Lập", Date: time.Now(), Undated: true, Abstract: "Về việc tăng cường ký số văn bản điện tử",
		Text:   "Thủ trưởng các sở, ban, ngành tổ chức thực hiện Chỉ thị này và báo cáo kết quả trước ngày 15 hằng tháng.",
		Signer: paper.Signer{Authority: []string{"TM. ỦY BAN NHÂN DÂN"}, Title: "CHỦ TỊCH", Name: "Nguyễn Văn Bình"}, Recipients: []string{"Các sở, ban, ngành", "Lưu: VT"},
	}.Document().Render()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "antin-screenshots-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "chi-thi.pdf")
	err = os.WriteFile(path, draft.PDF, 0o600)
	if err != nil {
		return err
	}
	err = c.command(ctx, "", "office", "delegate", "add", "--agency", "ubnd", "--form", "TM", "--person", "p-binh", "--decision", "NQ 01/NQ-HĐND")
	if err != nil {
		return err
	}
	return c.command(ctx, "lan.tt", "office", "submit", path, "--kind", "CT", "--signer", "p-binh", "--form", "TM")
}

// command runs the program as one of the people of the demonstration.
func (c *camera) command(ctx context.Context, account string, arguments ...string) error {
	arguments = append(arguments, "--data", c.data)
	cmd := exec.CommandContext(ctx, c.antin, arguments...)
	if account != "" {
		password, err := c.password(account)
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "antin-screenshots-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		file := filepath.Join(dir, "password")
		err = os.WriteFile(file, []byte(password), 0o600)
		if err != nil {
			return err
		}
		cmd.Args = append(cmd.Args, "--as", account)
		cmd.Env = append(os.Environ(), "ANTIN_PASSWORD_FILE="+file)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("antin %v: %w: %s", arguments, err, out)
	}
	return nil
}
