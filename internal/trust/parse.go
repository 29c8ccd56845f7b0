package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxCertificate bounds one certificate.
const maxCertificate = 1 << 20

// ErrCertificateMalformed is returned for what is not the DER of a certificate.
var ErrCertificateMalformed = errors.New("certificate malformed")

// ParseCertificate reads a certificate (RFC 5280 §4.1). It takes what
// crypto/x509 takes and, beyond that, what the standard allows and crypto/x509
// refuses: distribution points by relative name, DSA keys that inherit their
// parameters, and serial numbers of old authorities that are negative or not
// written in the shortest way. The result has the fields that the rooms read; validation reads Extensions itself.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		return cert, nil
	}
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrCertificateMalformed, maxCertificate)
	}
	cert, where := readCertificate(bytes.Clone(der))
	if where == "" {
		_, problem := newView(cert)
		if problem == nil {
			return cert, nil
		}
		where = problem.Error()
	}
	return nil, fmt.Errorf("%w: %s: %w", ErrCertificateMalformed, where, err)
}

// readCertificate returns the name of the part that cannot be read.
func readCertificate(der cryptobyte.String) (cert *x509.Certificate, wrong string) {
	cert = &x509.Certificate{Raw: der, MaxPathLen: absent}
	var outer, tbs, algorithm cryptobyte.String
	ok := der.ReadASN1(&outer, casn1.SEQUENCE) && der.Empty() && outer.ReadASN1Element(&tbs, casn1.SEQUENCE) &&
		outer.ReadASN1Element(&algorithm, casn1.SEQUENCE) && outer.ReadASN1BitStringAsBytes(&cert.Signature) && outer.Empty()
	if !ok {
		return nil, "certificate"
	}
	cert.RawTBSCertificate = tbs
	cert.SignatureAlgorithm = signatureAlgorithm(algorithm)
	wrong = readTBS(cert, tbs, algorithm)
	if wrong != "" {
		return nil, wrong
	}
	fillFields(cert)
	return cert, ""
}

func readTBS(cert *x509.Certificate, in, algorithm cryptobyte.String) string {
	var tbs, inner, validity, issuer, subject, spki, wrapped, skipped cryptobyte.String
	var present bool
	cert.Version = 1
	cert.SerialNumber = new(big.Int)
	if !in.ReadASN1(&tbs, casn1.SEQUENCE) || !tbs.ReadOptionalASN1(&wrapped, &present, ctx(0)) {
		return "version"
	}
	if present {
		if !wrapped.ReadASN1Integer(&cert.Version) || !wrapped.Empty() || cert.Version < 0 || cert.Version > 2 {
			return "version"
		}
		cert.Version++
	}
	var serial cryptobyte.String
	if !tbs.ReadASN1(&serial, casn1.INTEGER) || len(serial) == 0 {
		return "serialNumber"
	}
	cert.SerialNumber = readInteger(serial)
	if !tbs.ReadASN1Element(&inner, casn1.SEQUENCE) || !bytes.Equal(inner, algorithm) {
		return "signature algorithm"
	}
	ok := tbs.ReadASN1Element(&issuer, casn1.SEQUENCE) && tbs.ReadASN1(&validity, casn1.SEQUENCE) &&
		readTime(&validity, &cert.NotBefore) && readTime(&validity, &cert.NotAfter) && validity.Empty() &&
		tbs.ReadASN1Element(&subject, casn1.SEQUENCE) && tbs.ReadASN1Element(&spki, casn1.SEQUENCE)
	if !ok {
		return "issuer, validity, subject or key"
	}
	cert.RawIssuer, cert.RawSubject, cert.RawSubjectPublicKeyInfo = issuer, subject, spki
	var err error
	cert.PublicKey, cert.PublicKeyAlgorithm, err = readPublicKey(spki)
	if err != nil {
		return "subjectPublicKeyInfo"
	}
	ok = readDisplayName(issuer, &cert.Issuer) && readDisplayName(subject, &cert.Subject) &&
		tbs.ReadOptionalASN1(&skipped, &present, casn1.Tag(1).ContextSpecific()) &&
		tbs.ReadOptionalASN1(&skipped, &present, casn1.Tag(2).ContextSpecific()) &&
		tbs.ReadOptionalASN1(&wrapped, &present, ctx(3)) && tbs.Empty() && (!present || cert.Version == 3)
	if !ok {
		return "names or extensions"
	}
	if !present {
		return ""
	}
	cert.Extensions, err = readExtensionList(wrapped)
	if err != nil {
		return "extensions"
	}
	return ""
}

