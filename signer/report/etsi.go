package report

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/antin-gov/antin/signer/validate"
)

// Identifiers of ETSI TS 119 102-2 v1.4.1, and the algorithm of XML Encryption
// that names SHA-256.
const (
	nsReport      = "http://uri.etsi.org/19102/v1.4.1#"
	nsXAdES       = "http://uri.etsi.org/01903/v1.3.2#"
	nsDSig        = "http://www.w3.org/2000/09/xmldsig#"
	algSHA256     = "http://www.w3.org/2001/04/xmlenc#sha256"
	urnIndication = "urn:etsi:019102:mainindication:"
	urnSub        = "urn:etsi:019102:subindication:"
	urnProcess    = "urn:etsi:019102:validationprocess:"
	urnApplied    = "urn:etsi:019102:constraintStatus:applied"
	urnProof      = "urn:etsi:019102:poetype:validation"
	urnCert       = "urn:etsi:019102:validationObject:certificate"
	urnSigned     = "urn:etsi:019102:validationObject:signedData"
	urnOCSP       = "urn:etsi:019102:validationObject:OCSPResponse"
	urnCRL        = "urn:etsi:019102:validationObject:CRL"
	urnStamp      = "urn:etsi:019102:validationObject:timestamp"
	urnRevocation = "urn:etsi:019102:revocationReason:"
	urnQuality    = "urn:antin:validation:quality:"
	// The constraints of this product's policy, for which ETSI has no names.
	urnConstraint = "urn:antin:validation:constraint:"
	urnReason     = "urn:antin:validation:reason:"
	idDocument    = "document"
)

// The elements of the schema, in its order. Names carry the prefixes that the
// root declares.
type etsiReport struct {
	XMLName    xml.Name        `xml:"vr:ValidationReport"`
	NSReport   string          `xml:"xmlns:vr,attr"`
	NSXAdES    string          `xml:"xmlns:xades,attr"`
	NSDSig     string          `xml:"xmlns:ds,attr"`
	Signatures []etsiSignature `xml:"vr:SignatureValidationReport"`
	Objects    *etsiObjects    `xml:"vr:SignatureValidationObjects"`
}

type etsiSignature struct {
	Identifier  *etsiIdentifier  `xml:"vr:SignatureIdentifier"`
	Constraints *etsiConstraints `xml:"vr:ValidationConstraintsEvaluationReport"`
	Time        *etsiTime        `xml:"vr:ValidationTimeInfo"`
	Document    *etsiDocument    `xml:"vr:SignersDocument"`
	Attributes  *etsiAttributes  `xml:"vr:SignatureAttributes"`
	Signer      *etsiSigner      `xml:"vr:SignerInformation"`
	Quality     *etsiQuality     `xml:"vr:SignatureQuality"`
	Process     *etsiProcess     `xml:"vr:SignatureValidationProcess"`
	Status      etsiStatus       `xml:"vr:SignatureValidationStatus"`
}

type etsiIdentifier struct {
	ID          string `xml:"id,attr"`
	HashOnly    bool   `xml:"vr:HashOnly"`
	DocHashOnly bool   `xml:"vr:DocHashOnly"`
	DAID        string `xml:"vr:DAIdentifier,omitempty"`
}

type etsiConstraints struct {
	List []etsiConstraint `xml:"vr:ValidationConstraint"`
}

type etsiConstraint struct {
	Identifier string     `xml:"vr:ValidationConstraintIdentifier"`
	Applied    string     `xml:"vr:ConstraintStatus>vr:Status"`
	Status     etsiStatus `xml:"vr:ValidationStatus"`
}

type etsiTime struct {
	At    string `xml:"vr:ValidationTime"`
	Best  string `xml:"vr:BestSignatureTime>vr:POETime"`
	Proof string `xml:"vr:BestSignatureTime>vr:TypeOfProof"`
}

type etsiRef struct {
	Ref string `xml:"VOReference,attr"`
}

type etsiDocument struct {
	Representation etsiRef `xml:"vr:SignersDocumentRepresentation"`
}

type etsiAttributes struct {
	SigningTime *etsiSigningTime `xml:"vr:SigningTime"`
	ByteRange   string           `xml:"vr:ByteRange,omitempty"`
}

type etsiSigningTime struct {
	Time string `xml:"vr:Time"`
}

type etsiSigner struct {
	Certificate etsiRef `xml:"vr:SignerCertificate"`
	Name        string  `xml:"vr:Signer,omitempty"`
}

type etsiQuality struct {
	List []string `xml:"vr:SignatureQualityInformation"`
}

