package validate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/validate"
)

// benign is a way documents go on after they were signed, as offices have it.
type benign struct {
	family, name string
	p            int
	extra        string
	form         bool
	prepare      func(d *suiteDoc, first map[int]string)
	stamped      bool // the first signature has a time-stamp
	steps        []func(w *world, d *suiteDoc)
}

func benigns() []benign {
	return slices.Concat(archiveCases(), signerCases(), formCases(), commentCases(), keepingCases(), taggedCases())
}

// What offices do with signed documents raises no alarm: each file is good, and
// so is every signature in it. Each is written with tables, with streams and with
// both. With ANTIN_SUITE_DIR the files are written there.
func TestNothingBenignOfTheSuiteIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	table := newTable("files", "false alarms")
	dir := os.Getenv("ANTIN_SUITE_DIR")
	for n, b := range benigns() {
		for _, style := range []string{"tables", "streams", "hybrid"} {
			table.count(b.family, "files")
			good := t.Run(fmt.Sprintf("%s: %s, %s", b.family, b.name, style), func(t *testing.T) {
				d := office(b.form, style != "tables", func(d *suiteDoc, first map[int]string) {
					d.hybrid = style == "hybrid"
					if b.prepare != nil {
						b.prepare(d, first)
					}
				})
				if b.stamped {
					w.stamped(d, w.leader)
				} else {
					w.certify(d, b.p, b.extra)
				}
				for _, step := range b.steps {
					step(w, d)
				}
				if dir != "" {
					family, _, _ := strings.Cut(b.family, " (")
					keep(t, filepath.Join(dir, fmt.Sprintf("benign-%02d-%s-%s.pdf", n+1, style, strings.ReplaceAll(family, " ", "-"))), d.data)
				}
				report := run(t, d.data, w.options)
				good := report.Verdict == validate.Passed && len(report.Signatures) > 0
				for _, s := range report.Signatures {
					good = good && s.Verdict == validate.Passed && (s.Changes == validate.ChangesAllowed || s.Changes == validate.ChangesNone)
				}
				if !good {
					t.Errorf("a false alarm: %s", explain(report))
				}
			})
			if !good {
				table.count(b.family, "false alarms")
			}
		}
	}
	const least = 100
	if table.total("files") < least {
		t.Errorf("only %d files", table.total("files"))
	}
	t.Logf("benign files by family\n%s", table)
}

type step = func(w *world, d *suiteDoc)

// The steps of archives.
func addStore(w *world, d *suiteDoc) { d.addDSS(evidenceFor(w.t, w.pki, w.leader)) }
func addStamp(w *world, d *suiteDoc) { d.stamp(w.t, w.pki) }
func addClerk(w *world, d *suiteDoc) { w.sign(d, w.clerk) }

func archiveCases() []benign {
	const family = "archive (LT, LTA)"
	lta := []step{addStore, addStamp}
	twice := slices.Concat(lta, lta)
	return []benign{
		{family: family, name: "evidence is added", stamped: true, steps: []step{addStore}},
		{family: family, name: "evidence and a time-stamp are added", stamped: true, steps: lta},
		{family: family, name: "the archive is renewed", stamped: true, steps: twice},
		{family: family, name: "the archive is renewed twice", stamped: true, steps: slices.Concat(twice, lta)},
		{family: family, name: "a time-stamp alone", steps: []step{addStamp}},
		{family: family, name: "certified with P=1", p: 1, steps: lta},
		{family: family, name: "certified with P=1, a time-stamp alone", p: 1, steps: []step{addStamp}},
		{family: family, name: "certified with P=2", p: 2, steps: lta},
		{family: family, name: "certified with P=3", p: 3, steps: twice},
		{family: family, name: "two signers, then the archive", steps: slices.Concat([]step{addClerk}, lta)},
		{family: family, name: "the archive, then another signer", steps: slices.Concat(lta, []step{addClerk})},
		{family: family, name: "every field is locked", form: true, extra: fieldLock("All", ""), steps: lta},
		{family: family, name: "the store is written anew", steps: []step{addStore, func(w *world, d *suiteDoc) {
			evidence := evidenceFor(w.t, w.pki, w.clerk)
			evidence.OCSPs = nil
			d.addDSS(evidence)
		}, addStamp}},
		{family: family, name: "the store says what belongs to which signature", steps: []step{func(w *world, d *suiteDoc) {
			addStore(w, d)
			n := d.next()
			d.dss = strings.TrimSuffix(d.dss, ">>") + fmt.Sprintf("/VRI << /0123456789ABCDEF0123456789ABCDEF01234567 %d 0 R >> >>", n)
			d.update(map[int]string{n: "<< /Type /VRI /TU (D:20260101000000Z) >>", objCatalog: d.catalog()})
		}, addStamp}},
	}
}

