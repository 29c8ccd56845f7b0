package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/pcapfile"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/bench"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/output"
)

// childArgument makes this binary the process of a measure.
const childArgument = "measure-for-test"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArgument {
		err := child()
		if err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func child() error {
	var spec bench.Spec
	err := json.NewDecoder(os.Stdin).Decode(&spec)
	if err != nil {
		return err
	}
	m, err := bench.Open(spec.Files)
	if err != nil {
		return err
	}
	cfg := sensor.Config{Clock: clock.System{}, Checksums: sensor.ChecksumNone, Types: spec.Setup.Types, FlowLimit: spec.FlowLimit}
	var r bench.Result
	r.Figures, err = m.Run(context.Background(), cfg, spec.Rounds, bench.ToFile(spec.Dir))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// lines keeps records.
type lines struct{ bytes.Buffer }

func (l *lines) Write(_ string, line []byte) error {
	l.Buffer.Write(line)
	return nil
}
func (l *lines) Close(context.Context) error { return nil }
func (l *lines) Stats() output.Stats         { return output.Stats{} }

// write writes a mix into a capture file.
func write(t *testing.T, frames iter.Seq2[time.Time, []byte]) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mix.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcapfile.NewWriter(f, pcapfile.LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for at, frame := range frames {
		err = w.Write(at, frame)
		if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// records runs the sensor over a file; all checksums must be right.
func records(t *testing.T, name string) (string, sensor.Counters) {
	t.Helper()
	out := &lines{}
	e, err := sensor.New(sensor.Config{Clock: clock.System{}, Sinks: []output.Sink{out}, Checksums: sensor.ChecksumAll})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.RunFiles(t.Context(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), e.Counters()
}

func TestMadeMixesAreReadWithoutFault(t *testing.T) {
	mixes, err := bench.Made()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"64-byte":     {`"event_type":"flow"`},
		"tls":         {`"sni":"dich-vu-`, `"version":"TLS 1.3"`, `"version":"TLS 1.2"`, `"subject":`},
		"short flows": {`"event_type":"dns"`, `"hostname":"so`, `"state":"new"`},
	}
	for _, m := range mixes {
		got, c := records(t, write(t, m.Frames(20_000)))
		if c.Processed != 20_000 || c.BadChecksum > 0 || c.ParserErrors > 0 || c.Events["anomaly"] > 0 {
			t.Errorf("%s: %+v", m.Name, c)
		}
		for _, text := range want[m.Name] {
			if !bytes.Contains([]byte(got), []byte(text)) {
				t.Errorf("%s: no record with %s", m.Name, text)
			}
		}
		again, err := bench.Made()
		if err != nil {
			t.Fatal(err)
		}
		other := again[slices.IndexFunc(again, func(o bench.Mix) bool { return o.Name == m.Name })]
		if !slices.EqualFunc(collect(m.Frames(3000)), collect(other.Frames(3000)), bytes.Equal) {
			t.Errorf("%s is not the same when it is made again", m.Name)
		}
	}
}

func collect(frames iter.Seq2[time.Time, []byte]) [][]byte {
	var all [][]byte
	for at, frame := range frames {
		all = append(all, append([]byte(at.String()), frame...))
	}
	return all
}

func TestARepeatedFileHasNewFlowsInTime(t *testing.T) {
	made, err := bench.Made()
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	name := write(t, made[2].Frames(n))
	once, first := records(t, name)
	m, err := bench.FromFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for at := range m.Frames(3 * n) {
		if at.Before(last) {
			t.Fatalf("time goes back from %v to %v", last, at)
		}
		last = at
	}
	three, c := records(t, write(t, m.Frames(3*n)))
	if c.BadChecksum > 0 || c.Flow.Created != 3*first.Flow.Created {
		t.Errorf("%d flows, %d wrong checksums; want three times %d, and none", c.Flow.Created, c.BadChecksum, first.Flow.Created)
	}
	dns := []byte(`"event_type":"dns"`)
	if got, want := bytes.Count([]byte(three), dns), 3*bytes.Count([]byte(once), dns); got != want {
		t.Errorf("%d records of dns, want %d", got, want)
	}
}

func TestAFlowStaysWithItsWorker(t *testing.T) {
	made, err := bench.Made()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range made {
		_, whole := records(t, write(t, m.Frames(10_000)))
		files, err := bench.WriteFiles(m, 10_000, 2, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		flows := uint64(0)
		for _, name := range files {
			_, c := records(t, name)
			if c.Received < 10_000/4 {
				t.Errorf("%s: one of two workers has %d of 10,000 packets", m.Name, c.Received)
			}
			flows += c.Flow.Created
		}
		if flows != whole.Flow.Created {
			t.Errorf("%s: %d flows with two workers, %d with one", m.Name, flows, whole.Flow.Created)
		}
	}
}

func TestTheMeasureTellsOfEverySetup(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	made, err := bench.Made()
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Measure(t.Context(), bench.Options{
		Mixes: made[1:2], Packets: 3000, Rounds: 1, Setups: bench.Setups(false), Cores: []int{1}, FlowCounts: []int{10, 500},
		Dir: t.TempDir(), Command: []string{own, childArgument},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2 || r.Rows[0].Figures.Records != 0 || r.Rows[1].Figures.Records == 0 || r.Rows[1].Figures.Written == 0 || len(r.ByFlows) != 2 {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows {
		f := row.Figures
		if f.Packets != 3000 || f.Bare <= 0 || f.Rate <= 0 || f.OfBare <= 0 || f.Resident <= 0 {
			t.Errorf("%s: %+v", row.Setup, f)
		}
	}
}

func TestAFileThatIsNoneIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.pcap")
	err := os.WriteFile(name, bytes.Repeat([]byte("no capture "), 10), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = bench.Open([]string{name})
	if !errors.Is(err, bench.ErrFile) {
		t.Errorf("open: %v", err)
	}
	_, err = bench.FromFile(name)
	if !errors.Is(err, capture.ErrFormat) {
		t.Errorf("repeat: %v", err)
	}
}

func TestTheBareLoopReadsWhatTheSensorReads(t *testing.T) {
	made, err := bench.Made()
	if err != nil {
		t.Fatal(err)
	}
	b := decode.NewBare()
	for _, m := range made {
		src, err := capture.OpenFile(write(t, m.Frames(500)))
		if err != nil {
			t.Fatal(err)
		}
		var f capture.Frame
		for {
			err = src.Next(&f)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := b.Decode(f.Data); n != 3 {
				t.Fatalf("%s: %d layers, want Ethernet, IP and TCP or UDP", m.Name, n)
			}
		}
		src.Close()
	}
}
