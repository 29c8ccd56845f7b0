package detect

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

type guessKey struct {
	client  netip.Addr
	server  netip.AddrPort
	service string
}

// guessing are the attempts of a client at a service.
type guessing struct {
	times
	accounts distinct[string]
}

// A connection in which a log-in failed is short and says little: the server
// of a session that works says more.
const (
	shortTalk  = 90 * time.Second
	shortBytes = 12 << 10
)

// logInService names the protocols whose log-in is counted by connections,
// because it is encrypted.
func logInService(f *Flow) string {
	switch {
	case f.App == "ssh" || f.App == "rdp":
		return f.App
	case f.App == "smb" || f.Server.Port() == 445:
		return "smb"
	case f.Server.Port() == 3389:
		return "rdp"
	case f.Server.Port() == 22:
		return "ssh"
	}
	return ""
}

func (e *Engine) guess(f *Flow) {
	service := ""
	if f.Proto == protoTCP {
		service = logInService(f)
	}
	if service == "" || f.Midstream || f.Judged || f.Flags[0]&f.Flags[1]&flagPSH == 0 {
		return
	}
	if f.Last.Sub(f.Start) > shortTalk || f.Bytes[1] > shortBytes {
		return
	}
	c := &e.cfg.BruteForce
	t, _ := e.guesses.get(guessKey{f.Client.Addr(), f.Server, service}, f.Last)
	n := t.add(f.Start, c.Window)
	if n >= c.Attempts {
		e.guessed(f.finding(bruteForce()), service, n, c.Attempts, t.first())
	}
}

// LogIn is a log-in that a server judged.
type LogIn struct {
	Flow    *Flow
	Account string
	Refused bool
}

// LogIn takes a log-in. Those that were refused are counted for each client and
// service, whatever the account: many accounts with one password each are as
// much a guess as one account with many.
func (e *Engine) LogIn(l *LogIn) []Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := l.Flow
	e.begin(f.Last)
	if !l.Refused || e.ignore.has(f.Client.Addr()) {
		return e.out
	}
	c := &e.cfg.BruteForce
	t, _ := e.guesses.get(guessKey{f.Client.Addr(), f.Server, f.App + " refused"}, f.Last)
	n, accounts := t.add(f.Last, c.Window), 0
	if l.Account != "" {
		accounts = t.accounts.add(l.Account[:min(len(l.Account), maxAccount)], f.Last, c.Window)
	}
	if n < c.Refused {
		return e.out
	}
	fields := []Field{{"refused", n}, {"accounts", accounts}}
	if accounts > 0 {
		fields = append(fields, Field{"examples", t.accounts.latest()})
	}
	e.guessed(f.finding(bruteForce()), f.App, n, c.Refused, t.first(), fields...)
	return e.out
}

// maxAccount bounds an account's name in bytes.
const maxAccount = 128

func (e *Engine) guessed(found Finding, service string, n, threshold int, first time.Time, more ...Field) {
	c := &e.cfg.BruteForce
	client, server := found.Src.Addr(), found.Dst
	found.Vi = fmt.Sprintf("%s thử đăng nhập %s vào %s %d lần trong %s", client, service, server, n, c.Window)
	found.En = fmt.Sprintf("%s tried to log in to %s by %s %d times within %s", client, server, service, n, c.Window)
	found.Fields = []Field{{"service", service}, {"attempts", n}, {"threshold", threshold}, {"window", c.Window}, {"first", first}}
	found.Fields = append(found.Fields, more...)
	e.tell(client.String()+"|"+server.String()+service, e.cfg.Repeat, found)
}

// Request is an HTTP request and what was answered.
type Request struct {
	Flow                 *Flow
	Host, Method, Path   string
	Status               int
	Authorization, Basic bool
	// Secret is true when a form with a password was sent.
	Secret bool
	Bytes  uint64
}

// HTTP takes a request.
func (e *Engine) HTTP(r *Request) []Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := r.Flow
	e.begin(f.Last)
	if e.ignore.has(f.Client.Addr()) {
		return e.out
	}
	e.beat(f, r.Host, f.Last, r.Bytes)
	if r.Basic {
		e.password(f, "HTTP Basic", r.Host)
	}
	if r.Secret {
		e.password(f, "HTTP form", r.Host)
	}
	refused := r.Status == 401 || r.Status == 403
	if !(refused && (r.Authorization || r.Method == "POST") || r.Method == "POST" && (r.Secret || logInPath(r.Path))) {
		return e.out
	}
	c := &e.cfg.BruteForce
	t, _ := e.guesses.get(guessKey{f.Client.Addr(), f.Server, "web " + r.Host + r.Path}, f.Last)
	n := t.add(f.Last, c.Window)
	if n >= c.Web {
		e.guessed(f.finding(bruteForce()), "web", n, c.Web, t.first(), Field{"examples", []string{r.Method + " " + r.Host + r.Path}})
	}
	return e.out
}

// logInPath reports whether a path names a log-in, in the words of common
// systems.
func logInPath(path string) bool {
	path = strings.ToLower(path)
	for _, word := range [...]string{"login", "log-in", "signin", "sign-in", "dang-nhap", "dangnhap", "wp-login", "xmlrpc.php", "/auth", "session"} {
		if strings.Contains(path, word) {
			return true
		}
	}
	return false
}

// Password takes a password that was sent in clear, by the protocol's method.
func (e *Engine) Password(f *Flow, method, where string) []Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin(f.Last)
	e.password(f, method, where)
	return e.out
}

// clearRepeat: the same service is told once a day.
const clearRepeat = 24 * time.Hour

func (e *Engine) password(f *Flow, method, where string) {
	found := f.finding(clearPassword())
	found.Vi = fmt.Sprintf("%s gửi mật khẩu không mã hoá tới %s (%s)", f.Client.Addr(), f.Server, method)
	found.En = fmt.Sprintf("%s sent a password in clear to %s (%s)", f.Client.Addr(), f.Server, method)
	found.Fields = []Field{{"method", method}, {"threshold", 1}, {"window", time.Duration(0)}}
	if where != "" {
		found.Fields = append(found.Fields, Field{"examples", []string{where}})
	}
	e.tell(f.Client.Addr().String()+"|"+f.Server.String()+method, clearRepeat, found)
}