// mark signs with a look at a place.
func mark(rect, looks string) step {
	return func(w *world, d *suiteDoc) {
		w.sign(d, w.clerk, func(s *signing) { s.rect, s.looks = rect, look(100, 100, looks) })
	}
}

// The looks of marks: a round seal of lines, a picture with a mask, text.
const (
	sealLines = "1 0 0 RG 4 w 50 5 m 95 5 95 95 50 95 c 5 95 5 5 50 5 c S 1 0 0 rg BT /F1 9 Tf 20 48 Td (UBND TINH) Tj ET"
	sealRing  = "1 0 0 rg 50 0 m 100 0 100 100 50 100 c 0 100 0 0 50 0 c 50 5 m 95 5 95 95 50 95 c 5 95 5 5 50 5 c f* 50 70 m 55 55 l 70 52 l 58 45 l 62 30 l 50 38 l 38 30 l 42 45 l 30 52 l 45 55 l f"
	seePlace  = "q 100 0 0 100 0 0 cm BI /W 8 /H 8 /IM true ID \x81\x42\x24\x18\x18\x24\x42\x81 EI Q"
)

func signerCases() []benign {
	const family = "several signers"
	scan := func(d *suiteDoc, first map[int]string) {
		first[objContent] = stream("q 595 0 0 842 0 0 cm /Logo Do Q\n", "")
	}
	background := func(d *suiteDoc, first map[int]string) {
		first[objContent] = stream("1 1 0.95 rg 0 0 595 842 re f 0 g\n"+contentText, "")
	}
	leader := func(w *world, d *suiteDoc) {
		w.sign(d, w.leader, func(s *signing) {
			s.rect, s.looks = rectBlank, look(100, 100, "0 0 1 RG 2 w 5 20 m 60 90 40 10 95 70 c S")
		})
	}
	emptied := func(w *world, d *suiteDoc) {
		n := d.next()
		d.fields = append(d.fields, n)
		d.update(map[int]string{n: fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (cho_ky) /F 4 /P 3 0 R /Rect [%s] >>", rectBlank), objForm: d.form(), objPage: d.page()})
	}
	opaque := "1 g 0 0 100 100 re f " + sealLines
	return []benign{
		{family: family, name: "an invisible second signature", steps: []step{addClerk}},
		{family: family, name: "a visible second signature on blank paper", steps: []step{leader}},
		{family: family, name: "the seal covers a third of the leader's signature", steps: []step{leader, mark(rectSeal, sealLines)}},
		{family: family, name: "the seal as a picture covers a third of the signature", steps: []step{leader, mark(rectSeal, seePlace)}},
		{family: family, name: "the seal is opaque, on blank paper and the signature", steps: []step{leader, mark(rectSeal, opaque)}},
		{family: family, name: "the seal lies over title and name", steps: []step{leader, mark("340 80 460 220", sealLines)}},
		{family: family, name: "the seal, a filled ring and star, lies over three articles", steps: []step{mark("60 600 180 720", sealRing)}},
		{family: family, name: "a scanned signature covers the name", steps: []step{mark("370 80 440 130", opaque)}},
		{family: family, name: "the copy is marked at the top", steps: []step{addClerk, mark(rectCopy, sealLines)}},
		{family: family, name: "three signers", steps: []step{addClerk, leader, addClerk}},
		{family: family, name: "six signers", steps: []step{addClerk, leader, addClerk, mark(rectSeal, sealLines), addClerk, mark(rectCopy, sealLines)}},
		{family: family, name: "a field that waited is signed", form: true, steps: []step{func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk, func(s *signing) { s.into, s.looks = d.in.empty, look(100, 100, sealLines) })
		}}},
		{family: family, name: "a field that waited is signed, P=2", p: 2, form: true, steps: []step{func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk, func(s *signing) { s.into, s.looks = d.in.empty, look(100, 100, sealLines) })
		}}},
		{family: family, name: "another field than the locked one is signed", form: true, extra: fieldLock("Include", "(ten)"), steps: []step{func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk, func(s *signing) { s.into = d.in.empty })
		}}},
		{family: family, name: "certified with P=2", p: 2, steps: []step{leader, mark(rectSeal, sealLines)}},
		{family: family, name: "certified with P=3", p: 3, steps: []step{leader}},
		{family: family, name: "a field is added empty and signed later", steps: []step{emptied, func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk, func(s *signing) { s.into = d.fields[len(d.fields)-1] })
		}}},
		{family: family, name: "a scanned page is sealed", prepare: scan, steps: []step{leader, mark(rectSeal, sealLines), mark(rectCopy, sealLines)}},
		{family: family, name: "a page with a tint is sealed", prepare: background, steps: []step{leader, mark(rectSeal, sealLines)}},
	}
}

