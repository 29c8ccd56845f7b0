// Package vaulttest gives tests a real Vault server: its own process with TLS,
// integrated storage on disk, the Transit and KV engines, AppRole and
// certificate login, and the sample policies of deploy/vault. `make
// vault-server` builds the program once; without it the tests skip.
package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/antin-gov/antin/hsm/vault"
)

// Version is the version of the server (deploy/vaulttest/go.mod).
const Version = "v1.21.0"

// startTime bounds how long the server may take to answer or to lead.
const startTime = 60 * time.Second

// Server is a running Vault server.
type Server struct {
	// Address is https://127.0.0.1:PORT.
	Address string
	// Dir holds the server's files; CAFile is the CA of its certificate.
	Dir, CAFile string
	// ClientCert and ClientKey are the credential of the certificate login.
	ClientCert, ClientKey string
	// RoleIDFile and SecretIDFile are the credential of the AppRole.
	RoleIDFile, SecretIDFile string

	tb    testing.TB
	bin   string
	cmd   *exec.Cmd
	log   *bytes.Buffer
	key   string // unseals
	admin *api.Client
}

// Program is the path of the server's program; the test is skipped when it has
// not been built.
func Program(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Skipf("Vault server absent: no cache folder: %v", err)
	}
	path := filepath.Join(cache, "antin", "vaulttest", "vault-"+Version)
	_, err = os.Stat(path)
	if err != nil {
		tb.Skip("Vault server absent: `make vault-server` builds it (some minutes, once)")
	}
	return path
}

// Start starts a server with the engines, logins and policies of the samples;
// it ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, bin: Program(tb), Dir: tb.TempDir(), log: &bytes.Buffer{}}
	port, cluster := freePort(tb), freePort(tb)
	s.Address = fmt.Sprintf("https://127.0.0.1:%d", port)
	s.makeCertificates()
	config := fmt.Sprintf(`
storage "raft" {
  path = %q
  node_id = "one"
  performance_multiplier = 1
}
listener "tcp" {
  address = "127.0.0.1:%d"
  cluster_address = "127.0.0.1:%d"
  tls_cert_file = %q
  tls_key_file = %q
}
disable_mlock = true
api_addr = %q
cluster_addr = "https://127.0.0.1:%d"
log_level = "warn"
`, s.path("raft"), port, cluster, s.path("server.pem"), s.path("server.key"), s.Address, cluster)
	s.write("vault.hcl", []byte(config))
	err := os.Mkdir(s.path("raft"), 0o700)
	if err != nil {
		tb.Fatalf("storage of vault: %v", err)
	}
	s.admin = s.newAdmin()
	s.run()
	tb.Cleanup(func() { s.Kill() })
	s.initialise()
	s.Unseal()
	s.setUp()
	return s
}

func (s *Server) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) write(name string, content []byte) string {
	s.tb.Helper()
	err := os.WriteFile(s.path(name), content, 0o600)
	if err != nil {
		s.tb.Fatalf("write %s: %v", name, err)
	}
	return s.path(name)
}

// newAdmin makes the client of the root token.
func (s *Server) newAdmin() *api.Client {
	s.tb.Helper()
	cfg := api.DefaultConfig()
	cfg.Address = s.Address
	err := cfg.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile})
	if err != nil {
		s.tb.Fatalf("client of vault: %v", err)
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		s.tb.Fatalf("client of vault: %v", err)
	}
	return client
}

// Admin is a client with the root token.
func (s *Server) Admin() *api.Client { return s.admin }

// run starts the process and waits until it answers.
func (s *Server) run() {
	s.tb.Helper()
	s.log.Reset()
	s.cmd = exec.Command(s.bin, "server", "-config="+s.path("vault.hcl"))
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = []string{"HOME=" + s.Dir, "PATH=" + os.Getenv("PATH")}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := s.cmd.Start()
	if err != nil {
		s.tb.Fatalf("start vault: %v", err)
	}
	s.await("answers", func(ctx context.Context) bool {
		_, err := s.admin.Sys().SealStatusWithContext(ctx)
		return err == nil
	})
}

// await waits for a condition of the server.
func (s *Server) await(what string, met func(context.Context) bool) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for !met(ctx) {
		select {
		case <-ctx.Done():
			s.tb.Fatalf("vault did not come so far that it %s; its log ends:\n%s", what, tail(s.log.String()))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

func (s *Server) initialise() {
	s.tb.Helper()
	resp, err := s.admin.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		s.tb.Fatalf("initialise vault: %v", err)
	}
	s.key = resp.KeysB64[0]
	s.admin.SetToken(resp.RootToken)
}

// Unseal opens the server and waits until it leads.
func (s *Server) Unseal() {
	s.tb.Helper()
	_, err := s.admin.Sys().Unseal(s.key)
	if err != nil {
		s.tb.Fatalf("unseal vault: %v", err)
	}
	s.await("leads", func(ctx context.Context) bool {
		health, err := s.admin.Sys().HealthWithContext(ctx)
		return err == nil && health.Initialized && !health.Sealed && !health.Standby
	})
}

// Seal closes the server: it answers and does nothing.
func (s *Server) Seal() {
	s.tb.Helper()
	err := s.admin.Sys().Seal()
	if err != nil {
		s.tb.Fatalf("seal vault: %v", err)
	}
}

// Kill ends the process as a power cut would.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.cmd == nil {
		return
	}
	err := s.cmd.Process.Kill()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("kill vault: %v", err)
	}
	_ = s.cmd.Wait() // "signal: killed"
	s.cmd = nil
}

