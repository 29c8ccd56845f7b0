package edxml

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/beevik/etree"

	"github.com/antin-gov/antin/internal/workdays"
)

// vietnam is the zone of times without one.
const timeForm = "2006/01/02 15:04:05"

// writer adds elements of the standard's namespace.
type writer struct{ el *etree.Element }

func (w writer) in(name string) writer { return writer{w.el.CreateElement("edXML:" + name)} }

func (w writer) text(name, value string) { w.in(name).el.SetText(value) }

// some writes what is not empty.
func (w writer) some(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w writer) number(name string, value int) { w.text(name, strconv.Itoa(value)) }

func (w writer) organ(name string, o Organ) {
	in := w.in(name)
	in.text("OrganId", o.ID)
	in.text("OrganizationInCharge", o.InCharge)
	in.text("OrganName", o.Name)
	in.text("OrganAdd", o.Address)
	in.text("Email", o.Email)
	in.text("Telephone", o.Telephone)
	in.text("Fax", o.Fax)
	in.text("Website", o.Website)
}

func (w writer) staff(s Staff) {
	in := w.in("StaffInfo")
	in.text("Department", s.Department)
	in.text("Staff", s.Name)
	in.text("Email", s.Email)
	in.text("Mobile", s.Mobile)
}

func (w writer) reference(r Reference) {
	in := w.in("ResponseFor")
	in.text("OrganId", r.Organ)
	in.text("Code", r.Code)
	in.text("PromulgationDate", r.Date.String())
	in.text("DocumentId", r.DocumentID)
}

// open begins a document and gives its root and its header.
func open() (*etree.Document, *etree.Element, writer) {
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	root := doc.CreateElement("edXML")
	root.CreateAttr("xmlns", Namespace)
	root.CreateAttr("xmlns:edXML", Namespace)
	return doc, root, writer{root}.in("edXMLEnvelope")
}

// Write writes an envelope without a signature.
func (e *Envelope) Write() ([]byte, error) {
	err := e.Check()
	if err != nil {
		return nil, err
	}
	doc, root, envelope := open()
	header := envelope.in("edXMLHeader")
	e.message(header.in("MessageHeader"))
	e.trace(header.in("TraceHeaderList"))
	manifest := envelope.in("edXMLBody").in("edXMLManifest")
	manifest.el.CreateAttr("version", "1.0")
	encoded := writer{root}.in("AttachmentEncoded")
	for _, a := range e.Attachments {
		data, err := pack(a)
		if err != nil {
			return nil, err
		}
		for _, in := range []writer{manifest.in("Reference"), encoded.in("Attachment")} {
			in.text("ContentId", a.ID)
			in.text("ContentType", "application/zip")
			in.text("Description", a.Description)
			in.text("AttachmentName", a.Name)
		}
		kids := encoded.el.ChildElements()
		writer{kids[len(kids)-1]}.text("ContentTransferEncoded", base64.StdEncoding.EncodeToString(data))
	}
	return doc.WriteToBytes()
}

func (e *Envelope) message(m writer) {
	m.organ("From", e.From)
	for _, to := range e.To {
		m.organ("To", to)
	}
	m.text("DocumentId", e.DocumentID)
	code := m.in("Code")
	code.text("CodeNumber", e.Number)
	code.text("CodeNotation", e.Notation)
	issue := m.in("PromulgationInfo")
	issue.text("Place", e.Place)
	issue.text("PromulgationDate", e.Date.String())
	kind := m.in("DocumentType")
	kind.number("Type", e.Type)
	kind.text("TypeName", e.TypeName)
	m.text("Subject", e.Subject)
	m.text("Content", e.Content)
	signer := m.in("SignerInfo")
	signer.text("Competence", e.Competence)
	signer.text("Position", e.Position)
	signer.text("FullName", e.FullName)
	m.some("DueDate", e.Due.String())
	places := m.in("ToPlaces")
	for _, p := range e.Places {
		places.text("Place", p)
	}
	other := m.in("OtherInfo")
	other.number("Priority", e.Priority)
	other.text("SphereOfPromulgation", e.Sphere)
	other.text("TyperNotation", e.Typist)
	other.number("PromulgationAmount", e.Copies)
	other.number("PageAmount", e.Pages)
	list := other.in("Appendixes")
	for _, a := range e.Appendixes {
		list.text("Appendix", a)
	}
	for _, r := range e.Answers {
		m.reference(r)
	}
	m.number("SteeringType", e.Steering)
}

func (e *Envelope) trace(t writer) {
	for _, station := range e.Traces {
		in := t.in("TraceHeader")
		in.text("OrganId", station.Organ)
		in.text("Timestamp", station.Time.In(workdays.Zone()).Format(timeForm))
	}
	b := t.in("Bussiness")
	b.some("DocumentId", e.About)
	b.number("BussinessDocType", int(e.Business))
	b.text("BussinessDocReason", e.Reason)
	paper := 0
	if e.Paper {
		paper = 1
	}
	b.number("Paper", paper)
	b.staff(e.Staff)
}

// Write writes a status without a signature.
func (s *Status) Write() ([]byte, error) {
	err := s.Check()
	if err != nil {
		return nil, err
	}
	doc, _, envelope := open()
	in := envelope.in("edXMLHeader").in("Status")
	in.reference(s.Answers)
	in.organ("From", s.From)
	in.text("StatusCode", string(s.Code))
	in.text("Description", s.Reason)
	in.text("Timestamp", s.Time.In(workdays.Zone()).Format(timeForm))
	in.staff(s.Staff)
	return doc.WriteToBytes()
}

// pack puts a file into a ZIP of its own, as envelopes carry them. Equal files
// give equal bytes.
func pack(a Attachment) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: a.Name, Method: zip.Deflate})
	if err == nil {
		_, err = w.Write(a.Data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", a.Name, err)
	}
	return b.Bytes(), nil
}
