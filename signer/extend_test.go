package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer/validate"
)

func TestAnExtensionIsRecordedVerifiedAndReleased(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	ctx := auth.WithSubject(t.Context(), binh)
	_, path, err := w.sign(t, binh, Request{Key: "ec", Level: "B-T"})
	if err != nil {
		t.Fatal(err)
	}
	in := read(t, path)
	out := filepath.Join(t.TempDir(), "extended.pdf")
	for _, level := range []string{"B-LT", ""} {
		result, err := w.Extend(ctx, ExtendRequest{In: bytes.NewReader(in), Size: int64(len(in)), Name: "chi-thi.pdf", Level: level, Factor: FactorLocal}, out)
		if err != nil {
			t.Fatal(err)
		}
		if level == "" {
			level = "B-LTA"
		}
		data := read(t, out)
		before, after := sha256.Sum256(in), sha256.Sum256(data)
		kept, err := w.Act(t.Context(), result.Act.ID)
		if err != nil || kept.State != StateReleased || kept.Level != level || kept.AccountID != "binh.nv" ||
			kept.DocumentSHA256 != hex.EncodeToString(before[:]) || kept.ResultSHA256 != hex.EncodeToString(after[:]) {
			t.Errorf("recorded %+v, %v", kept, err)
		}
		kinds := w.kinds(t)
		want := []string{"extend.begin " + result.Act.ID, "extend.release " + result.Act.ID}
		if !slices.Equal(kinds[len(kinds)-2:], want) {
			t.Errorf("ledger says %v", kinds)
		}
		report, err := w.Verify(t.Context(), bytes.NewReader(data), int64(len(data)), "x")
		if err != nil || report.Verdict != validate.Passed || report.Signatures[0].Level != level {
			t.Errorf("verification says %+v, %v", report, err)
		}
	}
}

func TestNothingIsExtendedThatIsNotValidAllowedOrRecorded(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.key(t, "ec", "EC-P256", "p-binh")
	_, path, err := w.sign(t, binh, Request{Key: "ec", Level: "B-LTA"})
	if err != nil {
		t.Fatal(err)
	}
	good := read(t, path)
	changed := bytes.Clone(good)
	changed[len(directive(t))/2] ^= 1
	var denied *auth.DeniedError
	for _, c := range []struct {
		name  string
		who   auth.Subject
		in    []byte
		level string
		fail  string
		want  func(error) bool
	}{
		{"a document without a signature", binh, directive(t), "", "", func(err error) bool { return errors.Is(err, ErrNotExtendable) }},
		{"a document that was changed after signing", binh, changed, "", "", func(err error) bool {
			return errors.Is(err, ErrNotExtendable) || errors.Is(err, validate.ErrUnreadable)
		}},
		{"a level that is none", binh, good, "B-T", "", func(err error) bool { return errors.Is(err, ErrRequest) }},
		{"somebody without the right", dung, good, "", "", func(err error) bool { return errors.As(err, &denied) }},
		{"a ledger that refuses the beginning", binh, good, "", "extend.begin", func(err error) bool { return errors.Is(err, ErrRecord) }},
		{"a ledger that refuses the release", binh, good, "", "extend.release", func(err error) bool { return errors.Is(err, ErrRecord) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.weak.failAt(c.fail)
			out := filepath.Join(t.TempDir(), "extended.pdf")
			_, err := w.Extend(auth.WithSubject(t.Context(), c.who), ExtendRequest{In: bytes.NewReader(c.in), Size: int64(len(c.in)), Level: c.level}, out)
			if !c.want(err) {
				t.Errorf("got %v", err)
			}
			_, err = os.Stat(out)
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("output: %v", err)
			}
		})
	}
}
