package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

// reportWish is what `antin verify` was asked to write besides its answer.
type reportWish struct {
	format string // empty: nothing
	out    string // a file, or a folder for several
}

// formatOf is the form; a detailed report takes that of its file's name.
func (w reportWish) formatOf() report.Format {
	f := report.Format(w.format)
	if f != report.DetailText {
		return f
	}
	switch filepath.Ext(w.out) {
	case ".json":
		return report.DetailJSON
	case ".html", ".htm":
		return report.DetailHTML
	}
	return f
}

// printed tells a detailed report that goes to standard output.
func (w reportWish) printed() bool {
	return w.out == "" && strings.HasPrefix(w.format, string(report.DetailText))
}

// check refuses what cannot be done before anything is judged.
func (w reportWish) check(files []string) error {
	if w.format == "" && w.out == "" {
		return nil
	}
	if w.format == "" {
		return fmt.Errorf("%w: --report and --out go together", errUse)
	}
	_, err := report.ParseFormat(w.format)
	if err != nil {
		return fmt.Errorf("%w: %w", errUse, err)
	}
	if w.printed() {
		return nil
	}
	if w.out == "" {
		return fmt.Errorf("%w: --report %s needs --out", errUse, w.format)
	}
	info, err := os.Stat(w.out)
	if len(files) > 1 && (err != nil || !info.IsDir()) {
		return fmt.Errorf("%w: reports on several files go into a folder that is there: %s", errUse, w.out)
	}
	return nil
}

// file is a judged file as reports take it. at is the time of judgement.
func (w reportWish) file(r *validate.Report, at time.Time) (report.File, error) {
	f, err := os.Open(r.File)
	if err != nil {
		return report.File{}, err
	}
	defer func() { _ = f.Close() }()
	digest, err := report.Digest(f)
	return report.File{Report: r, At: at, SHA256: digest, Lang: validate.Lang(language())}, err
}

// write writes the report of one file: under the name asked for, or beside the
// others in the folder as the file's name with the form's ending.
func (w reportWish) write(r *validate.Report, at time.Time) error {
	f, err := w.file(r, at)
	if err != nil {
		return err
	}
	format := w.formatOf()
	var b bytes.Buffer
	err = report.Write(&b, f, format)
	if err != nil {
		return err
	}
	out := w.out
	info, err := os.Stat(out)
	if err == nil && info.IsDir() {
		out = filepath.Join(out, filepath.Base(r.File)+format.Ending())
	}
	return atomicfile.WriteBytes(out, 0o644, b.Bytes())
}
