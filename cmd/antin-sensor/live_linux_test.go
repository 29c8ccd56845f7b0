package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/sensor/control"
)

// TestMain runs this program as the sensor: a live sensor drops privileges for
// good, so it is a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("ANTIN_TEST_SENSOR") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// cable makes two joined interfaces on which the kernel itself says nothing.
func cable(t *testing.T) (near, far string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("live capture needs root")
	}
	near, far = fmt.Sprintf("an%d", os.Getpid()), fmt.Sprintf("af%d", os.Getpid())
	out, err := exec.Command("ip", "link", "add", near, "type", "veth", "peer", "name", far).CombinedOutput()
	if err != nil {
		t.Skipf("virtual cables are not to be had here: %s", out)
	}
	t.Cleanup(func() { exec.Command("ip", "link", "del", near).Run() })
	for _, name := range []string{near, far} {
		err = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		if err != nil {
			t.Skip(err)
		}
		out, err = exec.Command("ip", "link", "set", name, "up").CombinedOutput()
		if err != nil {
			t.Fatalf("%s", out)
		}
	}
	return near, far
}

// sender puts UDP datagrams on an interface.
type sender struct {
	t  *testing.T
	fd int
	to unix.SockaddrLinklayer
}

func newSender(t *testing.T, name string) *sender {
	t.Helper()
	iface, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &sender{t: t, fd: fd, to: unix.SockaddrLinklayer{Ifindex: iface.Index}}
}

// send sends one datagram from each of the ports.
func (s *sender) send(text string, ports ...uint16) {
	s.t.Helper()
	for _, port := range ports {
		b := []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" +
			"\x45\x00\x00\x00\x00\x01\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" +
			"\x00\x00\x27\x0f\x00\x00\x00\x00" + text)
		binary.BigEndian.PutUint16(b[16:], uint16(28+len(text)))
		binary.BigEndian.PutUint16(b[34:], port)
		binary.BigEndian.PutUint16(b[38:], uint16(8+len(text)))
		err := unix.Sendto(s.fd, b, 0, &s.to)
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// process is a running sensor.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	mu   sync.Mutex
	said bytes.Buffer
	dir  string
}

// Write takes what the sensor says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// startSensor runs "run" with the arguments until it captures.
func startSensor(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, dir: dir}
	p.cmd = exec.Command(self, append([]string{"run", "-k", "none", "-l", filepath.Join(dir, "log")}, args...)...)
	p.cmd.Env = append(os.Environ(), "ANTIN_TEST_SENSOR=1")
	p.cmd.Stderr = p
	err = p.cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	p.until("msg=capturing", 1)
	return p
}

// until waits until the sensor has said a text so often.
func (p *process) until(text string, times int) {
	p.t.Helper()
	for range 600 {
		if strings.Count(p.text(), text) >= times {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("the sensor did not say %q:\n%s", text, p.text())
}

// recorded waits until a text is in so many records.
func (p *process) recorded(text string, n int) {
	p.t.Helper()
	var b []byte
	for range 300 {
		b, _ = os.ReadFile(filepath.Join(p.dir, "log", eveFile))
		if bytes.Count(b, []byte(text)) >= n {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("%d records with %s, want %d", bytes.Count(b, []byte(text)), text, n)
}

// end stops the sensor and returns its records.
func (p *process) end() []map[string]any {
	p.t.Helper()
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = p.cmd.Wait()
	}
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.text())
	}
	return readRecords(p.t, filepath.Join(p.dir, "log", eveFile))
}

func readRecords(t *testing.T, path string) (records []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var r map[string]any
		err = json.Unmarshal(line, &r)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		records = append(records, r)
	}
	return records
}

// at walks down a record.
func at(r any, path ...string) any {
	for _, key := range path {
		m, ok := r.(map[string]any)
		if !ok {
			return nil
		}
		r = m[key]
	}
	return r
}

