package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/validate"
)

var table = []byte("mã,tên\r\n01,Sở Thông tin\r\n")

func TestAFileOfAnyKindIsSignedRecordedAndConfirmed(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	w.key(t, "rsa", "RSA-2048", "p-binh")
	for _, c := range []struct {
		name     string
		q        Request
		recorded string
		opinion  Opinion
	}{
		{"CAdES detached for the long term by default", Request{Key: "ec", Format: FormatCAdES}, "CAdES-B-LT", OpinionAgrees},
		{"CAdES attached, archived", Request{Key: "ec", Format: FormatCAdES, Packaging: PackagingAttached, Level: "B-LTA"}, "CAdES-B-LTA", OpinionAgrees},
		{"CAdES by RSA-PSS, which the reader does not know", Request{Key: "rsa", Format: FormatCAdES, Level: "B-T"}, "CAdES-B-T", OpinionUnknowing},
		{"XAdES enveloped by default", Request{Key: "ec", Format: FormatXAdES}, "XAdES-B-LT", OpinionAlone},
		{"XAdES enveloping by RSA-PSS", Request{Key: "rsa", Format: FormatXAdES, Packaging: PackagingEnveloping, Level: "B-T"}, "XAdES-B-T", OpinionAlone},
		{"ASiC-E", Request{Key: "ec", Format: FormatASiC}, "ASiC-E-CAdES-B-LT", OpinionAgrees},
		{"XAdES detached", Request{Key: "rsa", Format: FormatXAdES, Packaging: PackagingDetached, Level: "B-B", Scheme: SchemePKCS1}, "XAdES-B-B", OpinionAlone},
		{"CAdES by PKCS#1 v1.5", Request{Key: "rsa", Format: FormatCAdES, Level: "B-B", Scheme: SchemePKCS1}, "CAdES-B-B", OpinionAgrees},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := table
			if c.q.Format == FormatXAdES && c.q.Packaging == "" {
				content = []byte("<bang><dong/></bang>")
			}
			c.q.In, c.q.Size, c.q.Name = bytes.NewReader(content), int64(len(content)), "bang.csv"
			act, path, err := w.sign(t, binh, c.q)
			if err != nil {
				t.Fatal(err)
			}
			signed := read(t, path)
			original, sum := sha256.Sum256(content), sha256.Sum256(signed)
			if act.Level != c.recorded || act.Opinion != string(c.opinion) || act.State != StateReleased ||
				act.DocumentSHA256 != hex.EncodeToString(original[:]) || act.ResultSHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("recorded %+v", act)
			}
			release, err := w.ledger.Entry(t.Context(), uint64(act.ReleaseIndex))
			if err != nil || release.Kind != "sign.release" || release.Digest != act.ResultSHA256 || release.Detail["level"] != c.recorded {
				t.Errorf("ledger ends with %+v, %v", release, err)
			}
			report, err := validate.File(t.Context(), bytes.NewReader(signed), int64(len(signed)), validate.Options{
				Store: w.pki.Store(t), Collector: w.pki.Collector(), Clock: w.pki.Clock, Content: bytes.NewReader(content),
			})
			if err != nil || report.Verdict != validate.Passed || report.Signatures[0].Level != strings.TrimPrefix(c.recorded, "ASiC-E-") {
				t.Errorf("verification says %+v, %v", report, err)
			}
		})
	}
}

func TestAFormatRefusesWhatItDoesNotDo(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	for name, q := range map[string]Request{
		"an unknown format":            {Format: "odt"},
		"a PDF's reason":               {Format: FormatCAdES, Reason: "x"},
		"an unknown packaging":         {Format: FormatCAdES, Packaging: "around"},
		"packaging of a PDF signature": {Packaging: PackagingAttached},
		"an unknown level":             {Format: FormatCAdES, Level: "B-X"},
	} {
		q.Key, q.In, q.Size = "ec", bytes.NewReader(table), int64(len(table))
		_, path, err := w.sign(t, binh, q)
		if !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = os.Stat(path)
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s left a file", name)
		}
	}
	if n := len(w.kinds(t)); n != 0 {
		t.Errorf("%d ledger entries", n)
	}
}

func TestAFaultySignatureOfAnyFormatDoesNotLeave(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	// The content changes between the record and the signing.
	changing := &changingReader{Reader: bytes.NewReader(table), after: int64(len(table))}
	_, path, err := w.sign(t, binh, Request{Key: "ec", Format: FormatCAdES, Level: "B-B", In: changing, Size: int64(len(table))})
	if !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	_, err = os.Stat(path)
	if !errors.Is(err, os.ErrNotExist) {
		t.Error("the result left")
	}
}

// changingReader gives other bytes once so many have been read.
type changingReader struct {
	*bytes.Reader
	after, read int64
}

func (r *changingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	if r.read >= r.after && n > 0 {
		p[0] ^= 1
	}
	r.read += int64(n)
	return n, err
}