func formCases() []benign {
	const family = "form filling"
	fill := func(n func(d *suiteDoc) int, value, shown string) step {
		return func(_ *world, d *suiteDoc) { d.update(d.fillText(n(d), value, shown)) }
	}
	sum := func(d *suiteDoc) int { return d.in.sum }
	set := func(n func(d *suiteDoc) int, old, new string) step {
		return func(_ *world, d *suiteDoc) { d.update(map[int]string{n(d): d.edited(n(d), old, new)}) }
	}
	agree := func(d *suiteDoc) int { return d.in.agree }
	radio := func(_ *world, d *suiteDoc) {
		d.update(map[int]string{d.in.radio: d.edited(d.in.radio, "/V /Off", "/V /Co"), d.in.yes: d.edited(d.in.yes, "/AS /Off", "/AS /Co")})
	}
	choose := func(_ *world, d *suiteDoc) {
		objects := map[int]string{}
		text := d.edited(d.in.choice, "/V (Hue)", "/V (Ha Noi) /I [0]")
		at := strings.Index(text, "/AP")
		objects[d.in.choice] = text[:at] + d.looks(objects, 200, 20, line("Ha Noi")) + " >>"
		d.update(objects)
	}
	check, uncheck := set(agree, "/V /Off /AS /Off", "/V /Yes /AS /Yes"), set(agree, "/V /Yes /AS /Yes", "/V /Off /AS /Off")
	vietnamese := func(_ *world, d *suiteDoc) {
		objects := d.fillText(d.in.sum, "\\376\\377\\001\\020", "")
		font := d.next()
		objects[font] = "<< /Type /Font /Subtype /Type0 /BaseFont /Liberation /Encoding /Identity-H /DescendantFonts [] >>"
		for n, text := range objects {
			if strings.Contains(text, "/Form") {
				objects[n] = stream("BT /F2 12 Tf 2 6 Td <0110> Tj ET", fmt.Sprintf(" /Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F2 %d 0 R >> >>", font))
			}
		}
		d.update(objects)
	}
	inPlace := func(_ *world, d *suiteDoc) {
		text := d.objects[d.in.name]
		var looks int
		_, err := fmt.Sscanf(text[strings.Index(text, "/AP <<"):], "/AP << /N %d 0 R", &looks)
		if err != nil {
			panic(err)
		}
		d.update(map[int]string{d.in.name: d.edited(d.in.name, "(Nguyen Van B)", "(Le C)"), looks: look(200, 20, line("Le C"))})
	}
	reader := func(_ *world, d *suiteDoc) { // leaves the look to the next reader
		text := d.edited(d.in.name, "(Nguyen Van B)", "(Le C)")
		at := strings.Index(text, "/AP <<")
		d.update(map[int]string{d.in.name: text[:at] + " >>"})
	}
	computed := func(d *suiteDoc, first map[int]string) {
		d.ofForm += fmt.Sprintf(" /CO [%d 0 R]", d.in.fixed)
		first[objForm] = d.form()
	}
	formatted := func(d *suiteDoc, first map[int]string) {
		first[d.in.sum] = strings.TrimSuffix(first[d.in.sum], ">>") + "/AA << /F << /S /JavaScript /JS (AFNumber_Format) >> >> >>"
	}
	list := func(name string, p int, extra string, steps ...step) benign {
		return benign{family: family, name: name, p: p, extra: extra, form: true, steps: steps}
	}
	return []benign{
		list("a text field", 0, "", fill(sum, "100", "100")),
		list("a text field, P=2", 2, "", fill(sum, "100", "100")),
		list("a text field, P=3", 3, "", fill(sum, "100", "100")),
		list("a text field twice", 2, "", fill(sum, "100", "100"), fill(sum, "200", "200")),
		list("a text field is emptied", 2, "", fill(func(d *suiteDoc) int { return d.in.name }, "", "")),
		list("a check box", 2, "", check),
		list("a check box and back", 2, "", check, uncheck),
		list("a radio button", 2, "", radio),
		list("a choice", 2, "", choose),
		list("everything", 0, "", fill(sum, "100", "100"), check, radio, choose),
		list("another field than the locked", 2, fieldLock("Include", "(ten)"), fill(sum, "100", "100")),
		list("the only field that is not locked", 0, fieldLock("Exclude", "(so_tien)"), fill(sum, "100", "100")),
		list("and then signed", 2, "", fill(sum, "100", "100"), addClerk),
		list("between two signatures and archived", 0, "", fill(sum, "100", "100"), addClerk, addStore, addStamp),
		list("in Vietnamese", 2, "", vietnamese),
		list("the look is overwritten in its place", 2, "", inPlace),
		list("the look is left to the reader", 2, "", reader),
		list("the same value looks the same", 2, "", fill(func(d *suiteDoc) int { return d.in.name }, "Nguyen Van B", "Nguyen Van B")),
		{family: family, name: "a field that is computed", p: 2, form: true, prepare: computed, steps: []step{fill(func(d *suiteDoc) int { return d.in.fixed }, "HS-02", "HS-02")}},
		{family: family, name: "a field with a format of its own", p: 2, form: true, prepare: formatted, steps: []step{func(_ *world, d *suiteDoc) {
			objects := d.fillText(d.in.sum, "1000", "1.000 dong")
			d.update(objects)
		}}},
	}
}

