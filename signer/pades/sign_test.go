package pades_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
)

// need skips a test without a program it compares with.
func need(tb testing.TB, programs ...string) {
	tb.Helper()
	for _, p := range programs {
		_, err := exec.LookPath(p)
		if err != nil {
			tb.Skipf("%s is not installed", p)
		}
	}
}

func realFiles(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(testkit.Data(tb, "pdf/real"), "*.pdf"))
	if err != nil || len(files) == 0 {
		tb.Fatal("no real files", err)
	}
	return files
}

// signFile signs a file by path into a new file of the test.
func signFile(tb testing.TB, path string, o pades.Options) (string, *pades.Result, error) {
	tb.Helper()
	in, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := os.CreateTemp(tb.TempDir(), "signed-*.pdf")
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	r, err := pades.Sign(context.Background(), in, info.Size(), out, o)
	return out.Name(), r, err
}

// scheme is one of the three algorithms signatures are made with.
type scheme struct {
	name  string
	key   crypto.Signer
	chain []*x509.Certificate
	pss   bool
}

func (p *pki) schemes() []scheme {
	return []scheme{
		{"ECDSA", p.ecKey, []*x509.Certificate{p.ec, p.root}, false},
		{"RSA", p.rsaKey, []*x509.Certificate{p.rsa, p.root}, false},
		{"PSS", p.rsaKey, []*x509.Certificate{p.rsa, p.root}, true},
	}
}

