package rules

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestBacktrackerFollowsPCRE(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		flags         regexFlags
		data, want    string // want is the match, "-" for none
	}{
		{"look-ahead takes nothing", `a(?=b)`, regexFlags{}, "acab", "a"},
		{"negative look-ahead", `a(?!b).`, regexFlags{}, "abac", "ac"},
		{"look-behind", `(?<=x)a`, regexFlags{}, "axa", "a"},
		{"look-behind fails at the start", `(?<=x)a`, regexFlags{}, "ab", "-"},
		{"negative look-behind at the start", `(?<!x)a.`, regexFlags{}, "ab", "ab"},
		{"look-behind with branches of several lengths", `(?<=ab|c)d`, regexFlags{}, "xcd", "d"},
		{"a back-reference repeats the text", `([a-z]+)=\1;`, regexFlags{}, "ab=ac;ab=ab;", "ab=ab;"},
		{"a back-reference without case", `(ab)\1`, regexFlags{nocase: true}, "aBAb", "aBAb"},
		{"a back-reference by name", `(?P<q>['"]).*?(?P=q)`, regexFlags{}, `x'a"b'`, `'a"b'`},
		{"\\g with a relative number", `(a)(b)\g{-2}`, regexFlags{}, "abba aba", "aba"},
		{"\\k by name", `(?<n>.)\k<n>`, regexFlags{}, "abcc", "cc"},
		{"a group that has not matched makes its reference fail", `(?:(a)|b)\1`, regexFlags{}, "bb", "-"},
		{"an atomic group gives nothing back", `(?>a+)ab`, regexFlags{}, "aaab", "-"},
		{"a possessive repeat gives nothing back", `a++b`, regexFlags{}, "aab", "aab"},
		{"a possessive repeat fails where greed would not", `a*+a`, regexFlags{}, "aaa", "-"},
		{"more repeats than RE2 counts", `^[^"]{1500,}"`, regexFlags{}, strings.Repeat("x", 1600) + `"`, strings.Repeat("x", 1600) + `"`},
		{"lazy takes the least", `a.*?b(?=c)`, regexFlags{}, "axbbc", "axbb"},
		{"flags inside the pattern", `a(?i:b)c(?=$)`, regexFlags{}, "aBc", "aBc"},
		{"x leaves white space out", "a b # comment\n (?=c)", regexFlags{extended: true}, "abc", "ab"},
		{"m gives lines", `^b(?=$)`, regexFlags{multi: true}, "a\nb\nc", "b"},
		{"dot leaves out the line feed", `a.(?=b)`, regexFlags{}, "a\nbaxb", "ax"},
		{"s lets dot take it", `a.(?=b)`, regexFlags{dotAll: true}, "a\nb", "a\n"},
		{"bytes are bytes", `\xff(?=\x00)`, regexFlags{}, "\xfe\xff\x00", "\xff"},
		{"a class with ranges and sets", `[\d\-a-c\]]+(?=!)`, regexFlags{}, "x1-b]!", "1-b]"},
		{"a bracket first in a class is itself", `[]a]+(?=!)`, regexFlags{}, "a]!", "a]"},
		{"a loop that takes nothing ends", `(?:a*)*(?=b)b`, regexFlags{}, "aab", "aab"},
		{"word boundaries", `\bab\b(?=.)`, regexFlags{}, "xab ab.", "ab"},
		{"captures are undone on the way back", `(?:(a)|(b))*?\2c`, regexFlags{}, "abbc", "abbc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := newBacktracker(c.pattern, c.flags, false, false)
			if err != nil {
				t.Fatal(err)
			}
			m := &regexMemory{steps: 1 << 20}
			from, to, ok := b.match(m, []byte(c.data), 0)
			got := "-"
			if ok {
				got = c.data[from:to]
			}
			if got != c.want {
				t.Errorf("%q on %q: %q, want %q", c.pattern, c.data, got, c.want)
			}
		})
	}
}

