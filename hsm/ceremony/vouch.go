package ceremony

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/antin-gov/antin/internal/trust"
)

// ownValidity is how long the authority of a ceremony and what it certified
// hold: as long as records of a certification centre are kept (10 years). Its
// key is gone, so its one list stays complete.
const ownValidity = 10 * 365 * 24 * time.Hour

// voucher certifies those who sign the transcript; see the package comment.
type voucher struct {
	cert  *x509.Certificate
	key   crypto.Signer
	list  []byte
	until time.Time
	// own says that it is the ceremony's, not an authority that takes part.
	own bool
}

// voucher gives the authority that takes part, or makes the ceremony's own.
func (r *run) voucher() (*voucher, error) {
	if r.issuer == nil {
		return r.ownVoucher()
	}
	list, err := x509.ParseRevocationList(r.list)
	if err != nil {
		return nil, fmt.Errorf("%w: list: %w", ErrCheck, err)
	}
	until := list.NextUpdate
	if r.issuer.NotAfter.Before(until) {
		until = r.issuer.NotAfter
	}
	return &voucher{cert: r.issuer, key: r.signer, list: r.list, until: until}, nil
}

// ownVoucher makes the authority of the ceremony with its list.
func (r *run) ownVoucher() (*voucher, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authority of the ceremony: %w", err)
	}
	now := r.now().Truncate(time.Second)
	until := now.Add(ownValidity)
	name := "Ceremony " + r.s.ID
	if r.room.Rehearsal {
		name += " (rehearsal)"
	}
	template := &x509.Certificate{
		Subject: pkix.Name{Country: []string{"VN"}, CommonName: name}, PublicKey: key.Public(), NotBefore: now.Add(-backdate), NotAfter: until,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	template.SubjectKeyId, err = keyID(key.Public())
	if err != nil {
		return nil, err
	}
	template.AuthorityKeyId = template.SubjectKeyId
	// x509.CreateCertificate takes RawSubject or Subject; the linter's copy wants
	// both the same.
	template.RawSubject, err = asn1.Marshal(template.Subject.ToRDNSequence())
	if err != nil {
		return nil, fmt.Errorf("encode subject: %w", err)
	}
	der, err := r.certify(template, nil, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheck, err)
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: until}, cert, key)
	if err != nil {
		return nil, fmt.Errorf("list of the ceremony: %w", err)
	}
	return &voucher{cert: cert, key: key, list: list, until: until, own: true}, nil
}

// vouch certifies a key for signing the transcript.
func (r *run) vouch(v *voucher, pub crypto.PublicKey, person, title string) (*x509.Certificate, error) {
	names := pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "VN"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: cut(r.s.Agency, 64)}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: cut("Ceremony "+r.s.ID, 64)}},
	}
	if title != "" {
		names = append(names, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 12}, Value: cut(title, 64)}})
	}
	names = append(names, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cut(person, 64)}})
	subject, err := asn1.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("encode subject: %w", err)
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	notBefore := r.now().Add(-backdate).Truncate(time.Second)
	if notBefore.Before(v.cert.NotBefore) {
		notBefore = v.cert.NotBefore
	}
	template := &x509.Certificate{
		RawSubject: subject, PublicKey: pub, SubjectKeyId: id, NotBefore: notBefore, NotAfter: v.until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true,
		// documentSigning, RFC 9336
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 36}},
	}
	der, err := r.certify(template, v.cert, v.key)
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", person, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		err = r.checkSigned(cert, v.cert, pub)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheck, err)
	}
	return cert, nil
}

// cut shortens a text to n characters, the bound of a name's attribute
// (RFC 5280 appendix A.1).
func cut(s string, n int) string {
	runes := []rune(s)
	if len(runes) > n {
		return string(runes[:n])
	}
	return s
}

// keyID is the key identifier by RFC 7093 §2 method 1.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &spki)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	sum := sha256.Sum256(spki.Key.Bytes)
	return sum[:20], nil
}

// evidence is what the transcript carries so that it can be judged offline.
func (v *voucher) evidence(certs ...*x509.Certificate) trust.Evidence {
	var e trust.Evidence
	e.AddCertificate(v.cert)
	for _, c := range certs {
		e.AddCertificate(c)
	}
	e.AddCRL(v.list)
	return e
}
