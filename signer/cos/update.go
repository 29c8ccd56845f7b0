package cos

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
)

// Update collects the objects of one incremental update (ISO 32000-2, 7.5.6).
type Update struct {
	file    *File
	view    *View
	objects map[Ref]Object
	next    uint32
}

// Written says where the parts of a written update stand in the whole file.
type Written struct {
	Start      int64 // first byte of the section, equal to the size of the input
	End        int64 // size of the file with the section
	XrefOffset int64
	Reserved   map[string]Span
}

// maxDangling is how far above the defined objects a dangling reference is
// believed; jumping further would make readers allocate for nothing.
const maxDangling = 1000

// maxSaneNumber is up to where /Size of a trailer is believed.
const maxSaneNumber = 8_388_607 // ISO 32000-1, annex C.2

// NewUpdate begins an update of the last revision. It refuses, with a
// *RefusedError, files whose extension other readers would see differently and
// files whose permissions forbid every kind of change.
func (f *File) NewUpdate() (*Update, error) {
	if f.repaired {
		return nil, &RefusedError{Code: CodeRepaired, Reason: "the cross-reference is damaged"}
	}
	if f.irregular != "" {
		return nil, &RefusedError{Code: CodeIrregular, Reason: string(f.irregular)}
	}
	v := f.Latest()
	_, _, err := v.Root()
	if err != nil {
		return nil, &RefusedError{Code: CodeNoRoot, Reason: err.Error()}
	}
	if !f.Permits(PermitModify) && !f.Permits(PermitAnnotate) && !f.Permits(PermitFill) {
		return nil, &RefusedError{Code: CodePermission, Reason: "the document's permissions forbid changes and filling in forms"}
	}
	if f.crypt != nil && f.crypt.permsOdd {
		return nil, &RefusedError{Code: CodePermission, Reason: "the document's permissions do not agree with their sealed copy"}
	}
	u := &Update{file: f, view: v, objects: map[Ref]Object{}, next: 1}
	for _, s := range f.sections {
		if n := len(s.entries); n > 0 {
			u.next = max(u.next, s.entries[n-1].num+1)
		}
		u.next = max(u.next, s.holder.Num+1)
		size, ok := s.trailer["Size"].(int64)
		if ok && size <= maxSaneNumber {
			u.next = max(u.next, uint32(max(size, 0)))
		}
	}
	return u, nil
}

// View returns the revision that is being updated.
func (u *Update) View() *View { return u.view }

// New reserves a number for a new object. Numbers that the objects read so far
// refer to without defining them are left out: a new object must not come to
// life at a place the document already points to.
func (u *Update) New() Ref {
	if n := u.file.named; n >= u.next && n <= 2*u.next+maxDangling {
		u.next = n + 1
	}
	ref := Ref{Num: u.next}
	u.next++
	return ref
}

// Put sets the new content of an object.
func (u *Update) Put(ref Ref, o Object) { u.objects[ref] = o }

// Add puts an object under a new number.
func (u *Update) Add(o Object) Ref {
	ref := u.New()
	u.Put(ref, o)
	return ref
}

// Get returns an object as the update leaves it.
func (u *Update) Get(ref Ref) (Object, error) {
	o, ok := u.objects[ref]
	if ok {
		return o, nil
	}
	return u.view.Get(ref)
}

// Write writes the new section. The caller has copied the input before; the
// section begins with a line end if the input lacks one.
func (u *Update) Write(out io.Writer) (*Written, error) {
	f := u.file
	w := &writer{base: f.size, reserved: map[string]Span{}}
	last := newScanner(f.r, f.size-1, f.size).peek()
	if last != '\n' && last != '\r' {
		w.buf.WriteByte('\n')
	}
	refs := slices.SortedFunc(maps.Keys(u.objects), func(a, b Ref) int { return int(int64(a.Num) - int64(b.Num)) })
	entries := make([]entry, 0, len(refs)+1)
	for _, ref := range refs {
		at := w.base + int64(w.buf.Len())
		entries = append(entries, entry{num: ref.Num, gen: ref.Gen, kind: entryPlain, at: at - f.base})
		err := u.writeObject(w, ref)
		if err != nil {
			return nil, fmt.Errorf("write object %s: %w", ref, err)
		}
	}
	w.strings = nil
	xref := w.base + int64(w.buf.Len())
	trailer := u.trailer(w.buf.Bytes())
	var err error
	if f.sections[0].style == StyleStream {
		err = u.writeXrefStream(w, entries, trailer, xref)
	} else {
		err = u.writeTable(w, entries, trailer)
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&w.buf, "startxref\n%d\n%%%%EOF\n", xref-f.base)
	end := w.base + int64(w.buf.Len())
	_, err = out.Write(w.buf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write update: %w", err)
	}
	return &Written{Start: w.base, End: end, XrefOffset: xref, Reserved: w.reserved}, nil
}

func (u *Update) writeObject(w *writer, ref Ref) error {
	o := u.objects[ref]
	c := u.file.crypt
	w.strings = nil
	if c != nil {
		w.strings = func(s String) (String, error) {
			sealed, err := c.encrypt(c.strings, ref, s)
			return String(sealed), err
		}
	}
	fmt.Fprintf(&w.buf, "%d %d obj\n", ref.Num, ref.Gen)
	stm, isStream := o.(*Stream)
	if !isStream {
		err := u.writeClear(w, o)
		if err != nil {
			return err
		}
		w.buf.WriteString("\nendobj\n")
		return nil
	}
	data, err := u.file.raw(stm)
	if err != nil {
		return err
	}
	if c != nil && stm.Dict["Type"] != Name("XRef") {
		data, err = c.encrypt(c.streamMethod(stm.Dict), ref, data)
		if err != nil {
			return err
		}
	}
	d := maps.Clone(stm.Dict)
	d["Length"] = int64(len(data))
	err = w.value(d, 0)
	if err != nil {
		return err
	}
	w.buf.WriteString("\nstream\n")
	w.buf.Write(data)
	w.buf.WriteString("\nendstream\nendobj\n")
	return nil
}

