package cos_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/cos"
)

// page wraps one stream into a file and decodes it.
func decodeStream(t *testing.T, dict string, data []byte, limits cos.Limits) ([]byte, error) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	first := b.Len()
	b.WriteString("1 0 obj\n<</Type/Catalog>>\nendobj\n")
	second := b.Len()
	fmt.Fprintf(&b, "2 0 obj\n<<%s/Length %d>>\nstream\n%s\nendstream\nendobj\n", dict, len(data), data)
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 3\n0000000000 65535 f \n%010d 00000 n \n%010d 00000 n \ntrailer\n<</Size 3/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", first, second, xref)
	f := openBytes(t, b.Bytes(), cos.Options{Limits: limits})
	s := f.Latest().Stream(cos.Ref{Num: 2})
	if s == nil {
		t.Fatal("no stream")
	}
	return f.Latest().Decode(s)
}

func TestEveryFilterGivesBackWhatWentIn(t *testing.T) {
	deflated, err := cos.Deflate([]byte("\x02\x01\x02\x03\x02\x01\x01\x01"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		dict string
		data string
		want string
	}{
		"no filter":                       {"", "plain", "plain"},
		"hexadecimal with an odd end":     {"/Filter/ASCIIHexDecode", "48 65 6C6c 6F7>", "Hellop"},
		"base 85":                         {"/Filter/ASCII85Decode", "87cURD]i,\"Ebo80~>", "Hello World!"},
		"base 85 with z and a short tail": {"/Filter/ASCII85Decode", "z5s~>", "\x00\x00\x00\x00A"},
		"run lengths":                     {"/Filter/RunLengthDecode", "\x02abc\xfex\x80junk", "abcxxx"},
		"LZW of the standard's example":   {"/Filter/LZWDecode", "\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01", "-----A---B"},
		"deflate with PNG predictor up":   {"/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 3>>", string(deflated), "\x01\x02\x03\x02\x03\x04"},
		"two filters":                     {"/Filter[/AHx/RL]", "02616263 80>", "abc"},
		"an indirect chain of names":      {"/Filter[/ASCIIHexDecode]/DecodeParms[null]", "41>", "A"},
	}
	for name, c := range cases {
		got, err := decodeStream(t, c.dict, []byte(c.data), cos.Limits{})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, c.want)
		}
	}
}

func TestLimitsHoldAgainstBombs(t *testing.T) {
	big, err := cos.Deflate(make([]byte, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := cos.Deflate(big)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ dict, data string }{
		"deflate":                  {"/Filter/FlateDecode", string(big)},
		"deflate within deflate":   {"/Filter[/FlateDecode/FlateDecode]", string(twice)},
		"run lengths":              {"/Filter/RunLengthDecode", strings.Repeat("\x81x", 20_000)},
		"a chain without end":      {"/Filter[" + strings.Repeat("/AHx", 40) + "]", "41>"},
		"more stored than allowed": {"", strings.Repeat("x", 2<<20)},
	}
	for name, c := range cases {
		_, err := decodeStream(t, c.dict, []byte(c.data), cos.Limits{Decoded: 1 << 20, Raw: 1 << 20})
		if !errors.Is(err, cos.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = decodeStream(t, "/Filter/DCTDecode", []byte("x"), cos.Limits{})
	if !errors.Is(err, cos.ErrFilter) {
		t.Errorf("an image filter: %v", err)
	}
	nested := "%PDF-1.4\n1 0 obj\n" + strings.Repeat("[", 100_000) + "\nendobj\nxref\n0 2\n0000000000 65535 f \n0000000009 00000 n \ntrailer\n<</Size 2/Root 1 0 R>>\nstartxref\n100025\n%%EOF\n"
	f := openBytes(t, []byte(nested), cos.Options{})
	_, err = f.Latest().Get(cos.Ref{Num: 1})
	if !errors.Is(err, cos.ErrLimit) {
		t.Errorf("nested arrays: %v", err)
	}
}

func TestStreamsDecodeAsQpdfDecodesThem(t *testing.T) {
	_, err := exec.LookPath("qpdf")
	if err != nil {
		t.Skip("qpdf is not installed")
	}
	compared := 0
	for _, path := range corpus(t) {
		f, err := open(t, path, cos.Options{})
		if err != nil || f.Encrypted() || f.Irregular() != "" || compared >= 120 {
			continue
		}
		done := 0
		entries, err := f.Entries(len(f.Revisions()) - 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			s := f.Latest().Stream(e.Ref)
			if e.Free || s == nil || e.Container || s.Dict["Filter"] == nil || done >= 2 {
				continue
			}
			// Plain deflate is everywhere; the rest is worth asking about.
			if s.Dict["Filter"] == cos.Name("FlateDecode") && s.Dict["DecodeParms"] == nil && done > 0 {
				continue
			}
			ours, err := f.Latest().Decode(s)
			if err != nil {
				continue
			}
			cmd := exec.Command("qpdf", fmt.Sprintf("--show-object=%d,%d", e.Ref.Num, e.Ref.Gen), "--filtered-stream-data", path)
			theirs, err := cmd.Output()
			if err != nil && cmd.ProcessState.ExitCode() != 3 {
				continue
			}
			done++
			compared++
			if !bytes.Equal(ours, theirs) {
				t.Errorf("%s %s: %d bytes, qpdf %d", filepath.Base(path), e.Ref, len(ours), len(theirs))
			}
		}
	}
	t.Logf("%d streams compared", compared)
	if compared < 100 {
		t.Errorf("only %d streams compared", compared)
	}
}
