package sigma

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	peer "github.com/bradleyjkemp/sigma-go"
	"github.com/bradleyjkemp/sigma-go/evaluator"

	"github.com/antin-gov/antin/internal/testkit"
)

// peerReads finds what the peer reads otherwise than the specification:
// wildcards and escapes beside contains, modifiers that it does not have.
var peerReads = regexp.MustCompile(`[*?\\]|windash|base64|wide|fieldref|expand|\|i:|\|all'?:`)

// TestEvaluationAgreesWithAPeer evaluates SigmaHQ's rules over events made of
// their own values, here and in sigma-go, where both read the same language.
func TestEvaluationAgreesWithAPeer(t *testing.T) {
	dir := testkit.Data(t, "sigma")
	rules, _, err := LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	compared, met, evaluated := 0, 0, 0
	for _, r := range rules {
		data, err := os.ReadFile(filepath.Join(dir, r.File))
		if err != nil {
			t.Fatal(err)
		}
		_, detection, _ := strings.Cut(string(data), "\ndetection:")
		detection, _, _ = strings.Cut(detection, "\nfalsepositives:")
		if peerReads.MatchString(detection) || !onlyText(r) {
			continue
		}
		theirs, err := peer.ParseRule(data)
		if err != nil {
			t.Logf("%s: the peer does not parse it: %v", r.File, err)
			continue
		}
		eval := evaluator.ForRule(theirs)
		compared++
		for range 20 {
			ev := eventFor(r, rnd)
			want, err := eval.Matches(context.Background(), ev)
			if err != nil {
				t.Fatalf("%s: peer: %v", r.File, err)
			}
			got := r.cond.eval(newEvaluation(Fields(ev)))
			evaluated++
			if got {
				met++
			}
			if got != want.Match {
				t.Errorf("%s: %v, peer %v, on %v", r.File, got, want.Match, ev)
				break
			}
		}
	}
	t.Logf("%d rules, %d evaluations, %d met", compared, evaluated, met)
	if compared < 300 || met < 300 {
		t.Errorf("too little to compare: %d rules, %d met", compared, met)
	}
}

// onlyText is true for rules without keywords, numbers and null.
func onlyText(r *Rule) bool {
	for _, s := range r.searches {
		if !searchOnlyText(s) {
			return false
		}
	}
	return true
}

func searchOnlyText(s search) bool {
	switch s := s.(type) {
	case mapSearch:
		for _, f := range s {
			for _, x := range f.tests {
				_, ok := x.(textTest)
				if !ok {
					return false
				}
			}
		}
		return true
	case listSearch:
		for _, x := range s {
			if !searchOnlyText(x) {
				return false
			}
		}
		return true
	}
	return false
}

// eventFor makes a record in which some of the rule's own values stand.
func eventFor(r *Rule, rnd *rand.Rand) map[string]any {
	// Every field is present: the peer reads a missing one as the text "<nil>".
	ev := map[string]any{}
	for _, f := range r.fields {
		ev[f] = ""
	}
	var fill func(search)
	fill = func(s search) {
		switch s := s.(type) {
		case mapSearch:
			for _, f := range s {
				if rnd.IntN(8) == 0 || len(f.tests) == 0 {
					continue
				}
				old, _ := ev[f.field].(string)
				text := textFor(f, rnd)
				if old != "" && rnd.IntN(2) == 0 {
					text = old + text
				}
				ev[f.field] = text
			}
		case listSearch:
			for _, x := range s {
				if rnd.IntN(2) == 0 {
					fill(x)
				}
			}
		}
	}
	for name, s := range r.searches {
		if !strings.HasPrefix(name, "filter") || rnd.IntN(3) == 0 {
			fill(s)
		}
	}
	return ev
}

func textFor(f *fieldTest, rnd *rand.Rand) string {
	text := ""
	for i := range f.tests {
		if !f.all && i > 0 {
			break
		}
		t, ok := f.tests[rnd.IntN(len(f.tests))].(textTest)
		if f.all {
			t, ok = f.tests[i].(textTest)
		}
		if !ok {
			continue
		}
		for _, x := range t.tokens {
			text += x.text
		}
	}
	switch rnd.IntN(6) {
	case 0:
		text = "x" + text
	case 1:
		text += "y"
	case 2:
		text = strings.ToUpper(text)
	}
	return text
}

// TestIndexFindsWhatEvaluationFinds compares the engine with evaluating every
// rule, over events made of the rules' own values.
func TestIndexFindsWhatEvaluationFinds(t *testing.T) {
	rules, _, err := LoadDir(testkit.Data(t, "sigma"))
	if err != nil {
		t.Fatal(err)
	}
	// One source that has every field lets the whole corpus be indexed.
	m := &Mapping{Common: map[string][]FieldPath{}, Sources: []Source{
		{Name: "all", When: map[string]string{"category": "all"}, Events: []string{"any"}},
	}}
	var usable []*Rule
	for _, r := range rules {
		if r.unsupported != "" {
			continue
		}
		for _, f := range r.fields {
			m.Common[f] = []FieldPath{{Path: f}}
		}
		r.LogSource = LogSource{Category: "all"}
		usable = append(usable, r)
	}
	e, err := NewEngine(usable, m)
	if err != nil {
		t.Fatal(err)
	}
	if e.Len() != len(usable) {
		t.Fatalf("%d of %d rules in the engine: %+v", e.Len(), len(usable), e.Unfed()[0])
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	g := e.byType["any"].groups[0]
	met, candidates, events := 0, 0, 0
	for range 300 {
		ev := eventFor(usable[rnd.IntN(len(usable))], rnd)
		v := newEvaluation(Fields(ev))
		is := g.candidates(v)
		events++
		for id, r := range g.rules {
			if is[id] {
				candidates++
			}
			if !r.cond.eval(v) {
				continue
			}
			met++
			if !is[id] {
				t.Errorf("%s is met but not a candidate on %v", r.Title, ev)
			}
		}
	}
	t.Logf("%d rules, %d without literal; %d events, %d candidates, %d met", len(usable), len(g.always), events, candidates, met)
	if met < 100 || len(g.always) > len(usable)/20 {
		t.Errorf("the index serves too little")
	}
}
