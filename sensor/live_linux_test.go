package sensor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/output"
)

// network makes two namespaces joined by a cable and returns how to enter
// them. It skips the test where that is not allowed.
func network(t *testing.T) (near, far string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("live capture needs root")
	}
	near, far = fmt.Sprintf("antin-a-%d", os.Getpid()), fmt.Sprintf("antin-b-%d", os.Getpid())
	for _, ns := range []string{near, far} {
		out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput()
		if err != nil {
			t.Skipf("network namespaces are not to be had here: %s", out)
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	}
	for _, args := range []string{
		"link add va netns " + near + " type veth peer name vb netns " + far,
		"-n " + near + " addr add 10.99.0.1/24 dev va", "-n " + far + " addr add 10.99.0.2/24 dev vb",
		"-n " + near + " link set va up", "-n " + far + " link set vb up",
	} {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			t.Skipf("ip %s: %s", args, out)
		}
	}
	return near, far
}

// inside runs f on a thread that has entered the namespace. The thread is not
// given back, so that no other goroutine finds itself there.
func inside(ns string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open("/var/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- err
			return
		}
		defer unix.Close(fd)
		err = unix.Setns(fd, unix.CLONE_NEWNET)
		if err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func listen(t *testing.T, ns, addr string) net.Listener {
	t.Helper()
	var l net.Listener
	err := inside(ns, func() error {
		var err error
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func request(addr string, i int) error {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET /live/%d HTTP/1.1\r\nHost: live\r\nConnection: close\r\n\r\n", i+1)
	if err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1000))
	return err
}

// sendTagged sends DNS queries with an 802.1Q tag, which the kernel takes off
// before the frame reaches a capture.
func sendTagged(t *testing.T, name string, vlan byte, n int) error {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for i := range n {
		w := newWire(t)
		w.udp("10.99.0.1:5000", "10.99.0.2:53", dnsQuery(uint16(i), "tagged.example.vn"))
		frame := w.out[24+16:]
		tagged := append(append(append([]byte{}, frame[:12]...), 0x81, 0, 0, vlan), frame[12:]...)
		err = unix.Sendto(fd, tagged, 0, &unix.SockaddrLinklayer{Ifindex: iface.Index})
		if err != nil {
			return err
		}
	}
	return nil
}

// runOn captures from an interface.
func runOn(ctx context.Context, e *sensor.Engine, o capture.LiveOptions, ready func()) error {
	lives, err := capture.OpenLive(o)
	if err != nil {
		return err
	}
	err = capture.Start(lives)
	if err != nil {
		capture.CloseAll(lives)
		return err
	}
	var sources []sensor.LiveSource
	for _, l := range lives {
		sources = append(sources, l)
	}
	return e.RunLive(ctx, sources, ready)
}

func TestLiveCaptureRecordsWhatPasses(t *testing.T) {
	near, far := network(t)
	sink := &memory{}
	e, err := sensor.New(sensor.Config{
		Clock: clock.System{}, Sinks: []output.Sink{sink}, Identity: eve.Identity{Host: "live"},
		Health: sensor.Health{Every: 100 * time.Millisecond, Sample: 50 * time.Millisecond, RulesVersion: "v1", RulesLoaded: 1},
		Rules:  ruleEngine(t, `alert http any any -> any any (msg:"a"; http.uri; content:"/live/9"; sid:9;)`),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- inside(far, func() error { return runOn(ctx, e, capture.LiveOptions{Interface: "vb"}, func() { close(ready) }) })
	}()
	select {
	case <-ready:
	case err = <-ended:
		cancel()
		t.Fatalf("capture did not start: %v", err)
	}
	const addr, requests, queries = "10.99.0.2:8088", 20, 5
	l := listen(t, far, addr)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })}
	go server.Serve(l)
	defer server.Close()
	for i := range requests {
		err = inside(near, func() error { return request(addr, i) })
		if err != nil {
			t.Fatal(err)
		}
	}
	err = inside(near, func() error { return sendTagged(t, "va", 7, queries) })
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	cancel()
	err = <-ended
	if err != nil {
		t.Fatal(err)
	}
	c := e.Counters()
	if c.Received != c.Processed+c.Dropped+c.Invalid || c.Dropped != 0 {
		t.Errorf("received %d, processed %d, dropped %d, invalid %d", c.Received, c.Processed, c.Dropped, c.Invalid)
	}
	events := sink.events(t)
	https := of(events, "http")
	for _, h := range https {
		if part(h, "http")["status"] == nil || h.Fields["in_iface"] != "vb" {
			t.Errorf("record %s", h.Raw)
		}
	}
	tagged := 0
	for _, d := range of(events, "dns") {
		if fmt.Sprint(d.Fields["vlan"]) == "[7]" {
			tagged++
		}
	}
	if len(https) != requests || tagged != queries {
		t.Errorf("%d of %d requests recorded, %d of %d tagged queries", len(https), requests, tagged, queries)
	}
	wantHealth(t, of(events, "health"), c)
	if alerts := of(events, "alert"); len(alerts) != 1 {
		t.Errorf("%d alerts", len(alerts))
	}
}

// wantHealth checks that the last health record says what the counters say.
func wantHealth(t *testing.T, events []*event.Event, c sensor.Counters) {
	t.Helper()
	if len(events) < 3 {
		t.Fatalf("%d health records", len(events))
	}
	var last struct {
		Health struct {
			Packets struct{ Received, Processed, Dropped, Invalid uint64 }
			Drops   map[string]uint64
			Rules   struct {
				Version string
				Loaded  int
			}
			Clock map[string]any
		}
	}
	err := json.Unmarshal(events[len(events)-1].Raw, &last)
	if err != nil {
		t.Fatal(err)
	}
	h := last.Health
	if h.Packets.Received == 0 || h.Packets.Received > c.Received || h.Packets.Received != h.Packets.Processed+h.Packets.Dropped+h.Packets.Invalid {
		t.Errorf("packets %+v beside %d received", h.Packets, c.Received)
	}
	if _, ok := h.Drops["kernel"]; !ok || h.Rules.Version != "v1" || h.Rules.Loaded != 1 || h.Clock["offset_us"] == nil {
		t.Errorf("record %s", events[len(events)-1].Raw)
	}
}

func TestLiveCaptureOfNoInterfaceIsRefused(t *testing.T) {
	_, err := capture.OpenLive(capture.LiveOptions{Interface: "no-such-interface"})
	if err == nil {
		t.Error("opened")
	}
}
