package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/testkit"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func call(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(context.Background(), args, &out, &errs)
	return status, out.String(), errs.String()
}

const goodRule = `alert dns any any -> any any (msg:"name"; dns.query; content:"."; sid:1; rev:1; classtype:trojan-activity;)`

func TestExitStatuses(t *testing.T) {
	text := write(t, "text.pcap", "this is no capture file, it is text")
	good := write(t, "good.rules", goodRule+"\n")
	bad := write(t, "bad.rules", goodRule+"\nalert tcp any any -> any any (msg:\"b\"; frobnicate:1; sid:2;)\n")
	config := write(t, "c.yaml", "name: x\nno_such_key: 1\n")
	cases := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"version", []string{"version"}, exitDone, "antin-sensor "},
		{"no input", []string{"run"}, exitUse, "say where packets come from"},
		{"two inputs", []string{"run", "-r", text, "-i", "lo"}, exitUse, "exclude each other"},
		{"an unknown flag", []string{"run", "--frobnicate"}, exitUse, "unknown flag"},
		{"an unknown command", []string{"frobnicate"}, exitUse, "unknown command"},
		{"a file that is no capture", []string{"run", "-r", text, "-l", t.TempDir()}, exitCould, "not a readable capture file"},
		{"a file that is not there", []string{"run", "-r", text + ".not", "-l", t.TempDir()}, exitCould, "no such file"},
		{"a checksum policy that is none", []string{"run", "-r", text, "-k", "some", "-l", t.TempDir()}, exitCould, "checksum policy"},
		{"an unknown key in the configuration", []string{"run", "-r", text, "-c", config, "-l", t.TempDir()}, exitCould, "no_such_key"},
		{"a hub name that is no subject", []string{"run", "-r", text, "--nats", "nats://127.0.0.1:1", "--name", "a b", "-l", t.TempDir()}, exitCould, "sensor name"},
		{"rules that load", []string{"rules", "check", good}, exitDone, "1 rules loaded, 0 refused"},
		{"rules that do not", []string{"rules", "check", good, bad}, exitNo, "rule 2 refused: unknown keyword \"frobnicate\""},
		{"rules that are not there", []string{"rules", "check", good + "*.not"}, exitCould, "no such rule file"},
		{"rules without a file", []string{"rules", "check"}, exitUse, "requires at least 1 arg"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, stdout, stderr := call(c.args...)
			if status != c.status || !strings.Contains(stdout+stderr, c.says) {
				t.Errorf("status %d\n%s%s", status, stdout, stderr)
			}
		})
	}
}

func TestRulesCheckAnswersInJSON(t *testing.T) {
	bad := write(t, "bad.rules", goodRule+"\n\nalert tcp any any -> any any (msg:\"b\"; frobnicate:1; sid:2;)\n")
	status, stdout, _ := call("rules", "check", bad, "--json")
	var got struct {
		Loaded, Refused int
		Reasons         []struct {
			File   string
			Line   int
			SID    int
			Reason string
		}
	}
	err := json.Unmarshal([]byte(stdout), &got)
	if err != nil || status != exitNo {
		t.Fatalf("status %d, %v: %s", status, err, stdout)
	}
	if got.Loaded != 1 || got.Refused != 1 || len(got.Reasons) != 1 {
		t.Fatalf("got %+v", got)
	}
	if r := got.Reasons[0]; r.File != bad || r.Line != 3 || r.SID != 2 || !strings.Contains(r.Reason, "frobnicate") {
		t.Errorf("reason %+v", r)
	}
}

func TestRunWritesRecordsOfThisSensor(t *testing.T) {
	dir := t.TempDir()
	config := write(t, "c.yaml", "name: from-file\nsite: xa-1\nvars:\n  home_net: \"[10.0.0.0/8]\"\noutput:\n  evidence: false\n")
	ruleFile := write(t, "a.rules", goodRule+"\n")
	err := os.WriteFile(filepath.Join(filepath.Dir(ruleFile), "classification.config"),
		[]byte("config classification: trojan-activity,A Network Trojan was detected,1\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	file := testkit.Data(t, "pcap/other/ja4__pcap__tls3.pcapng")
	status, stdout, stderr := call("run", "-r", file, "-l", dir, "-c", config, "-S", ruleFile, "--exercise", "drill-7", "-k", "none")
	if status != exitDone {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	text, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for line := range bytes.Lines(text) {
		e, err := event.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if e.ExerciseID != "drill-7" || e.Fields["host"] != "from-file" {
			t.Fatalf("record %s", line)
		}
		if e.Alert == nil {
			continue
		}
		alerts++
		if e.Alert.Category != "A Network Trojan was detected" || e.Alert.Severity != 1 || e.Fields["packet"] != nil {
			t.Errorf("alert %s", line)
		}
	}
	if alerts == 0 || !strings.Contains(stderr, "packets: received") {
		t.Errorf("%d alerts\n%s", alerts, stderr)
	}
}

func TestRunTellsWhatTheHubDidNotGet(t *testing.T) {
	file := testkit.Data(t, "pcap/other/ja4__pcap__tls3.pcapng")
	status, _, stderr := call("run", "-r", file, "-l", t.TempDir(), "--name", "s1", "--nats", "nats://127.0.0.1:1", "--deadline", "300ms")
	if status != exitCould || !strings.Contains(stderr, "records not delivered") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

func TestBenchGivesFigures(t *testing.T) {
	// The measure is a process of its own, and that is this program.
	t.Setenv("ANTIN_TEST_SENSOR", "1")
	file := testkit.Data(t, "pcap/other/ja4__pcap__tls3.pcapng")
	status, stdout, stderr := call("bench", "-r", file, "--rounds", "1")
	if status != exitDone || !strings.Contains(stdout, "packets/s") || !strings.Contains(stdout, "Gbit/s") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
}
