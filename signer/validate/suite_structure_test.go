package validate_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/antin-gov/antin/signer/validate"
)

// Attacks on the structure of the file: Incremental Saving, two catalogues,
// and what readers read differently.

func isaAttacks() []attack {
	const family = "ISA"
	list := func(name string, codes []validate.Code, edit func(w *world, d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: codes, edit: edit}
	}
	replaced := stream(strings.Replace(contentText, "1.000.000.000", "9.000.000.000", 1), "")
	return []attack{
		list("the content is replaced", forbidden, func(_ *world, d *suiteDoc) { d.update(map[int]string{objContent: replaced}) }),
		list("the content is replaced and the forger signs", forbidden, func(w *world, d *suiteDoc) {
			d.update(map[int]string{objContent: replaced})
			w.sign(d, w.stranger)
		}),
		list("the content is replaced and another official signs", forbidden, func(w *world, d *suiteDoc) {
			d.update(map[int]string{objContent: replaced})
			w.sign(d, w.clerk)
		}),
		list("the content is replaced and put back", forbidden, func(_ *world, d *suiteDoc) {
			old := d.objects[objContent]
			d.update(map[int]string{objContent: replaced})
			d.update(map[int]string{objContent: old})
		}),
		list("the page names other content", forbidden, func(_ *world, d *suiteDoc) {
			n := d.next()
			d.contents = fmt.Sprintf("%d 0 R", n)
			d.update(map[int]string{n: replaced, objPage: d.page()})
		}),
		list("content is appended", forbidden, func(_ *world, d *suiteDoc) {
			n := d.next()
			d.contents = fmt.Sprintf("[4 0 R %d 0 R]", n)
			d.update(map[int]string{n: stream("BT /F1 13 Tf 60 600 Td (Dieu 4.) Tj ET", ""), objPage: d.page()})
		}),
		list("a page is added", forbidden, func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: d.page(), objPages: fmt.Sprintf("<< /Type /Pages /Kids [3 0 R %d 0 R] /Count 2 >>", n)})
		}),
		list("the page is another object", forbidden, func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: d.page(), objPages: fmt.Sprintf("<< /Type /Pages /Kids [%d 0 R] /Count 1 >>", n)})
		}),
		list("the page is cut", forbidden, func(_ *world, d *suiteDoc) {
			d.ofPage = " /CropBox [0 0 595 300]"
			d.update(map[int]string{objPage: d.page()})
		}),
		list("the page is turned", forbidden, func(_ *world, d *suiteDoc) {
			d.ofPage = " /Rotate 180"
			d.update(map[int]string{objPage: d.page()})
		}),
		list("the catalog opens with a script", forbidden, func(_ *world, d *suiteDoc) {
			d.ofCatalog += " /OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"
			d.update(map[int]string{objCatalog: d.catalog()})
		}),
		list("a page opens with an action", forbidden, func(_ *world, d *suiteDoc) {
			d.ofPage = " /AA << /O << /S /URI /URI (http://x.vn) >> >>"
			d.update(map[int]string{objPage: d.page()})
		}),
		list("a file is attached", forbidden, func(_ *world, d *suiteDoc) {
			n, m := d.next(), d.next()
			d.ofCatalog += fmt.Sprintf(" /Names << /EmbeddedFiles << /Names [(a) %d 0 R] >> >>", n)
			d.update(map[int]string{n: fmt.Sprintf("<< /Type /Filespec /F (a) /EF << /F %d 0 R >> >>", m), m: stream("x", ""), objCatalog: d.catalog()})
		}),
		list("objects follow without a cross-reference", []validate.Code{validate.CodeTrailing}, func(_ *world, d *suiteDoc) {
			d.data = append(d.data, "4 0 obj\n"+replaced+"\nendobj\n"...)
		}),
		list("objects follow with a cross-reference that nothing leads to", []validate.Code{validate.CodeTrailing, validate.CodeRepaired, validate.CodeChangesForbidden}, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 0 obj\n"+replaced+"\nendobj\n"...)
			d.data = append(d.data, fmt.Sprintf("xref\n4 1\n%010d 00000 n \ntrailer\n<< /Root 1 0 R /Size %d /Prev %d >>\n", at, d.size, d.prev)...)
		}),
		list("the new cross-reference is broken", []validate.Code{validate.CodeRepaired, validate.CodeTrailing}, func(_ *world, d *suiteDoc) {
			d.update(map[int]string{objContent: replaced})
			d.data = bytes.Replace(d.data, []byte("xref\n4 1\n"), []byte("xrxf\n4 1\n"), 1)
		}),
		list("the new end is missing", []validate.Code{validate.CodeTrailing, validate.CodeRepaired, validate.CodeChangesForbidden, validate.CodePartial}, func(_ *world, d *suiteDoc) {
			d.update(map[int]string{objContent: replaced})
			d.data = bytes.TrimSuffix(d.data, []byte("%%EOF\n"))
		}),
	}
}

