package csc_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/csc/client"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

const (
	algoECDSA = "1.2.840.10045.4.3.2" // with SHA-256
	sha384OID = "2.16.840.1.101.3.4.2.2"
)

// signedDocs is what signDoc answers.
type signedDocs struct {
	DocumentWithSignature [][]byte
	SignatureObject       [][]byte
	ValidationInfo        *struct {
		OCSP, CRL, Certificates [][]byte
	} `json:"validationInfo"`
}

// signDoc authorises the digests and signs what the request says with them.
func (w *world) signDoc(t testing.TB, credential string, digests [][]byte, in map[string]any) signedDocs {
	t.Helper()
	c := w.as("binh.nv", "v2")
	sad, err := c.Authorize(t.Context(), credential, w.code(t, "binh.nv"), digests)
	if err != nil {
		t.Fatal(err)
	}
	in["credentialID"], in["SAD"] = credential, sad
	var out signedDocs
	_, err = c.Call(t.Context(), "signatures/signDoc", in, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// passes asks our verification about a signature of any kind.
func (w *world) passes(t testing.TB, signed, content []byte, level string) {
	t.Helper()
	o := validate.Options{Store: w.pki.Store(t), Collector: w.pki.Collector(), Clock: w.pki.Clock}
	if content != nil {
		o.Content = bytes.NewReader(content)
	}
	report, err := validate.File(t.Context(), bytes.NewReader(signed), int64(len(signed)), o)
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != validate.Passed || report.Signatures[0].Level != level {
		t.Errorf("%s: verification says %v %+v", level, report.Verdict, report.Signatures)
	}
}

func sumOf(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

func TestDocumentsAreSignedInEachFormatAndEnvelope(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	xml, text, pdf := []byte("<bang><dong>1</dong></bang>"), []byte("mã,tên\r\n01,Sở Thông tin\r\n"), document(t)
	attached := w.signDoc(t, "binh-rsa", [][]byte{sumOf(crypto.SHA256, text)}, map[string]any{"documents": []any{
		map[string]any{"document": text, "signature_format": "C", "conformance_level": "AdES-B-LTA", "signAlgo": "1.2.840.113549.1.1.11"}}})
	first := attached.DocumentWithSignature[0]
	w.passes(t, first, nil, "CAdES-B-LTA")
	for _, c := range []struct {
		name, format, envelope, level string
		document                      []byte
		detached                      bool
		told                          string
	}{
		{"CAdES around its content by default", "C", "", "", text, false, "CAdES-B-B"},
		{"CAdES attached", "C", "Attached", "AdES-B-T", text, false, "CAdES-B-T"},
		{"CAdES detached", "C", "Detached", "AdES-B-LTA", text, true, "CAdES-B-LTA"},
		{"CAdES beside another signature", "C", "Parallel", "AdES-B-LT", first, false, "CAdES-B-LT"},
		{"XAdES in its document by default", "X", "", "AdES-B-LTA", xml, false, "XAdES-B-LTA"},
		{"XAdES around any file", "X", "Enveloping", "AdES-B-LT", text, false, "XAdES-B-LT"},
		{"XAdES detached", "X", "Detached", "AdES-B-LTA", text, true, "XAdES-B-LTA"},
		{"PAdES certification by default", "P", "", "", pdf, false, "B-B"},
		{"PAdES revision", "P", "Revision", "AdES-B-T", pdf, false, "B-T"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := map[string]any{"document": c.document, "signature_format": c.format, "signAlgo": "1.2.840.10045.4.3.3"}
			if c.envelope != "" {
				doc["signed_envelope_property"] = c.envelope
			}
			if c.level != "" {
				doc["conformance_level"] = c.level
			}
			out := w.signDoc(t, "binh-ec", [][]byte{sumOf(crypto.SHA384, c.document)}, map[string]any{"documents": []any{doc}, "returnValidationInfo": true})
			if c.detached != (len(out.SignatureObject) == 1) || c.detached == (len(out.DocumentWithSignature) == 1) {
				t.Fatalf("got %d with signature, %d beside", len(out.DocumentWithSignature), len(out.SignatureObject))
			}
			if out.ValidationInfo == nil || len(out.ValidationInfo.Certificates) < 2 || len(out.ValidationInfo.CRL)+len(out.ValidationInfo.OCSP) == 0 {
				t.Errorf("validation data: got %+v", out.ValidationInfo)
			}
			if c.detached {
				w.passes(t, out.SignatureObject[0], c.document, c.told)
				return
			}
			if c.envelope == "Parallel" {
				w.parallel(t, out.DocumentWithSignature[0])
				return
			}
			w.passes(t, out.DocumentWithSignature[0], nil, c.told)
		})
	}
}

// parallel looks for the old signature and the new one, both good.
func (w *world) parallel(t testing.TB, signed []byte) {
	t.Helper()
	report, err := validate.File(t.Context(), bytes.NewReader(signed), int64(len(signed)), validate.Options{Store: w.pki.Store(t), Collector: w.pki.Collector(), Clock: w.pki.Clock})
	if err != nil || report.Verdict != validate.Passed || len(report.Signatures) != 2 {
		t.Fatalf("parallel: got %+v, %v", report, err)
	}
	levels := map[string]int{}
	for _, s := range report.Signatures {
		levels[s.Level]++
	}
	if levels["CAdES-B-LTA"] != 1 || levels["CAdES-B-LT"] != 1 {
		t.Errorf("parallel: levels %v", levels)
	}
}

func TestManyDocumentsGoInOneRequestOrNone(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	xml, text := []byte("<a/>"), []byte("b")
	docs := []any{
		map[string]any{"document": xml, "signature_format": "X", "signAlgo": algoECDSA},
		map[string]any{"document": text, "signature_format": "C", "signed_envelope_property": "Detached", "signAlgo": algoECDSA},
		map[string]any{"document": document(t), "signature_format": "P", "signAlgo": algoECDSA},
	}
	sums := [][]byte{sumOf(crypto.SHA256, xml), sumOf(crypto.SHA256, text), sumOf(crypto.SHA256, document(t))}
	out := w.signDoc(t, "binh-ec", sums, map[string]any{"documents": docs})
	if len(out.DocumentWithSignature) != 2 || len(out.SignatureObject) != 1 || out.ValidationInfo != nil {
		t.Errorf("got %d and %d", len(out.DocumentWithSignature), len(out.SignatureObject))
	}
	_, released := w.signatures(t)
	c := w.as("binh.nv", "v2")
	broken := append(docs[:2:2], map[string]any{"document": []byte("no XML"), "signature_format": "X", "signAlgo": algoECDSA})
	sad, err := c.Authorize(t.Context(), "binh-ec", w.code(t, "binh.nv"), [][]byte{sums[0], sums[1], sumOf(crypto.SHA256, []byte("no XML"))})
	if err != nil {
		t.Fatal(err)
	}
	got := refused(t, c, "signatures/signDoc", map[string]any{"credentialID": "binh-ec", "SAD": sad, "documents": broken})
	_, after := w.signatures(t)
	if got.Status != 400 || after != released {
		t.Errorf("one that is no XML: got %v, %d signatures left, want none", got, after-released)
	}
}

func TestDigestsAreSignedWithoutTheirDocuments(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	texts := [][]byte{[]byte("một"), []byte("hai")}
	for _, c := range []struct{ format, level, told string }{
		{"C", "", "CAdES-B-B"}, {"C", "AdES-B-T", "CAdES-B-T"}, {"C", "AdES-B-LT", "CAdES-B-LT"}, {"C", "AdES-B-LTA", "CAdES-B-LTA"},
		{"X", "", "XAdES-B-B"}, {"X", "AdES-B-T", "XAdES-B-T"}, {"X", "AdES-B-LT", "XAdES-B-LT"},
	} {
		t.Run(c.told, func(t *testing.T) {
			sums := [][]byte{sumOf(crypto.SHA384, texts[0]), sumOf(crypto.SHA384, texts[1])}
			member := map[string]any{"hashes": sums, "hashAlgorithmOID": sha384OID, "signature_format": c.format, "signAlgo": "1.2.840.10045.4.3.3"}
			if c.level != "" {
				member["conformance_level"] = c.level
			}
			out := w.signDoc(t, "binh-ec", sums, map[string]any{"documentDigests": []any{member}})
			if len(out.SignatureObject) != 2 || len(out.DocumentWithSignature) != 0 {
				t.Fatalf("got %d beside, %d with signature", len(out.SignatureObject), len(out.DocumentWithSignature))
			}
			for i, signature := range out.SignatureObject {
				w.passes(t, signature, texts[i], c.told)
				if c.format == "C" {
					opensslVerifies(t, signature, texts[i])
				}
			}
		})
	}
}

func opensslVerifies(t testing.TB, signature, content []byte) {
	t.Helper()
	dir := t.TempDir()
	der, file := filepath.Join(dir, "s.der"), filepath.Join(dir, "content")
	err := os.WriteFile(der, signature, 0o600)
	if err == nil {
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "cms", "-verify", "-inform", "DER", "-in", der, "-binary", "-content", file, "-noverify", "-out", os.DevNull).CombinedOutput()
	if err != nil {
		t.Errorf("openssl: %v: %s", err, out)
	}
}

func TestAPDFIsPreparedHereAndItsDigestSignedThere(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	info, err := w.as("binh.nv", "v2").Info(t.Context(), "binh-rsa")
	if err != nil {
		t.Fatal(err)
	}
	pdf := document(t)
	for _, level := range []string{"AdES-B-B", "AdES-B-T", "AdES-B-LT"} {
		w.prepared(t, pdf, info, level)
	}
}

func (w *world) prepared(t testing.TB, pdf []byte, info *client.Credential, level string) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	// The key is elsewhere: time-stamps and validation data come with its answer.
	o := pades.Options{
		Chain: info.Chain, Level: pades.Level(level[len("AdES-"):]), PSS: false, Now: w.pki.Clock.Now(), Collect: w.pki.Collector().Collect,
		Timestamp: func(context.Context, crypto.Hash, []byte) ([]byte, error) { return nil, errors.ErrUnsupported },
	}
	p, err := pades.Prepare(t.Context(), bytes.NewReader(pdf), int64(len(pdf)), out, o)
	if err != nil {
		t.Fatal(err)
	}
	answer := w.signDoc(t, "binh-rsa", [][]byte{p.Digest}, map[string]any{"returnValidationInfo": true, "documentDigests": []any{map[string]any{
		"hashes": [][]byte{p.Digest}, "hashAlgorithmOID": "2.16.840.1.101.3.4.2.1", "signature_format": "P", "conformance_level": level, "signAlgo": "1.2.840.113549.1.1.1"}}})
	err = p.Complete(out, answer.SignatureObject[0])
	if err != nil {
		t.Fatal(err)
	}
	size := p.Size
	if level == "AdES-B-LT" {
		e := trust.Evidence{OCSPs: answer.ValidationInfo.OCSP, CRLs: answer.ValidationInfo.CRL}
		for _, der := range answer.ValidationInfo.Certificates {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			e.Certificates = append(e.Certificates, cert)
		}
		size, err = pades.AddEvidence(out, size, o, p, e)
		if err != nil {
			t.Fatal(err)
		}
	}
	signed, err := os.ReadFile(out.Name())
	if err != nil || int64(len(signed)) != size {
		t.Fatalf("%d bytes, want %d: %v", len(signed), size, err)
	}
	w.passes(t, signed, nil, string(o.Level))
}

func TestWhatSignDocDoesNotDoIsRefusedBeforeAKeyIsUsed(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	c := w.as("binh.nv", "v2")
	text, sum := []byte("x"), sumOf(crypto.SHA256, []byte("x"))
	sad, err := c.Authorize(t.Context(), "binh-ec", w.code(t, "binh.nv"), [][]byte{sum})
	if err != nil {
		t.Fatal(err)
	}
	doc := func(more ...any) map[string]any {
		d := map[string]any{"document": text, "signature_format": "C", "signAlgo": algoECDSA}
		for i := 0; i < len(more); i += 2 {
			d[more[i].(string)] = more[i+1]
		}
		return map[string]any{"documents": []any{d}}
	}
	digest := func(more ...any) map[string]any {
		d := map[string]any{"hashes": [][]byte{sum}, "signature_format": "C", "signAlgo": algoECDSA}
		for i := 0; i < len(more); i += 2 {
			d[more[i].(string)] = more[i+1]
		}
		return map[string]any{"documentDigests": []any{d}}
	}
	both := doc()
	both["documentDigests"] = digest()["documentDigests"]
	for _, r := range []struct {
		name string
		in   map[string]any
		want string
	}{
		{"JAdES", doc("signature_format", "J"), "Invalid parameter signature_format"},
		{"a container", doc("signature_format", "A"), "Invalid parameter signature_format"},
		{"an envelope of another format", doc("signed_envelope_property", "Enveloped"), "Invalid parameter signed_envelope_property"},
		{"a level that is none", doc("conformance_level", "AdES-B-X"), "Invalid parameter conformance_level"},
		{"properties of another format", doc("signed_props", []any{map[string]any{"attribute_name": "Reason", "attribute_value": []byte("r")}}), "Invalid parameter signed_props"},
		{"a hash that contradicts the algorithm", doc("hashAlgorithmOID", sha384OID), "String parameter hashAlgorithmOID contradicts with signAlgo parameter"},
		{"an attached signature of a digest", digest("signed_envelope_property", "Attached"), "Invalid parameter signed_envelope_property"},
		{"an archive time-stamp over an XML signature's file that is not there", digest("signature_format", "X", "conformance_level", "AdES-B-LTA"), "Invalid parameter conformance_level"},
		{"a document time-stamp on a PDF that is not there", digest("signature_format", "P", "conformance_level", "AdES-B-LTA"), "Invalid parameter conformance_level"},
		{"validation data that would go nowhere", digest("signature_format", "P", "conformance_level", "AdES-B-LT"), "conformance_level AdES-B-LT of a digest in format P needs returnValidationInfo"},
		{"a digest of another length", digest("hashes", [][]byte{sumOf(crypto.SHA384, text)}), "Invalid digest value length"},
		{"documents and digests", both, "Both documentDigests and documents parameters passed"},
		{"neither", map[string]any{}, "Empty documentDigests and documents objects"},
		{"another document", doc("document", []byte("y")), "documentDigests or documents are not authorized by the SAD"},
		{"another digest", digest("hashes", [][]byte{sumOf(crypto.SHA256, []byte("y"))}), "documentDigests or documents are not authorized by the SAD"},
		{"the digest twice", digest("hashes", [][]byte{sum, sum}), "documentDigests or documents are not authorized by the SAD"},
	} {
		r.in["credentialID"], r.in["SAD"] = "binh-ec", sad
		got := refused(t, c, "signatures/signDoc", r.in)
		if got.Status != 400 || got.Code != "invalid_request" || got.Description != r.want {
			t.Errorf("%s: got %v, want %s", r.name, got, r.want)
		}
	}
	begun, _ := w.signatures(t)
	if begun != 0 {
		t.Errorf("a key was used %d times", begun)
	}
}
