package validate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

// The documents of the suites: one page of an agency with a title, articles,
// a sum of money, a logo, and if wanted a form. They are written by the little
// writer of these tests.

// objects of the suites' documents, before objFree.
const (
	objFont = 6
	objLogo = 7
)

// where things stand on the page.
const (
	rectSum    = "55 690 380 720"  // over the sum of money
	rectPara   = "55 620 540 720"  // over three articles
	rectBlank  = "320 110 500 190" // where a leader signs
	rectSeal   = "280 120 380 220" // a third of it, and blank paper
	rectMargin = "430 640 560 670"
	rectCopy   = "380 805 580 835" // where copies are marked
)

const contentText = "BT /F1 13 Tf 60 780 Td (UY BAN NHAN DAN TINH) Tj ET\n" +
	"BT /F1 13 Tf 60 700 Td (Dieu 1. Cap kinh phi 1.000.000.000 dong.) Tj 0 -24 Td (Dieu 2. Thuc hien tu ngay 01/12/2026.) Tj 0 -24 Td (Dieu 3. Chanh Van phong chiu trach nhiem.) Tj ET\n" +
	"BT /F1 13 Tf 380 200 Td (CHU TICH) Tj 0 -110 Td (Nguyen Van A) Tj ET\n" +
	"q 50 0 0 50 480 740 cm /Logo Do Q\n"

// inputs are the numbers of the form's objects.
type inputs struct {
	name, sum, agree, choice, fixed, button, radio, yes, no, empty int
}

// suiteDoc is a document of the suites.
type suiteDoc struct {
	*pdf
	in                inputs
	field, signature  int // of the first signature
	overlay, prepared int // what a test put in before the signature
	tags              struct{ root, document, paragraph, parents, next int }
}

// office writes the first revision. prepare may change the objects before.
func office(withForm, streams bool, prepare func(d *suiteDoc, first map[int]string)) *suiteDoc {
	d := &suiteDoc{pdf: blankPDF()}
	d.streams = streams
	d.resources = "<< /Font << /F1 6 0 R >> /XObject << /Logo 7 0 R >> >>"
	first := map[int]string{
		objPages:   "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		objContent: stream(contentText, ""),
		objFont:    "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding /WinAnsiEncoding >>",
		objLogo:    stream("\xd0", " /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"),
	}
	if withForm {
		d.addForm(first)
	}
	if prepare != nil {
		prepare(d, first)
	}
	for n, text := range map[int]string{objCatalog: d.catalog(), objPage: "", objForm: d.form()} {
		if first[n] == "" {
			first[n] = text
		}
	}
	// The page lists what the form's objects say of their kids.
	for n, text := range first {
		d.objects[n] = text
	}
	if first[objPage] == "" {
		first[objPage] = d.page()
	}
	d.update(first)
	return d
}

// look is a form XObject that writes a line.
func look(width, height int, content string) string {
	return stream(content, fmt.Sprintf(" /Type /XObject /Subtype /Form /BBox [0 0 %d %d] /Resources << /Font << /F1 6 0 R >> >>", width, height))
}

func line(text string) string { return "BT /F1 12 Tf 2 6 Td (" + text + ") Tj ET" }

