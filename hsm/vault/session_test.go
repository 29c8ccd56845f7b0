package vault_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm/vault"
	"github.com/antin-gov/antin/hsm/vault/vaulttest"
)

func TestSettingsThatAreNotSafeAreRefused(t *testing.T) {
	appRole := vault.Config{Address: "https://vault.example:8200", CAFile: "ca.pem", RoleIDFile: "r", SecretIDFile: "s"}
	for name, change := range map[string]func(*vault.Config){
		"plain http to another machine":         func(c *vault.Config) { c.Address = "http://vault.example:8200" },
		"https without a CA":                    func(c *vault.Config) { c.CAFile = "" },
		"an address with a password":            func(c *vault.Config) { c.Address = "https://u:p@vault.example" },
		"an unknown way to log in":              func(c *vault.Config) { c.Auth = "token" },
		"AppRole without a SecretID":            func(c *vault.Config) { c.SecretIDFile = "" },
		"certificate login without a key":       func(c *vault.Config) { c.Auth = vault.AuthCert; c.CertFile = "c" },
		"certificate login over plain http":     func(c *vault.Config) { c.Address = "http://127.0.0.1:8200"; c.Auth = vault.AuthCert },
		"a mount that leads elsewhere":          func(c *vault.Config) { c.Mount = "approle/../token" },
		"a timeout that holds a signature up":   func(c *vault.Config) { c.Timeout = time.Hour },
		"a file with CAs that is not to be had": func(c *vault.Config) { c.CAFile = filepath.Join(t.TempDir(), "absent") },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := appRole
			change(&cfg)
			_, err := vault.Open(cfg, nil)
			if !errors.Is(err, vault.ErrConfig) {
				t.Fatalf("error %v, want ErrConfig", err)
			}
		})
	}
}

// open opens a session that ends with the test.
func open(t *testing.T, cfg vault.Config) *vault.Session {
	t.Helper()
	s, err := vault.Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func transit(t *testing.T, cfg vault.Config) (*vault.Session, *vault.Transit) {
	t.Helper()
	s := open(t, cfg)
	engine, err := s.Transit("transit")
	if err != nil {
		t.Fatal(err)
	}
	return s, engine
}

// signOnce signs with a P-256 key and verifies.
func signOnce(ctx context.Context, engine *vault.Transit, name string, pub crypto.PublicKey) error {
	digest := sha256.Sum256([]byte("tài liệu"))
	sig, _, err := engine.Sign(ctx, vault.SignRequest{Name: name, Hash: "sha2-256", Input: digest[:]})
	if err != nil {
		return err
	}
	if !ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), digest[:], sig) {
		return errors.New("the signature does not verify")
	}
	return nil
}

