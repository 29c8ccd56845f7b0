package validate

import (
	"fmt"
	"slices"
	"time"

	"github.com/antin-gov/antin/internal/trust"
)

// x509 is the validation of one certificate with its path.
func (v *validation) x509(c *candidate, t *trial) Block {
	b := Block{Name: BlockX509, Conclusion: Conclusion{Indication: IndicationNotDone}}
	if t == nil {
		return b
	}
	b.Of = commonName(t.cert)
	switch {
	case t.path != nil:
		last := len(t.path.Certificates) - 1
		for n := range t.path.Certificates {
			b.Blocks = append(b.Blocks, v.certificate(t, n, n == last))
		}
	case t.failure != nil:
		b.Blocks = []Block{v.refused(t)}
	default:
		b.Constraints = []Constraint{{Name: "trusted_path", Status: StatusBroken, Level: LevelFail, Findings: []Reason{t.reason}}}
	}
	b.conclude(map[Code]Conclusion{t.reason.Code: {Indication: IndicationUnknown, Sub: t.sub}})
	if t.sub == SubNone {
		b.Conclusion = Conclusion{Indication: IndicationPassed}
	}
	if c.SubIndication == SubRevoked && t == c.facts.signer {
		b.Conclusion.Indication, b.Conclusion.Sub = IndicationFailed, SubRevoked
	}
	return b
}

// certificate is one certificate of a path that stands.
func (v *validation) certificate(t *trial, n int, anchor bool) Block {
	cert := t.path.Certificates[n]
	b := Block{Name: BlockCertificate, Of: commonName(cert) + " " + trust.SerialText(cert)}
	if anchor {
		b.Constraints = []Constraint{held("anchor", cert.Subject.String()), held("validity", validity(cert.NotBefore, cert.NotAfter))}
		b.conclude(nil)
		return b
	}
	b.Constraints = []Constraint{
		held("signed_by_issuer", commonName(t.path.Issuer(n))),
		held("validity", validity(cert.NotBefore, cert.NotAfter)),
		held("use", ""), held("names_and_extensions", ""), held("strength", ""),
	}
	for _, a := range t.algorithms {
		if a.of == commonName(cert) {
			b.Constraints = append(b.Constraints, v.dated(a, false))
		}
	}
	var one *step
	if n < len(t.steps) {
		one = &t.steps[n]
	}
	b.Constraints = append(b.Constraints, v.revocationConstraints(one, n)...)
	if one != nil && one.status.Status != trust.RevocationUnknown {
		b.Blocks = []Block{v.freshness(one, t.at, n == 0)}
	}
	b.conclude(map[Code]Conclusion{
		CodeRetired: {Indication: IndicationUnknown, Sub: SubCryptoNoPOE}, CodeRevocationUnknown: {Indication: IndicationUnknown, Sub: SubTryLater},
		CodeRevoked: {Indication: IndicationUnknown, Sub: SubRevokedNoPOE}, CodeRevokedCA: {Indication: IndicationUnknown, Sub: SubRevokedCANoPOE},
	})
	return b
}

func validity(from, to time.Time) string { return moment(from) + " – " + moment(to) }

// revocationConstraints are those on the state of one certificate; nil: it was
// not asked for.
func (v *validation) revocationConstraints(one *step, n int) []Constraint {
	known := Constraint{Name: "revocation_known", Status: StatusNotDone, Level: v.policy.level(CodeRevocationUnknown, LevelFail)}
	revoked := Constraint{Name: "not_revoked", Status: StatusNotDone, Level: LevelFail}
	if one == nil {
		return []Constraint{known, revoked}
	}
	name := commonName(one.cert)
	if one.status.Status == trust.RevocationUnknown {
		known.Status = known.Level.broken()
		known.Findings = []Reason{newReason(CodeRevocationUnknown, name, string(one.status.Why))}
		return []Constraint{known, revoked}
	}
	known.Status, revoked.Status = StatusOK, StatusOK
	known.Value = dataKind(one.status) + " " + moment(one.status.ThisUpdate)
	when := moment(one.status.RevokedAt)
	if one.status.Status == trust.RevocationRevoked {
		code := CodeRevoked
		if n > 0 {
			code = CodeRevokedCA
		}
		revoked.Status, revoked.Value, revoked.Findings = StatusBroken, when, []Reason{newReason(code, name, when)}
		return []Constraint{known, revoked}
	}
	list := []Constraint{known, revoked}
	if !one.status.RevokedAt.IsZero() {
		level := v.policy.level(CodeRevokedLater, LevelInform)
		list = append(list, Constraint{Name: "not_revoked_later", Status: level.broken(), Level: level, Value: when, Findings: []Reason{newReason(CodeRevokedLater, name, when)}})
	}
	return list
}

func dataKind(r trust.Revocation) string {
	if r.OCSP {
		return "OCSP"
	}
	return "CRL"
}

// freshness holds the age of revocation data against the policy.
func (v *validation) freshness(one *step, at time.Time, signer bool) Block {
	b := Block{Name: BlockFreshness}
	age := Constraint{Name: "age", Status: StatusOK, Level: v.policy.level(CodeRevocationOld, LevelFail)}
	allowed, old := v.policy.Revocation.tooOld(one.status.ThisUpdate, at, signer)
	age.Value = at.Sub(one.status.ThisUpdate).Round(time.Second).String()
	if one.status.ThisUpdate.After(at) {
		age.Value = "0s"
	}
	if allowed > 0 {
		age.Value += fmt.Sprintf(" / %s", allowed)
	}
	if old {
		age.Status = age.Level.broken()
		age.Findings = []Reason{newReason(CodeRevocationOld, commonName(one.cert), moment(one.status.ThisUpdate), allowed.String())}
	}
	b.Constraints = []Constraint{age}
	b.conclude(map[Code]Conclusion{CodeRevocationOld: {Indication: IndicationUnknown, Sub: SubTryLater}})
	return b
}

// refused is the certificate over which the building of a path ended. What the
// builder did not come to is not done.
func (v *validation) refused(t *trial) Block {
	cert := t.failure.Certificate
	if cert == nil {
		cert = t.cert
	}
	b := Block{Name: BlockCertificate, Of: commonName(cert) + " " + trust.SerialText(cert)}
	broken, ok := ruleOf(t.reason.Code)
	name := "trusted_path"
	if ok {
		name = broken.name
	}
	order := []string{"trusted_path", "strength", "validity", "use"}
	for _, one := range order {
		c := Constraint{Name: one, Status: StatusNotDone, Level: LevelFail}
		if one == name {
			c.Status, c.Findings = StatusBroken, []Reason{t.reason}
			if t.failure.Err != nil {
				c.Value = t.failure.Err.Error()
			}
			if name == "validity" {
				c.Value = validity(cert.NotBefore, cert.NotAfter)
			}
		}
		b.Constraints = append(b.Constraints, c)
	}
	if !slices.Contains(order, name) {
		b.Constraints = append(b.Constraints, Constraint{Name: name, Status: StatusBroken, Level: LevelFail, Findings: []Reason{t.reason}})
	}
	b.conclude(map[Code]Conclusion{t.reason.Code: {Indication: IndicationUnknown, Sub: t.sub}})
	return b
}
