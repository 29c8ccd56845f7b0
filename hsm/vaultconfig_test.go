package hsm

import (
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm/vault"
)

func TestAVaultURIIsReadOverTheSettings(t *testing.T) {
	base := &vault.Config{Address: "https://vault.example:8200", CAFile: "/etc/antin/vault-ca.pem", RoleIDFile: "/etc/antin/role-id", SecretIDFile: "/etc/antin/secret-id"}
	cfg := WorkerConfig{Vault: base, Tokens: []string{
		"vault:token=main",
		"vault:token=second;mount=teams/pki?address=https://other:8200&namespace=xa&auth=cert&cert-file=c&key-file=k&role=antin&timeout=2s&sessions=4&key-versions=issuing:2,khóa:1",
	}}
	tokens, err := cfg.tokens()
	if err != nil {
		t.Fatal(err)
	}
	first := tokens[0]
	want := *base
	want.Connections = vaultLanes + 4
	if first.vault.server != want || first.vault.mount != "transit" || first.sessions != vaultLanes || first.name != "main" {
		t.Errorf("%+v", first)
	}
	second := tokens[1]
	want = vault.Config{Address: "https://other:8200", CAFile: base.CAFile, Namespace: "xa", Auth: vault.AuthCert, RoleIDFile: base.RoleIDFile,
		SecretIDFile: base.SecretIDFile, CertFile: "c", KeyFile: "k", Role: "antin", Timeout: 2 * time.Second, Connections: 8}
	if second.vault.server != want || second.vault.mount != "teams/pki" || second.vault.versions["issuing"] != 2 || second.vault.versions["khóa"] != 1 {
		t.Errorf("%+v", second)
	}
	for _, uri := range []string{
		"vault:mount=transit", "vault:token=a?adress=https://x", "vault:token=a;object=k", "vault:token=a?timeout=soon",
		"vault:token=a?key-versions=issuing", "vault:token=a?key-versions=issuing:0", "vault:token=a?secret-id-wrapped=perhaps", "vault:token=a?pin-value=1",
	} {
		_, err := WorkerConfig{Vault: base, Tokens: []string{uri}}.tokens()
		if !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestEachLabelHasANameInVault(t *testing.T) {
	for label, name := range map[string]string{
		"issuing-1": "issuing-1", "TSA.2026": "TSA.2026", "khóa ký số": "", "a/b": "", "-x": "", "u.abc": "", "x.": "",
	} {
		got := keyName(label)
		if name != "" && got != name {
			t.Errorf("%q is named %q, want %q", label, got, name)
		}
		if !vault.KeyNameFits(got) {
			t.Errorf("%q is named %q, which vault does not take", label, got)
		}
		if keyLabel(got) != label {
			t.Errorf("%q comes back as %q", label, keyLabel(got))
		}
	}
	// A key that somebody else named.
	for _, name := range []string{"u.0", "u.me", "plain"} {
		if keyName(keyLabel(name)) != name && keyLabel(name) != name {
			t.Errorf("%q becomes %q", name, keyLabel(name))
		}
	}
}
