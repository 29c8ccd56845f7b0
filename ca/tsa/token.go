package tsa

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/ca/internal/sigalg"
)

// Object identifiers of RFC 5652, RFC 3161 and RFC 5035.
func oidSignedData() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
}
func oidTSTInfo() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
}
func oidContentType() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
}
func oidMessageDigest() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
}
func oidSigningCertificateV2() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
}

func hashOID(h crypto.Hash) asn1.ObjectIdentifier {
	switch h {
	case crypto.SHA384:
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	case crypto.SHA512:
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	case crypto.SHA3_256:
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 8}
	case crypto.SHA3_384:
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 9}
	case crypto.SHA3_512:
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 10}
	default:
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	}
}

func tag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// info is a TSTInfo to be (RFC 3161 §2.4.2).
type info struct {
	policy   asn1.ObjectIdentifier
	imprint  []byte
	serial   *big.Int
	genTime  time.Time
	accuracy time.Duration
	ordering bool
	nonce    *big.Int
}

func (i *info) der() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(i.policy)
		b.AddBytes(i.imprint)
		b.AddASN1BigInt(i.serial)
		b.AddASN1(cbasn1.GeneralizedTime, func(b *cryptobyte.Builder) { b.AddBytes(generalizedTime(i.genTime)) })
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addAccuracy(b, i.accuracy) })
		if i.ordering { // DEFAULT FALSE
			b.AddASN1Boolean(true)
		}
		if i.nonce != nil {
			b.AddASN1BigInt(i.nonce)
		}
	})
	return b.Bytes()
}

// generalizedTime writes a time with its fraction, which DER ends at the last
// digit that is not zero (RFC 3161 §2.4.2).
func generalizedTime(t time.Time) []byte {
	t = t.UTC()
	text := t.Format("20060102150405")
	if t.Nanosecond() != 0 {
		text += strings.TrimRight(t.Format(".000000000"), "0")
	}
	return []byte(text + "Z")
}

// addAccuracy writes the parts of Accuracy: seconds, millis [0], micros [1].
func addAccuracy(b *cryptobyte.Builder, d time.Duration) {
	if s := int64(d / time.Second); s > 0 {
		b.AddASN1Int64(s)
	}
	if ms := int64(d % time.Second / time.Millisecond); ms > 0 {
		b.AddASN1Int64WithTag(ms, cbasn1.Tag(0).ContextSpecific())
	}
	if us := int64(d % time.Millisecond / time.Microsecond); us > 0 {
		b.AddASN1Int64WithTag(us, cbasn1.Tag(1).ContextSpecific())
	}
}

// unit is the time-stamping unit: its key and its chain, own certificate first.
type unit struct {
	signer    crypto.Signer
	algorithm sigalg.Algorithm
	chain     []*x509.Certificate
}

// token signs the content as CMS SignedData (RFC 5652 §5).
func (u *unit) token(content []byte, withCertificates bool) ([]byte, error) {
	attributes, err := u.attributes(content)
	if err != nil {
		return nil, fmt.Errorf("write signed attributes: %w", err)
	}
	// RFC 5652 §5.4: the signature is over the SET OF, not over [0].
	var set cryptobyte.Builder
	set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
	signed, err := set.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write signed attributes: %w", err)
	}
	signature, err := u.algorithm.Sign(u.signer, signed)
	if err != nil {
		return nil, fmt.Errorf("sign time-stamp: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData())
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				u.signedData(b, content, attributes, signature, withCertificates)
			})
		})
	})
	return b.Bytes()
}

func (u *unit) signedData(b *cryptobyte.Builder, content, attributes, signature []byte, withCertificates bool) {
	digest := hashOID(u.algorithm.Hash)
	b.AddASN1Int64(3) // RFC 5652 §5.1: 3 because the content is not id-data
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { sigalg.Identifier(b, digest, false) })
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidTSTInfo())
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
	})
	if withCertificates {
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
			for _, der := range u.sortedChain() {
				b.AddBytes(der)
			}
		})
	}
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1) // issuerAndSerialNumber
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(u.chain[0].RawIssuer)
				b.AddASN1BigInt(u.chain[0].SerialNumber)
			})
			sigalg.Identifier(b, digest, false)
			b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
			u.algorithm.AddTo(b)
			b.AddASN1OctetString(signature)
		})
	})
}

// sortedChain is the chain in the order that DER asks of a SET OF.
func (u *unit) sortedChain() [][]byte {
	var list [][]byte
	for _, c := range u.chain {
		list = append(list, c.Raw)
	}
	slices.SortFunc(list, bytes.Compare)
	return list
}

// attributes are the signed attributes in DER order, without the SET around.
func (u *unit) attributes(content []byte) ([]byte, error) {
	h := u.algorithm.Hash.New()
	h.Write(content)
	leaf := u.chain[0]
	leafHash := sha256.Sum256(leaf.Raw)
	list := [][]byte{}
	for _, a := range []struct {
		oid   asn1.ObjectIdentifier
		value func(*cryptobyte.Builder)
	}{
		{oidContentType(), func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo()) }},
		{oidMessageDigest(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(h.Sum(nil)) }},
		{oidSigningCertificateV2(), func(b *cryptobyte.Builder) { signingCertificate(b, leaf, leafHash[:]) }},
	} {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(a.oid)
			b.AddASN1(cbasn1.SET, a.value)
		})
		der, err := b.Bytes()
		if err != nil {
			return nil, err
		}
		list = append(list, der)
	}
	slices.SortFunc(list, bytes.Compare)
	return bytes.Join(list, nil), nil
}

// signingCertificate writes SigningCertificateV2 with one ESSCertIDv2
// (RFC 5035 §3, RFC 5816): SHA-256 is the default and left out.
func signingCertificate(b *cryptobyte.Builder, leaf *x509.Certificate, hash []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString(hash)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(tag(4), func(b *cryptobyte.Builder) { b.AddBytes(leaf.RawIssuer) }) // directoryName
					})
					b.AddASN1BigInt(leaf.SerialNumber)
				})
			})
		})
	})
}

// granted is a TimeStampResp with a token.
func granted(token []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(0) })
		b.AddBytes(token)
	})
	return b.Bytes()
}

// rejection is a TimeStampResp that says why there is no token.
func rejection(f *Failure) ([]byte, error) {
	// PKIFailureInfo is a named bit list: DER ends it at its last set bit.
	bits := make([]byte, int(f.Info)/8+1)
	bits[len(bits)-1] = 0x80 >> (uint(f.Info) % 8)
	unused := 7 - uint8(f.Info)%8
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(2)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(f.Text)) })
			})
			b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) {
				b.AddUint8(unused)
				b.AddBytes(bits)
			})
		})
	})
	return b.Bytes()
}
