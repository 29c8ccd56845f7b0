package validate

import (
	"context"
	"crypto"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
)

// judgeDocumentTimestamps goes from the newest document time-stamp to the
// oldest (EN 319 142-1 §5.5): the newest is believed now, each one proves that
// everything it covers existed at its time, and the next older is believed at
// that time.
func (v *validation) judgeDocumentTimestamps(ctx context.Context) {
	for n := len(v.list) - 1; n >= 0; n-- {
		c := v.list[n]
		if c.Kind != KindTimestamp || c.Integrity != Intact {
			continue
		}
		control := v.now
		if !c.poe.IsZero() {
			control = c.poe
		}
		claimed := c.token.GenTime
		c.SignedAt = &claimed
		believed := v.believe(ctx, c.cert, trust.PurposeTimestamp, control, c.signed)
		c.Path = believed.path
		stamp := c.facts.addStamp(stampDocument, c.token, control, believed)
		c.lenient(believed)
		if cms.WeakHash(c.token.Hash) || cms.WeakHash(c.signed.Signer.Digest) {
			c.doubt(SubCryptoConstraints, CodeWeak, "SHA-1")
		} else if bad := v.allowed().hashAt(c.token.Hash, control); bad != nil {
			c.doubt(SubCryptoNoPOE, CodeRetired, bad.name, bad.day())
		}
		if !believed.ok() {
			c.doubt(believed.sub, believed.reason.Code, believed.reason.Args...)
		}
		c.BestTime = &control
		c.Stamped = !c.poe.IsZero()
		if c.Verdict != Passed {
			continue
		}
		if claimed.After(control.Add(claimTolerance)) {
			stamp.future = true
			continue // a time from the future proves nothing
		}
		stamp.counts = true
		proven := claimed
		if proven.After(control) {
			proven = control
		}
		c.BestTime, c.Stamped = &proven, true
		for _, other := range v.list[:n] {
			if other.end() > c.end() {
				continue
			}
			other.facts.poes = append(other.facts.poes, POE{Time: proven, Source: SourceDocument, Of: c.Field})
			if other.poe.IsZero() || proven.Before(other.poe) {
				other.poe = proven
			}
		}
	}
}

// judgeSignature finds the best signature time and believes the signer at it.
func (v *validation) judgeSignature(ctx context.Context, c *candidate) {
	best := v.now
	if !c.poe.IsZero() {
		best, c.Stamped = c.poe, true
	}
	if c.signed != nil {
		c.hasStamp = len(c.signed.Signer.Timestamps) > 0
	}
	if c.hasStamp && c.Integrity == Intact {
		stamped, ok := v.signatureTime(ctx, c, best)
		if ok {
			c.Stamped = true
			if stamped.Before(best) {
				best = stamped
			}
		}
	}
	c.BestTime = &best
	if c.signed == nil || c.cert == nil || c.Integrity != Intact {
		// What was not signed so needs nobody's trust, and nobody is asked
		// on the network on behalf of it.
		return
	}
	if !c.Stamped {
		c.note(CodeNoTrustedTime)
	}
	if c.Stamped && c.SignedAt != nil && c.SignedAt.After(best.Add(claimTolerance)) {
		c.note(CodeClaimAfterStamp)
	}
	v.judgeStrength(c)
	if c.subFilter == filterCAdES && c.signed.Signer.CertificateID == nil {
		// EN 319 142-1 table 1: mandatory; without it the certificate could
		// be exchanged for another with the same key.
		c.doubt(SubSignatureConstraint, CodeNoSigningCertAttr)
	}
	believed := v.believe(ctx, c.cert, trust.PurposeSignature, best, c.signed)
	c.Path, c.facts.signer = believed.path, believed.trial
	c.lenient(believed)
	if believed.later != nil {
		c.note(believed.later.Code, believed.later.Args...)
	}
	if believed.ok() {
		return
	}
	// The signer himself says that he signed after the revocation (EN 319
	// 102-1 §5.3.4: then it is failed, not in doubt).
	if believed.sub == SubRevokedNoPOE && c.SignedAt != nil && c.SignedAt.After(believed.revoked) {
		c.fail(SubRevoked, believed.reason.Code, believed.reason.Args...)
		return
	}
	c.doubt(believed.sub, believed.reason.Code, believed.reason.Args...)
}

// claimTolerance is allowed between the signer's clock and the authority's.
const claimTolerance = 5 * time.Minute

// lenient tells the broken constraints that the policy does not let count.
func (c *candidate) lenient(b belief) {
	for _, r := range b.lenient {
		c.note(r.Code, r.Args...)
	}
}

