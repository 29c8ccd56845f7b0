package ca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return k
}

func TestEveryRequestableProfileIsIssuedAndLinted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		linter, err := profile.NewLinter()
		check(t, err)
		for _, c := range []struct {
			name    string
			form    ra.Form
			subject string
		}{
			{"an official with position", ra.Form{Profile: "official", PersonID: "p-binh"}, "CN=Nguyễn Văn Bình"},
			{"an agency's seal", ra.Form{Profile: "agency-seal", AgencyID: "ubnd"}, "O=Ủy ban nhân dân tỉnh"},
			{"a service", ra.Form{Profile: "service", AgencyID: "ttcds", Machine: "gateway", DNSNames: []string{"gateway.antin.example"}}, "CN=gateway"},
			{"a data client", ra.Form{Profile: "client", AgencyID: "stc", Machine: "stc-client"}, "OU=stc"},
			{"a device", ra.Form{Profile: "device", AgencyID: "ttcds", Machine: "scanner-1"}, "CN=scanner-1"},
			{"a sensor", ra.Form{Profile: "sensor", AgencyID: "ttgsattt", Machine: "sensor-1", IPs: []net.IP{net.IPv4(10, 1, 0, 9)}}, "CN=sensor-1"},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.form.CSR = csr(t, p256(t))
				before := w.size(t)
				r, err := w.service.Request(as(t, minh), c.form)
				check(t, err)
				_, err = w.service.Approve(as(t, thu), r.ID, "đủ hồ sơ")
				check(t, err)
				row, err := w.service.Issue(as(t, thu), r.ID)
				check(t, err)
				cert, err := row.X509()
				check(t, err)
				warnings, err := linter.Check(cert.Raw)
				if err != nil || len(warnings) > 0 {
					t.Errorf("lint: %v %v", err, warnings)
				}
				if !strings.Contains(cert.Subject.String(), c.subject) {
					t.Errorf("subject %s", cert.Subject)
				}
				pool, roots := x509.NewCertPool(), x509.NewCertPool()
				chain, err := w.service.Chain(cert)
				check(t, err)
				pool.AddCert(chain[1])
				roots.AddCert(chain[2])
				_, err = cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
				check(t, err)
				if got := w.size(t) - before; got != 4 {
					t.Errorf("%d ledger entries, want request, approval, intent and issue", got)
				}
				done, err := w.service.GetRequest(as(t, thu), r.ID)
				check(t, err)
				if done.State != ra.StateIssued || done.Serial != row.Serial || done.CreatedBy != "minh.pq" || done.DecidedBy != "thu.vt" {
					t.Errorf("request %+v", done)
				}
				_, err = w.service.Issue(as(t, thu), r.ID)
				if !errors.Is(err, ra.ErrState) {
					t.Errorf("a second issue gave %v", err)
				}
			})
		}
		report, err := w.service.Audit(t.Context())
		check(t, err)
		if len(report.Findings) != 0 || report.Certificates != w.count(t, "ca_certificate", "state = 'issued'") || report.Certificates < 15 {
			t.Errorf("audit: %+v", report)
		}
	})
}

func TestOnePersonCannotAskAndApprove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-lan", CSR: csr(t, p256(t))})
		check(t, err)
		second := minh
		second.AccountID = "minh.pq.2" // another account of the same person
		for name, who := range map[string]auth.Subject{"the same account": minh, "another account of the same person": second} {
			_, err = w.service.Approve(as(t, who), r.ID, "")
			if !errors.Is(err, ra.ErrSamePerson) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = w.service.Approve(as(t, lan), r.ID, "")
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("without the role: %v", err)
		}
		_, err = w.service.Approve(t.Context(), r.ID, "")
		if !errors.Is(err, ra.ErrActor) {
			t.Errorf("nobody: %v", err)
		}
		_, err = w.service.Issue(as(t, thu), r.ID)
		if !errors.Is(err, ra.ErrState) {
			t.Errorf("issue without approval: %v", err)
		}
		_, err = w.service.Reject(as(t, thu), r.ID, "hồ sơ chưa đủ")
		check(t, err)
		_, err = w.service.Approve(as(t, thu), r.ID, "")
		if !errors.Is(err, ra.ErrState) {
			t.Errorf("approve what was rejected: %v", err)
		}
	})
}

