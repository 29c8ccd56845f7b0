package room_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/antin-gov/antin/cmd/antin/room"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/backup"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
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
		file, public, err := custodian.Create(name, pass, 4)
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

func (quiet) Say(string) {}
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

// offline is a machine without the system: a token and a ledger of its own.
func offline(t *testing.T, p *people, dir string) *room.Workplace {
	t.Helper()
	w, err := room.Standalone(asAdmin(context.WithoutCancel(t.Context())), ceremonyOptions(t), &ceremony.Script{}, dir, room.Parts{Presence: p, Console: quiet{t: t}})
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

// hold holds a ceremony and looks at its transcript with pdfsig.
func hold(t *testing.T, w *room.Workplace, s *ceremony.Script, o ceremony.Options) *ceremony.Result {
	t.Helper()
	result, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, o)
	if err != nil {
		t.Fatalf("%s: %v", s.ID, err)
	}
	checkPDF(t, filepath.Join(result.Folder, result.Transcript), result.Signatures)
	return result
}

// checkPDF lets an independent program look at the signatures.
func checkPDF(t *testing.T, path string, want int) {
	t.Helper()
	_, err := exec.LookPath("pdfsig")
	if err != nil {
		t.Log("pdfsig is not installed (apt install poppler-utils): not asked")
		return
	}
	out, err := exec.Command("pdfsig", path).CombinedOutput()
	if err != nil || strings.Count(string(out), "Signature is Valid") != want {
		t.Errorf("pdfsig %s: want %d valid signatures: %v\n%s", path, want, err, out)
	}
}

// openssl runs openssl, which must succeed.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	_, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed (apt install openssl)")
	}
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Errorf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

const (
	rootKey  = "key: {label: root-a, algorithm: EC-P384, backup: true}\n"
	rootCert = "certificate: {organization: \"Ủy ban nhân dân tỉnh\", common_name: \"Ấn Tín Root CA A\"}\n"
	subKey   = "key: {label: sub-a, algorithm: RSA-3072, backup: true}\n"
	subCert  = "certificate: {organization: \"Ủy ban nhân dân tỉnh\", common_name: \"Ấn Tín Official CA A\", crl_url: \"http://pki.example.gov.vn/crl/a.crl\", issuer_url: \"http://pki.example.gov.vn/aia/a.cer\"}\n"
)

// rootOf names the root that t-root made.
func rootOf(dir string) string {
	return "authority: {key: root-a, certificate: " + dir + "/t-root/root-t-root.pem, crl: " + dir + "/t-root/t-root.crl}\n"
}

// TestTheWholeLifeOfARootInCeremonies holds each kind of ceremony on one
// machine, the one building on the other, and rehearses each before.
func TestTheWholeLifeOfARootInCeremonies(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	dir, base := t.TempDir(), shortDir(t)
	w := offline(t, p, base)
	for _, c := range []struct{ kind, id, more string }{
		{"root", "t-root", rootKey + rootCert},
		{"csr", "t-csr", subKey + subCert},
		{"subordinate", "t-sub", rootOf(dir) + "request: t-csr/t-csr.csr\n" + subCert},
		{"crl", "t-crl", rootOf(dir) + "revoke: [{serial: 0a1b2c, at: 2026-01-02T03:04:05Z, reason: 4}]\n"},
		{"key", "t-key", "key: {label: tsa-a, algorithm: EC-P256}\n"},
		{"backup", "t-backup", "keys: [root-a, sub-a]\n"},
	} {
		s := p.script(t, dir, c.kind, c.id, c.more)
		t.Run("rehearsal of "+c.id, func(t *testing.T) {
			again := rehearse(t, p, s)
			p.present = custodianNames[3:]
			_, err := ceremony.Run(asAdmin(t.Context()), again.Room, again.Script, ceremony.Options{Folder: filepath.Join(dir, "two-"+c.id)})
			if !errors.Is(err, ceremony.ErrQuorum) {
				t.Errorf("with two custodians: %v", err)
			}
			p.present = custodianNames[1:4]
			result := hold(t, again, again.Script, ceremony.Options{Folder: filepath.Join(dir, "rehearsal-"+c.id)})
			if !result.Rehearsal || result.Script != s.SHA256() {
				t.Errorf("%+v", result)
			}
		})
		p.present = custodianNames[:3]
		hold(t, w, s, ceremony.Options{})
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrDone) {
			t.Errorf("%s held twice: %v", c.id, err)
		}
		// Elsewhere the same key would be made again.
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{Folder: filepath.Join(dir, "again-"+c.id)})
		if strings.Contains(c.more, "key: {label") && !errors.Is(err, ceremony.ErrOverwrite) {
			t.Errorf("%s held again in another folder: %v", c.id, err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	openssl(t, "verify", "-x509_strict", "-CAfile", at("t-root/root-t-root.pem"), at("t-sub/issuer-t-sub.pem"))
	openssl(t, "req", "-in", at("t-csr/t-csr.csr"), "-verify", "-noout")
	list := openssl(t, "crl", "-in", at("t-crl/t-crl.crl"), "-inform", "DER", "-CAfile", at("t-root/root-t-root.pem"), "-noout", "-text")
	if !strings.Contains(list, "0A1B2C") || !strings.Contains(list, "Superseded") {
		t.Errorf("list without its entry:\n%s", list)
	}
	testRestore(t, p, w, dir)
}

// shortDir is a folder whose socket has a short path.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// testRestore restores the backup of the first machine on a second one.
func testRestore(t *testing.T, p *people, w *room.Workplace, dir string) {
	other := offline(t, p, shortDir(t))
	restore := p.script(t, dir, "restore", "t-restore", "backup: t-backup/t-backup.backup\nshares: t-backup\n")
	again := rehearse(t, p, restore)
	hold(t, again, again.Script, ceremony.Options{Folder: filepath.Join(dir, "rehearsal-t-restore")})
	p.present = []string{"hoa", "an", "chi"}
	hold(t, other, restore, ceremony.Options{})
	for _, label := range []string{"root-a", "sub-a"} {
		old, err := w.Client.Signer(t.Context(), label)
		if err != nil {
			t.Fatal(err)
		}
		restored, err := other.Client.Signer(t.Context(), label)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte(label))
		sig, err := restored.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		switch pub := old.Public().(type) {
		case *ecdsa.PublicKey:
			if !ecdsa.VerifyASN1(pub, digest[:], sig) {
				t.Errorf("%s: the restored key signs otherwise", label)
			}
		case *rsa.PublicKey:
			// PKCS #1 v1.5 is deterministic: the very same signature.
			first, err := old.Sign(rand.Reader, digest[:], crypto.SHA256)
			if err != nil || !bytes.Equal(first, sig) || rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) != nil {
				t.Errorf("%s: the restored key signs otherwise: %v", label, err)
			}
		}
	}
	// Where another key has the label nothing is restored.
	third := offline(t, p, shortDir(t))
	_, err := third.Client.Generate(t.Context(), "sub-a", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	_, err = ceremony.Run(asAdmin(t.Context()), third.Room, p.script(t, dir, "restore", "t-third", "backup: t-backup/t-backup.backup\nshares: t-backup\n"), ceremony.Options{})
	if !errors.Is(err, hsm.ErrExists) {
		t.Errorf("restored over another key: %v", err)
	}
	_, err = third.Client.Signer(t.Context(), "root-a")
	if !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("half restored: %v", err)
	}
}

