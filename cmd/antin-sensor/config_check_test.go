package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigCheckSaysLineKeyAndWhatToDo(t *testing.T) {
	loose := write(t, "loose.key", strings.Repeat("k", 32))
	err := os.Chmod(loose, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ text, want string }{
		"a misspelt key":               {"name: a\nouput:\n  dir: /x\n", "2: ouput: unknown key: did you mean output?"},
		"a misspelt key deep down":     {"output:\n  nats:\n    urll: x\n", "3: output.nats.urll: unknown key: did you mean url?"},
		"a key that is like none":      {"frobnicate: 1\n", "1: frobnicate: unknown key: known here: capture, checksums, "},
		"a key twice":                  {"name: a\nname: b\n", "2: name: stands twice, first in line 1: leave one of them"},
		"text for a number":            {"name: a\nflow_limit: many\n", `2: flow_limit: "many" is not a whole number: write a whole number`},
		"a wrong length of time":       {"health:\n  every: often\n", `2: health.every: "often" is not a length of time such as 30s or 5m`},
		"a list where keys stand":      {"output: [a]\n", "1: output: holds no keys"},
		"what is no YAML":              {"name: [\n", "not YAML"},
		"a name that is no subject":    {"name: a.b\n", `1: name: "a.b" cannot stand in a subject: use letters`},
		"a policy that is none":        {"\nchecksums: some\n", `2: checksums: "some" is no policy: write all, auto or none`},
		"rules that are not there":     {"rules:\n  - /no/such.rules\n", "1: rules: no such rule file: /no/such.rules"},
		"an interface that is not":     {"interfaces: [nosuch0]\n", "1: interfaces: nosuch0: "},
		"a spool without a hub":        {"output:\n  nats:\n    spool:\n      dir: /x\n", "3: output.nats.spool: has no hub to go to"},
		"a certificate without a key":  {"output:\n  nats:\n    url: nats://h\n    tls_cert: /dev/null\n", "2: output.nats: a certificate without its key"},
		"a spool that is too small":    {"output:\n  nats:\n    url: nats://h\n    spool: {limit_mb: 1}\n", "4: output.nats.spool.limit_mb: 1 is too small: give at least 4"},
		"a key that others may read":   {"output:\n  nats:\n    url: nats://h\n    spool: {key: " + loose + "}\n", "4: output.nats.spool.key: others may read it (mode 0644): chmod 600 it"},
		"what is no packet filter":     {"capture:\n  filter: port eighty\n", "2: capture.filter: not a packet filter"},
		"a filter that sees no tags":   {"capture: {filter: vlan 7}\n", "1: capture.filter: a filter on vlan tags matches nothing"},
		"too many workers":             {"capture: {workers: 1000}\n", "1: capture.workers: 1000 is not from 1 to 256"},
		"too little of a packet":       {"capture: {snaplen: 64}\n", "1: capture.snaplen: 64 is not from 128 to 262144: leave it out"},
		"root as the lesser user":      {"privileges: {user: root}\n", "1: privileges.user: "},
		"a socket too deep":            {"control: /" + strings.Repeat("a", 120) + "\n", "1: control: control: the path of the socket is longer"},
		"a control folder that is not": {"control: /no/such/c.sock\n", "1: control: stat /no/such: "},
		"old files without an age":     {"output:\n  rotate: {keep: 3}\n", "2: output.rotate: says what becomes of old files"},
		"a rotation all the time":      {"output:\n  rotate: {every: 1s}\n", "2: output.rotate.every: 1s is too short: give at least 1m"},
		"a socket of no type":          {"output:\n  socket: {path: /x, type: pipe}\n", `2: output.socket.type: "pipe" is no type`},
		"packets without a folder":     {"packets: {keep: 3}\n", "1: packets: has no folder"},
		"files kept by nothing known":  {"output:\n  files: {dir: /x, keep: some}\n", `2: output.files.keep: "some" says nothing`},
		"files without a folder":       {"output:\n  files: {keep: rules}\n", "2: output.files: has no folder"},
		"parts that never wait":        {"ranges: {timeout: -1s}\n", "1: ranges.timeout: -1s is less"},
		"two problems, each told once": {"a1: 1\nname: x.y\n", "1: a1: unknown key"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := call("config", "check", write(t, "s.yaml", c.text))
			if status != exitNo || !strings.Contains(stdout, c.want) {
				t.Errorf("status %d\n%s%s", status, stdout, stderr)
			}
		})
	}
}

func TestConfigCheckAnswersInJSON(t *testing.T) {
	file := write(t, "s.yaml", "name: a\nsites: b\n")
	status, stdout, _ := call("config", "check", "--json", file)
	var got struct {
		Good     bool
		Problems []problem
	}
	err := json.Unmarshal([]byte(stdout), &got)
	if err != nil || status != exitNo || got.Good || len(got.Problems) != 1 {
		t.Fatalf("status %d, %v: %s", status, err, stdout)
	}
	if p := got.Problems[0]; p.File != file || p.Line != 2 || p.Key != "sites" || p.Do != "did you mean site?" {
		t.Errorf("%+v", p)
	}
}

// TestTheExampleIsGood takes the comment marks off the example that the
// package installs: every key in it must be one that is known.
func TestTheExampleIsGood(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "deb", "sensor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if bare, ok := strings.CutPrefix(line, "#: "); ok {
			b.WriteString(bare)
		}
	}
	_, c := parseSettings("sensor.yaml", []byte(b.String()))
	if len(c.found) > 0 || len(c.lines) < 25 {
		t.Errorf("%d keys; %s\n%s", len(c.lines), problemsError(c.found), b.String())
	}
	status, stdout, _ := call("config", "check", filepath.Join("..", "..", "deploy", "deb", "sensor.yaml"))
	if status != exitDone || !strings.Contains(stdout, "good") {
		t.Errorf("as installed: %s", stdout)
	}
}