func TestNothingIsIssuedWhenTheLedgerRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		issued := w.count(t, "ca_certificate", "state = 'issued'")
		for _, kind := range []string{ra.ActionCreate, ra.ActionApprove, "ca.certificate.intent"} {
			key := csr(t, p256(t))
			w.ledger.close(func(e ledger.Entry) bool { return e.Kind == kind })
			r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-lan", CSR: key})
			if err == nil {
				_, err = w.service.Approve(as(t, thu), r.ID, "")
			}
			if err == nil {
				_, err = w.service.Issue(as(t, thu), r.ID)
			}
			if !errors.Is(err, errShut) {
				t.Errorf("%s: got %v", kind, err)
			}
		}
		if n := w.count(t, "ca_certificate", "state = 'issued'"); n != issued {
			t.Errorf("%d certificates issued, want %d", n, issued)
		}
		if n := w.count(t, "ca_certificate", "der IS NOT NULL AND state <> 'issued'"); n != 0 {
			t.Errorf("%d certificates signed", n)
		}
		w.ledger.close(nil)
		c := w.official(t, "binh", "EC-P256")
		w.ledger.close(func(e ledger.Entry) bool { return e.Kind == ca.ActionRevoke })
		_, err := w.service.Revoke(as(t, thu), c.Serial, ca.CauseRetired, "")
		if !errors.Is(err, ca.ErrLedger) {
			t.Errorf("revoke: %v", err)
		}
		if n := w.count(t, "ca_certificate", "revoked_at IS NOT NULL"); n != 0 {
			t.Errorf("%d revoked without the ledger", n)
		}
	})
}

func TestBrokenOffIssueIsReportedAndThenFinished(t *testing.T) {
	t.Parallel()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		now := clock.NewFake(time.Now())
		w := newWorld(t, db, now)
		r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-binh", CSR: csr(t, p256(t))})
		check(t, err)
		_, err = w.service.Approve(as(t, thu), r.ID, "")
		check(t, err)
		// The result does not reach the ledger: the certificate is signed and
		// recorded, and must not leave.
		w.ledger.close(func(e ledger.Entry) bool { return e.Kind == "ca.certificate.issue" })
		row, err := w.service.Issue(as(t, thu), r.ID)
		if !errors.Is(err, ca.ErrLedger) || row != nil {
			t.Fatalf("got %v, %v", row, err)
		}
		w.ledger.close(nil)
		// A process that died between intent and signature leaves this behind.
		var signed ca.Certificate
		check(t, db.NewSelect().Model(&signed).Where("state = ?", ca.StateSigned).Scan(t.Context()))
		intent := signed
		intent.Serial, intent.State, intent.DER, intent.SHA256 = strings.Repeat("5", 32), ca.StateIntent, nil, ""
		_, err = db.NewInsert().Model(&intent).Exec(t.Context())
		check(t, err)

		now.Advance(5 * time.Minute)
		restarted, err := ca.New(t.Context(), w.deps)
		check(t, err)
		report, err := restarted.Audit(t.Context())
		check(t, err)
		want := map[ca.FindingKind]string{ca.FindingIntent: intent.Serial, ca.FindingSigned: signed.Serial}
		if len(report.Findings) != 2 || want[report.Findings[0].Kind] != report.Findings[0].Object || want[report.Findings[1].Kind] != report.Findings[1].Object {
			t.Fatalf("audit: %+v", report.Findings)
		}
		row, err = restarted.Issue(as(t, thu), r.ID)
		check(t, err)
		if row.Serial != signed.Serial || row.State != ca.StateIssued {
			t.Errorf("finished as %s %s", row.Serial, row.State)
		}
		if n := w.count(t, "ca_certificate", "serial = ? AND state = 'abandoned'", intent.Serial); n != 1 {
			t.Error("the intent was not given up")
		}
		report, err = restarted.Audit(t.Context())
		check(t, err)
		if len(report.Findings) != 0 {
			t.Errorf("audit after: %+v", report.Findings)
		}
	})
}

