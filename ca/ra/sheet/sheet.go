// Package sheet reads and writes tables as people exchange them: XLSX
// (ISO/IEC 29500), CSV (RFC 4180), and a zip folder that holds one of the two
// with the files that its rows name. It knows nothing of what the columns
// mean.
//
// What it reads comes from outside: size, rows, columns, cells and what a zip
// unpacks to are bounded before anything is kept. Formulas are not computed,
// macros and links are not looked at; only the first sheet is read.
package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// Limits of a file. A file for the whole country has 3,321 communes; ten
// thousand rows of a name and a PKCS#10 request each are some 20 MiB.
const (
	MaxFile     = 32 << 20  // bytes as they came
	maxUnpacked = 192 << 20 // bytes after unpacking, all parts together
	maxParts    = 20000     // files in a zip
	MaxRows     = 10000
	maxColumns  = 64
	maxCell     = 32767 // bytes; what a cell of XLSX may have in characters
	maxPart     = 96 << 20
	maxAside    = 64 << 10 // bytes of a file beside the table
)

// Errors of reading.
var (
	// ErrTooLarge says that a file is over one of the limits; the text says which.
	ErrTooLarge = errors.New("sheet: file over a limit")
	// ErrFormat says that a file is not what it has to be; the text says where.
	ErrFormat = errors.New("sheet: file not readable")
)

// Table is what stands in a file.
type Table struct {
	Head []string
	Rows []Row
	// Files are the files beside the table in a zip folder, by name.
	Files map[string][]byte
}

// Row is one row of a table. Number counts as the file does, the head being 1.
// Rows without any text are left out.
type Row struct {
	Number int
	Cells  []string
}

// Read reads a file of any of the three forms, told apart by its content.
func Read(content []byte) (*Table, error) {
	if len(content) > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(content), MaxFile)
	}
	if !bytes.HasPrefix(content, []byte("PK\x03\x04")) {
		return readCSV(content)
	}
	parts, err := openZip(content)
	if err != nil {
		return nil, err
	}
	for _, f := range parts.File {
		if f.Name == "[Content_Types].xml" {
			return readXLSX(content)
		}
	}
	return readFolder(parts)
}

// openZip opens a zip and unpacks every part once to nowhere, so that nobody
// after it meets more than the limits: sizes in a zip's own directory may lie.
func openZip(content []byte) (*zip.Reader, error) {
	parts, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(parts.File) > maxParts {
		return nil, fmt.Errorf("%w: %d parts, at most %d", ErrTooLarge, len(parts.File), maxParts)
	}
	var total int64
	for _, f := range parts.File {
		n, err := unpack(io.Discard, f, maxPart)
		if err != nil {
			return nil, err
		}
		total += n
		if total > maxUnpacked {
			return nil, fmt.Errorf("%w: it unpacks to over %d bytes", ErrTooLarge, maxUnpacked)
		}
	}
	return parts, nil
}

func unpack(to io.Writer, f *zip.File, limit int64) (int64, error) {
	r, err := f.Open()
	if err != nil {
		return 0, fmt.Errorf("%w: part %q: %w", ErrFormat, f.Name, err)
	}
	n, err := io.Copy(to, io.LimitReader(r, limit+1))
	err = errors.Join(err, r.Close())
	if n > limit {
		return n, fmt.Errorf("%w: part %q unpacks to over %d bytes", ErrTooLarge, f.Name, limit)
	}
	if err != nil {
		return n, fmt.Errorf("%w: part %q: %w", ErrFormat, f.Name, err)
	}
	return n, nil
}

