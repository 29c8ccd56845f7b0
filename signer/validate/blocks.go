package validate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
)

// detail tells the steps of one signature from the facts.
func (v *validation) detail(c *candidate) *Detail {
	d := &Detail{Policy: v.policy.Name, At: v.now, Proofs: append(slices.Clone(c.facts.poes), POE{Time: v.now, Source: SourceNow})}
	slices.SortStableFunc(d.Proofs, func(a, b POE) int { return a.Time.Compare(b.Time) })
	d.Blocks = []Block{
		c.ruled(BlockFormat, true), c.ruled(BlockIdentify, c.signed != nil), v.context(c), v.x509(c, c.facts.signer), v.crypto(c), v.acceptance(c),
	}
	if c.Kind == KindTimestamp {
		d.Blocks[3] = v.x509(c, c.ownTrial())
	}
	for n, s := range c.facts.stamps {
		if s.kind != stampDocument {
			d.Blocks = append(d.Blocks, v.stampBlock(c, s, n+1))
		}
	}
	if c.Kind != KindTimestamp {
		d.Blocks = append(d.Blocks, existence(d.Proofs), v.past(c), v.sliding(c))
	}
	if c.found != nil {
		d.Blocks = append(d.Blocks, c.ruled(BlockChanges, c.Changes != ChangesUnknown))
	}
	for _, t := range c.facts.trials() {
		if t.path != nil {
			c.paths = append(c.paths, t.path)
		}
		for _, one := range t.steps {
			c.states = append(c.states, State{Certificate: one.cert, Revocation: one.status})
		}
	}
	for _, s := range c.facts.stamps {
		if s.token != nil {
			c.stamps = append(c.stamps, Stamp{Source: s.kind.source(), Token: s.token.Raw, Time: s.token.GenTime, Counts: s.counts})
		}
	}
	d.Conclusion = Conclusion{Indication: Indication(c.Verdict), Sub: c.SubIndication}
	r, ok := ruleOf(c.facts.decided)
	if ok {
		d.Conclusion.DecidedBy = string(r.block) + "/" + r.name
	}
	return d
}

// ownTrial is that of a document time-stamp.
func (c *candidate) ownTrial() *trial {
	for _, s := range c.facts.stamps {
		if s.kind == stampDocument {
			return s.trial
		}
	}
	return nil
}

// findings are those of some codes, with those that the policy ignores.
func (c *candidate) findings(codes []Code) []Reason {
	var list []Reason
	for _, r := range c.Reasons {
		if slices.Contains(codes, r.Code) {
			list = append(list, r)
		}
	}
	for _, r := range c.facts.ignored {
		if slices.Contains(codes, r.Code) {
			r.Level = LevelIgnore
			list = append(list, r)
		}
	}
	return list
}

// ruled is a block whose constraints are told by findings. done says that it was
// gone through to its end when nothing in it is broken.
func (c *candidate) ruled(name BlockName, done bool) Block {
	b := Block{Name: name}
	ended := false
	for _, r := range constraints() {
		if r.block != name || r.pdf && c.found == nil {
			continue
		}
		one := Constraint{Name: r.name, Status: StatusOK, Level: c.policy.level(r.codes[0], LevelFail), Findings: c.findings(r.codes)}
		if len(one.Findings) > 0 {
			one.Status = gravest(one.Findings).broken()
			ended = ended || one.Status == StatusBroken
		} else if !done || ended {
			one.Status = StatusNotDone
		}
		b.Constraints = append(b.Constraints, one)
	}
	b.conclude(c.facts.counted)
	return b
}

// gravest level of some findings.
func gravest(list []Reason) Level {
	for _, level := range []Level{LevelFail, LevelWarn, LevelInform} {
		for _, r := range list {
			if r.Level == level {
				return level
			}
		}
	}
	return LevelIgnore
}

func held(name, value string) Constraint {
	return Constraint{Name: name, Status: StatusOK, Level: LevelFail, Value: value}
}

// context says by what the signature was judged.
func (v *validation) context(c *candidate) Block {
	b := Block{Name: BlockContext, Constraints: []Constraint{held("policy", v.policy.Name)}}
	if c.BestTime != nil {
		b.Constraints = append(b.Constraints, held("time_considered", moment(*c.BestTime)))
	}
	anchors := held("anchors", "0")
	anchors.Status = StatusBroken
	if v.options.Store != nil {
		anchors = held("anchors", fmt.Sprint(len(v.options.Store.Anchors())+len(v.options.Store.Limited())))
	} else {
		anchors.Findings = []Reason{newReason(CodeNoStore)}
	}
	b.Constraints = append(b.Constraints, anchors)
	b.conclude(map[Code]Conclusion{CodeNoStore: {Indication: IndicationUnknown, Sub: SubNoChain}})
	return b
}

