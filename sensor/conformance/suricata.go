package conformance

import (
	"bufio"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

//go:embed explained.yaml
var explained embed.FS

// Explanation says why the sensor and another reader differ.
type Explanation struct {
	// SID is the rule that differs, Kind what else; zero and empty for any.
	SID  uint32 `yaml:"sid"`
	Kind string `yaml:"kind"`
	// Capture is part of the capture's name; empty for all.
	Capture string `yaml:"capture"`
	Why     string `yaml:"why"`
}

// explanations are those of each reader.
type explanations struct {
	Suricata []Explanation `yaml:"suricata"`
	Tshark   []Explanation `yaml:"tshark"`
}

// summaryFile lists what the peer made of the captures, a JSON object a line.
const summaryFile = "summary.jsonl"

// peerEntry is one line of it.
type peerEntry struct {
	PCAP   string         `json:"pcap"`
	Events map[string]int `json:"events"`
	Alerts map[uint32]int `json:"alerts"`
}

// AlertDifference is a rule that did not alert as often as the peer's.
type AlertDifference struct {
	SID    uint32 `json:"sid"`
	Ours   int    `json:"ours"`
	Theirs int    `json:"theirs"`
	// Why explains it; empty for what is not explained.
	Why string `json:"why,omitempty"`
}

// PeerCapture compares the sensor with the peer on one capture.
type PeerCapture struct {
	Capture string `json:"capture"`
	// Alerts is how many rules alerted here or there, Different those that did
	// so on one side only or not equally often.
	Alerts    int               `json:"alerts"`
	Different []AlertDifference `json:"different,omitempty"`
	// Ours and Theirs count the records by type.
	Ours   map[string]int `json:"ours"`
	Theirs map[string]int `json:"theirs"`
	// Failure is why the capture could not be read.
	Failure string `json:"failure,omitempty"`
}

// same tells whether the same rules alerted, and whether equally often.
func (c *PeerCapture) same() (sids, counts bool) {
	sids = true
	for _, d := range c.Different {
		sids = sids && d.Ours > 0 && d.Theirs > 0
	}
	return sids, len(c.Different) == 0
}

// CompareSuricata runs the sensor with rules over the captures that dir has
// Suricata's answers for (summary.jsonl, captures beside the folder). What
// Suricata did is not the truth; differences are listed with what explains them.
func CompareSuricata(ctx context.Context, dir string, engine *rules.Engine, progress func(done, all int)) ([]PeerCapture, error) {
	why, err := readExplanations()
	if err != nil {
		return nil, err
	}
	entries, err := readSummary(filepath.Join(dir, summaryFile))
	if err != nil {
		return nil, err
	}
	var out []PeerCapture
	for n, e := range entries {
		err = ctx.Err()
		if err != nil {
			return nil, err
		}
		out = append(out, compareOne(ctx, filepath.Dir(dir), e, engine.Fresh(), why.Suricata))
		if progress != nil {
			progress(n+1, len(entries))
		}
	}
	return out, nil
}

func readExplanations() (explanations, error) {
	var e explanations
	raw, err := explained.ReadFile("explained.yaml")
	if err != nil {
		return e, err
	}
	err = yaml.Unmarshal(raw, &e)
	if err != nil {
		return e, fmt.Errorf("explained.yaml: %w", err)
	}
	return e, nil
}

func readSummary(path string) ([]peerEntry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read-only
	var out []peerEntry
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxFile)
	for lines.Scan() {
		var e peerEntry
		err = json.Unmarshal(lines.Bytes(), &e)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(out)+1, err)
		}
		if !filepath.IsLocal(filepath.FromSlash(e.PCAP)) {
			return nil, fmt.Errorf("%s: line %d: %q is not below the folder", path, len(out)+1, e.PCAP)
		}
		out = append(out, e)
	}
	err = lines.Err()
	if err == nil && len(out) == 0 {
		err = ErrEmpty
	}
	return out, err
}

func compareOne(ctx context.Context, root string, e peerEntry, engine *rules.Engine, why []Explanation) PeerCapture {
	c := PeerCapture{Capture: e.PCAP, Ours: map[string]int{}, Theirs: e.Events}
	records, err := recordsOf(ctx, filepath.Join(root, filepath.FromSlash(e.PCAP)), sensor.Config{Rules: engine, NoMidstream: true})
	if err != nil {
		c.Failure = err.Error()
	}
	ours := map[uint32]int{}
	for _, r := range records {
		kind := text(r["event_type"])
		c.Ours[kind]++
		if kind != "alert" {
			continue
		}
		alert, _ := r["alert"].(map[string]any)
		sid, err := strconv.ParseUint(text(alert["signature_id"]), 10, 32)
		if err == nil {
			ours[uint32(sid)]++
		}
	}
	sids := maps.Clone(ours)
	maps.Copy(sids, e.Alerts)
	c.Alerts = len(sids)
	for _, sid := range slices.Sorted(maps.Keys(sids)) {
		if ours[sid] == e.Alerts[sid] {
			continue
		}
		c.Different = append(c.Different, AlertDifference{SID: sid, Ours: ours[sid], Theirs: e.Alerts[sid], Why: because(why, e.PCAP, sid, "alert")})
	}
	return c
}

