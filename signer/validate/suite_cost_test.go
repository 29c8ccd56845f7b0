package validate_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"fmt"
	"strings"

	"github.com/antin-gov/antin/signer/validate"
)

// Attacks on whoever reads: loops and bombs. They must be found like others,
// and cost little.

// anyDamage are the codes of a file that can no longer be read safely.
func anyDamage(more ...validate.Code) []validate.Code {
	return append(more, validate.CodeChangesForbidden, validate.CodeStructure, validate.CodeRepaired, validate.CodeTrailing, validate.CodeRemoved, validate.CodeUnreachable, validate.CodeChangesUnknown, validate.CodeTooMany)
}

func loopAttacks() []attack {
	const family = "loops"
	list := func(name string, edit func(w *world, d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: anyDamage(validate.CodeCovered), edit: edit}
	}
	return []attack{
		list("the page tree contains itself", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{objPages: "<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>"})
		}),
		list("the page is its own parent", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{objPage: strings.Replace(d.page(), "/Parent 2 0 R", "/Parent 3 0 R", 1)})
		}),
		list("a field is its own kid", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.fields = append(d.fields, n)
			d.objects[n] = ""
			text := fmt.Sprintf("<< /FT /Sig /T (x) /Kids [%d 0 R] /Parent %d 0 R >>", n, n)
			d.update(map[int]string{n: text, objForm: d.form()})
		}),
		list("the signature field is its own parent", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.field: d.with(d.field, fmt.Sprintf(" /Parent %d 0 R /Kids [%d 0 R]", d.field, d.field))})
		}),
		list("the section before is the section itself", func(_ *world, d *suiteDoc) {
			d.prev = len(d.data)
			d.section("0 1\n0000000000 65535 f \n", "")
		}),
		list("the content is a reference to itself", func(_ *world, d *suiteDoc) { d.update(map[int]string{objContent: "4 0 R"}) }),
		list("the length of the content is the content", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{objContent: strings.Replace(d.objects[objContent], fmt.Sprintf("/Length %d", len(contentText)), "/Length 4 0 R", 1)})
		}),
		list("the list of annotations contains itself", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: fmt.Sprintf("[%d 0 R %d 0 R]", n, n), objPage: strings.Replace(d.page(), "/Annots [", fmt.Sprintf("/Annots [%d 0 R ", n), 1)})
		}),
		list("annotations are nested ten thousand deep", func(_ *world, d *suiteDoc) {
			deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
			d.update(map[int]string{objPage: strings.Replace(d.page(), "/Annots [", "/Annots ["+deep+" ", 1)})
		}),
		list("the store of evidence contains itself", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.dss = fmt.Sprintf("<< /Certs %d 0 R >>", n)
			d.update(map[int]string{n: fmt.Sprintf("[%d 0 R]", n), objCatalog: d.catalog()})
		}),
		list("the look of a new signature draws itself", func(w *world, d *suiteDoc) {
			w.sign(d, w.stranger, func(s *signing) {
				// The look is the third object that signing makes.
				self := d.size + 2
				s.rect, s.looks = rectSum, stream("/X Do /X Do", fmt.Sprintf(" /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X %d 0 R >> >>", self))
			})
		}),
		{family: family, name: "an object stream holds itself", streams: true, codes: anyDamage(), edit: func(_ *world, d *suiteDoc) {
			holder := d.size
			d.update(map[int]string{objContent: fmt.Sprintf("%d 0 R", holder), holder: fmt.Sprintf("<< /Type /ObjStm /N 1 /First 4 /Extends %d 0 R >>", holder)})
		}},
	}
}

