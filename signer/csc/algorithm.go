package csc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"

	"github.com/antin-gov/antin/signer"
)

// Identifiers of algorithms, as the interface names them.
const (
	oidSHA256 = "2.16.840.1.101.3.4.2.1"
	oidSHA384 = "2.16.840.1.101.3.4.2.2"
	oidSHA512 = "2.16.840.1.101.3.4.2.3"
	oidRSA    = "1.2.840.113549.1.1.1"
	oidPSS    = "1.2.840.113549.1.1.10"
	oidMGF1   = "1.2.840.113549.1.1.8"
)

// signatureOID is an identifier of a signature algorithm; a hash of 0 is told
// elsewhere in the request.
type signatureOID struct {
	oid    string
	scheme signer.Scheme
	hash   crypto.Hash
}

func signatureOIDs() []signatureOID {
	return []signatureOID{
		{"1.2.840.10045.4.3.2", signer.SchemeECDSA, crypto.SHA256},
		{"1.2.840.10045.4.3.3", signer.SchemeECDSA, crypto.SHA384},
		{"1.2.840.10045.4.3.4", signer.SchemeECDSA, crypto.SHA512},
		{oidPSS, signer.SchemePSS, 0},
		{oidRSA, signer.SchemePKCS1, 0},
		{"1.2.840.113549.1.1.11", signer.SchemePKCS1, crypto.SHA256},
		{"1.2.840.113549.1.1.12", signer.SchemePKCS1, crypto.SHA384},
		{"1.2.840.113549.1.1.13", signer.SchemePKCS1, crypto.SHA512},
	}
}

func hashOf(oid string) (crypto.Hash, bool) {
	switch oid {
	case oidSHA256:
		return crypto.SHA256, true
	case oidSHA384:
		return crypto.SHA384, true
	case oidSHA512:
		return crypto.SHA512, true
	}
	return 0, false
}

// keyAlgorithms are the identifiers that a key signs with.
func keyAlgorithms(public crypto.PublicKey) []string {
	var list []string
	for _, a := range signatureOIDs() {
		_, ec := public.(*ecdsa.PublicKey)
		if ec == (a.scheme == signer.SchemeECDSA) {
			list = append(list, a.oid)
		}
	}
	return list
}

// keySize is the length in bits and, for ECDSA, the curve's identifier.
func keySize(public crypto.PublicKey) (bits int, curve string) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen(), ""
	case *ecdsa.PublicKey:
		bits = key.Curve.Params().BitSize
		return bits, map[int]string{256: "1.2.840.10045.3.1.7", 384: "1.3.132.0.34", 521: "1.3.132.0.35"}[bits]
	}
	return 0, ""
}

// algorithm reads signAlgo, signAlgoParams and the member that names the hash
// algorithm, and holds them against the key and against one another.
func (p params) algorithm(hashName string, public crypto.PublicKey) (signer.Scheme, crypto.Hash, error) {
	name, err := p.text("signAlgo", true)
	if err != nil {
		return "", 0, err
	}
	var found *signatureOID
	for _, a := range signatureOIDs() {
		if a.oid == name {
			found = &a
		}
	}
	_, ec := public.(*ecdsa.PublicKey)
	if found == nil || ec != (found.scheme == signer.SchemeECDSA) {
		return "", 0, badParameter("signAlgo")
	}
	h := found.hash
	if found.scheme == signer.SchemePSS {
		h, err = p.pssHash()
		if err != nil {
			return "", 0, err
		}
	}
	text, err := p.text(hashName, found.oid == oidRSA)
	if err != nil {
		return "", 0, err
	}
	if text != "" {
		told, ok := hashOf(text)
		if !ok {
			return "", 0, badParameter(hashName)
		}
		if h != 0 && told != h {
			return "", 0, invalid("String parameter " + hashName + " contradicts with signAlgo parameter")
		}
		h = told
	}
	return found.scheme, h, nil
}

// pssHash reads RSASSA-PSS-params (RFC 8017 appendix A.2.3): MGF1 with the same
// hash and a salt of its length, which is how the keys sign.
func (p params) pssHash() (crypto.Hash, error) {
	text, err := p.text("signAlgoParams", true)
	if err != nil {
		return 0, err
	}
	var v struct {
		Hash    pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		MGF     pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
		Salt    int                      `asn1:"explicit,tag:2"`
		Trailer int                      `asn1:"explicit,tag:3,optional,default:1"`
	}
	der, err := decodeBase64(text)
	if err != nil {
		return 0, badParameter("signAlgoParams")
	}
	rest, err := asn1.Unmarshal(der, &v)
	if err != nil || len(rest) > 0 {
		return 0, badParameter("signAlgoParams")
	}
	var inner pkix.AlgorithmIdentifier
	rest, err = asn1.Unmarshal(v.MGF.Parameters.FullBytes, &inner)
	h, ok := hashOf(v.Hash.Algorithm.String())
	if err != nil || len(rest) > 0 || !ok || v.MGF.Algorithm.String() != oidMGF1 || !inner.Algorithm.Equal(v.Hash.Algorithm) || v.Salt != h.Size() || v.Trailer != 1 {
		return 0, badParameter("signAlgoParams")
	}
	return h, nil
}

// sized says whether all digests have the length of the hash.
func sized(digests [][]byte, h crypto.Hash) bool {
	for _, d := range digests {
		if len(d) != h.Size() {
			return false
		}
	}
	return true
}
