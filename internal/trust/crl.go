package trust

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxCRL bounds one list: a national CA with a million revoked certificates
// stays under it.
const maxCRL = 64 << 20

// ErrCRLMalformed is returned for what is not the DER of a CRL.
var ErrCRLMalformed = errors.New("CRL malformed")

// CRL is a parsed certificate revocation list (RFC 5280 §5): full, delta,
// indirect or partitioned. Nothing is verified yet, and the entries are read
// only when the first certificate is looked up. It is safe for concurrent use.
type CRL struct {
	Raw        []byte
	RawIssuer  []byte
	ThisUpdate time.Time
	NextUpdate time.Time // zero when not given
	// Number is the cRLNumber, nil when not given; BaseNumber that of the
	// list a delta builds upon, nil for a complete list.
	Number, BaseNumber *big.Int

	issuer    distinguished
	keyID     []byte // authorityKeyIdentifier
	critical  asn1.ObjectIdentifier
	tbs       []byte
	algorithm x509.SignatureAlgorithm
	signature []byte
	entries   cryptobyte.String
	versioned bool
	// scope is the issuing distribution point, pointDER its encoding.
	scope    issuingPoint
	pointDER []byte
	// keepsExpired is expiredCertsOnCRL.
	keepsExpired time.Time

	indexed  sync.Once
	index    *entryIndex
	indexErr error

	mu       sync.Mutex
	verified map[[sha256.Size]byte]bool // by public key
}

// issuingPoint is IssuingDistributionPoint (RFC 5280 §5.2.5).
type issuingPoint struct {
	names                             []generalName
	relative                          string
	hasName                           bool
	onlyUsers, onlyCA, onlyAttributes bool
	indirect                          bool
	reasons                           reasonMask
}

func crlMalformed(where string) error { return fmt.Errorf("%w: %s", ErrCRLMalformed, where) }

// ParseCRL reads a CRL. The DER is kept and must not change afterwards.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > maxCRL {
		return nil, crlMalformed(fmt.Sprintf("larger than %d bytes", maxCRL))
	}
	c := &CRL{Raw: der, scope: issuingPoint{reasons: allReasons}, verified: make(map[[sha256.Size]byte]bool)}
	in := cryptobyte.String(der)
	var outer, tbs, algorithm cryptobyte.String
	ok := in.ReadASN1(&outer, casn1.SEQUENCE) && in.Empty() && outer.ReadASN1Element(&tbs, casn1.SEQUENCE) &&
		outer.ReadASN1Element(&algorithm, casn1.SEQUENCE) && outer.ReadASN1BitStringAsBytes(&c.signature) && outer.Empty()
	if !ok {
		return nil, crlMalformed("CertificateList")
	}
	c.tbs, c.algorithm = tbs, signatureAlgorithm(algorithm)
	err := c.readList(tbs, algorithm)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *CRL) readList(in, algorithm cryptobyte.String) error {
	var tbs, inner, issuer, extensions cryptobyte.String
	var present bool
	if !in.ReadASN1(&tbs, casn1.SEQUENCE) {
		return crlMalformed("tbsCertList")
	}
	if tbs.PeekASN1Tag(casn1.INTEGER) {
		var version int
		if !tbs.ReadASN1Integer(&version) || version != 1 {
			return crlMalformed("version")
		}
		c.versioned = true
	}
	if !tbs.ReadASN1Element(&inner, casn1.SEQUENCE) || !bytes.Equal(inner, algorithm) {
		return crlMalformed("signature algorithm")
	}
	if !tbs.ReadASN1Element(&issuer, casn1.SEQUENCE) || !readTime(&tbs, &c.ThisUpdate) {
		return crlMalformed("issuer or thisUpdate")
	}
	c.RawIssuer = issuer
	var err error
	c.issuer, err = readName(issuer)
	if err != nil || len(c.issuer) == 0 {
		return crlMalformed("issuer")
	}
	if (tbs.PeekASN1Tag(casn1.UTCTime) || tbs.PeekASN1Tag(casn1.GeneralizedTime)) && !readTime(&tbs, &c.NextUpdate) {
		return crlMalformed("nextUpdate")
	}
	if !tbs.ReadOptionalASN1(&c.entries, &present, casn1.SEQUENCE) {
		return crlMalformed("revokedCertificates")
	}
	if !tbs.ReadOptionalASN1(&extensions, &present, ctx(0)) || !tbs.Empty() || present && !c.versioned {
		return crlMalformed("crlExtensions")
	}
	if !present {
		return nil
	}
	err = readExtensions(extensions, c.readExtension)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCRLMalformed, err)
	}
	return nil
}

func (c *CRL) readExtension(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
	switch {
	case oid.Equal(oidCRLNumber):
		c.Number = new(big.Int)
		return readNumber(value, c.Number)
	case oid.Equal(oidDeltaCRLIndicator):
		c.BaseNumber = new(big.Int)
		return readNumber(value, c.BaseNumber)
	case oid.Equal(oidAuthorityKeyID):
		var err error
		c.keyID, err = readAuthorityKey(value)
		return err
	case oid.Equal(oidIssuingDistPoint):
		c.pointDER = value
		return c.scope.read(value)
	case oid.Equal(oidExpiredCertsOnCRL):
		if !value.ReadASN1GeneralizedTime(&c.keepsExpired) || !value.Empty() {
			return errDER
		}
	case oid.Equal(oidFreshestCRL):
	case critical:
		c.critical = oid
	}
	return nil
}

func readNumber(value cryptobyte.String, out *big.Int) error {
	if !value.ReadASN1Integer(out) || !value.Empty() || out.Sign() < 0 || out.BitLen() > 160 {
		return errDER
	}
	return nil
}

func (p *issuingPoint) read(value cryptobyte.String) error {
	var idp, name cryptobyte.String
	if !value.ReadASN1(&idp, casn1.SEQUENCE) || !value.Empty() || !idp.ReadOptionalASN1(&name, &p.hasName, ctx(0)) {
		return errDER
	}
	var err error
	if p.hasName {
		p.names, p.relative, err = readPointName(name)
		if err != nil {
			return err
		}
	}
	for n, flag := range []*bool{1: &p.onlyUsers, 2: &p.onlyCA, 3: nil, 4: &p.indirect, 5: &p.onlyAttributes} {
		tag := casn1.Tag(n).ContextSpecific()
		switch {
		case n == 0 || !idp.PeekASN1Tag(tag):
		case n == 3:
			p.reasons, err = readReasons(&idp, tag)
			if err != nil {
				return err
			}
		default:
			var octet cryptobyte.String
			if !idp.ReadASN1(&octet, tag) || len(octet) != 1 {
				return errDER
			}
			*flag = octet[0] != 0
		}
	}
	if !idp.Empty() {
		return errDER
	}
	return nil
}

// verifyBy verifies the list's signature by a key and remembers success, so
// that many certificates can be looked up in one list.
func (c *CRL) verifyBy(key crypto.PublicKey, spki []byte) error {
	print := sha256.Sum256(spki)
	c.mu.Lock()
	known := c.verified[print]
	c.mu.Unlock()
	// A key with inherited parameters is not told by its encoding alone.
	if known && !lacksOwnParameters(spki) {
		return nil
	}
	err := verifySignature(key, c.algorithm, c.tbs, c.signature)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.verified[print] = true
	c.mu.Unlock()
	return nil
}

// lacksOwnParameters tells the encoding of a DSA key that inherits.
func lacksOwnParameters(spki []byte) bool {
	key, _, err := readPublicKey(spki)
	return err == nil && lacksParameters(key)
}
