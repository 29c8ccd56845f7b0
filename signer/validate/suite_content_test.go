package validate_test

import (
	"fmt"
	"strings"

	"github.com/antin-gov/antin/signer/validate"
)

// Attacks on what the page shows: Shadow Attacks, Evil Annotation and Sneaky
// Signature Attacks, and forms.

func shadowAttacks() []attack {
	const hide, replace, both = "shadow hide", "shadow replace", "shadow hide-and-replace"
	list := func(family, name string, prepare func(*suiteDoc, map[int]string), edit func(d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: forbidden, prepare: prepare, edit: func(_ *world, d *suiteDoc) { edit(d) }}
	}
	// Before the signature something white lies over the sum and says less.
	cover := "1 g 55 695 330 22 re f 0 g BT /F1 13 Tf 60 700 Td (Dieu 1. Cap kinh phi 1.000 dong.) Tj ET"
	overlaid := func(d *suiteDoc, first map[int]string) {
		d.overlay = d.next()
		d.contents = fmt.Sprintf("[4 0 R %d 0 R]", d.overlay)
		first[d.overlay] = stream(cover, "")
	}
	asForm := func(d *suiteDoc, first map[int]string) {
		d.overlay = d.next()
		d.resources = strings.Replace(d.resources, "/Logo", fmt.Sprintf("/Che %d 0 R /Logo", d.overlay), 1)
		first[objContent] = stream(contentText+"/Che Do\n", "")
		first[d.overlay] = stream(cover, " /Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 6 0 R >> >>")
	}
	asStamp := func(d *suiteDoc, first map[int]string) {
		d.overlay, d.prepared = d.next(), d.next()
		d.notes = append(d.notes, d.overlay)
		first[d.prepared] = look(330, 22, "1 g 0 0 330 22 re f 0 g "+line("Dieu 1. Cap kinh phi 1.000 dong."))
		first[d.overlay] = fmt.Sprintf("<< /Type /Annot /Subtype /Stamp /F 4 /P 3 0 R /Rect [55 695 385 717] /AP << /N %d 0 R >> >>", d.prepared)
	}
	asLayer := func(d *suiteDoc, first map[int]string) {
		overlaid(d, first)
		d.prepared = d.next()
		first[d.prepared] = "<< /Type /OCG /Name (lop) >>"
		first[d.overlay] = stream("/OC /L BDC "+cover+" EMC", "")
		d.resources = strings.TrimSuffix(d.resources, ">>") + fmt.Sprintf("/Properties << /L %d 0 R >> >>", d.prepared)
		d.ofCatalog += fmt.Sprintf(" /OCProperties << /OCGs [%d 0 R] /D << /ON [%d 0 R] >> >>", d.prepared, d.prepared)
	}
	// Other content, another font and another picture wait in the signed part.
	waiting := func(d *suiteDoc, first map[int]string) {
		d.prepared = d.next()
		first[d.prepared] = stream(strings.Replace(contentText, "1.000.000.000", "9.000.000.000", 1), "")
	}
	return []attack{
		list(hide, "the overlay's content is emptied", overlaid, func(d *suiteDoc) { d.update(map[int]string{d.overlay: stream("", "")}) }),
		list(hide, "the overlay is freed", overlaid, func(d *suiteDoc) { d.section(fmt.Sprintf("%d 1\n0000000000 00001 f \n", d.overlay), "") }),
		list(hide, "the overlay is left out of the page", overlaid, func(d *suiteDoc) {
			d.contents = "4 0 R"
			d.update(map[int]string{objPage: d.page()})
		}),
		list(hide, "the overlay's form is emptied", asForm, func(d *suiteDoc) { d.update(map[int]string{d.overlay: look(1, 1, "")}) }),
		list(hide, "the overlay's form is freed", asForm, func(d *suiteDoc) { d.section(fmt.Sprintf("%d 1\n0000000000 00001 f \n", d.overlay), "") }),
		list(hide, "the stamp over the sum is removed", asStamp, func(d *suiteDoc) {
			d.notes = nil
			d.update(map[int]string{objPage: d.page()})
		}),
		list(hide, "the stamp over the sum is hidden", asStamp, func(d *suiteDoc) { d.update(map[int]string{d.overlay: d.edited(d.overlay, "/F 4", "/F 2")}) }),
		list(hide, "the stamp's look is emptied", asStamp, func(d *suiteDoc) { d.update(map[int]string{d.prepared: look(330, 22, "")}) }),
		list(hide, "the overlay's layer is switched off", asLayer, func(d *suiteDoc) {
			d.ofCatalog = strings.Replace(d.ofCatalog, "/ON [", "/OFF [", 1)
			d.update(map[int]string{objCatalog: d.catalog()})
		}),
		list(replace, "the font's encoding is turned round", nil, func(d *suiteDoc) {
			d.update(map[int]string{objFont: strings.Replace(d.objects[objFont], "/WinAnsiEncoding", "<< /Type /Encoding /Differences [48 /nine /eight] >>", 1)})
		}),
		list(replace, "another font file is embedded", nil, func(d *suiteDoc) {
			n, m := d.next(), d.next()
			d.update(map[int]string{objFont: d.with(objFont, fmt.Sprintf(" /FontDescriptor %d 0 R", n)), n: fmt.Sprintf("<< /Type /FontDescriptor /FontName /Times-Roman /Flags 4 /FontFile %d 0 R >>", m), m: stream("x", "")})
		}),
		list(replace, "the page's resources name another font", nil, func(d *suiteDoc) {
			n := d.next()
			d.resources = strings.Replace(d.resources, "/F1 6 0 R", fmt.Sprintf("/F1 %d 0 R", n), 1)
			d.update(map[int]string{n: strings.Replace(d.objects[objFont], "Times-Roman", "Symbol", 1), objPage: d.page()})
		}),
		list(replace, "the letters stand for others when copied", nil, func(d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{objFont: d.with(objFont, fmt.Sprintf(" /ToUnicode %d 0 R", n)), n: stream("1 beginbfchar <31> <0039> endbfchar", "")})
		}),
		list(replace, "a picture is replaced", nil, func(d *suiteDoc) {
			d.update(map[int]string{objLogo: strings.Replace(d.objects[objLogo], "\xd0", "\x00", 1)})
		}),
		list(replace, "a picture gets a mask", nil, func(d *suiteDoc) {
			d.update(map[int]string{objLogo: strings.Replace(d.objects[objLogo], "/Width", "/Mask [0 255] /Width", 1)})
		}),
		list(replace, "the stamp shows another sum", asStamp, func(d *suiteDoc) {
			d.update(map[int]string{d.prepared: look(330, 22, line("Dieu 1. 9.000.000.000 dong."))})
		}),
		list(both, "the page changes to content that waited", waiting, func(d *suiteDoc) {
			d.contents = fmt.Sprintf("%d 0 R", d.prepared)
			d.update(map[int]string{objPage: d.page()})
		}),
		list(both, "the cross-reference changes to content that waited", waiting, func(d *suiteDoc) {
			d.section(fmt.Sprintf("4 1\n%010d 00000 n \n", d.offsets[d.prepared]), "")
		}),
		list(both, "a second object of the content's number waited in a stream", func(d *suiteDoc, first map[int]string) {
			d.prepared = d.next()
			first[d.prepared] = stream("\n4 0 obj\n"+stream(strings.Replace(contentText, "1.000.000.000", "9.000.000.000", 1), "")+"\nendobj\n", "")
		}, func(d *suiteDoc) {
			at := d.offsets[d.prepared] + strings.Index(string(d.data[d.offsets[d.prepared]:]), "4 0 obj")
			d.section(fmt.Sprintf("4 1\n%010d 00000 n \n", at), "")
		}),
	}
}

