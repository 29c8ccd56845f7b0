package ca_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// device issues a certificate of a profile that may be put on hold.
func (w *world) device(t testing.TB) *ca.Certificate {
	t.Helper()
	c, err := w.service.Issue(as(t, thu), w.approved(t, ra.Form{Profile: "device", AgencyID: "ttcds", Machine: "thiet-bi"}))
	check(t, err)
	return c
}

// crlVerdict has openssl judge a certificate by lists that it is given.
func (w *world) crlVerdict(t testing.TB, leaf, issuer string, flags []string, lists ...string) string {
	t.Helper()
	args := append([]string{"verify"}, flags...)
	args = append(args, "-CAfile", w.path("root-g1.pem"), "-untrusted", w.path("issuer-"+issuer+".pem"))
	for _, l := range lists {
		args = append(args, "-CRLfile", l)
	}
	text, err := openssl(t, append(args, leaf)...)
	if err == nil {
		return "OK"
	}
	return text
}

func (w *world) ocspOf(t testing.TB, leaf, issuer string) string {
	t.Helper()
	text, err := openssl(t, "ocsp", "-issuer", w.path("issuer-"+issuer+".pem"), "-cert", leaf, "-url", w.url+"/ocsp",
		"-CAfile", w.path("root-g1.pem"), "-verify_other", w.path("issuer-"+issuer+".pem"), "-no_nonce")
	if err != nil {
		t.Fatalf("openssl ocsp: %v: %s", err, text)
	}
	return text
}

func TestHoldAndReleaseShowInListsAnswersAndHistory(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		c := w.device(t)
		leaf := w.file(t, c)
		root := w.fetchList(t, "g1")
		old := w.fetchList(t, "service") // what a verifier has in its cache
		saved := filepath.Join(w.dir, "cached.crl")
		b, err := os.ReadFile(old)
		check(t, err)
		check(t, os.WriteFile(saved, b, 0o600))
		held, err := w.service.Hold(as(t, thu), c.Serial, "đang kiểm tra")
		check(t, err)
		if !held.Held() || held.RevocationReason != 6 || held.RevokeIndex == nil {
			t.Errorf("held as %+v", held)
		}
		if text := w.ocspOf(t, leaf, "service"); !strings.Contains(text, ": revoked") || !strings.Contains(text, "certificateHold") {
			t.Errorf("OCSP on hold: %s", text)
		}
		delta := w.fetchList(t, "service-delta")
		check1, deltas := []string{"-crl_check_all"}, []string{"-crl_check_all", "-use_deltas", "-extended_crl"}
		if text := w.crlVerdict(t, leaf, "service", check1, root, saved); text != "OK" {
			t.Errorf("by the cached list alone: %s", text)
		}
		if text := w.crlVerdict(t, leaf, "service", deltas, root, saved, delta, w.fetchList(t, "g1-delta")); !strings.Contains(text, "certificate revoked") {
			t.Errorf("by the cached list and the delta list: %s", text)
		}
		if text := w.crlVerdict(t, leaf, "service", check1, root, w.fetchList(t, "service")); !strings.Contains(text, "certificate revoked") {
			t.Errorf("by the new list: %s", text)
		}
		onHold := w.fetchList(t, "service")
		saved2 := filepath.Join(w.dir, "cached2.crl")
		b, err = os.ReadFile(onHold)
		check(t, err)
		check(t, os.WriteFile(saved2, b, 0o600))
		released, err := w.service.Release(as(t, thu), c.Serial, "")
		check(t, err)
		if released.RevokedAt != nil {
			t.Errorf("released as %+v", released)
		}
		if text := w.ocspOf(t, leaf, "service"); !strings.Contains(text, ": good") {
			t.Errorf("OCSP after the release: %s", text)
		}
		text, err := openssl(t, "crl", "-in", w.fetchList(t, "service-delta"), "-noout", "-text")
		check(t, err)
		if !strings.Contains(text, "Remove From CRL") {
			t.Errorf("delta list after the release: %s", text)
		}
		if text := w.crlVerdict(t, leaf, "service", deltas, root, saved2, w.fetchList(t, "service-delta"), w.fetchList(t, "g1-delta")); text != "OK" {
			t.Errorf("by the list with the hold and the delta list with the release: %s", text)
		}
		history, err := w.service.History(as(t, thu), c.Serial)
		check(t, err)
		if len(history) != 2 || history[0].Act != ca.ActHold || history[1].Act != ca.ActRelease || history[1].LedgerIndex == nil ||
			ca.GoodAt(history, history[0].At) || !ca.GoodAt(history, history[0].At.Add(-time.Second)) || !ca.GoodAt(history, history[1].At) {
			t.Errorf("history %+v", history)
		}
		_, err = w.service.Release(as(t, thu), c.Serial, "")
		if !errors.Is(err, ca.ErrState) {
			t.Errorf("a second release: %v", err)
		}
		_, err = w.service.Hold(as(t, thu), c.Serial, "")
		check(t, err)
		revoked, err := w.service.Revoke(as(t, thu), c.Serial, ca.CauseDeviceLost, "")
		check(t, err)
		if revoked.RevocationReason != 1 || revoked.Held() {
			t.Errorf("revoked from hold as %+v", revoked)
		}
		for name, act := range map[string]func() (*ca.Certificate, error){
			"hold":    func() (*ca.Certificate, error) { return w.service.Hold(as(t, thu), c.Serial, "") },
			"release": func() (*ca.Certificate, error) { return w.service.Release(as(t, thu), c.Serial, "") },
		} {
			_, err = act()
			if !errors.Is(err, ca.ErrRevoked) && !errors.Is(err, ca.ErrState) {
				t.Errorf("%s of a revoked certificate: %v", name, err)
			}
		}
		report, err := w.service.Audit(t.Context())
		check(t, err)
		if len(report.Findings) != 0 || report.Answers == 0 || report.Entries == 0 || report.Lists != 8 {
			t.Errorf("audit: %+v", report)
		}
	})
}

