package edxml_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/signer/edxml"
)

func FuzzRead(f *testing.F) {
	whole, err := letter().Write()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	sent, err := edxml.Read(whole)
	if err != nil {
		f.Fatal(err)
	}
	back, err := sent.Envelope.Withdrawal("Ban hành nhầm")
	if err != nil {
		f.Fatal(err)
	}
	text, err := back.Write()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	status, err := sent.Envelope.Answer(edxml.Organ{ID: "28.22.H17", Name: "Sở Nội vụ"}, edxml.Refused, "Chữ ký hết hạn", now())
	if err != nil {
		f.Fatal(err)
	}
	text, err = status.Write()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(whole, []byte("edXMLHeader"), []byte("x")))
	files, _ := filepath.Glob(filepath.Join("testdata", "*.edxml")) // more, where there are
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		edxml.Is(data)
		m, err := edxml.Read(data)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		if err != nil {
			return
		}
		if (m.Envelope == nil) == (m.Status == nil) {
			t.Fatal("neither an envelope nor a status, or both")
		}
		if m.Envelope == nil {
			return
		}
		// What was read can be written, or it is told what it lacks; and is read again as it was.
		again, err := m.Envelope.Write()
		if err != nil {
			return
		}
		other, err := edxml.Read(again)
		if err != nil || other.Envelope == nil {
			t.Fatalf("an envelope of ours is not read: %v", err)
		}
		if other.Envelope.Number != m.Envelope.Number || other.Envelope.Subject != m.Envelope.Subject || len(other.Envelope.Attachments) != len(m.Envelope.Attachments) {
			t.Errorf("read again it is another: %+v and %+v", m.Envelope, other.Envelope)
		}
	})
}
