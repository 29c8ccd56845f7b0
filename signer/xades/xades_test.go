package xades_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
	"github.com/antin-gov/antin/signer/xades"
)

const letter = `<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet href="a.xsl"?>
<!-- ghi chú -->
<cv:CongVan xmlns:cv="urn:cv" xmlns="urn:mac-dinh" xmlns:thua="urn:thua" ngay="2026-11-28"
   ten='Sở "Nội vụ" &amp; cơ quan&#10;khác' cv:a="1
2">
  <NoiDung xml:lang="vi"><![CDATA[1 < 2 & 3]]> é &gt; &#13; <cv:x xmlns=""><y b="2" a="1"/></cv:x></NoiDung><!-- trong -->
</cv:CongVan>
<!-- cuối -->
`

func options(t testing.TB, p *trusttest.PKI, key crypto.Signer, level xades.Level) xades.Options {
	client := &tsp.Client{URL: p.TSAURL()}
	return xades.Options{
		Signer: key, Chain: p.Issue(t, "Nguyễn Văn A", key.Public()), Level: level, Timestamp: client.Timestamp,
		Collect: p.Collector().Collect, Now: p.Clock.Now(),
	}
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func judge(t testing.TB, data, content []byte, o validate.Options) *validate.Report {
	t.Helper()
	if content != nil {
		o.Content = bytes.NewReader(content)
	}
	report, err := validate.File(context.Background(), bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.WriteFile(path, data, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// xmlsec runs xmlsec1; Ids are declared by name, as it knows no schema.
func xmlsec(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("xmlsec1", args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

func verifyArgs(root, file string) []string {
	return []string{"--verify", "--trusted-pem", root, "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties",
		"--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:Object", file}
}

func TestEveryPackagingAndLevelIsAcceptedByXmlsecAndByOurVerifier(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	ec, r := trusttest.ECKey(t), rsaKey(t)
	dir := t.TempDir()
	root := write(t, dir, "root.pem", pemOf("CERTIFICATE", p.Root.Raw))
	content := []byte("mã,tên\r\n\x00\x01")
	write(t, dir, "bang csv.bin", content)
	for _, c := range []struct {
		name string
		key  crypto.Signer
		o    xades.Options
	}{
		{"enveloped by ECDSA, B-B", ec, xades.Options{Packaging: xades.Enveloped, Level: xades.LevelB}},
		{"enveloped by RSA, B-LT", r, xades.Options{Packaging: xades.Enveloped, Level: xades.LevelLT, Hash: crypto.SHA512}},
		{"enveloping by ECDSA, B-T", ec, xades.Options{Packaging: xades.Enveloping, Level: xades.LevelT, Hash: crypto.SHA384}},
		{"detached by RSA, B-LT", r, xades.Options{Packaging: xades.Detached, Level: xades.LevelLT, Name: "bang csv.bin"}},
		{"detached by RSA-PSS, B-B", r, xades.Options{Packaging: xades.Detached, Level: xades.LevelB, Name: "bang csv.bin", PSS: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t, p, c.key, c.o.Level)
			o.Packaging, o.Hash, o.PSS, o.Name = c.o.Packaging, c.o.Hash, c.o.PSS, c.o.Name
			data, beside := content, []byte(nil)
			if o.Packaging == xades.Enveloped {
				data = []byte(letter)
			}
			if o.Packaging == xades.Detached {
				beside = content
			}
			result, err := xades.Sign(t.Context(), data, o)
			if err != nil {
				t.Fatal(err)
			}
			how := validate.Options{Store: p.Store(t), Clock: p.Clock}
			if c.o.Level != xades.LevelLT {
				how.Collector = p.Collector()
			}
			report := judge(t, result.XML, beside, how)
			if len(report.Signatures) != 1 {
				t.Fatalf("%+v", report)
			}
			s := report.Signatures[0]
			if report.Verdict != validate.Passed || s.Level != "XAdES-"+string(c.o.Level) || s.Coverage != validate.CoversFile || s.Stamped != (c.o.Level != xades.LevelB) || !s.SignedAt.Equal(o.Now) {
				t.Errorf("judged %s %+v", report.Verdict, s)
			}
			if o.Packaging == xades.Enveloped {
				changed := judge(t, bytes.Replace(result.XML, []byte("1 < 2"), []byte("1 < 3"), 1), nil, how)
				if changed.Verdict != validate.Failed || changed.Signatures[0].SubIndication != validate.SubHash {
					t.Errorf("a change: %+v", changed.Signatures[0])
				}
			}
			if o.PSS {
				return // xmlsec1 of this age does not know it
			}
			file := write(t, dir, "signed.xml", result.XML)
			out, err := xmlsec(dir, verifyArgs(root, file)...)
			if err != nil {
				t.Errorf("xmlsec1: %v: %s", err, out)
			}
		})
	}
}

const template = `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>
<CanonicalizationMethod Algorithm="C14N"/><SignatureMethod Algorithm="SIGN"/>
<Reference URI="URI"><Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>TRANSFORM</Transforms>
<DigestMethod Algorithm="DIGEST"/><DigestValue/></Reference></SignedInfo><SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature>`

func TestWhatXmlsecSignsIsJudged(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	dir := t.TempDir()
	keys := map[string]string{}
	for name, key := range map[string]crypto.Signer{"ec": trusttest.ECKey(t), "rsa": rsaKey(t)} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		chain := p.Issue(t, name, key.Public())
		keys[name] = write(t, dir, name+".key", pemOf("PRIVATE KEY", der)) + "," + write(t, dir, name+".pem", pemOf("CERTIFICATE", chain[0].Raw)) +
			"," + write(t, dir, "issuer.pem", pemOf("CERTIFICATE", chain[1].Raw))
	}
	const more, c14n = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	const sha256 = "http://www.w3.org/2001/04/xmlenc#sha256"
	for _, c := range []struct {
		name, key, c14n, sign, digest, transform, uri string
		verdict                                       validate.Verdict
	}{
		{"RSA with Canonical XML 1.0", "rsa", c14n, more + "rsa-sha256", sha256, "", "", validate.Passed},
		{"ECDSA with the exclusive form", "ec", "http://www.w3.org/2001/10/xml-exc-c14n#", more + "ecdsa-sha256", sha256,
			`<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><i:InclusiveNamespaces xmlns:i="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="thua #default"/></Transform>`, "", validate.Passed},
		{"Canonical XML 1.1 with comments", "rsa", "http://www.w3.org/2006/12/xml-c14n11#WithComments", more + "rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512",
			`<Transform Algorithm="http://www.w3.org/2006/12/xml-c14n11"/>`, "", validate.Passed},
		{"the root by its Id", "rsa", c14n, more + "rsa-sha256", sha256, "", "#goc", validate.Passed},
		{"SHA-1 is weak", "rsa", c14n, "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1", "", "", validate.Indeterminate},
	} {
		t.Run(c.name, func(t *testing.T) {
			sig := strings.NewReplacer("C14N", c.c14n, "SIGN", c.sign, "DIGEST", c.digest, "TRANSFORM", c.transform, `"URI"`, `"`+c.uri+`"`).Replace(template)
			text := strings.Replace(letter, "</cv:CongVan>", sig+"</cv:CongVan>", 1)
			text = strings.Replace(text, "<cv:CongVan ", `<cv:CongVan Id="goc" `, 1)
			out := filepath.Join(dir, "out.xml")
			said, err := xmlsec(dir, "--sign", "--privkey-pem", keys[c.key], "--id-attr:Id", "urn:cv:CongVan", "--output", out, write(t, dir, "in.xml", []byte(text)))
			if err != nil {
				t.Fatalf("xmlsec1: %v: %s", err, said)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			report := judge(t, data, nil, validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()})
			s := report.Signatures[0]
			if report.Verdict != c.verdict || s.Integrity != validate.Intact || s.Level != "XMLDSig" || s.Coverage != validate.CoversFile {
				t.Errorf("judged %s %+v", report.Verdict, s)
			}
		})
	}
}

// Wrapping: what is signed is moved aside and something else put in its place.
func TestWrappedSignaturesDoNotPass(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	o := options(t, p, trusttest.ECKey(t), xades.LevelB)
	how := validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()}
	result, err := xades.Sign(t.Context(), []byte("<a><b>1</b></a>"), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Packaging = xades.Enveloping
	around, err := xades.Sign(t.Context(), []byte("xin chào"), o)
	if err != nil {
		t.Fatal(err)
	}
	signed, held := string(result.XML), strings.TrimPrefix(string(around.XML), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	at := strings.Index(signed, "<ds:Signature")
	id := held[strings.Index(held, `Id="sig-`)+4:]
	id = id[:strings.Index(id, `"`)]
	for name, text := range map[string]string{
		"an element is added":                     strings.Replace(signed, "</b>", "</b><b>2</b>", 1),
		"the document becomes a part of another":  "<x>" + signed + "<b>2</b></x>",
		"the signature is put into another":       "<a><b>2</b>" + signed[at:],
		"enveloping inside another document":      "<x><b>9</b>" + held + "</x>",
		"an Id stands twice":                      "<x><y Id='" + id + "-object'/>" + held + "</x>",
		"an Id stands twice by another name":      strings.Replace(held, "<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName ID='"+id+"-object'></ds:KeyName>", 1),
		"the properties of another signature":     strings.Replace(held, `Target="#`, `Target="#x`, 1),
		"a comment inside a digest":               strings.Replace(signed, "<ds:DigestValue>", "<ds:DigestValue><!-- x -->A", 1),
		"an object beside the signed one":         strings.Replace(held, "<ds:KeyInfo>", "<ds:Object>khác</ds:Object><ds:KeyInfo>", 1),
		"the signature is cut out of its content": signed[at : len(signed)-len("</a>")],
	} {
		report, err := validate.File(t.Context(), strings.NewReader(text), int64(len(text)), how)
		if err == nil && report.Verdict == validate.Passed {
			t.Errorf("%s: passed: %+v", name, report.Signatures)
		}
	}
}

func TestHostileDocumentsAreRefusedWithinLimits(t *testing.T) {
	deep := strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000)
	for name, text := range map[string]string{
		"a document type":        `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`,
		"an unknown entity":      `<a>&x;</a>`,
		"too deep":               deep,
		"another encoding":       `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`,
		"two roots":              `<a/><b/>`,
		"text outside":           `<a/>x`,
		"an attribute twice":     `<a b="1" b="2"/>`,
		"no root":                `<!-- -->`,
		"an end without begin":   `</a>`,
		"a name with two colons": `<a:b:c/>`,
	} {
		_, err := xades.Parse([]byte(text))
		if !errors.Is(err, xades.ErrMalformed) && !errors.Is(err, xades.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A namespace of 30 kB that thousands of siblings must repeat.
	var bomb strings.Builder
	bomb.WriteString(`<a xmlns:x="` + strings.Repeat("u", 50_000) + `">` + strings.Repeat("<x:a/>", 8_000))
	bomb.WriteString(strings.NewReplacer("C14N", "http://www.w3.org/2001/10/xml-exc-c14n#", "SIGN", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		"DIGEST", "http://www.w3.org/2001/04/xmlenc#sha256", "TRANSFORM", `<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`, `"URI"`, `""`,
		"<DigestValue/>", "<DigestValue>AAAA</DigestValue>", "<SignatureValue/>", "<SignatureValue>AAAA</SignatureValue>").Replace(template) + "</a>")
	begun := time.Now()
	report, err := validate.File(t.Context(), strings.NewReader(bomb.String()), int64(bomb.Len()), validate.Options{})
	if err != nil || report.Verdict == validate.Passed || time.Since(begun) > 5*time.Second {
		t.Errorf("%+v, %v after %v", report, err, time.Since(begun))
	}
}

func TestTheInputStaysAroundTheSignature(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	o := options(t, p, trusttest.ECKey(t), xades.LevelB)
	for _, text := range []string{letter, "<a/>", "<a b='/' />", "\xef\xbb\xbf<a>x</a>\n"} {
		result, err := xades.Sign(t.Context(), []byte(text), o)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		end := strings.LastIndex(text, "</")
		if end > 0 && !strings.HasPrefix(string(result.XML), text[:end]) {
			t.Errorf("%q became %q", text, result.XML)
		}
		again, err := xades.Sign(t.Context(), result.XML, o)
		if err != nil || again == nil {
			t.Errorf("%q: a second signature: %v", text, err)
		}
	}
}

func FuzzXML(f *testing.F) {
	p := trusttest.New(f, time.Time{})
	o := options(f, p, trusttest.ECKey(f), xades.LevelB)
	result, err := xades.Sign(context.Background(), []byte("<a><b>1</b></a>"), o)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(result.XML)
	f.Add([]byte(letter))
	store := p.Store(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := validate.XML(context.Background(), bytes.NewReader(data), validate.Options{Store: store, Clock: p.Clock})
		if err == nil && report.Verdict == validate.Passed && !bytes.Contains(data, []byte("1")) {
			t.Fatal("passes without what was signed")
		}
	})
}
