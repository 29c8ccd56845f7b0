package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

// maxRecords bounds what is kept of one run.
const maxRecords = 1 << 20

// recorder keeps the records of a run. It implements output.Sink.
type recorder struct {
	records []map[string]any
}

// Write implements output.Sink.
func (r *recorder) Write(_ string, line []byte) error {
	if len(r.records) == maxRecords {
		return fmt.Errorf("conformance: more than %d records", maxRecords)
	}
	var m map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	err := dec.Decode(&m)
	if err != nil {
		return fmt.Errorf("conformance: record is not JSON: %w", err)
	}
	r.records = append(r.records, m)
	return nil
}

// Close implements output.Sink.
func (r *recorder) Close(context.Context) error { return nil }

// Stats implements output.Sink.
func (r *recorder) Stats() output.Stats { return output.Stats{Accepted: uint64(len(r.records))} }

func (s *spec) all(outcome Outcome, detail string) []Check {
	var out []Check
	for i := range s.Checks {
		out = append(out, Check{Category: s.Checks[i].category(), Outcome: outcome, Detail: detail})
	}
	if len(out) == 0 {
		out = append(out, Check{Category: categoryOther, Outcome: NotApplicable, Detail: "no checks"})
	}
	return out
}

// asks reports whether a check is on records of that kind.
func (s *spec) asks(kind string) bool {
	return slices.ContainsFunc(s.Checks, func(c checkSpec) bool { return c.Filter != nil && text(c.Filter.Match["event_type"]) == kind })
}

// runFolder applies one folder.
func runFolder(ctx context.Context, root, name string, load RuleLoader) *Result {
	dir := filepath.Join(root, name)
	r := &Result{Folder: name}
	var s spec
	err := readYAML(filepath.Join(dir, "test.yaml"), &s)
	if err != nil {
		r.Checks = []Check{{Category: categoryOther, Outcome: Failed, Detail: err.Error()}}
		return r
	}
	var own config
	err = readYAML(filepath.Join(dir, "suricata.yaml"), &own)
	if err != nil && !os.IsNotExist(err) {
		r.Checks = s.all(Failed, err.Error())
		return r
	}
	why := s.missing(dir, name)
	if why == "" {
		why = own.missing()
	}
	if why != "" || len(s.Checks) == 0 {
		r.Checks = s.all(NotApplicable, why)
		return r
	}
	store := ""
	if some, _ := own.storing(); some {
		store, err = os.MkdirTemp("", "captures")
		if err != nil {
			r.Checks = s.all(Failed, err.Error())
			return r
		}
		defer func() { _ = os.RemoveAll(store) }() // left to the system's clean-up
	}
	records, refused, err := s.records(ctx, dir, &own, store, load)
	if err != nil {
		r.Checks = s.all(Failed, err.Error())
		return r
	}
	for i := range s.Checks {
		r.Checks = append(r.Checks, s.Checks[i].judge(records, refused, store))
	}
	return r
}

// records runs the sensor over the folder's capture; files are kept in store unless
// it is empty.
func (s *spec) records(
	ctx context.Context, dir string, own *config, store string, load RuleLoader,
) ([]map[string]any, []refusal, error) {
	sink := &recorder{}
	cfg := sensor.Config{Sinks: []output.Sink{sink}, Clock: clock.System{}, Checksums: sensor.ChecksumAuto}
	cfg.Netflow = s.asks("netflow")
	args := strings.Join(s.Args, " ")
	if strings.Contains(args, "-k none") || strings.Contains(args, "checksum-checks=no") {
		cfg.Checksums = sensor.ChecksumNone
	}
	cfg.StreamDepth = depth(args)
	cfg.NoMidstream = !strings.Contains(args, "stream.midstream=true")
	if store != "" {
		var err error
		cfg.Files, err = files.OpenStore(store, 0, 0)
		if err != nil {
			return nil, nil, err
		}
		_, all := own.storing()
		cfg.FilesChosen = !all
	}
	vars := rules.DefaultVars("[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]")
	for k, v := range own.Vars.Address {
		vars.Address[k] = v
	}
	for k, v := range own.Vars.Port {
		vars.Port[k] = v
	}
	anomalies := own.anomalies()
	cfg.HeaderAnomalies = anomalies["decode"] || anomalies["stream"] || anomalySetting.MatchString(args)
	var refused []refusal
	list, err := filepath.Glob(filepath.Join(dir, "*.rules"))
	if err != nil {
		return nil, nil, err
	}
	if s.Rules != "" {
		list = []string{filepath.Join(dir, s.Rules)}
	}
	cfg.NoHASSH = !own.hassh(args, list)
	if len(list) > 0 {
		engine, broken, err := load(list, vars)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range broken {
			refused = append(refused, refusal{sid: x.SID, reason: x.Reason, rule: lineOf(x.File, x.Line)})
		}
		cfg.Rules = engine
	}
	engine, err := sensor.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	broken, err := engine.RunFiles(ctx, []string{s.capture(dir)})
	if err != nil {
		return nil, nil, err
	}
	if len(broken) > 0 && engine.Counters().Received == 0 {
		return nil, nil, broken[0]
	}
	if n := engine.Counters().ParserPanics; n > 0 {
		return nil, nil, fmt.Errorf("%d parser panics contained", n)
	}
	return own.logged(sink.records), refused, nil
}