// Restart kills the process, starts it on the same storage and unseals it.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	s.run()
	s.Unseal()
}

// Write writes to an API path with the root token.
func (s *Server) Write(path string, data map[string]any) *api.Secret {
	s.tb.Helper()
	secret, err := s.admin.Logical().Write(path, data)
	if err != nil {
		s.tb.Fatalf("write %s: %v", path, err)
	}
	return secret
}

// Wrap writes to an API path and gives a wrapping token of the answer.
func (s *Server) Wrap(method, path string) string {
	s.tb.Helper()
	client, err := s.admin.Clone()
	if err != nil {
		s.tb.Fatalf("client of vault: %v", err)
	}
	client.SetToken(s.admin.Token())
	client.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	var secret *api.Secret
	if method == http.MethodGet {
		secret, err = client.Logical().Read(path)
	} else {
		secret, err = client.Logical().Write(path, nil)
	}
	if err != nil || secret == nil || secret.WrapInfo == nil {
		s.tb.Fatalf("wrap %s: %v", path, err)
	}
	return secret.WrapInfo.Token
}

// setUp mounts the engines and logins and loads the sample policies.
func (s *Server) setUp() {
	s.tb.Helper()
	sys := s.admin.Sys()
	err := errors.Join(
		sys.Mount("transit", &api.MountInput{Type: "transit"}),
		sys.Mount("secret", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}),
		sys.EnableAuthWithOptions("approle", &api.EnableAuthOptions{Type: "approle"}),
		sys.EnableAuthWithOptions("cert", &api.EnableAuthOptions{Type: "cert"}))
	if err != nil {
		s.tb.Fatalf("set up vault: %v", err)
	}
	for _, name := range []string{"antin-sign", "antin-keys", "antin-pin"} {
		text, err := os.ReadFile(filepath.Join(moduleRoot(s.tb), "deploy", "vault", name+".hcl"))
		if err == nil {
			err = sys.PutPolicy(name, string(text))
		}
		if err != nil {
			s.tb.Fatalf("policy %s: %v", name, err)
		}
	}
	s.Role("20m", "24h", "antin-sign", "antin-keys", "antin-pin")
	pem, err := os.ReadFile(s.ClientCert)
	if err != nil {
		s.tb.Fatalf("client certificate: %v", err)
	}
	s.Write("auth/cert/certs/antin", map[string]any{"certificate": string(pem), "token_policies": "antin-sign,antin-keys", "token_ttl": "20m"})
	// The KV engine of version 2 upgrades itself after the mount.
	s.await("has its KV engine ready", func(ctx context.Context) bool {
		_, err := s.admin.KVv2("secret").Put(ctx, "antin/hsm", map[string]any{"pin": "not yet"})
		return err == nil
	})
}

// Role sets the AppRole's life and policies and writes its credential anew.
func (s *Server) Role(ttl, maxTTL string, policies ...string) {
	s.tb.Helper()
	s.Write("auth/approle/role/antin", map[string]any{
		"token_ttl": ttl, "token_max_ttl": maxTTL, "token_policies": strings.Join(policies, ","), "secret_id_ttl": "24h"})
	role, err := s.admin.Logical().Read("auth/approle/role/antin/role-id")
	if err != nil {
		s.tb.Fatalf("RoleID: %v", err)
	}
	s.RoleIDFile = s.write("role-id", []byte(role.Data["role_id"].(string)+"\n"))
	s.NewSecretID()
}

// NewSecretID replaces the AppRole's SecretID.
func (s *Server) NewSecretID() {
	s.tb.Helper()
	secret := s.Write("auth/approle/role/antin/secret-id", nil)
	s.SecretIDFile = s.write("secret-id", []byte(secret.Data["secret_id"].(string)+"\n"))
}

// Config is how a client logs in by that method.
func (s *Server) Config(auth string) vault.Config {
	cfg := vault.Config{Address: s.Address, CAFile: s.CAFile, Auth: auth}
	if auth == vault.AuthCert {
		cfg.CertFile, cfg.KeyFile, cfg.Role = s.ClientCert, s.ClientKey, "antin"
	} else {
		cfg.RoleIDFile, cfg.SecretIDFile = s.RoleIDFile, s.SecretIDFile
	}
	return cfg
}

// moduleRoot finds the folder of go.mod above the test.
func moduleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("working folder: %v", err)
	}
	for {
		_, err = os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}
