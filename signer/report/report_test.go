package report_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

// blank is an empty A4 page with a table of references.
func blank() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var at []int
	for n, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 4\n0000000000 65535 f \n")
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// judged is a signed file and what is said about it; name is the signer's.
func judged(t *testing.T, name string, harm bool) report.File {
	t.Helper()
	p := trusttest.New(t, time.Time{})
	key := trusttest.ECKey(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "out.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	in := blank()
	_, err = pades.Sign(context.Background(), bytes.NewReader(in), int64(len(in)), out, pades.Options{
		Signer: key, Chain: p.Issue(t, name, key.Public()), Hash: crypto.SHA256, Now: p.Clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if harm {
		data[20] ^= 1
	}
	judgement, err := validate.Validate(context.Background(), bytes.NewReader(data), int64(len(data)),
		validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock})
	if err != nil {
		t.Fatal(err)
	}
	judgement.File = "/somewhere/<b>văn bản</b>.pdf"
	sum, err := report.Digest(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return report.File{Report: judgement, At: p.Clock.Now(), SHA256: sum, Lang: validate.Vietnamese}
}

// element is any XML element.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e *element) find(path ...string) *element {
	if e == nil || len(path) == 0 {
		return e
	}
	for i := range e.Children {
		if e.Children[i].XMLName.Local == path[0] {
			return e.Children[i].find(path[1:]...)
		}
	}
	return nil
}

func (e *element) text() string {
	if e == nil {
		return ""
	}
	return e.Text
}

func TestETSIReportSaysWhatWasFoundWithTheCertificatesItRefersTo(t *testing.T) {
	for name, c := range map[string]struct {
		harm bool
		main string
		sub  string
	}{
		"a sound signature":    {false, "urn:etsi:019102:mainindication:total-passed", ""},
		"a document with harm": {true, "urn:etsi:019102:mainindication:total-failed", "urn:etsi:019102:subindication:HASH_FAILURE"},
	} {
		t.Run(name, func(t *testing.T) {
			f := judged(t, "Nguyễn Văn A & B", c.harm)
			var b bytes.Buffer
			err := report.Write(&b, f, report.ETSI)
			if err != nil {
				t.Fatal(err)
			}
			var root element
			err = xml.Unmarshal(b.Bytes(), &root)
			if err != nil {
				t.Fatal(err)
			}
			if root.XMLName.Space != "http://uri.etsi.org/19102/v1.4.1#" || root.XMLName.Local != "ValidationReport" {
				t.Errorf("root %v", root.XMLName)
			}
			one := root.find("SignatureValidationReport")
			if got := one.find("SignatureValidationStatus", "MainIndication").text(); got != c.main {
				t.Errorf("main indication %q, want %q", got, c.main)
			}
			if got := one.find("SignatureValidationStatus", "SubIndication").text(); got != c.sub {
				t.Errorf("sub-indication %q, want %q", got, c.sub)
			}
			if got := root.find("SignatureValidationObjects", "ValidationObject", "ValidationObjectRepresentation", "DigestAlgAndValue", "DigestValue").text(); got != base64.StdEncoding.EncodeToString(f.SHA256) {
				t.Errorf("digest %q", got)
			}
			// Order of the schema's sequence; every reference has its object.
			order := []string{"SignatureIdentifier", "ValidationConstraintsEvaluationReport", "ValidationTimeInfo", "SignersDocument", "SignatureAttributes",
				"SignerInformation", "SignatureQuality", "SignatureValidationProcess", "SignatureValidationStatus"}
			last := -1
			for _, child := range one.Children {
				at := -1
				for i, known := range order {
					if known == child.XMLName.Local {
						at = i
					}
				}
				if at <= last {
					t.Errorf("%s stands at the wrong place", child.XMLName.Local)
				}
				last = at
			}
			objects := map[string]bool{}
			revocation := 0
			for _, object := range root.find("SignatureValidationObjects").Children {
				objects[object.Attrs[0].Value] = true
				if der := object.find("ValidationObjectRepresentation", "base64"); der != nil {
					raw, err := base64.StdEncoding.DecodeString(der.Text)
					switch kind := object.find("ObjectType").text(); {
					case err != nil:
					case strings.HasSuffix(kind, ":certificate"):
						_, err = x509.ParseCertificate(raw)
					case strings.HasSuffix(kind, ":CRL"):
						_, err = x509.ParseRevocationList(raw)
						revocation++
					case strings.HasSuffix(kind, ":OCSPResponse"):
						_, err = trust.ParseOCSP(raw)
						revocation++
					}
					if err != nil {
						t.Errorf("object %s: %v", object.Attrs[0].Value, err)
					}
				}
			}
			if !c.harm && (revocation == 0 || one.find("SignatureQuality") == nil) {
				t.Errorf("%d revocation objects, quality %v", revocation, one.find("SignatureQuality"))
			}
			references := 0
			var walk func(e *element)
			walk = func(e *element) {
				for _, a := range e.Attrs {
					if a.Name.Local == "VOReference" {
						references++
						if !objects[a.Value] {
							t.Errorf("%s refers to %q, which is not there", e.XMLName.Local, a.Value)
						}
					}
				}
				for i := range e.Children {
					walk(&e.Children[i])
				}
			}
			walk(&root)
			if references < 1 {
				t.Error("nothing is referred to")
			}
		})
	}
}

func TestPageShowsTheVerdictInBothLanguagesAndEscapesNames(t *testing.T) {
	f := judged(t, "<script>alert(1)</script>", false)
	for lang, want := range map[validate.Lang]string{validate.Vietnamese: "HỢP LỆ", validate.English: "VALID"} {
		f.Lang = lang
		var b bytes.Buffer
		err := report.Write(&b, f, report.HTML)
		if err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if !strings.Contains(text, want) || !strings.Contains(text, "TOTAL-PASSED") || !strings.Contains(text, "&lt;script&gt;") {
			t.Errorf("%s: %s", lang, text)
		}
		if strings.Contains(text, "<script>") || strings.Contains(text, "<b>văn") {
			t.Errorf("%s: a name became markup", lang)
		}
	}
}

func TestAFileWithoutSignaturesHasAReportToo(t *testing.T) {
	in := blank()
	judgement, err := validate.Validate(context.Background(), bytes.NewReader(in), int64(len(in)), validate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = report.Write(&b, report.File{Report: judgement, At: time.Unix(0, 0)}, report.ETSI)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "mainindication:indeterminate") || !strings.Contains(b.String(), "reason:no_signature") {
		t.Error(b.String())
	}
}

func TestUnknownFormIsRefused(t *testing.T) {
	_, err := report.ParseFormat("docx")
	if !errors.Is(err, report.ErrFormat) {
		t.Errorf("got %v", err)
	}
	err = report.Write(io.Discard, report.File{Report: &validate.Report{}}, "docx")
	if !errors.Is(err, report.ErrFormat) {
		t.Errorf("got %v", err)
	}
}
