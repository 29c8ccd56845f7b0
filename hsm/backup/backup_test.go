package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corvus-ch/shamir"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/custodian"
	"github.com/antin-gov/antin/hsm/hsmtest"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

// five makes five custodians.
func five(t testing.TB) ([]*custodian.Custodian, []Holder) {
	t.Helper()
	var opened []*custodian.Custodian
	var holders []Holder
	for _, name := range []string{"an", "binh", "chi", "dung", "hoa"} {
		pass := []byte("the passphrase of " + name)
		file, public, err := custodian.Create(name, pass, 4)
		if err != nil {
			t.Fatal(err)
		}
		c, err := custodian.Open(file, pass)
		if err != nil {
			t.Fatal(err)
		}
		opened, holders = append(opened, c), append(holders, Holder{Name: name, Recipient: public.Recipient})
	}
	return opened, holders
}

func openShares(t testing.TB, files []ShareFile, by []*custodian.Custodian, which ...int) []Share {
	t.Helper()
	var out []Share
	for _, i := range which {
		s, err := OpenShare(files[i].File, by[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// made is a backup of a real token with a key of each kind.
func made(t testing.TB, token *hsm.Client, holders []Holder) *Backup {
	t.Helper()
	b, err := Create(t.Context(), token, Order{Token: "antin-test", Quorum: 3, Holders: holders, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABackupRestoredIntoAnEmptyTokenSignsTheSame(t *testing.T) {
	by, holders := five(t)
	token := hsmtest.New(t)
	_, err := Create(t.Context(), token, Order{Quorum: 3, Holders: holders, Now: time.Now()})
	if !errors.Is(err, ErrNoKeys) {
		t.Errorf("a backup of nothing: %v", err)
	}
	algorithms := []string{"EC-P256", "EC-P384", "EC-P521", "RSA-2048"}
	for _, algorithm := range algorithms {
		_, err := token.GenerateKey(t.Context(), hsm.NewKey{Label: "key-" + algorithm, Algorithm: algorithm, Backup: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = token.Generate(t.Context(), "stays", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(t.Context(), token, Order{Labels: []string{"stays"}, Quorum: 3, Holders: holders, Now: time.Now()})
	if !errors.Is(err, ErrNotForBackup) {
		t.Errorf("a key that was not made for it: %v", err)
	}
	b := made(t, token, holders)
	if b.Header.Count != len(algorithms) || len(b.Shares) != 5 {
		t.Errorf("%+v", b.Header)
	}
	f, err := Parse(b.File)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.JoinShares(openShares(t, b.Shares, by, 0, 4))
	if !errors.Is(err, ErrShares) {
		t.Errorf("two shares: %v", err)
	}
	for _, which := range [][]int{{0, 1, 2}, {4, 2, 0}, {1, 2, 3, 4}, {0, 1, 2, 3, 4}} {
		empty := hsmtest.New(t)
		kek, keys, err := f.JoinShares(openShares(t, b.Shares, by, which...))
		if err != nil {
			t.Fatalf("shares %v: %v", which, err)
		}
		restored, err := Restore(t.Context(), empty, keys, kek, nil)
		if err != nil || len(restored) != len(algorithms) {
			t.Fatalf("%d restored, %v", len(restored), err)
		}
		for _, k := range b.Keys {
			old, err := token.Signer(t.Context(), k.Label)
			if err != nil || !samePublic(old.Public(), mustPublic(t, k)) {
				t.Errorf("%s: %v", k.Label, err)
			}
		}
		// Once more: what is there is the same key and is taken.
		again, err := Restore(t.Context(), empty, keys, kek, nil)
		if err != nil || !again[0].Before {
			t.Errorf("restored again: %+v %v", again, err)
		}
		// A restored key can be backed up again.
		made(t, empty, holders)
	}
}

func mustPublic(t testing.TB, k Key) any {
	pub, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func TestWrongMixedAndDamagedSharesAreNamed(t *testing.T) {
	by, holders := five(t)
	token := hsmtest.New(t)
	_, err := token.GenerateKey(t.Context(), hsm.NewKey{Label: "k", Algorithm: "EC-P256", Backup: true})
	if err != nil {
		t.Fatal(err)
	}
	b, other := made(t, token, holders), made(t, token, holders)
	f, err := Parse(b.File)
	if err != nil {
		t.Fatal(err)
	}
	good := openShares(t, b.Shares, by, 0, 1, 2)
	cases := map[string]func() []Share{
		"a share of another backup": func() []Share { return append(good[:2:2], openShares(t, other.Shares, by, 2)...) },
		"the same share twice":      func() []Share { return []Share{good[0], good[1], good[1]} },
		"a share whose value was changed": func() []Share {
			s := good[2]
			s.Y = bytes.Clone(s.Y)
			s.Y[3] ^= 1
			return []Share{good[0], good[1], s}
		},
		"a share under another's name": func() []Share {
			s := good[2]
			s.Custodian = "hoa"
			return []Share{good[0], good[1], s}
		},
		"a share of another backup under this one's id": func() []Share {
			s := openShares(t, other.Shares, by, 2)[0]
			s.Backup = f.Header.ID
			return []Share{good[0], good[1], s}
		},
	}
	for what, shares := range cases {
		_, _, err := f.JoinShares(shares())
		if !errors.Is(err, ErrShares) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = OpenShare(b.Shares[0].File, by[1])
	if !errors.Is(err, ErrShares) {
		t.Errorf("another's share: %v", err)
	}
	broken := bytes.Replace(b.Shares[0].File, []byte("A"), []byte("B"), 1)
	_, err = OpenShare(broken, by[0])
	if !errors.Is(err, ErrShares) {
		t.Errorf("a damaged share: %v", err)
	}
}

func TestNoByteOfABackupCanBeChanged(t *testing.T) {
	by, holders := five(t)
	token := hsmtest.New(t)
	for i := range 2 {
		_, err := token.GenerateKey(t.Context(), hsm.NewKey{Label: fmt.Sprintf("k%d", i), Algorithm: "EC-P256", Backup: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	b := made(t, token, holders)
	shares := openShares(t, b.Shares, by, 0, 1, 2)
	for i := range b.File[:len(b.File)-1] {
		broken := bytes.Clone(b.File)
		broken[i] ^= 4
		f, err := Parse(broken)
		if err != nil {
			continue
		}
		_, _, err = f.JoinShares(shares)
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrShares) {
			t.Fatalf("opens with byte %d changed: %v", i, err)
		}
	}
	// A wrapped key under the wrong public key does not stay in the token.
	f, err := Parse(b.File)
	if err != nil {
		t.Fatal(err)
	}
	kek, keys, err := f.JoinShares(shares)
	if err != nil {
		t.Fatal(err)
	}
	keys[0].SPKI, keys[1].SPKI = keys[1].SPKI, keys[0].SPKI
	empty := hsmtest.New(t)
	_, err = Restore(t.Context(), empty, keys, kek, nil)
	if err == nil {
		t.Error("restored under another's public key")
	}
	left, err := empty.Keys(t.Context())
	if err != nil || len(left) != 0 {
		t.Errorf("left in the token: %+v %v", left, err)
	}
	kek[0] ^= 1
	_, err = Restore(t.Context(), empty, keys, kek, nil)
	if err == nil {
		t.Error("restored with another wrapping key")
	}
}

func TestAQuorumMustFit(t *testing.T) {
	_, holders := five(t)
	for what, c := range map[string]struct {
		quorum  int
		holders []Holder
	}{
		"one is enough":       {1, holders},
		"more than there are": {6, holders},
		"nobody":              {2, nil},
		"one twice":           {2, []Holder{holders[0], holders[0]}},
		"no recipient":        {2, []Holder{holders[0], {Name: "x", Recipient: "age1nothing"}}},
		"too many":            {2, slices.Repeat(holders, 7)},
	} {
		_, err := Split(NewID(), NewKEK(), c.quorum, c.holders)
		if !errors.Is(err, ErrQuorum) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestSharesAreThoseOfOthers compares the sharing with vectors made by
// another implementation: gfsplit of libgfshare (the field of Rijndael, x from
// 1 to 255), as published with the library.
func TestSharesAreThoseOfOthers(t *testing.T) {
	parts := map[byte][]byte{71: {209, 38, 210, 117, 87, 218, 213, 140, 119, 77, 90}, 79: {27, 174, 140, 114, 4, 236, 44, 189, 215, 25, 201}}
	secret, err := shamir.Combine(parts)
	if err != nil || string(secret) != "Hello world" {
		t.Errorf("%q %v", secret, err)
	}
	// Any three of five give the secret, any two something else.
	kek := NewKEK()
	split, err := shamir.Split(kek, 5, 3)
	if err != nil {
		t.Fatal(err)
	}
	var xs []byte
	for x := range split {
		xs = append(xs, x)
	}
	for i := range xs {
		for j := range i {
			two, _ := shamir.Combine(map[byte][]byte{xs[i]: split[xs[i]], xs[j]: split[xs[j]]})
			if bytes.Equal(two, kek) {
				t.Error("two shares give it")
			}
			for k := range j {
				three, err := shamir.Combine(map[byte][]byte{xs[i]: split[xs[i]], xs[j]: split[xs[j]], xs[k]: split[xs[k]]})
				if err != nil || !bytes.Equal(three, kek) {
					t.Error("three shares do not")
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	head := `{"format":"antin-hsm-backup/1","id":"00","created_at":"2026-01-02T03:04:05Z","token":"t","serial":"","keys":1,"quorum":2,"shares":[{"custodian":"an","x":1,"sha256":""},{"custodian":"binh","x":2,"sha256":""}]}`
	f.Add([]byte(head + "\n" + base64.StdEncoding.EncodeToString(make([]byte, 64)) + "\n"))
	f.Add([]byte(strings.Replace(head, "2", "99999", 1) + "\nAA==\n"))
	kek := make([]byte, KEKSize)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		_, err = file.Open(kek)
		if err == nil {
			t.Error("opens with a key of zeros")
		}
	})
}

func FuzzParseShare(f *testing.F) {
	y := base64.StdEncoding.EncodeToString(make([]byte, KEKSize))
	f.Add([]byte(`{"format":"antin-hsm-share/1","backup":"00","custodian":"an","quorum":2,"of":3,"x":1,"y":"` + y + `"}`))
	sum := hex.EncodeToString(make([]byte, 32))
	f.Fuzz(func(_ *testing.T, plain []byte) {
		s, err := parseShare(plain)
		if err != nil {
			return
		}
		file := File{Header: Header{ID: s.Backup, Quorum: 2, Shares: []Commitment{{Custodian: s.Custodian, X: s.X, SHA256: sum}}}}
		_, _ = file.Combine([]Share{s, s})
	})
}
