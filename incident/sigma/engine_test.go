package sigma

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/testkit"
)

func defaultEngine(tb testing.TB, rules []*Rule) *Engine {
	tb.Helper()
	m, err := DefaultMapping()
	if err != nil {
		tb.Fatal(err)
	}
	e, err := NewEngine(rules, m)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func parseEvent(tb testing.TB, rest string) *event.Event {
	tb.Helper()
	ev, err := event.Parse([]byte(`{"timestamp":"2026-11-22T08:00:00.000000+0000","src_ip":"192.168.1.5","src_port":40000,` +
		`"dest_ip":"203.0.113.9","dest_port":80,"proto":"TCP",` + rest + `}`))
	if err != nil {
		tb.Fatal(err)
	}
	return ev
}

func TestLogSourcesAreFedFromEVE(t *testing.T) {
	for _, c := range []struct {
		name, source, selection, event string
		want                           bool
	}{
		{"dns of EVE 2", "category: dns", "{query: evil.example}", `"event_type":"dns","dns":{"type":"query","rrname":"Evil.example"}`, true},
		{"dns of EVE 3", "category: dns", "{query: evil.example}", `"event_type":"dns","dns":{"version":3,"queries":[{"rrname":"evil.example"}]}`, true},
		{"dns answers", "category: dns", "{answer: 10.0.0.1}", `"event_type":"dns","dns":{"answers":[{"rdata":"10.0.0.1"}]}`, true},
		{"another event type is not asked", "category: dns", "{src_ip: 192.168.1.5}", `"event_type":"http","http":{}`, false},
		{"proxy rules see the URL as proxies write it", "category: proxy", "{c-uri|startswith: 'http://evil.example/a'}", `"event_type":"http","http":{"hostname":"evil.example","url":"/a?b=c"}`, true},
		{"and the path", "category: proxy", "{c-uri: '/a?b=c'}", `"event_type":"http","http":{"hostname":"evil.example","url":"/a?b=c"}`, true},
		{"extension of the path", "category: proxy", "{c-uri-extension: exe}", `"event_type":"http","http":{"url":"/d/x.exe?y.txt"}`, true},
		{"query of the URL", "category: proxy", "{c-uri-query: b=c}", `"event_type":"http","http":{"url":"/a?b=c"}`, true},
		{"method and status", "category: webserver", "{cs-method: POST, sc-status: 200}", `"event_type":"http","http":{"http_method":"POST","status":200}`, true},
		{"web servers' query is the whole target", "category: webserver", "{cs-uri-query|contains: '/etc/passwd'}", `"event_type":"http","http":{"url":"/a/../etc/passwd"}`, true},
		{"keywords of web servers", "category: webserver", "['.git/']", `"event_type":"http","http":{"url":"/.git/config"}`, true},
		{"firewall is the flow record", "category: firewall", "{dst_port: 80}", `"event_type":"flow","flow":{}`, true},
		{"ECS names", "product: suricata\n    service: tls", "{tls.client.server_name|endswith: .example}", `"event_type":"tls","tls":{"sni":"a.example"}`, true},
		{"EVE paths", "product: suricata", "{alert.signature_id: 7}", `"event_type":"alert","alert":{"signature_id":7,"signature":"s","severity":1}`, true},
		{"zeek's names", "product: zeek\n    service: http", "{uri|endswith: .php}", `"event_type":"http","http":{"url":"/a.php"}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "title: t\nlogsource:\n    " + c.source + "\ndetection:\n    sel: " + c.selection + "\n    condition: sel\n"
			rules, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			e := defaultEngine(t, rules)
			if len(e.Unfed()) != 0 {
				t.Fatalf("unfed: %s", e.Unfed()[0].Reason)
			}
			ev := parseEvent(t, c.event)
			if got := len(e.Eval(ev)) == 1; got != c.want {
				t.Errorf("engine %v, want %v", got, c.want)
			}
			alone, err := EvalRule(rules[0], ev.Fields)
			if err != nil || alone != c.want {
				t.Errorf("alone %v (%v), want %v", alone, err, c.want)
			}
		})
	}
}

func TestBuiltinRules(t *testing.T) {
	rules, err := BuiltinRules()
	if err != nil {
		t.Fatal(err)
	}
	e := defaultEngine(t, rules)
	for _, u := range e.Unfed() {
		t.Errorf("%s is not fed: %s", u.Rule.File, u.Reason)
	}
	for _, r := range rules {
		if r.ID == "" || r.Description == "" || r.Level == "" || len(r.Tags) == 0 || !strings.Contains(r.Title, " / ") {
			t.Errorf("%s lacks id, description, level, tags or its title in both languages", r.File)
		}
	}
	const inside = `"src_ip":"10.1.1.1","dest_ip":"10.1.1.2"`
	met := map[string]bool{}
	for _, c := range []struct {
		file, event string
		want        bool
	}{
		{"suricata_malware_high", `"event_type":"alert","alert":{"severity":1,"category":"A Network Trojan was detected"}`, true},
		{"suricata_malware_high", `"event_type":"alert","alert":{"severity":3,"category":"A Network Trojan was detected"}`, false},
		{"suricata_internal_scan", `"event_type":"alert",` + inside + `,"alert":{"severity":3,"category":"Detection of a Network Scan"}`, true},
		{"suricata_internal_scan", `"event_type":"alert","alert":{"severity":3,"category":"Detection of a Network Scan"}`, false},
		{"dns_ransomware_domain", `"event_type":"dns","dns":{"queries":[{"rrname":"www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"}]}`, true},
		{"dns_ransomware_domain", `"event_type":"dns","dns":{"rrname":"abc.onion.ly"}`, true},
		{"dns_ransomware_domain", `"event_type":"dns","dns":{"rrname":"onion.ly.example"}`, false},
		{"http_payload_from_address", `"event_type":"http","http":{"hostname":"203.0.113.9","url":"/a/b.EXE"}`, true},
		{"http_payload_from_address", `"event_type":"http",` + inside + `,"http":{"hostname":"10.1.1.2","url":"/b.exe"}`, false},
		{"http_script_download", `"event_type":"http","http":{"hostname":"x.example","url":"/b.ps1","http_user_agent":"Mozilla/5.0 WindowsPowerShell/5.1"}`, true},
		{"http_script_download", `"event_type":"http","http":{"hostname":"dl.microsoft.com","url":"/b.exe","http_user_agent":"Microsoft BITS/7.8"}`, false},
		{"tls_bad_sni", `"event_type":"tls","tls":{"sni":"a1.ngrok.io"}`, true},
		{"tls_bad_sni", `"event_type":"tls","tls":{"sni":"www.example.gov.vn"}`, false},
		{"tls_cobalt_strike", `"event_type":"tls","tls":{"subject":"C=Earth, CN=Major Cobalt Strike"}`, true},
		{"tls_cobalt_strike", `"event_type":"tls","tls":{"subject":"CN=example"}`, false},
		{"flow_smb_to_internet", `"event_type":"flow","dest_port":445,"flow":{"state":"established"}`, true},
		{"flow_smb_to_internet", `"event_type":"flow",` + inside + `,"dest_port":445,"flow":{"state":"established"}`, false},
		{"flow_remote_desktop_from_internet", `"event_type":"flow","src_ip":"203.0.113.9","dest_ip":"10.1.1.1","dest_port":3389,"flow":{"state":"closed"}`, true},
		{"flow_remote_desktop_from_internet", `"event_type":"flow","src_ip":"203.0.113.9","dest_ip":"10.1.1.1","dest_port":3389,"flow":{"state":"new"}`, false},
		{"dns_tunnel_long_label", `"event_type":"dns","dns":{"rrname":"` + strings.Repeat("a1", 26) + `.t.example"}`, true},
		{"dns_tunnel_long_label", `"event_type":"dns","dns":{"rrname":"` + strings.Repeat("a1", 26) + `.cloudfront.net"}`, false},
		{"dns_mining_pool", `"event_type":"dns","dns":{"rrname":"xmr.nanopool.org"}`, true},
		{"dns_mining_pool", `"event_type":"dns","dns":{"rrname":"nanopool.org.example"}`, false},
	} {
		ev := parseEvent(t, c.event)
		got := slices.ContainsFunc(e.Eval(ev), func(m Match) bool {
			return strings.TrimSuffix(filepath.Base(m.Rule.File), ".yml") == c.file
		})
		met[c.file] = met[c.file] || got
		if got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.file, c.event, got, c.want)
		}
	}
	if len(met) != len(rules) {
		t.Errorf("%d of %d rules are tested", len(met), len(rules))
	}
}

func TestCheckDirReportsBadFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.yml":     "title: t\nlogsource: {category: dns}\ndetection: {a: {query: x}, condition: a}",
		"unfed.yaml":   "title: t\nlogsource: {product: windows}\ndetection: {a: {b: x}, condition: a}",
		"sub/bad.yml":  "title: t",
		"sub/note.txt": "not a rule",
	} {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o750)
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(path, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	rep, err := CheckDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Parsed != 2 || rep.Failed != 1 || rep.Failures[0].File != "sub/bad.yml" {
		t.Errorf("%+v", rep)
	}
	if len(rep.Unfed) != 1 || rep.Unfed[0].File != "unfed.yaml" {
		t.Errorf("unfed %+v", rep.Unfed)
	}
}

// FuzzRule parses any text and, when it is a rule, evaluates it.
func FuzzRule(f *testing.F) {
	f.Add("title: t\nlogsource: {category: dns}\ndetection:\n  a: {'q|contains|all': ['x*', '?y']}\n  b: ['k']\n  condition: 1 of a* and not b", `{"q":"xy","z":[1,null,{"k":true}]}`)
	f.Add("title: t\nlogsource: {}\ndetection:\n  a: {'q|re|i': '^a+$', 'r|cidr': '10.0.0.0/8', 's|gte': 3}\n  condition: not a", `{"q":"aaa","r":"10.0.0.1","s":4}`)
	rules, err := BuiltinRules()
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range rules {
		data, err := builtinFiles.ReadFile(r.File)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), `{"event_type":"dns","dns":{"rrname":"a.onion.ly"}}`)
	}
	f.Fuzz(func(t *testing.T, rule, record string) {
		rules, err := Parse([]byte(rule))
		if err != nil {
			return
		}
		ev, err := event.Parse([]byte(record))
		rec := Fields{"q": record}
		if err == nil {
			rec = ev.Fields
		}
		for _, r := range rules {
			if r.unsupported != "" {
				continue
			}
			v := newEvaluation(rec)
			atoms := witness(r.cond)
			met := r.cond.eval(v)
			if met && atoms != nil && !holdsAny(v, atoms) {
				t.Fatalf("met without its witness %v", atoms)
			}
		}
	})
}

func holdsAny(v *evaluation, atoms []atom) bool {
	for _, a := range atoms {
		values, _ := v.lookup(a.field)
		if a.field == "" {
			values = v.everything()
		}
		for i := range values {
			if strings.Contains(values[i].lower(), a.literal) {
				return true
			}
		}
	}
	return false
}

func BenchmarkEval(b *testing.B) {
	rules, _, err := LoadDir(testkit.Data(b, "sigma"))
	if err != nil {
		b.Fatal(err)
	}
	own, err := BuiltinRules()
	if err != nil {
		b.Fatal(err)
	}
	e := defaultEngine(b, append(rules, own...))
	b.Logf("%d rules evaluated", e.Len())
	for _, c := range []struct{ name, event string }{
		{"dns", `"event_type":"dns","dns":{"version":3,"type":"request","queries":[{"rrname":"dichvucong.example.gov.vn","rrtype":"A"}]}`},
		{"http", `"event_type":"http","http":{"hostname":"dichvucong.example.gov.vn","url":"/ho-so/nop?ma=12345&loai=khai-sinh","http_method":"POST","status":200,"http_user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36","http_refer":"https://dichvucong.example.gov.vn/"}`},
		{"tls", `"event_type":"tls","tls":{"sni":"www.example.gov.vn","version":"TLS 1.3"}`},
		{"flow", `"event_type":"flow","flow":{"state":"closed","bytes_toserver":1234}`},
		{"alert", `"event_type":"alert","alert":{"signature_id":1,"signature":"x","category":"Misc activity","severity":3}`},
	} {
		ev := parseEvent(b, c.event)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			met := 0
			for b.Loop() {
				met += len(e.Eval(ev))
			}
			if met != 0 {
				b.Fatalf("ordinary traffic met %d rules", met)
			}
		})
	}
}
