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
	later   *Reason  // revoked after the time considered
	lenient []Reason // broken constraints that the policy does not let count
	revoked time.Time
	trial   *trial
}

func (b belief) ok() bool { return b.sub == SubNone }

// refuse is the first constraint that is broken, unless the policy lets it pass.
func (b *belief) refuse(p *Policy, sub SubIndication, r Reason) bool {
	if p.level(r.Code, LevelFail) != LevelFail {
		b.lenient = append(b.lenient, r)
		return false
	}
	b.sub, b.reason = sub, r
	return true
}

// believe validates path and revocation of a certificate for a purpose at a
// time (EN 319 102-1 §5.2.6), and keeps how it went.
func (v *validation) believe(ctx context.Context, cert *x509.Certificate, purpose trust.Purpose, at time.Time, signed *cms.SignedData) belief {
	t := &trial{cert: cert, purpose: purpose, at: at, signed: signed}
	b := v.try(ctx, t)
	t.sub, t.reason, b.trial = b.sub, b.reason, t
	return b
}

func (v *validation) try(ctx context.Context, t *trial) belief {
	if v.options.Store == nil {
		t.noStore = true
		return belief{sub: SubNoChain, reason: newReason(CodeNoStore)}
	}
	// A copy, whose lists grow apart from the validation's own.
	var evidence trust.Evidence
	evidence.Add(v.evidence)
	evidence.Add(trust.Evidence{OCSPs: t.signed.OCSPs, CRLs: t.signed.CRLs})
	path, err := v.options.Store.ValidatePath(ctx, t.cert, trust.Request{
		At: t.at, Purpose: t.purpose, Intermediates: t.signed.Certificates, Evidence: evidence,
	})
	if err != nil {
		_ = errors.As(err, &t.failure)
		return pathBelief(t.cert, err)
	}
	t.path = path
	result := belief{path: path}
	t.algorithms = v.allowed().ofPath(path.Certificates, t.signed, t.at)
	for _, one := range t.algorithms {
		if one.bad && result.refuse(v.policy, SubCryptoNoPOE, newReason(CodeRetired, one.name, one.day())) {
			return result
		}
	}
	for n := 0; n+1 < len(path.Certificates); n++ {
		if v.unrevoked(ctx, t, n, &evidence, &result) {
			return result
		}
	}
	return result
}

// unrevoked asks about one certificate of the path, and tells whether the answer
// ends the trial.
func (v *validation) unrevoked(ctx context.Context, t *trial, n int, evidence *trust.Evidence, result *belief) bool {
	cert := t.path.Certificates[n]
	name := commonName(cert)
	one := step{cert: cert, status: v.revocation(ctx, t.path, n, t.at, evidence)}
	if one.status.Status == trust.RevocationGood {
		one.allowed, one.old = v.policy.Revocation.tooOld(one.status.ThisUpdate, t.at, n == 0)
	}
	t.steps = append(t.steps, one)
	when := one.status.RevokedAt.UTC().Format(time.RFC3339)
	switch one.status.Status {
	case trust.RevocationRevoked:
		result.revoked = one.status.RevokedAt
		if n > 0 {
			return result.refuse(v.policy, SubRevokedCANoPOE, newReason(CodeRevokedCA, name, when))
		}
		return result.refuse(v.policy, SubRevokedNoPOE, newReason(CodeRevoked, name, when))
	case trust.RevocationUnknown:
		return result.refuse(v.policy, SubTryLater, newReason(CodeRevocationUnknown, name, string(one.status.Why)))
	}
	if !one.status.RevokedAt.IsZero() {
		later := newReason(CodeRevokedLater, name, when)
		result.later = &later
	}
	if v.options.Offline {
		age := max(0, v.now.Sub(one.status.ThisUpdate)).Round(time.Second)
		result.lenient = append(result.lenient, newReason(CodeRevocationOffline, name, one.status.ThisUpdate.UTC().Format(time.RFC3339), age.String()))
	}
	if one.old {
		return result.refuse(v.policy, SubTryLater, newReason(CodeRevocationOld, name, one.status.ThisUpdate.UTC().Format(time.RFC3339), one.allowed.String()))
	}
	return false
}

// revocation asks the evidence, and the authorities when it is silent.
func (v *validation) revocation(ctx context.Context, path *trust.Path, n int, at time.Time, evidence *trust.Evidence) trust.Revocation {
	request := trust.RevocationRequest{
		Certificate: path.Certificates[n], Issuer: path.Issuer(n), Anchor: path.Anchor(), At: at, Now: v.now,
		Evidence: v.lists.Parse(*evidence),
	}
	status := v.options.Store.CheckRevocation(ctx, request)
	_, old := v.policy.Revocation.tooOld(status.ThisUpdate, at, n == 0)
	if status.Status == trust.RevocationRevoked || status.Status == trust.RevocationGood && !old || v.options.Collector == nil {
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