func commentCases() []benign {
	const family = "comments (P=3)"
	add := func(rect, entries, content string) step {
		return func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			if content != "" {
				entries := entries + " " + d.looks(objects, 325, 30, content)
				d.comment(objects, "/Rect ["+rect+"] /T (Tham dinh) /M (D:20261128000000Z) "+entries)
			} else {
				d.comment(objects, "/Rect ["+rect+"] /T (Tham dinh) /M (D:20261128000000Z) "+entries)
			}
			d.update(objects)
		}
	}
	quads := "/QuadPoints [55 720 380 720 55 690 380 690]"
	highlight := add(rectSum, "/Subtype /Highlight /C [1 1 0] "+quads, "")
	tint := func(_ *world, d *suiteDoc) {
		objects := map[int]string{}
		n := d.next()
		objects[n] = stream("/G gs 1 1 0 rg 0 0 325 30 re f", " /Type /XObject /Subtype /Form /BBox [0 0 325 30] /Resources << /ExtGState << /G << /Type /ExtGState /BM /Multiply >> >> >>")
		d.comment(objects, fmt.Sprintf("/Subtype /Highlight /C [1 1 0] %s /Rect [%s] /AP << /N %d 0 R >>", quads, rectSum, n))
		d.update(objects)
	}
	note := func(_ *world, d *suiteDoc) {
		objects := map[int]string{}
		window := d.size + 1
		n := d.comment(objects, fmt.Sprintf("/Subtype /Text /Contents (xem lai) /Name /Comment /Open false /Rect [400 700 418 718] /Popup %d 0 R", window))
		d.comment(objects, fmt.Sprintf("/Subtype /Popup /Rect [420 600 580 700] /Parent %d 0 R /Open false", n))
		d.update(objects)
	}
	answer := func(_ *world, d *suiteDoc) {
		objects := map[int]string{}
		d.comment(objects, fmt.Sprintf("/Subtype /Text /Contents (da sua) /Rect [400 700 418 718] /IRT %d 0 R /RT /R", d.notes[0]))
		d.update(objects)
	}
	edit := func(_ *world, d *suiteDoc) {
		d.update(map[int]string{d.notes[0]: d.with(d.notes[0], "/Subj (y kien)")})
	}
	remove := func(_ *world, d *suiteDoc) {
		d.notes = d.notes[1:]
		d.update(map[int]string{objPage: d.page()})
	}
	free := add(rectMargin, "/Subtype /FreeText /DA (/F1 12 Tf 1 0 0 rg) /Contents (dong y)", "1 0 0 RG 0 0 325 30 re S "+line("dong y"))
	list := func(name string, steps ...step) benign { return benign{family: family, name: name, p: 3, steps: steps} }
	return []benign{
		list("a highlight", highlight),
		list("a highlight with a look", tint),
		list("an underline", add(rectSum, "/Subtype /Underline "+quads, "1 0 0 RG 1 w 0 3 m 325 3 l S")),
		list("a squiggly line", add(rectSum, "/Subtype /Squiggly "+quads, "")),
		list("a line struck through", add(rectSum, "/Subtype /StrikeOut "+quads, "1 0 0 RG 1.5 w 0 15 m 325 15 l S")),
		list("a note with its window", note),
		list("a note and the answer", note, answer),
		list("a note is edited", note, edit),
		list("a note is removed", note, remove),
		list("ink", add(rectSum, "/Subtype /Ink /InkList [[60 700 300 710 370 700]] /BS << /W 2 >>", "")),
		list("ink with a look", add(rectSum, "/Subtype /Ink /InkList [[60 700 300 710 370 700]]", "0 0 1 RG 2 w 5 5 m 200 25 l 320 5 l S")),
		list("a frame round the sum", add(rectSum, "/Subtype /Square /C [1 0 0] /BS << /W 2 >>", "1 0 0 RG 2 w 1 1 323 28 re S")),
		list("a frame that the reader draws", add(rectSum, "/Subtype /Circle /C [1 0 0]", "")),
		list("an arrow", add(rectSum, "/Subtype /Line /L [60 700 370 700] /LE [/None /OpenArrow]", "")),
		list("a caret", add("380 690 390 700", "/Subtype /Caret", "0 0 1 rg 0 0 325 30 re f")),
		list("free text in the margin", free),
		list("a stamp in the margin", add(rectMargin, "/Subtype /Stamp /Name /Approved", "0 0.5 0 RG 0 0 325 30 re S "+line("DA DUYET"))),
		list("comments, then another signature", highlight, note, addClerk),
		list("comments, then the archive", highlight, free, addStore, addStamp),
		{family: family, name: "comments and form filling", p: 3, form: true, steps: []step{highlight, func(_ *world, d *suiteDoc) { d.update(d.fillText(d.in.sum, "100", "100")) }}},
	}
}