// section is a cross-reference section of the forger's own making.
func (d *suiteDoc) section(entries, trailer string) {
	at := len(d.data)
	d.data = append(d.data, fmt.Sprintf("xref\n%strailer\n<< /Size %d /Root 1 0 R /Prev %d %s >>\nstartxref\n%d\n%%%%EOF\n", entries, d.size+4, d.prev, trailer, at)...)
}

// hybridSection is a section whose stream lists one object.
func (d *suiteDoc) hybridSection(entries string, n, at int) {
	stm := len(d.data)
	row := string([]byte{1, byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at), 0, 0})
	d.data = append(d.data, fmt.Sprintf("%d 0 obj\n%s\nendobj\n", d.size, stream(row, fmt.Sprintf(" /Type /XRef /W [1 4 2] /Index [%d 1] /Size %d", n, d.size)))...)
	d.section(entries, fmt.Sprintf("/XRefStm %d", stm))
}

// tagAttacks change what screen readers say.
func tagAttacks() []attack {
	list := func(name string, edit func(w *world, d *suiteDoc)) attack {
		return attack{family: "structure tree", name: name, codes: forbidden, prepare: tagged, edit: edit}
	}
	return []attack{
		list("a paragraph says something else", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.tags.paragraph: d.with(d.tags.paragraph, "/ActualText (Dieu 1. 9.000.000.000 dong)")})
		}),
		list("an element is added that stands for nothing", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: fmt.Sprintf("<< /Type /StructElem /S /P /P %d 0 R /ActualText (Dieu 4) >>", d.tags.document), d.tags.document: d.edited(d.tags.document, "]", fmt.Sprintf(" %d 0 R]", n))})
		}),
		list("the element of a new signature says something else", func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk, d.tagging("/S /Form /ActualText (Dieu 4)"))
		}),
		list("the element of a new signature is a paragraph", func(w *world, d *suiteDoc) { w.sign(d, w.clerk, d.tagging("/S /P")) }),
		list("a paragraph is removed", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.tags.document: d.edited(d.tags.document, fmt.Sprintf("%d 0 R]", d.tags.paragraph), "]")})
		}),
		list("the parent tree leads elsewhere", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.tags.parents: d.edited(d.tags.parents, fmt.Sprintf("[0 [%d 0 R]]", d.tags.paragraph), fmt.Sprintf("[0 [%d 0 R]]", d.tags.document))})
		}),
		list("a role gets another meaning", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.tags.root: d.with(d.tags.root, "/RoleMap << /P /Artifact >>")})
		}),
	}
}