// hassh reports whether SSH's fingerprints are made: as the folder's settings
// say, or else when a rule asks for them.
func (c *config) hassh(args string, files []string) bool {
	set := c.AppLayer.Protocols["ssh"].HASSH
	if m := hasshSetting.FindStringSubmatch(args); m != nil {
		set = m[1]
	}
	switch set {
	case "yes", "true":
		return true
	case "no", "false":
		return false
	}
	return slices.ContainsFunc(files, func(path string) bool {
		text, err := os.ReadFile(path)
		return err == nil && bytes.Contains(text, []byte("hassh"))
	})
}

// hasshSetting is the option that makes SSH's fingerprints.
var hasshSetting = regexp.MustCompile(`app-layer\.protocols\.ssh\.hassh=(\w+)`)

// refusal is a rule that the sensor does not run.
type refusal struct {
	sid          uint32
	reason, rule string
}

// lineOf reads the rule that ends on a line of a file; empty when it cannot.
func lineOf(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(data), "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

// anomalySetting asks for what is odd about headers and connections.
var anomalySetting = regexp.MustCompile(`outputs\.[\w.-]*\.anomaly\.types\.(decode|stream)=(yes|true)`)

// depthSetting is how much of a stream is read, 0 for all.
var depthSetting = regexp.MustCompile(`stream\.reassembly\.depth=(\d+)(\s|$)`)

func depth(args string) int {
	const all = 1 << 40
	m := depthSetting.FindStringSubmatch(args)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 {
		return all
	}
	return n
}

// inlineOptions ask for what only an inline sensor or a changed build does.
var inlineOptions = []string{
	"exception-policy", "-policy", "--simulate-packet", "--simulate-applayer", "stream.inline=true", "firewall",
}

// modeOptions are runs that do not read traffic.
var modeOptions = []string{"--engine-analysis", "-T", "--list-keywords", "--build-info", "--strict-rule-keywords"}

// knownSettings are the --set options under which the sensor's behaviour is
// its own: it does this always, or it makes no difference to the checks.
var knownSettings = regexp.MustCompile(`^(stream\.midstream=(true|false)|stream\.inline=false|default-rule-path=.*|` +
	`app-layer\.protocols\.[\w.-]+\.enabled=(yes|true)|app-layer\.protocols\.[\w-]+\.(ja3|ja4)-fingerprints=(yes|true)|` +
	`app-layer\.protocols\.ssh\.(hassh=(yes|true)|encryption-handling=.*)|app-layer\.protocols\.tls\.encryption-handling=.*|` +
	`app-layer\.protocols\.http\.libhtp\.default-config\.response-body-(decompress-layer-limit|limit)=.*|` +
	`outputs\..*|logging\..*|stats\..*|datasets\.enabled=(yes|true)|detect\.prefilter\.default=.*|` +
	`decoder\.\w+\.enabled=(yes|true)|pcap-file\.checksum-checks=no|security\..*|stream\.bypass=.*|` +
	`stream\.reassembly\.depth=(1MB|1mb|\d+)|classification-file=.*|threshold-file=\$\{TEST_DIR\}/threshold\.config|reference-config-file=.*|runmode=.*|vlan\.use-for-tracking=true)$`)

// dropRule finds rules that act on traffic.
var dropRule = regexp.MustCompile(`(?m)^\s*(drop|reject|rejectsrc|rejectdst|rejectboth|accept)\b|new_action\s+(drop|reject)`)

// missing names the feature the folder as a whole asks for and the sensor
// does not have.
func (s *spec) missing(dir, name string) string {
	why := s.Requires.unmet()
	if why != "" {
		return why
	}
	if s.Skip.Kind != 0 {
		why = "skipped by the test itself"
	}
	switch {
	case why != "":
		return why
	case s.Command.Kind != 0:
		return "a command of its own"
	case s.ExitCode != 0:
		return "exit status of Suricata's start"
	case strings.HasPrefix(name, "firewall"+string(filepath.Separator)):
		return "firewall mode"
	}
	for _, arg := range s.Args {
		why = argument(arg)
		if why != "" {
			return why
		}
	}
	capture := s.capture(dir)
	if capture == "" {
		return "no capture"
	}
	_, err := os.Stat(capture)
	if err != nil {
		return "capture absent"
	}
	if strings.HasSuffix(capture, ".lz4") {
		return "lz4 captures"
	}
	return inlineRules(dir)
}

func argument(arg string) string {
	for _, o := range inlineOptions {
		if strings.Contains(arg, o) {
			return "inline mode and exception policies"
		}
	}
	words := strings.Fields(arg)
	for i, w := range words {
		if slices.Contains(modeOptions, w) {
			return "run mode " + w
		}
		if w == "--set" && i+1 < len(words) && !knownSettings.MatchString(words[i+1]) {
			return "setting " + words[i+1]
		}
	}
	return ""
}

// inlineRules tells rules that drop: what they do changes all that follows.
func inlineRules(dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "*.rules"))
	if err != nil {
		return ""
	}
	for _, file := range append(files, filepath.Join(dir, "threshold.config")) {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return ""
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, maxFile)
		for in.Scan() {
			if dropRule.Match(in.Bytes()) {
				f.Close()
				return "inline mode (rules that drop)"
			}
		}
		f.Close()
	}
	return ""
}

