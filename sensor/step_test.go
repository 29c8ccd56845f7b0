package sensor

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/output"
)

// wire is a live source of frames that a test hands over.
type wire struct {
	frames chan capture.Frame
	stats  capture.Stats
}

func (s *wire) Next(f *capture.Frame) error {
	select {
	case *f = <-s.frames:
		s.stats.Received++
		return nil
	case <-time.After(5 * time.Millisecond):
		return capture.ErrIdle
	}
}
func (s *wire) Stats() (capture.Stats, error) { return s.stats, nil }
func (s *wire) Close() error                  { return nil }
func (s *wire) Stop() error                   { return nil }
func (s *wire) Name() string                  { return "wire" }

// kept is a sink that keeps what it is given, kind before it.
type kept struct{ bytes.Buffer }

func (k *kept) Write(kind string, line []byte) error {
	k.WriteString(kind + " ")
	k.Buffer.Write(line)
	return nil
}
func (k *kept) Close(context.Context) error { return nil }
func (k *kept) Stats() output.Stats         { return output.Stats{} }

// datagram is an Ethernet frame with UDP from a port of 10.0.0.1 to port 9999
// of 10.0.0.2, or back.
func datagram(port byte, back bool) []byte {
	b := []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" +
		"\x45\x00\x00\x20\x00\x01\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" +
		"\x10\x00\x27\x0f\x00\x0c\x00\x00xxxx")
	b[35] = port
	if back {
		b[29], b[33] = 2, 1
		copy(b[34:38], []byte{0x27, 0x0f, 0x10, port})
	}
	return b
}

func TestAClockThatIsSetEndsNoFlowAndLosesNoPacket(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 400 * 24 * time.Hour} {
		c := clock.NewFake(time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC))
		sink, src := &kept{}, &wire{frames: make(chan capture.Frame)}
		e, err := New(Config{Clock: c, Sinks: []output.Sink{sink}, Checksums: ChecksumNone})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- e.RunLive(ctx, []LiveSource{src}, nil) }()
		send := func(port byte, back bool) {
			data := datagram(port, back)
			src.frames <- capture.Frame{Data: data, Length: len(data), Time: c.Now(), Link: capture.LinkEthernet, Number: 1}
		}
		for range 3 {
			send(1, false)
			send(1, true)
			send(2, false)
		}
		c.Advance(step)
		for range 3 {
			send(1, false)
			send(2, false)
		}
		cancel()
		err = <-ended
		if err != nil {
			t.Fatal(err)
		}
		n := e.Counters()
		if n.Received != 15 || n.Received != n.Processed || n.Flow.Created != 2 || n.Flow.TimedOut != 0 {
			t.Errorf("step %v: received %d, processed %d, flows %+v", step, n.Received, n.Processed, n.Flow)
		}
		out := sink.String()
		if strings.Contains(out, `"clock":{"set":0,`) {
			t.Errorf("step %v: health says nothing of it", step)
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "flow ") && !strings.Contains(line, `"age":0,`) && !strings.Contains(line, `"age":1,`) {
				t.Errorf("step %v: %s", step, line)
			}
		}
	}
}
