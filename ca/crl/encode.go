package crl

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The lists are written here and not by crypto/x509, because that encodes every
// entry anew for each list and knows neither delta lists nor partitions.

// lastUTCTime is the last year that UTCTime can tell (RFC 5280 §5.1.2.4).
const lastUTCTime = 2049

// oids of the extensions, RFC 5280 §5.2 and X.509 §9.5.2.8.
func oidAuthorityKey() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 35} }
func oidNumber() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{2, 5, 29, 20} }
func oidReason() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{2, 5, 29, 21} }
func oidDelta() asn1.ObjectIdentifier        { return asn1.ObjectIdentifier{2, 5, 29, 27} }
func oidPoint() asn1.ObjectIdentifier        { return asn1.ObjectIdentifier{2, 5, 29, 28} }
func oidFreshest() asn1.ObjectIdentifier     { return asn1.ObjectIdentifier{2, 5, 29, 46} }
func oidExpired() asn1.ObjectIdentifier      { return asn1.ObjectIdentifier{2, 5, 29, 60} }

func tag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// content is a TBSCertList to be.
type content struct {
	issuer     issuer
	number     int64
	base       int64 // of a delta list; 0 otherwise
	this, next time.Time
	entries    [][]byte // encoded, in pieces
	point      string   // address in the issuing distribution point; empty for none
	freshest   string   // address of the delta list; empty for none
}

// sign writes and signs the list.
func (c *content) sign() ([]byte, error) {
	size := 4096
	for _, piece := range c.entries {
		size += len(piece)
	}
	tbs := cryptobyte.NewBuilder(make([]byte, 0, size))
	tbs.AddASN1(cbasn1.SEQUENCE, c.tbs)
	signed, err := tbs.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write list: %w", err)
	}
	signature, err := c.issuer.algorithm.Sign(c.issuer.Signer, signed)
	if err != nil {
		return nil, fmt.Errorf("sign list: %w", err)
	}
	out := cryptobyte.NewBuilder(make([]byte, 0, len(signed)+len(signature)+64))
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		c.issuer.algorithm.AddTo(b)
		b.AddASN1BitString(signature)
	})
	return out.Bytes()
}

func (c *content) tbs(b *cryptobyte.Builder) {
	b.AddASN1Int64(1) // v2
	c.issuer.algorithm.AddTo(b)
	b.AddBytes(c.issuer.Certificate.RawSubject)
	addTime(b, c.this)
	addTime(b, c.next)
	any := false
	for _, piece := range c.entries {
		any = any || len(piece) > 0
	}
	if any { // an empty list must be absent: RFC 5280 §5.1.2.6
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, piece := range c.entries {
				b.AddBytes(piece)
			}
		})
	}
	b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, c.extensions) })
}

func (c *content) extensions(b *cryptobyte.Builder) {
	extension(b, oidAuthorityKey(), false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(c.issuer.Certificate.SubjectKeyId) })
		})
	})
	extension(b, oidNumber(), false, func(b *cryptobyte.Builder) { b.AddASN1Int64(c.number) })
	if c.base > 0 {
		extension(b, oidDelta(), true, func(b *cryptobyte.Builder) { b.AddASN1Int64(c.base) })
	}
	if c.point != "" {
		extension(b, oidPoint(), true, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { pointName(b, c.point) })
		})
	}
	if c.freshest != "" {
		extension(b, oidFreshest(), false, func(b *cryptobyte.Builder) { points(b, c.freshest) })
	}
	extension(b, oidExpired(), false, func(b *cryptobyte.Builder) {
		b.AddASN1GeneralizedTime(c.issuer.Certificate.NotBefore.UTC())
	})
}

// Freshest is the value of the freshestCRL extension (RFC 5280 §4.2.1.15) that
// names one address.
func Freshest(address string) ([]byte, error) {
	var b cryptobyte.Builder
	points(&b, address)
	return b.Bytes()
}

// points writes CRLDistributionPoints with one address.
func points(b *cryptobyte.Builder, address string) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { pointName(b, address) })
	})
}

// pointName writes [0] DistributionPointName with one fullName.
func pointName(b *cryptobyte.Builder, address string) {
	b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(address)) })
		})
	})
}

func extension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value func(*cryptobyte.Builder)) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if t.Year() > lastUTCTime {
		b.AddASN1GeneralizedTime(t)
		return
	}
	b.AddASN1UTCTime(t)
}

// entryDER is one revokedCertificate.
func entryDER(serial *big.Int, at time.Time, reason int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(serial)
		addTime(b, at)
		if reason != 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				extension(b, oidReason(), false, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(reason)) })
			})
		}
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write entry: %w", err)
	}
	return der, nil
}
