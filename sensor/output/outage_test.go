package output_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/spool"
)

// line is a TCP line to the hub that can be cut: it then swallows what is sent
// and answers nothing, as a broken cable does.
type line struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &line{l: l, to: strings.TrimPrefix(to, "nats://")}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.carry(c)
		}
	}()
	return p
}

func (p *line) url() string { return "nats://" + p.l.Addr().String() }

func (p *line) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.conns = append(p.conns, near, far)
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				if err != nil {
					way[1].Close()
					return
				}
				p.mu.Lock()
				cut := p.cut
				p.mu.Unlock()
				if cut {
					continue
				}
				_, err = way[1].Write(buf[:n])
				if err != nil {
					return
				}
			}
		}()
	}
	wg.Wait()
}

// set cuts the line or mends it; mending ends the connections that were cut,
// as the peers' timers would.
func (p *line) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		return
	}
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// unique are the record ids in the stream, which a store takes once each.
func unique(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func write(t *testing.T, h *output.Hub, kind string, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		err := h.Write(kind, fmt.Appendf(nil, "{\"%s\":%d}\n", kind, i))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wantAll checks that the records from 1 to n of a kind are in the stream,
// each with the number of its class.
func wantAll(t *testing.T, set map[string]bool, kind string, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		if !set[fmt.Sprintf("%d{\"%s\":%d}", i, kind, i)] {
			t.Fatalf("record %d of %d, kind %s, is not in the store", i, n, kind)
		}
	}
}

func TestACutLineLosesNothing(t *testing.T) {
	s := hubServer(t, t.TempDir(), 0)
	defer s.Shutdown()
	st := makeStream(t, s.ClientURL())
	p := newLine(t, s.ClientURL())
	h := hub(t, p.url(), 0)
	write(t, h, "alert", 1, 500)
	write(t, h, "flow", 1, 500)
	await(t, "the first records", func() bool { return h.Stats().Delivered == 1000 })
	p.set(true)
	write(t, h, "alert", 501, 2000)
	write(t, h, "flow", 501, 4000)
	await(t, "the spool", func() bool { return h.Spool().Memory == 0 })
	if d := h.Stats().Delivered; d != 1000 {
		t.Fatalf("%d delivered over a cut line", d)
	}
	p.set(false)
	err := closeHub(h, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := stored(t, st)
	set := unique(ids)
	wantAll(t, set, "alert", 2000)
	wantAll(t, set, "flow", 4000)
	if len(set) != 6000 || len(ids) != 6000 {
		t.Errorf("%d records, %d of them different, want 6000", len(ids), len(set))
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestAHubThatIsKilledMeanwhileGetsAll(t *testing.T) {
	dir := t.TempDir()
	s := hubServer(t, dir, 0)
	url, port := s.ClientURL(), s.Addr().(*net.TCPAddr).Port
	makeStream(t, url)
	h := hub(t, url, 0)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := range 60 {
			write(t, h, "dns", i*100+1, i*100+100)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	for range 2 {
		time.Sleep(100 * time.Millisecond)
		s.Shutdown()
		s.WaitForShutdown()
		time.Sleep(100 * time.Millisecond)
		s = hubServer(t, dir, port)
	}
	defer func() { s.Shutdown() }()
	wg.Wait()
	st := makeStream(t, url)
	err := closeHub(h, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := stored(t, st)
	set := unique(ids)
	wantAll(t, set, "dns", 6000)
	if len(set) != 6000 {
		t.Errorf("%d different records", len(set))
	}
}

// victimEnv makes the test binary the sensor that is killed.
const victimEnv = "ANTIN_TEST_SPOOL_VICTIM"

// TestMain is the process that TestASensorThatIsKilledGoesOn kills: it writes
// records without end and says which ones the disk has.
func TestMain(m *testing.M) {
	dir := os.Getenv(victimEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	h, err := output.OpenHub(output.HubConfig{
		URL: "nats://127.0.0.1:1", Sensor: "s-1", Site: "xã-1", ExerciseID: "drill-1", Spool: spool.Options{Dir: dir},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for n := 1; ; n++ {
		err = h.Write("alert", fmt.Appendf(nil, "{\"alert\":%d}\n", n))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if n%1000 != 0 {
			continue
		}
		for h.Spool().Memory > 0 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println(n)
	}
}

func TestASensorThatIsKilledGoesOn(t *testing.T) {
	s := hubServer(t, t.TempDir(), 0)
	defer s.Shutdown()
	st := makeStream(t, s.ClientURL())
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	onDisk := 0
	lines := bufio.NewScanner(out)
	for onDisk < 10000 && lines.Scan() {
		_, err = fmt.Sscan(lines.Text(), &onDisk)
		if err != nil {
			t.Fatalf("the sensor says %q", lines.Text())
		}
	}
	err = cmd.Process.Kill()
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, out)
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Wait() == nil || onDisk < 10000 {
		t.Fatalf("the sensor was not killed, or wrote %d records", onDisk)
	}
	h := hubOn(t, s.ClientURL(), dir, 0)
	write(t, h, "dns", 1, 10)
	err = closeHub(h, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := stored(t, st)
	set := unique(ids)
	wantAll(t, set, "alert", onDisk)
	wantAll(t, set, "dns", 10)
	// What came after the last word is there without a gap.
	wantAll(t, set, "alert", len(set)-10)
}

func TestWhatIsLeftAtTheEndIsSentByTheNextRun(t *testing.T) {
	dir := t.TempDir()
	h := hubOn(t, "nats://127.0.0.1:1", dir, 0)
	write(t, h, "alert", 1, 700)
	err := closeHub(h, 50*time.Millisecond)
	if err == nil {
		t.Fatal("delivered to nobody")
	}
	s := hubServer(t, t.TempDir(), 0)
	defer s.Shutdown()
	st := makeStream(t, s.ClientURL())
	h = hubOn(t, s.ClientURL(), dir, 0)
	write(t, h, "alert", 1, 1)
	err = closeHub(h, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := stored(t, st)
	if len(ids) != 701 {
		t.Errorf("%d records", len(ids))
	}
	wantAll(t, unique(ids), "alert", 700)
}
