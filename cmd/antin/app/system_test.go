package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/cmd/antin/tour"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// TestSystem takes one system its whole way: made, used while nobody serves
// it, served, and asked by outside tools. The cases share the system, because
// making one takes seconds.
func TestSystem(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	t.Run("a folder without a system is told so", p.testNothing)
	p.init(t)
	t.Run("init makes nothing a second time", p.testInit)
	p.loadDemo(t)
	t.Run("a document is signed and verified with no server running", p.testOffline)
	t.Run("a machine's certificate that was written by half or lacks a name is made anew", p.testMachine)
	p.up(t)
	t.Run("everything answers over TLS by our own authority", p.testReady)
	t.Run("while the demonstration runs", func(t *testing.T) {
		t.Run("the demonstration succeeds twice", func(t *testing.T) {
			t.Parallel()
			p.testTour(t)
		})
		t.Run("others work", func(t *testing.T) {
			t.Parallel()
			runAll(t, []testCase{
				{"another process revokes and OCSP says so within a second", p.testRevocation},
				{"openssl follows certificates and lists and time-stamps", p.testOpenSSL},
				{"two people are needed for a certificate", p.testTwoPeople},
				{"machines get certificates by ACME and EST as officers agreed", p.testMachines},
				{"the gateway gives agreed fields or a reason and knows nobody without a certificate", p.testGateway},
				{"one changed byte of the ledger is named", p.testLedger},
				{"every page of the navigation opens", p.testPages},
				{"real documents are signed by every algorithm and no changed byte passes", p.testReal},
				{"every document of the corpus is signed or refused with a reason", p.testCorpus},
			})
		})
	})
	runAll(t, []testCase{
		{"every command leaves with the status that the contract names", p.testStatuses},
		{"1000 signatures outlive a killed key worker", p.testKilledWorker},
		{"the doctor finds nothing", p.testDoctor},
	})
}

type testCase struct {
	name string
	test func(*testing.T)
}

func runAll(t *testing.T, cases []testCase) {
	for _, c := range cases {
		t.Run(c.name, c.test)
	}
}

// TestSystemOverPostgreSQL takes the same way over the other database.
func TestSystemOverPostgreSQL(t *testing.T) {
	t.Parallel()
	dsn := storetest.PostgresDSN(t)
	p := newPlatform(t, "ANTIN_DATABASE_DSN="+dsn)
	p.init(t)
	p.loadDemo(t)
	p.up(t)
	t.Run("everything answers over TLS by our own authority", p.testReady)
	t.Run("the demonstration succeeds", p.tourOnce)
	t.Run("agencies are merged and dissolved", p.testReorganisation)
	_, err := os.Stat(filepath.Join(p.dir, "antin.db"))
	if err == nil {
		t.Error("a SQLite file was made beside PostgreSQL")
	}
}

func (p *platform) testNothing(t *testing.T) {
	got := p.antin(t, "ca", "list").want(t, 3)
	if !strings.Contains(got.err, "antin init") {
		t.Errorf("no next step in %q", got.err)
	}
}

func (p *platform) testInit(t *testing.T) {
	before := p.files(t)
	p.init(t)
	after := p.files(t)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != after[name] {
			t.Errorf("the second init changed %s", name)
		}
	}
	for name := range after {
		if _, known := before[name]; !known {
			t.Errorf("the second init made %s", name)
		}
	}
	if len(before) < 10 {
		t.Errorf("init made %d files only", len(before))
	}
	info, err := os.Stat(p.dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data folder: %v, %v", info.Mode(), err)
	}
}

// files gives the digest of each file whose content must stay: not the
// database, whose file changes when it is opened, nor the token's count of
// wrong PINs, which SoftHSM writes at each login.
func (p *platform) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(p.dir, path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(name, "antin.db") || d.Name() == "token.object" {
			return nil
		}
		sum := sha256.Sum256(readFile(t, path))
		files[name] = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (p *platform) testReady(t *testing.T) {
	_, port, err := net.SplitHostPort(p.addr.Console)
	if err != nil {
		t.Fatal(err)
	}
	for path, part := range map[string]string{"/readyz": `"ok"`, "/healthz": `"ok"`, "/": "<html", "/verify": "<html"} {
		status, body, _ := fetch(t, p.client(t), "https://localhost:"+port+path)
		if status != http.StatusOK || !bytes.Contains(body, []byte(part)) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	_, err = http.Get("https://" + p.addr.Console + "/readyz")
	if err == nil {
		t.Error("a client that does not know our authority had a session")
	}
	status, body, _ := fetch(t, http.DefaultClient, "http://"+p.addr.Metrics+"/metrics")
	if status != http.StatusOK || !bytes.Contains(body, []byte("go_goroutines")) {
		t.Errorf("metrics: %d %.200s", status, body)
	}
}

func (p *platform) testDoctor(t *testing.T) {
	var checks []struct{ Part, Problem string }
	got := p.antin(t, "doctor", "--json")
	got.decode(t, &checks)
	for _, c := range checks {
		if c.Problem != "" {
			t.Errorf("%s: %s", c.Part, c.Problem)
		}
	}
	if len(checks) < 7 || got.status != 0 {
		t.Errorf("status %d after %d checks", got.status, len(checks))
	}
}

func (p *platform) testTour(t *testing.T) {
	p.tourOnce(t)
	p.tourOnce(t)
}

// tourOnce runs the demonstration and looks at its table.
func (p *platform) tourOnce(t *testing.T) {
	dir := t.TempDir()
	lines, err := tour.Run(t.Context(), p.sys, dir, func(string) {})
	for _, l := range lines {
		t.Logf("%-20s %-16s %8s  %s", l.Step, l.Result, l.Took, l.Evidence)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ step, result, evidence string }{
		{"enrol official", "issued", "own approval refused"},
		{"enrol agency", "issued", "approved by thu.vt"},
		{"sign", "released", "B-LT, second reader agrees"},
		{"seal", "released", "the unsigned document was refused"},
		{"verify", "TOTAL-PASSED", "one bit changed: TOTAL-FAILED"},
		{"attack", "one case", "after the last packet"},
		{"drill started", "running", "approved by hang.nt"},
		{"drill worked", "closed", "without the exercise mark"},
		{"drill scored", "points", "TOTAL-PASSED"},
		{"data, permitted", "200", "agreed fields"},
		{"data, refused", "403", "legal basis"},
		{"data, no certificate", "no TLS session", "certificate"},
		{"ledger", "verified", "entries"},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(lines), len(want))
	}
	for i, w := range want {
		l := lines[i]
		if l.Step != w.step || !strings.Contains(l.Result, w.result) || !strings.Contains(l.Evidence, w.evidence) || l.Took <= 0 {
			t.Errorf("line %d is %+v, want %v", i+1, l, w)
		}
	}
	for _, name := range []string{"chi-thi.sealed.pdf", "dien-tap.pdf"} {
		got := tool(t, "pdfsig", "-nocert", filepath.Join(dir, name)).want(t, 0)
		if !strings.Contains(got.out, "Signature is Valid") || strings.Contains(got.out, "Signature is Invalid") {
			t.Errorf("pdfsig on %s: %s", name, got.out)
		}
		tool(t, "qpdf", "--check", filepath.Join(dir, name)).want(t, 0)
	}
	events := readFile(t, filepath.Join(dir, "eve.json"))
	for line := range bytes.Lines(events) {
		if !json.Valid(line) {
			t.Errorf("eve.json holds %q", line)
		}
	}
}
