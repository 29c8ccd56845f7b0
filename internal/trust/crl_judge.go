package trust

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"time"
)

// crlWork judges one certificate over all lists that are at hand (RFC 5280
// §6.3.3).
type crlWork struct {
	req    RevocationRequest
	cert   *view
	issuer *view
	lists  []*CRL
	// signers finds and validates another key than the issuer's own that
	// signed a list; nil: there is none.
	signers func(c *CRL) *view
}

// judgeCRLs calls consider with what each list says. Lists that speak of some
// reasons only are put together first.
func (w *crlWork) judgeCRLs(consider func(c *CRL, f finding)) {
	var covered reasonMask
	var oldest *CRL
	var last finding
	for _, c := range w.lists {
		if c.BaseNumber != nil {
			// Alone a delta says nothing; it is used with its base below.
			consider(c, finding{why: WhyScope, reason: -1})
			continue
		}
		mask, f := w.judge(c)
		if f.status != RevocationGood {
			consider(c, f)
			continue
		}
		if mask == allReasons {
			consider(c, f)
			continue
		}
		covered |= mask
		if oldest == nil || f.thisUpdate.Before(last.thisUpdate) {
			oldest, last = c, f
		}
	}
	switch {
	case oldest == nil:
	case covered == allReasons:
		consider(oldest, last)
	default:
		consider(oldest, finding{why: WhyScope, reason: -1})
	}
}

// judge says what one complete list, with its deltas, says, and for which
// reasons.
func (w *crlWork) judge(c *CRL) (reasonMask, finding) {
	unknown := func(why RevocationWhy) (reasonMask, finding) { return 0, finding{why: why, reason: -1} }
	mask, why := w.scope(c)
	if why != WhyNone {
		return unknown(why)
	}
	if c.critical != nil {
		return unknown(WhyCritical)
	}
	if w.req.strength().checkAlgorithm(c.algorithm) != nil {
		return unknown(WhyWeak)
	}
	signer, why := w.signer(c)
	if why != WhyNone {
		return unknown(why)
	}
	serial := serialOctets(w.cert.cert)
	entry, listed, why := c.lookup(w.cert.issuer, serial)
	if why != WhyNone {
		return unknown(why)
	}
	newest := c
	delta := w.delta(c, signer)
	if delta != nil {
		change, changed, why := delta.lookup(w.cert.issuer, serial)
		switch {
		case why != WhyNone || !changed:
		case change.Reason == reasonRemove:
			listed, newest = false, delta
		default:
			entry, listed, newest = change, true, delta
		}
		if why == WhyNone && !listed {
			newest = delta
		}
	}
	if listed {
		if newest.ThisUpdate.After(w.req.Now.Add(clockSkew)) {
			return unknown(WhyTime)
		}
		return mask, finding{status: RevocationRevoked, revokedAt: entry.RevokedAt, reason: entry.Reason, thisUpdate: newest.ThisUpdate, responder: signer.other(w.req.Issuer)}
	}
	if !w.current(c) {
		return unknown(WhyTime)
	}
	return mask, finding{status: RevocationGood, reason: -1, thisUpdate: newest.ThisUpdate, responder: signer.other(w.req.Issuer)}
}

// current says whether the list speaks for the time asked. nextUpdate is
// mandatory (RFC 5280 §5.1.2.5).
func (w *crlWork) current(c *CRL) bool {
	keepsExpired := !c.keepsExpired.IsZero() && !c.keepsExpired.After(w.req.Certificate.NotAfter)
	return !c.NextUpdate.IsZero() && w.req.fresh(c.ThisUpdate, c.NextUpdate, keepsExpired)
}

// scope says for which reasons the list speaks about the certificate: by one of
// the certificate's distribution points, or as the list of its issuer (RFC 5280
// §6.3.3 b, d).
func (w *crlWork) scope(c *CRL) (reasonMask, RevocationWhy) {
	points := w.cert.points
	// The list that the issuer signs without being named anywhere.
	own := distributionPoint{hasName: true, reasons: allReasons, names: []generalName{{form: formDirectory, name: w.cert.issuer}}}
	var mask reasonMask
	why := WhyNotOurs
	for n := 0; n <= len(points); n++ {
		point := own
		if n < len(points) {
			point = points[n]
		}
		if !w.issuedFor(c, point) {
			continue
		}
		why = WhyScope
		if w.inScope(c, point) {
			mask |= point.reasons & c.scope.reasons
		}
	}
	if mask != 0 {
		why = WhyNone
	}
	return mask, why
}

