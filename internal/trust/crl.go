package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxCRL bounds one list: a national CA with a million revoked certificates
// stays under it.
const maxCRL = 64 << 20

// ErrCRLMalformed is returned for what is not the DER of a full CRL that can
// be used here.
var ErrCRLMalformed = errors.New("CRL malformed")

// CRL is a parsed full certificate revocation list. Nothing is verified yet.
type CRL struct {
	List *x509.RevocationList

	// unusable says why the list cannot speak for a single certificate:
	// delta, indirect, only some reasons, a critical extension not known.
	unusable          RevocationWhy
	onlyUsers, onlyCA bool
	points            []string // URIs of the issuing distribution point
	hasPoint          bool
	keepsExpired      time.Time // expiredCertsOnCRL
}

// ParseCRL reads a CRL (RFC 5280 §5) and its issuing distribution point.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > maxCRL {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrCRLMalformed, maxCRL)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCRLMalformed, err)
	}
	c := &CRL{List: list}
	for _, ext := range list.Extensions {
		switch {
		case ext.Id.Equal(oidIssuingDistPoint):
			err = c.readDistributionPoint(ext.Value)
			if err != nil {
				return nil, err
			}
		case ext.Id.Equal(oidDeltaCRLIndicator):
			c.unusable = WhyScope
		case ext.Id.Equal(oidExpiredCertsOnCRL):
			in := cryptobyte.String(ext.Value)
			if !in.ReadASN1GeneralizedTime(&c.keepsExpired) || !in.Empty() {
				return nil, fmt.Errorf("%w: expiredCertsOnCRL", ErrCRLMalformed)
			}
		case ext.Id.Equal(oidCRLNumber), ext.Id.Equal(oidAuthorityKeyID):
		case ext.Critical:
			c.unusable = WhyCritical
		}
	}
	return c, nil
}

// readDistributionPoint reads IssuingDistributionPoint (RFC 5280 §5.2.5).
func (c *CRL) readDistributionPoint(der []byte) error {
	wrong := fmt.Errorf("%w: issuingDistributionPoint", ErrCRLMalformed)
	in := cryptobyte.String(der)
	var idp, point cryptobyte.String
	if !in.ReadASN1(&idp, casn1.SEQUENCE) || !in.Empty() || !idp.ReadOptionalASN1(&point, &c.hasPoint, ctx(0)) {
		return wrong
	}
	if c.hasPoint {
		var names cryptobyte.String
		if !point.ReadASN1(&names, ctx(0)) {
			// nameRelativeToCRLIssuer: not known here.
			c.unusable = WhyScope
		}
		for !names.Empty() {
			var name cryptobyte.String
			var tag casn1.Tag
			if !names.ReadAnyASN1(&name, &tag) {
				return wrong
			}
			if tag == casn1.Tag(6).ContextSpecific() {
				c.points = append(c.points, string(name))
			}
		}
	}
	for !idp.Empty() {
		var value cryptobyte.String
		var tag casn1.Tag
		if !idp.ReadAnyASN1(&value, &tag) {
			return wrong
		}
		switch tag {
		case casn1.Tag(1).ContextSpecific():
			c.onlyUsers = isTrue(value)
		case casn1.Tag(2).ContextSpecific():
			c.onlyCA = isTrue(value)
		case casn1.Tag(3).ContextSpecific():
			// A list of some reasons cannot say "good".
			c.unusable = WhyScope
		case casn1.Tag(4).ContextSpecific(), casn1.Tag(5).ContextSpecific():
			if isTrue(value) {
				c.unusable = WhyScope
			}
		default:
			return wrong
		}
	}
	return nil
}

func isTrue(value []byte) bool { return len(value) == 1 && value[0] != 0 }

// judgeCRL says what one CRL says about the certificate.
func (req RevocationRequest) judgeCRL(der []byte) finding {
	unknown := func(why RevocationWhy) finding { return finding{why: why, reason: -1} }
	c, err := ParseCRL(der)
	if err != nil {
		return unknown(WhyMalformed)
	}
	if !bytes.Equal(c.List.RawIssuer, req.Issuer.RawSubject) {
		return unknown(WhyNotOurs)
	}
	if c.unusable != WhyNone {
		return unknown(c.unusable)
	}
	if !c.covers(req.Certificate) {
		return unknown(WhyScope)
	}
	if weakAlgorithm(c.List.SignatureAlgorithm) && !req.AllowSHA1 {
		return unknown(WhyWeak)
	}
	if req.Issuer.KeyUsage != 0 && req.Issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return unknown(WhyResponder)
	}
	err = req.Issuer.CheckSignature(c.List.SignatureAlgorithm, c.List.RawTBSRevocationList, c.List.Signature)
	if err != nil {
		return unknown(WhySignature)
	}
	entry, why := c.find(req.Certificate)
	if why != WhyNone {
		return unknown(why)
	}
	if entry != nil {
		if c.List.ThisUpdate.After(req.Now.Add(clockSkew)) {
			return unknown(WhyTime)
		}
		return finding{status: RevocationRevoked, revokedAt: entry.RevocationTime, reason: entry.ReasonCode, thisUpdate: c.List.ThisUpdate}
	}
	keepsExpired := !c.keepsExpired.IsZero() && !c.keepsExpired.After(req.Certificate.NotAfter)
	// nextUpdate is mandatory (RFC 5280 §5.1.2.5).
	if c.List.NextUpdate.IsZero() || !req.fresh(c.List.ThisUpdate, c.List.NextUpdate, keepsExpired) {
		return unknown(WhyTime)
	}
	return finding{status: RevocationGood, reason: -1, thisUpdate: c.List.ThisUpdate}
}

// covers checks the scope of the list against the certificate (RFC 5280
// §6.3.3 b).
func (c *CRL) covers(cert *x509.Certificate) bool {
	if c.onlyUsers && cert.IsCA || c.onlyCA && !cert.IsCA {
		return false
	}
	if !c.hasPoint {
		return true
	}
	for _, here := range c.points {
		for _, wanted := range cert.CRLDistributionPoints {
			if here == wanted {
				return true
			}
		}
	}
	return false
}

// find returns the entry of the certificate. A critical entry extension that
// is not understood makes the list unusable for it (RFC 5280 §5.3).
func (c *CRL) find(cert *x509.Certificate) (*x509.RevocationListEntry, RevocationWhy) {
	for n := range c.List.RevokedCertificateEntries {
		entry := &c.List.RevokedCertificateEntries[n]
		for _, ext := range entry.Extensions {
			known := ext.Id.Equal(oidReasonCode) || ext.Id.Equal(oidInvalidityDate)
			if ext.Critical && !known {
				return nil, WhyCritical
			}
		}
		if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return entry, WhyNone
		}
	}
	return nil, WhyNone
}