// because is the explanation of a difference in a capture; empty when there is
// none.
func because(list []Explanation, capture string, sid uint32, kind string) string {
	for _, e := range list {
		if (e.SID == 0 || e.SID == sid) && (e.Kind == "" || e.Kind == kind) && strings.Contains(capture, e.Capture) {
			return e.Why
		}
	}
	return ""
}

// recordsOf runs the sensor over a capture, checksums passed over.
func recordsOf(ctx context.Context, path string, cfg sensor.Config) ([]map[string]any, error) {
	sink := &recorder{}
	cfg.Sinks, cfg.Clock, cfg.Checksums = []output.Sink{sink}, clock.System{}, sensor.ChecksumNone
	engine, err := sensor.New(cfg)
	if err != nil {
		return nil, err
	}
	broken, err := engine.RunFiles(ctx, []string{path})
	if err != nil {
		return nil, err
	}
	if n := engine.Counters().ParserPanics; n > 0 {
		return sink.records, fmt.Errorf("%d parser panics contained", n)
	}
	for _, b := range broken {
		err = errors.Join(err, b)
	}
	return sink.records, err
}

// PeerTally sums the comparison up.
type PeerTally struct {
	Captures int `json:"captures"`
	// Alerting are the captures in which a rule alerted here or there; SameRules
	// those in which the same rules did, SameCounts also equally often.
	Alerting   int `json:"alerting"`
	SameRules  int `json:"same_rules"`
	SameCounts int `json:"same_counts"`
	// Explained and Unexplained count the differences.
	Explained   int `json:"explained"`
	Unexplained int `json:"unexplained"`
	// Events compares the records by type.
	Events []EventTally `json:"events"`
}

// EventTally compares records of a type: how many captures have as many on
// both sides, more here, more there, and how many records there are in all.
type EventTally struct {
	Type       string `json:"type"`
	Same       int    `json:"same"`
	MoreOurs   int    `json:"more_ours"`
	MoreTheirs int    `json:"more_theirs"`
	Ours       int    `json:"ours"`
	Theirs     int    `json:"theirs"`
}

// Share is the part of the alerting captures in which the same rules alerted,
// in percent.
func (t *PeerTally) Share() float64 {
	if t.Alerting == 0 {
		return 100
	}
	return 100 * float64(t.SameRules) / float64(t.Alerting)
}

// SumUp counts.
func SumUp(captures []PeerCapture) PeerTally {
	t := PeerTally{Captures: len(captures)}
	types := map[string]*EventTally{}
	for i := range captures {
		c := &captures[i]
		if c.Alerts > 0 {
			t.Alerting++
			sids, counts := c.same()
			if sids {
				t.SameRules++
			}
			if counts {
				t.SameCounts++
			}
		}
		for _, d := range c.Different {
			if d.Why == "" {
				t.Unexplained++
			} else {
				t.Explained++
			}
		}
		kinds := maps.Clone(c.Ours)
		maps.Copy(kinds, c.Theirs)
		for kind := range kinds {
			e := types[kind]
			if e == nil {
				e = &EventTally{Type: kind}
				types[kind] = e
			}
			e.add(c.Ours[kind], c.Theirs[kind])
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(types)) {
		t.Events = append(t.Events, *types[kind])
	}
	return t
}

func (e *EventTally) add(ours, theirs int) {
	e.Ours += ours
	e.Theirs += theirs
	switch {
	case ours > theirs:
		e.MoreOurs++
	case ours < theirs:
		e.MoreTheirs++
	default:
		e.Same++
	}
}

// PrintPeer writes the sum and the differences between alerts.
func PrintPeer(w io.Writer, captures []PeerCapture, t PeerTally) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "records\tcaptures equal\tmore here\tmore there\trecords here\tthere\t")
	for _, e := range t.Events {
		fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t%d\t%d\t\n", e.Type, e.Same, e.MoreOurs, e.MoreTheirs, e.Ours, e.Theirs)
	}
	err := tab.Flush()
	if err != nil {
		return err
	}
	for i := range captures {
		c := &captures[i]
		if c.Failure != "" {
			fmt.Fprintf(w, "%s: %s\n", c.Capture, c.Failure)
		}
		for _, d := range c.Different {
			fmt.Fprintf(w, "%s: rule %d alerted %d times, there %d: %s\n", c.Capture, d.SID, d.Ours, d.Theirs, cmp.Or(d.Why, "not explained"))
		}
	}
	_, err = fmt.Fprintf(w, "%d captures, %d with alerts: the same rules in %d (%.1f %%), equally often in %d; %d differences, %d of them explained\n",
		t.Captures, t.Alerting, t.SameRules, t.Share(), t.SameCounts, t.Explained+t.Unexplained, t.Explained)
	return err
}