// detailSooner is the detail of a check that otherPacket lets pass.
const detailSooner = "some packets sooner"

// packetNumber is the key of the packet at which a record is made.
const packetNumber = "pcap_cnt"

// counterKeys are what an alert tells of its flow at that packet.
var counterKeys = []string{"flow.pkts_toserver", "flow.pkts_toclient", "flow.bytes_toserver", "flow.bytes_toclient"}

// otherPacket reports whether the check holds but for the packet at which the
// record was made: its number, and in an alert the flow's counters until then.
// Suricata reads a stream when its receiver has acknowledged it, this sensor
// when it comes: the record is the same, some packets sooner. Only records
// about streams are judged so, and such a check is told apart in the report.
func (f *filterSpec) otherPacket(records []map[string]any) bool {
	loose := filterSpec{Count: f.Count, Match: maps.Clone(f.Match)}
	delete(loose.Match, packetNumber)
	if text(f.Match["event_type"]) == "alert" {
		for _, key := range counterKeys {
			delete(loose.Match, key)
		}
	}
	if f.Count == 0 || len(loose.Match) == len(f.Match) {
		return false
	}
	n := 0
	for _, r := range records {
		if text(r["proto"]) == "TCP" && f.sooner(r) && loose.matches(r) {
			n++
		}
	}
	return n == f.Count
}

// sooner reports whether the record was made at most maxSooner packets before
// the one that the check names.
func (f *filterSpec) sooner(r map[string]any) bool {
	for _, key := range append([]string{packetNumber}, counterKeys...) {
		want, ok := f.Match[key]
		if !ok {
			continue
		}
		number, err := strconv.Atoi(text(want))
		if err != nil {
			return false
		}
		got, _ := value(r, key)
		at, err := strconv.Atoi(text(got))
		if err != nil || at > number || !strings.Contains(key, "bytes") && number-at > maxSooner {
			return false
		}
	}
	return true
}

// maxSooner is how many packets may lie between the data and the
// acknowledgement that Suricata waits for.
const maxSooner = 8

// judge applies a check to the records, or to the files that were kept in store.
func (c *checkSpec) judge(records []map[string]any, refused []refusal, store string) Check {
	out := Check{Category: c.category(), Outcome: NotApplicable}
	f := c.Filter
	if f == nil {
		ok, applies := c.stored(store)
		switch {
		case !applies:
			out.Detail = "check by " + c.kind()
		case ok:
			out.Category, out.Outcome = categoryFiles, Passed
		default:
			out.Category, out.Outcome, out.Detail = categoryFiles, Failed, "the store holds what it should not, or not what it should"
		}
		return out
	}
	out.Detail = f.missing()
	if out.Detail != "" {
		return out
	}
	out.Detail = f.refusedFor(refused)
	if out.Detail != "" {
		return out
	}
	n := 0
	for _, r := range records {
		if f.matches(r) {
			n++
		}
	}
	if n == f.Count {
		out.Outcome = Passed
		return out
	}
	if f.otherPacket(records) {
		out.Outcome, out.Detail = Passed, detailSooner
		return out
	}
	out.Outcome, out.Detail = Failed, fmt.Sprintf("%d records instead of %d match %v", n, f.Count, f.Match)
	return out
}