// readInteger reads the content of an INTEGER, however long it is written.
func readInteger(content []byte) *big.Int {
	n := new(big.Int).SetBytes(content)
	if content[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(content))))
	}
	return n
}

// readExtensionList reads Extensions into the form of crypto/x509.
func readExtensionList(in cryptobyte.String) ([]pkix.Extension, error) {
	var list []pkix.Extension
	err := readExtensions(in, func(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
		list = append(list, pkix.Extension{Id: oid, Critical: critical, Value: value})
		return nil
	})
	return list, err
}

// readTime reads Time (RFC 5280 §4.1.2.5).
func readTime(in *cryptobyte.String, out *time.Time) bool {
	if in.PeekASN1Tag(casn1.UTCTime) {
		return in.ReadASN1UTCTime(out)
	}
	return in.ReadASN1GeneralizedTime(out)
}

func readDisplayName(der []byte, out *pkix.Name) bool {
	var rdns pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &rdns)
	if err != nil || len(rest) != 0 {
		return false
	}
	out.FillFromRDNSequence(&rdns)
	return true
}

// fillFields sets the fields of crypto/x509 from the extensions, as far as the
// rooms read them.
func fillFields(cert *x509.Certificate) {
	v, err := newView(cert)
	if err != nil {
		return // ParseCertificate tells
	}
	cert.BasicConstraintsValid, cert.IsCA, cert.MaxPathLen = v.hasBasic, v.authority, v.pathLen
	cert.MaxPathLenZero = v.pathLen == 0
	cert.KeyUsage, cert.SubjectKeyId, cert.AuthorityKeyId = v.usage, v.subjectKey, v.issuerKey
	for _, name := range v.names {
		switch name.form {
		case formDNS:
			cert.DNSNames = append(cert.DNSNames, name.value)
		case formEmail:
			cert.EmailAddresses = append(cert.EmailAddresses, name.value)
		case formIP:
			cert.IPAddresses = append(cert.IPAddresses, net.IP(name.value))
		case formURI:
			u, err := url.Parse(name.value)
			if err == nil {
				cert.URIs = append(cert.URIs, u)
			}
		}
	}
	for _, point := range v.points {
		for _, name := range point.names {
			if name.form == formURI {
				cert.CRLDistributionPoints = append(cert.CRLDistributionPoints, name.value)
			}
		}
	}
	for _, ext := range cert.Extensions {
		switch {
		case ext.Id.Equal(oidAuthorityInfo):
			fillAccess(cert, ext.Value)
		case ext.Id.Equal(oidExtKeyUsage):
			fillUsages(cert, ext.Value)
		}
	}
	if v.critical != nil {
		cert.UnhandledCriticalExtensions = append(cert.UnhandledCriticalExtensions, v.critical)
	}
}

func fillAccess(cert *x509.Certificate, value cryptobyte.String) {
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) {
		return
	}
	for !list.Empty() {
		var access cryptobyte.String
		var method asn1.ObjectIdentifier
		if !list.ReadASN1(&access, casn1.SEQUENCE) || !access.ReadASN1ObjectIdentifier(&method) {
			return
		}
		name, err := readGeneralName(&access)
		if err != nil || name.form != formURI {
			continue
		}
		switch {
		case method.Equal(oidAccessOCSP):
			cert.OCSPServer = append(cert.OCSPServer, name.value)
		case method.Equal(oidAccessIssuers):
			cert.IssuingCertificateURL = append(cert.IssuingCertificateURL, name.value)
		}
	}
}

func fillUsages(cert *x509.Certificate, value cryptobyte.String) {
	known := map[string]x509.ExtKeyUsage{
		anyUsage: x509.ExtKeyUsageAny, usageServerAuth: x509.ExtKeyUsageServerAuth, usageClientAuth: x509.ExtKeyUsageClientAuth,
		"1.3.6.1.5.5.7.3.8": x509.ExtKeyUsageTimeStamping, "1.3.6.1.5.5.7.3.9": x509.ExtKeyUsageOCSPSigning,
	}
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) {
		return
	}
	for !list.Empty() {
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1ObjectIdentifier(&oid) {
			return
		}
		usage, ok := known[oid.String()]
		if ok {
			cert.ExtKeyUsage = append(cert.ExtKeyUsage, usage)
		} else {
			cert.UnknownExtKeyUsage = append(cert.UnknownExtKeyUsage, oid)
		}
	}
}
