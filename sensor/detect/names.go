package detect

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

type tunnelKey struct {
	client netip.Addr
	domain string
}

// tunnel is what one client asked under one domain in a window.
type tunnel struct {
	from             time.Time
	names            distinct[uint64]
	queries, letters int
	counts           [256]uint32
	bulk             int
	samples          []string
}

// failures are the names of one client that do not exist.
type failures struct {
	domains distinct[string]
}

// Lookup is one DNS message.
type Lookup struct {
	Flow     *Flow
	Name     string
	Type     uint16
	Response bool
	// Missing is true when the answer is that there is no such name.
	Missing bool
}

// Record types that carry much (RFC 1035 §3.2.2).
const (
	typeNULL = 10
	typeTXT  = 16
)

// minEntropy is in bits a character: hexadecimal has 4, words about 3.
const minEntropy = 3.2

// DNS takes a message.
func (e *Engine) DNS(l *Lookup) []Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin(l.Flow.Last)
	name := strings.ToLower(strings.TrimSuffix(l.Name, "."))
	if name == "" || strings.HasSuffix(name, ".arpa") || strings.HasSuffix(name, ".local") || e.ignore.has(l.Flow.Client.Addr()) {
		return e.out
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		// A public suffix itself, or a single label.
		return e.out
	}
	for _, d := range e.cfg.IgnoreDomains {
		if domain == d || strings.HasSuffix(name, "."+d) {
			return e.out
		}
	}
	if l.Response {
		if l.Missing {
			e.missing(l.Flow, domain)
		}
		return e.out
	}
	e.tunnel(l, domain, strings.TrimSuffix(strings.TrimSuffix(name, domain), "."))
	return e.out
}

func (e *Engine) tunnel(l *Lookup, domain, sub string) {
	c := &e.cfg.DNS
	f := l.Flow
	t, _ := e.tunnels.get(tunnelKey{f.Client.Addr(), domain}, f.Last)
	if t.from.IsZero() || f.Last.Sub(t.from) > c.Window {
		*t = tunnel{from: f.Last}
	}
	t.queries++
	if l.Type == typeTXT || l.Type == typeNULL {
		t.bulk++
	}
	if sub == "" {
		return
	}
	n := t.names.add(hashName(sub), f.Last, c.Window)
	t.letters += len(sub)
	for i := range len(sub) {
		t.counts[sub[i]]++
	}
	if len(t.samples) < 3 {
		t.samples = append(t.samples, sub[:min(len(sub), 64)]+"."+domain)
	}
	length := float64(t.letters) / float64(t.queries)
	entropy := entropyOf(&t.counts, t.letters)
	if n < c.Names || length < float64(c.Length) || entropy < minEntropy {
		return
	}
	found := f.finding(dnsTunnel())
	found.Vi = fmt.Sprintf("%s hỏi %d tên khác nhau dưới %s, dài trung bình %.0f ký tự: dữ liệu được giấu trong tên", f.Client.Addr(), n, domain, length)
	found.En = fmt.Sprintf("%s asked for %d different names under %s of %.0f characters on average: data hidden in names", f.Client.Addr(), n, domain, length)
	found.Fields = []Field{
		{"domain", domain}, {"names", n}, {"queries", t.queries}, {"length", length}, {"entropy", entropy}, {"bulk_types", t.bulk},
		{"bytes", t.letters}, {"threshold", c.Names}, {"window", c.Window}, {"examples", t.samples},
	}
	e.tell(f.Client.Addr().String()+"|"+domain, e.cfg.Repeat, found)
}

// hashName is FNV-1a.
func hashName(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// entropyOf is Shannon's, in bits a character.
func entropyOf(counts *[256]uint32, total int) float64 {
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(total)
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// randomShare is how many of the missing names must look made up.
const randomShare = 0.6

func (e *Engine) missing(f *Flow, domain string) {
	c := &e.cfg.DNS
	m, _ := e.failed.get(f.Client.Addr(), f.Last)
	n := m.domains.add(domain, f.Last, c.Window)
	if n < c.Failed {
		return
	}
	random := 0
	var samples []string
	for _, d := range m.domains.marks {
		label, _, _ := strings.Cut(d.v, ".")
		if !madeUp(label) {
			continue
		}
		random++
		if len(samples) < examples {
			samples = append(samples, d.v)
		}
	}
	if float64(random) < randomShare*float64(n) {
		return
	}
	found := f.finding(dga())
	found.Vi = fmt.Sprintf("%s hỏi %d tên miền không tồn tại trong %s, %d tên trông như do máy sinh", f.Client.Addr(), n, c.Window, random)
	found.En = fmt.Sprintf("%s asked for %d domains that do not exist within %s, %d of them look generated", f.Client.Addr(), n, c.Window, random)
	found.Fields = []Field{{"missing", n}, {"generated", random}, {"threshold", c.Failed}, {"window", c.Window}, {"examples", samples}}
	e.tell(f.Client.Addr().String(), e.cfg.Repeat, found)
}

// madeUp judges a label as a reader would: long runs without a vowel, few
// vowels, or letters and digits in turns. Names of words pass, made up or not.
func madeUp(label string) bool {
	if len(label) < 8 {
		return false
	}
	vowels, letters, digits, turns, run, longest := 0, 0, 0, 0, 0, 0
	was := byte(0)
	for i := range len(label) {
		c := label[i]
		kind := byte('l')
		switch {
		case c >= '0' && c <= '9':
			digits++
			kind, run = 'd', 0
		case strings.IndexByte("aeiouy", c) >= 0:
			vowels++
			letters++
			run = 0
		case c >= 'a' && c <= 'z':
			letters++
			run++
			longest = max(longest, run)
		default:
			kind, run = 0, 0
		}
		if was != 0 && kind != 0 && kind != was {
			turns++
		}
		was = kind
	}
	switch {
	case longest >= 5, turns >= 4, digits > 0 && 2*digits >= letters && letters > 2:
		return true
	}
	return letters > 0 && float64(vowels) < 0.25*float64(letters)
}