func eaaAttacks() []attack {
	const family = "EAA"
	list := func(p int, name, rect, entries, content string) attack {
		return attack{family: family, name: fmt.Sprintf("P=%d: %s", p, name), p: p, codes: forbidden, edit: func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			if content != "" {
				entries += " " + d.looks(objects, 325, 30, content)
			}
			d.comment(objects, "/Rect ["+rect+"] "+entries)
			d.update(objects)
		}}
	}
	white := "1 g 0 0 325 30 re f"
	return []attack{
		list(0, "a highlight where nothing is certified", rectSum, "/Subtype /Highlight /QuadPoints [55 720 380 720 55 690 380 690]", ""),
		list(1, "a highlight", rectSum, "/Subtype /Highlight /QuadPoints [55 720 380 720 55 690 380 690]", ""),
		list(2, "a note", "400 700 418 718", "/Subtype /Text /Contents (x)", ""),
		list(3, "free text over the sum", rectSum, "/Subtype /FreeText /DA (/F1 13 Tf 0 g) /Contents (9.000.000.000)", white+" 0 g "+line("Dieu 1. 9.000.000.000 dong")),
		list(3, "free text over the sum that the reader draws", rectSum, "/Subtype /FreeText /DA (/F1 13 Tf 0 g) /Contents (9.000.000.000)", ""),
		list(3, "a stamp over the sum", rectSum, "/Subtype /Stamp /Name /Draft", white+" "+line("Dieu 1. 9.000.000.000 dong")),
		list(3, "a square filled white over the sum", rectSum, "/Subtype /Square /IC [1 1 1] /C [1 1 1]", ""),
		list(3, "a square with a white look over the sum", rectSum, "/Subtype /Square", white),
		list(3, "a highlight that writes", rectSum, "/Subtype /Highlight /QuadPoints [55 720 380 720 55 690 380 690]", line("Dieu 1. 9.000.000.000 dong")),
		list(3, "a highlight that hides", rectSum, "/Subtype /Highlight /QuadPoints [55 720 380 720 55 690 380 690]", white),
		list(3, "a line struck through as thick as the text", rectSum, "/Subtype /StrikeOut /QuadPoints [55 720 380 720 55 690 380 690]", "1 G 26 w 0 15 m 325 15 l S"),
		list(3, "ink as thick as the text", rectSum, "/Subtype /Ink /InkList [[60 705 370 705]] /BS << /W 30 >> /IC [1]", ""),
		list(3, "a note as large as an article", rectPara, "/Subtype /Text /Contents (x)", white),
		list(3, "a pop-up window with a look", rectSum, "/Subtype /Popup", white),
		list(3, "a redaction", rectSum, "/Subtype /Redact /QuadPoints [55 720 380 720 55 690 380 690]", white),
		list(3, "a watermark", rectSum, "/Subtype /Watermark", white),
		list(3, "an attached file", "400 700 418 718", "/Subtype /FileAttachment /FS << /Type /Filespec /F (a.exe) >>", ""),
		list(3, "a link", rectSum, "/Subtype /Link /A << /S /URI /URI (http://x.vn) >>", ""),
		list(3, "a note with a script", "400 700 418 718", "/Subtype /Text /Contents (x) /A << /S /JavaScript /JS (x) >>", ""),
		list(3, "a note in a layer", "400 700 418 718", "/Subtype /Text /Contents (x) /OC << /Type /OCG /Name (l) >>", ""),
		list(3, "a picture as a caret", rectSum, "/Subtype /Caret", "BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI"),
		{family: family, name: "P=3: a comment in the margin moves over the sum", p: 3, codes: forbidden, edit: func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			n := d.comment(objects, "/Rect ["+rectMargin+"] /Subtype /FreeText /DA (/F1 12 Tf 0 g) /Contents (ok) "+d.looks(objects, 130, 30, line("ok")))
			d.update(objects)
			d.update(map[int]string{n: d.edited(n, rectMargin, rectSum)})
		}},
		{family: family, name: "P=3: a comment of the signed document is removed", p: 3, codes: forbidden, prepare: func(d *suiteDoc, first map[int]string) {
			n := d.next()
			d.notes = append(d.notes, n)
			first[n] = "<< /Type /Annot /Subtype /FreeText /F 4 /P 3 0 R /DA (/F1 12 Tf 0 g) /Contents (chua duyet) /Rect [" + rectMargin + "] >>"
		}, edit: func(_ *world, d *suiteDoc) {
			d.notes = nil
			d.update(map[int]string{objPage: d.page()})
		}},
	}
}