func structureAttacks() []attack {
	const doubles, differs = "double catalogues", "parser differentials"
	odd := []validate.Code{validate.CodeChangesForbidden, validate.CodeRepaired, validate.CodeTrailing, validate.CodePartial}
	list := func(family, name string, prepare func(*suiteDoc, map[int]string), edit func(w *world, d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: odd, prepare: prepare, edit: edit}
	}
	// A second document lies in the signed part; nothing leads to it.
	second := func(d *suiteDoc, first map[int]string) {
		d.prepared = d.next()
		pages, page, content := d.next(), d.next(), d.next()
		first[d.prepared] = fmt.Sprintf("<< /Type /Catalog /Pages %d 0 R /AcroForm 5 0 R >>", pages)
		first[pages] = fmt.Sprintf("<< /Type /Pages /Kids [%d 0 R] /Count 1 >>", page)
		first[page] = fmt.Sprintf("<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 6 0 R >> >> /Contents %d 0 R >>", pages, content)
		first[content] = stream("BT /F1 13 Tf 60 700 Td (Toan van khac.) Tj ET", "")
	}
	entry := func(d *suiteDoc, n, at int) string { return fmt.Sprintf("%d 1\n%010d 00000 n \n", n, at) }
	return []attack{
		list(doubles, "the trailer names the other catalog", second, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, fmt.Sprintf("xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size %d /Root %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n", d.size, d.prepared, d.prev, at)...)
		}),
		list(doubles, "the trailer names two catalogues", second, func(_ *world, d *suiteDoc) {
			d.section("0 1\n0000000000 65535 f \n", fmt.Sprintf("/Root %d 0 R", d.prepared))
		}),
		list(doubles, "the cross-reference leads to the other catalog", second, func(_ *world, d *suiteDoc) {
			d.objects[objCatalog] = d.objects[d.prepared]
			d.update(map[int]string{objCatalog: d.objects[d.prepared]})
		}),
		list(doubles, "the catalog is listed twice", second, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "1 0 obj\n"+d.objects[d.prepared]+"\nendobj\n"...)
			old := d.offsets[objCatalog]
			d.section(entry(d, 1, at)+entry(d, 1, old), "")
		}),
		list(doubles, "the catalog names two page trees", second, func(_ *world, d *suiteDoc) {
			d.ofCatalog += fmt.Sprintf(" /Pages %d 0 R /Pages 2 0 R", d.prepared+1)
			d.update(map[int]string{objCatalog: d.catalog()})
		}),
		list(differs, "an object is listed twice", nil, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 0 obj\n"+stream("q Q", "")+"\nendobj\n"...)
			d.section(entry(d, 4, d.offsets[4])+entry(d, 4, at), "")
		}),
		list(differs, "a hybrid section lists the content elsewhere", nil, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 0 obj\n"+stream("q Q", "")+"\nendobj\n"...)
			d.hybridSection("0 1\n0000000000 65535 f \n", 4, at)
		}),
		list(differs, "a hybrid section lists the content at two places", nil, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 0 obj\n"+stream("q Q", "")+"\nendobj\n"...)
			d.hybridSection(entry(d, 4, d.offsets[4]), 4, at)
		}),
		list(differs, "a hybrid section frees the content and lists it in its stream", nil, func(_ *world, d *suiteDoc) {
			d.hybridSection("4 1\n0000000000 00001 f \n", 4, d.offsets[4])
		}),
		list(differs, "the section before is passed over", nil, func(_ *world, d *suiteDoc) {
			first := bytes.Index(d.data, []byte("xref\n0 "))
			at := len(d.data)
			d.data = append(d.data, fmt.Sprintf("xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size %d /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n", d.size, first, at)...)
		}),
		list(differs, "startxref leads back to an earlier section", nil, func(_ *world, d *suiteDoc) {
			d.data = append(d.data, fmt.Sprintf("startxref\n%d\n%%%%EOF\n", bytes.Index(d.data, []byte("xref\n0 ")))...)
		}),
		list(differs, "two ends follow one another", nil, func(_ *world, d *suiteDoc) {
			old := d.prev
			d.update(map[int]string{objContent: stream("q Q", "")})
			d.data = append(d.data, fmt.Sprintf("startxref\n%d\n%%%%EOF\n", old)...)
		}),
		list(differs, "a key of the page is stated twice", nil, func(_ *world, d *suiteDoc) {
			n := d.next()
			text := strings.Replace(d.page(), "/Contents 4 0 R", fmt.Sprintf("/Contents %d 0 R /Contents 4 0 R", n), 1)
			d.update(map[int]string{n: stream("q Q", ""), objPage: text})
		}),
		list(differs, "a key is stated twice, once with an escape", nil, func(_ *world, d *suiteDoc) {
			n := d.next()
			text := strings.Replace(d.page(), "/Contents 4 0 R", fmt.Sprintf("/Cont#65nts %d 0 R /Contents 4 0 R", n), 1)
			d.update(map[int]string{n: stream("q Q", ""), objPage: text})
		}),
		list(differs, "the content comes back with another generation", nil, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 1 obj\n"+stream("q Q", "")+"\nendobj\n"...)
			d.section(fmt.Sprintf("4 1\n%010d 00001 n \n", at), "")
		}),
		list(differs, "the content is freed", nil, func(_ *world, d *suiteDoc) { d.section("4 1\n0000000000 00001 f \n", "") }),
		list(differs, "the table is numbered from one instead of zero", nil, func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 0 obj\n"+stream("q Q", "")+"\nendobj\n"...)
			d.section(fmt.Sprintf("1 5\n0000000000 65535 f \n%010d 00000 n \n%010d 00000 n \n%010d 00000 n \n%010d 00000 n \n", d.offsets[1], d.offsets[2], d.offsets[3], at), "")
		}),
		list(differs, "the length of the content reaches into another object", nil, func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: "200", objContent: strings.Replace(d.objects[objContent], fmt.Sprintf("/Length %d", len(contentText)), fmt.Sprintf("/Length %d 0 R", n), 1)})
		}),
		{family: differs, name: "an object stream holds another catalog under its number", codes: odd, streams: true, edit: func(_ *world, d *suiteDoc) {
			d.ofCatalog += " /OpenAction [3 0 R /Fit]"
			d.update(map[int]string{objCatalog: d.catalog()})
		}},
		{family: differs, name: "a table follows a stream and lists other content", codes: odd, streams: true, edit: func(_ *world, d *suiteDoc) {
			at := len(d.data)
			d.data = append(d.data, "4 0 obj\n"+stream("q Q", "")+"\nendobj\n"...)
			d.section(entry(d, 4, at), "")
		}},
		{family: differs, name: "the file is said to be encrypted", unreadable: true, edit: func(_ *world, d *suiteDoc) {
			d.section("0 1\n0000000000 65535 f \n", "/Encrypt << /Filter /Standard /V 1 /R 2 /O (0123456789abcdef0123456789abcdef) /U (0123456789abcdef0123456789abcdef) /P -4 >>")
		}},
	}
}