func TestAnOfficialsCertificateIsNeverPutOnHold(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	c := w.official(t, "binh", "EC-P256")
	entries := w.size(t)
	_, err := w.service.Hold(as(t, thu), c.Serial, "")
	if !errors.Is(err, ca.ErrState) || w.size(t) != entries {
		t.Errorf("got %v", err)
	}
	d := w.device(t)
	_, err = w.service.Hold(as(t, lan), d.Serial, "")
	if err == nil {
		t.Error("an official held a device's certificate")
	}
}

func TestPartitionsSpreadNewCertificatesAndKeepOldOnesRight(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	before := w.device(t)
	deps := w.deps
	deps.Config.CRLPartitions = map[string]int{ca.ServiceName: 2}
	var err error
	w.service, err = ca.New(t.Context(), deps)
	check(t, err)
	named := map[string]*ca.Certificate{}
	for range 20 {
		c := w.device(t)
		cert, err := c.X509()
		check(t, err)
		name := strings.TrimSuffix(filepath.Base(cert.CRLDistributionPoints[0]), ".crl")
		named[name] = c
		if len(named) == 2 {
			break
		}
	}
	first, there := named["service-p1"]
	if !there || named["service-p2"] == nil {
		t.Fatalf("20 certificates name %v", named)
	}
	_, err = w.service.Revoke(as(t, thu), first.Serial, ca.CauseStopped, "")
	check(t, err)
	_, err = w.service.Revoke(as(t, thu), before.Serial, ca.CauseStopped, "")
	check(t, err)
	// Later there are none: whoever named a partition still finds it.
	deps.Config.CRLPartitions = nil
	w.service, err = ca.New(t.Context(), deps)
	check(t, err)
	w.serveBy(w.service)
	root := w.fetchList(t, "g1")
	for name, c := range map[string]struct {
		cert *ca.Certificate
		want string
	}{
		"service-p1": {first, "certificate revoked"}, "service-p2": {named["service-p2"], "OK"}, "service": {before, "certificate revoked"},
	} {
		list := w.fetchList(t, name)
		if text := w.crlVerdict(t, w.file(t, c.cert), "service", []string{"-crl_check_all", "-extended_crl"}, root, list); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
	resp, _ := get(t, w.url+"/crl/service-p3.crl")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a partition there is not: %s", resp.Status)
	}
	report, err := w.service.Audit(t.Context())
	check(t, err)
	if len(report.Findings) != 0 {
		t.Errorf("audit: %+v", report.Findings)
	}
}

