package edxml

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Business is what an envelope does (BussinessDocType).
type Business int

// What an envelope does.
const (
	New      Business = 0
	Withdraw Business = 1
	Update   Business = 2
	Replace  Business = 3
)

// Organ is a sender or receiver.
type Organ struct {
	ID        string `json:"id"` // QĐ 20/2020/QĐ-TTg, such as 000.01.20.H13
	InCharge  string `json:"in_charge,omitempty"`
	Name      string `json:"name"`
	Address   string `json:"address,omitempty"`
	Email     string `json:"email,omitempty"`
	Telephone string `json:"telephone,omitempty"`
	Fax       string `json:"fax,omitempty"`
	Website   string `json:"website,omitempty"`
}

// Staff is whom to ask.
type Staff struct {
	Department string `json:"department,omitempty"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Mobile     string `json:"mobile,omitempty"`
}

// Reference names a document that an envelope answers (ResponseFor).
type Reference struct {
	Organ      string `json:"organ"`
	Code       string `json:"code"`
	Date       Date   `json:"date"`
	DocumentID string `json:"document_id"`
}

// Attachment is a file in an envelope.
type Attachment struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Description string `json:"description,omitempty"`
	Data        []byte `json:"-"`
}

// Trace is a station of an envelope's way.
type Trace struct {
	Organ string    `json:"organ"`
	Time  time.Time `json:"time"`
}

// Envelope is a message with a document, or about one that was sent.
type Envelope struct {
	From Organ   `json:"from"`
	To   []Organ `json:"to"`
	// DocumentID is "organ,yyyy/mm/dd,number/symbol"; empty fills it in.
	DocumentID string `json:"document_id,omitempty"`
	Number     string `json:"number"`   // 05
	Notation   string `json:"notation"` // QĐ-UBND
	Place      string `json:"place"`
	Date       Date   `json:"date"`
	Type       int    `json:"type"` // of the standard's table, 1 an official letter …
	TypeName   string `json:"type_name"`
	Subject    string `json:"subject"`
	Content    string `json:"content,omitempty"`
	// Signer is who signed the document.
	Competence string   `json:"competence,omitempty"` // TM. ỦY BAN NHÂN DÂN
	Position   string   `json:"position,omitempty"`
	FullName   string   `json:"full_name"`
	Due        Date     `json:"due,omitzero"`
	Priority   int      `json:"priority,omitempty"` // 0 usual, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc
	Sphere     string   `json:"sphere,omitempty"`
	Typist     string   `json:"typist,omitempty"`
	Copies     int      `json:"copies,omitempty"`
	Pages      int      `json:"pages,omitempty"`
	Appendixes []string `json:"appendixes,omitempty"`
	Steering   int      `json:"steering,omitempty"`
	Places     []string `json:"places,omitempty"` // "Nơi nhận"
	// Answers are the documents that this one responds to.
	Answers  []Reference `json:"answers,omitempty"`
	Business Business    `json:"business"`
	// About is the document that is withdrawn, updated or replaced.
	About  string  `json:"about,omitempty"`
	Reason string  `json:"reason,omitempty"`
	Paper  bool    `json:"paper,omitempty"` // a paper copy follows
	Staff  Staff   `json:"staff,omitzero"`
	Traces []Trace `json:"traces,omitempty"`

	Attachments []Attachment `json:"attachments,omitempty"`
}

// Status answers an envelope.
type Status struct {
	Answers Reference  `json:"answers"`
	From    Organ      `json:"from"`
	Code    StatusCode `json:"code"`
	// Reason is needed for a refusal.
	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time"`
	Staff  Staff     `json:"staff,omitzero"`
}

// StatusCode is what became of a document at its receiver.
type StatusCode string

// Status codes.
const (
	Arrived          StatusCode = "01"
	Refused          StatusCode = "02"
	Accepted         StatusCode = "03"
	Assigned         StatusCode = "04"
	Processing       StatusCode = "05"
	Done             StatusCode = "06"
	WithdrawAsked    StatusCode = "13"
	WithdrawAgreed   StatusCode = "15"
	WithdrawDeclined StatusCode = "16"
)

// Text is the meaning of a code in Vietnamese, "" for an unknown one.
func (c StatusCode) Text() string {
	return map[StatusCode]string{
		Arrived: "Đã đến", Refused: "Từ chối tiếp nhận", Accepted: "Đã tiếp nhận", Assigned: "Phân công xử lý", Processing: "Đang xử lý", Done: "Hoàn thành",
		WithdrawAsked: "Lấy lại", WithdrawAgreed: "Đồng ý lấy lại", WithdrawDeclined: "Từ chối lấy lại",
	}[c]
}

// Date is a day, written yyyy/mm/dd.
type Date struct{ time.Time }

const dayForm = "2006/01/02"

// String writes the day, "" for none.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(dayForm)
}

// MarshalText writes the day.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalJSON writes the day; that of the time within would write a time.
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a day.
func (d *Date) UnmarshalJSON(data []byte) error {
	var s string
	err := json.Unmarshal(data, &s)
	if err != nil {
		return fmt.Errorf("%w: a day is a text yyyy/mm/dd", ErrInvalid)
	}
	return d.UnmarshalText([]byte(s))
}

