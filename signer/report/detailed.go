package report

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/antin-gov/antin/signer/validate"
)

//go:embed detailed.html
var detailedPage string

// DetailedReport is the detailed report of a file, as its JSON form has it: for
// each signature the building blocks of EN 319 102-1 clause 5.
type DetailedReport struct {
	File       string              `json:"file"`
	SHA256     string              `json:"sha256,omitempty"`
	At         time.Time           `json:"validation_time"`
	Verdict    validate.Verdict    `json:"verdict"`
	Reasons    []validate.Reason   `json:"reasons,omitempty"`
	Signatures []DetailedSignature `json:"signatures"`
}

// DetailedSignature is one signature or document time-stamp.
type DetailedSignature struct {
	Field  string        `json:"field"`
	Kind   validate.Kind `json:"kind"`
	Level  string        `json:"level"`
	Signer string        `json:"signer"`
	validate.Detail
}

// Detailed gathers the detailed report of a file.
func Detailed(f File) DetailedReport {
	d := DetailedReport{File: f.Report.File, SHA256: hex.EncodeToString(f.SHA256), At: f.At, Verdict: f.Report.Verdict, Reasons: f.Report.Reasons, Signatures: []DetailedSignature{}}
	for _, s := range f.Report.Signatures {
		one := DetailedSignature{Field: s.Field, Kind: s.Kind, Level: s.Level, Signer: s.Signer}
		if s.Detail != nil {
			one.Detail = *s.Detail
		}
		d.Signatures = append(d.Signatures, one)
	}
	return d
}

func writeDetailedJSON(w io.Writer, f File) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(Detailed(f))
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// writeDetailedText writes one line for each block and constraint, indented by
// depth.
func writeDetailedText(w io.Writer, f File) error {
	var b strings.Builder
	d := Detailed(f)
	fmt.Fprintf(&b, "%s: %s (%s)\n", d.File, validate.Label(f.Lang, string(d.Verdict)), d.Verdict)
	fmt.Fprintf(&b, "%s: %s\n", word(f.Lang, "validation_time"), d.At.UTC().Format(time.RFC3339))
	if d.SHA256 != "" {
		fmt.Fprintf(&b, "SHA-256: %s\n", d.SHA256)
	}
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "  - %s\n", r.Text(f.Lang))
	}
	for n, s := range d.Signatures {
		name := strings.Join(nonEmpty(s.Signer, s.Field, s.Level), " · ")
		fmt.Fprintf(&b, "\n%d. %s: %s\n   => %s\n", n+1, validate.Label(f.Lang, string(s.Kind)), name, conclusion(f.Lang, s.Conclusion))
		fmt.Fprintf(&b, "   %s: %s\n", word(f.Lang, "policy"), s.Policy)
		for _, block := range s.Blocks {
			writeBlock(&b, f.Lang, block, 1)
		}
	}
	_, err := io.WriteString(w, b.String())
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func writeBlock(b *strings.Builder, lang validate.Lang, block validate.Block, depth int) {
	indent := strings.Repeat("   ", depth)
	fmt.Fprintf(b, "%s%s: %s\n", indent, title(lang, block), conclusion(lang, block.Conclusion))
	for _, c := range block.Constraints {
		fmt.Fprintf(b, "%s   [%s] %s", indent, word(lang, string(c.Status)), word(lang, c.Name))
		if c.Value != "" {
			fmt.Fprintf(b, ": %s", c.Value)
		}
		if c.Until != nil {
			fmt.Fprintf(b, " (%s %s)", word(lang, "until"), c.Until.Format(time.DateOnly))
		}
		b.WriteString("\n")
		for _, r := range c.Findings {
			fmt.Fprintf(b, "%s      - %s\n", indent, r.Text(lang))
		}
	}
	for _, part := range block.Blocks {
		writeBlock(b, lang, part, depth+1)
	}
}

// title names a block with its clause and what it is about.
func title(lang validate.Lang, b validate.Block) string {
	text := word(lang, string(b.Name))
	if clause := b.Name.Clause(); clause != "" {
		text += " (" + clause + ")"
	}
	if b.Of != "" {
		text += " – " + about(lang, b.Of)
	}
	return text
}

// about puts the kind of a time-stamp in words.
func about(lang validate.Lang, of string) string {
	kind, rest, ok := strings.Cut(of, " ")
	if ok && strings.HasSuffix(kind, "-time-stamp") {
		return word(lang, kind) + " " + rest
	}
	return of
}

func conclusion(lang validate.Lang, c validate.Conclusion) string {
	text := word(lang, string(c.Indication))
	if c.Sub != validate.SubNone {
		text += ", " + string(c.Sub)
	}
	if c.DecidedBy != "" {
		text += " (" + word(lang, "decided_by") + ": " + decided(lang, c.DecidedBy) + ")"
	}
	return text
}

// decided puts the path to the constraint that decided in words.
func decided(lang validate.Lang, path string) string {
	parts := strings.Split(path, "/")
	for n := range parts {
		parts[n] = word(lang, parts[n])
	}
	return strings.Join(parts, " › ")
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func writeDetailedHTML(w io.Writer, f File) error {
	words := template.FuncMap{
		"word":       func(key any) string { return word(f.Lang, fmt.Sprint(key)) },
		"label":      func(key any) string { return validate.Label(f.Lang, fmt.Sprint(key)) },
		"title":      func(b validate.Block) string { return title(f.Lang, b) },
		"conclusion": func(c validate.Conclusion) string { return conclusion(f.Lang, c) },
		"text":       func(r validate.Reason) string { return r.Text(f.Lang) },
		"when":       func(t time.Time) string { return t.In(vietnam).Format("02/01/2006 15:04:05 -07:00") },
		"day":        func(t *time.Time) string { return t.Format("02/01/2006") },
		"next":       func(n int) int { return n + 1 },
		"tone":       blockTone,
		"mark":       mark,
	}
	t, err := template.New("detailed").Funcs(words).Parse(detailedPage)
	if err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	err = t.Execute(w, struct {
		DetailedReport
		Lang validate.Lang
		Name string
	}{Detailed(f), f.Lang, filepath.Base(f.Report.File)})
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// blockTone is the colour of an indication or a verdict.
func blockTone(key any) string {
	switch fmt.Sprint(key) {
	case string(validate.IndicationPassed), string(validate.Passed):
		return "ok"
	case string(validate.IndicationFailed), string(validate.Failed):
		return "bad"
	case string(validate.IndicationNotDone):
		return "none"
	}
	return "warn"
}

// mark is a sign beside the word, so that colour alone tells nothing.
func mark(s validate.Status) string {
	switch s {
	case validate.StatusOK:
		return "✓"
	case validate.StatusBroken:
		return "✗"
	case validate.StatusNotDone:
		return "–"
	}
	return "!"
}
