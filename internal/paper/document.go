package paper

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrInvalid means that a document lacks a part that the form demands, or is
// over a limit.
var ErrInvalid = errors.New("paper: invalid document")

// Limits that keep a hostile input from filling the disk: a directive has a few
// thousand characters, a report a few tables.
const (
	maxText   = 1 << 20
	maxBlocks = 5000
	maxRows   = 5000
	maxPages  = 400
)

// vietnam is the zone in which a document is dated.
var vietnam = time.FixedZone("ICT", 7*60*60)

// Document is a document before it is laid out. Letters in brackets name the
// box of NĐ 30/2020 PL I, "Sơ đồ bố trí".
type Document struct {
	// Parent is the superior agency, printed above the agency; may be empty.
	Parent string
	Agency string // [2]
	// Number and symbol, "05/CT-UBND" [3]; see Number. Empty leaves the place
	// for the number open, before Symbol where that is given.
	Number string
	Symbol string
	Place  string    // [4]
	Date   time.Time // [4]
	// Undated leaves room for day and month: the date is given with the number.
	Undated bool
	// Type is the name of the type, "CHỈ THỊ" [5a]; empty for an official letter,
	// whose abstract then stands under the number [5b].
	Type     string
	Abstract string
	// To is whom the document addresses ("Kính gửi"); may be empty.
	To         []string
	Body       []Block // [6]
	Signer     Signer  // [7]
	Recipients []string
	// Exercise prints the mark of a drill on every page.
	Exercise bool
}

// Signer is the foot of the document.
type Signer struct {
	// Authority is in whose place the signer signs: "TM. ỦY BAN NHÂN DÂN",
	// "KT. CHỦ TỊCH" (NĐ 30/2020 Đ13); may be empty.
	Authority []string
	Title     string // [7a]
	Name      string // [7b]
}

// Block is a part of the body.
type Block interface{ size() int }

// Paragraph is justified text with an indented first line.
type Paragraph struct{ Text string }

// Heading is a numbered or named part of the body, in bold.
type Heading struct{ Text string }

// Table is a simple table with a head.
type Table struct {
	Columns []Column
	Rows    [][]string
	// Small sets the table in size 11 instead of 13.
	Small bool
}

// Column is a table's column; Share is its part of the width.
type Column struct {
	Title string
	Share float64
	Right bool
}

func (p Paragraph) size() int { return len(p.Text) }
func (h Heading) size() int   { return len(h.Text) }

func (t Table) size() int {
	n := 0
	for _, row := range t.Rows {
		for _, cell := range row {
			n += len(cell)
		}
	}
	return n
}

// Number writes number and symbol as NĐ 30 has it: numbers under 10 with a
// zero before, a stroke, no spaces.
func Number(n int, symbol string) string { return fmt.Sprintf("%02d/%s", n, symbol) }

// DateLine writes place and date: days under 10 and the months January and
// February with a zero before.
func DateLine(place string, date time.Time) string {
	d := date.In(vietnam)
	month := fmt.Sprint(int(d.Month()))
	if d.Month() <= time.February {
		month = "0" + month
	}
	return fmt.Sprintf("%s, ngày %02d tháng %s năm %d", place, d.Day(), month, d.Year())
}

// gap is the room that is left for a number, a day or a month.
const gap = "         "

// openDate is the line of place and date with room for day and month.
func openDate(place string, date time.Time) string {
	return fmt.Sprintf("%s, ngày%stháng%snăm %d", place, gap, gap, date.In(vietnam).Year())
}

// Directive is a chỉ thị in its usual parts.
type Directive struct {
	Parent, Agency string
	Number         int
	// Symbol follows the number, "CT-UBND".
	Symbol     string
	Place      string
	Date       time.Time
	Undated    bool
	Abstract   string
	Text       string // paragraphs, a line each
	Signer     Signer
	Recipients []string
}

// Document returns the directive as a document.
func (d Directive) Document() *Document {
	doc := &Document{
		Parent: d.Parent, Agency: d.Agency, Place: d.Place, Date: d.Date, Undated: d.Undated, Type: "CHỈ THỊ", Abstract: d.Abstract,
		Signer: d.Signer, Recipients: d.Recipients,
	}
	if d.Number > 0 {
		doc.Number = Number(d.Number, d.Symbol)
	} else {
		doc.Symbol = d.Symbol
	}
	for _, line := range strings.Split(d.Text, "\n") {
		if strings.TrimSpace(line) != "" {
			doc.Body = append(doc.Body, Paragraph{Text: strings.TrimSpace(line)})
		}
	}
	return doc
}

func (d *Document) check() error {
	switch {
	case d.Agency == "":
		return fmt.Errorf("%w: no agency", ErrInvalid)
	case d.Place == "" || d.Date.IsZero():
		return fmt.Errorf("%w: no place or date", ErrInvalid)
	case d.Signer.Title == "" || d.Signer.Name == "":
		return fmt.Errorf("%w: no title or name of the signer", ErrInvalid)
	case len(d.Body) == 0:
		return fmt.Errorf("%w: no text", ErrInvalid)
	case len(d.Body) > maxBlocks:
		return fmt.Errorf("%w: %d parts, at most %d", ErrInvalid, len(d.Body), maxBlocks)
	}
	total := len(d.Agency) + len(d.Abstract) + len(d.Signer.Name)
	for _, b := range d.Body {
		total += b.size()
		t, ok := b.(Table)
		if !ok {
			continue
		}
		if len(t.Columns) == 0 || len(t.Rows) > maxRows {
			return fmt.Errorf("%w: a table without columns or with more than %d rows", ErrInvalid, maxRows)
		}
		for _, row := range t.Rows {
			if len(row) != len(t.Columns) {
				return fmt.Errorf("%w: a table row has %d cells for %d columns", ErrInvalid, len(row), len(t.Columns))
			}
		}
		for _, c := range t.Columns {
			if c.Share <= 0 {
				return fmt.Errorf("%w: column %q has no width", ErrInvalid, c.Title)
			}
		}
	}
	if total > maxText {
		return fmt.Errorf("%w: %d bytes of text, at most %d", ErrInvalid, total, maxText)
	}
	for _, s := range []string{d.Agency, d.Abstract, d.Place, d.Signer.Name} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%w: text is not UTF-8", ErrInvalid)
		}
	}
	return nil
}
