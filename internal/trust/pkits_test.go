package trust_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
)

// pkitsTime lies in the validity of the suite's certificates that are meant to
// be valid (2010 to 2030).
func pkitsTime() time.Time { return time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC) }

// pkitsVector is one test of the NIST PKI test suite as Go's own tests hold it.
type pkitsVector struct {
	Name              string
	CertPath, CRLPath []string
	InitialPolicySet  []string
	InitialPolicyMappingInhibit, InitialExplicitPolicy,
	InitialAnyPolicyInhibit, ShouldValidate bool
}

// pkitsDir returns the folder of vectors and certificates that comes with the
// Go distribution.
func pkitsDir(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Skipf("where Go lies is not known: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "src/crypto/x509/testdata/nist-pkits")
	_, err = os.Stat(dir)
	if err != nil {
		tb.Skipf("this Go distribution comes without the PKITS certificates: %v", err)
	}
	return dir
}

func pkitsCertificate(tb testing.TB, dir, name string) *x509.Certificate {
	tb.Helper()
	der, err := os.ReadFile(filepath.Join(dir, "certs", name))
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := trust.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return cert
}

func pkitsVectors(tb testing.TB, dir string) []pkitsVector {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "vectors.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var vectors []pkitsVector
	err = json.Unmarshal(data, &vectors)
	if err != nil {
		tb.Fatal(err)
	}
	return vectors
}

// TestPKITS runs the 249 vectors with revocation: the path is built, not given,
// and every certificate of it must be known as good. The suite has DSA and
// SHA-1 in three vectors, which production refuses; the rule is loosened here.
func TestPKITS(t *testing.T) {
	crls := testkit.Data(t, "pkits/crls")
	dir := pkitsDir(t)
	for _, vector := range pkitsVectors(t, dir) {
		t.Run(vector.Name, func(t *testing.T) {
			err := vector.validate(t, dir, crls)
			if (err == nil) != vector.ShouldValidate {
				t.Errorf("got %v, should validate: %v", err, vector.ShouldValidate)
			}
		})
	}
}

var errPKITSStatus = errors.New("not known as good")

func (v pkitsVector) validate(t *testing.T, dir, crls string) error {
	t.Helper()
	var certs []*x509.Certificate
	for _, name := range v.CertPath {
		certs = append(certs, pkitsCertificate(t, dir, name))
	}
	var evidence trust.Evidence
	for _, name := range v.CRLPath {
		der, err := os.ReadFile(filepath.Join(crls, name))
		if err != nil {
			t.Fatal(err)
		}
		evidence.AddCRL(der)
	}
	last := len(certs) - 1
	store, err := trust.NewStore(certs[:1], nil)
	if err != nil {
		t.Fatal(err)
	}
	evidence.Certificates = certs[1:last]
	strength := trust.Strength{MinRSABits: 1024, AllowSHA1: true, AllowDSA: true}
	_, err = store.ValidatePath(context.Background(), certs[last], trust.Request{
		At: pkitsTime(), Evidence: evidence, Strength: strength, Policies: v.policies(),
		Accept: func(ctx context.Context, path *trust.Path) error {
			request := trust.RevocationRequest{At: pkitsTime(), Evidence: evidence, Strength: strength}
			for n, status := range store.CheckPath(ctx, path, request) {
				if status.Status != trust.RevocationGood {
					return fmt.Errorf("%w: %s: %s", errPKITSStatus, path.Certificates[n].Subject, status)
				}
			}
			return nil
		},
	})
	return err
}

func (v pkitsVector) policies() trust.Policies {
	oids := map[string]string{"anyPolicy": "2.5.29.32.0"}
	for n := 1; n <= 9; n++ {
		oids[fmt.Sprintf("NIST-test-policy-%d", n)] = fmt.Sprintf("2.16.840.1.101.3.2.1.48.%d", n)
	}
	p := trust.Policies{
		RequireExplicit: v.InitialExplicitPolicy, InhibitMapping: v.InitialPolicyMappingInhibit, InhibitAny: v.InitialAnyPolicyInhibit,
	}
	for _, name := range v.InitialPolicySet {
		p.Accept = append(p.Accept, oids[name])
	}
	return p
}
