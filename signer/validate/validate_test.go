package validate_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/validate"
)

func signer(t testing.TB, p *trusttest.PKI, name string) cms.Params {
	t.Helper()
	key := trusttest.ECKey(t)
	return cms.Params{Signer: key, Chain: p.Issue(t, name, key.Public()), Hash: crypto.SHA256}
}

func run(t testing.TB, data []byte, o validate.Options) *validate.Report {
	t.Helper()
	report, err := validate.Validate(context.Background(), bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func explain(r *validate.Report) string {
	var b strings.Builder
	_ = validate.WriteText(&b, r, validate.English)
	return b.String()
}

func has(s validate.Signature, code validate.Code) bool {
	for _, reason := range s.Reasons {
		if reason.Code == code {
			return true
		}
	}
	return false
}

// evidenceFor collects what a B-LT document holds: for signer and TSA.
func evidenceFor(t testing.TB, p *trusttest.PKI, params cms.Params) trust.Evidence {
	t.Helper()
	evidence, err := p.Collector().Collect(context.Background(), params.Chain)
	if err != nil {
		t.Fatal(err)
	}
	tsa, err := p.Collector().Collect(context.Background(), chainOf(p))
	if err != nil {
		t.Fatal(err)
	}
	evidence.Add(tsa)
	return evidence
}

func TestLevelsAreFoundAndBelieved(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "Nguyễn Văn A")
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	offline := validate.Options{Store: p.Store(t), Clock: p.Clock}

	bb := newPDF()
	bb.pades(t, params, nil)
	bt := newPDF()
	bt.pades(t, params, p)
	blt := bt.clone()
	blt.addDSS(evidenceFor(t, p, params))
	blta := blt.clone()
	blta.stamp(t, p)
	cases := []struct {
		name    string
		doc     *pdf
		options validate.Options
		level   string
		verdict validate.Verdict
		sub     validate.SubIndication
		changes validate.Changes
		cover   validate.Coverage
		stamped bool
	}{
		{"B-B with the authorities at hand", bb, online, "B-B", validate.Passed, "", validate.ChangesNone, validate.CoversFile, false},
		{"B-B offline lacks revocation data", bb, offline, "B-B", validate.Indeterminate, validate.SubTryLater, validate.ChangesNone, validate.CoversFile, false},
		{"B-B without anchors", bb, validate.Options{Clock: p.Clock}, "B-B", validate.Indeterminate, validate.SubNoChain, validate.ChangesNone, validate.CoversFile, false},
		{"B-T with the authorities at hand", bt, online, "B-T", validate.Passed, "", validate.ChangesNone, validate.CoversFile, true},
		{"B-LT offline", blt, offline, "B-LT", validate.Passed, "", validate.ChangesAllowed, validate.CoversRevision, true},
		{"B-LTA offline", blta, offline, "B-LTA", validate.Passed, "", validate.ChangesAllowed, validate.CoversRevision, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			report := run(t, c.doc.data, c.options)
			s := report.Signatures[0]
			if s.Level != c.level || s.Verdict != c.verdict || s.SubIndication != c.sub || s.Changes != c.changes ||
				s.Coverage != c.cover || s.Integrity != validate.Intact || s.Stamped != c.stamped || s.Signer != "Nguyễn Văn A" {
				t.Errorf("got %s", explain(report))
			}
			if report.Verdict != c.verdict {
				t.Errorf("report %s: %s", report.Verdict, explain(report))
			}
		})
	}
}

// chainOf is the TSA's chain.
func chainOf(p *trusttest.PKI) []*x509Certificate {
	return []*x509Certificate{p.TSA, p.Issuer, p.Root}
}

func TestTimeDecidesWhatARevocationMeans(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	before, beforeStamped := newPDF(), newPDF()
	before.pades(t, params, nil)
	beforeStamped.pades(t, params, p)
	p.Clock.Advance(time.Hour)
	p.Revoke(params.Chain[0], p.Clock.Now(), 1)
	p.Clock.Advance(time.Hour)
	claims := newPDF()
	claims.pades(t, params, nil, func(s *signing) { s.date = p.Clock.Now().Format("D:20060102150405Z") })
	after := newPDF()
	after.pades(t, params, p)
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	cases := []struct {
		name    string
		doc     *pdf
		verdict validate.Verdict
		sub     validate.SubIndication
		code    validate.Code
	}{
		{"stamped before the revocation stays valid", beforeStamped, validate.Passed, "", validate.CodeRevokedLater},
		{"unstamped is in doubt", before, validate.Indeterminate, validate.SubRevokedNoPOE, validate.CodeRevoked},
		{"stamped after the revocation is in doubt", after, validate.Indeterminate, validate.SubRevokedNoPOE, validate.CodeRevoked},
		{"signed after it by the signer's own word is failed", claims, validate.Failed, validate.SubRevoked, validate.CodeRevoked},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			report := run(t, c.doc.data, online)
			s := report.Signatures[0]
			if s.Verdict != c.verdict || s.SubIndication != c.sub || !has(s, c.code) {
				t.Errorf("got %s", explain(report))
			}
		})
	}
}