// UnmarshalText reads a day; both yyyy/mm/dd and yyyy-mm-dd are in use.
func (d *Date) UnmarshalText(text []byte) error {
	s := strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "/")
	if s == "" {
		*d = Date{}
		return nil
	}
	t, err := time.Parse(dayForm, s)
	if err != nil {
		return fmt.Errorf("%w: day %q, want yyyy/mm/dd", ErrInvalid, s)
	}
	d.Time = t
	return nil
}

// Check tells what an envelope lacks, and fills in its document id.
func (e *Envelope) Check() error {
	if e.DocumentID == "" && e.From.ID != "" && !e.Date.IsZero() {
		e.DocumentID = e.From.ID + "," + e.Date.String() + "," + e.Number + "/" + e.Notation
	}
	err := e.From.check("sender")
	if err != nil {
		return err
	}
	if len(e.To) == 0 || len(e.To) > maxList || len(e.Places) > maxList || len(e.Appendixes) > maxList {
		return fmt.Errorf("%w: %d receivers", ErrInvalid, len(e.To))
	}
	for _, to := range e.To {
		err = to.check("receiver")
		if err != nil {
			return err
		}
	}
	for name, value := range map[string]string{
		"number": e.Number, "symbol": e.Notation, "subject": e.Subject, "name of the type": e.TypeName, "place": e.Place, "signer's name": e.FullName,
	} {
		if strings.TrimSpace(value) == "" || utf8.RuneCountInString(value) > maxText {
			return fmt.Errorf("%w: no %s, or one that is too long", ErrInvalid, name)
		}
	}
	if e.Date.IsZero() {
		return fmt.Errorf("%w: no day of issue", ErrInvalid)
	}
	switch {
	case e.Business < New || e.Business > Replace:
		return fmt.Errorf("%w: business %d", ErrInvalid, int(e.Business))
	case e.Business != New && (e.About == "" || strings.TrimSpace(e.Reason) == ""):
		return fmt.Errorf("%w: to withdraw, update or replace needs the document and a reason", ErrInvalid)
	}
	return e.checkAttachments()
}

func (e *Envelope) checkAttachments() error {
	total, seen := 0, map[string]bool{}
	for i := range e.Attachments {
		a := &e.Attachments[i]
		if a.ID == "" {
			a.ID = fmt.Sprintf("cid:%d", i+1)
		}
		if a.Name == "" || strings.ContainsAny(a.Name, `/\`) || seen[a.ID] || seen["name:"+a.Name] {
			return fmt.Errorf("%w: attachment %q", ErrInvalid, a.Name)
		}
		seen[a.ID], seen["name:"+a.Name] = true, true
		total += len(a.Data)
	}
	if len(e.Attachments) > maxAttachments || total > maxAttached {
		return fmt.Errorf("%w: %d attachments of %d bytes, at most %d of %d", ErrLimit, len(e.Attachments), total, maxAttachments, maxAttached)
	}
	if e.Business == New && len(e.Attachments) == 0 {
		return fmt.Errorf("%w: a new document needs its file", ErrInvalid)
	}
	return nil
}

func (o Organ) check(who string) error {
	if o.ID == "" || utf8.RuneCountInString(o.ID) > maxOrgan || o.Name == "" {
		return fmt.Errorf("%w: the %s needs a name and an identifier of at most %d characters", ErrInvalid, who, maxOrgan)
	}
	return nil
}

// Answer begins a status about an envelope.
func (e *Envelope) Answer(from Organ, code StatusCode, reason string, now time.Time) (*Status, error) {
	s := &Status{
		Answers: Reference{Organ: e.From.ID, Code: e.Number + "/" + e.Notation, Date: e.Date, DocumentID: e.DocumentID},
		From:    from, Code: code, Reason: reason, Time: now,
	}
	return s, s.Check()
}

// Withdrawal is the envelope that takes back one that was sent.
func (e *Envelope) Withdrawal(reason string) (*Envelope, error) {
	out := *e
	out.Business, out.About, out.Reason = Withdraw, e.DocumentID, reason
	out.Attachments, out.Traces = nil, nil
	return &out, out.Check()
}

// Check tells what a status lacks: a refusal needs its reason (QĐ 28/2018).
func (s *Status) Check() error {
	err := s.From.check("answering agency")
	if err != nil {
		return err
	}
	if s.Code.Text() == "" {
		return fmt.Errorf("%w: status %q", ErrInvalid, string(s.Code))
	}
	if (s.Code == Refused || s.Code == WithdrawDeclined) && strings.TrimSpace(s.Reason) == "" {
		return fmt.Errorf("%w: a refusal needs its reason", ErrInvalid)
	}
	if s.Answers.DocumentID == "" || s.Answers.Organ == "" || s.Time.IsZero() {
		return fmt.Errorf("%w: a status names the document that it answers, and its time", ErrInvalid)
	}
	return nil
}
