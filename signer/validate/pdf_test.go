package validate_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
)

// The little PDF writer of these tests: classic cross-reference tables, one
// revision after the other. It is apart from signer/cos and signer/pades on
// purpose, so that both sides of a comparison are not the same code.

// objects of the fixed layout.
const (
	objCatalog = 1
	objPages   = 2
	objPage    = 3
	objContent = 4
	objForm    = 5
	objFree    = 10 // first number for fields, signatures, streams
)

type pdf struct {
	data    []byte
	offsets map[int]int
	objects map[int]string // latest text of each
	prev    int
	size    int
	fields  []int
	dss     string
	streams bool // cross-reference streams and object streams
	hybrid  bool // these, behind tables

	// What the suites put into their documents besides.
	ofCatalog, ofPage, ofForm string
	ofTrailer, ofAnnots       string
	contents                  string // of the page, when it is not one stream
	resources                 string
	notes                     []int // annotations that are no fields
}

func newPDF() *pdf {
	p := blankPDF()
	p.update(map[int]string{
		objCatalog: p.catalog(), objPages: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		objPage:    p.page(),
		objContent: stream("BT /F1 12 Tf 72 720 Td (Chi thi) Tj ET", ""),
		objForm:    p.form(),
	})
	return p
}

func blankPDF() *pdf {
	p := &pdf{offsets: map[int]int{}, objects: map[int]string{}, size: objFree, contents: "4 0 R", resources: "<< >>"}
	p.data = []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	return p
}

func (p *pdf) catalog() string {
	extra := p.ofCatalog
	if p.dss != "" {
		extra += " /DSS " + p.dss
	}
	return "<< /Type /Catalog /Pages 2 0 R /AcroForm 5 0 R" + extra + " >>"
}

func (p *pdf) page() string {
	return "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources " + p.resources + " /Contents " + p.contents + p.ofPage + " /Annots [" + p.ofAnnots + refs(p.widgets()) + "] >>"
}

func (p *pdf) form() string {
	return "<< /SigFlags 3 /Fields [" + refs(p.fields) + "]" + p.ofForm + " >>"
}

// widgets are the annotations of the page: fields that have kids show these.
func (p *pdf) widgets() []int {
	var list []int
	for _, n := range p.fields {
		_, kids, hasKids := strings.Cut(p.objects[n], "/Kids [")
		if !hasKids {
			list = append(list, n)
			continue
		}
		kids, _, _ = strings.Cut(kids, "]")
		for _, word := range strings.Split(kids, " 0 R") {
			var kid int
			_, err := fmt.Sscan(word, &kid)
			if err == nil {
				list = append(list, kid)
			}
		}
	}
	return append(list, p.notes...)
}

func refs(numbers []int) string {
	var refs []string
	for _, n := range numbers {
		refs = append(refs, fmt.Sprintf("%d 0 R", n))
	}
	return strings.Join(refs, " ")
}

func stream(data, extra string) string {
	return fmt.Sprintf("<< /Length %d%s >>\nstream\n%s\nendstream", len(data), extra, data)
}

func (p *pdf) clone() *pdf {
	c := *p
	c.data = bytes.Clone(p.data)
	c.offsets = map[int]int{}
	for n, at := range p.offsets {
		c.offsets[n] = at
	}
	c.objects = maps.Clone(p.objects)
	c.fields, c.notes = slices.Clone(p.fields), slices.Clone(p.notes)
	return &c
}

func (p *pdf) next() int {
	p.size++
	return p.size - 1
}

// update appends a revision with these objects.
func (p *pdf) update(objects map[int]string) {
	var numbers []int
	for n := range objects {
		numbers = append(numbers, n)
		p.size = max(p.size, n+1)
		p.objects[n] = objects[n]
	}
	sort.Ints(numbers)
	if p.streams {
		p.updateStreams(objects, numbers)
		return
	}
	var b bytes.Buffer
	b.Write(p.data)
	for _, n := range numbers {
		p.offsets[n] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, objects[n])
	}
	xref := b.Len()
	b.WriteString("xref\n")
	first := p.prev == 0
	if first {
		fmt.Fprintf(&b, "0 %d\n0000000000 65535 f \n", p.size)
		for n := 1; n < p.size; n++ {
			if at, ok := p.offsets[n]; ok {
				fmt.Fprintf(&b, "%010d 00000 n \n", at)
			} else {
				b.WriteString("0000000000 00000 f \n")
			}
		}
	} else {
		for _, n := range numbers {
			fmt.Fprintf(&b, "%d 1\n%010d 00000 n \n", n, p.offsets[n])
		}
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R%s", p.size, p.ofTrailer)
	if !first {
		fmt.Fprintf(&b, " /Prev %d", p.prev)
	}
	fmt.Fprintf(&b, " >>\nstartxref\n%d\n%%%%EOF\n", xref)
	p.prev = xref
	p.data = b.Bytes()
}

