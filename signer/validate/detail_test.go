package validate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/validate"
)

// block finds one by its path of names.
func block(blocks []validate.Block, path ...validate.BlockName) *validate.Block {
	for n := range blocks {
		if blocks[n].Name != path[0] {
			continue
		}
		if len(path) == 1 {
			return &blocks[n]
		}
		return block(blocks[n].Blocks, path[1:]...)
	}
	return nil
}

func TestTheDetailedReportTellsEachBlockAndWhatDecided(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "Nguyễn Văn A")
	doc := newPDF()
	doc.pades(t, params, p)
	doc.addDSS(evidenceFor(t, p, params))
	doc.stamp(t, p)
	sound := doc.data
	harmed := append([]byte(nil), sound...)
	harmed[20] ^= 1
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	revoked := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	bare := newPDF()
	bare.pades(t, params, nil)

	for _, c := range []struct {
		name    string
		data    []byte
		options validate.Options
		revoke  bool
		block   []validate.BlockName
		want    validate.Indication
		sub     validate.SubIndication
		decided string
	}{
		{"a sound signature passes its format", sound, online, false, []validate.BlockName{validate.BlockFormat}, validate.IndicationPassed, "", ""},
		{"and its certificate", sound, online, false, []validate.BlockName{validate.BlockX509}, validate.IndicationPassed, "", ""},
		{"and the freshness of revocation data on it", sound, online, false, []validate.BlockName{validate.BlockX509, validate.BlockCertificate, validate.BlockFreshness}, validate.IndicationPassed, "", ""},
		{"and its time-stamp's certificate", sound, online, false, []validate.BlockName{validate.BlockTimestamp, validate.BlockX509}, validate.IndicationPassed, "", ""},
		{"and its proof of existence", sound, online, false, []validate.BlockName{validate.BlockSliding}, validate.IndicationPassed, "", ""},
		{"and its certificate at that time", sound, online, false, []validate.BlockName{validate.BlockPast}, validate.IndicationPassed, "", ""},
		{"and the changes after it", sound, online, false, []validate.BlockName{validate.BlockChanges}, validate.IndicationPassed, "", ""},
		{"a changed byte is told by cryptography", harmed, online, false, []validate.BlockName{validate.BlockCrypto}, validate.IndicationFailed, validate.SubHash, "cryptographic_verification/data_intact"},
		{"then nobody's certificate is asked about", harmed, online, false, []validate.BlockName{validate.BlockX509}, validate.IndicationNotDone, "", "cryptographic_verification/data_intact"},
		{"without anchors there is no path", sound, validate.Options{Clock: p.Clock}, false, []validate.BlockName{validate.BlockX509}, validate.IndicationUnknown, validate.SubNoChain, "certificate/trusted_path"},
		{"a revoked signer is told at its certificate", bare.data, revoked, true, []validate.BlockName{validate.BlockX509, validate.BlockCertificate}, validate.IndicationUnknown, validate.SubRevokedNoPOE, "certificate/not_revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.revoke {
				p.Revoke(params.Chain[0], p.Clock.Now().Add(-time.Minute), 1)
			}
			report := run(t, c.data, c.options)
			d := report.Signatures[0].Detail
			b := block(d.Blocks, c.block...)
			if b == nil {
				t.Fatalf("no block %v", c.block)
			}
			if b.Conclusion.Indication != c.want || b.Conclusion.Sub != c.sub || d.Conclusion.DecidedBy != c.decided {
				t.Errorf("%+v, decided by %q\n%+v", b.Conclusion, d.Conclusion.DecidedBy, b.Constraints)
			}
			if string(d.Conclusion.Indication) != string(report.Signatures[0].Verdict) || d.Conclusion.Sub != report.Signatures[0].SubIndication {
				t.Errorf("the detailed report concludes %+v, the simple one %s", d.Conclusion, report.Signatures[0].Verdict)
			}
		})
	}
	proofs := run(t, sound, online).Signatures[0].Detail.Proofs
	if len(proofs) != 3 || proofs[2].Source != validate.SourceNow {
		t.Errorf("proofs of existence: %+v", proofs)
	}
}

