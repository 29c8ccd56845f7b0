package hsm_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/hsm/vault"
	"github.com/antin-gov/antin/hsm/vault/vaulttest"
)

// startVaultWorker starts a key worker whose one token is the server's Transit
// engine, behind a cable.
func startVaultWorker(t *testing.T, server *vaulttest.Server, query string) (*hsm.Client, *hsm.Supervisor, *vaulttest.Cable) {
	t.Helper()
	cable := vaulttest.NewCable(t, server)
	settings := server.Config(vault.AuthAppRole)
	settings.Address = cable.Address
	settings.Timeout = 2 * time.Second
	cfg := hsm.WorkerConfig{Vault: &settings, Tokens: []string{"vault:token=vault" + query}, SocketPath: filepath.Join(shortDir(t), "s")}
	sup, err := hsm.StartWorker(context.WithoutCancel(t.Context()), hsmtest.Options(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := sup.Close()
		if err != nil {
			t.Error(err)
		}
	})
	client, err := hsm.Dial(t.Context(), cfg.SocketPath, hsm.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, sup, cable
}

// shortDir is a folder for a socket, whose whole path may have 107 bytes only.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hsm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestVaultTransitBehindTheKeyWorker(t *testing.T) {
	server := vaulttest.Start(t)
	client, sup, cable := startVaultWorker(t, server, "")
	t.Run("keys are made, listed and sign, whatever their label", func(t *testing.T) { vaultKeys(t, client) })
	t.Run("nothing is wrong or lost while the server is sealed, cut off and killed", func(t *testing.T) {
		vaultUnderLoad(t, server, client, sup, cable)
	})
	t.Run("what cannot be done now has a type", func(t *testing.T) { vaultErrors(t, server, client) })
	t.Run("a rotated key is refused until its version is pinned", func(t *testing.T) { vaultRotation(t, server, client) })
	t.Run("the probe tells what works and leaves nothing behind", func(t *testing.T) { vaultProbe(t, server, client) })
	t.Run("a wrong credential ends the start and is told", func(t *testing.T) { vaultRefused(t, server) })
	t.Run("the PIN of another token is kept in vault", func(t *testing.T) { pinInVault(t, server) })
}

func vaultKeys(t *testing.T, client *hsm.Client) {
	for label, algorithm := range map[string]string{
		"issuing-1": "EC-P256", "khóa cấp chứng thư/2": "EC-P384", "tsa": "EC-P521", "rsa": "RSA-2048", "ed": "Ed25519",
	} {
		pub, err := client.Generate(t.Context(), label, algorithm)
		if err != nil || hsm.AlgorithmOf(pub) != algorithm {
			t.Fatalf("%s: %v", algorithm, err)
		}
		_, err = client.Generate(t.Context(), label, algorithm)
		if !errors.Is(err, hsm.ErrExists) {
			t.Errorf("a label that is taken: %v", err)
		}
		signer, err := client.Signer(t.Context(), label)
		if err != nil {
			t.Fatal(err)
		}
		if edKey, ok := pub.(ed25519.PublicKey); ok {
			sig, err := signer.Sign(rand.Reader, []byte("tờ trình"), crypto.Hash(0))
			if err != nil || !ed25519.Verify(edKey, []byte("tờ trình"), sig) {
				t.Errorf("Ed25519 does not verify: %v", err)
			}
			continue
		}
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			digest := digestOf(hash, "tờ trình")
			sig, err := signer.Sign(rand.Reader, digest, hash)
			if err != nil {
				t.Fatal(err)
			}
			switch k := pub.(type) {
			case *ecdsa.PublicKey:
				if !ecdsa.VerifyASN1(k, digest, sig) {
					t.Errorf("%s with %s does not verify", algorithm, hash)
				}
			case *rsa.PublicKey:
				pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
				sigPSS, err := signer.Sign(rand.Reader, digest, pss)
				if err != nil || rsa.VerifyPKCS1v15(k, hash, digest, sig) != nil || rsa.VerifyPSS(k, hash, digest, sigPSS, pss) != nil {
					t.Errorf("%s with %s does not verify: %v", algorithm, hash, err)
				}
			}
		}
	}
	keys, err := client.Keys(t.Context())
	if err != nil || len(keys) != 5 || keys[4].Label != "tsa" {
		t.Errorf("%+v, %v", keys, err)
	}
}

