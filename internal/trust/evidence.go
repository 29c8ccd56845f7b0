package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// Evidence is what speaks for or against certificates: further certificates,
// OCSP responses and CRLs, all DER. It is material, not proof; each item is
// verified where it is used.
type Evidence struct {
	Certificates []*x509.Certificate
	OCSPs        [][]byte
	CRLs         [][]byte
	// Lists are revocation lists that are parsed already: a large one is then
	// read, indexed and verified once for many certificates.
	Lists []*CRL

	// checked remembers signatures of OCSP responses and their responders.
	checked checked
}

// Lists remembers parsed revocation lists and which signatures of OCSP
// responses are right, so that what speaks of many signatures or certificates
// is read and verified once. The zero value is ready; it is not safe for
// concurrent use and holds what it was given until it goes.
type Lists struct {
	known   map[[sha256.Size]byte]*CRL
	checked checked
}

// checked tells of signatures whether they are right.
type checked map[[sha256.Size]byte]bool

// signedBy tells whether a signature is that of a certificate's key.
func (e Evidence) signedBy(cert *x509.Certificate, algorithm x509.SignatureAlgorithm, signed, signature []byte) bool {
	if e.checked == nil {
		return cert.CheckSignature(algorithm, signed, signature) == nil
	}
	h := sha256.New()
	for _, part := range [][]byte{cert.RawSubjectPublicKeyInfo, signed, signature} {
		_, _ = fmt.Fprintf(h, "%d %d ", algorithm, len(part))
		h.Write(part)
	}
	key := [sha256.Size]byte(h.Sum(nil))
	right, known := e.checked[key]
	if !known {
		right = cert.CheckSignature(algorithm, signed, signature) == nil
		e.checked[key] = right
	}
	return right
}

// Parse returns the evidence with its lists parsed. Those that cannot be parsed
// stay in CRLs.
func (l *Lists) Parse(e Evidence) Evidence {
	if l.checked == nil {
		l.checked = checked{}
	}
	e.checked = l.checked
	crls := e.CRLs
	e.CRLs, e.Lists = nil, slices.Clip(e.Lists)
	for _, der := range crls {
		if len(e.CRLs)+len(e.Lists) >= maxEvidence {
			break
		}
		sum := sha256.Sum256(der)
		list := l.known[sum]
		if list == nil {
			var err error
			list, err = ParseCRL(der)
			if err != nil {
				e.CRLs = append(e.CRLs, der)
				continue
			}
			if l.known == nil {
				l.known = make(map[[sha256.Size]byte]*CRL)
			}
			l.known[sum] = list
		}
		e.Lists = append(e.Lists, list)
	}
	return e
}

// Add appends what other holds and e does not hold yet.
func (e *Evidence) Add(other Evidence) {
	for _, cert := range other.Certificates {
		e.AddCertificate(cert)
	}
	for _, der := range other.OCSPs {
		e.AddOCSP(der)
	}
	for _, der := range other.CRLs {
		e.AddCRL(der)
	}
	for _, list := range other.Lists {
		if !slices.Contains(e.Lists, list) {
			e.Lists = append(e.Lists, list)
		}
	}
}

// AddCertificate appends a certificate unless it is there already.
func (e *Evidence) AddCertificate(cert *x509.Certificate) {
	if cert == nil || containsCertificate(e.Certificates, cert) {
		return
	}
	e.Certificates = append(e.Certificates, cert)
}

// AddOCSP appends the DER of an OCSP response unless it is there already.
func (e *Evidence) AddOCSP(der []byte) { e.OCSPs = addDER(e.OCSPs, der) }

// AddCRL appends the DER of a CRL unless it is there already.
func (e *Evidence) AddCRL(der []byte) { e.CRLs = addDER(e.CRLs, der) }

// Empty tells whether there is nothing at all.
func (e Evidence) Empty() bool {
	return len(e.Certificates) == 0 && len(e.OCSPs) == 0 && len(e.CRLs) == 0 && len(e.Lists) == 0
}

func addDER(list [][]byte, der []byte) [][]byte {
	for _, have := range list {
		if bytes.Equal(have, der) {
			return list
		}
	}
	return append(list, der)
}

func containsCertificate(list []*x509.Certificate, cert *x509.Certificate) bool {
	for _, have := range list {
		if have.Equal(cert) {
			return true
		}
	}
	return false
}

// SelfIssued tells whether subject and issuer are the same name and the
// certificate is signed by its own key: a root.
func SelfIssued(cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return false
	}
	return cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}
