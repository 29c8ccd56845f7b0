package app_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/reorg"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
)

// mergeOrder merges three communes into a new one and dissolves an office.
const mergeOrder = `
title: Hợp nhất ba xã, giải thể một ban
legal_basis: NQ 12/2026/NQ-HĐND
steps:
  - merge:
      from: [xa-dong-tien, xa-quang-trung, xa-minh-khai]
      into: {id: xa-tien-quang, code: "H99.60", name: "Ủy ban nhân dân Xã Tiến Quang", name_en: "Tien Quang Commune People's Committee", abbreviation: UBND, kind: commune, parent: ubnd}
      keep: xa-dong-tien
      people:
        - {person: t-chau, title: "Phó Chủ tịch", title_en: "Vice Chairman"}
  - dissolve:
      agency: bqldann
      people:
        - {person: t-dat, to: ubnd, title: "Chuyên viên"}
        - {person: t-em, leaves: retired}
`

// holders are the keys that the re-organisation meets.
func holders() []ra.Form {
	return []ra.Form{
		{Profile: "agency-seal", AgencyID: "xa-dong-tien", KeyLabel: "t-seal-dong-tien"},
		{Profile: "agency-seal", AgencyID: "xa-quang-trung", KeyLabel: "t-seal-quang-trung"},
		{Profile: "agency-seal", AgencyID: "xa-minh-khai", KeyLabel: "t-seal-minh-khai"},
		{Profile: "agency-seal", AgencyID: "bqldann", KeyLabel: "t-seal-bqldann"},
		{Profile: "official", PersonID: "t-chau", KeyLabel: "t-chau"},
		{Profile: "official", PersonID: "t-dat", KeyLabel: "t-dat"},
		{Profile: "official", PersonID: "t-em", KeyLabel: "t-em"},
	}
}

// subject signs an account of the demonstration in.
func subject(t *testing.T, s *app.System, id string) context.Context {
	t.Helper()
	account, err := s.Accounts.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return auth.WithSubject(t.Context(), account.Subject())
}

