package xades

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
)

const (
	xadesNS    = "http://uri.etsi.org/01903/v1.3.2#"
	xades141NS = "http://uri.etsi.org/01903/v1.4.1#"
	typeProps  = "http://uri.etsi.org/01903#SignedProperties"
)

// Signature is one ds:Signature with what its XAdES properties say.
type Signature struct {
	// ID is its Id attribute, perhaps empty.
	ID string
	// Err says that the signature cannot be read; then nothing else is set.
	Err error
	// Algorithm is how the value was made; AlgorithmErr is set when it is not
	// known here.
	Algorithm    cms.Algorithm
	AlgorithmErr error
	Value        []byte
	// References are what it is over, in order, checked.
	References []Reference
	// Certificates are those of KeyInfo and of CertificateValues.
	Certificates []*x509.Certificate
	// Signed properties; only what the signature covers is read.
	SigningTime   time.Time
	CertificateID *cms.CertificateID
	// Unsigned properties: signature time-stamps, the octets that they are
	// over, and revocation data.
	Timestamps  [][]byte
	StampOctets []byte
	OCSPs, CRLs [][]byte
	// Archive are the time-stamps over the whole signature with its material,
	// oldest first; ArchiveOctets tells what each is over.
	Archive []ArchiveStamp

	document   *Document
	element    *etree.Element
	info       *etree.Element
	method     method
	properties *etree.Element
	keyInfo    []*x509.Certificate
	content    []byte // of a detached signature
}

