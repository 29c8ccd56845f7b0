package app_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

func (p *platform) testOffline(t *testing.T) {
	in := testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf")
	_, addr, _ := strings.Cut(p.env[0], "=")
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		_ = conn.Close()
		t.Fatalf("somebody serves %s", addr)
	}
	out := filepath.Join(t.TempDir(), "out.pdf")
	p.antin(t, "sign", in, "-o", out, "--key", "demo-official", "--level", "B-LT").want(t, 0)
	var reports []verdict
	p.antin(t, "verify", out, "--json").want(t, 0).decode(t, &reports)
	if len(reports) != 1 || reports[0].Verdict != "TOTAL-PASSED" || len(reports[0].Signatures) != 1 || reports[0].Signatures[0].Level != "B-LT" {
		t.Errorf("verified as %+v", reports)
	}
	got := tool(t, "pdfsig", "-nocert", out).want(t, 0)
	wantText(t, got.out, "Signature is Valid")
}
