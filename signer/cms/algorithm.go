package cms

import (
	"crypto"
	_ "crypto/sha1" // read only: older signatures are told apart from broken ones
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Scheme is a way to sign.
type Scheme string

// The signature schemes known here.
const (
	SchemeRSA     Scheme = "RSASSA-PKCS1-v1_5"
	SchemePSS     Scheme = "RSASSA-PSS"
	SchemeECDSA   Scheme = "ECDSA"
	SchemeEd25519 Scheme = "Ed25519"
)

// Algorithm is the signature algorithm of a SignerInfo, with the hash it
// applies to the signed attributes.
type Algorithm struct {
	Scheme     Scheme
	Hash       crypto.Hash
	SaltLength int // RSASSA-PSS only
}

type hashID struct {
	hash crypto.Hash
	oid  asn1.ObjectIdentifier
}

func hashIDs() []hashID {
	return []hashID{
		{crypto.SHA256, oidSHA256}, {crypto.SHA384, oidSHA384}, {crypto.SHA512, oidSHA512},
		{crypto.SHA512_256, oidSHA512_256},
		{crypto.SHA3_256, oidSHA3_256}, {crypto.SHA3_384, oidSHA3_384}, {crypto.SHA3_512, oidSHA3_512},
		{crypto.SHA224, oidSHA224}, {crypto.SHA1, oidSHA1},
	}
}

// HashOID returns the identifier of a hash algorithm.
func HashOID(h crypto.Hash) (asn1.ObjectIdentifier, error) {
	for _, id := range hashIDs() {
		if id.hash == h {
			return id.oid, nil
		}
	}
	return nil, fmt.Errorf("%w: hash %d", ErrAlgorithm, uint(h))
}

// HashByOID returns the hash algorithm that an identifier names.
func HashByOID(oid asn1.ObjectIdentifier) (crypto.Hash, error) {
	for _, id := range hashIDs() {
		if id.oid.Equal(oid) {
			return id.hash, nil
		}
	}
	return 0, fmt.Errorf("%w: digest %s", ErrAlgorithm, oid)
}

// WeakHash tells whether a hash is too weak to carry a signature: everything
// under 256 bits (TT 15/2025/TT-BKHCN, ETSI TS 119 312).
func WeakHash(h crypto.Hash) bool {
	return h.Size() < crypto.SHA256.Size()
}

type signatureID struct {
	oid    asn1.ObjectIdentifier
	scheme Scheme
	hash   crypto.Hash // 0: that of digestAlgorithm
}

func signatureIDs() []signatureID {
	return []signatureID{
		{oidRSA, SchemeRSA, 0},
		{oidSHA1WithRSA, SchemeRSA, crypto.SHA1}, {oidSHA224WithRSA, SchemeRSA, crypto.SHA224},
		{oidSHA256WithRSA, SchemeRSA, crypto.SHA256}, {oidSHA384WithRSA, SchemeRSA, crypto.SHA384}, {oidSHA512WithRSA, SchemeRSA, crypto.SHA512},
		{oidRSAWithSHA3_256, SchemeRSA, crypto.SHA3_256}, {oidRSAWithSHA3_384, SchemeRSA, crypto.SHA3_384}, {oidRSAWithSHA3_512, SchemeRSA, crypto.SHA3_512},
		{oidECDSAWithSHA1, SchemeECDSA, crypto.SHA1}, {oidECDSAWithSHA224, SchemeECDSA, crypto.SHA224},
		{oidECDSAWithSHA256, SchemeECDSA, crypto.SHA256}, {oidECDSAWithSHA384, SchemeECDSA, crypto.SHA384}, {oidECDSAWithSHA512, SchemeECDSA, crypto.SHA512},
		{oidECDSAWithSHA3_256, SchemeECDSA, crypto.SHA3_256}, {oidECDSAWithSHA3_384, SchemeECDSA, crypto.SHA3_384}, {oidECDSAWithSHA3_512, SchemeECDSA, crypto.SHA3_512},
		{oidEd25519, SchemeEd25519, 0},
	}
}

// parseSignatureAlgorithm reads the signatureAlgorithm of a SignerInfo whose
// digestAlgorithm is digest.
func parseSignatureAlgorithm(id algorithmIdentifier, digest crypto.Hash) (Algorithm, error) {
	if id.oid.Equal(oidRSAPSS) {
		return parsePSS(id.params, digest)
	}
	for _, known := range signatureIDs() {
		if !known.oid.Equal(id.oid) {
			continue
		}
		// NULL is right for RSA (RFC 3370) and tolerated elsewhere because
		// old software writes it; anything else is not an algorithm we know.
		if len(id.params) != 0 && !isNull(id.params) {
			return Algorithm{}, fmt.Errorf("%w: %s with parameters", ErrAlgorithm, id.oid)
		}
		algorithm := Algorithm{Scheme: known.scheme, Hash: known.hash}
		if algorithm.Hash == 0 {
			algorithm.Hash = digest
		}
		// The digest over the content and over the attributes are the same
		// algorithm (RFC 5652 §5.4, RFC 8933).
		if algorithm.Hash != digest {
			return Algorithm{}, fmt.Errorf("%w: digest and signature use different hashes", ErrAlgorithm)
		}
		return algorithm, nil
	}
	return Algorithm{}, fmt.Errorf("%w: signature %s", ErrAlgorithm, id.oid)
}

// parsePSS reads RSASSA-PSS-params (RFC 4055 §3.1). Only the sane shape is
// taken: MGF1 with the same hash, trailer 1.
func parsePSS(params []byte, digest crypto.Hash) (Algorithm, error) {
	wrong := func(what string) (Algorithm, error) {
		return Algorithm{}, fmt.Errorf("%w: RSASSA-PSS parameters: %s", ErrAlgorithm, what)
	}
	in := cryptobyte.String(params)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !in.Empty() {
		return wrong("not a sequence")
	}
	hash, mgfHash, salt, trailer := crypto.SHA1, crypto.SHA1, 20, 1
	var field cryptobyte.String
	var present bool
	if !seq.ReadOptionalASN1(&field, &present, explicit(0)) {
		return wrong("hash")
	}
	if present {
		id, err := readAlgorithm(&field)
		if err != nil || !field.Empty() {
			return wrong("hash")
		}
		hash, err = HashByOID(id.oid)
		if err != nil {
			return Algorithm{}, err
		}
	}
	if !seq.ReadOptionalASN1(&field, &present, explicit(1)) {
		return wrong("mask generation")
	}
	if present {
		id, err := readAlgorithm(&field)
		if err != nil || !field.Empty() || !id.oid.Equal(oidMGF1) {
			return wrong("mask generation")
		}
		inner := cryptobyte.String(id.params)
		mgf, err := readAlgorithm(&inner)
		if err != nil || !inner.Empty() {
			return wrong("mask generation hash")
		}
		mgfHash, err = HashByOID(mgf.oid)
		if err != nil {
			return Algorithm{}, err
		}
	}
	if !seq.ReadOptionalASN1(&field, &present, explicit(2)) {
		return wrong("salt length")
	}
	if present && (!field.ReadASN1Integer(&salt) || !field.Empty()) {
		return wrong("salt length")
	}
	if !seq.ReadOptionalASN1(&field, &present, explicit(3)) {
		return wrong("trailer")
	}
	if present && (!field.ReadASN1Integer(&trailer) || !field.Empty()) {
		return wrong("trailer")
	}
	if !seq.Empty() || trailer != 1 || hash != mgfHash || salt < 0 || salt > maxSaltLength {
		return wrong("unusual values")
	}
	if hash != digest {
		return wrong("hash differs from digestAlgorithm")
	}
	return Algorithm{Scheme: SchemePSS, Hash: hash, SaltLength: salt}, nil
}

// maxSaltLength is the longest salt taken: some tokens fill the whole modulus,
// and a modulus of 8192 bits is longer than any in use.
const maxSaltLength = 1024

func isNull(params []byte) bool {
	return len(params) == 2 && params[0] == 5 && params[1] == 0
}

func explicit(n uint8) casn1.Tag { return casn1.Tag(n).Constructed().ContextSpecific() }

type algorithmIdentifier struct {
	oid    asn1.ObjectIdentifier
	params []byte // DER of the parameters, empty when absent
}

func readAlgorithm(in *cryptobyte.String) (algorithmIdentifier, error) {
	var seq cryptobyte.String
	var id algorithmIdentifier
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&id.oid) {
		return id, malformed("AlgorithmIdentifier")
	}
	if seq.Empty() {
		return id, nil
	}
	var params cryptobyte.String
	var tag casn1.Tag
	if !seq.ReadAnyASN1Element(&params, &tag) || !seq.Empty() {
		return id, malformed("AlgorithmIdentifier parameters")
	}
	id.params = params
	return id, nil
}
