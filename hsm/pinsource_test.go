package hsm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/hsm/vault"
)

func TestAPINComesFromAFileOrFromACredentialOfTheService(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	// As systemd shows it to a service's user: the group's rights are the mask of an access list.
	write("hsm-pin", "654321\n", 0o440)
	write("open", "1234", 0o444)
	cfg := WorkerConfig{SocketPath: filepath.Join(dir, "sock")}
	for name, tc := range map[string]struct{ source, want string }{
		"a file, with the end of its line left out": {"file:" + write("pin", "1234\r\n", 0o600), "1234"},
		"a plain path":                         {write("plain", " 12 34", 0o400), " 12 34"},
		"the longest PIN":                      {write("long", strings.Repeat("9", 255)+"\n", 0o600), strings.Repeat("9", 255)},
		"a PIN that is too long":               {write("toolong", strings.Repeat("9", 256), 0o600), ""},
		"an empty file":                        {write("empty", "\n", 0o600), ""},
		"a file that the group may read":       {write("group", "1234", 0o640), ""},
		"a credential":                         {"credential:hsm-pin", "654321"},
		"a credential that everybody may read": {"credential:open", ""},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := cfg.pinSource(tc.source)
			if err != nil {
				t.Fatal(err)
			}
			pin, err := source.read(t.Context())
			if tc.want == "" {
				if !errors.Is(err, ErrPIN) {
					t.Fatalf("%q, %v: want ErrPIN", pin.raw, err)
				}
				return
			}
			if err != nil || pin.text() != tc.want {
				t.Fatalf("%q, %v", pin.raw, err)
			}
			before, held := pin.state, pin.raw
			pin.wipe()
			if strings.Trim(string(held), "\x00") != "" {
				t.Errorf("after wipe: %q", held)
			}
			again, err := source.read(t.Context())
			if err != nil || again.state != before {
				t.Errorf("the state of an unchanged PIN is %q, then %q, %v", before, again.state, err)
			}
		})
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	source, err := cfg.pinSource("credential:hsm-pin")
	if err == nil {
		_, err = source.read(t.Context())
	}
	if !errors.Is(err, ErrPIN) {
		t.Errorf("without a folder of credentials: %v", err)
	}
}

func TestPINSourcesThatCannotBeMeantAreRefused(t *testing.T) {
	server := &vault.Config{Address: "https://vault.example:8200"}
	for _, source := range []string{
		"credential:", "credential:../shadow", "credential:a/b", "env:PIN", "vault:secret", "vault:secret/antin/hsm", "vault:secret/antin/hsm#",
		"vault:secret/../sys#pin", "vault:/a#pin", "vault-wrapped:/run/pin", "vault-wrapped:#pin", "file://elsewhere/pin",
	} {
		_, err := WorkerConfig{Vault: server}.pinSource(source)
		if !errors.Is(err, ErrBadRequest) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", source, err)
		}
	}
	_, err := WorkerConfig{}.pinSource("vault:secret/antin/hsm#pin")
	if !errors.Is(err, ErrBadRequest) {
		t.Errorf("a PIN in vault without a server: %v", err)
	}
}
