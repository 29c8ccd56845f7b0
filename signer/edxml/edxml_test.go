package edxml_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/signer/edxml"
	"github.com/antin-gov/antin/signer/xades"
)

func now() time.Time { return time.Date(2026, 2, 5, 3, 30, 0, 0, time.UTC) }

func day(y int, m time.Month, d int) edxml.Date {
	return edxml.Date{Time: time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
}

func letter() *edxml.Envelope {
	return &edxml.Envelope{
		From: edxml.Organ{ID: "000.01.20.H13", Name: "Ủy ban nhân dân tỉnh", Email: "vanthu@tinh.gov.vn"},
		To:   []edxml.Organ{{ID: "28.22.H17", Name: "Sở Nội vụ"}, {ID: "28.23.H17", Name: "Sở Tài chính & Kế hoạch"}}, Number: "05", Notation: "QĐ-UBND",
		Place: "Tân Lập", Date: day(2026, 2, 5), Type: 2, TypeName: "Quyết định", Subject: "Về việc ban hành <quy chế>", Competence: "TM. ỦY BAN NHÂN DÂN", Position: "CHỦ TỊCH",
		FullName: "Nguyễn Văn Bình", Due: day(2026, 3, 1), Pages: 2, Appendixes: []string{"Phụ lục I"}, Places: []string{"Như Điều 2", "Lưu: VT"},
		Answers:     []edxml.Reference{{Organ: "28.22.H17", Code: "12/SNV", Date: day(2026, 1, 9), DocumentID: "28.22.H17,2026/01/09,12/SNV"}},
		Traces:      []edxml.Trace{{Organ: "000.01.20.H13", Time: time.Date(2026, 2, 5, 10, 30, 0, 0, time.FixedZone("+07", 7*3600))}},
		Attachments: []edxml.Attachment{{Name: "quyet-dinh.pdf", Description: "Quyết định", Data: []byte("%PDF-1.7 …")}, {Name: "phu-luc.csv", Data: bytes.Repeat([]byte("a,b\n"), 1000)}},
	}
}

func TestADayOfADescriptionIsADayAndNoTime(t *testing.T) {
	for text, want := range map[string]string{`"2026-02-05"`: "2026/02/05", `"2026/02/05"`: "2026/02/05", `""`: ""} {
		var d edxml.Date
		err := json.Unmarshal([]byte(text), &d)
		again, failed := json.Marshal(d)
		if err != nil || failed != nil || d.String() != want || string(again) != `"`+want+`"` {
			t.Errorf("%s: %v, %v, %s", text, d, err, again)
		}
	}
	for _, text := range []string{`"2026-02-05T00:00:00Z"`, `"5/2/2026"`, `20260205`} {
		var d edxml.Date
		err := json.Unmarshal([]byte(text), &d)
		if !errors.Is(err, edxml.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnEnvelopeIsReadAsItWasWritten(t *testing.T) {
	e := letter()
	data, err := e.Write()
	if err != nil {
		t.Fatal(err)
	}
	m, err := edxml.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	got := m.Envelope
	for i := range got.Attachments {
		got.Attachments[i].ContentType = ""
	}
	for i := range got.Traces {
		if !got.Traces[i].Time.Equal(e.Traces[i].Time) {
			t.Errorf("station at %v", got.Traces[i].Time)
		}
		got.Traces[i].Time = e.Traces[i].Time
	}
	if e.DocumentID != "000.01.20.H13,2026/02/05,05/QĐ-UBND" || !reflect.DeepEqual(got, e) || m.Signed || m.Weak != nil || !edxml.Is(data) {
		t.Errorf("got  %+v\nwant %+v", got, e)
	}
	status, err := got.Answer(edxml.Organ{ID: "28.22.H17", Name: "Sở Nội vụ"}, edxml.Refused, "Chữ ký hết hạn", now())
	if err != nil {
		t.Fatal(err)
	}
	data, err = status.Write()
	if err != nil {
		t.Fatal(err)
	}
	m, err = edxml.Read(data)
	if err != nil || m.Status == nil || m.Status.Code != edxml.Refused || m.Status.Reason != "Chữ ký hết hạn" || m.Status.Answers.DocumentID != e.DocumentID || !m.Status.Time.Equal(now()) {
		t.Errorf("status %+v, %v", m.Status, err)
	}
	back, err := got.Withdrawal("Ban hành nhầm")
	if err != nil || back.Business != edxml.Withdraw || back.About != e.DocumentID || len(back.Attachments) != 0 {
		t.Errorf("withdrawal %+v, %v", back, err)
	}
}

func TestWhatTheStandardDemandsIsNotLeftOut(t *testing.T) {
	for name, change := range map[string]func(*edxml.Envelope){
		"no sender":                       func(e *edxml.Envelope) { e.From.ID = "" },
		"an identifier of 36 characters":  func(e *edxml.Envelope) { e.To[0].ID = strings.Repeat("1", 36) },
		"no receiver":                     func(e *edxml.Envelope) { e.To = nil },
		"no subject":                      func(e *edxml.Envelope) { e.Subject = " " },
		"no day":                          func(e *edxml.Envelope) { e.Date = edxml.Date{} },
		"a withdrawal without a reason":   func(e *edxml.Envelope) { e.Business, e.About = edxml.Withdraw, "x" },
		"a new document without its file": func(e *edxml.Envelope) { e.Attachments = nil },
		"two files of one name":           func(e *edxml.Envelope) { e.Attachments[1].Name = e.Attachments[0].Name },
		"a file with a path":              func(e *edxml.Envelope) { e.Attachments[0].Name = "../x" },
	} {
		e := letter()
		change(e)
		_, err := e.Write()
		if !errors.Is(err, edxml.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := letter()
	e.Attachments[0].Data = make([]byte, 24<<20)
	_, err := e.Write()
	if !errors.Is(err, edxml.ErrLimit) {
		t.Errorf("too much: %v", err)
	}
	_, err = letter().Answer(edxml.Organ{ID: "1", Name: "A"}, edxml.Refused, "", now())
	if !errors.Is(err, edxml.ErrInvalid) {
		t.Errorf("a refusal without a reason: %v", err)
	}
}

func TestWhatIsNoEnvelopeIsRefused(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "another document": "<a/>", "a declaration": `<!DOCTYPE edXML [<!ENTITY x "y">]><edXML xmlns="` + edxml.Namespace + `"/>`,
		"another namespace": `<edXML xmlns="urn:x"><edXMLEnvelope><edXMLHeader><MessageHeader/></edXMLHeader></edXMLEnvelope></edXML>`,
		"no message":        `<edXML xmlns="` + edxml.Namespace + `"><edXMLEnvelope><edXMLHeader/></edXMLEnvelope></edXML>`,
		"bad base64": `<edXML xmlns="` + edxml.Namespace + `"><edXMLEnvelope><edXMLHeader><MessageHeader/></edXMLHeader></edXMLEnvelope>` +
			`<AttachmentEncoded><Attachment><ContentTransferEncoded>***</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>`,
	} {
		_, err := edxml.Read([]byte(data))
		if !errors.Is(err, edxml.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSHA1InAReceivedEnvelopeIsToldAsWeak(t *testing.T) {
	data, err := letter().Write()
	if err != nil {
		t.Fatal(err)
	}
	old := `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"/>` +
		`<Reference URI=""><DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/></Reference></SignedInfo></Signature></edXML:edXMLHeader>`
	m, err := edxml.Read([]byte(strings.Replace(string(data), "</edXML:edXMLHeader>", old, 1)))
	if err != nil || !m.Signed || !slices.Equal(m.Weak, []string{"rsa-sha1", "sha1"}) {
		t.Errorf("%+v, %v", m, err)
	}
}

func certificate(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Thử"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSignaturesStandInTheHeaderAndXmlsec1AcceptsThem(t *testing.T) {
	_, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	data, err := letter().Write()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ecdsa-sha256": ec, "rsa-sha256": rs} {
		cert := certificate(t, key)
		r, err := xades.Sign(t.Context(), data, xades.Options{Signer: key, Chain: []*x509.Certificate{cert}, Into: edxml.SignatureParent, Now: now()})
		if err != nil {
			t.Fatal(err)
		}
		m, err := edxml.Read(r.XML)
		if err != nil || !m.Signed || m.Weak != nil || len(m.Envelope.Attachments) != 2 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if !bytes.Contains(r.XML, []byte("</ds:Signature></edXML:edXMLHeader>")) || !bytes.Contains(r.XML, []byte("#"+name+`"`)) {
			t.Errorf("%s: the signature is not at the end of the header, or by another algorithm", name)
		}
		dir := t.TempDir()
		file, pemFile := filepath.Join(dir, "a.edxml"), filepath.Join(dir, "root.pem")
		err = errors.Join(os.WriteFile(file, r.XML, 0o600), os.WriteFile(pemFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		verify := func() error {
			return exec.Command("xmlsec1", "--verify", "--trusted-pem", pemFile, "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", file).Run()
		}
		err = verify()
		if err != nil {
			t.Errorf("%s: xmlsec1: %v", name, err)
		}
		err = os.WriteFile(file, bytes.Replace(r.XML, []byte("05</edXML:CodeNumber>"), []byte("06</edXML:CodeNumber>"), 1), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if verify() == nil {
			t.Errorf("%s: xmlsec1 accepts a changed number", name)
		}
	}
}