// vaultUnderLoad signs with many callers while the server goes away in each of
// the ways in which it can.
func vaultUnderLoad(t *testing.T, server *vaulttest.Server, client *hsm.Client, sup *hsm.Supervisor, cable *vaulttest.Cable) {
	signer, err := client.Signer(t.Context(), "issuing-1")
	if err != nil {
		t.Fatal(err)
	}
	pub := signer.Public().(*ecdsa.PublicKey)
	var done, wrong, lost atomic.Int64
	var mu sync.Mutex
	var longest time.Duration
	last := time.Now()
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for w := range 16 {
		callers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				digest := digestOf(crypto.SHA256, fmt.Sprint(w, i))
				sig, err := signer.Sign(rand.Reader, digest, crypto.SHA256)
				switch {
				case err != nil:
					lost.Add(1)
					t.Errorf("a signature is lost: %v", err)
				case !ecdsa.VerifyASN1(pub, digest, sig):
					wrong.Add(1)
				default:
					done.Add(1)
				}
				mu.Lock()
				longest = max(longest, time.Since(last))
				last = time.Now()
				mu.Unlock()
			}
		})
	}
	more := func(n int64) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for want := done.Load() + n; done.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no more signatures after %d", done.Load())
			}
		}
	}
	restarts := sup.Restarts()
	for name, fault := range map[string]func(){
		"sealed and unsealed": func() { server.Seal(); awaitLoss(t, client); server.Unseal() },
		"cut off and mended":  func() { cable.Cut(); awaitLoss(t, client); cable.Mend() },
		"killed and started":  func() { server.Kill(); awaitLoss(t, client); server.Restart() },
	} {
		more(200)
		mu.Lock()
		longest, last = 0, time.Now()
		mu.Unlock()
		fault()
		more(200)
		mu.Lock()
		t.Logf("%s: longest gap %s", name, longest.Round(time.Millisecond))
		mu.Unlock()
	}
	close(stop)
	callers.Wait()
	t.Logf("%d signatures, %d wrong, %d lost", done.Load(), wrong.Load(), lost.Load())
	if wrong.Load() != 0 || lost.Load() != 0 || sup.Restarts() != restarts {
		t.Errorf("%d wrong, %d lost, %d restarts of the worker", wrong.Load(), lost.Load(), sup.Restarts()-restarts)
	}
}

// awaitLoss waits until the worker has noticed that its token is gone.
func awaitLoss(t *testing.T, client *hsm.Client) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		tokens, err := client.Tokens(t.Context())
		if err == nil && tokens[0].State == hsm.StateQuarantined {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the loss was not noticed: %+v, %v", tokens, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func vaultErrors(t *testing.T, server *vaulttest.Server, client *hsm.Client) {
	_, err := client.GenerateKey(t.Context(), hsm.NewKey{Label: "backup", Algorithm: "EC-P256", Backup: true})
	if !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("a key that could leave vault: %v", err)
	}
	server.Write("transit/keys/leaky", map[string]any{"type": "ecdsa-p256", "exportable": true})
	_, err = client.Signer(t.Context(), "leaky")
	if !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("an exportable key is served: %v", err)
	}
	server.Write("transit/keys/data", map[string]any{"type": "aes256-gcm96"})
	_, err = client.Signer(t.Context(), "data")
	if !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("a key that does not sign is served: %v", err)
	}
	keys, err := client.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if key.Label == "issuing-1" {
			err = client.DeleteKey(t.Context(), "vault", key.Label, key.ID)
			if !errors.Is(err, hsm.ErrDenied) {
				t.Errorf("the policies do not allow to delete a key: %v", err)
			}
		}
	}
}

func vaultRotation(t *testing.T, server *vaulttest.Server, client *hsm.Client) {
	signer, err := client.Signer(t.Context(), "issuing-1")
	if err != nil {
		t.Fatal(err)
	}
	server.Write("transit/keys/issuing-1/rotate", nil)
	for range 2 {
		_, err = signer.Sign(rand.Reader, digestOf(crypto.SHA256, "x"), crypto.SHA256)
		if !errors.Is(err, hsm.ErrKeyRotated) {
			t.Errorf("after a rotation: %v", err)
		}
	}
	other, err := client.Signer(t.Context(), "tsa")
	if err == nil {
		_, err = other.Sign(rand.Reader, digestOf(crypto.SHA256, "x"), crypto.SHA256)
	}
	if err != nil {
		t.Errorf("another key after a rotation: %v", err)
	}
	pinned, _, _ := startVaultWorker(t, server, "?key-versions=issuing-1:1")
	again, err := pinned.Signer(t.Context(), "issuing-1")
	if err != nil {
		t.Fatal(err)
	}
	digest := digestOf(crypto.SHA256, "x")
	sig, err := again.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest, sig) {
		t.Errorf("with the first version pinned: %v", err)
	}
}

