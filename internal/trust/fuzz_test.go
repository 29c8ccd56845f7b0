package trust_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
)

// FuzzParseCRL reads lists and looks a certificate up in them; where crypto/x509
// reads the list too, both must agree on every entry.
func FuzzParseCRL(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(f, "pkits/crls"), "*.crl"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		der, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := trust.ParseCRL(der)
		if err != nil {
			if !errors.Is(err, trust.ErrCRLMalformed) {
				t.Fatalf("error without its kind: %v", err)
			}
			return
		}
		count, err := c.Len()
		if err != nil {
			return
		}
		theirs, err := x509.ParseRevocationList(der)
		if err != nil {
			return
		}
		if count != len(theirs.RevokedCertificateEntries) {
			t.Fatalf("%d entries, crypto/x509 reads %d", count, len(theirs.RevokedCertificateEntries))
		}
		if indirect(theirs) {
			return
		}
		for _, entry := range theirs.RevokedCertificateEntries {
			_, ok := c.LookupSerial(theirs.RawIssuer, entry.SerialNumber)
			if !ok && !criticalEntry(theirs) {
				t.Fatalf("serial number %s is on the list and not found", entry.SerialNumber)
			}
		}
	})
}

func indirect(list *x509.RevocationList) bool {
	for _, ext := range list.Extensions {
		if ext.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 28}) {
			return true
		}
	}
	return false
}

func criticalEntry(list *x509.RevocationList) bool {
	for _, entry := range list.RevokedCertificateEntries {
		for _, ext := range entry.Extensions {
			if ext.Critical {
				return true
			}
		}
	}
	return false
}

// FuzzParseCertificate must read whatever crypto/x509 reads, and what it reads
// must be good enough for the whole way through validation.
func FuzzParseCertificate(f *testing.F) {
	dir := pkitsDir(f)
	files, err := filepath.Glob(filepath.Join(dir, "certs", "*.crt"))
	if err != nil {
		f.Fatal(err)
	}
	for n, file := range files {
		if n%4 != 0 && filepath.Base(file)[0] != 'D' {
			continue
		}
		der, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	anchor := pkitsCertificate(f, dir, "TrustAnchorRootCertificate.crt")
	store, err := trust.NewStore([]*x509.Certificate{anchor}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := trust.ParseCertificate(der)
		if err != nil {
			return
		}
		path, err := store.ValidatePath(context.Background(), cert, trust.Request{At: pkitsTime(), Intermediates: []*x509.Certificate{cert, anchor}})
		var failure *trust.PathError
		if err != nil && !errors.As(err, &failure) {
			t.Fatalf("error without a reason: %v", err)
		}
		if err == nil && !path.Anchor().Equal(anchor) {
			t.Fatal("a path to another anchor")
		}
		trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: cert, At: pkitsTime()})
	})
}

// extensionIDs are the extensions that path validation takes apart, by the
// byte that chooses one in FuzzExtensions.
func extensionIDs() []asn1.ObjectIdentifier {
	var ids []asn1.ObjectIdentifier
	for _, last := range []int{14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 46, 54} {
		ids = append(ids, asn1.ObjectIdentifier{2, 5, 29, last})
	}
	return ids
}

// FuzzExtensions puts outside bytes where policies, mappings, name constraints,
// names and distribution points stand in an authority and in a leaf below it.
func FuzzExtensions(f *testing.F) {
	w := &web{tb: f, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	root, ca, a := newNode(f, "Gốc"), newNode(f, "Cấp"), newNode(f, "A")
	anchor, issuer, leaf := w.certify(root, root), w.certify(ca, root), w.certify(a, ca, person)
	store, err := trust.NewStore([]*x509.Certificate{anchor}, nil)
	if err != nil {
		f.Fatal(err)
	}
	dir := pkitsDir(f)
	ids := extensionIDs()
	files, err := filepath.Glob(filepath.Join(dir, "certs", "*.crt"))
	if err != nil {
		f.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		cert := pkitsCertificate(f, dir, filepath.Base(file))
		for _, ext := range cert.Extensions {
			for n, id := range ids {
				if id.Equal(ext.Id) && !seen[string(ext.Value)] {
					seen[string(ext.Value)] = true
					f.Add(byte(n), ext.Value, byte(n+1), ext.Value)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, first byte, above []byte, second byte, below []byte) {
		with := func(cert *x509.Certificate, which byte, value []byte) *x509.Certificate {
			// The signature is not over them: only their reading counts.
			changed, id := *cert, ids[int(which)%len(ids)]
			changed.Extensions = []pkix.Extension{{Id: id, Critical: true, Value: value}}
			for _, ext := range cert.Extensions {
				if !ext.Id.Equal(id) {
					changed.Extensions = append(changed.Extensions, ext)
				}
			}
			return &changed
		}
		request := trust.Request{At: w.now, Policies: trust.Policies{RequireExplicit: first&0x80 != 0}, Intermediates: []*x509.Certificate{with(issuer, first, above)}}
		_, err := store.ValidatePath(context.Background(), with(leaf, second, below), request)
		var failure *trust.PathError
		if err != nil && !errors.As(err, &failure) {
			t.Fatalf("error without a reason: %v", err)
		}
	})
}