// crypto is the cryptographic verification with its algorithms.
func (v *validation) crypto(c *candidate) Block {
	b := c.ruled(BlockCrypto, c.Integrity == Intact)
	if c.signed != nil && c.hash != 0 {
		b.Constraints = append(b.Constraints, Constraint{Name: "digest_algorithm", Status: statusOf(c.Integrity), Level: LevelFail, Value: c.hash.String()})
	}
	if c.signed != nil && c.signed.Signer.AlgorithmErr == nil {
		b.Constraints = append(b.Constraints, Constraint{Name: "signature_algorithm", Status: statusOf(c.Integrity), Level: LevelFail, Value: schemeOf(c.signed.Signer.Algorithm)})
	}
	return b
}

func statusOf(i Integrity) Status {
	if i == Intact {
		return StatusOK
	}
	return StatusNotDone
}

func schemeOf(a cms.Algorithm) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", a.Scheme, a.Hash))
}

// acceptance adds the algorithms of the signature, each with its last day.
func (v *validation) acceptance(c *candidate) Block {
	t := c.facts.signer
	if c.Kind == KindTimestamp {
		t = c.ownTrial()
	}
	b := c.ruled(BlockAcceptance, t != nil)
	// Findings about time-stamps stand with these.
	for n := range b.Constraints {
		one := &b.Constraints[n]
		if (one.Name == "algorithms_strong" || one.Name == "algorithms_current") && one.Status != StatusBroken && len(one.Findings) > 0 && c.stampFindings() {
			one.Status, one.Findings = StatusOK, nil
		}
	}
	if t != nil && c.BestTime != nil {
		h := c.signed.Signer.Digest
		b.Constraints = append(b.Constraints, v.dated(v.allowed().ofHash(ofSignature, h, *c.BestTime), cms.WeakHash(h)))
		for _, one := range v.allowed().addKey(nil, ofSignature, t.cert.PublicKey, *c.BestTime) {
			b.Constraints = append(b.Constraints, v.dated(one, false))
		}
	}
	b.conclude(c.facts.counted)
	return b
}

func (c *candidate) stampFindings() bool {
	return slices.ContainsFunc(c.facts.stamps, func(s *stamp) bool {
		return s.weak || s.retired != nil || s.trial != nil && s.trial.reason.Code == CodeRetired
	})
}

// dated is one algorithm held against its last day.
func (v *validation) dated(a algorithm, weak bool) Constraint {
	code := CodeRetired
	if weak {
		code = CodeWeak
	}
	one := Constraint{Name: "algorithm", Status: StatusOK, Level: v.policy.level(code, LevelFail), Value: a.name}
	if !a.until.IsZero() {
		until := a.until
		one.Until = &until
	}
	if a.bad {
		one.Status = one.Level.broken()
		one.Findings = []Reason{newReason(code, a.name, a.day())}
	}
	return one
}

func existence(proofs []POE) Block {
	b := Block{Name: BlockExistence}
	for _, p := range proofs {
		value := moment(p.Time) + " " + string(p.Source)
		if p.Of != "" {
			value += " " + p.Of
		}
		b.Constraints = append(b.Constraints, held("proof", value))
	}
	b.conclude(nil)
	return b
}