// issuedFor is RFC 5280 §6.3.3 b 1: the list's issuer is the one that the
// distribution point names, or the certificate's.
func (w *crlWork) issuedFor(c *CRL, point distributionPoint) bool {
	if len(point.issuers) == 0 {
		return c.issuer.key() == w.cert.issuer.key()
	}
	return c.scope.indirect && names(point.issuers, c.issuer)
}

func names(list []generalName, who distinguished) bool {
	for _, name := range list {
		if name.form == formDirectory && name.name.key() == who.key() {
			return true
		}
	}
	return false
}

// inScope is RFC 5280 §6.3.3 b 2.
func (w *crlWork) inScope(c *CRL, point distributionPoint) bool {
	s := &c.scope
	if s.onlyUsers && w.cert.authority || s.onlyCA && !w.cert.authority || s.onlyAttributes {
		return false
	}
	if !s.hasName {
		return true
	}
	here := pointNames(s.names, s.relative, c.issuer)
	var wanted map[string]bool
	if point.hasName {
		above := w.cert.issuer
		if len(point.issuers) > 0 {
			above = c.issuer
		}
		wanted = pointNames(point.names, point.relative, above)
	} else {
		wanted = pointNames(point.issuers, "", nil)
	}
	for name := range wanted {
		if here[name] {
			return true
		}
	}
	return false
}

// signedBy is whose key signed a list.
type signedBy struct {
	cert *x509.Certificate
	key  crypto.PublicKey
}

// other returns the signer's certificate unless it is the issuer itself.
func (s signedBy) other(issuer *x509.Certificate) *x509.Certificate {
	if s.cert.Equal(issuer) {
		return nil
	}
	return s.cert
}

// signer verifies the list's signature (RFC 5280 §6.3.3 f, g): by the issuer's
// key, or by another one that is validated for it.
func (w *crlWork) signer(c *CRL) (signedBy, RevocationWhy) {
	why := WhyResponder
	if c.issuer.key() == w.issuer.subject.key() && w.issuer.mayListCRL() {
		why = WhySignature
		if c.verifyBy(w.issuer.key, w.issuer.cert.RawSubjectPublicKeyInfo) == nil {
			return signedBy{w.issuer.cert, w.issuer.key}, WhyNone
		}
	}
	if w.signers == nil {
		return signedBy{}, why
	}
	other := w.signers(c)
	if other == nil {
		return signedBy{}, why
	}
	return signedBy{other.cert, other.key}, WhyNone
}

// delta returns the newest delta that builds upon a complete list (RFC 5280
// §5.2.4, §6.3.3 c, h) and is current.
func (w *crlWork) delta(base *CRL, signer signedBy) *CRL {
	var best *CRL
	if base.Number == nil {
		return nil
	}
	for _, d := range w.lists {
		if d.BaseNumber == nil || d.Number == nil || d.critical != nil || d.issuer.key() != base.issuer.key() {
			continue
		}
		sameScope := bytes.Equal(d.pointDER, base.pointDER) && (len(d.keyID) == 0 || len(base.keyID) == 0 || bytes.Equal(d.keyID, base.keyID))
		if !sameScope || d.BaseNumber.Cmp(base.Number) > 0 || d.Number.Cmp(base.Number) <= 0 || d.ThisUpdate.Before(base.ThisUpdate) {
			continue
		}
		if best != nil && d.Number.Cmp(best.Number) <= 0 {
			continue
		}
		if !w.current(d) || w.req.strength().checkAlgorithm(d.algorithm) != nil {
			continue
		}
		if d.verifyBy(signer.key, signer.cert.RawSubjectPublicKeyInfo) == nil {
			best = d
		}
	}
	return best
}

// crlTime is when a list's signer must have been in good standing: when it
// signed.
func crlTime(c *CRL, latest time.Time) time.Time {
	if c.ThisUpdate.After(latest) {
		return latest
	}
	return c.ThisUpdate
}
