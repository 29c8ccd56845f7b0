package hsm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATokenURIIsReadAsRFC7512Says(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       URI
	}{
		{"path and query are told apart", "pkcs11:token=ca;serial=01ab?module-path=/usr/lib/m.so&pin-source=file:/etc/pin", URI{"pkcs11",
			map[string]string{"token": "ca", "serial": "01ab"}, map[string]string{"module-path": "/usr/lib/m.so", "pin-source": "file:/etc/pin"}}},
		{"percent signs are undone", "pkcs11:token=kho%C3%A1%20s%E1%BB%91%201?pin-source=file:/a%26b", URI{"pkcs11",
			map[string]string{"token": "khoá số 1"}, map[string]string{"pin-source": "file:/a&b"}}},
		{"an empty URI names every token", "pkcs11:", URI{"pkcs11", map[string]string{}, map[string]string{}}},
		{"Vault has the same form", "vault:token=transit?address=https://vault.example:8200", URI{"vault",
			map[string]string{"token": "transit"}, map[string]string{"address": "https://vault.example:8200"}}},
	} {
		got, err := ParseURI(tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		again, err := ParseURI(got.String())
		if err != nil || !cmp.Equal(got, again) {
			t.Errorf("%s: %q does not come back: %v", tc.name, got, err)
		}
	}
	for name, text := range map[string]string{
		"another scheme is refused":         "https:token=a",
		"a PIN in the URI is refused":       "pkcs11:token=a?pin-value=1234",
		"an attribute that stands twice":    "pkcs11:token=a;token=b",
		"a word without a value is refused": "pkcs11:token",
		"a broken percent sign is refused":  "pkcs11:token=%zz",
		"a NUL is refused":                  "pkcs11:token=a%00b",
	} {
		_, err := ParseURI(text)
		if !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldAndNewSettingsNameTheSameToken(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "module.so")
	err := os.WriteFile(module, nil, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	old, err := WorkerConfig{Module: module, TokenLabel: "a b", TokenSerial: "01", PINFile: filepath.Join(dir, "pin"), Sessions: 3}.tokens()
	if err != nil {
		t.Fatal(err)
	}
	now, err := WorkerConfig{Tokens: []string{"pkcs11:token=a%20b;serial=01?sessions=3&module-path=" + module + "&pin-source=" + filepath.Join(dir, "pin")}}.tokens()
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]tokenConfig{old, now} {
		c := got[0]
		if len(got) != 1 || c.name != "a b" || c.module != module || c.label != "a b" || c.serial != "01" || c.sessions != 3 || c.pin != pinSource(pinFile(filepath.Join(dir, "pin"))) {
			t.Errorf("got %+v", c)
		}
	}
	uri := func(serial string) string {
		return "pkcs11:token=ha;serial=" + serial + "?pin-source=file:/pin&module-path=" + module
	}
	two, err := WorkerConfig{Tokens: []string{uri("1"), uri("2")}}.tokens()
	if err != nil || two[0].name != "ha@1" || two[1].name != "ha@2" {
		t.Errorf("equal labels: %+v, %v", two, err)
	}
	_, err = WorkerConfig{Tokens: []string{uri("1"), uri("1")}}.tokens()
	if err == nil {
		t.Error("a token that is named twice was accepted")
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=ca;serial=01ab?module-path=/usr/lib/m.so&pin-source=file:/etc/pin")
	f.Add("vault:token=%C3%A1?a=b&c=d")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURI(text)
		if err != nil {
			return
		}
		again, err := ParseURI(u.String())
		if err != nil || !cmp.Equal(u, again) {
			t.Errorf("%q became %q: %v", text, u, err)
		}
	})
}
