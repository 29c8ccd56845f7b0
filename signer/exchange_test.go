package signer

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/antin-gov/antin/signer/edxml"
	"github.com/antin-gov/antin/signer/validate"
)

func TestAnAgencySignsAnEnvelopeOnlyWithDocumentsThatAPersonSigned(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "binh", "EC-P256", "p-binh")
	w.key(t, "seal", "EC-P256", "")
	_, path, err := w.sign(t, binh, Request{Key: "binh"})
	if err != nil {
		t.Fatal(err)
	}
	envelope := func(pdf []byte) []byte {
		e := edxml.Envelope{
			From: edxml.Organ{ID: "000.01.20.H13", Name: "UBND tỉnh"}, To: []edxml.Organ{{ID: "28.22.H17", Name: "Sở Nội vụ"}}, Number: "07", Notation: "CT-UBND", Place: "Tân Lập",
			Date: edxml.Date{Time: time.Date(2026, 2, 5, 0, 0, 0, 0, time.UTC)}, TypeName: "Chỉ thị", Subject: "Về chữ ký số", FullName: "Nguyễn Văn Bình",
			Attachments: []edxml.Attachment{{Name: "chi-thi.pdf", Data: pdf}},
		}
		data, err := e.Write()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	request := func(data []byte) Request {
		return Request{Key: "seal", Seal: true, Format: FormatXAdES, In: bytes.NewReader(data), Size: int64(len(data)), Name: "thu.edxml"}
	}
	_, _, err = w.sign(t, hoa, request(envelope(directive(t))))
	if !errors.Is(err, ErrUnsigned) {
		t.Errorf("an unsigned document inside: %v", err)
	}
	_, path, err = w.sign(t, hoa, request(envelope(read(t, path))))
	if err != nil {
		t.Fatal(err)
	}
	signed := read(t, path)
	report, err := w.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), "thu.edxml")
	if err != nil || report.Verdict != validate.Passed || !bytes.Contains(signed, []byte("</ds:Signature></edXML:edXMLHeader>")) {
		t.Errorf("%+v, %v", report, err)
	}
	back, err := w.sealStatus(t, signed)
	if err != nil || back != validate.Passed {
		t.Errorf("the receipt: %s, %v", back, err)
	}
}

// sealStatus answers an envelope that arrived and signs the answer.
func (w *world) sealStatus(t *testing.T, envelope []byte) (validate.Verdict, error) {
	t.Helper()
	m, err := edxml.Read(envelope)
	if err != nil {
		return "", err
	}
	status, err := m.Envelope.Answer(m.Envelope.To[0], edxml.Arrived, "", time.Now())
	if err != nil {
		return "", err
	}
	data, err := status.Write()
	if err != nil {
		return "", err
	}
	_, path, err := w.sign(t, hoa, Request{Key: "seal", Seal: true, Format: FormatXAdES, In: bytes.NewReader(data), Size: int64(len(data)), Name: "nhan.edxml"})
	if err != nil {
		return "", err
	}
	signed := read(t, path)
	report, err := w.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), "nhan.edxml")
	if err != nil {
		return "", err
	}
	return report.Verdict, nil
}