func (d *suiteDoc) addForm(first map[int]string) {
	add := func(text string) int {
		n := d.next()
		first[n] = text
		return n
	}
	input := func(name, rect, value, more string) int {
		n := add(fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Tx /T (%s) /F 4 /P 3 0 R /Rect [%s] /DA (/F1 12 Tf 0 g) /V (%s) /AP << /N %d 0 R >>%s >>",
			name, rect, value, add(look(200, 20, line(value))), more))
		d.fields = append(d.fields, n)
		return n
	}
	box, blank := add(look(20, 20, "0 0 20 20 re S")), add(look(20, 20, ""))
	d.in.name = input("ten", "60 560 260 580", "Nguyen Van B", "")
	d.in.sum = input("so_tien", "60 530 260 550", "", "")
	d.in.fixed = input("ma_so", "60 500 260 520", "HS-01", " /Ff 1")
	states := fmt.Sprintf("/AP << /N << /Yes %d 0 R /Off %d 0 R >> >>", box, blank)
	d.in.agree = add("<< /Type /Annot /Subtype /Widget /FT /Btn /T (dong_y) /F 4 /P 3 0 R /Rect [60 470 80 490] /V /Off /AS /Off " + states + " >>")
	d.in.choice = add(fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Ch /Ff 131072 /T (tinh) /F 4 /P 3 0 R /Rect [60 440 260 460] /DA (/F1 12 Tf 0 g) /Opt [(Ha Noi) (Hue)] /V (Hue) /AP << /N %d 0 R >> >>",
		add(look(200, 20, line("Hue")))))
	d.in.button = add(fmt.Sprintf("<< /Type /Annot /Subtype /Widget /FT /Btn /Ff 65536 /T (in) /F 4 /P 3 0 R /Rect [300 440 360 460] /AP << /N %d 0 R >> >>", add(look(60, 20, line("In")))))
	d.in.radio = d.next()
	kid := func(state, rect string) int {
		return add(fmt.Sprintf("<< /Type /Annot /Subtype /Widget /F 4 /P 3 0 R /Parent %d 0 R /Rect [%s] /AS /Off /AP << /N << /%s %d 0 R /Off %d 0 R >> >> >>", d.in.radio, rect, state, box, blank))
	}
	d.in.yes, d.in.no = kid("Co", "60 410 80 430"), kid("Khong", "90 410 110 430")
	first[d.in.radio] = fmt.Sprintf("<< /FT /Btn /Ff 49152 /T (lua_chon) /V /Off /Kids [%d 0 R %d 0 R] >>", d.in.yes, d.in.no)
	d.in.empty = add("<< /Type /Annot /Subtype /Widget /FT /Sig /T (ky_2) /F 4 /P 3 0 R /Rect [" + rectBlank + "] >>")
	d.fields = append(d.fields, d.in.agree, d.in.choice, d.in.button, d.in.radio, d.in.empty)
	d.ofForm = " /DR << /Font << /F1 6 0 R >> >> /DA (/F1 12 Tf 0 g)"
}

// tagged makes the document one with a structure tree.
func tagged(d *suiteDoc, first map[int]string) {
	t := &d.tags
	t.root, t.document, t.paragraph, t.parents, t.next = d.next(), d.next(), d.next(), d.next(), 1
	d.ofCatalog += fmt.Sprintf(" /MarkInfo << /Marked true >> /StructTreeRoot %d 0 R", t.root)
	d.ofPage = " /StructParents 0 /Tabs /S"
	first[objContent] = stream("/P << /MCID 0 >> BDC\n"+contentText+"EMC", "")
	first[t.root] = fmt.Sprintf("<< /Type /StructTreeRoot /K %d 0 R /ParentTree %d 0 R /ParentTreeNextKey 1 >>", t.document, t.parents)
	first[t.document] = fmt.Sprintf("<< /Type /StructElem /S /Document /P %d 0 R /K [%d 0 R] >>", t.root, t.paragraph)
	first[t.paragraph] = fmt.Sprintf("<< /Type /StructElem /S /P /P %d 0 R /Pg 3 0 R /K 0 >>", t.document)
	first[t.parents] = fmt.Sprintf("<< /Nums [0 [%d 0 R]] >>", t.paragraph)
}

// tag adds an element of the structure for an annotation.
func (d *suiteDoc) tag(objects map[int]string, annotation int, element string) {
	n, t := d.next(), d.tags
	objects[n] = fmt.Sprintf("<< /Type /StructElem /P %d 0 R %s /K << /Type /OBJR /Obj %d 0 R /Pg 3 0 R >> >>", t.document, element, annotation)
	objects[t.document] = d.edited(t.document, "]", fmt.Sprintf(" %d 0 R]", n))
	objects[t.root] = d.edited(t.root, fmt.Sprintf("NextKey %d", t.next), fmt.Sprintf("NextKey %d", t.next+1))
	objects[t.parents] = d.edited(t.parents, "] >>", fmt.Sprintf(" %d %d 0 R] >>", t.next, n))
	d.tags.next++
}

// tagging is a signature whose widget gets its place in the structure.
func (d *suiteDoc) tagging(element string) func(*signing) {
	return func(s *signing) {
		s.also = map[int]string{}
		s.entries = fmt.Sprintf(" /StructParent %d", d.tags.next)
		d.tag(s.also, d.size+1, element) // the field is the next object but one
	}
}

