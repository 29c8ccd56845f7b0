package trust

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// nonceSize is RFC 9654 §2.1's recommended length.
const nonceSize = 32

// NewOCSPRequest encodes an unsigned OCSPRequest for one certificate (RFC 6960
// §4.1.1), with a nonce when one is given. The hash only names the issuer;
// SHA-1 is what every responder understands (RFC 5019 §2.1.1).
func NewOCSPRequest(cert, issuer *x509.Certificate, h crypto.Hash, nonce []byte) ([]byte, error) {
	var oid asn1.ObjectIdentifier
	switch h {
	case crypto.SHA1:
		oid = oidSHA1
	case crypto.SHA256:
		oid = oidSHA256
	default:
		return nil, fmt.Errorf("OCSP request: hash %v", h)
	}
	name, key, err := issuerHashes(issuer, h)
	if err != nil {
		return nil, fmt.Errorf("OCSP request: %w", err)
	}
	serial := serialOctets(cert)
	if len(serial) == 0 {
		return nil, fmt.Errorf("OCSP request: certificate without serial number")
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(oid)
							b.AddASN1NULL()
						})
						b.AddASN1OctetString(name)
						b.AddASN1OctetString(key)
						b.AddASN1(casn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(serial) })
					})
				})
			})
			if len(nonce) != 0 {
				addNonce(b, nonce)
			}
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("OCSP request: %w", err)
	}
	return der, nil
}

func addNonce(b *cryptobyte.Builder, nonce []byte) {
	b.AddASN1(ctx(2), func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidOCSPNonce)
				b.AddASN1(casn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
			})
		})
	})
}
