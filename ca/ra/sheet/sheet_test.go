package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func xlsx(t testing.TB, s ...Sheet) []byte {
	t.Helper()
	var b bytes.Buffer
	err := WriteXLSX(&b, s...)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func folder(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	// In one order: the fuzzer takes runs that differ for new finds.
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	s := Sheet{Name: "Yêu cầu", Head: []string{"Mã cán bộ", "Ghi chú"}, Rows: [][]string{
		{"p-1", "=1+1"}, {"p-2", "dòng một\ndòng hai"}, {"p-3", "Đặng; \"Ánh\""}, {"00042", "-----BEGIN X-----"}}}
	var csv bytes.Buffer
	err := WriteCSV(&csv, s)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"XLSX": xlsx(t, s, Sheet{Name: "Hướng dẫn", Head: []string{"x"}}), "CSV": csv.Bytes(),
		"a folder with XLSX": folder(t, map[string][]byte{"a/b.xlsx": xlsx(t, s), "a/k.csr": []byte("der")}),
	} {
		got, err := Read(content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(got.Head, s.Head) || len(got.Rows) != len(s.Rows) {
			t.Errorf("%s: %q, %d rows", name, got.Head, len(got.Rows))
			continue
		}
		for i, row := range got.Rows {
			want := slices.Clone(s.Rows[i])
			if name == "CSV" && i == 0 {
				want[1] = "'=1+1" // what a spreadsheet would compute is made text
			}
			if !slices.Equal(row.Cells, want) {
				t.Errorf("%s: row %d: %q", name, row.Number, row.Cells)
			}
		}
	}
}

func TestCSVIsReadWithEitherSeparator(t *testing.T) {
	for name, text := range map[string]string{
		"commas": "a,b\n1,2\n\n3,4\n", "semicolons and a mark": "\ufeffa;b\r\n1;2\r\n;\r\n3;4\r\n", "tabs": "a\tb\n1\t2\n3\t4\n",
	} {
		got, err := Read([]byte(text))
		if err != nil || len(got.Rows) != 2 || got.Rows[1].Cells[1] != "4" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestFilesOverTheLimitsAreRefused(t *testing.T) {
	wide := strings.Repeat("x,", maxColumns) + "x\n"
	bomb := folder(t, map[string][]byte{"[Content_Types].xml": bytes.Repeat([]byte{' '}, maxPart+1)})
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"a zip that unpacks to very much": {bomb, ErrTooLarge},
		"too many rows":                   {[]byte("a\n" + strings.Repeat("x\n", MaxRows+1)), ErrTooLarge},
		"too many columns":                {[]byte(wide), ErrTooLarge},
		"a cell that is too long":         {[]byte("a\n" + strings.Repeat("x", maxCell+1)), ErrTooLarge},
		"a large file beside the table":   {folder(t, map[string][]byte{"a.csv": []byte("a\n1\n"), "k": make([]byte, maxAside+1)}), ErrTooLarge},
		"nothing":                         {nil, ErrFormat},
		"text that is not UTF-8":          {[]byte{'a', 0xff, '\n'}, ErrFormat},
		"a zip without a table":           {folder(t, map[string][]byte{"a.txt": []byte("x")}), ErrFormat},
		"a zip with two tables":           {folder(t, map[string][]byte{"a.csv": []byte("a\n1\n"), "b.csv": []byte("a\n1\n")}), ErrFormat},
		"a cut-off zip":                   {xlsx(t, Sheet{Name: "a", Head: []string{"x"}})[:200], ErrFormat},
		"an XLSX without its sheets":      {folder(t, map[string][]byte{"[Content_Types].xml": []byte("<x/>")}), ErrFormat},
	} {
		_, err := Read(c.content)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestARowFarDownDoesNotHoldTheReader(t *testing.T) {
	good := xlsx(t, Sheet{Name: "a", Head: []string{"x"}, Rows: [][]string{{"1"}}})
	r, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, f := range r.File {
		var b bytes.Buffer
		_, err = unpack(&b, f, maxPart)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = b.Bytes()
		if strings.HasPrefix(f.Name, "xl/worksheets/") {
			files[f.Name] = bytes.Replace(b.Bytes(), []byte(`r="2"`), []byte(`r="1048576"`), 1)
		}
	}
	_, err = Read(folder(t, files))
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	s := Sheet{Name: "a", Head: []string{"person", "csr"}, Rows: [][]string{{"p-1", "x"}, {"p-2", "y"}}}
	f.Add(xlsx(f, s))
	f.Add([]byte("person,csr\np-1,x\n"))
	f.Add([]byte("\ufeffperson;csr\n\"p-1\";\"x\ny\"\n"))
	f.Add(folder(f, map[string][]byte{"a.csv": []byte("person,csr\np-1,k.csr\n"), "k.csr": []byte("x")}))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := Read(content)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if len(got.Rows) > MaxRows || len(got.Head) > maxColumns {
			t.Errorf("over the limits: %d rows, %d columns", len(got.Rows), len(got.Head))
		}
	})
}

// FuzzParts puts the fuzzer's bytes into the parts of a sound XLSX, where most
// of the reading is done, instead of into its zip.
func FuzzParts(f *testing.F) {
	good := xlsx(f, Sheet{Name: "a", Head: []string{"person", "csr"}, Rows: [][]string{{"p-1", "x"}}})
	r, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		f.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, part := range r.File {
		var b bytes.Buffer
		_, err = unpack(&b, part, maxPart)
		if err != nil {
			f.Fatal(err)
		}
		files[part.Name] = b.Bytes()
		f.Add(part.Name, b.Bytes())
	}
	f.Add("xl/worksheets/sheet1.xml", []byte(fmt.Sprintf(`<worksheet><sheetData><row r="%d"><c r="XFD1" t="s"><v>9</v></c></row></sheetData></worksheet>`, 1<<20)))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		changed := make(map[string][]byte, len(files))
		for n, c := range files {
			changed[n] = c
		}
		if changed[name] == nil {
			return
		}
		changed[name] = content
		_, err := Read(folder(t, changed))
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