func TestTheAuditFindsListsAnswersAndLedgerThatDiffer(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	c := w.device(t)
	other := w.device(t)
	_, err := w.service.Revoke(as(t, thu), other.Serial, ca.CauseStopped, "")
	check(t, err)
	check(t, w.service.Warm(t.Context()))
	// Somebody writes into the register by hand, past ledger and publication.
	_, err = w.deps.DB.NewRaw("UPDATE ca_certificate SET revoked_at = ?, revocation_reason = 1 WHERE serial = ?", time.Now().UTC(), c.Serial).Exec(t.Context())
	check(t, err)
	_, err = w.deps.DB.NewRaw("DELETE FROM ca_revocation WHERE serial = ?", other.Serial).Exec(t.Context())
	check(t, err)
	w.service.Age(time.Hour)
	report, err := w.service.Audit(t.Context())
	check(t, err)
	found := map[ca.FindingKind]bool{}
	for _, f := range report.Findings {
		found[f.Kind] = true
	}
	for _, kind := range []ca.FindingKind{ca.FindingCRL, ca.FindingOCSP, ca.FindingUnlogged, ca.FindingLedger} {
		if !found[kind] {
			t.Errorf("%s is not found: %+v", kind, report.Findings)
		}
	}
}

func TestAnOlderRegisterIsBroughtUpToTheLedger(t *testing.T) {
	t.Parallel()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, clock.System{})
		kept, held := w.device(t), w.device(t)
		_, err := ca.Reconcile(t.Context(), db, w.ledger, nil, w.deps.Clock, w.deps.Logger)
		check(t, err)
		// What comes now is lost from the register, as by a restore of an older copy.
		_, err = w.service.Revoke(as(t, thu), kept.Serial, ca.CauseDeviceLost, "")
		check(t, err)
		_, err = w.service.Hold(as(t, thu), held.Serial, "")
		check(t, err)
		late := w.device(t)
		_, err = w.service.Revoke(as(t, thu), late.Serial, ca.CauseStopped, "")
		check(t, err)
		lost := w.device(t)
		for _, sql := range []string{
			"DELETE FROM ca_revocation", "UPDATE ca_authority SET revision = 0",
			"UPDATE ca_certificate SET revoked_at = NULL, revocation_reason = 0, revocation_cause = '', revoke_index = NULL",
			"DELETE FROM ca_request", "DELETE FROM ca_certificate WHERE serial IN ('" + late.Serial + "', '" + lost.Serial + "')",
		} {
			_, err = db.NewRaw(sql).Exec(t.Context())
			check(t, err)
		}
		head, err := w.ledger.WaitPublished(t.Context(), 20*time.Second)
		check(t, err)
		got, err := ca.Reconcile(t.Context(), db, w.ledger, []ledger.Head{head}, w.deps.Clock, w.deps.Logger)
		check(t, err)
		if got.Revocations != 2 || got.Holds != 1 || got.Certificates != 2 {
			t.Errorf("brought %+v", got)
		}
		w.service, err = ca.New(t.Context(), w.deps)
		check(t, err)
		w.serveBy(w.service)
		for name, c := range map[string]struct {
			cert *ca.Certificate
			want string
		}{"revoked later": {kept, ": revoked"}, "held later": {held, "certificateHold"}, "issued and revoked later": {late, ": revoked"}, "issued later": {lost, ": good"}} {
			if text := w.ocspOf(t, w.file(t, c.cert), "service"); !strings.Contains(text, c.want) {
				t.Errorf("%s: %s", name, text)
			}
		}
		back, err := w.service.Recover(t.Context(), lost.DER)
		check(t, err)
		if back.State != ca.StateIssued || back.SHA256 != lost.SHA256 {
			t.Errorf("recovered as %+v", back)
		}
		_, err = w.service.Recover(t.Context(), kept.DER)
		if !errors.Is(err, ca.ErrState) {
			t.Errorf("recovery of what is not lost: %v", err)
		}
		again, err := ca.Reconcile(t.Context(), db, w.ledger, nil, w.deps.Clock, w.deps.Logger)
		check(t, err)
		if again.Total() != 0 {
			t.Errorf("brought again %+v", again)
		}
		// A ledger that is older than the register is refused, and one that was rewritten.
		_, err = db.NewRaw("UPDATE ca_ledger_mark SET size = size + 1000").Exec(t.Context())
		check(t, err)
		_, err = ca.Reconcile(t.Context(), db, w.ledger, nil, w.deps.Clock, w.deps.Logger)
		if !errors.Is(err, ledger.ErrBehind) {
			t.Errorf("an older ledger: %v", err)
		}
		_, err = ca.Reconcile(t.Context(), db, w.ledger, []ledger.Head{{Size: head.Size, Root: strings.Repeat("ab", 32)}}, w.deps.Clock, w.deps.Logger)
		if !errors.Is(err, ledger.ErrForked) {
			t.Errorf("a rewritten ledger: %v", err)
		}
	})
}
