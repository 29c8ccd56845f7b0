package csc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"

	"github.com/antin-gov/antin/signer"
)

// ReadForFuzzing reads a request as every method would.
func ReadForFuzzing(b []byte) {
	p, err := parseParams(b)
	if err != nil {
		return
	}
	s := &Server{d: Deps{Config: Config{MaxSignatures: 100}}}
	for _, name := range []string{"hash", "hashes"} {
		_, _ = s.readDigests(p, name)
	}
	_, _ = readShow(p)
	_, _ = p.number("numSignatures")
	_, _ = p.objects("authData", 4)
	for _, public := range []any{&ecdsa.PublicKey{}, &rsa.PublicKey{}} {
		_, _, _ = p.algorithm("hashAlgorithmOID", public)
		_, _ = s.readPapers(p, signer.Key{Chain: []*x509.Certificate{{PublicKey: public}}})
	}
}
