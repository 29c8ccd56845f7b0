package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

// node is an authority of a test: a name with a key.
type node struct {
	name string
	key  *ecdsa.PrivateKey
}

func newNode(tb testing.TB, name string) node {
	tb.Helper()
	return node{name, trusttest.ECKey(tb)}
}

// web makes certificates between nodes.
type web struct {
	tb  testing.TB
	now time.Time
	n   int64
}

func (w *web) certify(subject, issuer node, edits ...func(*x509.Certificate)) *x509.Certificate {
	w.tb.Helper()
	w.n++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(w.n), Subject: pkix.Name{CommonName: subject.name, Organization: []string{"Ban Thử nghiệm"}}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(time.Hour),
	}
	for _, edit := range edits {
		edit(template)
	}
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: issuer.name, Organization: []string{"Ban Thử nghiệm"}}}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.key.Public(), issuer.key)
	if err != nil {
		w.tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		w.tb.Fatal(err)
	}
	return cert
}

// person makes a certificate an end entity's.
func person(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature
}

func (w *web) validate(anchor, leaf *x509.Certificate, request trust.Request, middle ...*x509.Certificate) (*trust.Path, trust.PathReason) {
	w.tb.Helper()
	store, err := trust.NewStore([]*x509.Certificate{anchor}, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	request.At, request.Intermediates = w.now, middle
	path, err := store.ValidatePath(context.Background(), leaf, request)
	var failure *trust.PathError
	if err == nil {
		return path, ""
	}
	if !errors.As(err, &failure) {
		w.tb.Fatalf("error without a reason: %v", err)
	}
	return nil, failure.Reason
}

func TestPathsLeadOverCrossCertificatesAndRollover(t *testing.T) {
	w := &web{tb: t, now: time.Now()}
	oldRoot, newRoot, ca, a := newNode(t, "Gốc"), newNode(t, "Gốc"), newNode(t, "Cấp"), newNode(t, "A")
	anchor := w.certify(oldRoot, oldRoot)
	newWithOld, oldWithNew := w.certify(newRoot, oldRoot), w.certify(oldRoot, newRoot)
	issuer := w.certify(ca, newRoot)
	leaf := w.certify(a, ca, person)
	path, why := w.validate(anchor, leaf, trust.Request{}, oldWithNew, issuer, newWithOld)
	if why != "" || len(path.Certificates) != 4 || !path.Certificates[2].Equal(newWithOld) {
		t.Fatalf("rollover: %v %s", path, why)
	}
	// A bridge: the authority is certified by two roots, one way is expired.
	other := newNode(t, "Gốc khác")
	stale := w.certify(ca, oldRoot, func(c *x509.Certificate) { c.NotAfter = w.now.Add(-time.Minute) })
	crossed, bridge := w.certify(ca, other), w.certify(other, oldRoot)
	path, why = w.validate(anchor, leaf, trust.Request{}, stale, crossed, bridge)
	if why != "" || len(path.Certificates) != 4 {
		t.Fatalf("bridge: %v %s", path, why)
	}
	// The caller's own rule moves the search on to the next path.
	direct := w.certify(ca, oldRoot)
	path, why = w.validate(anchor, leaf, trust.Request{Accept: func(_ context.Context, path *trust.Path) error {
		if len(path.Certificates) == 3 {
			return errors.New("not this one")
		}
		return nil
	}}, direct, crossed, bridge)
	if why != "" || len(path.Certificates) != 4 {
		t.Errorf("refused path: %v %s", path, why)
	}
}

func TestTheSearchHasLimits(t *testing.T) {
	w := &web{tb: t, now: time.Now()}
	root, a := newNode(t, "Gốc"), newNode(t, "A")
	anchor := w.certify(root, root)
	var nodes []node
	for n := range 14 {
		nodes = append(nodes, newNode(t, fmt.Sprintf("N%d", n)))
	}
	// Every authority certifies every other: the ways grow as 14!.
	var maze []*x509.Certificate
	for _, from := range nodes {
		for _, to := range nodes {
			if from.name != to.name {
				maze = append(maze, w.certify(to, from))
			}
		}
	}
	leaf := w.certify(a, nodes[0], person)
	began := time.Now()
	_, why := w.validate(anchor, leaf, trust.Request{}, maze...)
	if why != trust.PathTooMany || time.Since(began) > 20*time.Second {
		t.Errorf("a maze without a way out: %s after %s", why, time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store, err := trust.NewStore([]*x509.Certificate{anchor}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.ValidatePath(ctx, leaf, trust.Request{At: w.now, Intermediates: maze})
	var failure *trust.PathError
	if !errors.As(err, &failure) || failure.Reason != trust.PathInterrupted {
		t.Errorf("a caller that gave up: %v", err)
	}
	flood := make([]*x509.Certificate, 300)
	for n := range flood {
		flood[n] = maze[n%len(maze)]
	}
	_, why = w.validate(anchor, leaf, trust.Request{}, flood...)
	if why != trust.PathTooMany {
		t.Errorf("a flood of certificates: %s", why)
	}
}

// TestPolicyMappingsDoNotMultiply is the attack that RFC 9618 §2 describes:
// policies that map to each other double the tree of RFC 5280 at every level.
func TestPolicyMappingsDoNotMultiply(t *testing.T) {
	w := &web{tb: t, now: time.Now()}
	root := newNode(t, "Gốc")
	anchor := w.certify(root, root)
	policy := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 3, n} }
	type pair struct{ From, To asn1.ObjectIdentifier }
	const wide = 16
	var mappings []pair
	for from := range wide {
		for to := range wide {
			mappings = append(mappings, pair{policy(from), policy(to)})
		}
	}
	value, err := asn1.Marshal(mappings)
	if err != nil {
		t.Fatal(err)
	}
	var infos []struct{ ID asn1.ObjectIdentifier }
	for n := range wide {
		infos = append(infos, struct{ ID asn1.ObjectIdentifier }{policy(n)})
	}
	policies, err := asn1.Marshal(infos)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions,
			pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: policies}, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 33}, Critical: true, Value: value})
	}
	above := root
	var middle []*x509.Certificate
	for n := range 12 {
		next := newNode(t, fmt.Sprintf("N%d", n))
		middle = append(middle, w.certify(next, above, edit))
		above = next
	}
	leaf := w.certify(newNode(t, "A"), above, person, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: policies}}
	})
	began := time.Now()
	path, why := w.validate(anchor, leaf, trust.Request{Policies: trust.Policies{RequireExplicit: true}}, middle...)
	if why != "" || len(path.Policies) != wide || time.Since(began) > 5*time.Second {
		t.Errorf("%v %s after %s", path, why, time.Since(began))
	}
	_, why = w.validate(anchor, leaf, trust.Request{Policies: trust.Policies{RequireExplicit: true, Accept: []string{"1.2.3.99"}}}, middle...)
	if why != trust.PathPolicy {
		t.Errorf("a policy that nobody has: %s", why)
	}
}

