package validate_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/antin-gov/antin/signer/validate"
)

// Attacks on the signature itself: Universal Signature Forgery, Signature
// Wrapping, signature objects used again.

// byteRange is that of the document's first signature, with its text.
func (d *suiteDoc) byteRange() (br [4]int, text string) {
	at := bytes.Index(d.data, []byte("/ByteRange ["))
	end := at + bytes.IndexByte(d.data[at:], ']') + 1
	text = string(d.data[at:end])
	_, err := fmt.Sscanf(text, "/ByteRange [%d %d %d %d]", &br[0], &br[1], &br[2], &br[3])
	if err != nil {
		panic(err)
	}
	return br, text
}

// swap replaces bytes without moving others.
func (d *suiteDoc) swap(old, new string) {
	if len(new) < len(old) {
		new += strings.Repeat(" ", len(old)-len(new))
	}
	if len(old) != len(new) || !bytes.Contains(d.data, []byte(old)) {
		panic(fmt.Sprintf("cannot replace %q by %q", old, new))
	}
	d.data = bytes.Replace(d.data, []byte(old), []byte(new), 1)
}

// newRange writes another byte range into the place of the old one.
func (d *suiteDoc) newRange(format string, values ...any) {
	_, text := d.byteRange()
	at := bytes.Index(d.data, []byte(text))
	place := text
	for d.data[at+len(place)] == ' ' {
		place += " "
	}
	d.swap(place, fmt.Sprintf("/ByteRange "+format, values...))
}

func usfAttacks() []attack {
	const family = "USF"
	list := func(name string, code validate.Code, edit func(d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: []validate.Code{code}, edit: func(_ *world, d *suiteDoc) { edit(d) }}
	}
	return []attack{
		list("the byte range is gone", validate.CodeByteRange, func(d *suiteDoc) { d.swap("/ByteRange", "/ByteRangX") }),
		list("the byte range is null", validate.CodeByteRange, func(d *suiteDoc) { d.newRange("null") }),
		list("the byte range is empty", validate.CodeByteRange, func(d *suiteDoc) { d.newRange("[]") }),
		list("the byte range has three numbers", validate.CodeByteRange, func(d *suiteDoc) {
			br, _ := d.byteRange()
			d.newRange("[0 %d %d]", br[1], br[2])
		}),
		list("the byte range has a negative number", validate.CodeByteRange, func(d *suiteDoc) {
			br, _ := d.byteRange()
			d.newRange("[0 %d -%d %d]", br[1], br[2], br[3])
		}),
		list("the byte range does not begin at the beginning", validate.CodeByteRange, func(d *suiteDoc) {
			br, _ := d.byteRange()
			d.newRange("[9 %d %d %d]", br[1]-9, br[2], br[3])
		}),
		list("the byte range covers nothing", validate.CodeByteRange, func(d *suiteDoc) { d.newRange("[0 0 0 0]") }),
		list("the byte range ends behind the file", validate.CodeByteRange, func(d *suiteDoc) {
			br, _ := d.byteRange()
			d.newRange("[0 %d %d %d]", br[1], br[2], br[3]+9)
		}),
		list("the byte range is of reals", validate.CodeByteRange, func(d *suiteDoc) {
			br, _ := d.byteRange()
			d.newRange("[0 %d. %d. %d.]", br[1], br[2], br[3])
		}),
		list("the contents are gone", validate.CodeNoContents, func(d *suiteDoc) { d.swap("/Contents <", "/ContentX <") }),
		list("the contents are all zero", validate.CodeContainer, func(d *suiteDoc) {
			br, _ := d.byteRange()
			copy(d.data[br[1]+1:], bytes.Repeat([]byte("0"), br[2]-br[1]-2))
		}),
		list("the contents are an empty string", validate.CodeNoContents, func(d *suiteDoc) {
			br, _ := d.byteRange()
			copy(d.data[br[1]:], append([]byte("<>"), bytes.Repeat([]byte(" "), br[2]-br[1]-2)...))
		}),
		list("the contents are null", validate.CodeNoContents, func(d *suiteDoc) {
			br, _ := d.byteRange()
			copy(d.data[br[1]:], append([]byte("null"), bytes.Repeat([]byte(" "), br[2]-br[1]-4)...))
		}),
		list("the type of the signature is unknown", validate.CodeSubFilter, func(d *suiteDoc) { d.swap("/ETSI.CAdES.detached", "/ETSI.CAdES.detacheX") }),
		list("the type of the signature is gone", validate.CodeSubFilter, func(d *suiteDoc) { d.swap("/SubFilter", "/SubFilteX") }),
	}
}

