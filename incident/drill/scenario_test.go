package drill

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheLibraryHoldsTheRansomwareScenario(t *testing.T) {
	all, err := Library()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d scenarios, %v", len(all), err)
	}
	s := all[0]
	if s.ID != "ransomware-commune" || len(s.Injects) != 3 || s.Injects[1].Expect.Detect != 2*time.Minute || s.Title.In("en") == s.Title.In("vi") {
		t.Errorf("scenario %+v", s)
	}
	_, err = LibraryFile("../scenario")
	if !errors.Is(err, ErrScenario) {
		t.Errorf("a path out of the library gave %v", err)
	}
}

func TestScenariosThatCouldNotBeRunAreRefused(t *testing.T) {
	good, err := os.ReadFile("scenarios/ransomware-commune.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, old, new string }{
		{"an unknown key", "duration: 60m", "duration: 60m\nspeed: 2"},
		{"no stop rule", "stop_rule:\n  vi: \"Dừng", "stop_rule:\n  en: \"Dừng"},
		{"an unknown team", "team: soc", "team: nobody"},
		{"an inject after the end", "at: 10s", "at: 61m"},
		{"an inject before the start", "at: 10s", "at: -1s"},
		{"two injects of one name", "id: question", "id: attack"},
		{"an unknown step", "lookup, download", "lookup, magic"},
		{"an IPv6 victim", "10.3.9.23, steps", "\"2001:db8::1\", steps"},
		{"a victim that is no address", "victim: 10.3.9.23,", "victim: here,"},
		{"an unknown kind", "kind: question", "kind: media"},
		{"an address with a name", "email: mai.dn@demo.antin.example", "email: \"Mai <mai.dn@demo.antin.example>\""},
		{"an address with a header", "email: mai.dn@demo.antin.example", "email: \"a@b.example\\nBcc: c@d.example\""},
		{"a subject of two lines", "subject: \"Máy", "subject: \"Máy\\nBcc: x@y.example "},
		{"a second document", "duration: 60m", "duration: 60m\n---\nid: x"},
		{"a duration of a year", "duration: 60m", "duration: 8760h"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(string(good), c.old, c.new, 1)
			if text == string(good) {
				t.Fatal("the case changes nothing")
			}
			_, err := ParseScenario([]byte(text))
			if !errors.Is(err, ErrScenario) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHostileYAMLIsRefusedQuickly(t *testing.T) {
	for name, text := range map[string]string{
		"equal keys":     "injects:\n" + strings.Repeat("  ? a\n", 15000),
		"a second one":   "id: x\n---\n" + strings.Repeat("? a\n", 15000),
		"an alias bomb":  "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nteams: [*b,*b,*b]\n",
		"deep lists":     strings.Repeat("[", 120000),
		"deep maps":      "teams: " + strings.Repeat("{a: ", 30000),
		"nested entries": strings.Repeat("- ", 60000),
		"many anchors":   "a: " + strings.Repeat("&a ", 40000),
		"many teams":     "teams:\n" + strings.Repeat("- {id: a}\n", 12000),
		"an open quote":  strings.Repeat("'", 120001),
		"a long number":  "duration: " + strings.Repeat("9", 120000),
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := ParseScenario([]byte(text))
			if !errors.Is(err, ErrScenario) || len(err.Error()) > 1<<20 {
				t.Errorf("got %d bytes of error, %.200v", len(err.Error()), err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func FuzzParseScenario(f *testing.F) {
	good, err := os.ReadFile("scenarios/ransomware-commune.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("id: x\nduration: 1s\nteams: [{id: a}]\ninjects: [{id: b}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseScenario(b)
		if err != nil {
			if !errors.Is(err, ErrScenario) && !errors.Is(err, ErrRoster) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for i := range s.Injects {
			in := &s.Injects[i]
			if s.team(in.Team) == nil || in.At > s.Duration || s.inject(in.ID) == nil {
				t.Fatalf("an inject that cannot be run: %+v", in)
			}
			if in.Kind == KindMail && s.CheckRoster(s.recipients(in)...) != nil {
				t.Fatal("a recipient outside the roster")
			}
		}
	})
}
