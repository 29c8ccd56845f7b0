package sigma

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// mustRule wraps a detection in a rule and parses it.
func mustRule(tb testing.TB, source, detection string) *Rule {
	tb.Helper()
	rules, err := Parse([]byte("title: t\nlogsource: {" + source + "}\ndetection:\n" + indent(detection)))
	if err != nil {
		tb.Fatalf("%v in\n%s", err, detection)
	}
	return rules[0]
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ") + "\n"
}

func fields(tb testing.TB, s string) map[string]any {
	tb.Helper()
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var m map[string]any
	err := dec.Decode(&m)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestDetectionSemantics(t *testing.T) {
	for _, c := range []struct {
		name, selection, event string
		want                   bool
	}{
		{"text is compared without case", `{a: FooBar}`, `{"a":"fOObAR"}`, true},
		{"text is compared whole", `{a: foo}`, `{"a":"foobar"}`, false},
		{"cased compares with case", `{"a|cased": Foo}`, `{"a":"foo"}`, false},
		{"non-ASCII letters fold too", `{a: ĐÀO}`, `{"a":"đào"}`, true},
		{"a star is any text", `{a: 'f*r'}`, `{"a":"foobar"}`, true},
		{"a star is also nothing", `{a: 'foo*bar'}`, `{"a":"foobar"}`, true},
		{"a question mark is one character", `{a: 'f?o'}`, `{"a":"fđo"}`, true},
		{"a question mark is not nothing", `{a: 'fo?'}`, `{"a":"fo"}`, false},
		{"an escaped star is a star", `{a: 'f\*'}`, `{"a":"foo"}`, false},
		{"an escaped star matches a star", `{a: 'f\*'}`, `{"a":"f*"}`, true},
		{"a double backslash is one", `{a: 'c:\\x'}`, `{"a":"c:\\x"}`, true},
		{"a backslash alone is itself", `{a: 'c:\x'}`, `{"a":"c:\\x"}`, true},
		{"a double backslash before a star leaves the star", `{a: 'c:\\*'}`, `{"a":"c:\\dir"}`, true},
		{"several stars backtrack", `{a: 'a*bc*d'}`, `{"a":"abxbcxd"}`, true},
		{"wildcards inside contains", `{"a|contains": 'b*d'}`, `{"a":"abcde"}`, true},
		{"contains looks anywhere", `{"a|contains": oba}`, `{"a":"foobar"}`, true},
		{"startswith looks at the start", `{"a|startswith": oba}`, `{"a":"foobar"}`, false},
		{"endswith looks at the end", `{"a|endswith": BAR}`, `{"a":"foobar"}`, true},
		{"endswith with a wildcard inside", `{"a|endswith": 'o?ar'}`, `{"a":"foobar"}`, true},
		{"a list of values is an or", `{a: [x, foo]}`, `{"a":"foo"}`, true},
		{"all makes it an and", `{"a|contains|all": [foo, baz]}`, `{"a":"foobar"}`, false},
		{"all holds over the values together", `{"a|contains|all": [foo, bar]}`, `{"a":"foobar"}`, true},
		{"any value of a list field counts", `{a: b}`, `{"a":["a","b"]}`, true},
		{"a mapping is an and", `{a: x, b: y}`, `{"a":"x","b":"z"}`, false},
		{"a list of mappings is an or", `[{a: x}, {b: y}]`, `{"b":"y"}`, true},
		{"a path reaches inside", `{a.b: x}`, `{"a":{"b":"x"}}`, true},
		{"a path goes through lists", `{a.b: y}`, `{"a":[{"b":"x"},{"b":"y"}]}`, true},
		{"a key with dots is found first", `{a.b: x}`, `{"a.b":"x"}`, true},
		{"numbers compare as numbers", `{a: 443}`, `{"a":443}`, true},
		{"a number matches its text", `{a: 443}`, `{"a":"443"}`, true},
		{"a text matches its number", `{a: '443'}`, `{"a":443}`, true},
		{"booleans compare", `{a: true}`, `{"a":true}`, true},
		{"null matches a missing field", `{a: null}`, `{"b":1}`, true},
		{"null matches a null field", `{a: null}`, `{"a":null}`, true},
		{"null does not match a value", `{a: null}`, `{"a":"x"}`, false},
		{"the empty text is a value", `{a: ''}`, `{"b":1}`, false},
		{"the empty text matches itself", `{a: ''}`, `{"a":""}`, true},
		{"a missing field matches nothing", `{a: '*'}`, `{"b":"x"}`, false},
		{"exists true", `{"a|exists": true}`, `{"a":""}`, true},
		{"exists false", `{"a|exists": false}`, `{"b":1}`, true},
		{"neq wants another value", `{"a|neq": x}`, `{"a":"y"}`, true},
		{"neq fails on the value", `{"a|neq": x}`, `{"a":"X"}`, false},
		{"re matches anywhere and with case", `{"a|re": 'o{2}b'}`, `{"a":"foobar"}`, true},
		{"re respects case", `{"a|re": 'O{2}'}`, `{"a":"foobar"}`, false},
		{"re with i does not", `{"a|re|i": 'O{2}'}`, `{"a":"foobar"}`, true},
		{"re with m anchors lines", `{"a|re|m": '^b'}`, `{"a":"a\nb"}`, true},
		{"re with s crosses lines", `{"a|re|s": 'a.b'}`, `{"a":"a\nb"}`, true},
		{"cidr contains", `{"a|cidr": 10.0.0.0/8}`, `{"a":"10.1.2.3"}`, true},
		{"cidr of IPv6", `{"a|cidr": 'fe80::/10'}`, `{"a":"fe80::1"}`, true},
		{"cidr excludes", `{"a|cidr": [10.0.0.0/8, 192.168.0.0/16]}`, `{"a":"11.0.0.1"}`, false},
		{"gt and lt together", `{"a|gt": 5, "a|lt": 10}`, `{"a":7}`, true},
		{"gte includes", `{"a|gte": 7}`, `{"a":"7"}`, true},
		{"lte excludes", `{"a|lte": 6.5}`, `{"a":7}`, false},
		{"a comparison with text fails", `{"a|gt": 1}`, `{"a":"x"}`, false},
		{"fieldref compares two fields", `{"a|fieldref": b}`, `{"a":"X","b":"x"}`, true},
		{"fieldref with endswith", `{"a|fieldref|endswith": b}`, `{"a":"foox","b":"x"}`, true},
		{"windash accepts a slash", `{"a|contains|windash": ' -enc '}`, `{"a":"p.exe /enc x"}`, true},
		{"windash accepts an em dash", `{"a|contains|windash": ' -enc '}`, `{"a":"p.exe —enc x"}`, true},
		{"windash leaves dashes inside words", `{"a|contains|windash": 'a-b'}`, `{"a":"a/b"}`, false},
		{"base64 encodes", `{"a|base64|contains": foobar}`, `{"a":"xx Zm9vYmFy"}`, true},
		{"base64offset finds shifted text", `{"a|base64offset|contains": foobar}`, `{"a":"eGZvb2Jhcg=="}`, true},
		{"wide encodes in UTF-16", `{"a|wide|base64offset|contains": ping}`, `{"a":"cABpAG4AZwA="}`, true},
		{"keywords look in every field", `[needle]`, `{"a":"x","b":{"c":["has NEEDLE inside"]}}`, true},
		{"keywords are an or", `[x1, needle]`, `{"a":"needle"}`, true},
		{"keywords with all are an and", `{"|all": [one, two]}`, `{"a":"one","b":"two"}`, true},
		{"keywords with all need each", `{"|all": [one, two]}`, `{"a":"one"}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustRule(t, "category: test", "sel: "+c.selection+"\ncondition: sel")
			got, err := EvalRule(r, fields(t, c.event))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("%s on %s: %v, want %v", c.selection, c.event, got, c.want)
			}
		})
	}
}

func TestConditionSemantics(t *testing.T) {
	// The event meets sel_a and _hidden only.
	const searches = "sel_a: {a: 1}\nsel_b: {a: 2}\nother: {a: 3}\n_hidden: {a: 1}\n"
	for _, c := range []struct {
		name, condition string
		want            bool
	}{
		{"a name", "sel_a", true},
		{"not binds strongest", "not sel_b and sel_a", true},
		{"and binds before or", "sel_a or sel_b and sel_b", true},
		{"parentheses change that", "(sel_a or sel_b) and sel_b", false},
		{"not before parentheses", "not (sel_b or other)", true},
		{"words in capitals", "sel_a AND NOT sel_b", true},
		{"double negation", "not not sel_a", true},
		{"1 of a pattern", "1 of sel_*", true},
		{"all of a pattern", "all of sel_*", false},
		{"any of them", "any of them", true},
		{"all of them", "all of them", false},
		{"2 of them leaves out hidden names", "2 of them", false},
		{"a pattern may name hidden ones", "all of _hid*", true},
		{"quantities combine", "1 of sel_* and not 1 of other*", true},
		{"a list of conditions is an or", "[sel_b, sel_a]", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustRule(t, "category: test", searches+"condition: "+c.condition)
			got, err := EvalRule(r, map[string]any{"a": json.Number("1")})
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("%s: %v, want %v", c.condition, got, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "title: t\nlogsource: {category: c}\n"
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", "", "empty"},
		{"a list", "- a", "not a mapping"},
		{"no title", "logsource: {category: c}\ndetection: {a: {b: c}, condition: a}", "no title"},
		{"no log source", "title: t\ndetection: {a: {b: c}, condition: a}", "no logsource"},
		{"no detection", head, "no detection"},
		{"no condition", head + "detection: {a: {b: c}}", "no condition"},
		{"an unknown name", head + "detection: {a: {b: c}, condition: x}", `no search is named "x"`},
		{"an unknown modifier", head + "detection: {a: {'b|near': c}, condition: a}", `unknown modifier "near"`},
		{"modifiers that exclude each other", head + "detection: {a: {'b|re|cidr': c}, condition: a}", "exclude each other"},
		{"an open parenthesis", head + "detection: {a: {b: c}, condition: (a}", "not closed"},
		{"an aggregation", head + "detection: {a: {b: c}, condition: 'a | count() > 5'}", "deprecated"},
		{"a value that is a mapping", head + "detection: {a: {b: {c: d}}, condition: a}", "neither text nor number"},
		{"a bad network", head + "detection: {a: {'b|cidr': x}, condition: a}", "not a CIDR network"},
		{"an alias", head + "x: &y [1]\ndetection: {a: {b: *y}, condition: a}", "YAML alias"},
		{"a correlation", "title: t\ncorrelation: {type: event_count}", "correlation"},
		{"too deep", head + "detection: {a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + ", condition: a}", "deeper"},
		{"too many parentheses", head + "detection: {a: {b: c}, condition: '" + strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100) + "'}", "nested too deeply"},
		{"too large", head + "description: " + strings.Repeat("x", maxFileBytes), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if !errors.Is(err, ErrRule) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestWhatCannotBeEvaluatedSaysSo(t *testing.T) {
	eve := fields(t, `{"event_type":"dns","dns":{"rrname":"a.b"}}`)
	for _, c := range []struct {
		name, source, detection string
		want                    error
	}{
		{"expand is refused by name", "category: dns", "a: {'query|expand': '%x%'}\ncondition: a", ErrUnsupported},
		{"an expression that RE2 does not have", "category: dns", "a: {'query|re': 'a(?=b)'}\ncondition: a", ErrUnsupported},
		{"a log source without a sensor", "product: windows", "a: {query: x}\ncondition: a", ErrUnfed},
		{"a field that is not recorded", "category: dns", "a: {Image: x}\ncondition: a", ErrUnfed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := EvalRule(mustRule(t, c.source, c.detection), eve)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
