package signer

import (
	"bytes"
	"testing"
)

func TestTheIndependentReaderIsNotFooled(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	w.key(t, "rsa", "RSA-2048", "p-binh")
	for _, c := range []struct {
		name, key string
		scheme    Scheme
		level     string
		spoil     func(pdf []byte) []byte
		want      Opinion
	}{
		{"an untouched ECDSA signature is agreed to", "ec", SchemeECDSA, "B-B", nil, OpinionAgrees},
		{"one changed byte of the page under ECDSA is disagreed with", "ec", SchemeECDSA, "B-B", spoilPage, OpinionDisagrees},
		{"one changed byte of the page under RSA PKCS#1 v1.5 is disagreed with", "rsa", SchemePKCS1, "B-B", spoilPage, OpinionDisagrees},
		{"one changed byte of the signing reason is disagreed with", "ec", SchemeECDSA, "B-LT", spoilReason, OpinionDisagrees},
		{"a changed signature value is disagreed with", "ec", SchemeECDSA, "B-B", spoilValue, OpinionDisagrees},
		{"a signature by PSS is beyond the reader", "rsa", SchemePSS, "B-B", nil, OpinionUnknowing},
	} {
		t.Run(c.name, func(t *testing.T) {
			act, path, err := w.sign(t, binh, Request{Key: c.key, Scheme: c.scheme, Level: c.level, Reason: "Phê duyệt ABCDEFGH"})
			if err != nil {
				t.Fatal(err)
			}
			pdf := read(t, path)
			if c.spoil != nil {
				pdf = c.spoil(pdf)
			}
			if pdf == nil {
				t.Fatal("the place to spoil was not found")
			}
			got := secondOpinion(t.Context(), (&Service{}).reader(), count{}, bytes.NewReader(pdf), int64(len(pdf)), readerKnows(c.scheme, 0))
			if got != c.want {
				t.Errorf("%s says %q, want %q", act.ID, got, c.want)
			}
		})
	}
}

// TestWhatTheReaderDoesNotKnowIsCheckedByOurselves spoils what the reader
// cannot judge and asks the last check before the release.
func TestWhatTheReaderDoesNotKnowIsCheckedByOurselves(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "rsa", "RSA-2048", "p-binh")
	_, path, err := w.sign(t, binh, Request{Key: "rsa", Level: "B-B", Reason: "Phê duyệt ABCDEFGH"})
	if err != nil {
		t.Fatal(err)
	}
	pdf := read(t, path)
	report, err := w.Verify(t.Context(), bytes.NewReader(pdf), int64(len(pdf)), "x")
	if err != nil {
		t.Fatal(err)
	}
	signed := resultOf(report.Signatures[0], int64(len(pdf)))
	for name, spoil := range map[string]func([]byte) []byte{"page": spoilPage, "reason": spoilReason, "value": spoilValue} {
		bad := spoil(pdf)
		if bad == nil || w.intact(t.Context(), bytes.NewReader(bad), signed, "") {
			t.Errorf("a spoiled %s passes", name)
		}
	}
	if !w.intact(t.Context(), bytes.NewReader(pdf), signed, "") {
		t.Error("the untouched file does not pass")
	}
	signed.Field = "Another"
	if w.intact(t.Context(), bytes.NewReader(pdf), signed, "") {
		t.Error("another field passes")
	}
}

func spoilPage(pdf []byte) []byte { return flip(pdf, []byte("endstream"), -3) }

// spoilReason changes a letter of the reason, which stands as UTF-16 in hex or
// in a literal string.
func spoilReason(pdf []byte) []byte { return flip(pdf, []byte("/Reason"), 20) }

// spoilValue changes the last byte of the CMS, which ends in the signature.
func spoilValue(pdf []byte) []byte {
	at := bytes.LastIndex(pdf, []byte("/Contents <"))
	if at < 0 {
		at = bytes.LastIndex(pdf, []byte("/Contents<"))
	}
	if at < 0 {
		return nil
	}
	end := at + bytes.IndexByte(pdf[at:], '>')
	for end > at && (pdf[end-1] == '0') {
		end--
	}
	out := bytes.Clone(pdf)
	for i := end - 8; i < end-4; i++ {
		if out[i] == '7' {
			out[i] = '6'
		} else {
			out[i] = '7'
		}
	}
	return out
}

func flip(pdf, after []byte, by int) []byte {
	at := bytes.Index(pdf, after)
	if at < 0 {
		return nil
	}
	out := bytes.Clone(pdf)
	out[at+by] ^= 1
	return out
}
