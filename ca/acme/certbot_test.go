package acme_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCertbotIssuesAndRenews(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	c, secret := w.Credential(t, form())
	dir := t.TempDir()
	root := filepath.Join(dir, "root.pem") // of the test's own listener
	check(t, os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.listener.Certificate().Raw}), 0o600))
	ini := filepath.Join(dir, "cli.ini")
	check(t, os.WriteFile(ini, fmt.Appendf(nil, "server = %s/acme/directory\neab-kid = %s\neab-hmac-key = %s\nregister-unsafely-without-email = true\nagree-tos = true\n"+
		"non-interactive = true\nconfig-dir = %[4]s/etc\nwork-dir = %[4]s/lib\nlogs-dir = %[4]s/log\nhttp-01-port = %d\nhttp-01-address = 127.0.0.1\n",
		w.url, c.ID, secret, dir, w.httpPort), 0o600))
	certbot := func(args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "certbot", append(args, "--config", ini, "--no-random-sleep-on-renew")...)
		cmd.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE="+root)
		out, err := cmd.CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("certbot is not installed")
		}
		if err != nil {
			t.Fatalf("certbot %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	live := filepath.Join(dir, "etc", "live", "www.so.example")
	read := func() []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(live, "fullchain.pem"))
		check(t, err)
		return b
	}
	certbot("certonly", "--standalone", "-d", "www.so.example", "-d", "so-hai.so.example")
	first := w.look(t, read(), "service", "www.so.example", "so-hai.so.example")
	certbot("renew", "--force-renewal")
	second := w.look(t, read(), "service", "www.so.example", "so-hai.so.example")
	if first.Equal(second) {
		t.Error("the renewed certificate is the old one")
	}
	certbot("revoke", "--cert-path", filepath.Join(live, "cert.pem"), "--reason", "keycompromise", "--no-delete-after-revoke")
	if n := w.Entries(t, "ca.acme.revoke"); n != 1 {
		t.Errorf("%d revocations in the ledger", n)
	}
}
