package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/antin-gov/antin/signer/pades"
)

// pageBytes is the size of the largest stream in a document of these measures.
const pageBytes = 1 << 20

// Document writes a PDF of about size bytes: pages with one stream each, that
// does not compress.
func Document(w io.Writer, size int64) error {
	out := bufio.NewWriterSize(w, 1<<20)
	at := int64(0)
	var offsets []int64
	emit := func(format string, args ...any) {
		n, _ := fmt.Fprintf(out, format, args...) // Flush tells of what could not be written
		at += int64(n)
	}
	object := func(format string, args ...any) {
		offsets = append(offsets, at)
		emit("%d 0 obj\n", len(offsets))
		emit(format, args...)
		emit("\nendobj\n")
	}
	pages := int(max(1, size/pageBytes))
	block := make([]byte, max(1, size/int64(pages)-200))
	seed := uint64(1)
	for i := range block {
		seed = seed*6364136223846793005 + 1442695040888963407
		block[i] = byte(seed >> 56)
	}
	emit("%%PDF-1.7\n%%\xe2\xe3\xcf\xd3\n")
	object("<</Type/Catalog/Pages 2 0 R>>")
	kids := ""
	for i := range pages {
		kids += fmt.Sprintf("%d 0 R ", 3+2*i)
	}
	object("<</Type/Pages/Count %d/Kids[%s]>>", pages, kids)
	for i := range pages {
		object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents %d 0 R>>", 4+2*i)
		object("<</Length %d>>stream\n%s\nendstream", len(block), block)
	}
	xref := at
	emit("xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		emit("%010d 00000 n \n", o)
	}
	emit("trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, xref)
	return out.Flush()
}

// documentFile writes a document of a size into dir.
func documentFile(dir string, size int64) (string, error) {
	path := filepath.Join(dir, fmt.Sprintf("document-%d.pdf", size))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	err = Document(f, size)
	closed := f.Close()
	if err != nil {
		return "", err
	}
	return path, closed
}

// memory is an Output that is used again for one document after the other.
type memory struct{ data []byte }

var _ pades.Output = (*memory)(nil)

func (m *memory) Write(p []byte) (int, error) {
	m.data = append(m.data, p...)
	return len(p), nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if at > int64(len(m.data)) {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(m.data[at:], p), nil
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
