package edxml

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/antin-gov/antin/internal/workdays"
	"github.com/antin-gov/antin/signer/xades"
)

// Message is what a file holds: an envelope or a status.
type Message struct {
	Envelope *Envelope `json:"envelope,omitempty"`
	Status   *Status   `json:"status,omitempty"`
	// Weak are algorithms of its signatures that are no longer safe, as their
	// names end: rsa-sha1, sha1.
	Weak []string `json:"weak,omitempty"`
	// Signed tells whether there is a signature at all.
	Signed bool `json:"signed"`
}

// Is tells whether a file looks like an edXML envelope.
func Is(data []byte) bool {
	return bytes.Contains(data[:min(len(data), 4096)], []byte(Namespace)) && bytes.Contains(data[:min(len(data), 4096)], []byte("edXMLEnvelope"))
}

// Read reads a message. It does not judge its signature.
func Read(data []byte) (*Message, error) {
	_, err := xades.Parse(data) // no declarations, no more than its limits
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	doc := etree.NewDocument()
	err = doc.ReadFromBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	root := doc.Root()
	header := at(root, "edXMLEnvelope", "edXMLHeader")
	if root.Tag != "edXML" || root.NamespaceURI() != Namespace || header == nil {
		return nil, fmt.Errorf("%w: no edXMLHeader in the namespace %s", ErrMalformed, Namespace)
	}
	m := &Message{}
	m.signatures(root)
	status := at(header, "Status")
	if status != nil {
		m.Status, err = readStatus(status)
		return m, err
	}
	if at(header, "MessageHeader") == nil {
		return nil, fmt.Errorf("%w: neither MessageHeader nor Status", ErrMalformed)
	}
	m.Envelope, err = readEnvelope(root, header)
	return m, err
}

// signatures notes what the signatures of a message are made with.
func (m *Message) signatures(root *etree.Element) {
	seen := map[string]bool{}
	for _, el := range root.FindElements("//Signature") {
		m.Signed = true
		for _, name := range []string{".//SignatureMethod", ".//DigestMethod"} {
			for _, method := range el.FindElements(name) {
				uri := method.SelectAttrValue("Algorithm", "")
				short := uri[strings.LastIndexAny(uri, "#/")+1:]
				if (strings.HasSuffix(short, "sha1") || strings.HasSuffix(short, "md5")) && !seen[short] {
					seen[short] = true
					m.Weak = append(m.Weak, short)
				}
			}
		}
	}
}

// at follows names, whatever their prefix.
func at(el *etree.Element, names ...string) *etree.Element {
	for _, name := range names {
		if el == nil {
			return nil
		}
		el = el.SelectElement(name)
	}
	return el
}

func text(el *etree.Element, names ...string) string {
	found := at(el, names...)
	if found == nil {
		return ""
	}
	s := strings.TrimSpace(found.Text())
	r := []rune(s)
	return string(r[:min(len(r), maxText)])
}

func integer(el *etree.Element, names ...string) int {
	n, err := strconv.Atoi(text(el, names...))
	if err != nil {
		return 0
	}
	return n
}

// day reads a day; what is none is told as none.
func day(s string) Date {
	var d Date
	err := d.UnmarshalText([]byte(s[:min(len(s), len(dayForm))]))
	if err != nil {
		return Date{}
	}
	return d
}

func moment(s string) time.Time {
	for _, form := range []string{timeForm, time.RFC3339, dayForm} {
		t, err := time.ParseInLocation(form, s, workdays.Zone())
		if err == nil {
			return t
		}
	}
	return time.Time{}
}

func readOrgan(el *etree.Element) Organ {
	return Organ{
		ID: text(el, "OrganId"), InCharge: text(el, "OrganizationInCharge"), Name: text(el, "OrganName"), Address: text(el, "OrganAdd"),
		Email: text(el, "Email"), Telephone: text(el, "Telephone"), Fax: text(el, "Fax"), Website: text(el, "Website"),
	}
}

func readStaff(el *etree.Element) Staff {
	return Staff{Department: text(el, "Department"), Name: text(el, "Staff"), Email: text(el, "Email"), Mobile: text(el, "Mobile")}
}

func readReference(el *etree.Element) Reference {
	return Reference{Organ: text(el, "OrganId"), Code: text(el, "Code"), Date: day(text(el, "PromulgationDate")), DocumentID: text(el, "DocumentId")}
}