func TestBacktrackerRefusesWhatItCannotRun(t *testing.T) {
	for _, p := range []string{
		`(`, `)`, `a)`, `[a`, `*a`, `(?<=a+)b`, `(?1)`, `(?R)`, `(?(1)a|b)`, `(*COMMIT)a`, `\1`, `\k<n>`, `(?P<n`, `a{3,2}`,
		`\`, `[\`, `[z-a]`, `[[:none:]]`, `(?q)a`, `(?:a{60000}){60000}`, strings.Repeat("(", 200) + strings.Repeat(")", 200), `\i`,
	} {
		_, err := newBacktracker(p, regexFlags{}, false, false)
		if err == nil {
			t.Errorf("%q was compiled", p)
		}
	}
}

// TestBacktrackerAgreesWithRE2 compares with Go's engine, which prefers the
// same match, on random patterns that both have.
func TestBacktrackerAgreesWithRE2(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var pattern func(depth int) string
	pattern = func(depth int) string {
		atoms := []string{"a", "b", "c", ".", "[ab]", "[^a]", `\b`, "^", "$"}
		s := ""
		for range 1 + r.IntN(3) {
			a := atoms[r.IntN(len(atoms))]
			empty := strings.Contains(`\b^$`, a)
			if depth > 0 && r.IntN(3) == 0 {
				inner := pattern(depth - 1)
				a = [...]string{"(", "(?:"}[r.IntN(2)] + inner + ")"
				// What RE2 does with repeats of the empty string is its own.
				empty = regexp.MustCompile("^(?:"+inner+")").MatchString("") || strings.ContainsAny(inner, `\^$`)
			}
			if !empty {
				a += [...]string{"", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", "{0,3}?"}[r.IntN(11)]
			}
			s += a
		}
		if r.IntN(4) == 0 {
			s += "|" + pattern(0)
		}
		return s
	}
	for range 3000 {
		p := pattern(2)
		re, err := regexp.Compile(strings.ReplaceAll(p, "$", `\z`))
		if err != nil {
			continue
		}
		b, err := newBacktracker(p, regexFlags{}, false, true)
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		for range 10 {
			data := make([]byte, r.IntN(9))
			for i := range data {
				data[i] = "abc\n"[r.IntN(4)]
			}
			want := re.FindIndex(data)
			from, to, ok := b.match(&regexMemory{steps: 1 << 20}, data, 0)
			if ok != (want != nil) || ok && (from != want[0] || to != want[1]) {
				t.Fatalf("%q on %q: %v %d-%d, RE2 %v", p, data, ok, from, to, want)
			}
		}
	}
}

func TestBacktrackerStopsAtItsBudget(t *testing.T) {
	for _, p := range []string{`(?=a)(a+)+$b`, `(?:a|a?)+(?!a)b`, `((a*)*)*\1b`, `(?=(a+))a*b\1`} {
		b, err := newBacktracker(p, regexFlags{}, false, false)
		if err != nil {
			t.Fatal(err)
		}
		m := &regexMemory{steps: 1 << 18}
		begin := time.Now()
		_, _, ok := b.match(m, []byte(strings.Repeat("a", 4000)), 0)
		if ok || !m.spent {
			t.Errorf("%q: matched %v, spent %v", p, ok, m.spent)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%q took %v", p, took)
		}
	}
}

// FuzzBacktracker wants no panic and an end.
func FuzzBacktracker(f *testing.F) {
	f.Add(`^(?<!a|bc)([^\r\n]{0,256})(?:\1|x)++\b$`, []byte("abcabc"))
	f.Add(`(?P<q>['"]).*?(?P=q)(?i:\x41[[:alpha:]-z])\g{-1}\Qa.b\E`, []byte("'x'"))
	f.Fuzz(func(t *testing.T, pattern string, data []byte) {
		if len(pattern) > 200 {
			return
		}
		b, err := newBacktracker(pattern, regexFlags{}, false, false)
		if err != nil {
			return
		}
		m := &regexMemory{steps: 1 << 14}
		from, to, ok := b.match(m, data, 0)
		if ok && (from < 0 || to < 0 || from > len(data) || to > len(data)) {
			t.Fatalf("%q on %q: %d-%d", pattern, data, from, to)
		}
	})
}