func policy(t testing.TB, text string) *validate.Policy {
	t.Helper()
	p, err := validate.ReadPolicy(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePolicySetsTheLevelsOfConstraints(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "Nguyễn Văn A")
	doc := newPDF()
	doc.pades(t, params, nil)
	offline := validate.Options{Store: p.Store(t), Clock: p.Clock}
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	for _, c := range []struct {
		name, policy string
		options      validate.Options
		verdict      validate.Verdict
		sub          validate.SubIndication
		told         bool
		status       validate.Status
	}{
		{"an unknown state fails", "name: a", offline, validate.Indeterminate, validate.SubTryLater, true, validate.StatusBroken},
		{"or warns", "{name: a, constraints: {revocation_unknown: WARN}}", offline, validate.Passed, "", true, validate.StatusWarn},
		{"or informs", "{name: a, constraints: {revocation_unknown: INFORM}}", offline, validate.Passed, "", true, validate.StatusInform},
		{"or is ignored", "{name: a, constraints: {revocation_unknown: IGNORE}}", offline, validate.Passed, "", false, validate.StatusIgnored},
		{"a time-stamp may be demanded", "{name: a, constraints: {no_trusted_time: FAIL}}", online, validate.Indeterminate, validate.SubSignatureConstraint, false, ""},
		{"data made just now is fresh", "{name: a, revocation: {max_age: 1s}}", online, validate.Passed, "", false, validate.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Policy = policy(t, c.policy)
			report := run(t, doc.data, c.options)
			s := report.Signatures[0]
			if s.Verdict != c.verdict || s.SubIndication != c.sub || has(s, validate.CodeRevocationUnknown) != c.told {
				t.Errorf("%s", explain(report))
			}
			b := block(s.Detail.Blocks, validate.BlockX509, validate.BlockCertificate)
			for _, one := range b.Constraints {
				if one.Name == "revocation_known" && c.status != "" && one.Status != c.status {
					t.Errorf("status %s, not %s", one.Status, c.status)
				}
			}
		})
	}
}

func TestRevocationDataIsNotOlderThanThePolicyAllows(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "Nguyễn Văn A")
	doc := newPDF()
	doc.pades(t, params, nil)
	doc.addDSS(evidenceFor(t, p, params))
	p.Clock.Set(p.Clock.Now().Add(30 * time.Minute))
	offline := validate.Options{Store: p.Store(t), Clock: p.Clock}
	report := run(t, doc.data, offline)
	if report.Verdict != validate.Passed {
		t.Fatalf("within its nextUpdate: %s", explain(report))
	}
	offline.Policy = policy(t, "{name: a, revocation: {max_age: 10m}}")
	report = run(t, doc.data, offline)
	s := report.Signatures[0]
	if s.Verdict != validate.Indeterminate || s.SubIndication != validate.SubTryLater || !has(s, validate.CodeRevocationOld) {
		t.Errorf("older than the policy allows: %s", explain(report))
	}
	b := block(s.Detail.Blocks, validate.BlockX509, validate.BlockCertificate, validate.BlockFreshness)
	if b.Conclusion.Indication != validate.IndicationUnknown || b.Conclusion.DecidedBy != "age" {
		t.Errorf("freshness: %+v", b.Conclusion)
	}
	// The authorities are asked when what is at hand is too old.
	offline.Collector = p.Collector()
	report = run(t, doc.data, offline)
	if report.Verdict != validate.Passed {
		t.Errorf("asked anew: %s", explain(report))
	}
}

func TestAPolicyIsReadWholeOrRefusedWithWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"description: no name":      "name",
		"{name: a, constraint: {}}": "constraint",
		"{name: a, constraints: {no_such: WARN}}":                                              "no such constraint",
		"{name: a, constraints: {document_changed: WARN}}":                                     "FAIL always",
		"{name: a, constraints: {revocation_unknown: MAYBE}}":                                  "MAYBE",
		"{name: a, revocation: {max_age: often}}":                                              "often",
		"{name: a, algorithms: {hash: {SHA256: }, key: []}}":                                   "algorithms",
		"{name: a, trust: [{folder: x, for: [mail]}]}":                                         "mail",
		"{name: a, trust: [{for: [timestamps]}]}":                                              "no folder",
		"name: a\n---\nname: b":                                                                "more than one",
		"name: a\nconstraints: {revocation_unknown: WARN" + strings.Repeat(" ", 300<<10) + "}": "larger",
	} {
		_, err := validate.ReadPolicy(strings.NewReader(text))
		if !errors.Is(err, validate.ErrPolicy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	_, err := validate.ReadPolicy(strings.NewReader(string(validate.DefaultPolicyText())))
	if err != nil {
		t.Errorf("the built-in policy is none: %v", err)
	}
}