func TestAStampOutlivesTheSignersCertificate(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	plain, doc := newPDF(), newPDF()
	plain.pades(t, params, nil)
	doc.pades(t, params, p)
	doc.addDSS(evidenceFor(t, p, params))
	p.Clock.Advance(3 * 365 * 24 * time.Hour)
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	report := run(t, doc.data, online)
	if report.Verdict != validate.Passed {
		t.Errorf("stamped: %s", explain(report))
	}
	report = run(t, plain.data, online)
	if s := report.Signatures[0]; s.Verdict != validate.Indeterminate || s.SubIndication != validate.SubOutOfBounds {
		t.Errorf("unstamped: %s", explain(report))
	}
}

func TestAnArchiveTimestampCarriesTheProofOn(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	doc := newPDF()
	doc.pades(t, params, nil) // no signature time-stamp: the document's alone proves
	doc.addDSS(evidenceFor(t, p, params))
	doc.stamp(t, p)
	p.Clock.Advance(3 * 365 * 24 * time.Hour)
	report := run(t, doc.data, validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock})
	if report.Verdict != validate.Passed || !report.Signatures[0].Stamped || report.Signatures[1].Kind != validate.KindTimestamp {
		t.Errorf("got %s", explain(report))
	}
}

func TestAStrangersStampProvesNothing(t *testing.T) {
	p, stranger := trusttest.New(t, time.Time{}), trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	doc := newPDF()
	doc.pades(t, params, stranger)
	report := run(t, doc.data, validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock})
	s := report.Signatures[0]
	if s.Stamped || !has(s, validate.CodeTimestampUntrusted) || s.Verdict != validate.Passed {
		t.Errorf("got %s", explain(report))
	}
}

func TestACopiedStampIsNotPassed(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	first := []byte(nil)
	params.Timestamp = func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
		if first != nil {
			return first, nil
		}
		response, err := p.Stamp(h, digest, nil)
		first = tokenDER(t, response)
		return first, err
	}
	one, two := newPDF(), newPDF()
	one.pades(t, params, nil)
	two.pades(t, params, nil, func(s *signing) { s.extra = " /Reason (khac)" })
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	if report := run(t, one.data, online); report.Verdict != validate.Passed {
		t.Errorf("own stamp: %s", explain(report))
	}
	report := run(t, two.data, online)
	if s := report.Signatures[0]; s.Verdict == validate.Passed || s.Stamped || !has(s, validate.CodeTimestampImprint) {
		t.Errorf("copied stamp: %s", explain(report))
	}
}

func TestNoByteOfTheSignedRangeMayChange(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	doc := newPDF()
	doc.pades(t, params, nil)
	options := validate.Options{Store: p.Store(t), Clock: p.Clock}
	br := run(t, doc.data, options).Signatures[0].ByteRange
	unreadable, failed := 0, 0
	for n := range doc.data {
		if int64(n) >= br[1] && int64(n) < br[2] {
			continue
		}
		// A neighbouring character in one place, the other case in the next.
		mask := []byte{1, 0x20}[n%2]
		changed := bytes.Clone(doc.data)
		changed[n] ^= mask
		report, err := validate.Validate(context.Background(), bytes.NewReader(changed), int64(len(changed)), options)
		switch {
		case errors.Is(err, validate.ErrUnreadable):
			unreadable++
		case err != nil:
			t.Fatalf("byte %d: %v", n, err)
		case report.Verdict != validate.Failed:
			t.Errorf("byte %d (%q) changed: %s", n, doc.data[n], explain(report))
		default:
			failed++
		}
	}
	t.Logf("%d changes told TOTAL-FAILED, %d left no readable file", failed, unreadable)
	if unreadable != 0 {
		t.Errorf("%d changes were not told as failures", unreadable)
	}
}

