package room_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/cmd/antin/room"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
)

// people are five custodians with their key files open, of whom some are
// present.
type people struct {
	all     map[string]*custodian.Custodian
	members string // YAML
	present []string
}

var custodianNames = []string{"an", "binh", "chi", "dung", "hoa"}

func newPeople(t *testing.T) *people {
	t.Helper()
	p := &people{all: map[string]*custodian.Custodian{}, present: custodianNames[:3]}
	for i, name := range custodianNames {
		pass := []byte("one long passphrase of " + name)
		file, public, err := custodian.Create(name, pass, 10)
		if err != nil {
			t.Fatal(err)
		}
		p.all[name], err = custodian.Open(file, pass)
		if err != nil {
			t.Fatal(err)
		}
		p.members += fmt.Sprintf("    - {name: %s, person: \"Người Giữ %d\", title: \"Chuyên viên\", key: \"%s\", recipient: %s}\n", name, i+1, public.Key, public.Recipient)
	}
	return p
}

func (p *people) Present(context.Context, []ceremony.Member) ([]string, error) { return p.present, nil }
func (p *people) Accounts() bool                                               { return false }
func (p *people) Account(context.Context, ceremony.Member) error               { return auth.ErrNoAccount }
func (p *people) Open(_ context.Context, m ceremony.Member) (*custodian.Custodian, error) {
	return p.all[m.Name], nil
}

// quiet confirms everything, until a step is refused.
type quiet struct {
	t      *testing.T
	refuse string
}

func (q quiet) Say(text string) { q.t.Log(text) }
func (q quiet) Confirm(_ context.Context, what string) error {
	if q.refuse != "" && strings.Contains(what, q.refuse) {
		return ceremony.ErrStopped
	}
	return nil
}

func (p *people) script(t *testing.T, dir, kind, id, more string) *ceremony.Script {
	t.Helper()
	text := fmt.Sprintf(`ceremony: %s
id: %s
name: %s
title: {vi: "Lễ diễn tập", en: "Ceremony of the test"}
agency: "Trung tâm Chuyển đổi số"
place: "Trung Tâm"
room: "Phòng máy chủ 2"
master: {name: "Phạm Quang Minh", title: "Giám đốc"}
witnesses: [{name: "Trần Văn Kiểm", title: "Thanh tra"}]
folder: %s
custodians:
  quorum: 3
  members:
%s%s`, kind, id, id, id, p.members, more)
	s, err := ceremony.Parse([]byte(text), dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

func ceremonyOptions(t *testing.T) room.Options {
	worker := hsmtest.Options(t, hsm.WorkerConfig{})
	return room.Options{Worker: worker.Command, WorkerEnv: worker.Env, Logger: slog.New(slog.DiscardHandler)}
}

func asAdmin(ctx context.Context) context.Context { return auth.WithSubject(ctx, admin) }

// rehearse opens a rehearsal that ends with the test.
func rehearse(t *testing.T, p *people, s *ceremony.Script) *room.Workplace {
	t.Helper()
	w, err := room.Rehearsal(asAdmin(context.WithoutCancel(t.Context())), ceremonyOptions(t), s, room.Parts{Presence: p, Console: quiet{t: t}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := w.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return w
}

const rootPart = "key: {label: root-%d, algorithm: %s, backup: true}\ncertificate: {organization: \"Ủy ban nhân dân tỉnh\", common_name: \"Ấn Tín Root CA T%d\"}\n"

func TestCeremonyOfARootMakesATranscriptThatVerifies(t *testing.T) {
	p := newPeople(t)
	dir := t.TempDir()
	s := p.script(t, dir, "root", "root-t1", fmt.Sprintf(rootPart, 1, "EC-P384", 1))
	w := rehearse(t, p, s)
	p.present = custodianNames[:2]
	_, err := ceremony.Run(asAdmin(t.Context()), w.Room, w.Script, ceremony.Options{})
	if !errors.Is(err, ceremony.ErrQuorum) {
		t.Fatalf("two custodians: %v", err)
	}
	_, err = os.Stat(s.Folder)
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the folder was made: %v", err)
	}
	p.present = custodianNames[1:4]
	result, err := ceremony.Run(asAdmin(t.Context()), w.Room, w.Script, ceremony.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Signatures != 4 {
		t.Errorf("%d signatures", result.Signatures)
	}
	out, err := exec.Command("pdfsig", filepath.Join(s.Folder, result.Transcript)).CombinedOutput()
	t.Logf("%v %s", err, out)
	if strings.Count(string(out), "Signature is Valid") != 4 {
		t.Errorf("pdfsig: %s", out)
	}
}

var admin = auth.Subject{AccountID: "local:0", Roles: []string{auth.RoleAdmin}}

func TestMain(m *testing.M) { hsmtest.Main(m) }