// dying is a ledger at whose n-th entry the process dies, before it is written
// or right after.
type dying struct {
	ledger.Appender
	n     int
	after bool
	fail  error
}

func (d *dying) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	d.n--
	if d.n == 0 && d.fail != nil {
		return ledger.Receipt{}, d.fail
	}
	if d.n == 0 && d.after {
		_, _ = d.Appender.Append(ctx, e)
	}
	if d.n == 0 {
		runtime.Goexit()
	}
	return d.Appender.Append(ctx, e)
}

// dies runs a ceremony whose process dies at the n-th record; false when it
// came to its end before.
func dies(t *testing.T, w room.Workplace, s *ceremony.Script, d *dying) bool {
	d.Appender = w.Room.Ledger
	w.Room.Ledger = d
	finished := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{})
		finished = true
		if err != nil && d.fail == nil {
			t.Error(err)
		}
		if d.fail != nil && d.n <= 0 && !errors.Is(err, ceremony.ErrRecord) {
			t.Errorf("with a broken ledger: %v", err)
		}
	}()
	<-done
	return !finished || d.fail != nil && d.n <= 0
}

// TestACeremonyThatDiesAnywhereIsResumed kills the ceremony of a root, and a
// backup, at every record that they make.
func TestACeremonyThatDiesAnywhereIsResumed(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	dir := t.TempDir()
	w := offline(t, p, shortDir(t))
	for n := 1; ; n++ {
		// Each record is the last one, before it is written or after.
		if !testDeath(t, p, w, dir, fmt.Sprintf("die-%d", n), &dying{n: n, after: n%2 == 0}) {
			break
		}
		if n%5 == 0 {
			testDeath(t, p, w, dir, fmt.Sprintf("full-%d", n), &dying{n: n, fail: errors.New("disk full")})
		}
	}
	for n := 1; ; n += 2 {
		id := fmt.Sprintf("die-backup-%d", n)
		s := p.script(t, dir, "backup", id, "keys: [die-1]\n")
		if !dies(t, *w, s, &dying{n: n, after: n%4 == 1}) {
			break
		}
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{Resume: journalled(s)})
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		// The file and the shares in the folder belong together.
		restore := p.script(t, dir, "restore", "re"+id, fmt.Sprintf("backup: %s/%s.backup\nshares: %s\n", id, id, id))
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, restore, ceremony.Options{})
		if err != nil {
			t.Errorf("restore of %s: %v", id, err)
		}
	}
}

// testDeath holds a ceremony that dies and resumes it; false when it lived.
func testDeath(t *testing.T, p *people, w *room.Workplace, dir, id string, d *dying) bool {
	key := fmt.Sprintf("key: {label: %s, algorithm: EC-P384, backup: true}\n", id)
	s := p.script(t, dir, "root", id, key+rootCert)
	if !dies(t, *w, s, d) {
		return false
	}
	testResume(t, p, w, s, dir, id, key)
	return true
}

