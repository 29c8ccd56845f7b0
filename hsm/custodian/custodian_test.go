package custodian

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// cheap is a work factor for tests: scrypt takes a second by design.
const cheap = 4

func newCustodian(t testing.TB, name string) ([]byte, *Custodian, Public) {
	t.Helper()
	pass := []byte("the passphrase of " + name)
	file, public, err := Create(name, pass, cheap)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(file, pass)
	if err != nil {
		t.Fatal(err)
	}
	return file, c, public
}

func TestAKeyFileOpensWithItsPassphraseAlone(t *testing.T) {
	file, c, public := newCustodian(t, "an")
	if c.Name() != "an" {
		t.Errorf("name %q", c.Name())
	}
	own, err := c.Public()
	if err != nil || own != public {
		t.Errorf("%+v, made as %+v, %v", own, public, err)
	}
	_, err = Open(file, []byte("another passphrase"))
	if !errors.Is(err, ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	_, err = Open(file, nil)
	if !errors.Is(err, ErrPassphrase) {
		t.Errorf("no passphrase: %v", err)
	}
	for i := 0; i < len(file); i += 37 {
		broken := bytes.Clone(file)
		broken[i] ^= 1
		_, err = Open(broken, []byte("the passphrase of an"))
		if err == nil {
			t.Errorf("opens with byte %d changed", i)
		}
	}
}

func TestWhatIsNoCustodianIsRefused(t *testing.T) {
	for _, name := range []string{"", "An", "a/b", "../a", "a b", "-a", "a-", string(bytes.Repeat([]byte("a"), 41))} {
		_, _, err := Create(name, []byte("a long passphrase"), cheap)
		if !errors.Is(err, ErrName) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	_, _, err := Create("an", []byte("short"), cheap)
	if !errors.Is(err, ErrWeak) {
		t.Errorf("short passphrase: %v", err)
	}
	// A file that asks for more work than ours would take the machine's memory.
	file, _, _ := newCustodian(t, "an")
	binary, err := io.ReadAll(armor.NewReader(bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	greedy := bytes.Replace(binary, []byte(" 4\n"), []byte(" 30\n"), 1)
	if bytes.Equal(greedy, binary) {
		t.Fatal("the work factor was not found")
	}
	var text bytes.Buffer
	w := armor.NewWriter(&text)
	_, err = w.Write(greedy)
	err = errors.Join(err, w.Close())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(text.Bytes(), []byte("the passphrase of an"))
	if !errors.Is(err, ErrFile) {
		t.Errorf("too much work: %v", err)
	}
}

func TestAProofHoldsForItsChallengeAndKeyAlone(t *testing.T) {
	_, c, public := newCustodian(t, "an")
	_, other, otherPublic := newCustodian(t, "binh")
	proof, err := c.Prove([]byte("challenge"))
	if err != nil {
		t.Fatal(err)
	}
	err = CheckProof([]byte("challenge"), proof, c.Signer().Public(), public.Key)
	if err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"another challenge":   CheckProof([]byte("other"), proof, c.Signer().Public(), public.Key),
		"another key":         CheckProof([]byte("challenge"), proof, other.Signer().Public(), otherPublic.Key),
		"another fingerprint": CheckProof([]byte("challenge"), proof, c.Signer().Public(), otherPublic.Key),
	} {
		if !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASealedTextOpensForItsCustodianAlone(t *testing.T) {
	_, c, public := newCustodian(t, "an")
	_, other, _ := newCustodian(t, "binh")
	to, err := age.ParseX25519Recipient(public.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Encrypt([]byte("share"), to)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := c.Unseal(file)
	if err != nil || string(plain) != "share" {
		t.Errorf("%q %v", plain, err)
	}
	_, err = other.Unseal(file)
	if !errors.Is(err, ErrSealed) {
		t.Errorf("another custodian: %v", err)
	}
}

// TestTheAgeProgramReadsWhatWeSeal lets the reference program open a sealed
// text, where it is installed.
func TestTheAgeProgramReadsWhatWeSeal(t *testing.T) {
	_, err := exec.LookPath("age")
	if err != nil {
		t.Skip("age is not installed (apt install age)")
	}
	_, c, public := newCustodian(t, "an")
	to, err := age.ParseX25519Recipient(public.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Encrypt([]byte("share"), to)
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(t.TempDir(), "identity")
	err = os.WriteFile(identity, []byte(c.identity.String()+"\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("age", "-d", "-i", identity)
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "share" {
		t.Errorf("%q %v", out, err)
	}
}

func FuzzOpen(f *testing.F) {
	pass := []byte("a long passphrase")
	file, _, err := Create("an", pass, 2)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := Open(file, pass)
		if err == nil && CheckName(c.Name()) != nil {
			t.Errorf("opened with the name %q", c.Name())
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format":"antin-custodian/1","name":"an","key":"AA==","identity":"AGE-SECRET-KEY-1"}`))
	f.Fuzz(func(_ *testing.T, plain []byte) { _, _ = parse(plain) })
}
