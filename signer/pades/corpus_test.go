package pades_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/diff"
	"github.com/antin-gov/antin/signer/pades"
)

func TestEveryRealDocumentIsSignedOrRefusedWithACode(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	signed, refused, failed := 0, map[string]int{}, 0
	var again []string
	root := testkit.Data(t, "pdf")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".pdf") {
			return err
		}
		out, _, err := signFile(t, path, pades.Options{Signer: s.key, Chain: s.chain, Password: "usersecret"})
		var why *cos.RefusedError
		switch {
		case err == nil:
			signed++
			again = append(again, path+"\x00"+out)
		case errors.As(err, &why):
			refused[why.Code]++
			t.Logf("refused %-24s %s: %s", why.Code, filepath.Base(path), why.Reason)
		default:
			failed++
			t.Errorf("%s: no code: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("signed %d, refused %v, without a code %d, crashed 0", signed, refused, failed)
	if signed < 450 {
		t.Errorf("only %d signed", signed)
	}
	compareChecks(t, again)
}

// compareChecks wants qpdf to find no more errors in a signed file than in its
// input, and pdfsig to accept the new signature wherever it can read the file.
func compareChecks(t *testing.T, pairs []string) {
	t.Helper()
	need(t, "qpdf", "pdfsig")
	worse, accepted, unread := 0, 0, 0
	for _, pair := range pairs {
		in, out, _ := strings.Cut(pair, "\x00")
		code := func(path string) int {
			cmd := exec.Command("qpdf", "--check", "--password=usersecret", path)
			err := cmd.Run()
			if err != nil && cmd.ProcessState == nil {
				t.Fatal(err)
			}
			return cmd.ProcessState.ExitCode()
		}
		after := code(out)
		if after != 0 && after > code(in) {
			worse++
			t.Errorf("qpdf --check finds more after signing: %s", in)
		}
		said, err := exec.Command("pdfsig", "-nocert", "-upw", "usersecret", out).CombinedOutput()
		if err != nil && !bytes.Contains(said, []byte("Signature")) {
			said, _ = exec.Command("pdfsig", "-nocert", out).CombinedOutput()
		}
		parts := bytes.Split(said, []byte("Signature #"))
		ok := slices.ContainsFunc(parts, func(part []byte) bool {
			return bytes.Contains(part, []byte("Nguyễn Văn A")) && bytes.Contains(part, []byte("Signature is Valid"))
		})
		switch {
		case ok:
			accepted++
		case bytes.Contains(said, []byte("Nguyễn Văn A")):
			t.Errorf("pdfsig does not accept: %s\n%s", in, said)
		default:
			unread++
			t.Logf("pdfsig does not see it: %s: %.200s", filepath.Base(in), said)
		}
	}
	t.Logf("qpdf worse %d; pdfsig accepts %d, does not read %d", worse, accepted, unread)
}

func TestASecondSignatureAndAStoreNeverLookLikeAForgery(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	twice, refused := 0, map[string]int{}
	err := filepath.WalkDir(testkit.Data(t, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".pdf") {
			return err
		}
		in, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		o := pades.Options{Signer: s.key, Chain: s.chain, Password: "usersecret", Now: time.Now()}
		first := &memory{}
		r, err := pades.Sign(context.Background(), bytes.NewReader(in), int64(len(in)), first, o)
		if err != nil {
			return nil // refused: another test counts these
		}
		_, err = pades.AddEvidence(first, r.Size, o, &pades.Prepared{ByteRange: r.ByteRange}, trust.Evidence{Certificates: s.chain})
		if err != nil {
			t.Errorf("%s: store: %v", path, err)
			return nil
		}
		o.Visible = &appearance.Spec{Preset: appearance.Seal, Name: "Sở Nội vụ", Box: appearance.Box{X: 5, Y: 5, Width: 20, Height: 20}}
		second := &memory{}
		_, err = pades.Sign(context.Background(), bytes.NewReader(first.data), int64(len(first.data)), second, o)
		var why *cos.RefusedError
		switch {
		case errors.As(err, &why):
			refused[why.Code]++
			t.Logf("second signature refused: %s: %v", filepath.Base(path), err)
			return nil
		case errors.Is(err, appearance.ErrOutside):
			refused["page too small"]++
			return nil
		case err != nil:
			t.Errorf("%s: %v", path, err)
			return nil
		}
		f, err := cos.Open(bytes.NewReader(second.data), int64(len(second.data)), cos.Options{Password: "usersecret"})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		rev, ok := f.RevisionAt(r.Signed)
		if !ok {
			t.Errorf("%s: the signed revision is not found", path)
			return nil
		}
		judged, err := diff.Compare(f, rev, diff.Permissions{})
		if err != nil || judged.Level != diff.FormFilling {
			t.Errorf("%s: %v %+v", path, err, judged)
		}
		twice++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("signed twice %d, refused %v", twice, refused)
	if twice < 400 {
		t.Errorf("only %d", twice)
	}
}

func FuzzPrepare(f *testing.F) {
	p := newPKI(f)
	s := p.schemes()[0]
	err := filepath.WalkDir(testkit.Data(f, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && len(data) < 4<<10 {
			f.Add(data)
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out := &memory{}
		prepared, err := pades.Prepare(context.Background(), bytes.NewReader(in), int64(len(in)), out, pades.Options{
			Chain: s.chain, Now: time.Now(), Limits: cos.Limits{Decoded: 1 << 20, Entries: 1 << 16},
			Visible: &appearance.Spec{Preset: appearance.Person, Name: "A", Box: appearance.Box{X: 1, Y: 1, Width: 20, Height: 10}},
		})
		if err != nil {
			return
		}
		if !bytes.HasPrefix(out.data, in) || int64(len(out.data)) != prepared.Size {
			t.Fatal("the input is not a prefix of the output")
		}
		_, err = cos.Open(bytes.NewReader(out.data), int64(len(out.data)), cos.Options{})
		if err != nil {
			t.Fatalf("what was prepared cannot be read: %v", err)
		}
	})
}
