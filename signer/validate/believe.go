package validate

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
)

// belief is the outcome of asking whether a certificate may be believed.
type belief struct {
	path    *trust.Path
	sub     SubIndication // empty: believed
	reason  Reason
	later   *Reason // revoked after the time considered
	revoked time.Time
}

func (b belief) ok() bool { return b.sub == SubNone }

// believe validates path and revocation of a certificate for a purpose at a
// time (EN 319 102-1 §5.2.6).
func (v *validation) believe(ctx context.Context, cert *x509.Certificate, purpose trust.Purpose, at time.Time, signed *cms.SignedData) belief {
	if v.options.Store == nil {
		return belief{sub: SubNoChain, reason: newReason(CodeNoStore)}
	}
	// A copy, whose lists grow apart from the validation's own.
	var evidence trust.Evidence
	evidence.Add(v.evidence)
	evidence.Add(trust.Evidence{OCSPs: signed.OCSPs, CRLs: signed.CRLs})
	path, err := v.options.Store.ValidatePath(ctx, cert, trust.Request{
		At: at, Purpose: purpose, Intermediates: signed.Certificates, Evidence: evidence,
	})
	if err != nil {
		return pathBelief(cert, err)
	}
	bad := v.strong(path, signed, at)
	if bad != nil {
		return belief{path: path, sub: SubCryptoNoPOE, reason: newReason(CodeRetired, bad.name, bad.day())}
	}
	result := belief{path: path}
	for n := 0; n+1 < len(path.Certificates); n++ {
		status := v.revocation(ctx, path, n, at, &evidence)
		one := path.Certificates[n]
		name := commonName(one)
		switch status.Status {
		case trust.RevocationRevoked:
			when := status.RevokedAt.UTC().Format(time.RFC3339)
			if n > 0 {
				return belief{path: path, sub: SubRevokedCANoPOE, reason: newReason(CodeRevokedCA, name, when), revoked: status.RevokedAt}
			}
			return belief{path: path, sub: SubRevokedNoPOE, reason: newReason(CodeRevoked, name, when), revoked: status.RevokedAt}
		case trust.RevocationUnknown:
			return belief{path: path, sub: SubTryLater, reason: newReason(CodeRevocationUnknown, name, string(status.Why))}
		}
		if !status.RevokedAt.IsZero() {
			later := newReason(CodeRevokedLater, name, status.RevokedAt.UTC().Format(time.RFC3339))
			result.later = &later
		}
	}
	return result
}

// revocation asks the evidence, and the authorities when it is silent.
func (v *validation) revocation(ctx context.Context, path *trust.Path, n int, at time.Time, evidence *trust.Evidence) trust.Revocation {
	request := trust.RevocationRequest{
		Certificate: path.Certificates[n], Issuer: path.Issuer(n), Anchor: path.Anchor(), At: at, Now: v.now,
		Evidence: v.lists.Parse(*evidence),
	}
	status := v.options.Store.CheckRevocation(ctx, request)
	if status.Status != trust.RevocationUnknown || v.options.Collector == nil {
		return status
	}
	leaf := string(path.Leaf().Raw)
	if !v.collected[leaf] {
		v.collected[leaf] = true
		// What was gathered before a failure is used all the same; what
		// is missing shows in the second look.
		gathered, _ := v.options.Collector.Collect(ctx, path.Certificates)
		v.evidence.Add(gathered)
	}
	evidence.Add(v.evidence)
	request.Evidence = v.lists.Parse(*evidence)
	return v.options.Store.CheckRevocation(ctx, request)
}

func pathBelief(cert *x509.Certificate, err error) belief {
	name := commonName(cert)
	var failure *trust.PathError
	if !errors.As(err, &failure) {
		return belief{sub: SubChainGeneral, reason: newReason(CodeChainGeneral, name)}
	}
	if failure.Certificate != nil {
		name = commonName(failure.Certificate)
	}
	switch failure.Reason {
	case trust.PathNoAnchor:
		return belief{sub: SubNoChain, reason: newReason(CodeNoChain, name)}
	case trust.PathExpired:
		return belief{path: failure.Otherwise, sub: SubOutOfBounds, reason: newReason(CodeExpired, name)}
	case trust.PathNotYetValid:
		return belief{path: failure.Otherwise, sub: SubOutOfBounds, reason: newReason(CodeNotYetValid, name)}
	case trust.PathConstraint, trust.PathKeyUsage, trust.PathCritical, trust.PathPolicy:
		return belief{sub: SubChainConstraints, reason: newReason(CodeChainConstraints, name)}
	case trust.PathWeak:
		return belief{sub: SubCryptoConstraints, reason: newReason(CodeChainWeak, name)}
	}
	return belief{sub: SubChainGeneral, reason: newReason(CodeChainGeneral, name)}
}
