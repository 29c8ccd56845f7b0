package sensor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/rules"
)

// TestReputationsAlertAsInSuricata runs the public test folders of iprep, whose
// commands the runner of captures cannot read, with the counts that they want.
func TestReputationsAlertAsInSuricata(t *testing.T) {
	capture := testkit.Data(t, "pcap/suricata-verify/tests/issue-4280-iprep/input.pcap")
	for _, c := range []struct {
		folder, categories, scores string
		want                       map[string]int
	}{
		{"issue-4280-iprep", "scirius-categories.txt", "scirius-iprep.list", map[string]int{"2402000": 3}},
		{"iprep-02", "scirius-categories.txt", "scirius-iprep.list", map[string]int{"2402000": 3}},
		{"iprep-11-isset", "scirius-categories.txt", "scirius-iprep.list", map[string]int{"1": 2, "2": 1}},
	} {
		t.Run(c.folder, func(t *testing.T) {
			at := "pcap/suricata-verify/tests/" + c.folder + "/"
			known, _ := rules.ParseCategories(strings.NewReader(read(t, at+c.categories)), c.categories)
			known.Add(strings.NewReader(read(t, at+c.scores)), c.scores)
			vars := rules.DefaultVars("any")
			vars.Data = &rules.Data{Reputation: known}
			rs, refused := rules.Parse(strings.NewReader(read(t, at+"iprep.rules")), "iprep.rules", vars)
			if len(refused) > 0 {
				t.Fatal(refused[0].Reason)
			}
			e, err := rules.NewEngine(rs, rules.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sink, _, _ := runFiles(t, sensor.Config{Rules: e, NoMidstream: true}, capture)
			got := map[string]int{}
			for _, e := range of(sink.events(t), "alert") {
				got[fmt.Sprint(part(e, "alert")["signature_id"])]++
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(testkit.Data(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
