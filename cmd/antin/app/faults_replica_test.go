package app_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/cmd/antin/app"
)

// envReplica makes the test binary a replica of the certification centre.
const envReplica = "ANTIN_TEST_REPLICA"

// replicaOrder is what a replica is told on its standard input.
type replicaOrder struct {
	Name    string
	Options app.Options
	// Certificates is how many it issues; every fifth it revokes.
	Certificates int
}

// runIfReplica becomes a replica when the binary was started as one: it opens
// the system, keeps its lists and answers as every process of the centre does,
// issues and revokes, and prints each serial number once the certificate is in
// its hands.
func runIfReplica() {
	if os.Getenv(envReplica) == "" {
		return
	}
	err := replica()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

func replica() error {
	var order replicaOrder
	err := json.NewDecoder(os.Stdin).Decode(&order)
	if err != nil {
		return err
	}
	order.Options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := app.Open(ctx, order.Options)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { _ = s.CA.Run(ctx) })
	officer, err := s.As(ctx, "thu.vt")
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	for i := range order.Certificates {
		name := fmt.Sprintf("%s-%d", order.Name, i)
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
		if err != nil {
			return err
		}
		row, err := s.CA.IssueService(ctx, ca.ServiceForm{Profile: "client", Machine: name, AgencyID: "thue", CSR: csr, Actor: "system:replica"})
		if err != nil {
			return fmt.Errorf("issue %s: %w", name, err)
		}
		fmt.Println(row.Serial)
		if i%5 == 0 {
			_, err = s.CA.Revoke(officer, row.Serial, "key-exposed", "")
			if err != nil {
				return fmt.Errorf("revoke %s: %w", name, err)
			}
		}
	}
	cancel()
	running.Wait()
	return s.Close()
}

// replicaRun is a replica under way.
type replicaRun struct {
	cmd     *exec.Cmd
	errs    bytes.Buffer
	mu      sync.Mutex
	serials []string // guarded by mu
	done    chan error
}

func (r *replicaRun) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.serials)
}

func (p *platform) startReplica(t *testing.T, name string, n int) *replicaRun {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := p.options(t)
	o.Logger, o.Clock = nil, nil
	order, err := json.Marshal(replicaOrder{Name: name, Options: o, Certificates: n})
	if err != nil {
		t.Fatal(err)
	}
	r := &replicaRun{cmd: exec.Command(self), done: make(chan error, 1)}
	r.cmd.Env = append(os.Environ(), envReplica+"=1")
	r.cmd.Stdin, r.cmd.Stderr = bytes.NewReader(order), &r.errs
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			r.mu.Lock()
			r.serials = append(r.serials, lines.Text())
			r.mu.Unlock()
		}
		r.done <- r.cmd.Wait()
	}()
	return r
}

// Certificates of each replica, and how many the killed one has issued by then.
const (
	replicaCertificates = 120
	replicaKilledAt     = 40
)

// replicas lets two more processes of the centre work on the same database,
// kills one in the middle, and looks for doubles.
func (p *platform) replicas(t *testing.T) faultRow {
	row := faultRow{fault: "two replicas on one PostgreSQL, one killed while issuing", act: "issue and revoke, both at the same time"}
	t.Run("two replicas", func(t *testing.T) {
		began := time.Now()
		killed, other := p.startReplica(t, "replica-a", replicaCertificates), p.startReplica(t, "replica-b", replicaCertificates)
		for killed.count() < replicaKilledAt {
			select {
			case err := <-killed.done:
				t.Fatalf("the replica ended: %v: %s", err, killed.errs.String())
			case <-time.After(5 * time.Millisecond):
			}
			if time.Since(began) > actLimit {
				t.Fatal("the replica does not get on")
			}
		}
		err := killed.cmd.Process.Kill()
		if err != nil {
			t.Fatal(err)
		}
		<-killed.done
		err = <-other.done
		if err != nil || other.count() != replicaCertificates {
			t.Fatalf("the other replica: %v after %d certificates: %s", err, other.count(), other.errs.String())
		}
		row.took = time.Since(began)
		given := append(killed.serials, other.serials...)
		row.record = p.noDoubles(t, given)
		row.sees = fmt.Sprintf("%d certificates from the one that was killed, %d of %d from the other, no error", len(killed.serials), len(other.serials), replicaCertificates)
		row.after = "the other went on"
	})
	return row
}

// noDoubles checks serial numbers, ledger entries and list numbers.
func (p *platform) noDoubles(t *testing.T, given []string) string {
	t.Helper()
	seen := map[string]bool{}
	for _, serial := range given {
		if seen[serial] {
			t.Errorf("serial number %s was given twice", serial)
		}
		seen[serial] = true
	}
	var rows []ca.Certificate
	err := p.sys.DB.NewSelect().Model(&rows).Where("machine LIKE 'replica-%'").Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries := map[int64]string{}
	issued := map[string]bool{}
	for i := range rows {
		r := &rows[i]
		if r.State != ca.StateIssued {
			continue
		}
		cert, err := r.X509()
		if err != nil || r.IssueIndex == nil || profile.FormatSerial(cert.SerialNumber) != r.Serial {
			t.Errorf("certificate %s: ledger entry %v, %v", r.Serial, r.IssueIndex, err)
			continue
		}
		if entries[*r.IssueIndex] != "" {
			t.Errorf("ledger entry %d is of %s and of %s", *r.IssueIndex, entries[*r.IssueIndex], r.Serial)
		}
		entries[*r.IssueIndex], issued[r.Serial] = r.Serial, true
	}
	for serial := range seen {
		if !issued[serial] {
			t.Errorf("certificate %s was given and is not in the register", serial)
		}
	}
	lists := p.listNumbers(t)
	return fmt.Sprintf("%d given, all in register and ledger, no serial number twice; %d lists, no number twice", len(given), lists)
}

// listNumbers checks that no two lists of an issuer carry one number and that
// later ones carry higher ones.
func (p *platform) listNumbers(t *testing.T) int {
	t.Helper()
	var rows []struct {
		Issuer string
		Part   int64
		Delta  int64
		Number int64
		DER    []byte `bun:"der"`
	}
	err := p.sys.DB.NewSelect().Table("ca_crl_list").Column("issuer", "part", "delta", "number", "der").
		Where("der IS NOT NULL").OrderExpr("issuer, part, delta, number").Scan(t.Context(), &rows)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]*x509.RevocationList{}
	for _, r := range rows {
		list, err := x509.ParseRevocationList(r.DER)
		if err != nil {
			t.Fatal(err)
		}
		kind := fmt.Sprintf("%s, part %d, delta %d", r.Issuer, r.Part, r.Delta)
		before := last[kind]
		if before != nil && (list.Number.Cmp(before.Number) <= 0 || list.ThisUpdate.Before(before.ThisUpdate)) {
			t.Errorf("list %s of %s does not follow %s", list.Number, kind, before.Number)
		}
		last[kind] = list
	}
	return len(rows)
}
