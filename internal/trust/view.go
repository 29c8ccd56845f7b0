package trust

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// maxExtensions bounds the extensions of a certificate or a list.
	maxExtensions = 64
	// maxPolicies bounds the policies and the mappings of one certificate;
	// the policy graph grows with their number times the depth.
	maxPolicies = 256
	// maxPoints bounds the distribution points of one certificate.
	maxPoints = 64
	// absent is the value of a number that an extension does not give.
	absent = -1
)

var errExtension = errors.New("extension malformed")

// view is a certificate as path validation reads it: names in comparable form
// and the extensions of RFC 5280 §4.2.1 taken apart.
type view struct {
	cert            *x509.Certificate
	anchor          bool
	purposes        []Purpose // of an anchor; empty: all
	key             crypto.PublicKey
	subject, issuer distinguished
	names           []generalName // subjectAltName
	hasNames        bool

	hasBasic, authority bool
	pathLen             int
	hasUsage            bool
	usage               x509.KeyUsage
	usages              []string // extendedKeyUsage, dotted; nil when absent
	hasUsages           bool

	constraints *nameConstraints
	policies    []string
	hasPolicies bool
	mappings    [][2]string
	// Numbers of policyConstraints and inhibitAnyPolicy; absent when not given.
	requireExplicit, inhibitMapping, inhibitAny int

	points     []distributionPoint
	subjectKey []byte
	issuerKey  []byte // authorityKeyIdentifier

	critical asn1.ObjectIdentifier // one that is not understood
}

func (v *view) selfIssued() bool { return v.subject.key() == v.issuer.key() }

// newView reads a certificate. The error says which part is malformed.
func newView(cert *x509.Certificate) (*view, error) {
	v := &view{cert: cert, key: cert.PublicKey, pathLen: absent, requireExplicit: absent, inhibitMapping: absent, inhibitAny: absent}
	var err error
	v.subject, err = readName(cert.RawSubject)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	v.issuer, err = readName(cert.RawIssuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if v.key == nil {
		// A key that is not known stays nil; Strength refuses it.
		v.key, _, _ = readPublicKey(cert.RawSubjectPublicKeyInfo)
	}
	if len(cert.Extensions) > maxExtensions {
		return nil, fmt.Errorf("%w: %d of them", errExtension, len(cert.Extensions))
	}
	for n, ext := range cert.Extensions {
		for _, other := range cert.Extensions[:n] {
			if ext.Id.Equal(other.Id) {
				return nil, fmt.Errorf("%w: %s twice", errExtension, ext.Id)
			}
		}
		known, err := v.read(ext.Id, ext.Value)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errExtension, ext.Id, err)
		}
		if ext.Critical && !known {
			v.critical = ext.Id
		}
	}
	return v, nil
}

var errDER = errors.New("DER")

// read takes one extension apart and tells whether it is understood.
func (v *view) read(oid asn1.ObjectIdentifier, value cryptobyte.String) (bool, error) {
	switch {
	case oid.Equal(oidBasicConstraints):
		return true, v.readBasic(value)
	case oid.Equal(oidKeyUsage):
		return true, v.readUsage(value)
	case oid.Equal(oidExtKeyUsage):
		return true, v.readUsages(value)
	case oid.Equal(oidSubjectAltName):
		var list cryptobyte.String
		if !value.ReadASN1(&list, casn1.SEQUENCE) || !value.Empty() {
			return true, errDER
		}
		var err error
		v.hasNames = true
		v.names, err = readGeneralNames(list)
		for _, name := range v.names {
			if name.form == formIP && len(name.value) != net.IPv4len && len(name.value) != net.IPv6len {
				return true, errName
			}
		}
		return true, err
	case oid.Equal(oidNameConstraints):
		var err error
		v.constraints, err = readNameConstraints(value)
		return true, err
	case oid.Equal(oidPolicies):
		return true, v.readPolicies(value)
	case oid.Equal(oidPolicyMappings):
		return true, v.readMappings(value)
	case oid.Equal(oidPolicyConstraints):
		return true, v.readPolicyConstraints(value)
	case oid.Equal(oidInhibitAnyPolicy):
		var err error
		v.inhibitAny, err = readCount(&value, casn1.INTEGER)
		if err == nil && !value.Empty() {
			err = errDER
		}
		return true, err
	case oid.Equal(oidDistributionPoints):
		var err error
		v.points, err = readDistributionPoints(value)
		return true, err
	case oid.Equal(oidSubjectKeyID):
		var id cryptobyte.String
		if !value.ReadASN1(&id, casn1.OCTET_STRING) || !value.Empty() {
			return true, errDER
		}
		v.subjectKey = id
		return true, nil
	case oid.Equal(oidAuthorityKeyID):
		var err error
		v.issuerKey, err = readAuthorityKey(value)
		return true, err
	case oid.Equal(oidOCSPNoCheck), oid.Equal(oidFreshestCRL):
		return true, nil
	}
	return false, nil
}

func (v *view) readBasic(value cryptobyte.String) error {
	var basic cryptobyte.String
	if !value.ReadASN1(&basic, casn1.SEQUENCE) || !value.Empty() {
		return errDER
	}
	v.hasBasic = true
	if basic.PeekASN1Tag(casn1.BOOLEAN) && !basic.ReadASN1Boolean(&v.authority) {
		return errDER
	}
	if basic.Empty() {
		return nil
	}
	var err error
	v.pathLen, err = readCount(&basic, casn1.INTEGER)
	if err == nil && !basic.Empty() {
		err = errDER
	}
	return err
}

