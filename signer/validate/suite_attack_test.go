package validate_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/validate"
)

// attack is one file of the suite: a document, signed by a trusted person and
// found good, and what a forger does to it.
type attack struct {
	family, name string
	p            int    // of the certification, 0 for an ordinary signature
	extra        string // further entries of the signature
	form         bool
	streams      bool
	prepare      func(d *suiteDoc, first map[int]string) // before the signature
	after        func(w *world, d *suiteDoc)             // harmless, after it
	edit         func(w *world, d *suiteDoc)             // the attack
	codes        []validate.Code                         // one of them must be told
	unreadable   bool                                    // no verdict is given at all
}

var forbidden = []validate.Code{validate.CodeChangesForbidden}

func attacks() []attack {
	return slices.Concat(usfAttacks(), isaAttacks(), swaAttacks(), shadowAttacks(), eaaAttacks(), ssaAttacks(), recycledAttacks(), formAttacks(), structureAttacks(), tagAttacks(), loopAttacks(), bombAttacks())
}

// Every attack on a good signature is found, and told by its reason. With
// ANTIN_SUITE_DIR the files are written there for other readers; pdfsig's
// opinion is then asked as well.
func TestEveryAttackOfTheSuiteIsFound(t *testing.T) {
	w := newWorld(t)
	dir := os.Getenv("ANTIN_SUITE_DIR")
	table := newTable("attacks", "missed")
	if dir != "" {
		table = newTable("attacks", "missed", "pdfsig: valid")
		writeTrust(t, w, dir)
	}
	for n, a := range attacks() {
		table.count(a.family, "attacks")
		good := t.Run(a.family+": "+a.name, func(t *testing.T) {
			d := office(a.form, a.streams, a.prepare)
			w.certify(d, a.p, a.extra)
			if a.after != nil {
				a.after(w, d)
			}
			report := run(t, d.data, w.options)
			if report.Verdict != validate.Passed {
				t.Fatalf("the document was not good before: %s", explain(report))
			}
			a.edit(w, d)
			if dir != "" {
				path := filepath.Join(dir, fmt.Sprintf("attack-%03d-%s.pdf", n+1, strings.ReplaceAll(a.family, " ", "-")))
				keep(t, path, d.data)
				if saysValid(path) {
					table.count(a.family, "pdfsig: valid")
				}
			}
			report, err := validate.Validate(t.Context(), bytes.NewReader(d.data), int64(len(d.data)), w.options)
			if a.unreadable && errors.Is(err, validate.ErrUnreadable) {
				return
			}
			if err != nil {
				t.Fatalf("no report: %v", err)
			}
			told := false
			for _, code := range a.codes {
				told = told || slices.ContainsFunc(report.Reasons, func(r validate.Reason) bool { return r.Code == code })
				for _, s := range report.Signatures {
					told = told || has(s, code) && s.Verdict != validate.Passed
				}
			}
			if report.Verdict == validate.Passed || !told {
				t.Errorf("want %s, got %s", a.codes, explain(report))
			}
		})
		if !good {
			table.count(a.family, "missed")
		}
	}
	const least = 60
	if table.total("attacks") < least {
		t.Errorf("only %d attacks", table.total("attacks"))
	}
	t.Logf("attacks by family\n%s", table)
}

// writeTrust puts the anchors beside the files, for the command line.
func writeTrust(t *testing.T, w *world, dir string) {
	t.Helper()
	trust := filepath.Join(dir, "trust")
	err := os.MkdirAll(trust, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	err = os.CopyFS(trust, os.DirFS(w.pki.Dir(t)))
	if err != nil {
		t.Fatal(err)
	}
}

func keep(t *testing.T, path string, data []byte) {
	t.Helper()
	err := os.WriteFile(path, data, 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

// saysValid tells whether pdfsig calls the first signature of a file valid. That
// it adds "Not total document signed" is no warning: it says so of every
// document that was archived or signed twice.
func saysValid(path string) bool {
	cmd := exec.Command("timeout", "5", "pdfsig", "-nocert", path)
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return false
	}
	_, first, found := strings.Cut(string(out), "Signature Validation: ")
	return found && strings.HasPrefix(first, "Signature is Valid")
}

// table counts by family, in the order of the first mention.
type table struct {
	columns []string
	rows    []string
	counts  map[string]map[string]int
}

func newTable(columns ...string) *table {
	return &table{columns: columns, counts: make(map[string]map[string]int)}
}

func (t *table) count(row, column string) {
	if t.counts[row] == nil {
		t.counts[row] = make(map[string]int)
		t.rows = append(t.rows, row)
	}
	t.counts[row][column]++
}

func (t *table) total(column string) int {
	sum := 0
	for _, row := range t.rows {
		sum += t.counts[row][column]
	}
	return sum
}

func (t *table) String() string {
	var b strings.Builder
	write := func(row string, value func(column string) int) {
		fmt.Fprintf(&b, "  %-32s", row)
		for _, column := range t.columns {
			fmt.Fprintf(&b, " %*d", max(8, len(column)), value(column))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "  %-32s", "family")
	for _, column := range t.columns {
		fmt.Fprintf(&b, " %*s", max(8, len(column)), column)
	}
	b.WriteByte('\n')
	for _, row := range t.rows {
		write(row, func(column string) int { return t.counts[row][column] })
	}
	write("total", t.total)
	return b.String()
}
