package ca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// envLintDir names a folder that gets every certificate of the test as PEM, for
// a lint program outside this one.
const envLintDir = "ANTIN_LINT_DIR"

// holderKeys are keys of the kinds that profiles take; the RSA ones are few,
// because making them takes long.
func holderKeys(t testing.TB) []any {
	t.Helper()
	keys := []any{p256(t), p256(t), p256(t)}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	keys = append(keys, p384)
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	return append(keys, k)
}

// holder is the nth holder of a profile.
func holder(p string, n int) profile.Facts {
	f := profile.Facts{AgencyID: fmt.Sprintf("agency-%d", n%40), AgencyCode: fmt.Sprintf("H%02d.%d", n%99, n), AgencyName: fmt.Sprintf("Ủy ban nhân dân xã Tân Lập %d", n%40)}
	switch p {
	case "official":
		f.PersonID, f.PersonName, f.PositionTitle, f.Email = fmt.Sprintf("p-%d", n), "Nguyễn Thị Hồng Nhung", "Phó Chủ tịch", fmt.Sprintf("p%d@demo.antin.example", n)
	case "agency-seal":
	default:
		f.MachineName = fmt.Sprintf("%s-%d", p, n)
		f.DNSNames, f.IPs = []string{fmt.Sprintf("m%d.antin.example", n)}, []net.IP{net.IPv4(10, 0, byte(n>>8), byte(n))}
	}
	return f
}

func TestAThousandCertificatesOfAllProfilesPassZlint(t *testing.T) {
	t.Parallel()
	m := newMachine(t, storetest.SQLite(t, schema()...), ca.Config{})
	check(t, ca.Init(t.Context(), m.deps, m.deps.Config))
	// root, cross, issuer, ocsp and tsa come with two generations of everything
	_, err := m.authorities(t).Rollover(as(t, admin), "root")
	check(t, err)
	m.start(t)
	ders := make(map[string][]byte)
	for name, text := range m.service.Export() {
		ders[name] = pemBytes(t, text)
	}
	var requests [][]byte
	for _, key := range holderKeys(t) {
		requests = append(requests, pemBytes(t, csr(t, key)))
	}
	profiles := []string{"official", "agency-seal", "service", "client", "device", "sensor"}
	total := 1000
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	for range 32 {
		wg.Go(func() {
			for n := range next {
				p := profiles[n%len(profiles)]
				r := requests[n/len(profiles)%len(requests)]
				if p == "sensor" { // elliptic keys only
					r = requests[n/len(profiles)%4]
				}
				// each issue has a request of its own: it is what the order waits under
				request, err := x509.ParseCertificateRequest(r)
				if err != nil {
					t.Error(err)
					continue
				}
				c, err := m.service.IssueTo(t.Context(), p, request, holder(p, n))
				if err != nil {
					t.Errorf("%s %d: %v", p, n, err)
					continue
				}
				mu.Lock()
				ders[fmt.Sprintf("%s-%d.pem", p, n)] = c.DER
				mu.Unlock()
			}
		})
	}
	for n := len(ders); n < total; n++ {
		next <- n
	}
	close(next)
	wg.Wait()
	linter, err := profile.NewLinter()
	check(t, err)
	kinds := make(map[string]int)
	for name, der := range ders {
		_, err = linter.Check(der)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, r := range name {
			if r == '-' {
				kinds[name[:i]]++
				break
			}
		}
	}
	t.Logf("%d certificates linted: %v", len(ders), kinds)
	if len(ders) < total {
		t.Errorf("%d certificates, want %d", len(ders), total)
	}
	dir := os.Getenv(envLintDir)
	if dir == "" {
		return
	}
	for name, der := range ders {
		check(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	}
}

func TestTwoReplicasUnderLoadNeverUseASerialNumberTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		m := newMachine(t, db, ca.Config{})
		check(t, ca.Init(t.Context(), m.deps, m.deps.Config))
		m.start(t)
		other, err := ca.New(t.Context(), m.deps)
		check(t, err)
		request := csr(t, p256(t))
		const each = 60
		var mu sync.Mutex
		serials := make(map[string]bool)
		var wg sync.WaitGroup
		for i, s := range []*ca.Service{m.service, other} {
			for n := range each {
				wg.Go(func() {
					c, err := s.IssueService(t.Context(), ca.ServiceForm{Profile: "device", Machine: fmt.Sprintf("r%d-%d", i, n), CSR: request, Actor: "system:test"})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if serials[c.Serial] {
						t.Errorf("%s twice", c.Serial)
					}
					serials[c.Serial] = true
				})
			}
		}
		wg.Wait()
		n, err := db.NewSelect().TableExpr("ca_certificate").Where("state = 'issued'").Where("profile = 'device'").Where("issue_index IS NOT NULL").Count(t.Context())
		check(t, err)
		if n != 2*each || len(serials) != 2*each {
			t.Errorf("%d in the register, %d serial numbers, want %d", n, len(serials), 2*each)
		}
	})
}