// readCount reads a small non-negative INTEGER under a tag; larger ones than
// any path is long are all the same.
func readCount(in *cryptobyte.String, tag casn1.Tag) (int, error) {
	var content cryptobyte.String
	if !in.ReadASN1(&content, tag) || len(content) == 0 || content[0]&0x80 != 0 {
		return absent, errDER
	}
	if len(content) > 1 && content[0] == 0 && content[1]&0x80 == 0 {
		return absent, errDER
	}
	n := 0
	for _, octet := range content {
		n = n<<8 | int(octet)
		if n > 1<<16 {
			return 1 << 16, nil
		}
	}
	return n, nil
}

func (v *view) readUsage(value cryptobyte.String) error {
	var bits asn1.BitString
	if !value.ReadASN1BitString(&bits) || !value.Empty() {
		return errDER
	}
	v.hasUsage = true
	for n := range 9 {
		if bits.At(n) != 0 {
			v.usage |= 1 << n
		}
	}
	return nil
}

func (v *view) readUsages(value cryptobyte.String) error {
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) || !value.Empty() {
		return errDER
	}
	v.hasUsages = true
	for !list.Empty() {
		var oid asn1.ObjectIdentifier
		if len(v.usages) == maxPolicies || !list.ReadASN1ObjectIdentifier(&oid) {
			return errDER
		}
		v.usages = append(v.usages, oid.String())
	}
	return nil
}

func (v *view) readPolicies(value cryptobyte.String) error {
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) || !value.Empty() || list.Empty() {
		return errDER
	}
	v.hasPolicies = true
	seen := make(map[string]bool)
	for !list.Empty() {
		var info cryptobyte.String
		var oid asn1.ObjectIdentifier
		if len(seen) == maxPolicies || !list.ReadASN1(&info, casn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&oid) {
			return errDER
		}
		policy := oid.String()
		if seen[policy] {
			// RFC 5280 §4.2.1.4: not more than once.
			return errDER
		}
		seen[policy] = true
		v.policies = append(v.policies, policy)
	}
	return nil
}

func (v *view) readMappings(value cryptobyte.String) error {
	var list cryptobyte.String
	if !value.ReadASN1(&list, casn1.SEQUENCE) || !value.Empty() || list.Empty() {
		return errDER
	}
	for !list.Empty() {
		var pair cryptobyte.String
		var from, to asn1.ObjectIdentifier
		ok := len(v.mappings) < maxPolicies && list.ReadASN1(&pair, casn1.SEQUENCE) &&
			pair.ReadASN1ObjectIdentifier(&from) && pair.ReadASN1ObjectIdentifier(&to) && pair.Empty()
		if !ok {
			return errDER
		}
		v.mappings = append(v.mappings, [2]string{from.String(), to.String()})
	}
	return nil
}

func (v *view) readPolicyConstraints(value cryptobyte.String) error {
	var seq cryptobyte.String
	if !value.ReadASN1(&seq, casn1.SEQUENCE) || !value.Empty() || seq.Empty() {
		return errDER
	}
	var err error
	if tag := casn1.Tag(0).ContextSpecific(); seq.PeekASN1Tag(tag) {
		v.requireExplicit, err = readCount(&seq, tag)
		if err != nil {
			return err
		}
	}
	if tag := casn1.Tag(1).ContextSpecific(); seq.PeekASN1Tag(tag) {
		v.inhibitMapping, err = readCount(&seq, tag)
		if err != nil {
			return err
		}
	}
	if !seq.Empty() {
		return errDER
	}
	return nil
}

// readAuthorityKey returns the keyIdentifier of AuthorityKeyIdentifier; issuer
// and serial number only help in choosing and are left.
func readAuthorityKey(value cryptobyte.String) ([]byte, error) {
	var seq, id cryptobyte.String
	var present bool
	if !value.ReadASN1(&seq, casn1.SEQUENCE) || !value.Empty() || !seq.ReadOptionalASN1(&id, &present, casn1.Tag(0).ContextSpecific()) {
		return nil, errDER
	}
	if !present {
		return nil, nil
	}
	return id, nil
}

// mayIssue tells whether the certificate's own extensions make it an authority
// over certificates (RFC 5280 §6.1.4 k, n).
func (v *view) mayIssue() error {
	switch {
	case !v.hasBasic, !v.authority:
		return errors.New("not an authority (basicConstraints)")
	case v.hasUsage && v.usage&x509.KeyUsageCertSign == 0:
		return errors.New("keyUsage does not allow keyCertSign")
	}
	return nil
}

// mayListCRL tells whether keyUsage lets the key sign revocation lists.
func (v *view) mayListCRL() bool { return !v.hasUsage || v.usage&x509.KeyUsageCRLSign != 0 }

// keyFits tells whether the key identifiers fit, as far as both are given.
func (v *view) keyFits(issuer *view) bool {
	return len(v.issuerKey) == 0 || len(issuer.subjectKey) == 0 || bytes.Equal(v.issuerKey, issuer.subjectKey)
}