// journalled says whether a ceremony left a journal with a line.
func journalled(s *ceremony.Script) bool {
	text, err := os.ReadFile(filepath.Join(s.Folder, ceremony.JournalFile))
	return err == nil && len(text) > 0
}

func testResume(t *testing.T, p *people, w *room.Workplace, s *ceremony.Script, dir, id, key string) {
	t.Helper()
	if journalled(s) {
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrUnfinished) {
			t.Errorf("%s again without resume: %v", id, err)
		}
		other := p.script(t, dir, "root", id, key+strings.Replace(rootCert, "CA A", "CA B", 1))
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, other, ceremony.Options{Resume: true})
		if !errors.Is(err, ceremony.ErrChanged) {
			t.Errorf("%s resumed with another file: %v", id, err)
		}
	}
	result, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{Resume: journalled(s)})
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return
	}
	for _, o := range result.Outputs {
		content, err := os.ReadFile(filepath.Join(s.Folder, o.File))
		sum := sha256.Sum256(content)
		if err != nil || hex.EncodeToString(sum[:]) != o.SHA256 {
			t.Errorf("%s: %s is not what was recorded: %v", id, o.File, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.Folder, "*.part"))
	if err != nil || len(left) > 0 {
		t.Errorf("%s: left over: %v", id, left)
	}
}

func TestWhatACeremonyRefuses(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	dir := t.TempDir()
	w := offline(t, p, shortDir(t))
	s := p.script(t, dir, "root", "t-root", rootKey+rootCert)
	t.Run("somebody who may not", func(t *testing.T) {
		_, err := ceremony.Run(auth.WithSubject(t.Context(), auth.Subject{AccountID: "x"}), w.Room, s, ceremony.Options{})
		if !errors.Is(err, auth.ErrDenied) {
			t.Error(err)
		}
	})
	t.Run("a custodian counted twice, a stranger, and another's key file", func(t *testing.T) {
		p.present = []string{"an", "an", "an", "binh"}
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrQuorum) {
			t.Error(err)
		}
		p.present = []string{"an", "binh", "khach"}
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrCheck) {
			t.Error(err)
		}
		p.present = custodianNames[:3]
		saved := p.all["chi"]
		p.all["chi"] = p.all["dung"]
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, s, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrQuorum) {
			t.Error(err)
		}
		p.all["chi"] = saved
	})
	t.Run("a step that is not confirmed, and the key is not made", func(t *testing.T) {
		stopped := *w
		stopped.Room.Console = quiet{t: t, refuse: "Make the key"}
		one := p.script(t, dir, "key", "t-stop", "key: {label: stopped, algorithm: EC-P256}\n")
		_, err := ceremony.Run(asAdmin(t.Context()), stopped.Room, one, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrStopped) {
			t.Error(err)
		}
		_, err = w.Client.Signer(t.Context(), "stopped")
		if !errors.Is(err, hsm.ErrNotFound) {
			t.Error(err)
		}
		hold(t, w, one, ceremony.Options{Resume: true})
	})
	hold(t, w, s, ceremony.Options{})
	t.Run("a subordinate whose request is for another name or broken", func(t *testing.T) {
		hold(t, w, p.script(t, dir, "csr", "t-csr", subKey+subCert), ceremony.Options{})
		other := p.script(t, dir, "subordinate", "t-other", rootOf(dir)+"request: t-csr/t-csr.csr\n"+strings.Replace(subCert, "CA A", "CA B", 1))
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, other, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrCheck) {
			t.Error(err)
		}
		broken := p.script(t, dir, "subordinate", "t-broken", rootOf(dir)+"request: t-root/t-root.crl\n"+subCert)
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, broken, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrCheck) {
			t.Error(err)
		}
		swapped := p.script(t, dir, "subordinate", "t-swap", strings.Replace(rootOf(dir), "key: root-a", "key: sub-a", 1)+"request: t-csr/t-csr.csr\n"+subCert)
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, swapped, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrCheck) {
			t.Error(err)
		}
	})
	t.Run("a backup of a key that was not made for it", func(t *testing.T) {
		_, err := ceremony.Run(asAdmin(t.Context()), w.Room, p.script(t, dir, "backup", "t-b", "keys: [stopped]\n"), ceremony.Options{})
		if !errors.Is(err, backup.ErrNotForBackup) {
			t.Error(err)
		}
	})
	t.Run("a folder with something else in it", func(t *testing.T) {
		full := p.script(t, dir, "key", "t-full", "key: {label: full, algorithm: EC-P256}\n")
		err := os.MkdirAll(full.Folder, 0o700)
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(filepath.Join(full.Folder, "mine.txt"), nil, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ceremony.Run(asAdmin(t.Context()), w.Room, full, ceremony.Options{})
		if !errors.Is(err, ceremony.ErrOverwrite) {
			t.Error(err)
		}
	})
}

var admin = auth.Subject{AccountID: "local:0", Roles: []string{auth.RoleAdmin}}

func TestMain(m *testing.M) { hsmtest.Main(m) }
