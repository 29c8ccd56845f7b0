package proto_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

var update = flag.Bool("update", false, "write the baselines anew")

// baseline is what the sensor makes of a real capture that speaks a protocol: a
// change of it is seen, and is meant or a mistake. It lies in the protocol's
// folder.
type baseline struct {
	// Capture is a file below the folder of real inputs, Types are the event
	// types that are looked at.
	Capture string            `json:"capture"`
	Types   []string          `json:"types"`
	Records []json.RawMessage `json:"records"`
}

// parts are folders beside the protocols that hold none.
var parts = map[string]bool{"prototest": true, "wire": true, "named": true}

func TestEachProtocolReadsItsCaptureAsBefore(t *testing.T) {
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !f.IsDir() || parts[f.Name()] {
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			path := filepath.Join(f.Name(), "testdata", "baseline.json")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf(`a protocol has a capture and a baseline: write {"capture": …, "types": […]} and run with -update: %v`, err)
			}
			var want baseline
			err = json.Unmarshal(text, &want)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			got := baseline{Capture: want.Capture, Types: want.Types, Records: records(t, &want)}
			out, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, '\n')
			if *update {
				err = os.WriteFile(path, out, 0o644)
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(got.Records) == 0 || !bytes.Equal(out, text) {
				t.Errorf("%s: the records of %s are others now (-update writes them):\n%s", path, want.Capture, out)
			}
		})
	}
}

// records are those of the baseline's types that the capture gives.
func records(t *testing.T, b *baseline) []json.RawMessage {
	sink := &lines{}
	e, err := sensor.New(sensor.Config{Clock: clock.System{}, Sinks: []output.Sink{sink}, Types: b.Types, Checksums: sensor.ChecksumNone})
	if err != nil {
		t.Fatal(err)
	}
	broken, err := e.RunFiles(context.Background(), []string{filepath.Join(testkit.Data(t, "pcap"), b.Capture)})
	if err != nil || len(broken) > 0 {
		t.Fatalf("%s: %v %v", b.Capture, err, broken)
	}
	for _, r := range sink.list {
		err := prototest.Form(r)
		if err != nil {
			t.Errorf("%s: %v: %s", b.Capture, err, r)
		}
	}
	return sink.list
}

type lines struct{ list []json.RawMessage }

func (l *lines) Write(_ string, line []byte) error {
	l.list = append(l.list, bytes.Clone(bytes.TrimSpace(line)))
	return nil
}
func (l *lines) Close(context.Context) error { return nil }
func (l *lines) Stats() output.Stats         { return output.Stats{Accepted: uint64(len(l.list))} }
