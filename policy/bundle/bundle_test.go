package bundle_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/antin-gov/antin/policy/bundle"
)

// minCoverage is the share of the policy's lines that its own tests must reach.
const minCoverage = 90.0

func embedded(t *testing.T) bundle.Source {
	t.Helper()
	source, err := bundle.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestRegoTestsPassAndCoverThePolicy(t *testing.T) {
	report, err := embedded(t).Test(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range report.Cases {
		if !one.Passed {
			t.Errorf("%s.%s failed: %s", one.Package, one.Name, one.Error)
		}
	}
	t.Logf("%d Rego tests, coverage %.1f %%, not covered %v", len(report.Cases), report.Coverage, report.Uncovered)
	if len(report.Cases) < 20 {
		t.Errorf("%d tests were found", len(report.Cases))
	}
	if report.Coverage < minCoverage {
		t.Errorf("coverage %.1f %%, want %.0f %%", report.Coverage, minCoverage)
	}
}

func TestBundleCompilesAndIsFormatted(t *testing.T) {
	err := embedded(t).Check()
	if err != nil {
		t.Error(err)
	}
}

func TestCompileRefusesWhatReachesOutside(t *testing.T) {
	for name, expression := range map[string]string{
		"the network":           `http.send({"method": "get", "url": "https://example.org"})`,
		"name resolution":       `net.lookup_ip_addr("example.org")`,
		"the process":           `opa.runtime()`,
		"the clock":             `time.now_ns()`,
		"chance":                `rand.intn("x", 2)`,
		"a function unheard of": `heard.of()`,
	} {
		source, err := bundle.ReadFS(fstest.MapFS{"p.rego": {Data: []byte("package p\n\nx := " + expression + "\n")}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Compile()
		if !errors.Is(err, bundle.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFailingRegoTestIsReported(t *testing.T) {
	source, err := bundle.ReadFS(fstest.MapFS{
		"p.rego":      {Data: []byte("package p\n\nx := 1\n\ny := 2 if input.z\n")},
		"p_test.rego": {Data: []byte("package p_test\n\nimport data.p\n\ntest_x if p.x == 2\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := source.Test(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed != 1 || report.Coverage >= 100 {
		t.Errorf("got %+v", report)
	}
}

func TestCheckNamesTheUnformattedLine(t *testing.T) {
	source, err := bundle.ReadFS(fstest.MapFS{"p.rego": {Data: []byte("package p\n\nx:=1\n")}})
	if err != nil {
		t.Fatal(err)
	}
	err = source.Check()
	if !errors.Is(err, bundle.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestDigestIsOfTheDecidingModulesAlone(t *testing.T) {
	source := embedded(t)
	before := source.Digest()
	source["antin/more_test.rego"] = []byte("package more_test\n")
	if source.Digest() != before {
		t.Error("a test changed the digest")
	}
	source["antin/more.rego"] = []byte("package more\n")
	if source.Digest() == before {
		t.Error("a module did not change the digest")
	}
}
