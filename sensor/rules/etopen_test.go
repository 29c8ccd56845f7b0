package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

// loadET parses all files of Emerging Threats Open.
func loadET(tb testing.TB) (rs []*Rule, refused []Refusal) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(testkit.Data(tb, "rules/etopen"), "*.rules"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no rule files: %v", err)
	}
	vars := DefaultVars("[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]")
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		got, bad := Parse(f, filepath.Base(name), vars)
		_ = f.Close() // read-only
		rs, refused = append(rs, got...), append(refused, bad...)
	}
	return rs, refused
}

func TestEmergingThreatsOpenLoads(t *testing.T) {
	rs, refused := loadET(t)
	histogram := map[string]int{}
	for _, r := range refused {
		histogram[r.Reason]++
	}
	var lines []string
	for reason, n := range histogram {
		lines = append(lines, fmt.Sprintf("%5d %s", n, reason))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	total := len(rs) + len(refused)
	t.Logf("loaded %d of %d (%.2f %%), refused %d", len(rs), total, 100*float64(len(rs))/float64(total), len(refused))
	for _, l := range lines {
		t.Log(l)
	}
	if total < 20000 || float64(len(rs)) < 0.95*float64(total) {
		t.Fatalf("loaded %d of %d rules, want 95 %% of more than 20000", len(rs), total)
	}
	for _, r := range refused {
		if r.SID == 0 || r.Line == 0 || r.File == "" || r.Reason == "" {
			t.Fatalf("refusal without place or reason: %+v", r)
		}
	}
}