// writeClear writes an object that is no stream; the /Contents of a signature
// dictionary stays in the clear.
func (u *Update) writeClear(w *writer, o Object) error {
	d, ok := o.(Dict)
	if !ok || !clearContents(d) || w.strings == nil {
		return w.value(o, 0)
	}
	seal := w.strings
	w.buf.WriteString("<<")
	for _, k := range d.Keys() {
		if d[k] == nil {
			continue
		}
		w.strings = seal
		if k == "Contents" {
			w.strings = nil
		}
		w.name(k)
		w.buf.WriteByte(' ')
		err := w.value(d[k], 1)
		if err != nil {
			return err
		}
	}
	w.buf.WriteString(">>")
	return nil
}

// trailer carries over what the last one says (ISO 32000-2, 7.5.5). The second
// half of /ID is a hash of what changes, so equal updates give equal files.
func (u *Update) trailer(body []byte) Dict {
	old := u.view.Trailer()
	t := Dict{}
	for _, k := range []Name{"Root", "Info", "Encrypt"} {
		if old[k] != nil {
			t[k] = old[k]
		}
	}
	f := u.file
	t["Prev"] = f.sections[0].offset - f.base
	t["Size"] = int64(u.next)
	h := sha256.New()
	h.Write(body)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(f.size)))
	id := u.view.Array(old["ID"])
	for _, half := range id {
		s, _ := half.(String)
		h.Write(s)
	}
	second := String(h.Sum(nil)[:16])
	first := second
	if len(id) > 0 {
		s, ok := id[0].(String)
		if ok {
			first = s
		}
	} else if f.crypt != nil {
		return t // the file key is derived from the absence of an identifier
	}
	t["ID"] = Array{first, second}
	return t
}

// writeTable writes a table with one subsection for each run of numbers and
// entries of exactly twenty bytes (ISO 32000-2, 7.5.4).
func (u *Update) writeTable(w *writer, entries []entry, trailer Dict) error {
	w.buf.WriteString("xref\n")
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].num == entries[0].num+uint32(n) {
			n++
		}
		fmt.Fprintf(&w.buf, "%d %d\n", entries[0].num, n)
		for _, e := range entries[:n] {
			if e.at > 9_999_999_999 {
				return &RefusedError{Code: CodeIrregular, Reason: "the file is too long for a cross-reference table"}
			}
			fmt.Fprintf(&w.buf, "%010d %05d n \n", e.at, e.gen)
		}
		entries = entries[n:]
	}
	w.buf.WriteString("trailer\n")
	err := w.value(trailer, 0)
	if err != nil {
		return fmt.Errorf("write trailer: %w", err)
	}
	w.buf.WriteByte('\n')
	return nil
}

func (u *Update) writeXrefStream(w *writer, entries []entry, trailer Dict, at int64) error {
	ref := u.New()
	entries = append(entries, entry{num: ref.Num, kind: entryPlain, at: at - u.file.base})
	trailer["Size"] = int64(u.next)
	trailer["Type"] = Name("XRef")
	const offsetWidth = 6 // up to 256 TB
	var rows []byte
	var index Array
	for i, e := range entries {
		if i == 0 || e.num != entries[i-1].num+1 {
			index = append(index, int64(e.num), int64(0))
		}
		index[len(index)-1] = index[len(index)-1].(int64) + 1
		rows = append(rows, 1)
		rows = append(rows, binary.BigEndian.AppendUint64(nil, uint64(e.at))[8-offsetWidth:]...)
		rows = binary.BigEndian.AppendUint16(rows, uint16(e.gen))
	}
	data, err := Deflate(rows)
	if err != nil {
		return err
	}
	trailer["W"] = Array{int64(1), int64(offsetWidth), int64(2)}
	trailer["Index"] = index
	trailer["Filter"] = Name("FlateDecode")
	trailer["Length"] = int64(len(data))
	w.buf.WriteString(strconv.FormatUint(uint64(ref.Num), 10) + " 0 obj\n")
	err = w.value(trailer, 0)
	if err != nil {
		return fmt.Errorf("write trailer: %w", err)
	}
	w.buf.WriteString("\nstream\n")
	w.buf.Write(data)
	w.buf.WriteString("\nendstream\nendobj\n")
	return nil
}

// deflaters are writers to use again: a new one clears over a megabyte, which
// costs more than what a signature compresses.
var deflaters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

// Deflate compresses data for the FlateDecode filter.
func Deflate(data []byte) ([]byte, error) {
	var out bytes.Buffer
	z := deflaters.Get().(*zlib.Writer)
	defer deflaters.Put(z)
	z.Reset(&out)
	_, err := z.Write(data)
	if err != nil {
		return nil, fmt.Errorf("cos: deflate: %w", err)
	}
	err = z.Close()
	if err != nil {
		return nil, fmt.Errorf("cos: deflate: %w", err)
	}
	return out.Bytes(), nil
}