// readFolder reads a zip with one table and the files that its rows name.
// Folders inside it do not count: a file is known by its last name.
func readFolder(parts *zip.Reader) (*Table, error) {
	var table []byte
	files := make(map[string][]byte)
	for _, f := range parts.File {
		name := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
		if strings.HasSuffix(f.Name, "/") || strings.HasPrefix(name, ".") {
			continue
		}
		var b bytes.Buffer
		kind := strings.ToLower(path.Ext(name))
		if kind == ".xlsx" || kind == ".csv" {
			if table != nil {
				return nil, fmt.Errorf("%w: the folder holds more than one table", ErrFormat)
			}
			_, err := unpack(&b, f, MaxFile)
			if err != nil {
				return nil, err
			}
			table = b.Bytes()
			continue
		}
		_, err := unpack(&b, f, maxAside)
		if err != nil {
			return nil, err
		}
		if files[name] != nil {
			return nil, fmt.Errorf("%w: the folder holds %q twice", ErrFormat, name)
		}
		files[name] = b.Bytes()
	}
	if table == nil {
		return nil, fmt.Errorf("%w: the folder holds no .xlsx or .csv", ErrFormat)
	}
	if bytes.HasPrefix(table, []byte("PK\x03\x04")) {
		_, err := openZip(table)
		if err != nil {
			return nil, err
		}
		t, err := readXLSX(table)
		if err != nil {
			return nil, err
		}
		t.Files = files
		return t, nil
	}
	t, err := readCSV(table)
	if err != nil {
		return nil, err
	}
	t.Files = files
	return t, nil
}

// readXLSX reads the first sheet. The library panics on some damaged files;
// that is a damaged file, not an end of the program.
func readXLSX(content []byte) (t *Table, err error) {
	defer func() {
		fault := recover()
		if fault != nil {
			t, err = nil, fmt.Errorf("%w: damaged XLSX: %v", ErrFormat, fault)
		}
	}()
	f, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxUnpacked})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sheets := f.GetSheetList()
	if len(sheets) == 0 {
		return nil, fmt.Errorf("%w: no sheet", ErrFormat)
	}
	rows, err := f.Rows(sheets[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	b := builder{}
	for n := 1; rows.Next(); n++ {
		cells, err := rows.Columns()
		if err != nil {
			return nil, fmt.Errorf("%w: row %d: %w", ErrFormat, n, err)
		}
		err = b.add(n, cells)
		if err != nil {
			return nil, err
		}
	}
	err = rows.Error()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b.table()
}

func readCSV(content []byte) (*Table, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("%w: not UTF-8 text, nor XLSX, nor a zip folder", ErrFormat)
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma, r.FieldsPerRecord = comma(content), -1
	b := builder{}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return b.table()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		line, _ := r.FieldPos(0)
		err = b.add(line, cells)
		if err != nil {
			return nil, err
		}
	}
}

// comma guesses what separates the cells: Vietnamese Excel writes semicolons.
func comma(content []byte) rune {
	head, _, _ := bytes.Cut(content, []byte("\n"))
	best, count := ',', bytes.Count(head, []byte(","))
	for _, c := range []rune{';', '\t'} {
		n := bytes.Count(head, []byte(string(c)))
		if n > count {
			best, count = c, n
		}
	}
	return best
}

// builder keeps rows within the limits.
type builder struct {
	t    Table
	head bool
}

func (b *builder) add(number int, cells []string) error {
	// An empty row is skipped, but counted: a sheet of blank rows has an end.
	if number > 100*MaxRows {
		return fmt.Errorf("%w: row %d", ErrTooLarge, number)
	}
	for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) == 0 {
		return nil
	}
	if len(cells) > maxColumns {
		return fmt.Errorf("%w: row %d has %d columns, at most %d", ErrTooLarge, number, len(cells), maxColumns)
	}
	kept := make([]string, len(cells))
	for i, cell := range cells {
		if len(cell) > maxCell {
			return fmt.Errorf("%w: row %d, column %d: %d bytes, at most %d", ErrTooLarge, number, i+1, len(cell), maxCell)
		}
		kept[i] = strings.TrimSpace(strings.ToValidUTF8(cell, "\uFFFD"))
	}
	if !b.head {
		b.t.Head, b.head = kept, true
		return nil
	}
	if len(b.t.Rows) == MaxRows {
		return fmt.Errorf("%w: over %d rows", ErrTooLarge, MaxRows)
	}
	b.t.Rows = append(b.t.Rows, Row{Number: number, Cells: kept})
	return nil
}

func (b *builder) table() (*Table, error) {
	if !b.head {
		return nil, fmt.Errorf("%w: no row", ErrFormat)
	}
	return &b.t, nil
}
