package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/policy/bundle"
)

func open(tb testing.TB) *Engine {
	tb.Helper()
	source, err := bundle.Embedded()
	if err != nil {
		tb.Fatal(err)
	}
	e, err := New(tb.Context(), source)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func code(err error) string {
	if err == nil {
		return ""
	}
	var denied *auth.DeniedError
	if errors.As(err, &denied) {
		return denied.Code
	}
	return "error: " + err.Error()
}

func TestAuthorizeAnswersByRoleTwoPersonsAndAgency(t *testing.T) {
	e := open(t)
	who := func(roles ...string) auth.Subject {
		return auth.Subject{AccountID: "a", AgencyID: "ubnd", Roles: roles}
	}
	for _, c := range []struct {
		name     string
		subject  auth.Subject
		action   string
		resource auth.Resource
		want     string
	}{
		{"nobody may read the ledger", auth.Subject{}, "ledger.read", auth.Resource{}, "default"},
		{"any account may read the ledger", who(), "ledger.read", auth.Resource{}, ""},
		{"any account may read the catalogue", who(), "policy.catalogue.read", auth.Resource{}, ""},
		{"a registrar requests a certificate", who(auth.RoleRegistrar), "ca.request.create", auth.Resource{}, ""},
		{"a CA officer requests a certificate", who(auth.RoleCAOfficer), "ca.request.create", auth.Resource{}, ""},
		{"an analyst does not", who(auth.RoleAnalyst), "ca.request.create", auth.Resource{}, "role"},
		{"a CA officer approves another's request", who(auth.RoleCAOfficer), "ca.request.approve", auth.Resource{CreatedBy: "b"}, ""},
		{"but not the own one", who(auth.RoleCAOfficer), "ca.request.approve", auth.Resource{CreatedBy: "a"}, "same-person"},
		{"nor one of an unknown maker", who(auth.RoleCAOfficer), "ca.request.approve", auth.Resource{}, "same-person"},
		{"an admin does not approve the own one either", who(auth.RoleAdmin), "ca.request.approve", auth.Resource{CreatedBy: "a"}, "same-person"},
		{"a CA officer issues", who(auth.RoleCAOfficer), "ca.certificate.issue", auth.Resource{}, ""},
		{"and revokes", who(auth.RoleCAOfficer), "ca.certificate.revoke", auth.Resource{}, ""},
		{"a registrar does not issue", who(auth.RoleRegistrar), "ca.certificate.issue", auth.Resource{}, "role"},
		{"an official signs for the own agency", who(auth.RoleOfficial), "sign.document", auth.Resource{AgencyID: "ubnd"}, ""},
		{"not for another", who(auth.RoleOfficial), "sign.document", auth.Resource{AgencyID: "stc"}, "agency"},
		{"a clerk seals", who(auth.RoleClerk), "sign.seal", auth.Resource{AgencyID: "ubnd"}, ""},
		{"an analyst reads incidents", who(auth.RoleAnalyst), "incident.read", auth.Resource{}, ""},
		{"closes the case assigned to them", who(auth.RoleAnalyst), "incident.close", auth.Resource{AssignedTo: "a"}, ""},
		{"not another's", who(auth.RoleAnalyst), "incident.close", auth.Resource{AssignedTo: "b"}, "role"},
		{"an incident lead closes any", who(auth.RoleIncidentLead), "incident.close", auth.Resource{AssignedTo: "b"}, ""},
		{"the assigned person signs a document of the office", auth.Subject{AccountID: "a", PersonID: "p", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}, "office.sign", auth.Resource{AgencyID: "ubnd", AssignedPerson: "p"}, ""},
		{"nobody for them", auth.Subject{AccountID: "a", PersonID: "q", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}, "office.sign", auth.Resource{AgencyID: "ubnd", AssignedPerson: "p"}, "person"},
		{"who has no person of the directory does not either", who(auth.RoleOfficial), "office.sign", auth.Resource{AgencyID: "ubnd"}, "person"},
		{"an administrator enters who may sign", who(auth.RoleAdmin), "office.delegate.add", auth.Resource{AgencyID: "stc", AboutPerson: "p"}, ""},
		{"nobody enters themselves", auth.Subject{AccountID: "a", PersonID: "p", AgencyID: "ubnd", Roles: []string{auth.RoleLeader}}, "office.delegate.add", auth.Resource{AgencyID: "ubnd", AboutPerson: "p"}, "same-person"},
		{"a lead reports", who(auth.RoleIncidentLead), "incident.report", auth.Resource{}, ""},
		{"a coordinator plans", who(auth.RoleDrillPlanner), "drill.plan", auth.Resource{}, ""},
		{"an approver approves", who(auth.RoleDrillLead), "drill.approve", auth.Resource{CreatedBy: "b"}, ""},
		{"not their own plan", who(auth.RoleDrillLead), "drill.approve", auth.Resource{CreatedBy: "a"}, "same-person"},
		{"a coordinator starts", who(auth.RoleDrillPlanner), "drill.start", auth.Resource{}, ""},
		{"an analyst does not read the drill", who(auth.RoleAnalyst), "drill.read", auth.Resource{}, "role"},
		{"a steward proposes", who(auth.RoleSteward), "policy.agreement.propose", auth.Resource{}, ""},
		{"another steward accepts", who(auth.RoleSteward), "policy.agreement.accept", auth.Resource{CreatedBy: "b"}, ""},
		{"not the proposer", who(auth.RoleSteward), "policy.agreement.accept", auth.Resource{CreatedBy: "a"}, "same-person"},
		{"roles add up", who(auth.RoleClerk, auth.RoleAnalyst), "incident.read", auth.Resource{}, ""},
		{"a clerk does not seal for another agency", who(auth.RoleClerk), "sign.seal", auth.Resource{AgencyID: "stc"}, "agency"},
		{"an admin does the rest", who(auth.RoleAdmin), "drill.stop", auth.Resource{}, ""},
		{"an unknown action is denied", who(auth.RoleAdmin), "drill.stopp", auth.Resource{}, "default"},
	} {
		err := e.Authorize(t.Context(), c.subject, c.action, c.resource)
		if code(err) != c.want {
			t.Errorf("%s: got %q, want %q", c.name, code(err), c.want)
		}
		if c.want != "" && !errors.Is(err, auth.ErrDenied) {
			t.Errorf("%s: %v is not a denial", c.name, err)
		}
	}
}

func TestUndefinedAndFailingPolicyIsANo(t *testing.T) {
	at := time.Unix(150, 0)
	for name, c := range map[string]struct{ text, want string }{
		"a policy without an answer": {"package antin.authz\n\ndecision := 1 if input.never\n", CodeUndefined},
		"an answer of another shape": {"package antin.authz\n\ndecision := true\n", CodeUndefined},
		"allow without its code":     {"package antin.authz\n\ndecision := {\"allow\": true}\n", CodeUndefined},
	} {
		source, err := bundle.ReadFS(fstest.MapFS{"p.rego": {Data: []byte(c.text)}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		err = e.Authorize(t.Context(), auth.Subject{AccountID: "a", Roles: []string{"admin"}}, "ledger.read", auth.Resource{})
		if code(err) != c.want {
			t.Errorf("%s: got %q", name, code(err))
		}
		d, err := e.Decide(t.Context(), Query{At: at})
		if err != nil || d.Allow || d.Reasons[0].Code != CodeUndefined || len(d.LegalBasis) == 0 {
			t.Errorf("%s: sharing gave %+v, %v", name, d, err)
		}
	}
	for name, text := range map[string]string{
		"a built-in that fails":      "package antin.sharing\n\ndecision := {\"allow\": to_number(\"x\") == 1}\n",
		"two answers":                "package antin.sharing\n\ndecision := {\"allow\": true} if input.at > 0\n\ndecision := {\"allow\": false} if input.at > 1\n",
		"an answer without a reason": "package antin.sharing\n\ndecision := {\"allow\": true}\n",
		"an unknown treatment":       "package antin.sharing\n\ndecision := {\"allow\": true, \"fields\": {\"a\": \"bare\"}, \"reasons\": [{\"code\": \"x\"}]}\n",
	} {
		source, err := bundle.ReadFS(fstest.MapFS{"p.rego": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		d, err := e.Decide(t.Context(), Query{At: at})
		if !errors.Is(err, ErrFault) || d.Allow || d.Reasons[0].Code != CodeFault {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := open(t).Authorize(ended, auth.Subject{AccountID: "a", Roles: []string{"admin"}}, "ledger.read", auth.Resource{})
	if err != nil && !errors.Is(err, ErrFault) {
		t.Errorf("a cancelled question gave %v", err)
	}
}

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func TestAuthorizeIsTheSameWithoutTheRuleIndex(t *testing.T) {
	indexed, plain := open(t), open(t)
	plain.indexing = false
	r := rand.New(rand.NewPCG(1, 2))
	roles := []string{
		"official", "clerk", "registrar", "ca-officer", "analyst", "incident-lead", "drill-coordinator",
		"drill-approver", "data-steward", "data-requester", "leader", "auditor", "admin",
	}
	actions := []string{
		"ca.request.create", "ca.request.approve", "ca.certificate.issue", "ca.certificate.revoke", "sign.document", "sign.seal",
		"incident.read", "incident.close", "incident.report", "drill.plan", "drill.approve", "drill.read", "policy.agreement.accept",
		"policy.agreement.propose", "ledger.read", "nothing",
	}
	for range 4000 {
		s := auth.Subject{AccountID: pick(r, "", "a", "b"), AgencyID: pick(r, "", "stc", "ubnd")}
		for range r.IntN(3) {
			s.Roles = append(s.Roles, pick(r, roles...))
		}
		action := pick(r, actions...)
		res := auth.Resource{AgencyID: pick(r, "", "stc", "ubnd"), CreatedBy: pick(r, "", "a", "b"), AssignedTo: pick(r, "", "a", "b")}
		one, two := code(indexed.Authorize(t.Context(), s, action, res)), code(plain.Authorize(t.Context(), s, action, res))
		if one != two {
			t.Fatalf("%+v %s %+v: indexed %q, plain %q", s, action, res, one, two)
		}
	}
}

// oracle is the sharing rule written a second time, in Go.
func oracle(reg Registry, q Query) (allow bool, fields map[string]Treatment) {
	fields = map[string]Treatment{}
	agency, known := reg.Agencies[q.Agency]
	at := At(q.At)
	if !known || at < agency.From || agency.To != nil && *agency.To <= at || q.Purpose == "" {
		return false, fields
	}
	dataset, known := reg.Datasets[q.Dataset]
	if !known {
		return false, fields
	}
	in := func(list []string, value string) bool {
		for _, item := range list {
			if item == value {
				return true
			}
		}
		return false
	}
	owner := dataset.Owner == q.Agency
	var best *Agreement
	bestID := ""
	for id, a := range reg.Agreements[q.Dataset][q.Agency] {
		sound := a.State == "accepted" && a.ValidFrom <= at && at < a.ValidTo && in(a.Purposes, q.Purpose) && in(a.Operations, q.Operation)
		if a.SuspendedFrom != nil && *a.SuspendedFrom <= at {
			sound = false
		}
		if sound && (best == nil || id < bestID) {
			best, bestID = &a, id
		}
	}
	if !owner && best == nil {
		return false, fields
	}
	granted := func(name string) Treatment {
		class, known := dataset.Fields[name]
		if owner && known {
			return Plain
		}
		if owner || !known {
			return Drop
		}
		treatment, agreed := best.Fields[name]
		switch {
		case !agreed || class.Sharing == "private":
			return Drop
		case class.Personal == "sensitive":
			return Masked
		}
		return treatment
	}
	for _, name := range q.Filters {
		if !in(dataset.Parameters, name) && granted(name) != Plain {
			return false, map[string]Treatment{}
		}
	}
	served := 0
	for name := range dataset.Fields {
		fields[name] = Drop
		if len(q.Fields) == 0 || in(q.Fields, name) {
			fields[name] = granted(name)
		}
		if fields[name] != Drop {
			served++
		}
	}
	if served == 0 {
		return false, map[string]Treatment{}
	}
	return true, fields
}

func randomRegistry(r *rand.Rand) Registry {
	reg := Registry{
		Agencies:   map[string]Agency{"stc": {}, "thue": {}, "xa": {From: 5}},
		Datasets:   map[string]Dataset{},
		Agreements: map[string]map[string]map[string]Agreement{},
	}
	if r.IntN(2) == 0 {
		to := Seconds(r.IntN(10))
		reg.Agencies["xa"] = Agency{To: &to}
	}
	for _, id := range []string{"d1", "d2"} {
		d := Dataset{Owner: pick(r, "stc", "thue"), Parameters: []string{"limit"}, Fields: map[string]Field{}}
		for i := range 4 {
			d.Fields[fmt.Sprint("f", i)] = Field{
				Sharing: pick(r, "open", "shared", "private"), Importance: "other", Personal: pick(r, "none", "personal", "sensitive"),
			}
		}
		reg.Datasets[id] = d
		reg.Agreements[id] = map[string]map[string]Agreement{}
		for _, agency := range []string{"thue", "xa"} {
			reg.Agreements[id][agency] = map[string]Agreement{}
			for n := range r.IntN(3) {
				a := Agreement{
					State: pick(r, "proposed", "accepted", "accepted", "accepted", "terminated"), ValidFrom: Seconds(r.IntN(6)), ValidTo: Seconds(4 + r.IntN(6)),
					Purposes: []string{pick(r, "tax", "plan")}, Operations: []string{pick(r, "query", "sync")}, Fields: map[string]Treatment{},
				}
				if r.IntN(4) == 0 {
					from := Seconds(r.IntN(10))
					a.SuspendedFrom = &from
				}
				for i := range 5 {
					if r.IntN(2) == 0 {
						a.Fields[fmt.Sprint("f", i)] = pick(r, Plain, Masked)
					}
				}
				reg.Agreements[id][agency][fmt.Sprint("tt-", n)] = a
			}
		}
	}
	return reg
}

func TestDecideEqualsTheRuleWrittenInGoWithAndWithoutTheRuleIndex(t *testing.T) {
	indexed, plain := open(t), open(t)
	plain.indexing = false
	r := rand.New(rand.NewPCG(3, 4))
	allowed := 0
	for range 150 {
		reg := randomRegistry(r)
		for _, e := range []*Engine{indexed, plain} {
			err := e.Load(t.Context(), reg)
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			q := Query{
				Agency: pick(r, "stc", "thue", "xa", "other"), Dataset: pick(r, "d1", "d2", "d2", "d3"),
				Purpose: pick(r, "tax", "tax", "plan", ""), Operation: pick(r, "query", "query", "sync"), At: time.Unix(int64(r.IntN(10)), 0),
			}
			for range r.IntN(3) {
				q.Fields = append(q.Fields, pick(r, "f0", "f1", "f2", "f3", "f9"))
			}
			if r.IntN(3) == 0 {
				q.Filters = []string{pick(r, "f0", "f1", "f9", "limit")}
			}
			one, err := indexed.Decide(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			two, err := plain.Decide(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(one, two); diff != "" {
				t.Fatalf("%+v: the rule index changes the decision:\n%s", q, diff)
			}
			allow, fields := oracle(reg, q)
			if one.Allow != allow || !cmp.Equal(one.Fields, fields) {
				t.Fatalf("%+v over %+v:\nOPA %v %v\nGo  %v %v", q, reg, one.Allow, one.Fields, allow, fields)
			}
			if len(one.Reasons) == 0 || len(one.LegalBasis) == 0 {
				t.Fatalf("%+v: no reason or legal basis: %+v", q, one)
			}
			if allow {
				allowed++
			}
		}
	}
	if allowed < 100 {
		t.Errorf("only %d of 3000 random queries were allowed: the test compares too little", allowed)
	}
	t.Logf("%d of 3000 random queries allowed", allowed)
}

func TestRevisionChangesWithTheData(t *testing.T) {
	e := open(t)
	before := e.Revision()
	err := e.Load(t.Context(), Registry{})
	if err != nil || e.Revision() != before {
		t.Fatalf("the same data gave %s after %s (%v)", e.Revision(), before, err)
	}
	err = e.Load(t.Context(), Registry{Agencies: map[string]Agency{"stc": {}}})
	if err != nil || e.Revision() == before {
		t.Fatalf("other data kept the revision (%v)", err)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	e := open(b)
	s := auth.Subject{AccountID: "a", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
	for b.Loop() {
		err := e.Authorize(b.Context(), s, "sign.document", auth.Resource{AgencyID: "ubnd"})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}