// Signatures reads and checks every signature of a document, countersignatures
// left out. content is what a detached one is over, when have is set.
func (d *Document) Signatures(content []byte, have bool) ([]*Signature, error) {
	var found []*etree.Element
	var walk func(el *etree.Element) error
	walk = func(el *etree.Element) error {
		if is(el, xadesNS, "CounterSignature") {
			return nil
		}
		if is(el, dsigNS, "Signature") {
			if len(found) == maxSignatures {
				return fmt.Errorf("%w: more than %d signatures", ErrLimit, maxSignatures)
			}
			found = append(found, el)
		}
		for _, one := range el.ChildElements() {
			err := walk(one)
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := walk(d.root)
	if err != nil {
		return nil, err
	}
	var out []*Signature
	for _, el := range found {
		s := &Signature{ID: el.SelectAttrValue("Id", ""), document: d, element: el, content: content}
		s.Err = s.read(content, have)
		out = append(out, s)
	}
	return out, nil
}

func (s *Signature) read(content []byte, have bool) error {
	s.info = child(s.element, dsigNS, "SignedInfo")
	value := child(s.element, dsigNS, "SignatureValue")
	if s.info == nil || value == nil {
		return malformed("Signature")
	}
	form := child(s.info, dsigNS, "CanonicalizationMethod")
	algorithm := child(s.info, dsigNS, "SignatureMethod")
	if form == nil || algorithm == nil {
		return malformed("SignedInfo")
	}
	var err error
	s.Value, err = decode(text(value))
	if err != nil {
		return malformed("SignatureValue")
	}
	s.method, err = readMethod(form)
	if err != nil {
		return err
	}
	s.Algorithm, s.AlgorithmErr = algorithmByURI(algorithm.SelectAttrValue("Algorithm", ""))
	err = s.readKeyInfo()
	if err != nil {
		return err
	}
	s.findProperties()
	references := children(s.info, dsigNS, "Reference")
	if len(references) == 0 || len(references) > maxReferences {
		return fmt.Errorf("%w: %d references", ErrLimit, len(references))
	}
	covered := false
	for _, el := range references {
		r := s.check(el, content, have)
		covered = covered || r.properties && r.Err == nil
		s.References = append(s.References, r)
	}
	if covered {
		err = s.readSignedProperties()
		if err != nil {
			return err
		}
	}
	return s.readUnsigned()
}

func (s *Signature) readKeyInfo() error {
	info := child(s.element, dsigNS, "KeyInfo")
	for _, data := range children(info, dsigNS, "X509Data") {
		for _, el := range children(data, dsigNS, "X509Certificate") {
			cert, err := certificate(el)
			if err != nil {
				return err
			}
			if len(s.keyInfo) == maxItems {
				return fmt.Errorf("%w: certificates", ErrLimit)
			}
			s.keyInfo = append(s.keyInfo, cert)
		}
	}
	s.Certificates = append(s.Certificates, s.keyInfo...)
	return nil
}

func certificate(el *etree.Element) (*x509.Certificate, error) {
	der, err := decode(text(el))
	if err != nil {
		return nil, malformed("certificate")
	}
	cert, err := trust.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate: %w", ErrMalformed, err)
	}
	return cert, nil
}

// findProperties finds the one QualifyingProperties of this signature, which
// stands in an Object of its own and names it.
func (s *Signature) findProperties() {
	for _, object := range children(s.element, dsigNS, "Object") {
		q := child(object, xadesNS, "QualifyingProperties")
		if q == nil {
			continue
		}
		if s.properties != nil || s.ID == "" || q.SelectAttrValue("Target", "") != "#"+s.ID {
			s.properties = nil
			return
		}
		s.properties = child(q, xadesNS, "SignedProperties")
	}
}

func (s *Signature) readSignedProperties() error {
	signed := child(s.properties, xadesNS, "SignedSignatureProperties")
	at := child(signed, xadesNS, "SigningTime")
	if at != nil {
		t, err := time.Parse(time.RFC3339, text(at))
		if err != nil {
			return malformed("SigningTime")
		}
		s.SigningTime = t.UTC()
	}
	for _, name := range []string{"SigningCertificateV2", "SigningCertificate"} {
		all := child(signed, xadesNS, name)
		if all == nil || s.CertificateID != nil {
			continue
		}
		certs := children(all, xadesNS, "Cert")
		if len(certs) == 0 {
			return malformed(name)
		}
		digest := child(certs[0], xadesNS, "CertDigest")
		method, value := child(digest, dsigNS, "DigestMethod"), child(digest, dsigNS, "DigestValue")
		if method == nil || value == nil {
			return malformed(name)
		}
		h, err := HashByURI(method.SelectAttrValue("Algorithm", ""))
		if err != nil {
			return err
		}
		sum, err := decode(text(value))
		if err != nil || len(sum) != h.Size() {
			return malformed(name)
		}
		// What is weak about the old attribute is its hash, not its form.
		s.CertificateID = &cms.CertificateID{Hash: h, Digest: sum, V2: !cms.WeakHash(h)}
	}
	return nil
}

func (s *Signature) readUnsigned() error {
	for n, el := range s.unsigned() {
		var err error
		switch {
		case is(el, xadesNS, "SignatureTimeStamp"):
			err = s.readTimestamp(el)
		case is(el, xadesNS, "CertificateValues"):
			s.readCertificates(el)
		case is(el, xadesNS, "RevocationValues"):
			s.readRevocation(el)
		case is(el, xades141NS, "TimeStampValidationData"):
			for _, values := range children(el, xadesNS, "CertificateValues") {
				s.readCertificates(values)
			}
			for _, values := range children(el, xadesNS, "RevocationValues") {
				s.readRevocation(values)
			}
		case is(el, xades141NS, "ArchiveTimeStamp"):
			err = s.readArchive(el, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unsigned lists the unsigned properties of the signature in order.
func (s *Signature) unsigned() []*etree.Element {
	if s.properties == nil {
		return nil
	}
	all := path(s.properties.Parent(), xadesNS, "UnsignedProperties", "UnsignedSignatureProperties")
	if all == nil {
		return nil
	}
	return all.ChildElements()
}

func (s *Signature) readCertificates(values *etree.Element) {
	for _, el := range children(values, xadesNS, "EncapsulatedX509Certificate") {
		cert, err := certificate(el)
		if err != nil || len(s.Certificates) == maxItems {
			continue // evidence that cannot be read proves nothing
		}
		s.Certificates = append(s.Certificates, cert)
	}
}

func (s *Signature) readRevocation(values *etree.Element) {
	crls := encapsulated(child(values, xadesNS, "CRLValues"), "EncapsulatedCRLValue")
	ocsps := encapsulated(child(values, xadesNS, "OCSPValues"), "EncapsulatedOCSPValue")
	s.CRLs = append(s.CRLs, crls[:min(len(crls), maxItems-min(maxItems, len(s.CRLs)))]...)
	s.OCSPs = append(s.OCSPs, ocsps[:min(len(ocsps), maxItems-min(maxItems, len(s.OCSPs)))]...)
}

func encapsulated(el *etree.Element, name string) [][]byte {
	var out [][]byte
	for _, one := range children(el, xadesNS, name) {
		der, err := decode(text(one))
		if err == nil && len(out) < maxItems {
			out = append(out, der)
		}
	}
	return out
}

// readTimestamp reads a SignatureTimeStamp and the octets that it is over: the
// canonical form of SignatureValue (EN 319 132-1 §5.3). Time-stamps over
// another form than the first one's are passed over.
func (s *Signature) readTimestamp(el *etree.Element) error {
	m := method{uri: c14n10}
	form := child(el, dsigNS, "CanonicalizationMethod")
	if form != nil {
		var err error
		m, err = readMethod(form)
		if err != nil {
			return err
		}
	}
	var octets bytes.Buffer
	err := s.document.canonicalize(&octets, child(s.element, dsigNS, "SignatureValue"), nil, m, true)
	if err != nil {
		return err
	}
	if s.StampOctets == nil {
		s.StampOctets = octets.Bytes()
	}
	if !bytes.Equal(s.StampOctets, octets.Bytes()) {
		return nil
	}
	for _, one := range children(el, xadesNS, "EncapsulatedTimeStamp") {
		der, err := decode(text(one))
		if err != nil {
			return malformed("EncapsulatedTimeStamp")
		}
		if len(s.Timestamps) == maxItems {
			return fmt.Errorf("%w: time-stamps", ErrLimit)
		}
		s.Timestamps = append(s.Timestamps, der)
	}
	return nil
}

// SignerCertificate is the one that the signed properties name or, where they
// name none, the one in KeyInfo that is no issuer of another. Errors:
// ErrNoSigner, cms.ErrSigningCertificate.
func (s *Signature) SignerCertificate() (*x509.Certificate, error) {
	if len(s.keyInfo) == 0 {
		return nil, ErrNoSigner
	}
	if s.CertificateID != nil {
		for _, cert := range s.keyInfo {
			h := s.CertificateID.Hash.New()
			h.Write(cert.Raw)
			if bytes.Equal(h.Sum(nil), s.CertificateID.Digest) {
				return cert, nil
			}
		}
		return s.keyInfo[0], cms.ErrSigningCertificate
	}
	for _, cert := range s.keyInfo {
		issues := false
		for _, other := range s.keyInfo {
			issues = issues || other != cert && bytes.Equal(other.RawIssuer, cert.RawSubject)
		}
		if !issues {
			return cert, nil
		}
	}
	return s.keyInfo[0], nil
}

// Verify checks the references and the signature value by a certificate's key.
// Errors: those of the references, cms.ErrAlgorithm, cms.ErrSignature.
func (s *Signature) Verify(cert *x509.Certificate) error {
	if s.Err != nil {
		return s.Err
	}
	for n := range s.References {
		if s.References[n].Err != nil {
			return s.References[n].Err
		}
	}
	if s.AlgorithmErr != nil {
		return s.AlgorithmErr
	}
	h := s.Algorithm.Hash.New()
	err := s.document.canonicalize(h, s.info, nil, s.method, true)
	if err != nil {
		return err
	}
	return verifyValue(cert, s.Algorithm, h.Sum(nil), s.Value)
}

// VerifyDigest is Verify of a detached signature over one file of which only
// the digest is at hand. Error besides those of Verify: cms.ErrDigest.
func (s *Signature) VerifyDigest(cert *x509.Certificate, h crypto.Hash, digest []byte) error {
	found := false
	for n := range s.References {
		r := &s.References[n]
		if !errors.Is(r.Err, ErrContent) {
			continue
		}
		if r.Hash != h || !bytes.Equal(r.Digest, digest) {
			return cms.ErrDigest
		}
		r.Err, r.Whole, found = nil, true, true
	}
	if !found {
		return cms.ErrDigest
	}
	return s.Verify(cert)
}

// Covers tells whether the signature is over everything in the file. It speaks
// of what the references say; Verify tells whether they hold.
func (s *Signature) Covers() bool {
	for n := range s.References {
		if s.References[n].Whole {
			return true
		}
	}
	return false
}
