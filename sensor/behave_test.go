package sensor_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/detect"
)

const rst = 4

// turn is what one side of a recorded conversation said.
type turn struct {
	dir  int
	data string
}

// taped keeps what passes through one end of a pipe.
type taped struct {
	net.Conn
	dir   int
	turns *[]turn
}

func (c taped) Write(b []byte) (int, error) {
	*c.turns = append(*c.turns, turn{c.dir, string(b)})
	return c.Conn.Write(b)
}

func (c taped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		*c.turns = append(*c.turns, turn{1 - c.dir, string(b[:n])})
	}
	return n, err
}

// handshake records a real TLS 1.2 conversation with a certificate.
func handshake(t testing.TB, cert tls.Certificate) []turn {
	t.Helper()
	near, far := net.Pipe()
	var turns []turn
	done := make(chan error, 1)
	go func() {
		s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
		_, err := io.WriteString(s, "hello")
		done <- err
	}()
	// A self-made client of self-made certificates: nobody is trusted here.
	c := tls.Client(taped{near, 0, &turns}, &tls.Config{InsecureSkipVerify: true, ServerName: "dv.example.gov.vn", MaxVersion: tls.VersionTLS12}) //nolint:gosec
	_, err := io.ReadFull(c, make([]byte, 5))
	if err == nil {
		err = <-done
	}
	if err != nil {
		t.Fatal(err)
	}
	return turns
}