func keepingCases() []benign {
	const family = "housekeeping"
	list := func(name string, prepare func(*suiteDoc, map[int]string), do func(d *suiteDoc)) benign {
		return benign{family: family, name: name, prepare: prepare, steps: []step{func(_ *world, d *suiteDoc) { do(d) }}}
	}
	informed := func(d *suiteDoc, first map[int]string) {
		d.prepared = d.next()
		first[d.prepared] = "<< /Title (Quyet dinh) /ModDate (D:20260101000000Z) /Producer (A) >>"
		d.ofTrailer = fmt.Sprintf(" /Info %d 0 R", d.prepared)
	}
	xmp := func(date string) string {
		return stream(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:ModifyDate="`+date+`" xmp:CreatorTool="A"/></rdf:RDF></x:xmpmeta>`, " /Type /Metadata /Subtype /XML")
	}
	described := func(d *suiteDoc, first map[int]string) {
		d.prepared = d.next()
		first[d.prepared] = xmp("2026-01-01")
		d.ofCatalog += fmt.Sprintf(" /Metadata %d 0 R", d.prepared)
	}
	direct := func(d *suiteDoc, _ map[int]string) {
		d.ofAnnots = "<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /Border [0 0 0] >> "
	}
	return []benign{
		list("date and producer change", informed, func(d *suiteDoc) {
			d.update(map[int]string{d.prepared: "<< /Title (Quyet dinh) /ModDate (D:20261128000000Z) /Producer (B) >>"})
		}),
		list("the metadata gets a date", described, func(d *suiteDoc) { d.update(map[int]string{d.prepared: xmp("2026-11-28")}) }),
		list("objects are written again", nil, func(d *suiteDoc) {
			d.update(map[int]string{objCatalog: d.objects[objCatalog], objPage: d.page(), objFont: d.objects[objFont], objContent: d.objects[objContent]})
		}),
		list("objects that nobody reaches", nil, func(d *suiteDoc) { d.update(map[int]string{d.next(): "<< /A 1 >>", d.next(): stream("q Q", "")}) }),
		list("a later version is stated", nil, func(d *suiteDoc) {
			d.ofCatalog += " /Version /2.0"
			d.update(map[int]string{objCatalog: d.catalog()})
		}),
		list("an extension is stated", nil, func(d *suiteDoc) {
			d.ofCatalog += " /Extensions << /ESIC << /BaseVersion /1.7 /ExtensionLevel 5 >> >>"
			d.update(map[int]string{objCatalog: d.catalog()})
		}),
		list("the form gets a default look", nil, func(d *suiteDoc) {
			d.ofForm = " /DA (/F1 12 Tf 0 g)"
			d.update(map[int]string{objForm: d.form()})
		}),
		list("the form gets fonts", nil, func(d *suiteDoc) {
			d.ofForm = " /DR << /Font << /Helv 6 0 R >> >>"
			d.update(map[int]string{objForm: d.form()})
		}),
		list("the list of annotations becomes an object", nil, func(d *suiteDoc) {
			n := d.next()
			text := d.page()
			at := strings.Index(text, "/Annots [")
			end := at + strings.Index(text[at:], "]") + 1
			d.update(map[int]string{n: text[at+len("/Annots ") : end], objPage: text[:at] + fmt.Sprintf("/Annots %d 0 R", n) + text[end:]})
		}),
		list("beside an annotation that is no object", direct, func(d *suiteDoc) {
			d.update(map[int]string{objPage: d.page()})
		}),
	}
}

func taggedCases() []benign {
	const family = "tagged documents"
	form := "/S /Form /Alt (Chu ky cua Uy ban nhan dan tinh)"
	second := func(w *world, d *suiteDoc) { w.sign(d, w.clerk, d.tagging(form)) }
	visible := func(w *world, d *suiteDoc) {
		w.sign(d, w.clerk, d.tagging(form), func(s *signing) { s.rect, s.looks = rectBlank, look(100, 100, sealLines) })
	}
	list := func(name string, p int, steps ...step) benign {
		return benign{family: family, name: name, p: p, prepare: tagged, steps: steps}
	}
	return []benign{
		list("a second signature without a tag", 0, addClerk),
		list("a second signature with its tag", 0, second),
		list("a visible second signature with its tag", 0, visible),
		list("three signatures with tags", 0, second, visible, second),
		list("certified with P=2", 2, visible),
		list("signed and archived", 0, second, addStore, addStamp),
		list("a comment with its tag", 3, func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			n := d.comment(objects, "/Subtype /Text /Contents (x) /StructParent 1 /Rect [400 700 418 718]")
			d.tag(objects, n, "/S /Annot")
			d.update(objects)
		}),
	}
}
