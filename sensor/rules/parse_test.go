package rules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseReadsARule(t *testing.T) {
	text := `# a comment
#alert tcp any any -> any any (msg:"disabled"; sid:9;)

alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"Tải mã độc \"x\"\; y"; flow:established,to_server; \
    http.method; content:"GET"; \
    reference:url,example.com/a; metadata:created_at 2026_01_01, former_category MALWARE; \
    classtype:trojan-activity; sid:42; gid:3; rev:7; target:src_ip;)
`
	rs, refused := Parse(strings.NewReader(text), "a.rules", DefaultVars("10.0.0.0/8"))
	if len(refused) != 0 || len(rs) != 1 {
		t.Fatalf("%d rules, refused %+v", len(rs), refused)
	}
	r := rs[0]
	classes, err := ParseClassifications(strings.NewReader("# c\nconfig classification: trojan-activity,A Network Trojan was detected, 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewEngine(rs, Options{Classifications: classes})
	if err != nil {
		t.Fatal(err)
	}
	type view struct {
		Msg, Class, Category, Target, File string
		SID, GID, Rev                      uint32
		Priority, Line                     int
		References                         []Reference
		Metadata                           []Metadata
	}
	got := view{r.Msg, r.Class, r.Category, r.Target, r.File, r.SID, r.GID, r.Rev, r.Priority, r.Line, r.References, r.Metadata}
	want := view{
		`Tải mã độc "x"; y`, "trojan-activity", "A Network Trojan was detected", "src_ip", "a.rules",
		42, 3, 7, 1, 4, []Reference{{"url", "example.com/a"}},
		[]Metadata{{"created_at", "2026_01_01"}, {"former_category", "MALWARE"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseRefusesByNameAndLine(t *testing.T) {
	for _, c := range []struct{ name, rule, reason string }{
		{"an unknown keyword", `alert tcp any any -> any any (sid:7; lua:a.lua;)`, `unknown keyword "lua"`},
		{"an unknown keyword before the sid", `alert tcp any any -> any any (frame:http.data; sid:7;)`, `unknown keyword "frame"`},
		{"an unknown protocol", `alert enip any any -> any any (sid:7;)`, `protocol "enip" is not inspected`},
		{"an unknown action", `log tcp any any -> any any (sid:7;)`, `unknown action "log"`},
		{"an unknown variable", `alert tcp $NOWHERE any -> any any (sid:7;)`, `address "$NOWHERE": unknown variable $NOWHERE`},
		{"a list that excludes all", `alert tcp [10.0.0.0/8,!10.0.0.0/8] any -> any any (sid:7;)`, `address "[10.0.0.0/8,!10.0.0.0/8]": address or port list is empty after its exceptions`},
		{"a port out of range", `alert tcp any 70000 -> any any (sid:7;)`, `port "70000": "70000" is not a port`},
		{"a depth shorter than its content", `alert tcp any any -> any any (content:"abc"; depth:2; sid:7;)`, "content: depth 2 is shorter than the content (3)"},
		{"distance mixed with offset", `alert tcp any any -> any any (content:"a"; content:"b"; offset:1; distance:1; sid:7;)`, "content: distance or within together with offset or depth"},
		{"a modifier without content", `alert tcp any any -> any any (nocase; sid:7;)`, "nocase: no content before it"},
		{"an open hex part", `alert tcp any any -> any any (content:"|41"; sid:7;)`, "content: hex part not closed"},
		{"a recursive pattern", `alert tcp any any -> any any (pcre:"/a(?R)?b/"; sid:7;)`, "pcre: conditional and recursive groups are not supported"},
		{"a look-behind of any length", `alert tcp any any -> any any (pcre:"/(?<=a+)b/"; sid:7;)`, "pcre: look-behind of variable length"},
		{"a buffer of another protocol", `alert tls any any -> any any (http.uri; content:"a"; sid:7;)`, "http.uri in a rule for tls"},
		{"a packet keyword beside a buffer", `alert tcp any any -> any any (dsize:1; http.uri; content:"a"; sid:7;)`, "packet keyword together with a transaction buffer"},
		{"a threshold without count", `alert tcp any any -> any any (threshold:type limit, track by_src, seconds 1; sid:7;)`, "threshold: needs type, track, count and seconds"},
		{"an option without its semicolon", `alert tcp any any -> any any (sid:7; msg:"x")`, `option "msg:\"x\"" has no semicolon`},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := "alert tcp any any -> any any (sid:1;)"
			rs, refused := Parse(strings.NewReader(good+"\n\n"+c.rule+"\n"), "f.rules", DefaultVars("10.0.0.0/8"))
			want := []Refusal{{File: "f.rules", Line: 3, SID: 7, Reason: c.reason}}
			if d := cmp.Diff(want, refused); d != "" {
				t.Error(d)
			}
			if len(rs) != 1 {
				t.Errorf("%d rules loaded, want the good one", len(rs))
			}
		})
	}
}

func TestParseRefusesWhatIsNoRule(t *testing.T) {
	for _, c := range []struct{ name, text, reason string }{
		{"no options", "alert tcp any any -> any any", "not a rule: no options in parentheses"},
		{"no sid", `alert tcp any any -> any any (msg:"x";)`, "no sid"},
		{"a short header", "alert tcp any -> any any (sid:1;)", "header has 6 words, not 7"},
		{"a rule that is too long", "alert tcp any any -> any any (sid:1; msg:\"" + strings.Repeat("x", maxRuleBytes) + "\";)", "rule longer than 65536 bytes"},
		{"lists nested too deeply", "alert tcp " + strings.Repeat("[", 20) + "any" + strings.Repeat("]", 20) + " any -> any any (sid:1;)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rs, refused := Parse(strings.NewReader(c.text+"\nalert ip any any -> any any (sid:2;)"), "f", Vars{})
			if len(refused) != 1 || c.reason != "" && refused[0].Reason != c.reason {
				t.Fatalf("refused %+v, want %q", refused, c.reason)
			}
			if len(rs) != 1 || rs[0].SID != 2 {
				t.Errorf("the rule after it did not load")
			}
		})
	}
}

func TestNewestRevisionWins(t *testing.T) {
	e := mustEngine(t, "alert ip any any -> any any (sid:1; rev:1;)\nalert ip any any -> any any (sid:1; rev:3;)\nalert ip any any -> any any (sid:1; rev:2;)")
	if s := e.Stats(); s.Rules != 1 || s.Duplicates != 2 || e.rules[0].Rev != 3 {
		t.Errorf("%+v with revision %d, want one rule of revision 3", s, e.rules[0].Rev)
	}
}

func TestSpansSubtract(t *testing.T) {
	s := func(pairs ...uint64) (out spans) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, span{point{0, pairs[i]}, point{0, pairs[i+1]}})
		}
		return out
	}
	for _, c := range []struct {
		name       string
		a, b, want spans
	}{
		{"a hole in the middle", s(0, 10), s(3, 5), s(0, 2, 6, 10)},
		{"a hole at each end", s(0, 10), s(0, 1, 9, 20), s(2, 8)},
		{"all of it", s(3, 5), s(0, 10), nil},
		{"nothing of it", s(3, 5), s(6, 7), s(3, 5)},
		{"across two", s(0, 5, 10, 15), s(4, 11), s(0, 3, 12, 15)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := minus(c.a, c.b)
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(span{}, point{})); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzParse wants no panic and no rule without its place.
func FuzzParse(f *testing.F) {
	f.Add(`alert tcp $HOME_NET [1:5,!3] -> !10.0.0.0/8 any (msg:"a"; content:"a|00|"; depth:9; pcre:"/a[b\]]{2}$/Ri"; sid:1;)`)
	f.Add(`alert dns any any <> any any (dns.query; dotprefix; content:".a"; endswith; threshold:type both,track by_src,count 1,seconds 2; sid:2;)`)
	f.Add("alert ip any any -> any any (byte_test:1,!&,0x80,0,relative; byte_jump:2,0,align; isdataat:!1,relative; \\\n sid:3;)")
	seedET(f)
	f.Fuzz(func(t *testing.T, text string) {
		rs, refused := Parse(strings.NewReader(text), "fuzz", DefaultVars("10.0.0.0/8"))
		for _, r := range refused {
			if r.Line == 0 || r.Reason == "" {
				t.Fatalf("refusal without place: %+v", r)
			}
		}
		e, err := NewEngine(rs, Options{})
		if err != nil {
			t.Fatal(err)
		}
		in := toServer("a.b\x00\xff" + text)
		e.Inspect(e.NewContext(), in)
	})
}

// FuzzInspect shows arbitrary bytes to rules with every kind of test.
func FuzzInspect(f *testing.F) {
	e := mustEngine(f, `
alert tcp-pkt any any -> any any (content:"a"; content:!"b"; within:3; content:"c"; distance:-2; within:9; isdataat:2,relative; sid:1;)
alert tcp-pkt any any -> any any (content:"|00|"; byte_test:4,>,5,-2,relative,little; byte_jump:2,-1,relative,from_end,multiplier 3; content:"z"; distance:-5; sid:2;)
alert tcp-pkt any any -> any any (content:"G"; byte_jump:3,0,string,dec,relative,post_offset -4; pcre:"/^[\x80-\xff]+.$/R"; content:"e"; distance:0; sid:3;)
alert http any any -> any any (http.uri; content:"a"; pcre:"/a+/"; content:"b"; distance:0; content:"c"; endswith; sid:4;)
`)
	f.Add([]byte("abc\x00\x01\x02G123\xff\xfez"))
	f.Add([]byte(strings.Repeat("ab", 200)))
	ctx := e.NewContext()
	f.Fuzz(func(t *testing.T, data []byte) {
		in := toServer("")
		in.Payload = data
		first := len(e.Inspect(ctx, in))
		again := toServer("")
		again.Payload = data
		if n := len(e.Inspect(ctx, again)); n != first {
			t.Fatalf("%d alerts, then %d on the same packet", first, n)
		}
		e.Inspect(ctx, transaction(true, func(b *Buffers) { b.Add(BufferHTTPURI, data) }))
	})
}

func parseText(text string) ([]*Rule, []Refusal) {
	return Parse(strings.NewReader(text), "test.rules", DefaultVars("10.0.0.0/8"))
}