// bombStream is a stream of zeros that grows by layers of Flate. The first is
// put together of equal blocks, which is faster than deflating the whole.
func bombStream(size, layers int, extra string) string {
	const block = 1 << 20
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestCompression)
	check(err)
	_, err = z.Write(make([]byte, block))
	check(err)
	check(z.Flush())
	data := append([]byte{0x78, 0xda}, bytes.Repeat(b.Bytes(), size/block)...)
	data = append(data, 3, 0, 0, 0, 0, 0) // an empty last block
	for range layers - 1 {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		_, err = z.Write(data)
		check(err)
		check(z.Close())
		data = b.Bytes()
	}
	return stream(string(data), " /Filter ["+strings.Repeat("/FlateDecode ", layers)+"]"+extra)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func bombAttacks() []attack {
	const family = "deflate bombs"
	const hundred = 100 << 20
	list := func(name string, edit func(w *world, d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: anyDamage(validate.CodeCovered), edit: edit}
	}
	store := func(bomb func() string, times int) func(*world, *suiteDoc) {
		return func(_ *world, d *suiteDoc) {
			n := d.next()
			objects := map[int]string{n: bomb()}
			all := strings.Repeat(fmt.Sprintf("%d 0 R ", n), times)
			d.dss = "<< /Certs [" + all + "] /OCSPs [" + all + "] /CRLs [" + all + "] >>"
			objects[objCatalog] = d.catalog()
			d.update(objects)
		}
	}
	return []attack{
		list("evidence of 100 MB in 100 kB", store(func() string { return bombStream(hundred, 1, "") }, 1)),
		list("the same evidence named a thousand times", store(func() string { return bombStream(hundred, 1, "") }, 1000)),
		list("evidence in three layers", store(func() string { return bombStream(hundred, 3, "") }, 3)),
		list("many middle-sized pieces of evidence", func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			var all []int
			bomb := bombStream(7<<20, 1, "")
			for range 14 {
				n := d.next()
				objects[n] = bomb
				all = append(all, n)
			}
			d.dss = "<< /Certs [" + refs(all) + "] /Size (nhieu) >>"
			objects[objCatalog] = d.catalog()
			d.update(objects)
		}),
		list("metadata of 100 MB", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.ofCatalog += fmt.Sprintf(" /Metadata %d 0 R", n)
			d.update(map[int]string{n: bombStream(hundred, 1, " /Type /Metadata /Subtype /XML"), objCatalog: d.catalog()})
		}),
		list("the look of a field of 100 MB", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: bombStream(hundred, 1, " /Type /XObject /Subtype /Form /BBox [0 0 9 9]"), d.field: d.with(d.field, fmt.Sprintf("/AP << /N %d 0 R >>", n))})
		}),
		list("the look of a new signature of 100 MB", func(w *world, d *suiteDoc) {
			w.sign(d, w.stranger, func(s *signing) {
				s.rect, s.looks = rectSum, bombStream(hundred, 1, " /Type /XObject /Subtype /Form /BBox [0 0 9 9]")
			})
		}),
		list("forms that draw ten forms that draw ten forms", func(w *world, d *suiteDoc) {
			w.sign(d, w.stranger, func(s *signing) {
				s.also = map[int]string{}
				below := d.next()
				s.also[below] = stream("0 0 1 1 re f", " /Type /XObject /Subtype /Form /BBox [0 0 9 9]")
				for range 10 {
					n := d.next()
					s.also[n] = stream(strings.Repeat("/X Do ", 10), fmt.Sprintf(" /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X %d 0 R >> >>", below))
					below = n
				}
				s.rect, s.looks = rectSum, s.also[below]
			})
		}),
		{family: family, name: "a cross-reference of ten million entries", streams: true, codes: anyDamage(), edit: func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, fmt.Sprintf("%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", d.size+1,
				bombStream(70<<20, 1, fmt.Sprintf(" /Type /XRef /W [1 4 2] /Size 10000000 /Root 1 0 R /Prev %d", d.prev)), at)...)
		}},
		{family: family, name: "an object stream of 100 MB", streams: true, codes: anyDamage(), edit: func(_ *world, d *suiteDoc) {
			holder, xref := d.next(), d.next()
			at := len(d.data)
			d.data = append(d.data, fmt.Sprintf("%d 0 obj\n%s\nendobj\n", holder, bombStream(hundred, 1, " /Type /ObjStm /N 1 /First 4"))...)
			next := len(d.data)
			rows := string([]byte{2, 0, 0, byte(holder >> 8), byte(holder), 0, 0, 1, byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at), 0, 0})
			d.data = append(d.data, fmt.Sprintf("%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", xref,
				stream(rows, fmt.Sprintf(" /Type /XRef /W [1 4 2] /Index [3 1 %d 1] /Size %d /Root 1 0 R /Prev %d", holder, d.size, d.prev)), next)...)
		}},
	}
}