func TestEveryProducerIsSignedAtEveryLevelAndAcceptedByOtherReaders(t *testing.T) {
	need(t, "qpdf", "pdfsig", "mutool", "openssl")
	p := newPKI(t)
	made := 0
	for _, path := range realFiles(t) {
		for _, s := range p.schemes() {
			for _, level := range []pades.Level{pades.LevelB, pades.LevelT, pades.LevelLT, pades.LevelLTA} {
				name := fmt.Sprintf("%s %s %s", filepath.Base(path), s.name, level)
				out, r, err := signFile(t, path, pades.Options{
					Signer: s.key, Chain: s.chain, PSS: s.pss, Level: level, Reason: "Ký ban hành", Name: "Nguyễn Văn A",
					Timestamp: p.timestamp, Collect: p.collect,
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				made++
				check(t, name, path, out, r, s, p)
			}
		}
	}
	t.Logf("%d signatures", made)
}

// check asks the other readers.
func check(t *testing.T, name, input, output string, r *pades.Result, s scheme, p *pki) {
	t.Helper()
	before, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(after, before) || int64(len(after)) != r.Size {
		t.Errorf("%s: the input is not a prefix, or the size is wrong", name)
	}
	said, err := exec.Command("qpdf", "--check", output).CombinedOutput()
	if err != nil {
		t.Errorf("%s: qpdf: %v\n%s", name, err, said)
	}
	said, err = exec.Command("pdfsig", "-nocert", output).CombinedOutput()
	if !s.pss && (err != nil || !bytes.Contains(said, []byte("Signature is Valid"))) {
		t.Errorf("%s: pdfsig: %v\n%s", name, err, said)
	}
	said, _ = exec.Command("mutool", "sign", "-v", output).CombinedOutput()
	if !bytes.Contains(said, []byte("verifying signature")) && !bytes.Contains(bytes.ToLower(said), []byte("signature")) {
		t.Errorf("%s: mutool: %s", name, said)
	}
	br := r.ByteRange
	gap := after[br[1]:br[2]]
	if br[0] != 0 || gap[0] != '<' || gap[len(gap)-1] != '>' || len(bytes.Trim(gap[1:len(gap)-1], "0123456789abcdef")) != 0 || br[2]+br[3] != r.Signed {
		t.Errorf("%s: byte range %v", name, br)
	}
	content, sig := filepath.Join(p.dir, "content"), filepath.Join(p.dir, "sig.der")
	write := func(path string, data []byte) {
		err := os.WriteFile(path, data, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	decoded, err := hex.DecodeString(string(gap[1 : len(gap)-1]))
	if err != nil {
		t.Fatal(err)
	}
	write(sig, decoded)
	write(content, append(bytes.Clone(after[:br[1]]), after[br[2]:br[2]+br[3]]...))
	said, err = exec.Command("openssl", "cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", sig, "-content", content, "-out", os.DevNull).CombinedOutput()
	if err != nil {
		t.Errorf("%s: openssl cms: %v %s", name, err, said)
	}
}

func TestASignatureMadeElsewhereCompletesAStoredPreparation(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[2]
	path := realFiles(t)[0]
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	prepared, err := pades.Prepare(context.Background(), in, info.Size(), out, pades.Options{Chain: s.chain, PSS: true, Hash: crypto.SHA384, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(prepared)
	if err != nil {
		t.Fatal(err)
	}
	back, err := pades.ParsePrepared(stored)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(digest []byte) []byte {
		der, err := cms.Sign(context.Background(), digest, cms.Params{Signer: s.key, Chain: s.chain, Hash: crypto.SHA384, PSS: true})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	err = back.Complete(out, sign(make([]byte, 48)))
	if !errors.Is(err, pades.ErrPrepared) {
		t.Errorf("a signature over another digest: %v", err)
	}
	err = back.Complete(out, []byte("no signature"))
	if !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("no signature at all: %v", err)
	}
	der := sign(back.Digest)
	err = back.Complete(out, der)
	if err != nil {
		t.Fatal(err)
	}
	err = back.Complete(out, der)
	if !errors.Is(err, pades.ErrPrepared) {
		t.Errorf("completed twice: %v", err)
	}
	narrow := *back
	narrow.ByteRange[2] = narrow.ByteRange[1] + 40
	var small *pades.TooSmallError
	err = narrow.Complete(out, der)
	if !errors.As(err, &small) || small.Need != len(der) || small.Have != 19 {
		t.Errorf("too little room: %v", err)
	}
	for _, bad := range []string{`{}`, `[`, strings.Replace(string(stored), "SHA-384", "MD5", 1), strings.Replace(string(stored), `"version":1`, `"version":2`, 1)} {
		_, err = pades.ParsePrepared([]byte(bad))
		if !errors.Is(err, pades.ErrPrepared) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestOptionsThatCannotWorkAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	cases := map[string]pades.Options{
		"an unknown level":             {Level: "B-LTA"},
		"B-T without an authority":     {Level: pades.LevelT},
		"B-LT without revocation data": {Level: pades.LevelLT, Timestamp: p.timestamp},
		"P=1 with a store afterwards":  {Level: pades.LevelLT, Timestamp: p.timestamp, Collect: p.collect, Certify: 1},
		"a certification level of 4":   {Certify: 4},
		"a reason without end":         {Reason: strings.Repeat("x", 5000)},
	}
	for name, o := range cases {
		o.Signer, o.Chain = s.key, s.chain
		out, _, err := signFile(t, realFiles(t)[0], o)
		info, statErr := os.Stat(out)
		if !errors.Is(err, pades.ErrOptions) || statErr != nil || info.Size() != 0 {
			t.Errorf("%s: %v, %d bytes", name, err, info.Size())
		}
	}
}

func TestFieldsAreFilledKeptAndRefusedAsTheFormSays(t *testing.T) {
	p := newPKI(t)
	s := p.schemes()[0]
	forms := testkit.Data(t, "pdf")
	find := func(part string) string {
		found, err := filepath.Glob(filepath.Join(forms, "*", "*"+part))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v %v", part, found, err)
		}
		return found[0]
	}
	two := find("data__pdf__minimal-two-fields.pdf")
	out, r, err := signFile(t, two, pades.Options{Signer: s.key, Chain: s.chain, Field: "Sig1"})
	if err != nil || r.Field != "Sig1" {
		t.Fatalf("an empty field: %+v %v", r, err)
	}
	code := func(err error) string {
		var why *cos.RefusedError
		if !errors.As(err, &why) {
			return fmt.Sprint(err)
		}
		return why.Code
	}
	_, _, err = signFile(t, out, pades.Options{Signer: s.key, Chain: s.chain, Field: "Sig1"})
	if code(err) != pades.CodeFieldSigned {
		t.Errorf("a signed field: %v", err)
	}
	_, _, err = signFile(t, out, pades.Options{Signer: s.key, Chain: s.chain, Certify: 2})
	if code(err) != pades.CodeNotFirst {
		t.Errorf("certifying second: %v", err)
	}
	_, _, err = signFile(t, out, pades.Options{Signer: s.key, Chain: s.chain, Field: "a.b"})
	if code(err) != pades.CodeFieldName {
		t.Errorf("a new field with a dot: %v", err)
	}
	text := find("data__pdf__minimal-with-textfield-group.pdf")
	_, _, err = signFile(t, text, pades.Options{Signer: s.key, Chain: s.chain, Field: "TextInput"})
	if err == nil {
		t.Logf("new field TextInput beside the group")
	}
	locked, _, err := signFile(t, two, pades.Options{Signer: s.key, Chain: s.chain, Certify: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = signFile(t, locked, pades.Options{Signer: s.key, Chain: s.chain})
	if code(err) != pades.CodeCertified {
		t.Errorf("a document certified with P=1: %v", err)
	}
	second, r, err := signFile(t, out, pades.Options{Signer: s.key, Chain: s.chain})
	if err != nil || r.Field != "Signature1" {
		t.Fatalf("a second signature: %+v %v", r, err)
	}
	in, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	f, err := cos.Open(bytes.NewReader(in), int64(len(in)), cos.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := f.Latest()
	root, _, err := v.Root()
	if err != nil {
		t.Fatal(err)
	}
	acro := v.Dict(root["AcroForm"])
	if n := len(v.Array(acro["Fields"])); n != 3 || acro["SigFlags"] != cos.Object(int64(3)) {
		t.Errorf("%d fields, SigFlags %v", n, acro["SigFlags"])
	}
}

func TestEveryPresetIsSignedVisiblyAndTheFileGrowsLittle(t *testing.T) {
	need(t, "mutool", "qpdf", "pdfsig")
	p := newPKI(t)
	s := p.schemes()[0]
	person := appearance.Box{X: 125, Y: 225, Width: 45, Height: 18}
	seal := appearance.SealOver(person, 0)
	marks := map[string]appearance.Spec{
		"person": {Preset: appearance.Person, Page: -1, Name: "Nguyễn Văn A", Box: person},
		"seal":   {Preset: appearance.Seal, Page: -1, Name: "Ủy ban nhân dân thành phố Hải Phòng", Box: seal},
		"text":   {Preset: appearance.Text, Page: 1, Lines: []string{"Số: 07/CT-UBND"}},
	}
	for _, path := range realFiles(t) {
		for name, mark := range marks {
			out, r, err := signFile(t, path, pades.Options{Signer: s.key, Chain: s.chain, Visible: &mark})
			if err != nil {
				t.Errorf("%s %s: %v", filepath.Base(path), name, err)
				continue
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if grown := r.Size - info.Size(); grown > 60_000 {
				t.Errorf("%s %s: grew by %d bytes", filepath.Base(path), name, grown)
			}
			check(t, filepath.Base(path)+" "+name, path, out, r, s, p)
		}
	}
}