type etsiProcess struct {
	ID string `xml:"vr:SignatureValidationProcessID"`
}

type etsiStatus struct {
	Main string     `xml:"vr:MainIndication"`
	Sub  []string   `xml:"vr:SubIndication"`
	Data []etsiData `xml:"vr:AssociatedValidationReportData"`
}

type etsiData struct {
	Anchor     *etsiRef    `xml:"vr:TrustAnchor"`
	Chain      *etsiChain  `xml:"vr:CertificateChain"`
	Related    []etsiRef   `xml:"vr:RelatedValidationObject"`
	Revoked    *etsiState  `xml:"vr:RevocationStatusInformation"`
	Additional *etsiExtras `xml:"vr:AdditionalValidationReportData"`
}

type etsiState struct {
	Certificate etsiRef  `xml:"vr:ValidationObjectId"`
	Time        string   `xml:"vr:RevocationTime"`
	Reason      string   `xml:"vr:RevocationReason,omitempty"`
	Object      *etsiRef `xml:"vr:RevocationObject"`
}

type etsiExtras struct {
	List []etsiTyped `xml:"vr:ReportData"`
}

type etsiChain struct {
	Signing etsiRef   `xml:"vr:SigningCertificate"`
	Between []etsiRef `xml:"vr:IntermediateCertificate"`
	Anchor  *etsiRef  `xml:"vr:TrustAnchor"`
}

type etsiTyped struct {
	Type  string `xml:"vr:Type"`
	Value string `xml:"vr:Value"`
}

type etsiObjects struct {
	List []etsiObject `xml:"vr:ValidationObject"`
}

type etsiObject struct {
	ID    string             `xml:"id,attr"`
	Type  string             `xml:"vr:ObjectType"`
	Body  etsiRepresentation `xml:"vr:ValidationObjectRepresentation"`
	POE   *etsiPOE           `xml:"vr:POE"`
	Gives *etsiGives         `xml:"vr:POEProvisioning"`
}

type etsiPOE struct {
	Time string `xml:"vr:POETime"`
	Type string `xml:"vr:TypeOfProof"`
}

// etsiGives is what a time-stamp proves the existence of.
type etsiGives struct {
	Time  string         `xml:"vr:POETime"`
	Field []etsiFieldRef `xml:"vr:SignatureReference"`
}

type etsiFieldRef struct {
	Field string `xml:"vr:PAdESFieldName"`
}

type etsiRepresentation struct {
	Base64 string      `xml:"vr:base64,omitempty"`
	Digest *etsiDigest `xml:"vr:DigestAlgAndValue"`
}

type etsiDigest struct {
	Method etsiMethod `xml:"ds:DigestMethod"`
	Value  string     `xml:"ds:DigestValue"`
}

type etsiMethod struct {
	Algorithm string `xml:"Algorithm,attr"`
}

// etsi builds a report and the objects that it refers to, each once.
type etsi struct {
	file    File
	objects []etsiObject
	have    map[string]bool
}

