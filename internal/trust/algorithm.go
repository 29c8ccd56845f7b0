package trust

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signatureAlgorithm maps the DER of an AlgorithmIdentifier to what
// crypto/x509 verifies; UnknownSignatureAlgorithm otherwise.
func signatureAlgorithm(der []byte) x509.SignatureAlgorithm {
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) {
		return x509.UnknownSignatureAlgorithm
	}
	rsa := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1}
	ecdsa := asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3}
	known := []struct {
		oid       asn1.ObjectIdentifier
		algorithm x509.SignatureAlgorithm
	}{
		{with(rsa, 5), x509.SHA1WithRSA}, {with(rsa, 11), x509.SHA256WithRSA},
		{with(rsa, 12), x509.SHA384WithRSA}, {with(rsa, 13), x509.SHA512WithRSA},
		{with(ecdsa, 2), x509.ECDSAWithSHA256}, {with(ecdsa, 3), x509.ECDSAWithSHA384},
		{with(ecdsa, 4), x509.ECDSAWithSHA512},
		{asn1.ObjectIdentifier{1, 3, 101, 112}, x509.PureEd25519},
		{asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 3}, x509.DSAWithSHA1},
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 2}, x509.DSAWithSHA256},
	}
	for _, k := range known {
		if k.oid.Equal(oid) {
			return k.algorithm
		}
	}
	if oid.Equal(with(rsa, 10)) {
		return pssAlgorithm(seq)
	}
	return x509.UnknownSignatureAlgorithm
}

func with(oid asn1.ObjectIdentifier, last int) asn1.ObjectIdentifier {
	return append(append(asn1.ObjectIdentifier(nil), oid...), last)
}

// pssAlgorithm reads the hash of RSASSA-PSS-params; the salt length and the
// mask's hash are then checked by the verification itself.
func pssAlgorithm(params cryptobyte.String) x509.SignatureAlgorithm {
	var seq, wrapped, hash cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !params.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&wrapped, ctx(0)) ||
		!wrapped.ReadASN1(&hash, casn1.SEQUENCE) || !hash.ReadASN1ObjectIdentifier(&oid) {
		return x509.UnknownSignatureAlgorithm
	}
	switch hashByOID(oid) {
	case crypto.SHA256:
		return x509.SHA256WithRSAPSS
	case crypto.SHA384:
		return x509.SHA384WithRSAPSS
	case crypto.SHA512:
		return x509.SHA512WithRSAPSS
	}
	return x509.UnknownSignatureAlgorithm
}