// signatureTime returns the time of the earliest signature-time-stamp that
// may be believed.
func (v *validation) signatureTime(ctx context.Context, c *candidate, control time.Time) (time.Time, bool) {
	var earliest time.Time
	for _, der := range c.signed.Signer.Timestamps {
		token, err := tsp.ParseToken(der)
		if err != nil {
			c.facts.brokenStamp(stampSignature, CodeTimestampInvalid, nil)
			c.doubt(SubGeneric, CodeTimestampInvalid)
			continue
		}
		sum := token.Hash.New()
		sum.Write(c.signed.Signer.Signature)
		err = token.Verify(tsp.VerifyOptions{Hash: token.Hash, Digest: sum.Sum(nil), Certificates: v.evidence.Certificates})
		if err != nil {
			// A token over another signature is a forgery, not a lack.
			c.facts.brokenStamp(stampSignature, CodeTimestampImprint, token)
			c.doubt(SubGeneric, CodeTimestampImprint)
			continue
		}
		if v.believeStamp(ctx, c, stampSignature, token, control) && (earliest.IsZero() || token.GenTime.Before(earliest)) {
			earliest = token.GenTime
		}
	}
	return earliest, !earliest.IsZero()
}

// believeStamp tells whether a token, which is over the right data, proves its
// time.
func (v *validation) believeStamp(ctx context.Context, c *candidate, kind stampKind, token *tsp.Token, control time.Time) bool {
	stamp := c.facts.addStamp(kind, token, control, belief{})
	if cms.WeakHash(token.Hash) || cms.WeakHash(token.Signed.Signer.Digest) {
		stamp.weak = true
		c.note(CodeWeak, "SHA-1")
		return false
	}
	bad := v.allowed().hashAt(token.Hash, control)
	if bad != nil {
		stamp.retired = bad
		c.note(CodeRetired, bad.name, bad.day())
		if v.policy.level(CodeRetired, LevelFail) == LevelFail {
			return false
		}
	}
	believed := v.believe(ctx, token.Signer, trust.PurposeTimestamp, control, token.Signed)
	stamp.trial = believed.trial
	c.lenient(believed)
	stamp.future = token.GenTime.After(control.Add(claimTolerance))
	if !believed.ok() || stamp.future {
		c.note(CodeTimestampUntrusted)
		if !believed.ok() {
			c.note(believed.reason.Code, believed.reason.Args...)
		}
		return false
	}
	stamp.counts = true
	c.facts.poes = append(c.facts.poes, POE{Time: token.GenTime, Source: kind.source()})
	return true
}

// judgeStrength looks at the algorithms of the signature itself.
func (v *validation) judgeStrength(c *candidate) {
	for _, h := range []crypto.Hash{c.hash, c.signed.Signer.Digest} {
		if h == 0 || !cms.WeakHash(h) {
			continue // by the policy, with the path
		}
		bad := v.allowed().hashAt(h, *c.BestTime)
		switch {
		case bad == nil:
		case !bad.until.IsZero() && c.SignedAt != nil && !over(bad.until, *c.SignedAt):
			// It claims to be from before, and nothing proves it.
			c.doubt(SubCryptoNoPOE, CodeRetired, bad.name, bad.day())
		default:
			c.doubt(SubCryptoConstraints, CodeWeak, h.String())
		}
	}
	err := trust.CheckKeyStrength(c.cert)
	if err != nil {
		c.doubt(SubCryptoConstraints, CodeWeak, "RSA < 2048")
	}
	id := c.signed.Signer.CertificateID
	if id != nil && !id.V2 {
		c.note(CodeWeak, "signing-certificate SHA-1")
	}
}

// level names what is there (EN 319 142-1 §6): B-B, B-T with a signature
// time-stamp, B-LT with revocation data for the signer, B-LTA with a document
// time-stamp after that. Signatures that are not PAdES are named PKCS7.
func (v *validation) level(c *candidate) string {
	if c.Kind == KindTimestamp || c.signed == nil {
		return unknownLevel
	}
	prefix := "PKCS7-"
	if c.subFilter == filterCAdES {
		prefix = "B-"
	}
	later := false
	for _, other := range v.list {
		later = later || other.Kind == KindTimestamp && other.Integrity == Intact && other.end() > c.end()
	}
	material := v.file != nil && v.hasMaterial(c)
	switch {
	case later && material:
		return prefix + "LTA"
	case material && c.hasStamp:
		return prefix + "LT"
	case c.hasStamp || later:
		return prefix + "T"
	}
	return prefix + "B"
}

// hasMaterial tells whether the document itself holds revocation data that
// speaks about the signer.
func (v *validation) hasMaterial(c *candidate) bool {
	inside := v.inside
	if len(inside.OCSPs)+len(inside.CRLs) == 0 {
		return false
	}
	if c.Path == nil || len(c.Path.Certificates) < 2 {
		return true
	}
	status := trust.CheckRevocation(trust.RevocationRequest{
		Certificate: c.Path.Certificates[0], Issuer: c.Path.Issuer(0), At: *c.BestTime, Now: v.now, Evidence: v.lists.Parse(inside),
	})
	return status.Status != trust.RevocationUnknown
}