func writeETSI(w io.Writer, f File) error {
	b := etsi{file: f, have: make(map[string]bool)}
	out := etsiReport{NSReport: nsReport, NSXAdES: nsXAdES, NSDSig: nsDSig}
	if len(f.SHA256) > 0 {
		b.add(etsiObject{ID: idDocument, Type: urnSigned, Body: etsiRepresentation{
			Digest: &etsiDigest{Method: etsiMethod{algSHA256}, Value: base64.StdEncoding.EncodeToString(f.SHA256)}}})
	}
	for n := range f.Report.Signatures {
		out.Signatures = append(out.Signatures, b.signature(n))
	}
	if len(out.Signatures) == 0 { // the schema wants one; nothing was found that could pass
		out.Signatures = []etsiSignature{{Document: b.document(), Status: etsiStatus{Main: indication(f.Report.Verdict), Data: list(b.reasons(f.Report.Reasons, nil))}}}
	}
	if len(b.objects) > 0 {
		out.Objects = &etsiObjects{b.objects}
	}
	_, err := io.WriteString(w, xml.Header)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	err = enc.Encode(out)
	if err == nil {
		_, err = io.WriteString(w, "\n")
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (b *etsi) signature(n int) etsiSignature {
	s := &b.file.Report.Signatures[n]
	out := etsiSignature{
		Identifier:  &etsiIdentifier{ID: fmt.Sprintf("signature-%d", n+1), DAID: s.Field},
		Constraints: &etsiConstraints{constraints(s)},
		Time:        &etsiTime{At: moment(b.file.At), Best: moment(b.file.At), Proof: urnProof},
		Document:    b.document(),
		Attributes:  attributes(s),
		// Proofs of existence, time-stamps and archived evidence are looked at for
		// every signature, whatever its level (EN 319 102-1 §5.6).
		Process: &etsiProcess{urnProcess + "LTA"},
		Status:  etsiStatus{Main: indication(s.Verdict)},
	}
	if s.BestTime != nil {
		out.Time.Best = moment(*s.BestTime)
	}
	if s.SubIndication != validate.SubNone {
		out.Status.Sub = []string{urnSub + string(s.SubIndication)}
	}
	var chain []string
	if s.Path != nil {
		for _, cert := range s.Path.Certificates {
			chain = append(chain, b.certificate(cert))
		}
		out.Signer = &etsiSigner{Certificate: etsiRef{chain[0]}, Name: s.Signer}
	}
	if s.Level != "" {
		out.Quality = &etsiQuality{[]string{urnQuality + "level:" + s.Level, urnQuality + "kind:" + string(s.Kind)}}
	}
	out.Status.Data = b.evidence(s, b.reasons(s.Reasons, chain))
	return out
}

// constraints says of each of the policy's constraints how it came out.
func constraints(s *validate.Signature) []etsiConstraint {
	list := []etsiConstraint{
		constraint("integrity", s.Integrity == validate.Intact, s.Integrity == validate.Broken, validate.SubHash),
		constraint("coverage", s.Coverage == validate.CoversFile || s.Coverage == validate.CoversRevision, s.Coverage == validate.CoversPart, validate.SubFormat),
		constraint("changes", s.Changes == validate.ChangesNone || s.Changes == validate.ChangesAllowed, s.Changes == validate.ChangesForbidden, validate.SubFormat),
		constraint("path", s.Path != nil, false, validate.SubNoChain),
	}
	return list
}

// constraint is passed, failed, or in doubt when it is neither.
func constraint(name string, passed, failed bool, sub validate.SubIndication) etsiConstraint {
	c := etsiConstraint{Identifier: urnConstraint + name, Applied: urnApplied, Status: etsiStatus{Main: urnIndication + "passed"}}
	switch {
	case failed:
		c.Status = etsiStatus{Main: urnIndication + "failed", Sub: []string{urnSub + string(sub)}}
	case !passed:
		c.Status = etsiStatus{Main: urnIndication + "indeterminate"}
	}
	return c
}

func attributes(s *validate.Signature) *etsiAttributes {
	out := &etsiAttributes{}
	if s.SignedAt != nil {
		out.SigningTime = &etsiSigningTime{moment(*s.SignedAt)}
	}
	if s.ByteRange != [4]int64{} {
		out.ByteRange = strings.Trim(fmt.Sprint(s.ByteRange), "[]")
	}
	if out.SigningTime == nil && out.ByteRange == "" {
		return nil
	}
	return out
}

// reasons carries the path and the reasons in words.
func (b *etsi) reasons(list []validate.Reason, chain []string) *etsiData {
	data := &etsiData{}
	if len(chain) > 0 {
		anchor := &etsiRef{chain[len(chain)-1]}
		data.Anchor, data.Chain = anchor, &etsiChain{Signing: etsiRef{chain[0]}, Anchor: anchor}
		for i := 1; i < len(chain)-1; i++ {
			data.Chain.Between = append(data.Chain.Between, etsiRef{chain[i]})
		}
	}
	for _, r := range list {
		if data.Additional == nil {
			data.Additional = &etsiExtras{}
		}
		data.Additional.List = append(data.Additional.List, etsiTyped{Type: urnReason + string(r.Code), Value: r.Text(b.file.Lang)})
	}
	if data.Chain == nil && data.Additional == nil {
		return nil
	}
	return data
}

func (b *etsi) document() *etsiDocument {
	if !b.have[idDocument] {
		return nil
	}
	return &etsiDocument{etsiRef{idDocument}}
}

func (b *etsi) certificate(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	id := "certificate-" + hex.EncodeToString(sum[:])
	b.add(etsiObject{ID: id, Type: urnCert, Body: etsiRepresentation{Base64: base64.StdEncoding.EncodeToString(cert.Raw)}})
	return id
}

func (b *etsi) add(o etsiObject) {
	if !b.have[o.ID] {
		b.have[o.ID] = true
		b.objects = append(b.objects, o)
	}
}

func indication(v validate.Verdict) string {
	return urnIndication + strings.ToLower(string(v))
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