func swaAttacks() []attack {
	const family = "SWA"
	gap := []validate.Code{validate.CodeGap, validate.CodePlace}
	list := func(name string, codes []validate.Code, edit func(d *suiteDoc, br [4]int)) attack {
		return attack{family: family, name: name, codes: codes, edit: func(_ *world, d *suiteDoc) {
			br, _ := d.byteRange()
			edit(d, br)
		}}
	}
	return []attack{
		list("the gap is wider than the value", gap, func(d *suiteDoc, br [4]int) { d.newRange("[0 %d %d %d]", br[1], br[2]+2, br[3]-2) }),
		list("the gap begins before the value", gap, func(d *suiteDoc, br [4]int) { d.newRange("[0 %d %d %d]", br[1]-10, br[2], br[3]) }),
		list("an entry stands in the gap", gap, func(d *suiteDoc, br [4]int) { copy(d.data[br[2]-21:], "> /X (hidden) /Y <00") }),
		list("an object stands in the gap", gap, func(d *suiteDoc, br [4]int) {
			copy(d.data[br[2]-40:], "> >> endobj 9 0 obj << /X (hidden) /Y <0")
		}),
		list("a second byte range stands in the gap", append(gap, validate.CodeByteRange), func(d *suiteDoc, br [4]int) {
			inserted := "5 0 obj << /Fields [] >> endobj\n"
			copy(d.data[br[2]-80:], fmt.Sprintf("> /ByteRange [0 %d %d %d] /Y <", br[1], br[2]+len(inserted), br[3]))
			d.data = append(d.data[:br[2]:br[2]], append([]byte(inserted), d.data[br[2]:]...)...)
		}),
		list("white space stands in the gap", gap, func(d *suiteDoc, br [4]int) { copy(d.data[br[2]-5:], "  00>") }),
		list("a cross-reference stands in the gap and startxref leads to it", append(gap, validate.CodeByteRange), func(d *suiteDoc, br [4]int) {
			at := br[2] - 400
			copy(d.data[at:], fmt.Sprintf("> \nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n<", d.size, d.prev))
			end := bytes.LastIndex(d.data, []byte("startxref\n"))
			d.data = append(d.data[:end:end], fmt.Sprintf("startxref\n%d\n%%%%EOF\n", at+3)...)
		}),
		list("hidden data stands behind the container", []validate.Code{validate.CodeContainer}, func(d *suiteDoc, br [4]int) { d.data[br[2]-2] = '1' }),
		list("bytes are put in before the second part", []validate.Code{validate.CodeGap, validate.CodeDigest}, func(d *suiteDoc, br [4]int) {
			d.data = append(d.data[:br[2]:br[2]], append([]byte(" /X (hidden) "), d.data[br[2]:]...)...)
		}),
	}
}

func recycledAttacks() []attack {
	const family = "recycled signatures"
	list := func(name string, codes []validate.Code, edit func(w *world, d *suiteDoc)) attack {
		return attack{family: family, name: name, codes: codes, edit: edit}
	}
	again := func(d *suiteDoc, value string, more map[int]string) {
		n := d.next()
		d.fields = append(d.fields, n)
		objects := map[int]string{n: fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (lai) /F 132 /Rect [0 0 300 300] /P 3 0 R /V %s >>", value)}
		for n, text := range more {
			objects[n] = text
		}
		objects[objForm], objects[objPage] = d.form(), d.page()
		d.update(objects)
	}
	// The signature as it stands in the file, with its real value.
	real := func(d *suiteDoc) string {
		at := d.offsets[d.signature]
		text := d.data[at : at+bytes.Index(d.data[at:], []byte("\nendobj"))]
		return string(text[bytes.IndexByte(text, '\n')+1:])
	}
	return []attack{
		list("a new field has the same signature", []validate.Code{validate.CodeRecycled}, func(_ *world, d *suiteDoc) { again(d, fmt.Sprintf("%d 0 R", d.signature), nil) }),
		list("a new field has a copy of the signature", []validate.Code{validate.CodeRecycled}, func(_ *world, d *suiteDoc) {
			n := d.next()
			again(d, fmt.Sprintf("%d 0 R", n), map[int]string{n: real(d)})
		}),
		list("the field has a copy of its signature", []validate.Code{validate.CodePlace}, func(_ *world, d *suiteDoc) {
			n := d.next()
			d.update(map[int]string{n: real(d), d.field: d.edited(d.field, fmt.Sprintf("/V %d 0 R", d.signature), fmt.Sprintf("/V %d 0 R", n))})
		}),
		list("the signature moved to a field of another name", forbidden, func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.field: d.edited(d.field, "/T (", "/T (X")})
		}),
		list("the value of another document is put into a new signature", []validate.Code{validate.CodeDigest}, func(w *world, d *suiteDoc) {
			other := office(false, false, nil)
			w.sign(other, w.leader)
			br, _ := other.byteRange()
			w.sign(d, w.clerk)
			at := bytes.LastIndex(d.data, []byte("/Contents <")) + len("/Contents <")
			copy(d.data[at:], other.data[br[1]+1:br[2]-1])
		}),
		list("the field's signature is replaced by another person's", []validate.Code{validate.CodeRemoved, validate.CodeChangesForbidden}, func(w *world, d *suiteDoc) {
			w.sign(d, w.clerk)
			d.fields = d.fields[:1]
			d.update(map[int]string{d.field: d.edited(d.field, fmt.Sprintf("/V %d 0 R", d.signature), fmt.Sprintf("/V %d 0 R", d.size-1)), objForm: d.form(), objPage: d.page()})
		}),
		list("the field loses its signature", []validate.Code{validate.CodeRemoved}, func(_ *world, d *suiteDoc) {
			d.update(map[int]string{d.field: d.edited(d.field, fmt.Sprintf("/V %d 0 R", d.signature), "")})
		}),
	}
}