func ssaAttacks() []attack {
	const family = "SSA"
	covered := []validate.Code{validate.CodeCovered}
	white := "1 g 0 0 325 30 re f 0 g " + line("Dieu 1. 9.000.000.000 dong")
	unsigned := func(p int, name, entries string) attack {
		return attack{family: family, name: fmt.Sprintf("P=%d: %s", p, name), p: p, codes: forbidden, edit: func(_ *world, d *suiteDoc) {
			n := d.next()
			d.fields = append(d.fields, n)
			objects := map[int]string{}
			objects[n] = "<< /Type /Annot /Subtype /Widget /T (moi) /F 4 /P 3 0 R /Rect [" + rectSum + "] " + d.looks(objects, 325, 30, white) + " " + entries + " >>"
			objects[objForm], objects[objPage] = d.form(), d.page()
			d.update(objects)
		}}
	}
	signed := func(p int, name string, codes []validate.Code, who func(w *world) int, rect, looks string) attack {
		return attack{family: family, name: fmt.Sprintf("P=%d: %s", p, name), p: p, codes: codes, edit: func(w *world, d *suiteDoc) {
			by := w.stranger
			if who(w) == 1 {
				by = w.clerk
			}
			w.sign(d, by, func(s *signing) { s.rect, s.looks = rect, look(325, 30, looks) })
		}}
	}
	stranger, clerk := func(*world) int { return 0 }, func(*world) int { return 1 }
	return []attack{
		unsigned(0, "an unsigned signature field with a picture", "/FT /Sig"),
		unsigned(2, "an unsigned signature field with a picture", "/FT /Sig"),
		unsigned(2, "a signature that is none", "/FT /Sig /V << /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /ByteRange [0 1 2 3] /Contents <00> >>"),
		unsigned(2, "a text field", "/FT /Tx /V (9)"),
		unsigned(2, "a button", "/FT /Btn /Ff 65536"),
		unsigned(2, "a signature field with an action", "/FT /Sig /AA << /E << /S /JavaScript /JS (x) >> >>"),
		signed(0, "a stranger's signature hides the sum", covered, stranger, rectSum, white),
		signed(2, "a stranger's signature hides the sum", covered, stranger, rectSum, white),
		signed(2, "a stranger's signature writes over the sum", covered, stranger, rectSum, line("Dieu 1. 9.000.000.000 dong")),
		signed(2, "an official's signature hides three articles", covered, clerk, rectPara, white),
		signed(2, "an official's signature with a picture hides three articles", covered, clerk, rectPara, "q 325 0 0 30 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI Q"),
		signed(2, "an official's signature, a disc, hides three articles", covered, clerk, rectPara, "1 g 162 0 m 378 0 378 30 162 30 c -54 30 -54 0 162 0 c f"),
		signed(1, "a visible signature", forbidden, clerk, rectBlank, line("Da ky")),
		{family: family, name: "P=2: a stamp of time hides three articles", p: 2, codes: covered, edit: func(w *world, d *suiteDoc) {
			d.stamp(w.t, w.pki, func(s *signing) { s.rect, s.looks = rectPara, look(325, 30, white) })
		}},
		{family: family, name: "P=2: the signature's own widget grows over the page", p: 2, codes: forbidden, edit: func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.field: d.edited(d.field, "/Rect [0 0 0 0]", "/Rect ["+rectPara+"]")})
		}},
		{family: family, name: "P=2: the signature's own widget gets a look", p: 2, codes: forbidden, edit: func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			objects[d.field] = d.with(d.field, d.looks(objects, 325, 30, white))
			d.update(objects)
		}},
		{family: family, name: "P=2: a widget of the new signature stands elsewhere", p: 2, codes: append(forbidden, covered...), edit: func(w *world, d *suiteDoc) {
			w.sign(d, w.stranger, func(s *signing) {
				kid, parent := d.next(), d.next()
				s.also = map[int]string{}
				s.into = parent
				d.fields = append(d.fields, parent)
				d.objects[parent] = fmt.Sprintf("<< /FT /Sig /T (hai) /Kids [%d 0 R] >>", kid)
				s.also[kid] = fmt.Sprintf("<< /Type /Annot /Subtype /Widget /F 4 /P 3 0 R /Parent %d 0 R /Rect [%s] %s >>", parent, rectSum, d.looks(s.also, 325, 30, white))
			})
		}},
	}
}