// stampBlock is a time-stamp with its own blocks.
func (v *validation) stampBlock(c *candidate, s *stamp, number int) Block {
	b := Block{Name: BlockTimestamp, Of: fmt.Sprintf("%s %d", s.kind, number)}
	counted := map[Code]Conclusion{
		CodeTimestampInvalid: {Indication: IndicationFailed, Sub: SubFormat}, CodeTimestampImprint: {Indication: IndicationFailed, Sub: SubHash},
		CodeTimestampUntrusted: {Indication: IndicationUnknown, Sub: SubGeneric}, CodeWeak: {Indication: IndicationUnknown, Sub: SubCryptoConstraints},
		CodeRetired: {Indication: IndicationUnknown, Sub: SubCryptoNoPOE},
	}
	state := func(broken, done bool) Status {
		switch {
		case broken:
			return StatusBroken
		case !done:
			return StatusNotDone
		}
		return StatusOK
	}
	finding := func(one Constraint, code Code, args ...string) Constraint {
		if one.Status == StatusBroken {
			one.Findings = []Reason{newReason(code, args...)}
		}
		return one
	}
	readable := s.broken != CodeTimestampInvalid
	intact := s.broken == ""
	format := Block{Name: BlockFormat, Constraints: []Constraint{
		finding(Constraint{Name: "container", Status: state(!readable, true), Level: LevelFail}, CodeTimestampInvalid)}}
	crypto := Block{Name: BlockCrypto, Constraints: []Constraint{
		finding(Constraint{Name: "imprint", Status: state(s.broken == CodeTimestampImprint, readable), Level: LevelFail}, CodeTimestampImprint)}}
	identify := Block{Name: BlockIdentify, Constraints: []Constraint{{Name: "certificate_found", Status: state(false, intact), Level: LevelFail}}}
	acceptance := Block{Name: BlockAcceptance}
	if s.token != nil {
		b.Of += ", " + moment(s.token.GenTime)
		crypto.Constraints[0].Value = s.token.Hash.String()
		crypto.Constraints = append(crypto.Constraints, Constraint{Name: "signature_intact", Status: state(false, intact), Level: LevelFail, Value: schemeOf(s.token.Signed.Signer.Algorithm)})
		acceptance.Constraints = []Constraint{
			finding(Constraint{Name: "algorithms_strong", Status: state(s.weak, intact), Level: LevelFail}, CodeWeak, "SHA-1"),
			finding(Constraint{Name: "time_not_later", Status: state(s.future, s.trial != nil), Level: LevelFail, Value: moment(s.token.GenTime)}, CodeTimestampUntrusted),
		}
		if intact && !s.weak {
			acceptance.Constraints = append(acceptance.Constraints, v.dated(v.allowed().ofHash(string(s.kind), s.token.Hash, s.control), false))
		}
	}
	b.Blocks = []Block{format, identify, v.x509(c, s.trial), crypto, acceptance}
	for n := range b.Blocks {
		if b.Blocks[n].Name != BlockX509 {
			b.Blocks[n].conclude(counted)
		}
	}
	b.conclude(counted)
	return b
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// past is the validation of the signer's certificate at the proven time.
func (v *validation) past(c *candidate) Block {
	b := Block{Name: BlockPast, Conclusion: Conclusion{Indication: IndicationNotDone}}
	t := c.facts.signer
	if t == nil || !c.Stamped {
		return b
	}
	b.Constraints = []Constraint{held("time_considered", moment(t.at))}
	path := held("trusted_path", "")
	if t.path == nil {
		path.Status, path.Findings = StatusBroken, []Reason{t.reason}
	} else {
		path.Value = fmt.Sprint(len(t.path.Certificates))
	}
	b.Constraints = append(b.Constraints, path)
	if t.path != nil && t.sub != SubNone {
		one := held("believed_then", "")
		one.Status, one.Findings = StatusBroken, []Reason{t.reason}
		b.Constraints = append(b.Constraints, one)
	}
	b.conclude(map[Code]Conclusion{t.reason.Code: {Indication: IndicationUnknown, Sub: t.sub}})
	return b
}

// sliding moves the control time back to where every certificate of the path was
// still good and every algorithm strong, and holds the proof of existence against
// it.
func (v *validation) sliding(c *candidate) Block {
	b := Block{Name: BlockSliding, Conclusion: Conclusion{Indication: IndicationNotDone}}
	t := c.facts.signer
	if t == nil || t.path == nil || !c.Stamped {
		return b
	}
	control := v.now
	slide := func(to time.Time, name, why string) {
		if to.IsZero() || !to.Before(control) {
			return
		}
		control = to
		b.Constraints = append(b.Constraints, Constraint{Name: name, Status: StatusInform, Level: LevelInform, Value: moment(to) + " " + why})
	}
	for n := len(t.steps) - 1; n >= 0; n-- {
		one := t.steps[n]
		name := commonName(one.cert)
		if one.status.Status == trust.RevocationRevoked || !one.status.RevokedAt.IsZero() {
			slide(one.status.RevokedAt, "slid_revoked", name)
		}
		if one.cert.NotAfter.Before(control) {
			// Nothing can be said of it after the newest data from within its
			// validity.
			slide(earlier(one.status.ThisUpdate, one.cert.NotAfter), "slid_data", name)
		}
	}
	for _, a := range t.algorithms {
		if !a.until.IsZero() && over(a.until, control) {
			slide(a.until.AddDate(0, 0, 1), "slid_algorithm", a.name)
		}
	}
	proof := Constraint{Name: "proof_before_control", Status: StatusOK, Level: LevelFail, Value: moment(*c.BestTime) + " ≤ " + moment(control)}
	if c.BestTime.After(control) {
		proof.Status, proof.Value = StatusBroken, moment(*c.BestTime)+" > "+moment(control)
	}
	b.Constraints = append(b.Constraints, proof)
	b.conclude(nil)
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
