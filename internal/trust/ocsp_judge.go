package trust

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
)

// judgeOCSP says what one OCSP response says about the certificate.
func (req RevocationRequest) judgeOCSP(der []byte) finding {
	unknown := func(why RevocationWhy) finding { return finding{why: why, reason: -1} }
	r, err := ParseOCSP(der)
	if err != nil {
		var refused *OCSPStatusError
		if errors.As(err, &refused) {
			return unknown(WhyRefused)
		}
		return unknown(WhyMalformed)
	}
	var answers []SingleResponse
	for _, single := range r.Responses {
		if single.matches(req.Certificate, req.Issuer) {
			answers = append(answers, single)
		}
	}
	if len(answers) == 0 {
		return unknown(WhyNotOurs)
	}
	responder, why := req.verifyResponder(r)
	if why != WhyNone {
		return unknown(why)
	}
	if r.criticalUnknown != nil {
		return unknown(WhyCritical)
	}
	// producedAt lies within the certificate's life and not in the future;
	// a response made before the certificate existed is not about it.
	if r.ProducedAt.Before(req.Certificate.NotBefore) || r.ProducedAt.After(req.Now.Add(clockSkew)) {
		return unknown(WhyTime)
	}
	result := req.judgeAnswers(answers)
	result.responder = responder
	return result
}

// judgeAnswers folds the answers for one certificate: revoked wins; good needs
// all of them to agree.
func (req RevocationRequest) judgeAnswers(answers []SingleResponse) finding {
	result := finding{reason: -1}
	for n, single := range answers {
		one := req.judgeSingle(single)
		if n == 0 {
			result = one
			continue
		}
		switch {
		case one.status == RevocationRevoked && result.status != RevocationRevoked:
			result = one
		case one.status == RevocationRevoked && one.revokedAt.Before(result.revokedAt):
			result = one
		case one.status != result.status && result.status != RevocationRevoked:
			result = finding{why: WhyConflict, reason: -1}
		}
	}
	return result
}

func (req RevocationRequest) judgeSingle(single SingleResponse) finding {
	unknown := func(why RevocationWhy) finding { return finding{why: why, reason: -1} }
	if single.criticalUnknown != nil {
		return unknown(WhyCritical)
	}
	if !single.NextUpdate.IsZero() && single.NextUpdate.Before(single.ThisUpdate) {
		return unknown(WhyTime)
	}
	if single.Status == RevocationRevoked {
		// A revocation stays one: it need not be fresh, only not from the
		// future.
		if single.ThisUpdate.After(req.Now.Add(clockSkew)) {
			return unknown(WhyTime)
		}
		return finding{status: RevocationRevoked, revokedAt: single.RevokedAt, reason: single.Reason, thisUpdate: single.ThisUpdate}
	}
	keepsExpired := !single.ArchiveCutoff.IsZero() && !single.ArchiveCutoff.After(req.Certificate.NotAfter)
	if !req.fresh(single.ThisUpdate, single.NextUpdate, keepsExpired) {
		return unknown(WhyTime)
	}
	if single.Status != RevocationGood {
		return unknown(WhyUnknown)
	}
	return finding{status: RevocationGood, reason: -1, thisUpdate: single.ThisUpdate}
}

// verifyResponder verifies the response's signature (RFC 6960 §4.2.2.2): by
// the issuer itself, or by a responder whose certificate the same issuer made
// with id-kp-OCSPSigning. It returns the delegated responder, or nil.
func (req RevocationRequest) verifyResponder(r *OCSPResponse) (*x509.Certificate, RevocationWhy) {
	if r.algorithm == x509.UnknownSignatureAlgorithm || (req.strength().checkAlgorithm(r.algorithm) != nil) {
		return nil, WhyWeak
	}
	why := WhyResponder
	if r.isFrom(req.Issuer) {
		if req.Evidence.signedBy(req.Issuer, r.algorithm, r.tbs, r.signature) {
			return nil, WhyNone
		}
		why = WhySignature
	}
	for _, list := range [][]*x509.Certificate{r.Certificates, req.Evidence.Certificates} {
		for n, cert := range list {
			if n == maxEvidence {
				break
			}
			if !r.isFrom(cert) || cert.Equal(req.Issuer) {
				continue
			}
			if !req.mayRespond(cert, r) {
				why = WhyResponder
				continue
			}
			if req.Evidence.signedBy(cert, r.algorithm, r.tbs, r.signature) {
				return cert, WhyNone
			}
			why = WhySignature
		}
	}
	return nil, why
}

// mayRespond checks the delegation, and that the responder's certificate was
// valid and not revoked when it answered.
func (req RevocationRequest) mayRespond(cert *x509.Certificate, r *OCSPResponse) bool {
	if CheckPurpose(cert, PurposeOCSP) != nil || req.strength().checkKey(cert.PublicKey) != nil {
		return false
	}
	if !bytes.Equal(cert.RawIssuer, req.Issuer.RawSubject) {
		return false
	}
	if req.strength().checkAlgorithm(cert.SignatureAlgorithm) != nil {
		return false
	}
	if !req.Evidence.signedBy(req.Issuer, cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) {
		return false
	}
	if r.ProducedAt.Before(cert.NotBefore) || r.ProducedAt.After(cert.NotAfter) {
		return false
	}
	if HasNoCheck(cert) {
		return true
	}
	// Only CRLs are asked about the responder: an OCSP answer about it would
	// come from itself. No news is taken for good news, as RFC 6960 leaves
	// it to local policy.
	status := CheckRevocation(RevocationRequest{
		Certificate: cert, Issuer: req.Issuer, At: r.ProducedAt, Now: req.Now, AllowSHA1: req.AllowSHA1, Strength: req.Strength,
		lists: req.lists,
	})
	return status.Status != RevocationRevoked
}

// isFrom tells whether the responderID names this certificate.
func (r *OCSPResponse) isFrom(cert *x509.Certificate) bool {
	if r.ResponderName != nil {
		return bytes.Equal(r.ResponderName, cert.RawSubject)
	}
	bits, err := publicKeyBits(cert)
	if err != nil {
		return false
	}
	h := crypto.SHA1.New() // fixed by RFC 6960 §4.2.1
	h.Write(bits)
	return bytes.Equal(h.Sum(nil), r.ResponderKey)
}

// HasNoCheck tells whether a responder's certificate carries
// id-pkix-ocsp-nocheck: its revocation is not asked about (RFC 6960
// §4.2.2.2.1).
func HasNoCheck(cert *x509.Certificate) bool {
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidOCSPNoCheck) {
			return true
		}
	}
	return false
}