func vaultProbe(t *testing.T, server *vaulttest.Server, client *hsm.Client) {
	probe, err := client.Probe(t.Context(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][3]string{
		{"EC-P256", "ecdsa", "SHA-256"}, {"EC-P384", "ecdsa", "SHA-384"}, {"EC-P521", "ecdsa", "SHA-512"},
		{"RSA-2048", "rsa-pkcs1", "SHA-256"}, {"RSA-3072", "rsa-pss", "SHA-384"}, {"RSA-4096", "rsa-pss", "SHA-512"}, {"Ed25519", "ed25519", ""},
	} {
		if !probe.Supports(want[0], want[1], want[2]) {
			t.Errorf("%v does not work: %+v", want, probe)
		}
	}
	list, err := server.Admin().Logical().List("transit/keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list.Data["keys"].([]any) {
		if strings.HasPrefix(name.(string), "antin-probe") {
			t.Errorf("the probe left %s behind", name)
		}
	}
}

func vaultRefused(t *testing.T, server *vaulttest.Server) {
	settings := server.Config(vault.AuthAppRole)
	settings.SecretIDFile = filepath.Join(t.TempDir(), "secret-id")
	err := os.WriteFile(settings.SecretIDFile, []byte("5f3a1b2c-0000-0000-0000-000000000000"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cfg := hsm.WorkerConfig{Vault: &settings, Tokens: []string{"vault:token=vault"}, SocketPath: filepath.Join(shortDir(t), "s")}
	_, err = hsm.StartWorker(t.Context(), hsmtest.Options(t, cfg))
	if !errors.Is(err, hsm.ErrPIN) || strings.Contains(err.Error(), "5f3a1b2c") {
		t.Errorf("a wrong SecretID: %v", err)
	}
}

// pinInVault opens a SoftHSM token with a PIN that is in no file.
func pinInVault(t *testing.T, server *vaulttest.Server) {
	soft := hsmtest.Init(t)
	pin, err := os.ReadFile(soft.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.Admin().KVv2("secret").Put(t.Context(), "antin/hsm", map[string]any{"pin": strings.TrimSpace(string(pin))})
	if err != nil {
		t.Fatal(err)
	}
	err = os.Remove(soft.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	cable := vaulttest.NewCable(t, server)
	settings := server.Config(vault.AuthAppRole)
	settings.Address = cable.Address
	start := func(source string) (*hsm.Client, error) {
		cfg := hsm.WorkerConfig{Vault: &settings, SoftHSMConf: soft.SoftHSMConf, SocketPath: filepath.Join(shortDir(t), "s"),
			Tokens: []string{"pkcs11:token=" + soft.TokenLabel + "?pin-source=" + source}}
		sup, err := hsm.StartWorker(context.WithoutCancel(t.Context()), hsmtest.Options(t, cfg))
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { sup.Close() })
		client, err := hsm.Dial(t.Context(), cfg.SocketPath, hsm.ClientOptions{})
		if err == nil {
			t.Cleanup(func() { client.Close() })
		}
		return client, err
	}
	client, err := start("vault:secret/antin/hsm#pin")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Generate(t.Context(), "k", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	cable.Cut()
	signer, err := client.Signer(t.Context(), "k")
	if err == nil {
		_, err = signer.Sign(rand.Reader, digestOf(crypto.SHA256, "x"), crypto.SHA256)
	}
	if err != nil {
		t.Errorf("a token that is logged in does not sign while vault is away: %v", err)
	}
	_, err = start("vault:secret/antin/hsm#pin")
	if !errors.Is(err, hsm.ErrUnreachable) {
		t.Errorf("a start while vault is away: %v", err)
	}
	cable.Mend()

	wrapped := filepath.Join(t.TempDir(), "wrapped")
	err = os.WriteFile(wrapped, []byte(server.Wrap("GET", "secret/data/antin/hsm")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = start("vault-wrapped:" + wrapped + "#pin")
	if err != nil {
		t.Errorf("a wrapped PIN: %v", err)
	}
	_, err = start("vault-wrapped:" + wrapped + "#pin")
	if !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("a wrapped PIN a second time: %v", err)
	}
}
