package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

// reportWish is what `antin verify` was asked to write besides its answer.
type reportWish struct {
	format string // empty: nothing
	out    string // a file, or a folder for several
}

// check refuses what cannot be done before anything is judged.
func (w reportWish) check(files []string) error {
	switch {
	case w.format == "" && w.out == "":
		return nil
	case w.format == "" || w.out == "":
		return fmt.Errorf("%w: --report and --out go together", errUse)
	}
	_, err := report.ParseFormat(w.format)
	if err != nil {
		return fmt.Errorf("%w: %w", errUse, err)
	}
	info, err := os.Stat(w.out)
	if len(files) > 1 && (err != nil || !info.IsDir()) {
		return fmt.Errorf("%w: reports on several files go into a folder that is there: %s", errUse, w.out)
	}
	return nil
}

// write writes the report of one file: under the name asked for, or beside the
// others in the folder as NAME.xml, NAME.html or NAME.report.pdf. at is the time of judgement.
func (w reportWish) write(r *validate.Report, at time.Time) error {
	format, err := report.ParseFormat(w.format)
	if err != nil {
		return err
	}
	f, err := os.Open(r.File)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	digest, err := report.Digest(f)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = report.Write(&b, report.File{Report: r, At: at, SHA256: digest, Lang: validate.Lang(language())}, format)
	if err != nil {
		return err
	}
	out := w.out
	info, err := os.Stat(out)
	if err == nil && info.IsDir() {
		ending := map[report.Format]string{report.ETSI: ".xml", report.HTML: ".html", report.PDF: ".report.pdf"}[format]
		out = filepath.Join(out, filepath.Base(r.File)+ending)
	}
	return replaceFile(out, b.Bytes())
}
