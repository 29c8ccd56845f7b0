package validate_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"crypto"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/validate"
)

// maxBomb is the largest file of these tests, and maxBombMemory what judging it
// may take.
const (
	maxBomb       = 128 << 10
	maxBombMemory = 100 << 20
)

// deflated is n zeros after some rounds of zlib.
func deflated(t testing.TB, n, rounds int) string {
	t.Helper()
	return packed(t, bytes.Repeat([]byte{0}, n), rounds)
}

// repeated is a text repeated up to n bytes, packed.
func repeated(t testing.TB, text string, n int) string {
	t.Helper()
	return packed(t, bytes.Repeat([]byte(text), n/len(text)), 1)
}

func packed(t testing.TB, data []byte, rounds int) string {
	t.Helper()
	for range rounds {
		var b bytes.Buffer
		z, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, err = z.Write(data)
		if err != nil {
			t.Fatal(err)
		}
		err = z.Close()
		if err != nil {
			t.Fatal(err)
		}
		data = b.Bytes()
	}
	return string(data)
}

// bombs are small files that ask for a great deal of work.
func bombs(t testing.TB, p *trusttest.PKI) map[string][]byte {
	t.Helper()
	params := signer(t, p, "Nguyễn Văn Bom")
	base := newPDF()
	base.pades(t, params, nil)
	// later is the signed document with a revision of these objects.
	later := func(objects map[int]string) []byte {
		c := base.clone()
		c.update(objects)
		return c.data
	}
	hundred, twice := deflated(t, 90<<20, 1), deflated(t, 60<<20, 2)
	all := map[string][]byte{
		"pdf: a page's content of 90 MB":        later(map[int]string{objContent: stream(hundred, " /Filter /FlateDecode")}),
		"pdf: a content deflated twice":         later(map[int]string{objContent: stream(twice, " /Filter [/FlateDecode /FlateDecode]")}),
		"pdf: a content by run length":          later(map[int]string{objContent: stream(strings.Repeat("\x81q", 50_000), " /Filter /RunLengthDecode")}),
		"pdf: a predictor of columns of 2 GB":   later(map[int]string{objContent: stream(deflated(t, 1<<20, 1), " /Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 2147483647 >>")}),
		"pdf: arrays in arrays":                 later(map[int]string{objCatalog: strings.Repeat("[", 100_000)}),
		"pdf: dictionaries in dictionaries":     later(map[int]string{objForm: strings.Repeat("<</A", 25_000)}),
		"pdf: a content of open states":         later(map[int]string{objContent: stream(strings.Repeat("q ", 50_000), "")}),
		"pdf: an array of references to itself": later(map[int]string{objForm: "<< /Fields [" + strings.Repeat("5 0 R ", 15_000) + "] >>"}),
		"pdf: one signature in many fields":     later(map[int]string{objForm: "<< /SigFlags 3 /Fields [" + strings.Repeat(fmt.Sprintf("%d 0 R ", base.fields[0]), 10_000) + "] >>"}),
		"pdf: pages that hold each other":       later(map[int]string{objPages: "<< /Type /Pages /Count 9999999 /Kids [" + strings.Repeat("2 0 R 3 0 R ", 5_000) + "] >>"}),
	}

	// Each form draws the next one many times.
	forms := map[int]string{}
	for n := 100; n < 140; n++ {
		forms[n] = stream(strings.Repeat("/X Do ", 10), fmt.Sprintf(" /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X %d 0 R >> >>", n+1))
	}
	forms[140] = stream("0 0 9 9 re f", " /Type /XObject /Subtype /Form /BBox [0 0 9 9]")
	forms[objPage] = strings.Replace(base.page(), "/Resources << >>", "/Resources << /XObject << /X 100 0 R >> >>", 1)
	forms[objContent] = stream("/X Do", "")
	all["pdf: forms that draw forms that draw forms"] = later(forms)
	// A second signature that is seen lies over what the first one covers.
	for name, content := range map[string]map[int]string{
		"forms that draw forms": forms, "a content of 60 MB": {objContent: stream(deflated(t, 60<<20, 1), " /Filter /FlateDecode")},
		"a content deflated twice": {objContent: stream(twice, " /Filter [/FlateDecode /FlateDecode]")},
		"open states":              {objContent: stream(strings.Repeat("q ", 35_000), "")},
		"ten thousand texts":       {objContent: stream("BT "+strings.Repeat("(aaa)Tj ", 7_000)+"ET", "")},
		"many million texts":       {objContent: stream(repeated(t, "(a)Tj ", 7<<20), " /Filter /FlateDecode")},
	} {
		c := newPDF()
		c.update(content)
		c.update(map[int]string{70: stream("1 0 0 rg 0 0 400 700 re f", " /Type /XObject /Subtype /Form /BBox [0 0 400 700]")})
		c.pades(t, params, nil)
		c.pades(t, params, nil, func(s *signing) { s.rect = "10 10 410 710] /AP << /N 70 0 R >> /Border [0 0 0" })
		all["pdf: a signature over "+name] = c.data
	}
	c := newPDF()
	texts := stream(repeated(t, "(a)Tj ", 3<<20), " /Filter /FlateDecode /Type /XObject /Subtype /Form /BBox [0 0 400 700]")
	c.update(map[int]string{objContent: texts, 70: texts})
	c.pades(t, params, nil)
	c.pades(t, params, nil, func(s *signing) { s.rect = "10 10 410 710] /AP << /N 70 0 R >> /Border [0 0 0" })
	all["pdf: a signature of texts over as many texts"] = c.data

	revisions := base.clone()
	for range 400 {
		revisions.update(map[int]string{objContent: stream("", "")})
	}
	all["pdf: four hundred revisions"] = revisions.data

	// A signed document with a cross-reference stream and an object stream.
	for name, filter := range map[string]string{"a cross-reference stream of 90 MB": "/Type /XRef /W [1 4 2] /Size 9999999 /Root 1 0 R", "an object stream of 90 MB": "/Type /ObjStm /N 9999999 /First 90000000"} {
		c := base.clone()
		at := len(c.data)
		c.data = fmt.Appendf(c.data, "50 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", stream(hundred, " /Filter /FlateDecode "+filter+fmt.Sprintf(" /Prev %d", c.prev)), at)
		all["pdf: "+name] = c.data
	}
	in := base.clone()
	in.update(map[int]string{50: stream(hundred, " /Filter /FlateDecode /Type /ObjStm /N 3 /First 20")})
	at := len(in.data)
	// Objects 1 to 5 are said to lie in the object stream.
	var entries bytes.Buffer
	for n := range 5 {
		entries.Write([]byte{2, 0, 0, 0, 50, 0, byte(n)})
	}
	in.data = fmt.Appendf(in.data, "60 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", stream(entries.String(), fmt.Sprintf(" /Type /XRef /W [1 4 2] /Index [1 5] /Size 61 /Root 1 0 R /Prev %d", in.prev)), at)
	all["pdf: a catalogue in an object stream of 90 MB"] = in.data

	// Signatures that are no signatures: nested DER, and a signer many times.
	deep := newPDF()
	deep.sign(t, signing{subFilter: "ETSI.CAdES.detached", kind: "Sig", contents: func(testing.TB, []byte) []byte { return bytes.Repeat([]byte{0x30, 0x80}, room/2) }})
	all["pdf: a signature of nested sequences"] = deep.data
	all["cms: nested sequences"] = append([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}, bytes.Repeat([]byte{0xa0, 0x80}, 50_000)...)
	octets := append([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80}, bytes.Repeat([]byte{0x24, 0x80}, 50_000)...)
	all["cms: nested octet strings"] = octets
	der, err := cms.Sign(t.Context(), make([]byte, crypto.SHA256.Size()), params)
	if err != nil {
		t.Fatal(err)
	}
	all["cms: a signature with 100 kB behind it"] = append(der, bytes.Repeat([]byte{0x30, 0x80}, 50_000)...)

	xml := func(root, inner, uri, transforms string, references int) string {
		var refs strings.Builder
		for range references {
			fmt.Fprintf(&refs, `<Reference URI="%s"><Transforms>%s</Transforms><DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue>AAAA</DigestValue></Reference>`, uri, transforms)
		}
		return root + inner + `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>` +
			`<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>` + refs.String() + `</SignedInfo><SignatureValue>AAAA</SignatureValue><KeyInfo><X509Data><X509Certificate>` +
			base64.StdEncoding.EncodeToString(params.Chain[0].Raw) + `</X509Certificate></X509Data></KeyInfo></Signature></a>`
	}
	var entities strings.Builder
	entities.WriteString(`<!DOCTYPE a [<!ENTITY e0 "ha">`)
	for n := range 30 {
		fmt.Fprintf(&entities, `<!ENTITY e%d "%s">`, n+1, strings.Repeat(fmt.Sprintf("&e%d;", n), 10))
	}
	entities.WriteString(`]>`)
	const c14n = `<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`
	var names strings.Builder
	for n := range 3000 {
		fmt.Fprintf(&names, ` xmlns:n%d="u:%d"`, n, n)
	}
	all["xml: entities of entities"] = []byte(entities.String() + xml("<a>&e30;", "", "", c14n, 1))
	all["xml: elements in elements"] = []byte(xml("<a>", strings.Repeat("<b>", 10_000)+strings.Repeat("</b>", 10_000), "", c14n, 1))
	all["xml: three hundred references to the whole"] = []byte(xml("<a>", strings.Repeat("<b/>", 8_000), "", c14n, 300))
	all["xml: one transform three hundred times"] = []byte(xml("<a>", strings.Repeat("<b/>", 8_000), "", strings.Repeat(c14n, 300), 1))
	all["xml: three thousand namespaces for each of thousands"] = []byte(xml("<a"+names.String()+">", strings.Repeat("<b/>", 8_000), "", strings.ReplaceAll(c14n, "2001/10/xml-exc-c14n#", "TR/2001/REC-xml-c14n-20010315"), 1))
	all["xml: a name space of 50 kB for each of thousands"] = []byte(xml(`<a xmlns:x="`+strings.Repeat("u", 50_000)+`">`, strings.Repeat("<x:b/>", 8_000), "", c14n, 1))
	all["xml: a transform by a program"] = []byte(xml("<a>", "", "", `<Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform"/></Transform>`, 1))

	zipped := func(write func(z *zip.Writer)) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateHeader(&zip.FileHeader{Name: "mimetype", Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte("application/vnd.etsi.asic-e+zip"))
		if err != nil {
			t.Fatal(err)
		}
		write(z)
		err = z.Close()
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	member := func(z *zip.Writer, name string, size int) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
	}
	all["asic: a member of 90 MB"] = zipped(func(z *zip.Writer) { member(z, "a", 90<<20); member(z, "META-INF/signature.p7s", 10) })
	all["asic: a signature of 90 MB"] = zipped(func(z *zip.Writer) { member(z, "a", 10); member(z, "META-INF/signatures001.xml", 90<<20) })
	all["asic: seven hundred members"] = zipped(func(z *zip.Writer) {
		for n := range 700 {
			member(z, fmt.Sprintf("META-INF/signature%d.p7s", n), 0)
		}
	})
	return all
}