func readStatus(el *etree.Element) (*Status, error) {
	s := &Status{
		Answers: readReference(at(el, "ResponseFor")), From: readOrgan(at(el, "From")), Reason: text(el, "Description"),
		Time: moment(text(el, "Timestamp")), Staff: readStaff(at(el, "StaffInfo")),
	}
	code := text(el, "StatusCode")
	if len(code) == 1 {
		code = "0" + code
	}
	s.Code = StatusCode(code)
	return s, nil
}

func readEnvelope(root, header *etree.Element) (*Envelope, error) {
	m := at(header, "MessageHeader")
	other, business := at(m, "OtherInfo"), at(header, "TraceHeaderList", "Bussiness")
	e := &Envelope{
		From: readOrgan(at(m, "From")), DocumentID: text(m, "DocumentId"), Number: text(m, "Code", "CodeNumber"), Notation: text(m, "Code", "CodeNotation"),
		Place: text(m, "PromulgationInfo", "Place"), Date: day(text(m, "PromulgationInfo", "PromulgationDate")),
		Type: integer(m, "DocumentType", "Type"), TypeName: text(m, "DocumentType", "TypeName"), Subject: text(m, "Subject"), Content: text(m, "Content"),
		Competence: text(m, "SignerInfo", "Competence"), Position: text(m, "SignerInfo", "Position"), FullName: text(m, "SignerInfo", "FullName"),
		Due: day(text(m, "DueDate")), Priority: integer(other, "Priority"), Sphere: text(other, "SphereOfPromulgation"), Typist: text(other, "TyperNotation"),
		Copies: integer(other, "PromulgationAmount"), Pages: integer(other, "PageAmount"), Steering: integer(m, "SteeringType"),
		Business: Business(integer(business, "BussinessDocType")), About: text(business, "DocumentId"), Reason: text(business, "BussinessDocReason"),
		Paper: integer(business, "Paper") == 1, Staff: readStaff(at(business, "StaffInfo")),
	}
	each(m, "To", func(el *etree.Element) { e.To = append(e.To, readOrgan(el)) })
	each(m, "ResponseFor", func(el *etree.Element) { e.Answers = append(e.Answers, readReference(el)) })
	each(at(m, "ToPlaces"), "Place", func(el *etree.Element) { e.Places = append(e.Places, text(el)) })
	each(at(other, "Appendixes"), "Appendix", func(el *etree.Element) { e.Appendixes = append(e.Appendixes, text(el)) })
	each(at(header, "TraceHeaderList"), "TraceHeader", func(el *etree.Element) {
		e.Traces = append(e.Traces, Trace{Organ: text(el, "OrganId"), Time: moment(text(el, "Timestamp"))})
	})
	left := maxAttached
	var err error
	each(at(root, "AttachmentEncoded"), "Attachment", func(el *etree.Element) {
		if err != nil {
			return
		}
		a := Attachment{ID: text(el, "ContentId"), Name: text(el, "AttachmentName"), ContentType: text(el, "ContentType"), Description: text(el, "Description")}
		a.Data, err = unpack(at(el, "ContentTransferEncoded"), a.Name, left)
		left -= len(a.Data)
		e.Attachments = append(e.Attachments, a)
	})
	return e, err
}

func each(el *etree.Element, name string, visit func(*etree.Element)) {
	if el == nil {
		return
	}
	list := el.SelectElements(name)
	for _, kid := range list[:min(len(list), maxList)] {
		visit(kid)
	}
}

// unpack reads a file in base64, and in a ZIP where it is in one.
func unpack(el *etree.Element, name string, most int) ([]byte, error) {
	if el == nil {
		return nil, fmt.Errorf("%w: attachment %q has no content", ErrMalformed, name)
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(el.Text()), ""))
	if err != nil {
		return nil, fmt.Errorf("%w: attachment %q: %w", ErrMalformed, name, err)
	}
	if !bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		if len(data) > most {
			return nil, fmt.Errorf("%w: attachments of more than %d bytes", ErrLimit, maxAttached)
		}
		return data, nil
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(z.File) == 0 {
		return nil, errors.Join(fmt.Errorf("%w: attachment %q is a damaged ZIP", ErrMalformed, name), err)
	}
	f, err := z.File[0].Open()
	if err != nil {
		return nil, fmt.Errorf("%w: attachment %q: %w", ErrMalformed, name, err)
	}
	defer func() { _ = f.Close() }()
	out, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("%w: attachment %q: %w", ErrMalformed, name, err)
	}
	if len(out) > most {
		return nil, fmt.Errorf("%w: attachments of more than %d bytes", ErrLimit, maxAttached)
	}
	return out, nil
}
