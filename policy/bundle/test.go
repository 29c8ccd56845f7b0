package bundle

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// testTimeout ends a Rego test that does not end by itself.
const testTimeout = 10 * time.Second

// Case is the outcome of one Rego test.
type Case struct {
	Package  string        `json:"package"`
	Name     string        `json:"name"`
	Passed   bool          `json:"passed"`
	Error    string        `json:"error,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// Report is the outcome of all Rego tests.
type Report struct {
	Cases  []Case `json:"cases"`
	Failed int    `json:"failed"`
	// Coverage is the percentage of the deciding modules' lines that the tests
	// reached; Uncovered names the others as file:line.
	Coverage  float64  `json:"coverage"`
	Uncovered []string `json:"uncovered,omitempty"`
}

// Test runs the bundle's Rego tests through OPA's tester with coverage.
func (s Source) Test(ctx context.Context) (*Report, error) {
	compiler, err := s.compile(true)
	if err != nil {
		return nil, err
	}
	db := inmem.New()
	tracer := cover.New()
	report := &Report{}
	err = storage.Txn(ctx, db, storage.TransactionParams{}, func(txn storage.Transaction) error {
		results, err := tester.NewRunner().SetCompiler(compiler).SetStore(db).
			SetDefaultRegoVersion(ast.RegoV1).SetModules(compiler.Modules).
			SetCoverageQueryTracer(tracer).RaiseBuiltinErrors(true).
			SetTimeout(testTimeout).RunTests(ctx, txn)
		if err != nil {
			return err
		}
		for result := range results {
			one := Case{Package: result.Package, Name: result.Name, Passed: result.Pass(), Duration: result.Duration}
			if result.Error != nil {
				one.Error = result.Error.Error()
			}
			if !one.Passed {
				report.Failed++
			}
			report.Cases = append(report.Cases, one)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("run policy tests: %w", err)
	}
	report.measure(tracer, compiler.Modules)
	return report, nil
}

func (r *Report) measure(tracer *cover.Cover, modules map[string]*ast.Module) {
	deciding := map[string]*ast.Module{}
	for name, module := range modules {
		if !strings.HasSuffix(name, testSuffix) {
			deciding[name] = module
		}
	}
	covered, total := 0, 0
	lines := tracer.Report(modules)
	for _, name := range slices.Sorted(maps.Keys(deciding)) {
		file := lines.Files[name]
		if file == nil {
			continue
		}
		covered += file.CoveredLines
		total += file.CoveredLines + file.NotCoveredLines
		for _, span := range file.NotCovered {
			for row := span.Start.Row; row <= span.End.Row; row++ {
				r.Uncovered = append(r.Uncovered, fmt.Sprintf("%s:%d", name, row))
			}
		}
	}
	if total > 0 {
		r.Coverage = 100 * float64(covered) / float64(total)
	}
}

// Check says what is wrong with the modules: they must compile and stand in
// the form that `opa fmt` writes.
func (s Source) Check() error {
	_, err := s.Compile()
	if err != nil {
		return err
	}
	for _, name := range s.names() {
		formatted, err := format.SourceWithOpts(name, s[name], format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if !bytes.Equal(formatted, s[name]) {
			return fmt.Errorf("%w: %s:%d is not formatted as opa fmt writes it", ErrInvalid, name, firstDifference(formatted, s[name]))
		}
	}
	return nil
}

func firstDifference(want, got []byte) int {
	wanted, given := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range given {
		if i >= len(wanted) || !bytes.Equal(wanted[i], given[i]) {
			return i + 1
		}
	}
	return len(given)
}

func (s Source) names() []string { return slices.Sorted(maps.Keys(s)) }