// A bomb may not take more memory than maxBombMemory nor, on a machine that is
// busy and with the race detector, ten times the two seconds that
// ANTIN_BOMB_TIME=2s asks of a quiet one.
func TestASmallFileCannotAskForMuchMemoryOrTime(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	limit := 20 * time.Second
	if s := os.Getenv("ANTIN_BOMB_TIME"); s != "" {
		var err error
		limit, err = time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
	}
	o := validate.Options{Store: p.Store(t), Clock: p.Clock, Content: bytes.NewReader(nil)}
	count, worstTime, worstMemory := 0, time.Duration(0), uint64(0)
	for name, data := range bombs(t, p) {
		if len(data) > maxBomb {
			t.Errorf("%s: the bomb itself has %d bytes", name, len(data))
		}
		took, memory := cost(func() {
			report, err := validate.File(t.Context(), bytes.NewReader(data), int64(len(data)), o)
			if err == nil && report.Verdict == validate.Passed {
				t.Errorf("%s is TOTAL-PASSED", name)
			}
		})
		count, worstTime, worstMemory = count+1, max(worstTime, took), max(worstMemory, memory)
		t.Logf("%-55s %7d bytes %8.3f s %4d MB", name, len(data), took.Seconds(), memory>>20)
		if memory > maxBombMemory {
			t.Errorf("%s takes %d MB", name, memory>>20)
		}
		if took > limit {
			t.Errorf("%s takes %s", name, took)
		}
	}
	t.Logf("%d bombs, at most %.2f s and %d MB", count, worstTime.Seconds(), worstMemory>>20)
}

// cost is the time that work takes and by how much the memory in use grows
// meanwhile, looked at every millisecond.
func cost(work func()) (time.Duration, uint64) {
	runtime.GC()
	inUse := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	total := func() uint64 {
		metrics.Read(inUse)
		return inUse[0].Value.Uint64() + inUse[1].Value.Uint64()
	}
	before := total()
	peak := before
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-tick.C:
				peak = max(peak, total())
			case <-stop:
				tick.Stop()
				peak = max(peak, total())
				return
			}
		}
	}()
	begun := time.Now()
	work()
	took := time.Since(begun)
	close(stop)
	<-stopped
	return took, peak - before
}