func TestARealServer(t *testing.T) {
	server := vaulttest.Start(t)
	_, engine := transit(t, server.Config(vault.AuthAppRole))
	err := engine.Create(t.Context(), "main", "ecdsa-p256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := engine.Key(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	pub := key.Versions[1]

	t.Run("every algorithm verifies with Go and with openssl, by either login", func(t *testing.T) {
		for _, auth := range []string{vault.AuthAppRole, vault.AuthCert} {
			_, engine := transit(t, server.Config(auth))
			everyAlgorithm(t, engine, auth)
		}
	})
	t.Run("what stands in the way has a type", func(t *testing.T) { typedErrors(t, server, engine) })
	t.Run("the policies of the samples hold", func(t *testing.T) { samplePolicies(t, server, engine) })
	t.Run("a login goes on", func(t *testing.T) { lives(t, server, pub) })
	t.Run("sealed, cut off and killed servers are told apart and come back", func(t *testing.T) { faults(t, server, pub) })
	t.Run("secrets", func(t *testing.T) { secrets(t, server) })
}

func everyAlgorithm(t *testing.T, engine *vault.Transit, auth string) {
	hashes := map[string]crypto.Hash{"sha2-256": crypto.SHA256, "sha2-384": crypto.SHA384, "sha2-512": crypto.SHA512}
	message := []byte("Quyết định số 01/QĐ-UBND")
	types := []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519"}
	if auth == vault.AuthAppRole {
		types = append(types, "rsa-3072", "rsa-4096")
	}
	for _, kind := range types {
		name := "k-" + auth + "-" + kind
		err := engine.Create(t.Context(), name, kind)
		if err != nil {
			t.Fatal(err)
		}
		key, err := engine.Key(t.Context(), name)
		if err != nil || key.Exportable || !key.Signs || key.Latest != 1 {
			t.Fatalf("key %+v, error %v", key, err)
		}
		pub := key.Versions[1]
		if edKey, ok := pub.(ed25519.PublicKey); ok {
			sig, _, err := engine.Sign(t.Context(), vault.SignRequest{Name: name, Input: message})
			if err != nil || !ed25519.Verify(edKey, message, sig) {
				t.Errorf("%s: %v", kind, err)
			}
			opensslVerifies(t, pub, message, sig, "-rawin")
			continue
		}
		for hashName, hash := range hashes {
			h := hash.New()
			h.Write(message)
			digest := h.Sum(nil)
			req := vault.SignRequest{Name: name, Hash: hashName, Input: digest}
			digestOpt := "digest:" + map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}[hash]
			switch k := pub.(type) {
			case *ecdsa.PublicKey:
				sig, _, err := engine.Sign(t.Context(), req)
				if err != nil || !ecdsa.VerifyASN1(k, digest, sig) {
					t.Errorf("%s %s: %v", kind, hashName, err)
				}
				opensslVerifies(t, pub, digest, sig)
			case *rsa.PublicKey:
				req.Padding = vault.PaddingPKCS1
				sig, _, err := engine.Sign(t.Context(), req)
				if err != nil || rsa.VerifyPKCS1v15(k, hash, digest, sig) != nil {
					t.Errorf("%s %s PKCS #1: %v", kind, hashName, err)
				}
				opensslVerifies(t, pub, digest, sig, "-pkeyopt", digestOpt)
				for _, salt := range []int{hash.Size(), 20} {
					req.Padding, req.Salt = vault.PaddingPSS, salt
					sig, _, err = engine.Sign(t.Context(), req)
					if err != nil || rsa.VerifyPSS(k, hash, digest, sig, &rsa.PSSOptions{SaltLength: salt, Hash: hash}) != nil {
						t.Errorf("%s %s PSS with a salt of %d: %v", kind, hashName, salt, err)
					}
				}
				opensslVerifies(t, pub, digest, sig, "-pkeyopt", digestOpt, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:20")
			}
		}
	}
}

// opensslVerifies lets openssl judge a signature.
func opensslVerifies(t *testing.T, pub crypto.PublicKey, data, sig []byte, options ...string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, content, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{"pkeyutl", "-verify", "-pubin",
		"-inkey", write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"-in", write("data", data), "-sigfile", write("sig", sig)}
	out, err := exec.Command("openssl", append(args, options...)...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return // Go has judged it
	}
	if err != nil {
		t.Errorf("openssl: %v: %s", err, out)
	}
}

func typedErrors(t *testing.T, server *vaulttest.Server, engine *vault.Transit) {
	_, err := engine.Key(t.Context(), "absent")
	if !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("an absent key: %v", err)
	}
	err = engine.Create(t.Context(), "main", "ed25519")
	if !errors.Is(err, vault.ErrExists) {
		t.Errorf("a name that is taken: %v", err)
	}
	digest := sha512.Sum512(nil)
	_, _, err = engine.Sign(t.Context(), vault.SignRequest{Name: "main", Hash: "md5", Input: digest[:]})
	if !errors.Is(err, vault.ErrRefused) {
		t.Errorf("an unknown hash: %v", err)
	}
	_, err = engine.Key(t.Context(), "../auth/token")
	if !errors.Is(err, vault.ErrRefused) {
		t.Errorf("a name that leads elsewhere: %v", err)
	}

	cfg := server.Config(vault.AuthAppRole)
	cfg.CAFile = server.OtherCA()
	_, other := transit(t, cfg)
	_, err = other.Names(t.Context())
	var identity *tls.CertificateVerificationError
	if !errors.Is(err, vault.ErrUnreachable) || !errors.As(err, &identity) {
		t.Errorf("a server that another CA vouches for: %v", err)
	}

	cfg = server.Config(vault.AuthAppRole)
	cfg.SecretIDFile = filepath.Join(t.TempDir(), "secret-id")
	writeSecret(t, cfg.SecretIDFile, "0b9d7f0e-0000-0000-0000-000000000000")
	session, refused := transit(t, cfg)
	for range 8 { // more than Vault allows before it locks the role
		_, err = refused.Names(t.Context())
		if !errors.Is(err, vault.ErrCredential) {
			t.Fatalf("a wrong SecretID: %v", err)
		}
	}
	right, err := os.ReadFile(server.SecretIDFile)
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, cfg.SecretIDFile, string(right))
	_, err = refused.Names(t.Context())
	if err != nil || session.Stats().Logins != 1 {
		t.Errorf("after the file was corrected: %v, %+v", err, session.Stats())
	}

	err = os.Chmod(cfg.SecretIDFile, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, open := transit(t, cfg)
	_, err = open.Names(t.Context())
	if !errors.Is(err, vault.ErrCredential) {
		t.Errorf("a SecretID that everybody can read: %v", err)
	}
}