// openDir is a folder that other users can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "antin-live-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	err = os.Chmod(dir, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// asked looks at what the sensor answers, after three reloads and one that
// failed.
func (p *process) asked(workers string) {
	p.t.Helper()
	log := filepath.Join(p.dir, "log")
	status, stdout, stderr := call("reload", "-l", log)
	if status != exitNo || !strings.Contains(stderr, "those in force stay: none of the rules loads") {
		p.t.Errorf("reload: status %d %s%s", status, stdout, stderr)
	}
	var f control.Figures
	// Figures of packets may be a second old.
	for range 100 {
		status, stdout, stderr = call("stats", "-l", log, "--json")
		err := json.Unmarshal([]byte(stdout), &f)
		if err != nil || status != exitDone {
			p.t.Fatalf("stats: status %d, %v\n%s%s", status, err, stdout, stderr)
		}
		if f.Alerts == 12 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if f.Rules.Reloads != 3 || f.Rules.Failed != 2 || f.Rules.Loaded != 1 || !strings.Contains(f.Rules.LastError, "not a rule") || f.Alerts != 12 || f.Packets.Dropped != 0 {
		p.t.Errorf("%s workers: stats: %s", workers, stdout)
	}
	status, stdout, stderr = call("top", "-l", log, "--times", "1", "--every", "300ms")
	if status != exitDone || !strings.Contains(stdout, "two") || !strings.Contains(stdout, "the last: none of the rules loads") {
		p.t.Errorf("top: status %d\n%s%s", status, stdout, stderr)
	}
}

const (
	firstRules = `alert udp any any -> any any (msg:"one"; content:"one"; flowbits:set,seen; sid:1;)`
	nextRules  = `alert udp any any -> any any (msg:"two"; content:"two"; flowbits:isset,seen; sid:2;)`
)

func TestRulesAreReloadedWithoutLosingAPacketOrAFlow(t *testing.T) {
	for _, workers := range []string{"1", "2"} {
		near, far := cable(t)
		dir := openDir(t)
		file := filepath.Join(dir, "a.rules")
		put := func(text string) {
			err := os.WriteFile(file, []byte(text+"\n"), 0o644)
			if err != nil {
				t.Fatal(err)
			}
		}
		put(firstRules)
		p := startSensor(t, dir, "-i", far, "-S", file, "--user", "nobody", "--workers", workers, "--filter", "not dst port 7")
		wire := newSender(t, near)
		flows := []uint16{1001, 1002, 1003, 1004, 1005, 1006}
		wire.send("one", flows...)
		p.recorded(`"event_type":"alert"`, len(flows))
		// Reloads while packets pass: what rules saw before stays known.
		stop, stopped, sent := make(chan struct{}), make(chan struct{}), 0
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					wire.send("nothing", 2000)
					sent++
				}
			}
		}()
		put(nextRules)
		for i := range 3 {
			p.cmd.Process.Signal(syscall.SIGHUP)
			p.until(`msg="rules reloaded"`, i+1)
		}
		close(stop)
		<-stopped
		wire.send("two", flows...)
		wire.send("two", 3000)
		p.recorded(`"event_type":"alert"`, 2*len(flows))
		put("alert this is no rule")
		p.cmd.Process.Signal(syscall.SIGHUP)
		p.until("a.rules:1: not a rule", 1)
		p.asked(workers)
		wire.send("two", 1001)
		want := map[float64]int{1: len(flows), 2: len(flows) + 1}
		total := float64(2*len(flows) + 2 + sent)
		got := map[float64]int{}
		records := p.end()
		for _, r := range records {
			switch r["event_type"] {
			case "alert":
				got[at(r, "alert", "signature_id").(float64)]++
			case "stats":
				if n := at(r, "stats", "decoder", "pkts"); n != total || at(r, "stats", "flow", "total") != float64(len(flows)+2) || at(r, "stats", "capture", "kernel_packets") != total {
					t.Errorf("%s workers: %v of %v packets: %v", workers, n, total, at(r, "stats"))
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s workers: alerts %v, want %v", workers, got, want)
		}
		exec.Command("ip", "link", "del", near).Run()
	}
}

func TestRulesOfALiveSensorAreMeasured(t *testing.T) {
	near, far := cable(t)
	dir := openDir(t)
	file := filepath.Join(dir, "a.rules")
	err := os.WriteFile(file, []byte(firstRules+"\n"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	p := startSensor(t, dir, "-i", far, "-S", file, "--user", "nobody")
	wire, log := newSender(t, near), filepath.Join(dir, "log")
	type answer struct {
		status         int
		stdout, stderr string
	}
	answered := make(chan answer)
	go func() {
		status, stdout, stderr := call("profile", "-l", log, "--for", "1s", "--json")
		answered <- answer{status, stdout, stderr}
	}()
	var a answer
	for a.stdout+a.stderr == "" {
		select {
		case a = <-answered:
		case <-time.After(5 * time.Millisecond):
			wire.send("one", 1001)
		}
	}
	var measured control.Profile
	err = json.Unmarshal([]byte(a.stdout), &measured)
	if err != nil || a.status != exitDone || len(measured.Rules) != 1 || measured.Alerts == 0 || measured.Checks != measured.Alerts || measured.Ended {
		t.Fatalf("status %d, %v\n%s%s", a.status, err, a.stdout, a.stderr)
	}
	status, stdout, stderr := call("profile", "-l", log, "--for", "50ms")
	if status != exitDone || !strings.Contains(stdout, "1 rules in force") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	status, _, stderr = call("profile", "-l", log, "--for", "2h")
	if status != exitUse || !strings.Contains(stderr, "at most 1h") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	// The end of the sensor ends a profile, which is answered.
	go func() {
		a := answer{status: exitNo}
		// The tries below may be in the way for a moment.
		for a.status == exitNo {
			a.status, a.stdout, a.stderr = call("profile", "-l", log, "--for", "1h", "--json")
		}
		answered <- a
	}()
	for range 600 {
		status, _, stderr = call("profile", "-l", log, "--for", "1ms")
		if status == exitNo {
			break
		}
	}
	if !strings.Contains(stderr, "measured already") {
		t.Errorf("a second profile: %s", stderr)
	}
	p.end()
	if a = <-answered; a.status != exitDone || !strings.Contains(a.stdout, `"alerts": 0`) {
		t.Errorf("status %d\n%s%s", a.status, a.stdout, a.stderr)
	}
}