func TestNamesAreHeldAgainstConstraints(t *testing.T) {
	w := &web{tb: t, now: time.Now()}
	root, ca, a := newNode(t, "Gốc"), newNode(t, "Cấp"), newNode(t, "A")
	anchor := w.certify(root, root)
	uri := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	_, network, err := net.ParseCIDR("10.1.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name       string
		constraint func(*x509.Certificate)
		leaf       func(*x509.Certificate)
		stands     bool
	}{
		{"a DNS name below the permitted one", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.vn"} }, func(c *x509.Certificate) { c.DNSNames = []string{"a.EXAMPLE.vn"} }, true},
		{"one that only ends alike", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.vn"} }, func(c *x509.Certificate) { c.DNSNames = []string{"badexample.vn"} }, false},
		{"a wildcard over an excluded name", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"x.example.vn"} }, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.vn"} }, false},
		{"a wildcard beside an excluded name", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"x.example.vn"} }, func(c *x509.Certificate) { c.DNSNames = []string{"*.other.vn"} }, true},
		{"a mailbox on the permitted host", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.vn"} }, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.vn"} }, true},
		{"a mailbox on a host below it", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.vn"} }, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@x.example.vn"} }, false},
		{"a mailbox in the subject", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.vn"} }, func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@other.vn"}}
		}, false},
		{"a URI on a permitted host", func(c *x509.Certificate) { c.PermittedURIDomains = []string{".example.vn"} }, func(c *x509.Certificate) { c.URIs = []*url.URL{uri("https://a.example.vn/x")} }, true},
		{"a URI without a host", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.vn"} }, func(c *x509.Certificate) { c.URIs = []*url.URL{uri("urn:example:vn")} }, false},
		{"an address in the permitted range", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} }, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3)} }, true},
		{"an address outside", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} }, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 2, 2, 3)} }, false},
		{"an address of the other family", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} }, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv6loopback} }, false},
		{"a form without a constraint", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} }, func(c *x509.Certificate) { c.DNSNames = []string{"any.vn"} }, true},
		{"a form that cannot be compared, constrained", func(c *x509.Certificate) {
			// permitted registeredID 1.2.3
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: true, Value: []byte{0x30, 8, 0xa0, 6, 0x30, 4, 0x88, 2, 0x2a, 3}}}
		}, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 4, 0x88, 2, 0x2a, 3}}}
		}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.tb = t
			issuer := w.certify(ca, root, c.constraint)
			leaf := w.certify(a, ca, person, c.leaf)
			_, why := w.validate(anchor, leaf, trust.Request{}, issuer)
			if (why == "") != c.stands || why != "" && why != trust.PathConstraint {
				t.Errorf("got %q, stands: %v", why, c.stands)
			}
		})
	}
}

func TestWeakKeysAndTheStrengthRule(t *testing.T) {
	w := &web{tb: t, now: time.Now()}
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := newNode(t, "Gốc")
	anchor := w.certify(root, root)
	_, why := w.validate(anchor, w.certify(node{"A", key}, root, person), trust.Request{})
	if why != trust.PathWeak {
		t.Errorf("P-224: %q", why)
	}
	authority := newNode(t, "Cấp")
	above := w.certify(authority, root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} })
	leaf := w.certify(newNode(t, "B"), authority, person, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	_, why = w.validate(anchor, leaf, trust.Request{Purpose: trust.PurposeServer}, above)
	if why != trust.PathKeyUsage {
		t.Errorf("a server below an authority over mail: %q", why)
	}
}

// BenchmarkValidatePath holds our validation beside crypto/x509's, over the
// same chain of three and over the same cross-certified pool.
func BenchmarkValidatePath(b *testing.B) {
	w := &web{tb: b, now: time.Now()}
	root, ca, a := newNode(b, "Gốc"), newNode(b, "Cấp"), newNode(b, "A")
	anchor, issuer := w.certify(root, root), w.certify(ca, root)
	leaf := w.certify(a, ca, person)
	store, err := trust.NewStore([]*x509.Certificate{anchor}, []*x509.Certificate{issuer})
	if err != nil {
		b.Fatal(err)
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(anchor)
	middle.AddCert(issuer)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := store.ValidatePath(context.Background(), leaf, trust.Request{At: w.now})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("crypto-x509", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, CurrentTime: w.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
