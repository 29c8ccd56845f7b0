package sigma

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

func TestSigmaHQParses(t *testing.T) {
	rep, err := CheckDir(testkit.Data(t, "sigma"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]int{}
	for _, u := range rep.Unfed {
		key, _, _ := strings.Cut(u.Reason, ":")
		reasons[key]++
	}
	t.Logf("parsed %d, failed %d, unfed %d, evaluated %d", rep.Parsed, rep.Failed, len(rep.Unfed), rep.Parsed-len(rep.Unfed))
	var lines []string
	for r, n := range reasons {
		lines = append(lines, fmt.Sprintf("%5d %s", n, r))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	for _, l := range lines[:min(len(lines), 40)] {
		t.Log(l)
	}
	for _, f := range rep.Failures {
		t.Errorf("%s: %s", f.File, f.Reason)
	}
	if rep.Parsed < 3757 || rep.Failed != 0 {
		t.Errorf("parsed %d, failed %d, want all of 3757", rep.Parsed, rep.Failed)
	}
}