// certificate makes one that the issuer signed; a nil issuer signs itself.
func certificate(t testing.TB, name string, from, to time.Time, issuer *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IsCA: issuer == nil, BasicConstraintsValid: true, DNSNames: []string{"dv.example.gov.vn"},
	}
	parent, signer := tmpl, any(key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// town is an agency's network and the days in it.
type town struct {
	ours, old, alien []turn
	ca               string
	start            time.Time
}

func newTown(t testing.TB) *town {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	from, to := start.AddDate(-1, 0, 0), start.AddDate(1, 0, 0)
	ca := certificate(t, "CA tỉnh", from, to, nil)
	path := filepath.Join(t.TempDir(), "ca.pem")
	err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return &town{
		ca: path, start: start,
		ours:  handshake(t, certificate(t, "dv.example.gov.vn", from, to, &ca)),
		old:   handshake(t, certificate(t, "cu.example.gov.vn", from, start.AddDate(0, -1, 0), &ca)),
		alien: handshake(t, certificate(t, "la.example.net", from, to, nil)),
	}
}

func (tn *town) config() detect.Config {
	c := detect.Config{
		Agencies:   map[string][]string{"xã Tân Lập": {"10.3.0.0/16"}, "Sở Nội vụ": {"10.4.0.0/16"}, "trung tâm dữ liệu": {"10.1.0.0/16"}},
		Agreements: []detect.Agreement{{From: "xã Tân Lập", To: "trung tâm dữ liệu"}, {From: "trung tâm dữ liệu", To: "xã Tân Lập"}, {From: "xã Tân Lập", To: "Sở Nội vụ", Ports: []uint16{443}}},
		Links:      []detect.Link{{Name: "Internet", Mbps: 20}},
		// Two days of the test are learnt; a day's traffic is small.
		Learn: 23 * time.Hour, LinkSamples: 12,
	}
	c.Volume.Floor = 2 << 20
	c.Certificates.CA = []string{tn.ca}
	c.Certificates.Must = []string{"10.1.0.0/24"}
	return c
}

// talk plays turns between two ends.
func talk(w *wire, client, server string, turns []turn, more int) {
	c := w.dial(client, server)
	for _, x := range turns {
		c.say(x.dir, x.data, 1400)
	}
	if more > 0 {
		c.say(0, strings.Repeat("\x17\x03\x03\x05\x00", more/5), 1400)
	}
	c.close()
}

func answer(id uint16, name string, missing bool) string {
	b := []byte(dnsQuery(id, name))
	b[2], b[3] = 0x81, 0x80
	if missing {
		b[3] |= 3
	}
	return string(b)
}

func (tn *town) ask(w *wire, client, name string, missing bool) {
	id := uint16(len(w.out))
	port := 20000 + len(w.out)%40000
	w.udp(fmt.Sprintf("%s:%d", client, port), "10.1.0.53:53", dnsQuery(id, name))
	w.udp("10.1.0.53:53", fmt.Sprintf("%s:%d", client, port), answer(id, name, missing))
}

// action is something that somebody does at some time.
type action struct {
	at time.Time
	do func(w *wire)
}

func play(t testing.TB, actions []action) string {
	w := newWire(t)
	slices.SortStableFunc(actions, func(a, b action) int { return a.at.Compare(b.at) })
	for _, a := range actions {
		if a.at.After(w.time) {
			w.time = a.at
		}
		a.do(w)
	}
	return w.file()
}

// day is a working day of machines (20 of them when all is tested): browsing, names, updates, time, mail,
// printing, backups, administration, monitoring.
func (tn *town) day(t testing.TB, n int) string {
	r := mrand.New(mrand.NewPCG(uint64(n), 7))
	start := tn.start.AddDate(0, 0, n).Add(time.Hour)
	var all []action
	add := func(at time.Time, do func(w *wire)) { all = append(all, action{at, do}) }
	sites := []string{"www.vnexpress.net", "dichvucong.gov.vn", "mail.google.com", "d2f8a9c1.cloudfront.net", "e1234.dscb.akamaiedge.net", "chinhphu.vn", "www.youtube.com", "thuvienphapluat.vn", "update.kaspersky.com"}
	spread := func(every time.Duration, hours int, jitter float64, do func(at time.Time)) {
		for at := start.Add(time.Duration(r.Float64() * float64(every))); at.Before(start.Add(time.Duration(hours) * time.Hour)); {
			do(at)
			at = at.Add(time.Duration(float64(every) * (1 - jitter/2 + jitter*r.Float64())))
		}
	}
	port := 30000
	next := func(host string) string {
		port = 30000 + (port+1)%30000
		return fmt.Sprintf("%s:%d", host, port)
	}
	machines := 8
	if os.Getenv(envWhole) != "" {
		machines = 20
	}
	for h := range machines {
		host := fmt.Sprintf("10.3.9.%d", 10+h)
		spread(3*time.Minute, 9, 1.8, func(at time.Time) {
			site := sites[r.IntN(len(sites))]
			size := 500 + r.IntN(8000)
			c, s := next(host), fmt.Sprintf("198.51.100.%d:443", 1+hash(site)%200)
			add(at, func(w *wire) { tn.ask(w, host, site, false); talk(w, c, s, tn.alien, size) })
		})
		// The virus scanner of every machine calls its maker every five minutes.
		spread(5*time.Minute, 9, 0.02, func(at time.Time) {
			c := next(host)
			add(at, func(w *wire) { talk(w, c, "203.0.113.200:443", tn.alien, 300) })
		})
		spread(time.Hour, 9, 0.3, func(at time.Time) {
			c := next(host)
			add(at, func(w *wire) {
				talk(w, c, "10.1.0.20:8530", []turn{{0, "GET /update.cab HTTP/1.1\r\nHost: wsus\r\n\r\n"}, {1, "HTTP/1.1 304 Not Modified\r\n\r\n"}}, 0)
			})
		})
		spread(17*time.Minute, 9, 0.01, func(at time.Time) {
			add(at, func(w *wire) {
				q := "\x23" + strings.Repeat("\x00", 47)
				w.udp(host+":123", "10.1.0.123:123", q)
				w.udp("10.1.0.123:123", host+":123", "\x24"+q[1:])
			})
		})
		spread(5*time.Minute, 9, 0.05, func(at time.Time) {
			c := next(host)
			add(at, func(w *wire) { talk(w, c, "10.1.0.25:993", tn.ours, 200) })
		})
		spread(40*time.Minute, 9, 1.5, func(at time.Time) {
			c := next(host)
			add(at, func(w *wire) { talk(w, c, "10.3.9.200:9100", []turn{{0, "%!PS-Adobe"}, {1, "ok"}}, 60000) })
		})
		spread(2*time.Hour, 9, 1.5, func(at time.Time) {
			add(at, func(w *wire) { tn.ask(w, host, fmt.Sprintf("ww.sai-ten-%d.com", r.IntN(99)), true) })
		})
		// The monitor looks at every machine.
		spread(10*time.Minute, 9, 0.01, func(at time.Time) {
			m := next("10.1.0.30")
			add(at, func(w *wire) { w.dial(m, host+":3389").close() })
		})
	}
	// One polls a mailbox outside, as steadily as a beacon: a false alarm that
	// is to be counted. One administers, copies are made.
	spread(5*time.Minute, 9, 0.05, func(at time.Time) {
		c := next("10.3.9.14")
		add(at, func(w *wire) { talk(w, c, "203.0.113.210:993", tn.alien, 200) })
	})
	spread(30*time.Minute, 9, 0.8, func(at time.Time) {
		c := next("10.3.9.10")
		add(at, func(w *wire) {
			talk(w, c, "10.1.0.22:22", []turn{{1, "SSH-2.0-OpenSSH_9.2\r\n"}, {0, "SSH-2.0-OpenSSH_9.2\r\n"}, {1, strings.Repeat("x", 30000)}}, 3000)
		})
	})
	for i := range 6 {
		c := next("10.3.9.11")
		add(start.Add(14*time.Hour+time.Duration(i)*time.Minute), func(w *wire) {
			talk(w, c, "10.1.0.40:22", []turn{{1, "SSH-2.0-OpenSSH_9.2\r\n"}, {0, "SSH-2.0-OpenSSH_9.2\r\n"}, {1, strings.Repeat("y", 20000)}}, 400000)
		})
	}
	return play(t, all)
}

func hash(s string) int {
	h := 7
	for _, c := range s {
		h = (h*31 + int(c)) % 65521
	}
	return h
}

// attack is a generated attack and the detectors that must find it.
type generated struct {
	name string
	want []string
	run  func(w *wire)
}

func (tn *town) attacks() []generated {
	r := mrand.New(mrand.NewPCG(9, 9))
	word := func(n int, from string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[r.IntN(len(from))]
		}
		return string(b)
	}
	tries := func(w *wire, server string, n int, turns []turn) {
		for i := range n {
			w.time = w.time.Add(3 * time.Second)
			talk(w, fmt.Sprintf("10.3.9.15:%d", 41000+i), server, turns, 0)
		}
	}
	const consonants = "bcdfghjklmnpqrstvwxz"
	return []generated{
		{"100 ports of a server, closed", []string{"port_scan"}, func(w *wire) {
			for p := range 100 {
				c := &tcpConn{w: w, ends: ends("10.3.9.12:50000", fmt.Sprintf("10.1.0.20:%d", 100+p))}
				c.segment(0, syn, "")
				c.segment(1, rst|ack, "")
			}
		}},
		{"40 hosts on port 445, silent", []string{"host_scan"}, func(w *wire) {
			for h := range 40 {
				c := &tcpConn{w: w, ends: ends("10.3.9.13:50001", fmt.Sprintf("10.3.77.%d:445", 1+h))}
				c.segment(0, syn, "")
			}
		}},
		{"30 log-ins by SSH", []string{"brute_force"}, func(w *wire) {
			tries(w, "10.1.0.22:22", 30, []turn{{1, "SSH-2.0-OpenSSH_9.2\r\n"}, {0, "SSH-2.0-libssh_0.9\r\n"}, {1, strings.Repeat("k", 1500)}, {0, strings.Repeat("p", 700)}})
		}},
		{"30 log-ins by RDP", []string{"brute_force"}, func(w *wire) {
			tries(w, "10.1.0.33:3389", 30, []turn{{0, "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"}, {1, "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x02\x00\x00\x00"}})
		}},
		{"30 log-ins by SMB", []string{"brute_force"}, func(w *wire) {
			tries(w, "10.1.0.34:445", 30, []turn{{0, "\x00\x00\x00\x44\xfeSMB" + strings.Repeat("\x00", 64)}, {1, "\x00\x00\x00\x44\xfeSMB" + strings.Repeat("\x01", 64)}})
		}},
		{"12 refused log-ins in one connection", []string{"brute_force"}, func(w *wire) {
			turns := []turn{{1, "* OK imap\r\n"}}
			for i := range 12 {
				turns = append(turns, turn{0, fmt.Sprintf("a%d AUTHENTICATE PLAIN AGEAYg==\r\n", i)}, turn{1, fmt.Sprintf("a%d NO [AUTHENTICATIONFAILED] no\r\n", i)})
			}
			talk(w, "10.3.9.24:43011", "10.1.0.62:143", turns, 0)
		}},
		{"one password for 12 accounts", []string{"brute_force"}, func(w *wire) {
			for i := range 12 {
				bind := fmt.Sprintf("\x30\x1a\x02\x01\x01\x60\x15\x02\x01\x03\x04\x06cn=%03d\x80\x08not-kept", i)
				talk(w, fmt.Sprintf("10.3.9.25:%d", 43012+i), "10.1.0.64:389", []turn{{0, bind}, {1, "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00"}}, 0)
			}
		}},
		{"20 log-ins on a web page", []string{"brute_force", "cleartext_password"}, func(w *wire) {
			form := "user=admin&password=x1"
			tries(w, "10.1.0.35:80", 20, []turn{
				{0, fmt.Sprintf("POST /dang-nhap HTTP/1.1\r\nHost: dv\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form)},
				{1, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"},
			})
		}},
		{"calls home every minute", []string{"beacon"}, func(w *wire) {
			at := w.time
			for i := range 25 {
				w.time = at.Add(time.Duration(i)*time.Minute + time.Duration(r.IntN(5000))*time.Millisecond)
				talk(w, fmt.Sprintf("10.3.9.16:%d", 42000+i), "203.0.113.66:443", tn.alien, 400)
			}
		}},
		{"a file through DNS names", []string{"dns_tunnel"}, func(w *wire) {
			for range 120 {
				w.time = w.time.Add(time.Second)
				tn.ask(w, "10.3.9.17", word(40, "0123456789abcdef")+".t.kho-du-lieu.net", false)
			}
		}},
		{"generated names that do not exist", []string{"dga"}, func(w *wire) {
			for range 40 {
				w.time = w.time.Add(2 * time.Second)
				tn.ask(w, "10.3.9.18", word(14, consonants)+".com", true)
			}
		}},
		{"a connection of 13 hours", []string{"long_connection"}, func(w *wire) {
			c := w.dial("10.3.9.19:43000", "203.0.113.67:4443")
			for i := range 200 {
				w.time = w.time.Add(4 * time.Minute)
				c.say(i%2, "ping", 100)
			}
		}},
		{"12 MB uploaded", []string{"volume_outlier"}, func(w *wire) {
			talk(w, "10.3.9.20:43001", "203.0.113.68:443", tn.alien, 12<<20)
		}},
		{"a new machine with a new service", []string{"new_device", "new_service"}, func(w *wire) {
			talk(w, "10.3.9.177:43002", "10.3.9.11:8888", []turn{{0, "hi"}, {1, "there"}}, 0)
		}},
		{"passwords in clear", []string{"cleartext_password"}, func(w *wire) {
			talk(w, "10.3.9.21:43003", "10.1.0.60:21", []turn{{1, "220 ftp\r\n"}, {0, "USER a\r\n"}, {1, "331 password\r\n"}, {0, "PASS not-kept\r\n"}, {1, "230 ok\r\n"}}, 0)
			talk(w, "10.3.9.21:43006", "10.1.0.63:80", []turn{{0, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic bm90LWtlcHQ=\r\n\r\n"}, {1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}}, 0)
		}},
		{"a password of POP3 in clear", []string{"cleartext_password"}, func(w *wire) {
			talk(w, "10.3.9.21:43004", "10.1.0.61:110", []turn{{1, "+OK pop\r\n"}, {0, "USER a\r\n"}, {1, "+OK\r\n"}, {0, "PASS not-kept\r\n"}, {1, "+OK\r\n"}}, 0)
		}},
		{"a password of IMAP in clear", []string{"cleartext_password"}, func(w *wire) {
			talk(w, "10.3.9.21:43005", "10.1.0.62:143", []turn{{1, "* OK imap\r\n"}, {0, "a1 LOGIN a not-kept\r\n"}, {1, "a1 OK\r\n"}}, 0)
		}},
		{"a password of LDAP in clear", []string{"cleartext_password"}, func(w *wire) {
			talk(w, "10.3.9.21:43008", "10.1.0.64:389", []turn{
				{0, "\x30\x1a\x02\x01\x01\x60\x15\x02\x01\x03\x04\x06cn=abc\x80\x08not-kept"}, {1, "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"},
			}, 0)
		}},
		{"a certificate that is over", []string{"certificate_expired"}, func(w *wire) {
			talk(w, "10.3.9.22:43007", "10.1.0.70:443", tn.old, 100)
		}},
		{"a foreign certificate", []string{"certificate_foreign"}, func(w *wire) {
			talk(w, "10.3.9.22:43008", "10.3.9.50:443", tn.alien, 100)
		}},
		{"a certificate that is not ours", []string{"certificate_not_ours"}, func(w *wire) {
			talk(w, "10.3.9.22:43009", "10.1.0.71:443", tn.alien, 100)
		}},
		{"traffic to another agency", []string{"agency_traffic"}, func(w *wire) {
			talk(w, "10.3.9.23:43010", "10.4.1.1:445", []turn{{0, "\x00\x00\x00\x44\xfeSMB" + strings.Repeat("\x00", 64)}, {1, "\x00\x00\x00\x44\xfeSMB"}}, 0)
		}},
	}
}

func ends(a, b string) [2]netip.AddrPort {
	return [2]netip.AddrPort{netip.MustParseAddrPort(a), netip.MustParseAddrPort(b)}
}

// detections are the names of the detectors' alerts; each must bear evidence.
func detections(t testing.TB, out *memory) map[string]int {
	t.Helper()
	found := map[string]int{}
	for line := range bytes.Lines(out.lines.Bytes()) {
		if !bytes.Contains(line, []byte(`"event_type":"alert"`)) {
			continue
		}
		e, err := event.Parse(line)
		if err != nil || e.Alert.GID != 9002 {
			t.Fatalf("%v: %s", err, line)
		}
		d := part(e, "detection")
		text := part2(d, "text")
		if d["threshold"] == nil || d["window"] == nil || d["technique"] == "" || text["vi"] == "" || text["en"] == "" {
			t.Errorf("no evidence in %v", d)
		}
		if strings.Contains(string(e.Raw), "not-kept") {
			t.Errorf("a password in %s", e.Raw)
		}
		found[d["detector"].(string)]++
	}
	return found
}

func part2(m map[string]any, name string) map[string]any {
	v, _ := m[name].(map[string]any)
	return v
}

func TestDetectorsFindTheAttacksAndLeaveAWorkingDayAlone(t *testing.T) {
	tn := newTown(t)
	d, err := detect.New(tn.config())
	if err != nil {
		t.Fatal(err)
	}
	run := func(file string) (map[string]int, uint64) {
		out, c, _ := runFiles(t, sensor.Config{Detectors: d}, file)
		return detections(t, out), c.Received
	}
	learnt, packets := run(tn.day(t, 0))
	t.Logf("first day, learnt: %d packets, false alarms %v", packets, learnt)
	benign, packets := run(tn.day(t, 1))
	t.Logf("second day, judged: %d packets, false alarms %v", packets, benign)
	for name, n := range learnt {
		benign[name] += n
	}
	start := tn.start.AddDate(0, 0, 2).Add(time.Hour)
	for i, a := range tn.attacks() {
		w := newWire(t)
		w.time = start.Add(time.Duration(i) * time.Hour)
		a.run(w)
		found, packets := run(w.file())
		for _, name := range a.want {
			mark := "found"
			if found[name] == 0 {
				mark = "MISSED"
				t.Errorf("%s: %s not found, but %v", a.name, name, found)
			}
			t.Logf("| %-36s | %-20s | %-6s | %6d packets | false alarms in two days: %d |", a.name, name, mark, packets, benign[name])
		}
	}
	total := 0
	for _, n := range benign {
		total += n
	}
	if total > 2 {
		t.Errorf("%d false alarms: %v", total, benign)
	}
}

func TestALinkOverItsLimitIsTold(t *testing.T) {
	d, err := detect.New(detect.Config{Links: []detect.Link{{Name: "Internet", Mbps: 0.02}}, LinkSamples: 12})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t)
	for i := range 15 {
		w.time = w.time.Add(5 * time.Minute)
		c := w.dial(fmt.Sprintf("10.3.9.9:%d", 40000+i), "203.0.113.9:443")
		c.say(1, strings.Repeat("v", 900_000), 1400)
		c.close()
	}
	out, _, _ := runFiles(t, sensor.Config{Detectors: d}, w.file())
	found := detections(t, out)
	t.Logf("| %-36s | %-20s | %v", "15 samples over 90 %", "link_utilisation", found)
	if found["link_utilisation"] != 1 {
		t.Errorf("found %v", found)
	}
}