// updateStreams appends a revision with an object stream and a cross-reference
// stream.
func (p *pdf) updateStreams(objects map[int]string, numbers []int) {
	b := bytes.NewBuffer(p.data)
	var head, packed, rows bytes.Buffer
	holder, xref := p.next(), p.next()
	index := ""
	inside := 0
	for _, n := range numbers {
		row := []byte{1, 0, 0, 0, 0, 0, 0}
		if strings.Contains(objects[n], "stream\n") || strings.Contains(objects[n], "/ByteRange") {
			p.offsets[n] = b.Len()
			binary.BigEndian.PutUint32(row[1:], uint32(b.Len()))
			fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", n, objects[n])
		} else {
			fmt.Fprintf(&head, "%d %d ", n, packed.Len())
			packed.WriteString(objects[n] + "\n")
			row[0] = 2
			binary.BigEndian.PutUint32(row[1:], uint32(holder))
			binary.BigEndian.PutUint16(row[5:], uint16(inside))
			inside++
		}
		rows.Write(row)
		index += fmt.Sprintf("%d 1 ", n)
	}
	at := b.Len()
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", holder, stream(head.String()+packed.String(), fmt.Sprintf(" /Type /ObjStm /N %d /First %d", inside, head.Len())))
	row := []byte{1, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(row[1:], uint32(at))
	rows.Write(row)
	at = b.Len()
	row = []byte{1, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(row[1:], uint32(at))
	rows.Write(row)
	if p.hybrid {
		p.closeHybrid(b, numbers, holder, xref, rows.Bytes(), index)
		return
	}
	trailer := fmt.Sprintf(" /Type /XRef /W [1 4 2] /Index [%s%d 1 %d 1] /Size %d /Root 1 0 R%s", index, holder, xref, p.size, p.ofTrailer)
	if p.prev != 0 {
		trailer += fmt.Sprintf(" /Prev %d", p.prev)
	}
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", xref, stream(rows.String(), trailer), at)
	p.prev, p.data = at, b.Bytes()
}

// closeHybrid ends a revision with a table that names the plain objects and a
// stream that names all, as office programs do.
func (p *pdf) closeHybrid(b *bytes.Buffer, numbers []int, holder, xref int, rows []byte, index string) {
	stm := b.Len()
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", xref, stream(string(rows), fmt.Sprintf(" /Type /XRef /W [1 4 2] /Index [%s%d 1 %d 1] /Size %d", index, holder, xref, p.size)))
	at := b.Len()
	b.WriteString("xref\n0 1\n0000000000 65535 f \n")
	for i, n := range numbers {
		if rows[7*i] == 1 {
			fmt.Fprintf(b, "%d 1\n%010d 00000 n \n", n, p.offsets[n])
		}
	}
	fmt.Fprintf(b, "trailer\n<< /Size %d /Root 1 0 R%s /XRefStm %d", p.size, p.ofTrailer, stm)
	if p.prev != 0 {
		fmt.Fprintf(b, " /Prev %d", p.prev)
	}
	fmt.Fprintf(b, " >>\nstartxref\n%d\n%%%%EOF\n", at)
	p.prev, p.data = at, b.Bytes()
}

// room is the reserved length of /Contents in bytes.
const room = 12000

type signing struct {
	subFilter string
	kind      string // /Sig or /DocTimeStamp
	date      string
	extra     string // further entries of the signature dictionary
	rect      string
	looks     string         // the normal appearance, a stream
	also      map[int]string // further objects of the revision
	into      int            // an existing field, instead of a new one
	entries   string         // further entries of the field
	contents  func(t testing.TB, digest []byte) []byte
}

// sign appends a revision with a new signature field and returns the numbers
// of field and signature.
func (p *pdf) sign(t testing.TB, s signing) (field, signature int) {
	t.Helper()
	field = s.into
	if field == 0 {
		field = p.next()
		p.fields = append(p.fields, field)
	}
	signature = p.next()
	const place = "/ByteRange [0 ########## ########## ##########]"
	rect := s.rect
	if rect == "" {
		rect = "0 0 0 0"
	}
	date := ""
	if s.date != "" {
		date = " /M (" + s.date + ")"
	}
	objects := map[int]string{
		signature: fmt.Sprintf("<< /Type /%s /Filter /Adobe.PPKLite /SubFilter /%s%s%s %s /Contents <%s> >>",
			s.kind, s.subFilter, date, s.extra, place, strings.Repeat("0", 2*room)),
		objForm: p.form(),
	}
	looks := ""
	if s.looks != "" {
		n := p.next()
		objects[n] = s.looks
		looks = fmt.Sprintf(" /AP << /N %d 0 R >>", n)
	}
	objects[field] = fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (Sig%d) /F 132 /Rect [%s] /P 3 0 R%s%s /V %d 0 R >>", field, rect, looks, s.entries, signature)
	if s.into != 0 {
		objects[field] = strings.TrimSuffix(p.objects[field], ">>") + fmt.Sprintf("%s /V %d 0 R >>", looks, signature)
	}
	objects[objPage] = p.page()
	maps.Copy(objects, s.also)
	p.update(objects)
	at := p.offsets[signature]
	start := at + bytes.Index(p.data[at:], []byte("/Contents <")) + len("/Contents ")
	end := start + 2*room + 2
	array := fmt.Sprintf("/ByteRange [0 %d %d %d]", start, end, len(p.data)-end)
	where := at + bytes.Index(p.data[at:], []byte(place))
	copy(p.data[where:where+len(place)], array+strings.Repeat(" ", len(place)-len(array)))
	h := crypto.SHA256.New()
	h.Write(p.data[:start])
	h.Write(p.data[end:])
	value := s.contents(t, h.Sum(nil))
	if len(value) > room {
		t.Fatalf("signature of %d bytes", len(value))
	}
	hex.Encode(p.data[start+1:], value)
	return field, signature
}

// pades signs as PAdES B-B, or B-T with a time-stamp.
func (p *pdf) pades(t testing.TB, params cms.Params, stamped *trusttest.PKI, edits ...func(*signing)) (int, int) {
	t.Helper()
	if stamped != nil {
		params.Timestamp = (&tsp.Client{URL: stamped.TSAURL()}).Timestamp
	}
	s := signing{subFilter: "ETSI.CAdES.detached", kind: "Sig", contents: func(t testing.TB, digest []byte) []byte {
		der, err := cms.Sign(context.Background(), digest, params)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}}
	for _, edit := range edits {
		edit(&s)
	}
	return p.sign(t, s)
}

// stamp appends a document time-stamp.
func (p *pdf) stamp(t testing.TB, pki *trusttest.PKI, edits ...func(*signing)) {
	t.Helper()
	s := signing{subFilter: "ETSI.RFC3161", kind: "DocTimeStamp", contents: func(t testing.TB, digest []byte) []byte {
		der, err := (&tsp.Client{URL: pki.TSAURL()}).Timestamp(context.Background(), crypto.SHA256, digest)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}}
	for _, edit := range edits {
		edit(&s)
	}
	p.sign(t, s)
}

// addDSS appends a document security store.
func (p *pdf) addDSS(evidence trust.Evidence) {
	objects := map[int]string{}
	list := func(ders [][]byte) string {
		var refs []string
		for _, der := range ders {
			n := p.next()
			objects[n] = stream(string(der), "")
			refs = append(refs, fmt.Sprintf("%d 0 R", n))
		}
		return "[" + strings.Join(refs, " ") + "]"
	}
	var certs [][]byte
	for _, cert := range evidence.Certificates {
		certs = append(certs, cert.Raw)
	}
	p.dss = fmt.Sprintf("<< /Certs %s /OCSPs %s /CRLs %s >>", list(certs), list(evidence.OCSPs), list(evidence.CRLs))
	objects[objCatalog] = p.catalog()
	p.update(objects)
}
