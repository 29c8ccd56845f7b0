package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/rules"
)

// five is a connection with five answers in which the same text stands.
const five = "suricata-verify/tests/lua/lua-flowintlib/rootx5.pcap"

func TestAlertsAndRecordsAreHeldAgainstThePeers(t *testing.T) {
	root := t.TempDir()
	err := os.Symlink(testkit.Data(t, "pcap/suricata-verify"), filepath.Join(root, "suricata-verify"))
	if err != nil {
		t.Fatal(err)
	}
	peer := filepath.Join(root, "peer")
	err = os.Mkdir(peer, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	const summary = `{"pcap": %q, "events": {"http": 5, "flow": 2}, "alerts": {"2100498": 5, "2010781": 1, "9": 1}}` + "\n"
	err = os.WriteFile(filepath.Join(peer, summaryFile), fmt.Appendf(nil, summary, five), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const rule = `alert ip any any -> any any (msg:"id"; content:"uid=0|28|root|29|"; sid:2100498;)`
	list, refused := rules.Parse(strings.NewReader(rule), "id.rules", rules.DefaultVars("[10.0.0.0/8]"))
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	engine, err := rules.NewEngine(list, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a capture leaves nothing behind for the next
		captures, err := CompareSuricata(t.Context(), peer, engine, nil)
		if err != nil || len(captures) != 1 {
			t.Fatalf("%d captures, %v", len(captures), err)
		}
		different := captures[0].Different
		if len(different) != 2 || different[0].SID != 9 || different[0].Why != "" || different[1].SID != 2010781 || different[1].Why == "" {
			t.Errorf("differences %+v", different)
		}
		sum := SumUp(captures)
		if sum.Alerting != 1 || sum.SameRules != 0 || sum.Explained != 1 || sum.Unexplained != 1 {
			t.Errorf("sum %+v", sum)
		}
		for _, e := range sum.Events {
			if e.Type == "http" && e.Same != 1 || e.Type == "flow" && e.MoreTheirs != 1 {
				t.Errorf("records %+v", e)
			}
		}
	}
	_, err = CompareSuricata(t.Context(), root, engine, nil)
	if err == nil {
		t.Error("a folder without a summary was taken")
	}
}

func TestASummaryDoesNotLeadOutOfTheFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), summaryFile)
	err := os.WriteFile(path, []byte(`{"pcap": "../../etc/passwd"}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = readSummary(path)
	if err == nil {
		t.Error("taken")
	}
}

func TestReadsAreHeldAgainstTshark(t *testing.T) {
	_, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	captures, err := CompareTshark(t.Context(), []string{testkit.Data(t, "pcap/"+five), testkit.Data(t, "pcap/other/ja4__pcap__tls-handshake.pcapng")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures {
		if len(c.Different) > 0 || c.Failure != "" {
			t.Errorf("%s: %+v %s", c.Capture, c.Different, c.Failure)
		}
	}
	sum := SumUpReads(captures)
	for _, s := range sum {
		if s.Kind == comparedHTTP && s.Equal != 5 || s.Kind == comparedClient && s.Equal == 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestWhatOnlyOneReaderFoundIsTold(t *testing.T) {
	ours, theirs := Read{}, Read{}
	ours.add(comparedDNS, "1 request a")
	ours.add(comparedDNS, "1 request a")
	theirs.add(comparedDNS, "1 request a")
	theirs.add(comparedHTTP, "GET h /")
	c := ReadCapture{Equal: map[string]int{}}
	c.compare(ours, theirs, []Explanation{{Kind: comparedHTTP, Why: "so"}})
	if len(c.Different) != 2 || c.Different[0].Ours != 2 || c.Different[1].Theirs != 1 || c.Different[0].Why != "" || c.Different[1].Why != "so" || c.Equal[comparedDNS] != 1 {
		t.Errorf("%+v", c)
	}
}