// enrol makes a key and takes its request through both officers.
func enrol(t *testing.T, s *app.System, form ra.Form) *ca.Certificate {
	t.Helper()
	_, err := s.Keys.Generate(t.Context(), form.KeyLabel, "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	request, err := s.CA.Request(subject(t, s, "minh.pq"), form)
	if err == nil {
		_, err = s.CA.Approve(subject(t, s, "thu.vt"), request.ID, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.IssueRequest(subject(t, s, "thu.vt"), request.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func people() *directory.File {
	from := time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
	return &directory.File{
		People: []directory.Person{{ID: "t-chau", Name: "Lý Minh Châu"}, {ID: "t-dat", Name: "Mai Quốc Đạt"}, {ID: "t-em", Name: "Tạ Văn Em"}},
		Positions: []directory.Position{
			{ID: "t-pos-chau", PersonID: "t-chau", AgencyID: "xa-quang-trung", Title: "Chủ tịch", ValidFrom: from},
			{ID: "t-pos-dat", PersonID: "t-dat", AgencyID: "bqldann", Title: "Trưởng ban", ValidFrom: from},
			{ID: "t-pos-em", PersonID: "t-em", AgencyID: "bqldann", Title: "Phó Trưởng ban", ValidFrom: from},
		},
	}
}

func readOrder(t *testing.T) *reorg.Order {
	t.Helper()
	o, err := reorg.ReadOrder(strings.NewReader(mergeOrder))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestReorganisation merges three agencies and dissolves one on a system that
// nobody serves.
func TestReorganisation(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.init(t)
	p.loadDemo(t)
	p.sys = p.open(t)
	t.Cleanup(func() {
		err := p.sys.Close()
		if err != nil {
			t.Error(err)
		}
	})
	p.testReorganisation(t)
}

func (p *platform) testReorganisation(t *testing.T) {
	in, dir := testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"), t.TempDir()
	s := p.sys
	err := directory.Load(t.Context(), s.DB, people())
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]*ca.Certificate{}
	var signed []string
	for _, form := range holders() {
		before[form.KeyLabel] = enrol(t, s, form)
		if form.PersonID != "" {
			out := filepath.Join(dir, form.KeyLabel+".pdf")
			p.antin(t, "sign", in, "-o", out, "--key", form.KeyLabel, "--level", "B-LT").want(t, 0)
			signed = append(signed, out)
		}
	}
	for _, seal := range holders()[:4] {
		out := filepath.Join(dir, seal.KeyLabel+".pdf")
		p.antin(t, "sign", signed[0], "-o", out, "--key", seal.KeyLabel, "--level", "B-LT").want(t, 0)
		signed = append(signed, out)
	}
	job := p.approved(t)
	p.execute(t, job)
	t.Run("what was signed before still verifies", func(t *testing.T) {
		for _, file := range signed {
			var reports []verdict
			p.antin(t, "verify", file, "--json").want(t, 0).decode(t, &reports)
			if len(reports) != 1 || reports[0].Verdict != "TOTAL-PASSED" {
				t.Errorf("%s: %+v", filepath.Base(file), reports)
			}
		}
	})
	t.Run("certificates follow", func(t *testing.T) { p.followed(t, before) })
	t.Run("the kept seal seals under the new name and a revoked one refuses", func(t *testing.T) {
		out := filepath.Join(dir, "new.pdf")
		p.antin(t, "sign", signed[0], "-o", out, "--key", "t-seal-dong-tien", "--level", "B-LT").want(t, 0)
		got := p.antin(t, "verify", out, "--json").want(t, 0)
		wantText(t, got.out, "Xã Tiến Quang")
		refused := p.antin(t, "sign", signed[0], "-o", filepath.Join(dir, "no.pdf"), "--key", "t-seal-minh-khai")
		if refused.status == 0 {
			t.Error("a revoked seal sealed")
		}
	})
	t.Run("a key that followed its agency can be renewed", func(t *testing.T) {
		entry, err := s.Register.Get(t.Context(), "t-seal-dong-tien")
		if err != nil {
			t.Fatal(err)
		}
		chain, err := entry.Certificates()
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.CA.Request(subject(t, s, "minh.pq"), ra.Form{Kind: ra.KindRenew, Serial: trust.SerialText(chain[0])})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("each item done has what takes it back", func(t *testing.T) {
		list, err := s.Reorg.UndoList(subject(t, s, "kiem.tv"), job.ID)
		if err != nil {
			t.Fatal(err)
		}
		finals := 0
		for _, u := range list {
			if u.Do == "" {
				t.Errorf("nothing takes back %+v", u)
			}
			if u.Final {
				finals++
			}
		}
		// four revoked and three changed certificates
		if finals != 7 || len(list) < 15 {
			t.Errorf("%d entries, %d final", len(list), finals)
		}
	})
	t.Run("the ledger and the register agree", func(t *testing.T) {
		p.antin(t, "ca", "audit").want(t, 0)
		p.antin(t, "ledger", "verify").want(t, 0)
	})
}

// approved submits the order and takes it to its approval, past what must be
// refused on the way.
func (p *platform) approved(t *testing.T) *reorg.Job {
	t.Helper()
	s := p.sys
	minh, thu := subject(t, s, "minh.pq"), subject(t, s, "thu.vt")
	size, err := s.Ledger.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Reorg.Plan(minh, readOrder(t))
	if err != nil {
		t.Fatal(err)
	}
	n := plan.Count()
	want := map[reorg.ActionKind]int{reorg.AgencyCreate: 1, reorg.AgencyEnd: 4, reorg.PositionMove: 2, reorg.PositionEnd: 1,
		reorg.CertificateChange: 3, reorg.CertificateRevoke: 4}
	for kind, count := range want {
		if n[kind] != count {
			t.Errorf("%d items of %s, want %d", n[kind], kind, count)
		}
	}
	after, err := s.Ledger.Size(t.Context())
	if err != nil || after != size {
		t.Errorf("the dry run wrote to the ledger: %d, %d, %v", size, after, err)
	}
	_, err = s.Directory.Agency(t.Context(), "xa-tien-quang")
	if !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("the dry run made an agency: %v", err)
	}
	job, err := s.Reorg.Submit(minh, readOrder(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Reorg.Run(thu, job.ID, nil)
	if !errors.Is(err, reorg.ErrState) {
		t.Errorf("run without approval: %v", err)
	}
	_, err = s.Reorg.Approve(minh, job.ID, "")
	if !errors.Is(err, reorg.ErrSamePerson) && !errors.Is(err, auth.ErrDenied) {
		t.Errorf("approved by who submitted: %v", err)
	}
	// Something that the plan touches changes: what was shown is no longer true.
	c := enrol(t, s, ra.Form{Profile: "official", PersonID: "t-chau", KeyLabel: "t-chau-2"})
	_, err = s.Reorg.Approve(thu, job.ID, "")
	if !errors.Is(err, reorg.ErrChanged) {
		t.Errorf("approved though the plan changed: %v", err)
	}
	_, err = s.CA.Revoke(thu, c.Serial, ca.CauseDeviceDamaged, "")
	if err != nil {
		t.Fatal(err)
	}
	job, err = s.Reorg.Approve(thu, job.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// execute runs the job, cut off once in the middle.
func (p *platform) execute(t *testing.T, job *reorg.Job) {
	t.Helper()
	s := p.sys
	ctx, cut := context.WithCancel(subject(t, s, "thu.vt"))
	defer cut()
	changed := 0
	stopped, err := s.Reorg.Run(ctx, job.ID, func(_, _ int, item reorg.Item) {
		if item.Kind == reorg.CertificateChange {
			changed++
			cut()
		}
	})
	if !errors.Is(err, context.Canceled) || stopped.State != reorg.StateStopped || changed != 1 {
		t.Fatalf("cut off: %v, %+v, %d changed", err, stopped, changed)
	}
	var seen []int
	done, err := s.Reorg.Run(subject(t, s, "thu.vt"), job.ID, func(_, _ int, item reorg.Item) { seen = append(seen, item.N) })
	if err != nil || done.State != reorg.StateDone {
		t.Fatalf("went on: %v, %+v", err, done)
	}
	_, items, err := s.Reorg.Get(subject(t, s, "thu.vt"), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || len(seen) >= len(items) {
		t.Errorf("the second run did %d of %d items", len(seen), len(items))
	}
	for _, item := range items {
		if item.State != reorg.ItemDone || item.LedgerIndex == nil {
			t.Errorf("item %d: %s, ledger %v", item.N, item.State, item.LedgerIndex)
		}
	}
}

// followed looks at what became of each certificate.
func (p *platform) followed(t *testing.T, before map[string]*ca.Certificate) {
	t.Helper()
	s, ctx := p.sys, subject(t, p.sys, "thu.vt")
	wantCause := map[string]ca.Cause{"t-seal-dong-tien": ca.CauseAgencyMerged, "t-seal-quang-trung": ca.CauseAgencyMerged, "t-seal-minh-khai": ca.CauseAgencyMerged,
		"t-seal-bqldann": ca.CauseAgencyDissolved, "t-chau": ca.CausePostChanged, "t-dat": ca.CausePostChanged, "t-em": ca.CauseRetired}
	for label, cause := range wantCause {
		old, err := s.CA.Get(ctx, before[label].Serial)
		if err != nil {
			t.Fatal(err)
		}
		if old.RevokedAt == nil || old.RevocationCause != cause {
			t.Errorf("%s: revoked %v for %q, want %q", label, old.RevokedAt, old.RevocationCause, cause)
		}
	}
	for label, words := range map[string][]string{"t-seal-dong-tien": {"Xã Tiến Quang", "GO:VN-H99.60"}, "t-chau": {"Xã Tiến Quang", "Phó Chủ tịch"}, "t-dat": {"Ủy ban nhân dân tỉnh", "Chuyên viên"}} {
		entry, err := s.Register.Get(t.Context(), label)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := entry.Certificates()
		if err != nil {
			t.Fatal(err)
		}
		subject := chain[0].Subject.String()
		for _, name := range chain[0].Subject.Names {
			text, ok := name.Value.(string)
			if ok {
				subject += " " + text
			}
		}
		for _, word := range words {
			wantText(t, subject, word)
		}
		if chain[0].NotAfter.After(*before[label].NotAfter) {
			t.Errorf("%s: the change made the certificate live longer", label)
		}
		n, err := s.DB.NewSelect().TableExpr("ca_certificate").Where("key_label = ?", label).Where("state = 'issued'").Count(t.Context())
		if err != nil || n != 2 {
			t.Errorf("%s has %d certificates, want the old and the new one (%v)", label, n, err)
		}
	}
}
