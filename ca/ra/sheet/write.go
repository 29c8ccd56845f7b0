package sheet

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Sheet is a table to be written.
type Sheet struct {
	Name string
	Head []string
	Rows [][]string
	// Widths are the columns' widths in characters; 18 where there is none.
	Widths []float64
}

const standardWidth = 18

// WriteXLSX writes sheets as a workbook. Every cell is text: what begins with
// a sign of equality is no formula.
func WriteXLSX(w io.Writer, sheets ...Sheet) error {
	f := excelize.NewFile()
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return fmt.Errorf("write XLSX: %w", err)
	}
	for i, s := range sheets {
		if i == 0 {
			err = f.SetSheetName(f.GetSheetName(0), s.Name)
		} else {
			_, err = f.NewSheet(s.Name)
		}
		if err == nil {
			err = s.stream(f, bold)
		}
		if err != nil {
			return fmt.Errorf("write XLSX: sheet %s: %w", s.Name, err)
		}
	}
	_, err = f.WriteTo(w)
	if err != nil {
		return fmt.Errorf("write XLSX: %w", err)
	}
	return f.Close()
}

func (s Sheet) stream(f *excelize.File, bold int) error {
	out, err := f.NewStreamWriter(s.Name)
	if err != nil {
		return err
	}
	for i := range s.Head {
		width := float64(standardWidth)
		if i < len(s.Widths) {
			width = s.Widths[i]
		}
		err = out.SetColWidth(i+1, i+1, width)
		if err != nil {
			return err
		}
	}
	err = out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	if err != nil {
		return err
	}
	head := make([]any, len(s.Head))
	for i, text := range s.Head {
		head[i] = excelize.Cell{StyleID: bold, Value: text}
	}
	err = out.SetRow("A1", head)
	if err != nil {
		return err
	}
	for i, row := range s.Rows {
		cells := make([]any, len(row))
		for j, text := range row {
			cells[j] = text
		}
		err = out.SetRow(fmt.Sprintf("A%d", i+2), cells)
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// WriteCSV writes a sheet as CSV with a byte order mark, which Excel needs to
// read Vietnamese. A cell that a spreadsheet would take for a formula gets an
// apostrophe before it.
func WriteCSV(w io.Writer, s Sheet) error {
	_, err := io.WriteString(w, "\ufeff")
	if err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	out := csv.NewWriter(w)
	for _, row := range append([][]string{s.Head}, s.Rows...) {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = cell
			if strings.IndexAny(cell, "=+@\t\r") == 0 || strings.HasPrefix(cell, "-") && !strings.HasPrefix(cell, "-----BEGIN ") {
				safe[i] = "'" + cell
			}
		}
		err = out.Write(safe)
		if err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}