func TestWhatComesAfterTheSignatureIsJudged(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	params := signer(t, p, "A")
	second := signer(t, p, "B")
	base := newPDF()
	base.pades(t, params, nil)
	certified := newPDF()
	certified.pades(t, params, nil, func(s *signing) {
		s.extra = " /Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /P 1 /V /1.2 >> >>]"
	})
	cases := []struct {
		name    string
		doc     *pdf
		edit    func(d *pdf)
		changes validate.Changes
		verdict validate.Verdict
	}{
		{"nothing", base, func(*pdf) {}, validate.ChangesNone, validate.Passed},
		{"a second signature", base, func(d *pdf) { d.pades(t, second, nil) }, validate.ChangesAllowed, validate.Passed},
		{"validation data", base, func(d *pdf) { d.addDSS(evidenceFor(t, p, params)) }, validate.ChangesAllowed, validate.Passed},
		{"a document time-stamp", base, func(d *pdf) { d.stamp(t, p) }, validate.ChangesAllowed, validate.Passed},
		{"other page content", base, func(d *pdf) {
			d.update(map[int]string{objContent: stream("BT /F1 12 Tf 72 720 Td (Khac) Tj ET", "")})
		}, validate.ChangesForbidden, validate.Failed},
		{"an added page", base, func(d *pdf) {
			d.update(map[int]string{objPages: "<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 >>"})
		}, validate.ChangesForbidden, validate.Failed},
		{"a comment", base, func(d *pdf) {
			note := d.next()
			d.update(map[int]string{
				note:    "<< /Type /Annot /Subtype /FreeText /Rect [0 0 500 500] /Contents (x) >>",
				objPage: strings.Replace(d.page(), "/Annots [", fmt.Sprintf("/Annots [%d 0 R ", note), 1),
			})
		}, validate.ChangesForbidden, validate.Failed},
		{"the signature taken out of the form", base, func(d *pdf) {
			d.update(map[int]string{objForm: "<< /SigFlags 3 /Fields [] >>"})
		}, validate.ChangesForbidden, validate.Failed},
		{"bytes that are no revision", base, func(d *pdf) { d.data = append(d.data, "rubbish"...) }, validate.ChangesForbidden, validate.Failed},
		{"blank lines", base, func(d *pdf) { d.data = append(d.data, "\n\n\n\n"...) }, validate.ChangesUnknown, validate.Indeterminate},
		{"a second signature on a document certified against all changes", certified, func(d *pdf) { d.pades(t, second, nil) }, validate.ChangesForbidden, validate.Failed},
		{"validation data on the same", certified, func(d *pdf) { d.addDSS(evidenceFor(t, p, params)) }, validate.ChangesAllowed, validate.Passed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			doc := c.doc.clone()
			c.edit(doc)
			report := run(t, doc.data, validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock})
			s := report.Signatures[0]
			if s.Integrity != validate.Intact || s.Changes != c.changes || report.Verdict != c.verdict {
				t.Errorf("got %s", explain(report))
			}
			// The same is told when nobody is trusted.
			stranger := run(t, doc.data, validate.Options{Clock: p.Clock}).Signatures[0]
			if stranger.Integrity != s.Integrity || stranger.Changes != s.Changes || stranger.Coverage != s.Coverage {
				t.Errorf("without trust: %+v", stranger)
			}
		})
	}
}

func TestReportsAreForMachinesAndPeople(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	doc := newPDF()
	doc.pades(t, signer(t, p, "Nguyễn Văn A"), p, func(s *signing) {
		s.rect, s.date = "100 100 200 150", p.Clock.Now().Format("D:20060102150405Z")
	})
	report := run(t, doc.data, validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock, File: "chi-thi.pdf"})
	s := report.Signatures[0]
	if !s.Visible() || s.Places[0] != (validate.Place{Page: 1, Rect: [4]float64{100, 100, 200, 150}}) {
		t.Errorf("places %v", s.Places)
	}
	data, err := json.Marshal([]*validate.Report{report})
	if err != nil {
		t.Fatal(err)
	}
	var generic []map[string]any
	err = json.Unmarshal(data, &generic)
	if err != nil {
		t.Fatal(err)
	}
	one := generic[0]["signatures"].([]any)[0].(map[string]any)
	want := []string{"field", "kind", "level", "verdict", "sub_indication", "integrity", "coverage", "changes", "signer", "signed_at", "best_time", "revision", "reasons", "places"}
	for _, key := range want {
		if _, ok := one[key]; !ok {
			t.Errorf("%q is missing in %s", key, data)
		}
	}
	if len(one) != len(want) || len(generic[0]) != 3 {
		t.Errorf("other keys than those of the contract and the places of a mark: %s", data)
	}
	for lang, word := range map[validate.Lang]string{validate.Vietnamese: "HỢP LỆ", validate.English: "VALID"} {
		var b strings.Builder
		err = validate.WriteText(&b, report, lang)
		if err != nil || !strings.Contains(b.String(), word) || !strings.Contains(b.String(), "Nguyễn Văn A") {
			t.Errorf("%s: %v\n%s", lang, err, b.String())
		}
	}
}

func TestAFileWithoutSignaturesProvesNothing(t *testing.T) {
	report := run(t, newPDF().data, validate.Options{})
	if report.Verdict != validate.Indeterminate || report.ExitCode() != validate.ExitIndeterminate || report.Reasons[0].Code != validate.CodeNoSignature {
		t.Errorf("got %s", explain(report))
	}
	_, err := validate.Validate(context.Background(), strings.NewReader("no PDF"), 6, validate.Options{})
	if !errors.Is(err, validate.ErrUnreadable) {
		t.Errorf("rubbish: %v", err)
	}
}

func TestEveryReasonHasBothTexts(t *testing.T) {
	for _, code := range validate.Codes() {
		reason := validate.Reason{Code: code}
		vi, en := reason.Text(validate.Vietnamese), reason.Text(validate.English)
		if vi == string(code) || en == string(code) || vi == en {
			t.Errorf("%s: %q %q", code, vi, en)
		}
	}
}