// edited is an object with one text in it replaced.
func (d *suiteDoc) edited(n int, old, new string) string {
	if !strings.Contains(d.objects[n], old) {
		panic(fmt.Sprintf("object %d has no %q: %s", n, old, d.objects[n]))
	}
	return strings.Replace(d.objects[n], old, new, 1)
}

// with is an object with entries added to its dictionary.
func (d *suiteDoc) with(n int, entries string) string {
	return strings.TrimSuffix(d.objects[n], ">>") + entries + " >>"
}

// fillText is what filling in a text field writes.
func (d *suiteDoc) fillText(n int, value, shown string) map[int]string {
	looks := d.next()
	text := d.objects[n]
	at := strings.Index(text, "/V (")
	end := at + strings.Index(text[at:], ")") + 1
	text = text[:at] + "/V (" + value + ")" + text[end:]
	at = strings.Index(text, "/AP <<")
	end = at + strings.Index(text[at:], ">>") + 2
	text = text[:at] + fmt.Sprintf("/AP << /N %d 0 R >>", looks) + text[end:]
	return map[int]string{n: text, looks: look(200, 20, line(shown))}
}

// comment adds an annotation that is no field and gives its number.
func (d *suiteDoc) comment(objects map[int]string, entries string) int {
	n := d.next()
	d.notes = append(d.notes, n)
	objects[n] = "<< /Type /Annot /P 3 0 R /F 4 " + entries + " >>"
	objects[objPage] = d.page()
	return n
}

// looks adds a form XObject and gives the entry that refers to it.
func (d *suiteDoc) looks(objects map[int]string, width, height int, content string) string {
	n := d.next()
	objects[n] = look(width, height, content)
	return fmt.Sprintf("/AP << /N %d 0 R >>", n)
}

// world is who signs in the suites.
type world struct {
	t                       testing.TB
	pki                     *trusttest.PKI
	leader, clerk, stranger cms.Params
	options                 validate.Options
}

func newWorld(t testing.TB) *world {
	pki := trusttest.New(t, time.Time{})
	foreign := trusttest.New(t, time.Time{})
	return &world{
		t: t, pki: pki, leader: signer(t, pki, "Nguyễn Văn A"), clerk: signer(t, pki, "Ủy ban nhân dân tỉnh"), stranger: signer(t, foreign, "Nguyễn Văn A"),
		options: validate.Options{Store: pki.Store(t), Collector: pki.Collector(), Clock: pki.Clock},
	}
}

// sign lets somebody sign.
func (w *world) sign(d *suiteDoc, who cms.Params, edits ...func(*signing)) {
	who.Timestamp = nil
	field, signature := d.pades(w.t, who, nil, edits...)
	if d.signature == 0 {
		d.field, d.signature = field, signature
	}
}

// stamped lets somebody sign with a time-stamp.
func (w *world) stamped(d *suiteDoc, who cms.Params) {
	who.Timestamp = (&tsp.Client{URL: w.pki.TSAURL()}).Timestamp
	field, signature := d.pades(w.t, who, nil)
	if d.signature == 0 {
		d.field, d.signature = field, signature
	}
}

// certify lets the leader certify with a permission; 0 is an ordinary signature.
func (w *world) certify(d *suiteDoc, p int, extra string) {
	w.sign(d, w.leader, func(s *signing) {
		s.extra = extra
		if p == 0 {
			return
		}
		s.extra = strings.Replace(extra, "/Reference [", fmt.Sprintf("/Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /P %d /V /1.2 >> >> ", p), 1)
		if extra == "" {
			s.extra = fmt.Sprintf(" /Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /P %d /V /1.2 >> >>]", p)
		}
		d.ofCatalog += fmt.Sprintf(" /Perms << /DocMDP %d 0 R >>", d.size+1)
		s.also = map[int]string{objCatalog: d.catalog()}
	})
}

// fieldLock is a FieldMDP reference.
func fieldLock(action, fields string) string {
	return fmt.Sprintf(" /Reference [<< /Type /SigRef /TransformMethod /FieldMDP /TransformParams << /Type /TransformParams /V /1.2 /Action /%s /Fields [%s] >> >>]", action, fields)
}
