package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/config"
)

func TestDefaultsStandWithoutAFile(t *testing.T) {
	c, err := config.Load(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Console.Listen != "127.0.0.1:8443" || c.HSM.MaxWait != 15*time.Second || c.PKI.URL != "http://127.0.0.1:8080" {
		t.Errorf("got %+v", c)
	}
}

func TestFileThenEnvironmentOverrideTheDefaults(t *testing.T) {
	dir := t.TempDir()
	err := os.WriteFile(filepath.Join(dir, config.File), []byte("console: {listen: 127.0.0.1:1}\nhsm: {token: x}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(dir, []string{"ANTIN_CONSOLE_LISTEN=127.0.0.1:2", "ANTIN_HSM_MAX_WAIT=3s", "ANTIN_SIGNER_MAX_UPLOAD=5"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Console.Listen != "127.0.0.1:2" || c.HSM.Token != "x" || c.HSM.MaxWait != 3*time.Second || c.Signer.MaxUpload != 5 || c.Console.Host != "localhost" {
		t.Errorf("got %+v", c)
	}
}

func TestLoadRefusesWhatCannotBeUsed(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":         "console: {port: 1}",
		"an address of no port":  "console: {listen: localhost}",
		"a PKI address with TLS": "pki: {url: 'https://ca.example'}",
		"an endless wait":        "hsm: {max_wait: 1h}",
		"text that is not YAML":  "console: [",
	} {
		dir := t.TempDir()
		err := os.WriteFile(filepath.Join(dir, config.File), []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = config.Load(dir, nil)
		if !errors.Is(err, config.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := config.Load(t.TempDir(), []string{"ANTIN_HSM_MAX_WAIT=soon"})
	if !errors.Is(err, config.ErrInvalid) {
		t.Errorf("a wait that is no duration: %v", err)
	}
}