func writeSecret(t *testing.T, path, text string) {
	t.Helper()
	err := os.WriteFile(path, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

func samplePolicies(t *testing.T, server *vaulttest.Server, engine *vault.Transit) {
	err := engine.Delete(t.Context(), "main")
	if !errors.Is(err, vault.ErrPermission) {
		t.Errorf("a key that is not the probe's was deleted: %v", err)
	}
	err = engine.Create(t.Context(), "antin-probe-1", "ed25519")
	if err == nil {
		err = engine.Delete(t.Context(), "antin-probe-1")
	}
	if err != nil {
		t.Errorf("a key of the probe: %v", err)
	}
	token := server.Write("auth/token/create", map[string]any{"policies": "antin-sign,antin-keys,antin-pin"}).Auth.ClientToken
	client, err := server.Admin().Clone()
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(token)
	for name, try := range map[string]func() error{
		"an exportable key": func() error {
			_, err := client.Logical().Write("transit/keys/leaky", map[string]any{"type": "ecdsa-p256", "exportable": true})
			return err
		},
		"a key made exportable later": func() error {
			_, err := client.Logical().Write("transit/keys/main/config", map[string]any{"exportable": true})
			return err
		},
		"a plain backup": func() error {
			_, err := client.Logical().Read("transit/backup/main")
			return err
		},
		"a rotation": func() error {
			_, err := client.Logical().Write("transit/keys/main/rotate", nil)
			return err
		},
		"another secret": func() error {
			_, err := client.Logical().Read("secret/data/antin/other")
			return err
		},
	} {
		if try() == nil {
			t.Errorf("the policies allow %s", name)
		}
	}
}

// lives checks renewal, a new login at the end of a token's life, a token that
// was revoked, and a SecretID that came wrapped.
func lives(t *testing.T, server *vaulttest.Server, pub crypto.PublicKey) {
	server.Role("2s", "4s", "antin-sign")
	session, engine := transit(t, server.Config(vault.AuthAppRole))
	deadline := time.Now().Add(15 * time.Second)
	signed := 0
	for {
		err := signOnce(t.Context(), engine, "main", pub)
		if err != nil {
			t.Fatalf("after %d signatures, %+v: %v", signed, session.Stats(), err)
		}
		signed++
		stats := session.Stats()
		if stats.Logins >= 2 && stats.Renewals >= 2 {
			t.Logf("%d signatures over %+v", signed, stats)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no renewal and no new login: %+v", stats)
		}
		time.Sleep(10 * time.Millisecond) // a steady caller
	}
	server.Role("20m", "1h", "antin-sign", "antin-keys", "antin-pin")

	session, engine = transit(t, server.Config(vault.AuthAppRole))
	err := signOnce(t.Context(), engine, "main", pub)
	if err != nil {
		t.Fatal(err)
	}
	revokeAll(t, server)
	err = signOnce(t.Context(), engine, "main", pub)
	if err != nil || session.Stats().Logins != 2 {
		t.Errorf("after the token was revoked: %v, %+v", err, session.Stats())
	}

	cfg := server.Config(vault.AuthAppRole)
	cfg.SecretIDWrapped = true
	cfg.SecretIDFile = filepath.Join(t.TempDir(), "wrapped")
	writeSecret(t, cfg.SecretIDFile, server.Wrap("POST", "auth/approle/role/antin/secret-id"))
	session, engine = transit(t, cfg)
	for range 2 {
		err = signOnce(t.Context(), engine, "main", pub)
		if err != nil {
			t.Fatalf("with a wrapped SecretID: %v", err)
		}
		revokeAll(t, server) // the second login uses what was unwrapped
	}
	if session.Stats().Logins != 2 {
		t.Errorf("%+v", session.Stats())
	}
	_, thief := transit(t, cfg)
	err = signOnce(t.Context(), thief, "main", pub)
	if !errors.Is(err, vault.ErrCredential) || !errors.Is(err, vault.ErrWrapSpent) {
		t.Errorf("a wrapping token was used twice: %v", err)
	}
}

// revokeAll ends every token of the AppRole.
func revokeAll(t *testing.T, server *vaulttest.Server) {
	t.Helper()
	err := server.Admin().Sys().RevokePrefix("auth/approle/login")
	if err != nil {
		t.Fatal(err)
	}
}

func faults(t *testing.T, server *vaulttest.Server, pub crypto.PublicKey) {
	cable := vaulttest.NewCable(t, server)
	cfg := server.Config(vault.AuthAppRole)
	cfg.Address = cable.Address
	_, engine := transit(t, cfg)
	sign := func() error { return signOnce(t.Context(), engine, "main", pub) }
	err := sign()
	if err != nil {
		t.Fatal(err)
	}
	server.Seal()
	err = sign()
	if !errors.Is(err, vault.ErrSealed) || !vault.Temporary(err) {
		t.Errorf("sealed: %v", err)
	}
	server.Unseal()
	err = sign()
	if err != nil {
		t.Errorf("unsealed: %v", err)
	}
	cable.Cut()
	err = sign()
	if !errors.Is(err, vault.ErrUnreachable) || errors.Is(err, vault.ErrSealed) {
		t.Errorf("cut off: %v", err)
	}
	cable.Mend()
	err = sign()
	if err != nil {
		t.Errorf("mended: %v", err)
	}
	server.Kill()
	err = sign()
	if !errors.Is(err, vault.ErrUnreachable) {
		t.Errorf("killed: %v", err)
	}
	server.Restart()
	err = sign()
	if err != nil {
		t.Errorf("restarted: %v", err)
	}
}

func secrets(t *testing.T, server *vaulttest.Server) {
	put := func(pin string) {
		_, err := server.Admin().KVv2("secret").Put(t.Context(), "antin/hsm", map[string]any{"pin": pin, "number": 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	session := open(t, server.Config(vault.AuthAppRole))
	const first = `1234 "\ ă/é`
	put(first)
	one, err := session.ReadField(t.Context(), "secret", "antin/hsm", "pin")
	if err != nil || string(one.Value) != first {
		t.Fatalf("%q, %v", one.Value, err)
	}
	put("second")
	two, err := session.ReadField(t.Context(), "secret", "antin/hsm", "pin")
	if err != nil || string(two.Value) != "second" || one.State == two.State {
		t.Fatalf("%q, %v, states %q and %q", two.Value, err, one.State, two.State)
	}
	held := two.Value
	two.Wipe()
	if string(held) != "\x00\x00\x00\x00\x00\x00" || two.Value != nil {
		t.Errorf("after Wipe: %q", held)
	}
	for field, want := range map[string]error{"absent": vault.ErrNotFound, "number": vault.ErrAnswer} {
		_, err = session.ReadField(t.Context(), "secret", "antin/hsm", field)
		if !errors.Is(err, want) {
			t.Errorf("field %s: %v", field, err)
		}
	}
	_, err = session.ReadField(t.Context(), "secret", "antin/other", "pin")
	if !errors.Is(err, vault.ErrPermission) {
		t.Errorf("a secret that the policy does not give: %v", err)
	}
	token := server.Wrap("GET", "secret/data/antin/hsm")
	three, err := session.UnwrapField(t.Context(), token, "pin")
	if err != nil || string(three.Value) != "second" {
		t.Errorf("wrapped: %q, %v", three.Value, err)
	}
	_, err = session.UnwrapField(t.Context(), token, "pin")
	if !errors.Is(err, vault.ErrWrapSpent) {
		t.Errorf("a second unwrapping: %v", err)
	}
}