func TestAuditFindsWhatDoesNotMatchItsRecord(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	c := w.official(t, "binh", "EC-P256")
	d := w.official(t, "binh-2", "EC-P256")
	_, err := w.deps.DB.ExecContext(t.Context(), "UPDATE ca_certificate SET sha256 = ? WHERE serial = ?", strings.Repeat("0", 64), c.Serial)
	check(t, err)
	// A revocation slipped into the database behind the register's back.
	_, err = w.service.CRL(t.Context(), ca.OfficialName)
	check(t, err)
	_, err = w.deps.DB.ExecContext(t.Context(), "UPDATE ca_certificate SET revoked_at = ? WHERE serial = ?", time.Now().UTC(), d.Serial)
	check(t, err)
	report, err := w.service.Audit(t.Context())
	check(t, err)
	var kinds []ca.FindingKind
	for _, f := range report.Findings {
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []ca.FindingKind{ca.FindingContent, ca.FindingCRL, ca.FindingLedger, ca.FindingUnlogged}) {
		t.Errorf("found %+v", report.Findings)
	}
}

func TestAKeyIsNotCertifiedForTwoHolders(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	c := w.official(t, "binh", "EC-P256")
	for _, f := range []struct {
		name string
		form ra.Form
		want error
	}{
		{"another person", ra.Form{Profile: "official", PersonID: "p-lan", KeyLabel: "binh"}, ra.ErrKeyUsed},
		{"the agency's seal", ra.Form{Profile: "agency-seal", AgencyID: "ubnd", KeyLabel: "binh"}, ra.ErrKeyUsed},
		{"a key of the authority", ra.Form{Profile: "agency-seal", AgencyID: "ubnd", KeyLabel: "ca-root-g1"}, ra.ErrKeyUsed},
		{"no key at all", ra.Form{Profile: "agency-seal", AgencyID: "ubnd"}, ra.ErrForm},
		{"an agency that was dissolved", ra.Form{Profile: "agency-seal", AgencyID: "stttt", KeyLabel: "binh"}, ra.ErrForm},
		{"a person at another agency", ra.Form{Profile: "official", PersonID: "p-binh", AgencyID: "stc", KeyLabel: "binh"}, ra.ErrForm},
		{"an authority by request", ra.Form{Profile: "issuer", AgencyID: "ubnd", Machine: "x", KeyLabel: "binh"}, ra.ErrForm},
		{"an unknown profile", ra.Form{Profile: "none", KeyLabel: "binh"}, profile.ErrUnknown},
		{"a CSR that is not one", ra.Form{Profile: "official", PersonID: "p-lan", CSR: []byte("x")}, ra.ErrForm},
	} {
		_, err := w.service.Request(as(t, minh), f.form)
		if !errors.Is(err, f.want) {
			t.Errorf("%s: got %v, want %v", f.name, err, f.want)
		}
	}
	_, err := w.service.Revoke(as(t, thu), c.Serial, ca.CauseKeyExposed, "")
	check(t, err)
	_, err = w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-binh", KeyLabel: "binh"})
	if !errors.Is(err, ra.ErrKeyUsed) {
		t.Errorf("the compromised key again: %v", err)
	}
}

func TestIssueRefusesWhenTheHolderMovedMeanwhile(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-lan", CSR: csr(t, p256(t))})
	check(t, err)
	_, err = w.service.Approve(as(t, thu), r.ID, "")
	check(t, err)
	_, err = w.deps.DB.ExecContext(t.Context(), "UPDATE position SET title = 'Chủ tịch' WHERE person_id = 'p-lan'")
	check(t, err)
	_, err = w.service.Issue(as(t, thu), r.ID)
	if !errors.Is(err, ra.ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestRevokeTakesOnlyTheClosedListAndOnlyOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		c := w.official(t, "binh", "EC-P256")
		_, err := w.service.Revoke(as(t, thu), c.Serial, "because", "")
		if !errors.Is(err, ca.ErrCause) {
			t.Errorf("unknown cause: %v", err)
		}
		_, err = w.service.Revoke(as(t, lan), c.Serial, ca.CauseDied, "")
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("without the role: %v", err)
		}
		_, err = w.service.Revoke(as(t, thu), strings.Repeat("0", 32), ca.CauseDied, "")
		if !errors.Is(err, ca.ErrNotFound) {
			t.Errorf("unknown certificate: %v", err)
		}
		before, err := w.service.CRL(t.Context(), ca.OfficialName)
		check(t, err)
		_, err = w.service.Revoke(as(t, thu), c.Serial, ca.CauseAgencyMerged, "")
		check(t, err)
		after, err := w.service.CRL(t.Context(), ca.OfficialName)
		check(t, err)
		list, err := x509.ParseRevocationList(after.DER)
		check(t, err)
		if after.Number <= before.Number || len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].ReasonCode != 5 {
			t.Errorf("list %d after %d: %+v", after.Number, before.Number, list.RevokedCertificateEntries)
		}
		_, err = w.service.Revoke(as(t, thu), c.Serial, ca.CauseDied, "")
		if !errors.Is(err, ca.ErrRevoked) {
			t.Errorf("twice: %v", err)
		}
		yes := true
		rows, err := w.service.List(as(t, thu), ca.Filter{AgencyID: "ubnd", Revoked: &yes})
		check(t, err)
		if len(rows) != 1 || rows[0].RevocationCause != ca.CauseAgencyMerged {
			t.Errorf("listed %+v", rows)
		}
	})
}

func TestInitIsDoneOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		before := w.service.Export()
		entries := w.size(t)
		check(t, ca.Init(t.Context(), w.deps, w.deps.Config))
		again, err := ca.New(t.Context(), w.deps)
		check(t, err)
		after := again.Export()
		if len(before) != 13 || len(after) != 13 || w.size(t) != entries {
			t.Errorf("%d files, then %d; %d entries, then %d", len(before), len(after), entries, w.size(t))
		}
		for name, text := range before {
			if string(after[name]) != string(text) {
				t.Errorf("%s changed", name)
			}
		}
	})
}

func TestServiceDoesNotStartOnDoubt(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	for _, c := range []struct {
		name   string
		change func(*ca.Deps)
	}{
		{"without a ledger", func(d *ca.Deps) { d.Ledger = nil }},
		{"with https in certificates", func(d *ca.Deps) { d.Config.BaseURL = "https://pki.example" }},
		{"with a policy arc that is none", func(d *ca.Deps) { d.Config.PolicyArc = "x.y" }},
		{"with authorities that expired", func(d *ca.Deps) { d.Clock = clock.NewFake(time.Now().AddDate(30, 0, 0)) }},
		{"with a responder's certificate that expired", func(d *ca.Deps) { d.Clock = clock.NewFake(time.Now().AddDate(2, 0, 0)) }},
		{"with lists that live a minute", func(d *ca.Deps) { d.Config.CRLValidity = time.Minute }},
	} {
		d := w.deps
		c.change(&d)
		_, err := ca.New(t.Context(), d)
		if !errors.Is(err, ca.ErrConfig) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	empty := w.deps
	empty.DB = storetest.SQLite(t, schema()...)
	_, err := ca.New(t.Context(), empty)
	if !errors.Is(err, ca.ErrNotInitialised) {
		t.Errorf("before Init: %v", err)
	}
}

func TestServiceCertificatesAreIssuedToTheSystemItself(t *testing.T) {
	t.Parallel()
	w := sqlite(t, systemClock)
	form := ca.ServiceForm{Profile: "service", Machine: "console", DNSNames: []string{"localhost"},
		IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, CSR: csr(t, p256(t)), Actor: "system:console"}
	c, err := w.service.IssueService(t.Context(), form)
	check(t, err)
	cert, err := c.X509()
	check(t, err)
	check(t, cert.VerifyHostname("127.0.0.1"))
	if c.Actor != "system:console" || cert.NotAfter.Sub(cert.NotBefore) > 398*24*time.Hour {
		t.Errorf("issued %+v", c)
	}
	for name, change := range map[string]func(*ca.ServiceForm) context.Context{
		"nobody":         func(f *ca.ServiceForm) context.Context { f.Actor = "x"; return t.Context() },
		"an official":    func(*ca.ServiceForm) context.Context { return as(t, lan) },
		"a seal for one": func(f *ca.ServiceForm) context.Context { f.Profile = "agency-seal"; return t.Context() },
	} {
		f := form
		_, err = w.service.IssueService(change(&f), f)
		if err == nil {
			t.Errorf("%s was given a certificate", name)
		}
	}
}