func formAttacks() []attack {
	const family = "forms and locks"
	list := func(p int, extra, name string, edit func(w *world, d *suiteDoc)) attack {
		return attack{family: family, name: name, p: p, extra: extra, form: true, codes: forbidden, edit: edit}
	}
	fill := func(n func(d *suiteDoc) int, value, shown string) func(*world, *suiteDoc) {
		return func(_ *world, d *suiteDoc) { d.update(d.fillText(n(d), value, shown)) }
	}
	sum := func(d *suiteDoc) int { return d.in.sum }
	change := func(n func(d *suiteDoc) int, old, new string) func(*world, *suiteDoc) {
		return func(_ *world, d *suiteDoc) { d.update(map[int]string{n(d): d.edited(n(d), old, new)}) }
	}
	return []attack{
		list(1, "", "P=1: a field is filled in", fill(sum, "100", "100")),
		list(2, fieldLock("Include", "(so_tien)"), "a locked field is filled in", fill(sum, "100", "100")),
		list(0, fieldLock("All", ""), "every field is locked and one is filled in", fill(sum, "100", "100")),
		list(0, fieldLock("Exclude", "(ten)"), "all but one are locked and another is filled in", fill(sum, "100", "100")),
		list(0, fieldLock("Include", "(dong_y)"), "a locked button is set", change(func(d *suiteDoc) int { return d.in.agree }, "/V /Off /AS /Off", "/V /Yes /AS /Yes")),
		list(0, fieldLock("Include", "(ky_2)"), "a locked signature field is signed", func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk, func(s *signing) { s.into = d.in.empty })
		}),
		list(0, fieldLock("All", ""), "every field is locked and a new one is signed", func(w *world, d *suiteDoc) { w.sign(d, w.clerk) }),
		list(2, "", "a read-only field is filled in", fill(func(d *suiteDoc) int { return d.in.fixed }, "HS-02", "HS-02")),
		list(2, "", "a field shows something else than its value", fill(sum, "100", "900")),
		list(2, "", "a field looks different though its value stayed", fill(func(d *suiteDoc) int { return d.in.name }, "Nguyen Van B", "Tran Thi C")),
		list(2, "", "the look of a field draws a picture", func(_ *world, d *suiteDoc) {
			objects := d.fillText(d.in.sum, "100", "100")
			for n := range objects {
				if n != d.in.sum {
					objects[n] = look(200, 20, "BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI "+line("100"))
				}
			}
			d.update(objects)
		}),
		list(2, "", "a field is filled in with a stream", func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: stream("100", ""), d.in.sum: d.edited(d.in.sum, "/V ()", fmt.Sprintf("/V %d 0 R", n))})
		}),
		list(2, "", "a push button looks different", func(_ *world, d *suiteDoc) {
			objects := map[int]string{}
			at := strings.Index(d.objects[d.in.button], "/AP")
			objects[d.in.button] = d.objects[d.in.button][:at] + d.looks(objects, 60, 20, line("Xoa")) + " >>"
			d.update(objects)
		}),
		list(2, "", "a check box looks checked when it is not", func(_ *world, d *suiteDoc) {
			text := d.objects[d.in.agree]
			yes := strings.Fields(text[strings.Index(text, "/Yes ")+5:])[0]
			off := strings.Fields(text[strings.LastIndex(text, "/Off ")+5:])[0]
			d.update(map[int]string{d.in.agree: d.edited(d.in.agree, "/Off "+off+" 0 R", "/Off "+yes+" 0 R")})
		}),
		list(2, "", "a check box is set to a look it does not have", change(func(d *suiteDoc) int { return d.in.agree }, "/V /Off /AS /Off", "/V /Khac /AS /Khac")),
		list(2, "", "a field moves over the sum", change(sum, "/Rect [60 530 260 550]", "/Rect ["+rectSum+"]")),
		list(2, "", "a field becomes one of another kind", change(sum, "/FT /Tx", "/FT /Btn")),
		list(2, "", "a field is renamed", change(sum, "/T (so_tien)", "/T (khac)")),
		list(2, "", "a field is hidden", change(func(d *suiteDoc) int { return d.in.name }, "/F 4", "/F 2")),
		list(2, "", "a field gets a script", func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.in.name: d.with(d.in.name, "/AA << /K << /S /JavaScript /JS (x) >> >>")})
		}),
		list(2, "", "a field is removed", func(_ *world, d *suiteDoc) {
			d.fields = append(d.fields[:1:1], d.fields[2:]...)
			d.update(map[int]string{objForm: d.form(), objPage: d.page()})
		}),
		list(2, "", "a choice gets other words", change(func(d *suiteDoc) int { return d.in.choice }, "(Ha Noi) (Hue)", "(Ha Noi) (Vinh)")),
	}
}
