package sensor

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/capture/packetlog"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

// keptPorts are the client ports of the frames in a packet log, in order.
func keptPorts(t *testing.T, dir string) (ports []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		src, err := capture.OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var f capture.Frame
		for src.Next(&f) == nil {
			port := f.Data[35]
			if f.Data[34] == 0x27 {
				port = f.Data[37]
			}
			ports = append(ports, port)
		}
		src.Close()
	}
	return ports
}

func TestPacketsAroundAnAlertAndOnDemandAreKept(t *testing.T) {
	rs, refused := rules.Parse(strings.NewReader(`alert udp any any -> any any (msg:"bad"; content:"BAD!"; sid:1;)`), "a", rules.DefaultVars("any"))
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	judge, err := rules.NewEngine(rs, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log, err := packetlog.Open(packetlog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewFake(time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC))
	sink, src := &kept{}, &wire{frames: make(chan capture.Frame)}
	e, err := New(Config{
		Clock: c, Sinks: []output.Sink{sink}, Checksums: ChecksumNone, Rules: judge,
		Packets: Packets{Log: log, Before: 1 << 16, AfterPackets: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.RunLive(ctx, []LiveSource{src}, nil) }()
	n := uint64(0)
	send := func(port byte, text string) {
		n++
		data := datagram(port, false)
		copy(data[42:], text)
		src.frames <- capture.Frame{Data: data, Length: len(data), Time: c.Now(), Link: capture.LinkEthernet, Number: n}
	}
	for range 4 {
		send(1, "good")
		send(2, "good")
	}
	// Kept: the four before, this one, and two after: three from the alert on.
	send(1, "BAD!")
	for range 5 {
		send(1, "good")
		send(2, "good")
	}
	for log.Stats().Written < 7 {
		time.Sleep(time.Millisecond)
	}
	for _, bad := range []Order{{}, {Flow: 1}, {Flow: 1, Host: netip.MustParseAddr("10.0.0.1"), For: 1}} {
		if !errors.Is(e.Record(bad), ErrOrder) {
			t.Errorf("%+v is taken", bad)
		}
	}
	err = e.Record(Order{Host: netip.MustParseAddr("10.0.0.2"), For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	// The order finds what is remembered of both flows, and flows to come.
	for log.Stats().Written < 7+9+10 {
		time.Sleep(time.Millisecond)
	}
	send(3, "good")
	send(2, "good")
	cancel()
	err = errors.Join(<-ended, log.Close())
	if err != nil {
		t.Fatal(err)
	}
	ports := keptPorts(t, dir)
	if got := string(ports[:7]); got != "\x01\x01\x01\x01\x01\x01\x01" {
		t.Errorf("around the alert: %v", ports[:7])
	}
	if got := ports[len(ports)-2:]; got[0] != 3 || got[1] != 2 || len(ports) != 7+9+10+2 {
		t.Errorf("on demand: %v", ports[7:])
	}
	if out := sink.String(); !strings.Contains(out, `"event_type":"health"`) || !strings.Contains(out, `"alert":{`) {
		t.Error(out)
	}
}
