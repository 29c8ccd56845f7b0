package sensor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/output"
)

// everything is a packet filter that takes all, as libpcap writes it.
func everything(capture.LinkType) ([]bpf.RawInstruction, error) {
	return []bpf.RawInstruction{{Op: 0x6, K: capture.MaxFrame}}, nil
}

func TestOfEachPacketNoMoreIsTakenThanAsked(t *testing.T) {
	near, far := network(t)
	for name, filter := range map[string]capture.Program{"without a filter": nil, "with a filter": everything} {
		t.Run(name, func(t *testing.T) { snapped(t, near, far, filter) })
	}
}

func snapped(t *testing.T, near, far string, filter capture.Program) {
	sink := &memory{}
	e, err := sensor.New(sensor.Config{
		Clock: clock.System{}, Sinks: []output.Sink{sink}, HeaderAnomalies: true, Checksums: sensor.ChecksumNone,
		Rules: ruleEngine(t, `alert udp any any -> any 9 (msg:"taken"; content:"begins"; sid:1;)
alert udp any any -> any 9 (msg:"cut"; content:"ends"; sid:2;)`),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- inside(far, func() error {
			return runOn(ctx, e, capture.LiveOptions{Interface: "vb", SnapLen: capture.MinSnapLen, Filter: filter}, func() { close(ready) })
		})
	}()
	select {
	case <-ready:
	case err = <-ended:
		t.Fatalf("capture did not start: %v", err)
	}
	const body = 200_000
	l := listen(t, far, "10.99.0.2:8088")
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", body))
	})}
	go server.Serve(l)
	defer server.Close()
	err = inside(near, func() error { return fetch("10.99.0.2:8088", "/"+strings.Repeat("long", 300), body) })
	if err != nil {
		t.Fatal(err)
	}
	err = inside(near, func() error {
		query := dnsQuery(1, strings.Repeat("a-long-name.", 15)+"example.vn")
		return errors.Join(datagramTo("10.99.0.2:9", []byte("begins"+strings.Repeat(".", 500)+"ends")), datagramTo("10.99.0.2:53", []byte(query)))
	})
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
	if c.Truncated < 4 || c.Truncated >= c.Processed || c.Invalid != 0 || c.Dropped != 0 || c.Received != c.Processed || c.ParserErrors != 0 {
		t.Errorf("%d of %d truncated, %d invalid, %d parser errors", c.Truncated, c.Processed, c.Invalid, c.ParserErrors)
	}
	events := sink.events(t)
	for _, a := range of(events, "anomaly") {
		if part(a, "anomaly")["event"] != "decoder.afpacket.trunc_pkt" {
			t.Errorf("the cut is told as something wrong: %s", a.Raw)
		}
	}
	for _, a := range of(events, "alert") {
		if part(a, "alert")["signature_id"] != json.Number("1") {
			t.Errorf("alert on what was not taken: %s", a.Raw)
		}
	}
	if n := len(of(events, "alert")); n != 1 {
		t.Errorf("%d alerts", n)
	}
	flows := 0
	for _, f := range of(events, "flow") {
		if f.Fields["proto"] != "TCP" {
			continue
		}
		flows++
		// Bytes are those on the wire.
		got, err := strconv.Atoi(fmt.Sprint(part(f, "flow")["bytes_toclient"]))
		if err != nil || got < body {
			t.Errorf("flow %s", f.Raw)
		}
	}
	if flows != 1 {
		t.Errorf("%d flows of TCP", flows)
	}
}

func fetch(addr, path string, want int) error {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: live\r\nConnection: close\r\n\r\n", path)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, conn)
	if err == nil && n < int64(want) {
		return fmt.Errorf("%d bytes answered", n)
	}
	return err
}

func datagramTo(addr string, text []byte) error {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(text)
	return err
}

func TestASnapLengthThatMakesNoSenseIsRefused(t *testing.T) {
	for _, n := range []int{-1, 1, capture.MinSnapLen - 1, capture.MaxFrame + 1} {
		_, err := capture.OpenLive(capture.LiveOptions{Interface: "lo", SnapLen: n})
		if !errors.Is(err, capture.ErrSnapLen) {
			t.Errorf("%d: %v", n, err)
		}
	}
}
