package report

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/signer/validate"
)

//go:embed report.html
var page string

// view is what the page shows.
type view struct {
	File
	Name, Digest string
}

var vietnam = time.FixedZone("ICT", 7*60*60)

func writeHTML(w io.Writer, f File) error {
	words := template.FuncMap{
		"label": func(key any) string { return validate.Label(f.Lang, fmt.Sprint(key)) },
		"pick": func(vi, en string) string {
			if f.Lang == validate.English {
				return en
			}
			return vi
		},
		"when": func(t any) string {
			switch t := t.(type) {
			case time.Time:
				return t.In(vietnam).Format("02/01/2006 15:04:05 -07:00")
			case *time.Time:
				if t != nil {
					return t.In(vietnam).Format("02/01/2006 15:04:05 -07:00")
				}
			}
			return "–"
		},
		"text": func(r validate.Reason) string { return r.Text(f.Lang) },
		"next": func(n int) int { return n + 1 },
		"tone": func(v validate.Verdict) string {
			switch v {
			case validate.Passed:
				return "ok"
			case validate.Failed:
				return "bad"
			}
			return "warn"
		},
		"coverage": func(c validate.Coverage) string {
			if c == validate.CoversRevision {
				return validate.Label(f.Lang, "coverage-revision")
			}
			return validate.Label(f.Lang, string(c))
		},
	}
	t, err := template.New("report").Funcs(words).Parse(page)
	if err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	err = t.Execute(w, view{File: f, Name: filepath.Base(f.Report.File), Digest: hex.EncodeToString(f.SHA256)})
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
